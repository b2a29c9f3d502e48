"""A text without a key and one like letter or blank off the product's pattern: told with its proposal, never mended."""

from __future__ import annotations

from collections.abc import Iterator

from edge.core.fields import FieldRule, normalise, propose, violation
from edge.core.reading import FieldReading
from edge.readers.linking.page.geometry import quad
from edge.readers.linking.page.layout import Page
from edge.readers.linking.shape import specific
from edge.readers.linking.surroundings import Surroundings
from edge.readers.linking.values.spans import Segment, parts, tokens_of

#: Of longer texts only so many tokens are tried.
_MOST_TOKENS = 6
#: Longer texts are not tried with a blank in every place.
_LONGEST_SPACED = 24
#: And so short ones not at all.
_SHORTEST_SPACED = 5
#: What a blank is read as.
_LIKE_BLANKS = "-_.\u00b7"


def misprint(around: Surroundings, rule: FieldRule) -> FieldReading | None:
    """Give the one text of a page that no key holds and that a single like letter or lost blank parts from the pattern.

    Its text is as printed and breaks the pattern, so that nothing accepts it by itself; what it may be is an
    alternative with its rule (law L7), for a code or a person to settle. None where the pattern can be met by chance,
    or where more than one text would do.
    """
    if rule.pattern is None:
        return None
    found: dict[str, FieldReading] = {}
    for line, start, end in _keyless(around):
        raw = around.page.lines[line].text[start:end]
        text, _ = normalise(raw, rule)
        if len(text) > rule.max_new_tokens or violation(text, rule) is None:
            continue
        # Where the field's key stands its value is hidden, and a blank more or less is no evidence.
        single = _like(text, rule) or (() if rule.name in around.named else _spaced(text, rule))
        if single and all(specific(other) == 1 for other, _ in single):
            why = f"no key; {violation(text, rule)}, and one like letter or blank off it: proposed only"
            found[text] = keyless(around.page, rule, (line, start, end), why, single)
    return next(iter(found.values())) if len(found) == 1 else None


def keyless(
    page: Page, rule: FieldRule, place: Segment, why: str, alternatives: tuple[tuple[str, str], ...] = ()
) -> FieldReading:
    """Give a part of a line that no key holds as a field's reading, as it is printed."""
    line, start, end = place
    raw = page.lines[line].text[start:end]
    text, changed = normalise(raw, rule)
    return FieldReading(
        name=rule.name,
        raw=raw,
        text=text,
        rule=changed,
        characters=page.lines[line].characters[start:end],
        box=quad(page.lines[line], start, end),
        why=why,
        alternatives=alternatives,
        measures={"link": 0.0},
    )


def _like(text: str, rule: FieldRule) -> tuple[tuple[str, str], ...]:
    """Give the texts of the right form that one other letter alike reaches."""
    proposals = propose(text, rule) if rule.confusable else None
    if proposals is None or not proposals.complete:
        return ()
    return tuple((other, why) for other, why in proposals.texts if why.count("->") == 1)


def _spaced(text: str, rule: FieldRule) -> tuple[tuple[str, str], ...]:
    """Give the texts of the right form that have a blank more, or one where a mark was read.

    Readers lose a blank before a variant ("NMV381ZLH" for "NMV381ZL H"), or see a mark in it ("EX_452").
    """
    mixed = sum(map(str.isalnum, text)) >= _SHORTEST_SPACED and any(map(str.isdigit, text)) and not text.isdigit()
    if len(text) > _LONGEST_SPACED or not mixed or (rule.name == "serial" and specific(text) < 1):
        # "9157" has the form "91 57" by chance.
        return ()
    spaced = {f"{text[:at]} {text[at:]}": f"blank at {at + 1}" for at in range(1, len(text))}
    spaced |= {f"{text[:at]} {text[at + 1 :]}": f"{text[at]}->blank at {at + 1}" for at in _marks(text)}
    return tuple((other, why) for other, why in spaced.items() if violation(other, rule) is None)


def _marks(text: str) -> Iterator[int]:
    """Yield where marks stand that a blank is read as."""
    return (at for at in range(1, len(text) - 1) if text[at] in _LIKE_BLANKS)


def _keyless(around: Surroundings) -> Iterator[Segment]:
    """Yield the runs of tokens with a digit that no key holds."""
    for index, piece in enumerate(around.page.pieces):
        if piece.kind or around.linked.get(index) or not any(map(str.isdigit, piece.text)):
            continue
        for start, end in parts(around.page.lines[piece.line].text, tokens_of(piece)[:_MOST_TOKENS]):
            yield piece.line, start, end
