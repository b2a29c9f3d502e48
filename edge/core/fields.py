"""What to read on a product, and whether a text has the right form: patterns, confusable characters, check digits."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, product
from types import MappingProxyType

from edge.core.quality import MeasureName


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field to read.

    `pattern` is for people and for the outcome; `matches` is its compiled form (whole text), which carries its own
    time limit, since the core has no clock. `confusable` holds groups of characters that readers mix up ("0O").
    """

    name: str
    pattern: str | None = None
    matches: Callable[[str], bool] = lambda _text: True
    keys: tuple[str, ...] = ()
    required: bool = True
    confusable: tuple[str, ...] = ()
    check: str | None = None
    min_confidence: float = 0.90
    max_new_tokens: int = 32
    question: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The least score (0 to 100) that each measure needs; a measure that is not named is not judged."""

    min_scores: Mapping[MeasureName, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Product:
    """A type of thing made: its fields, its limits on frames, and how it is checked against the record."""

    name: str
    fields: Mapping[str, FieldRule]
    limits: Limits = Limits()
    mode: str = "identify"


#: What a printer, a font or a reader writes for the plain hyphen.
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\ufe58\ufe63\uff0d"

_PLAIN_DASH = str.maketrans(dict.fromkeys(DASHES, "-"))


def normalise(raw: str, rule: FieldRule) -> tuple[str, str | None]:
    """Write a text as printed in its plain form, and name what changed it (law L7).

    Blanks inside a text go only where the pattern matches without them and not with them. Nothing else about a
    printed character is changed: a wrong letter stays a wrong letter.

    Returns:
        The plain text, and the names of the rules that changed it, joined with ", ", or None.
    """
    used = []
    text = raw.strip()
    if text != raw:
        used.append("blanks around")
    narrow = "".join(
        unicodedata.normalize("NFKC", c) if "\uff00" <= c <= "\uffef" or c == "\u3000" else c for c in text
    )
    if narrow != text:
        text = narrow.strip()
        used.append("full-width forms")
    dashed = text.translate(_PLAIN_DASH)
    if dashed != text:
        text = dashed
        used.append("dash variants")
    single = " ".join(text.split())
    if single != text:
        text = single
        used.append("repeated blanks")
    if rule.pattern is not None and " " in text and not rule.matches(text):
        closed = text.replace(" ", "")
        if rule.matches(closed):
            text = closed
            used.append("blanks inside")
    return text, ", ".join(used) or None


def violation(text: str, rule: FieldRule) -> str | None:
    """Say what is wrong with a text's form: its pattern, then its check digit. None: the form is right.

    Raises:
        ValueError: the rule names a check that does not exist.
    """
    if not rule.matches(text):
        return f"does not match the pattern {rule.pattern}"
    if rule.check is None:
        return None
    if rule.check not in CHECKS:
        raise ValueError(f"check '{rule.check}' of field '{rule.name}' is unknown; use one of {', '.join(CHECKS)}")
    return None if CHECKS[rule.check](text) else f"has a wrong check digit ({rule.check})"


def fixes_form(text: str, rule: FieldRule) -> bool:
    """Whether the pattern holds a text to its form: no character may be of another kind, and none may go or come.

    Such a pattern is evidence of its own that none was lost, and none taken for one of another kind.
    """
    if rule.pattern is None or not text or not rule.matches(text):
        return False
    for at, character in enumerate(text):
        before, behind = text[:at], text[at + 1 :]
        others = ("0",) if character.isalpha() else ("A", "a") if character.isdecimal() else ("0", "A")
        if any(rule.matches(before + other + behind) for other in ("", *others)):
            return False
    return not any(rule.matches(text[:at] + more + text[at:]) for at in range(len(text) + 1) for more in ("0", "A"))


def _values(text: str) -> list[int] | None:
    """Each character's value: digits as they are, letters from 10 on as ISO 7064 and ISIN count them."""
    values = []
    for character in text:
        if character in "0123456789":
            values.append(ord(character) - ord("0"))
        elif "A" <= character <= "Z":
            values.append(ord(character) - ord("A") + 10)
        elif character not in " -./":
            return None
    return values if len(values) > 1 else None


