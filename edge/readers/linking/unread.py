"""The serial number whose key was not read: what is left of the key stands by it, or it is printed twice.

Small print, glare and dirt leave "N" or "Výr. .." of a key, and of one as high as wide ("№:") not even the direction is
told. That says little by itself; a value that stands to it as the plate's other values stand to their keys is the
field's all the same. A plate that repeats a number under its bar code repeats the serial number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from statistics import median_high

from edge.readers.linking.keys.keywords import Lexicon, fold
from edge.readers.linking.page.geometry import Rect
from edge.readers.linking.page.layout import Page, Piece
from edge.readers.linking.shape import looks, serial_shape
from edge.readers.linking.surroundings import Surroundings
from edge.readers.linking.values.spans import Segment

#: Letters and figures that are left of a key at most; more would name something else.
_MOST_LEFT = 2
#: What such a key usually is.
_SIGN = "\u2116"
#: How surely what is left is a key.
_STRENGTH = 0.5
#: Shorter texts are printed twice by chance; and how much like a serial number it looks at least.
_SHORTEST_CODE, _SHAPED = 5, 0.5
#: So many marks are tried at most.
_MOST_TRIED = 6


def with_key(page: Page, turn: int, kind: str, lexicon: Lexicon) -> Iterator[tuple[Piece, Page]]:
    """Yield the page with each mark that may be left of a key taken for a key of a kind, and that key.

    `turn` is the direction of the plate's text, along which the key is taken to stand.
    """
    upright = next((page.directions[piece.line] for piece in page.pieces if piece.turn == turn), None)
    if upright is None:
        return
    slopes = [piece.slope for piece in page.pieces if piece.turn == turn and piece.kind]
    slope = median_high(slopes) if slopes else 0.0
    for number in [number for number in range(len(page.lines)) if _is_left(page, number, lexicon)][:_MOST_TRIED]:
        line = page.lines[number]
        key = Piece(
            line=number,
            start=0,
            end=len(line.text),
            text=line.text if len(line.text) > 1 else _SIGN,
            rect=_upright(page, number, *upright),
            turn=turn,
            slope=slope,
            kind=kind,
            strength=_STRENGTH,
        )
        others = (piece for piece in page.pieces if piece.line != number)
        yield key, replace(page, pieces=tuple(sorted((*others, key), key=lambda piece: (piece.line, piece.start))))


def _is_left(page: Page, number: int, lexicon: Lexicon) -> bool:
    """Say whether a line holds the sign for "number" and little else, or letters that only a serial number's key has.

    A colon or one letter of another kind may as well be left of a key of what is not asked for.
    """
    letters = "".join(c for c in page.lines[number].text if c.isalnum())
    known = any(piece.line == number and piece.kind and piece.strength > _STRENGTH for piece in page.pieces)
    signed = len(letters) <= _MOST_LEFT and "N" in letters
    return not known and (signed or lexicon.abbreviated(fold(letters)) is not None)


def _upright(page: Page, number: int, cosine: float, sine: float) -> Rect:
    """Give where a line stands along a direction, whichever way it was read."""
    corners = page.lines[number].box
    across = [x * cosine + y * sine for x, y in corners]
    down = [y * cosine - x * sine for x, y in corners]
    top, bottom = min(down), max(down)
    return Rect(min(across), top, max(across), bottom, max(bottom - top, 1.0), (top + bottom) / 2)


def printed_twice(around: Surroundings, model: str) -> Segment | None:
    """Give the first print of the one code that stands alone in two places of a plate and that no key holds.

    It is no part of the model, nor the model of it: order codes begin with that.
    """
    own = fold(model)
    prints: dict[str, list[Piece]] = {}
    for index, piece in enumerate(around.page.pieces):
        text = fold(piece.text)
        if not piece.kind and _is_code(piece.text) and own not in text and text not in own:
            prints.setdefault(text, []).extend(() if around.is_held(index) else (piece,))
    twice = [found for found in prints.values() if len({piece.line for piece in found}) > 1]
    if len(twice) != 1 or not own:
        return None
    first = twice[0][0]
    return first.line, first.start, first.end


def _is_code(text: str) -> bool:
    """Say whether a text looks like a serial number and like nothing else that plates print."""
    return sum(map(str.isalnum, text)) >= _SHORTEST_CODE and serial_shape(text) >= _SHAPED and not looks(text)
