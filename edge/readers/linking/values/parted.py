"""Values that several keys share: "AX 20 / 1234" at "Type / No.", and which part is whose."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from edge.readers.linking.keys.hidden import hides
from edge.readers.linking.keys.printed import HIDING, SLASHES
from edge.readers.linking.page.layout import Page, Piece
from edge.readers.linking.shape import model_shape, serial_shape

#: What stands between the parts of a value that has several keys: a slash with blanks or a wide one, or else one with
#: a blank on one side, or else any.
_PARTED = (
    re.compile(r"\s[/\uff0f]\s|\uff0f"),
    re.compile(r"\s[/\uff0f]|[/\uff0f]\s"),
    re.compile(r"\s*[/\uff0f]\s*"),
)
#: A part that no blank sets apart has so many letters and figures.
_LEAST_PART = 3
#: Keys farther apart (in text heights) do not share a value.
_ONE_ROW_GAP = 3.0
#: What the parts look like.
_SHAPES: Mapping[str, Callable[[str], float]] = {"model": model_shape, "serial": serial_shape}


def parted_row(page: Page, piece: Piece, key: Piece) -> list[Piece]:
    """Give a key and those beside it where a value has a part for each of them; else none."""
    if not any(c in page.lines[piece.line].text for c in SLASHES):
        return []
    row = key_row(page, key)
    return row if parts_of(page, piece, row) else []


def parts_of(page: Page, piece: Piece, row: Sequence[Piece]) -> list[tuple[int, int]]:
    """Give where the parts of a value with slashes between begin and end in its line, one for each of a row of keys.

    One may be empty, or hidden; without as many parts as keys there are none.
    """
    if len(row) < 2:
        return []
    line = page.lines[piece.line].text
    first, last = row[0], row[-1]
    inline = last.end if last.line == piece.line and last.end <= piece.start else 0
    behind = line[piece.end :].strip(f" {HIDING}") in SLASHES
    before = line[inline : piece.start].strip(f" {HIDING}.:") in SLASHES
    between = page.lines[first.line].text[first.end : last.start] if first.line == last.line else ""
    # "220/440 V" is one value, also where two keys share it: a slash without blanks parts where one parts the keys.
    ways = _PARTED if any(c in between for c in SLASHES) else _PARTED[:1]
    for mark in ways:
        spans = []
        at = piece.start
        for match in mark.finditer(line, piece.start, piece.end):
            spans.append((at, match.start()))
            at = match.end()
        spans.append((at, piece.end))
        spans += [(piece.end, piece.end)] * behind
        spans[:0] = [(piece.start, piece.start)] * before
        if len(spans) > len(row):
            spans = _halves(line, spans, row)
        if len(spans) == len(row) and (mark is _PARTED[0] or all(_is_part(line[start:end]) for start, end in spans)):
            return spans
    return []


def _halves(line: str, spans: Sequence[tuple[int, int]], row: Sequence[Piece]) -> list[tuple[int, int]]:
    """Give the two parts of a value with more slashes than keys that look most like a model and a serial number.

    "A12345/C70K/066" at "Serial / Model": models of that form are parted by slashes themselves.
    """
    shapes = [_SHAPES.get(key.kind) for key in row]
    if len(row) != len(_SHAPES) or row[0].kind == row[1].kind or None in shapes:
        return []
    ways = [[(spans[0][0], spans[at - 1][1]), (spans[at][0], spans[-1][1])] for at in range(1, len(spans))]
    return max(
        ways,
        key=lambda way: sum(shape(line[start:end]) for shape, (start, end) in zip(shapes, way, strict=True) if shape),
    )


def _is_part(text: str) -> bool:
    return not text or hides(text) or sum(map(str.isalnum, text)) >= _LEAST_PART


def key_row(page: Page, key: Piece) -> list[Piece]:
    """Give the keys side by side in a key's row with nothing between, from left to right, itself included."""
    tall = key.rect.height
    beside = sorted(
        (
            other for other in page.pieces
            if other.turn == key.turn and abs(other.rect.middle - key.rect.middle) < 0.5 * tall
        ),
        key=lambda piece: piece.rect.left,
    )  # fmt: skip
    first = last = beside.index(key)
    while first and beside[first - 1].kind and _side_by_side(beside[first - 1], beside[first]):
        first -= 1
    while last + 1 < len(beside) and beside[last + 1].kind and _side_by_side(beside[last], beside[last + 1]):
        last += 1
    return beside[first : last + 1]


def _side_by_side(one: Piece, other: Piece) -> bool:
    return one.line == other.line or other.rect.left - one.rect.right < _ONE_ROW_GAP * one.rect.height