def luhn(text: str) -> bool:
    """Say whether the last digit is right by ISO/IEC 7812 (letters count as two digits, as in an ISIN)."""
    values = _values(text)
    if values is None or values[-1] > 9:
        return False
    digits = [int(digit) for value in values for digit in str(value)]
    total = sum(digits[-1::-2])
    total += sum(digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[-2::-2])
    return total % 10 == 0


def mod11(text: str) -> bool:
    """Say whether the last character is right by modulo 11: X is 10, weights 2 to 10 from the right, then again."""
    values = _values(text)
    if values is None:
        return False
    last, body = values[-1], values[:-1]
    if text.rstrip(" -./").endswith("X"):
        last = 10
    if last > 10 or any(value > 9 for value in body):
        return False
    total = last + sum(value * (2 + index % 9) for index, value in enumerate(reversed(body)))
    return total % 11 == 0


def mod97(text: str) -> bool:
    """Say whether the last two digits are right by ISO 7064 MOD 97-10 (letters count from 10 on)."""
    values = _values(text)
    if values is None or len(values) < 3:
        return False
    number = int("".join(str(value) for value in values))
    return number % 97 == 1 and 2 <= number % 100 <= 98


def gs1(text: str) -> bool:
    """Say whether the last digit is right by GS1 modulo 10 (EAN, GTIN, SSCC: weights 3 and 1 from the right)."""
    values = _values(text)
    if values is None or any(value > 9 for value in values):
        return False
    return (sum(values[-1::-2]) + 3 * sum(values[-2::-2])) % 10 == 0


#: What `FieldRule.check` may name.
CHECKS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {"luhn": luhn, "mod11": mod11, "mod97": mod97, "gs1": gs1}
)

#: Proposals stop here; a text with more has no useful proposal.
MAX_PROPOSALS = 8
#: Texts tried against the pattern at most; what stays untried is said (`Proposals.complete`).
MAX_TRIED = 500


@dataclass(frozen=True, slots=True)
class Proposals:
    """Other texts of the right form, each with the swaps that reach it; `complete` is False where a limit cut them."""

    texts: tuple[tuple[str, str], ...] = ()
    complete: bool = True


def propose(text: str, rule: FieldRule) -> Proposals:
    """Propose the texts of the right form that differ only by confusable characters, fewest swaps first.

    They are proposals: nobody may take one without saying so (law L7). Positions count from 1: "0->O at 3". A text in
    groups, with blanks that the pattern may not have, is also tried without them; positions count without them then.
    """
    if " " not in text:
        return _proposed(text, rule, "")
    whole, closed = _proposed(text, rule, ""), _proposed(text.replace(" ", ""), rule, "blanks inside, ")
    found = whole.texts + closed.texts
    return Proposals(found[:MAX_PROPOSALS], whole.complete and closed.complete and len(found) <= MAX_PROPOSALS)


def _proposed(text: str, rule: FieldRule, before: str) -> Proposals:
    choices = {
        index: others
        for index, character in enumerate(text)
        if (others := sorted({c for group in rule.confusable if character in group for c in group} - {character}))
    }
    found: list[tuple[str, str]] = []
    for tried, swaps in enumerate(_swaps(choices)):
        if tried >= MAX_TRIED:
            return Proposals(tuple(found), complete=False)
        characters = list(text)
        for index, character in swaps:
            characters[index] = character
        proposal = "".join(characters)
        if violation(proposal, rule) is None:
            if len(found) == MAX_PROPOSALS:
                return Proposals(tuple(found), complete=False)
            named = ", ".join(f"{text[index]}->{character} at {index + 1}" for index, character in swaps)
            found.append((proposal, before + named))
    return Proposals(tuple(found))


def _swaps(choices: Mapping[int, list[str]]) -> Iterator[tuple[tuple[int, str], ...]]:
    """Every way to swap one or more characters, fewest first."""
    for count in range(1, len(choices) + 1):
        for indexes in combinations(choices, count):
            for characters in product(*(choices[index] for index in indexes)):
                yield tuple(zip(indexes, characters, strict=True))
