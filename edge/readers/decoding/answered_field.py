"""What an answer that was decoded says of its field: text, characters with their doubts, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence

from edge.core.fields import FieldRule, normalise
from edge.core.match import same
from edge.core.reading import Character, FieldReading, Quad, TextLine
from edge.readers.decoding.answers import aligned, seen_whole
from edge.readers.decoding.decode import Answer, Token
from edge.readers.decoding.prompt import NOTHING


def field_of(
    rule: FieldRule, held: Answer, printed: Answer | None, lines: Sequence[TextLine], left_out: int
) -> FieldReading:
    """A field as the core takes it: as printed, where that breaks the pattern, else as held to it.

    Raises:
        ReaderError: the model says that the field is not there, and did not see all lines.
    """
    answer = printed or held
    how = f"vlm: {held.passes + (printed.passes if printed else 0)} passes"
    if answer.finish == "length":
        return FieldReading(rule.name, answer.text, answer.text, None, _characters(answer), None, "length", how)
    if answer.text == NOTHING:
        seen_whole(rule.name, left_out)
        return FieldReading(rule.name, why=f"the model sees none; {how}")
    text, changed = normalise(answer.text, rule)
    kept = aligned(text, _characters(answer))
    place = _place(text, lines)
    # A text of another length is no misreading of this one: what the pattern has more or less the model made up.
    may_be = held.text not in (answer.text, NOTHING) and len(held.text) == len(answer.text)
    alternatives = ((held.text, "held to the pattern"),) if may_be else ()
    if place is None:
        return FieldReading(rule.name, answer.text, text, changed, kept, None, "stop", how, alternatives)
    box, boxes = place
    if len(boxes) == len(kept):
        kept = tuple(
            Character(one.text, one.confidence, one.alternatives, quad) for one, quad in zip(kept, boxes, strict=True)
        )
    return FieldReading(rule.name, answer.text, text, changed, kept, box, "stop", how, alternatives)


def _characters(answer: Answer) -> tuple[Character, ...]:
    """Each character with its token's probability, and what else could stand there."""
    return tuple(
        Character(letter, token.probability, _others(token) if len(token.text) == 1 else ())
        for token in answer.tokens
        for letter in token.text
    )


def _others(token: Token) -> tuple[tuple[str, float], ...]:
    return tuple((text, one) for text, one in token.alternatives if len(text) == 1 and text != token.text)


def _place(text: str, lines: Sequence[TextLine]) -> tuple[Quad, tuple[Quad, ...]] | None:
    """Where a text stands, if OCR read it alike or nearly so: its box, and one a character."""
    bare = text.replace(" ", "")
    for line in lines:
        printed = line.text.replace(" ", "")
        at = printed.find(bare) if bare else -1
        if at < 0 and not same(printed, text):
            continue
        boxes = tuple(one.box for one in line.characters if one.text.strip())[max(at, 0) : max(at, 0) + len(bare)]
        known = tuple(box for box in boxes if box is not None)
        if len(known) == len(bare) and " " not in text:
            return _around(known), known
        return line.box, ()
    return None


def _around(boxes: Sequence[Quad]) -> Quad:
    first, last = boxes[0], boxes[-1]
    return first[0], last[1], last[2], first[3]
