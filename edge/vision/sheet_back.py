"""From a model's picture back to the frame: which piece of the frame each image token saw.

A sheet (`sheet.py`) shows each line of the frame upright, perhaps pressed, perhaps in pieces; an image token sees a
square of it. Here each square is cut along what stands on it, and each cut is placed on the frame.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.core.inside import Inside, Part, Patch
from edge.core.reading import Quad
from edge.vision import sheet
from edge.vision.rectify import Pixels, between
from edge.vision.sheet import Sheet

#: Pieces of a token smaller than this share of it are left to the ground.
_LEAST = 0.01
#: Longest side of the map that is painted, px: image tokens are far coarser.
_MAP_PX = 480


def parts_of(made: Sheet, texts: Sequence[str]) -> list[Part]:
    """What stands on a sheet: its lines in their order, the thumbnail, and the empty ground, which comes last."""
    lines = [Part("line", text) for text in texts]
    return [*lines, *([Part("thumbnail")] if made.has_thumbnail else []), Part("ground")]


def patches(made: Sheet, quads: Sequence[Quad], grid: tuple[int, int], frame_px: tuple[int, int]) -> list[Patch]:
    """Where on the frame each image token looked; what lies on empty ground has no place there.

    Args:
        made: the sheet that was made of the frame's lines.
        quads: the lines, as they were given for it.
        grid: rows and columns of image tokens over the whole sheet.
        frame_px: the frame's width and height.
    """
    rows, columns = grid
    height, width = made.image.shape[0] / rows, made.image.shape[1] / columns
    found: list[Patch] = []
    for part, (left, top, right, bottom), quad in _placed(made, quads, frame_px):
        for row in range(int(top // height), min(rows, -int(-bottom // height))):
            for column in range(int(left // width), min(columns, -int(-right // width))):
                x0, x1 = max(left, column * width), min(right, (column + 1) * width)
                y0, y1 = max(top, row * height), min(bottom, (row + 1) * height)
                share = (x1 - x0) * (y1 - y0) / (width * height)
                if x1 > x0 and y1 > y0 and share >= _LEAST:
                    across = between(quad, (x0 - left) / (right - left), (x1 - left) / (right - left))
                    cut = _downwards(across, (y0 - top) / (bottom - top), (y1 - top) / (bottom - top))
                    found.append(Patch(row * columns + column, part, _rounded(cut), round(share, 4)))
    return found


def looked_at(parts: int, found: Sequence[Patch], weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The attention to each part of the sheet (tokens, parts), from that to image tokens (tokens, image tokens).

    What no patch takes of a token is its ground, the last part.
    """
    shares = np.zeros((weights.shape[1], parts), np.float32)
    for one in found:
        shares[one.token, one.part] += one.share
    shares[:, -1] += np.maximum(0.0, 1.0 - shares.sum(axis=1))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(weights @ shares, np.float32)


def heat(inside: Inside, token: int) -> npt.NDArray[np.float32]:
    """How much each place of the frame was looked at for one token of the answer: 0 to 1 at the highest place.

    Smaller than the frame, 480 px at most. The thumbnail, which shows all of the frame, is not painted.
    """
    width, height = inside.frame_px
    scale = min(1.0, _MAP_PX / max(width, height))
    found = np.zeros((max(1, round(height * scale)), max(1, round(width * scale))), np.float32)
    given = inside.tokens[token].image
    for one in inside.patches:
        if inside.parts[one.part].kind == "line":
            shape = np.round(np.asarray(one.quad, np.float32) * scale).astype(np.int32)
            here = np.zeros_like(found)
            cv2.fillConvexPoly(here, shape, float(given[one.token]))
            found = np.maximum(found, here)
    highest = float(found.max())
    return found / highest if highest > 0 else found


def painted(frame: Pixels, inside: Inside, token: int) -> Pixels:
    """The frame (BGR) with the heat of one token over it."""
    warm = heat(inside, token)
    small = cv2.resize(frame, (warm.shape[1], warm.shape[0]), interpolation=cv2.INTER_AREA)
    colours = cv2.applyColorMap((warm * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    weight = 0.75 * warm[..., None]
    return np.asarray(small * (1 - weight) + colours * weight, np.uint8)


_Box = tuple[float, float, float, float]


def _placed(made: Sheet, quads: Sequence[Quad], frame_px: tuple[int, int]) -> Iterator[tuple[int, _Box, Quad]]:
    """Each thing on the sheet: its part's number, its box there (left, top, right, bottom), its quad on the frame."""
    for place, (start, end) in zip(made.places, sheet.spans(made, quads), strict=True):
        top = place.row * sheet.ROW_PX
        box = (place.left_px, top, place.left_px + place.width_px, top + sheet.ROW_PX)
        yield place.line, box, between(quads[place.line], start, end)
    if made.has_thumbnail:
        high, wide = made.image.shape[:2]
        left, top = wide - sheet.THUMBNAIL_COLUMNS * sheet.ROW_PX, high - sheet.THUMBNAIL_ROWS * sheet.ROW_PX
        width, height = frame_px
        yield len(quads), (left, top, wide, high), ((0, 0), (width, 0), (width, height), (0, height))


def _rounded(quad: Quad) -> Quad:
    first, second, third, fourth = ((round(x, 1), round(y, 1)) for x, y in quad)
    return first, second, third, fourth


def _downwards(quad: Quad, start: float, end: float) -> Quad:
    """The part of a box from `start` to `end`, 0 to 1 across the text."""
    first, second, third, fourth = quad
    left = between((first, fourth, fourth, first), start, end)
    right = between((second, third, third, second), start, end)
    return left[0], right[0], right[1], left[1]
