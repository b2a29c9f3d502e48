"""What looks like characters and stands in no line that was found: how much there is of it, and where to look again.

What stands out of its ground much less than the characters in lines do is left out: noise beside a plate's rules.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from edge.core.reading import Quad
from edge.vision.locate import Subject

Flags = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

#: What stands out less than this share of what the characters in lines do (median) is none.
_FAINT = 0.4
#: Characters that stand so many of their heights apart belong to one group; that is seen on every so manieth pixel.
_NEAR = 1.6
_COARSE = 2
#: A group of fewer is no text, and one of more is texture: what is not found of a text block is part of it.
_LEAST = 3
_MOST = 60
#: So large a share of a text's characters has a height within this factor of the usual one. Of 17 groups that were
#: lines on drawn plates the least had 0.57; half of the texture on photographs has less.
_SHARE_ALIKE = 0.55
_ALIKE = 1.5
#: So many heights round a group are searched, and so many along each side at least: a network sees a line by what is
#: round it, and has no kernels for smaller images.
_ROOM = 3.5
_LEAST_SIDE = 18.0


def explained(where: Subject, quads: Sequence[Quad]) -> float:
    """The share (0 to 1) of what was taken for characters that stands in lines; 0 where there was none."""
    held, left = _held(where, quads)
    return float(held.sum() / (held | left).sum()) if held.any() else 0.0


def unexplained(where: Subject, quads: Sequence[Quad], size_px: tuple[int, int]) -> list[Subject]:
    """Groups of characters that stand in no line, the largest first, each with room round it.

    `size_px` is the width and height of the image that all are in.
    """
    _, left = _held(where, quads)
    if left.sum() < _LEAST:
        return []
    middles, heights = np.asarray(where.middles)[left], np.asarray(where.heights_px)[left]
    groups = [group for group in _groups(middles, heights, size_px) if _is_text(heights[group])]
    groups.sort(key=lambda group: -int(group.sum()))
    return [_with_room(middles[group], float(np.median(heights[group])), size_px) for group in groups]


def _held(where: Subject, quads: Sequence[Quad]) -> tuple[Flags, Flags]:
    """Which characters of a subject stand in lines, and which in none though they stand out as those do."""
    none = np.zeros(len(where.middles), bool)
    if not where.middles or not quads:
        return none, none
    corners = np.asarray(quads, np.float32)[:, :, None]  # quads x corners x 1 x 2
    sides = np.roll(corners, -1, axis=1) - corners
    offsets = np.asarray(where.middles, np.float32) - corners
    # Of a convex shape, a point inside lies on the same side of every side.
    across = sides[..., 0] * offsets[..., 1] - sides[..., 1] * offsets[..., 0]
    held = np.asarray(((across >= 0).all(axis=1) | (across <= 0).all(axis=1)).any(axis=0), bool)
    if not held.any():
        return none, none
    strengths = np.asarray(where.strengths, np.float32)
    left = ~held & (strengths >= _FAINT * np.median(strengths[held]))
    return held, np.asarray(left, bool)


def _groups(middles: Values, heights: Values, size_px: tuple[int, int]) -> list[Flags]:
    """Characters whose surroundings touch."""
    columns, rows = size_px
    surroundings = np.zeros((rows // _COARSE + 1, columns // _COARSE + 1), np.uint8)
    corners = np.concatenate([middles - heights[:, None] * _NEAR / 2, middles + heights[:, None] * _NEAR / 2], axis=1)
    for left, top, right, bottom in (corners / _COARSE).astype(int).tolist():
        cv2.rectangle(surroundings, (left, top), (right, bottom), (1,), cv2.FILLED)
    _, labels = cv2.connectedComponents(surroundings, ltype=cv2.CV_16U)
    places = (middles / _COARSE).astype(int)
    group = labels[places[:, 1], places[:, 0]]
    return [group == number for number in np.unique(group)]


def _is_text(heights: Values) -> bool:
    """Whether a group's characters are as many and as alike in height as those of lines."""
    alike = np.abs(np.log(heights / np.median(heights))) < np.log(_ALIKE)
    return bool(len(heights) <= _MOST and alike.sum() >= max(_LEAST, _SHARE_ALIKE * len(heights)))


def _with_room(middles: Values, height_px: float, size_px: tuple[int, int]) -> Subject:
    low, high = middles.min(axis=0), middles.max(axis=0)
    room = np.maximum(_ROOM * height_px, (_LEAST_SIDE * height_px - (high - low)) / 2)
    (left, top), (right, bottom) = (low - room).tolist(), (high + room).tolist()
    right, bottom = min(size_px[0], int(right) + 1), min(size_px[1], int(bottom) + 1)
    return Subject(max(0, int(left)), max(0, int(top)), right, bottom, height_px)
