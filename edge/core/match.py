"""Compare what was read with what is expected. The record verifies; it never edits (law L6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.core.fields import FieldRule, Product
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


def code_text(code: Code, rule: FieldRule) -> str | None:
    """What a code says for a field: its named value, or its whole text where that has the field's pattern."""
    named = code.fields.get(rule.name)
    if named:
        return named
    if not code.fields and rule.pattern is not None and rule.matches(code.text):
        return code.text
    return None


def code_verdicts(codes: Sequence[Code], texts: Mapping[str, str], product: Product) -> Mapping[str, bool]:
    """For each field that a code speaks of: whether every code agrees with the text that was read.

    A field without a pattern cannot be contradicted by an unnamed code, but such a code may still agree with it.
    """
    verdicts: dict[str, bool] = {}
    for name, rule in product.fields.items():
        text = texts.get(name, "")
        if not text:
            continue
        said = [said for code in codes if (said := code_text(code, rule)) is not None]
        agreed = [code for code in codes if not code.fields and same(code.text, text)]
        if said or agreed:
            verdicts[name] = all(same(one, text) for one in said)
    return verdicts


def _without_blanks(text: str) -> str:
    return "".join(text.split())
