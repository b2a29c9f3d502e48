"""Compare what was read with what is expected. The record verifies; it never edits (law L6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.core.fields import FieldRule, Product, violation
from edge.core.reading import Code


def same(read: str, expected: str) -> bool:
    """Whether two texts name the same thing: equal but for blanks, which plates and records set as they like."""
    return _without_blanks(read) == _without_blanks(expected)


def differing(read: Mapping[str, str], expected: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the fields that both sides have and that are not the same."""
    return tuple(name for name, text in expected.items() if read.get(name) and text and not same(read[name], text))


def near_miss(read: str, expected: str, confusable: Sequence[str]) -> bool:
    """Whether two different texts differ only in characters that readers mix up, so that a misread is likelier."""
    one, other = _without_blanks(read), _without_blanks(expected)
    if one == other or len(one) != len(other):
        return False
    return all(
        a == b or any(a in group and b in group for group in confusable) for a, b in zip(one, other, strict=True)
    )


#: Letters before a value in a bare code that say what it is (ANSI MH10.8.2): one may stand there, and is not printed.
IDENTIFIERS: Mapping[str, tuple[str, ...]] = {"serial": ("S",), "model": ("1P", "P")}
#: What a printer sets between groups, and a code leaves out.
_SEPARATORS = " -./_"


def code_text(code: Code, rule: FieldRule) -> str | None:
    """What a code says for a field: its named value, or its text where that has the field's form, check digit too."""
    named = code.fields.get(rule.name)
    if named:
        return named
    if code.fields or rule.pattern is None:
        return None
    return next((text for text in _bare(code, rule.name) if violation(text, rule) is None), None)


def code_verdicts(codes: Sequence[Code], texts: Mapping[str, str], product: Product) -> Mapping[str, bool]:
    """For each field that a code speaks of: whether every code agrees with the text that was read.

    A field without a pattern cannot be contradicted by an unnamed code, but such a code may still agree with it. An
    unnamed code that is the text of another field says nothing about this one. A difference of case or separators
    only, which a symbology may not be able to hold, is neither agreement nor contradiction; two codes that name
    different values contradict each other, so that one of them contradicts the text.
    """
    verdicts: dict[str, bool] = {}
    for name, rule in product.fields.items():
        text = texts.get(name, "")
        if not text:
            continue
        others = [other for field, other in texts.items() if field != name and other]
        verdict = [_agreement(code, text, rule, others) for code in codes]
        if any(one is not None for one in verdict):
            verdicts[name] = all(one is not False for one in verdict)
    return verdicts


def _agreement(code: Code, text: str, rule: FieldRule, others: Sequence[str]) -> bool | None:
    """Whether a code agrees with a field's text; None: it says nothing about it."""
    bare = () if code.fields else _bare(code, rule.name)
    if any(same(one, text) for one in bare):
        return True
    if any(same(code.text, other) for other in others if not code.fields):
        return None
    said = code_text(code, rule)
    if said is None or (not same(said, text) and _plain(said) == _plain(text)):
        return None
    return same(said, text)


def confirmed(
    alternatives: Sequence[tuple[str, str]], codes: Sequence[Code], rule: FieldRule
) -> tuple[str, str] | None:
    """The proposed text of the right form, with its rule, that every code speaking of the field says; else None."""
    said = {_without_blanks(one) for code in codes if (one := code_text(code, rule)) is not None}
    if len(said) != 1:
        return None
    return next(
        (one for one in alternatives if _without_blanks(one[0]) in said and violation(one[0], rule) is None), None
    )


def _bare(code: Code, name: str) -> tuple[str, ...]:
    """A bare code's text, and what is left of it without the letters that name the field."""
    starts = IDENTIFIERS.get(name, ())
    return (code.text, *(code.text[len(one) :] for one in starts if code.text.startswith(one) and code.text != one))


def _plain(text: str) -> str:
    return "".join(c for c in text.casefold() if c not in _SEPARATORS)


def _without_blanks(text: str) -> str:
    return "".join(text.split())
