"""Put the text lines of a frame on one small sheet: the picture that a vision-language model is given.

A model pays for every 28 x 28 px of its picture with one token. A frame of 1920 x 1200 px would cost 2967 of them, most
of them sheet metal. Here each line is cut out upright, 28 px high (its characters about 20 px), and lines are set one
behind the other like words in a paragraph; what is left over shows the whole frame as a thumbnail. A plate of ten
lines takes about 100 tokens. A sheet is always equally wide and has one of a few heights, so that everything that
depends on its shape can be prepared once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from edge.core.reading import Quad
from edge.vision.rectify import Pixels, resized, size_of, strip

#: Height of a line on the sheet, and side of what one image token sees, px.
ROW_PX = 28
WIDTH_PX = 336
#: Tokens of one row.
COLUMNS = WIDTH_PX // ROW_PX
#: Heights that a sheet can have, in rows: 48, 72, 108, 144, 216 and 384 tokens.
ROWS = (4, 6, 9, 12, 18, 32)
#: A line starts at a multiple of this, and this far behind the one before it: half a token.
GAP_PX = 14
#: A line wider than the sheet is pressed to this share of its width before it is broken over rows.
_PRESSED = 0.75
#: Rows of two broken pieces show this much of the line twice, so that no character is cut in both.
_TWICE_PX = 28
_GROUND = 127
#: What a whole frame may be shown as, rows and columns of tokens: 384 each at most. Few shapes, since everything that
#: depends on one is prepared once for it. At 672 x 448 px a drawn chart's figures are some 14 px high.
WHOLE = ((16, 24), (19, 20), (24, 16), (12, 32), (32, 12))
#: Side of the thumbnail in rows, and in columns of the same size.
THUMBNAIL_ROWS, THUMBNAIL_COLUMNS = 2, 3


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line, or a piece of it, stands: its number, the sheet's row, and from where to where, px."""

    line: int
    row: int
    left_px: int
    width_px: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """The picture (28 x rows, 336, 3; uint8, BGR), where each line stands, and how many lines found no room."""

    image: Pixels
    places: tuple[Place, ...]
    left_out: int = 0
    has_thumbnail: bool = False

    @property
    def tokens(self) -> int:
        """Image tokens that the sheet costs."""
        return (int(self.image.shape[0]) // ROW_PX) * (int(self.image.shape[1]) // ROW_PX)


def strips(image: Pixels, quads: Sequence[Quad]) -> list[Pixels]:
    """Cut each line out of a frame, upright, `ROW_PX` high and as wide as it is long."""
    cut = []
    for quad in quads:
        length, height = size_of(quad)
        cut.append(strip(image, quad, _width(length, height), ROW_PX))
    return cut


def _width(length: float, height: float) -> int:
    """How wide a line becomes, px."""
    return max(GAP_PX, round(ROW_PX * length / max(height, 1.0)))


def _pressed(width: int) -> int:
    """How wide a line of this width stands on a sheet, px: one wider than the sheet is pressed."""
    return width if width <= WIDTH_PX else max(WIDTH_PX, round(width * _PRESSED))


def thumbnail(image: Pixels) -> Pixels:
    """The whole frame in `THUMBNAIL_ROWS` x `THUMBNAIL_COLUMNS` tokens."""
    return resized(image, THUMBNAIL_COLUMNS * ROW_PX, THUMBNAIL_ROWS * ROW_PX)


def of_frame(image: Pixels, quads: Sequence[Quad]) -> Sheet:
    """The sheet of a frame's lines, with the frame's thumbnail."""
    return pack(strips(image, quads), thumbnail(image))


def of_whole(image: Pixels) -> Sheet:
    """The frame as it is, as large as one of the shapes of `WHOLE` holds it; nothing is stretched."""
    height, width = image.shape[:2]

    def scale(shape: tuple[int, int]) -> float:
        return min(shape[0] * ROW_PX / float(height), shape[1] * ROW_PX / float(width))

    rows, columns = max(WHOLE, key=scale)
    high, wide = (max(1, int(side * scale((rows, columns)))) for side in (height, width))
    picture = np.full((rows * ROW_PX, columns * ROW_PX, 3), _GROUND, np.uint8)
    picture[:high, :wide] = resized(image, wide, high)
    return Sheet(picture, ())


def shown(image: Pixels, quads: Sequence[Quad], view: str) -> Sheet:
    """What of a frame a model is shown: its "lines", the "whole" of it, or "none": a sheet with nothing on it."""
    if view == "none":
        return pack(())
    return of_whole(image) if view == "whole" else of_frame(image, quads)


def heightened(sheet: Sheet, height_px: int) -> Pixels:
    """A sheet's picture as high as the highest of its batch."""
    missing = height_px - sheet.image.shape[0]
    return np.pad(sheet.image, ((0, missing), (0, 0), (0, 0)), constant_values=_GROUND) if missing else sheet.image


def spans(made: Sheet, quads: Sequence[Quad]) -> list[tuple[float, float]]:
    """For each place of a sheet, from where to where (0 to 1) of its line it shows."""
    found: list[tuple[float, float]] = []
    shown: dict[int, int] = {}
    for place in made.places:
        length, height = size_of(quads[place.line])
        whole = _pressed(_width(length, height))
        begin = shown.get(place.line, 0)
        found.append((begin / whole, min(1.0, (begin + place.width_px) / whole)))
        shown[place.line] = begin + WIDTH_PX - _TWICE_PX
    return found


def pack(lines: Sequence[Pixels], small: Pixels | None = None, rows: Sequence[int] = ROWS) -> Sheet:
    """Set lines of `ROW_PX` px behind one another, in their order, on the lowest sheet that holds them.

    What does not fit on the highest sheet is left out, last lines first, and counted. The thumbnail stands at the
    bottom right where there is room for it.
    """
    most = max(rows)
    places: list[Place] = []
    pieces: list[Pixels] = []
    row = left = 0
    left_out: set[int] = set()
    for number, line in enumerate(lines):
        for piece in _broken(line):
            width = piece.shape[1]
            if left and left + width > WIDTH_PX:
                row, left = row + 1, 0
            if row >= most:
                left_out.add(number)
                break
            places.append(Place(number, row, left, width))
            pieces.append(piece)
            left = -(-(left + width + GAP_PX) // GAP_PX) * GAP_PX
    used = places[-1].row + 1 if places else 0
    height = min((one for one in rows if one >= used), default=most)
    sheet = np.full((height * ROW_PX, WIDTH_PX, 3), _GROUND, np.uint8)
    for place, piece in zip(places, pieces, strict=True):
        top = place.row * ROW_PX
        sheet[top : top + ROW_PX, place.left_px : place.left_px + place.width_px] = piece
    with_small = _room(places, height)
    if small is not None and with_small:
        sheet[-THUMBNAIL_ROWS * ROW_PX :, -THUMBNAIL_COLUMNS * ROW_PX :] = small
    return Sheet(sheet, tuple(places), len(left_out), small is not None and with_small)


def _broken(line: Pixels) -> list[Pixels]:
    """A line in pieces that fit a row: pressed a little if that is enough, else cut."""
    if line.shape[1] <= WIDTH_PX:
        return [line]
    pressed = _pressed(line.shape[1])
    narrow = np.asarray(cv2.resize(line, (pressed, ROW_PX), interpolation=cv2.INTER_AREA), np.uint8)
    if pressed == WIDTH_PX:
        return [narrow]
    step = WIDTH_PX - _TWICE_PX
    return [narrow[:, start : start + WIDTH_PX] for start in range(0, pressed - _TWICE_PX, step)]


def _room(places: Sequence[Place], height: int) -> bool:
    """Whether the corner of the thumbnail is free."""
    edge_px = WIDTH_PX - THUMBNAIL_COLUMNS * ROW_PX - GAP_PX
    return (
        all(place.row < height - THUMBNAIL_ROWS or place.left_px + place.width_px <= edge_px for place in places)
        and height > THUMBNAIL_ROWS
    )
