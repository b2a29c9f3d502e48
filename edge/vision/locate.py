"""Estimate where the subject's text is and how high it stands, from a thumbnail, before any network runs.

The estimate only chooses what the detector looks at and at which scale: too large a region costs time, never text. A
region is left out only where it has none of the edges that text is made of.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.core.reading import Point
from edge.vision.rectify import resized

Pixels = npt.NDArray[np.uint8]

#: Longer side of the thumbnail; at 640 the letters of text 20 px high on a 1920 px frame run together.
_THUMBNAIL_PX = 960
_LEAST_CHARACTERS = 4
#: Where a box is sampled along each side, in parts of `_EVERY`.
_EVERY = 10
_SAMPLES = np.arange(1, _EVERY, 2)
#: How high a letter is, in roots of its area.
_HIGH = 1.3
#: The share of characters that are smaller than the small ones.
_SMALL = 0.2


@dataclass(frozen=True, slots=True)
class Subject:
    """The part of a frame that holds text, px, and the height of its characters (None: no estimate).

    `middles` are those of what was taken for characters, `heights_px` how high each may be, `strengths` how far each
    stands out of its ground (levels), and `small_px` how high the smaller ones among them stand.
    """

    left: int
    top: int
    right: int
    bottom: int
    text_height_px: float | None
    middles: tuple[Point, ...] = ()
    strengths: tuple[float, ...] = ()
    heights_px: tuple[float, ...] = ()
    small_px: float | None = None


def subject(image: Pixels, beside: Executor | None = None) -> Subject:
    """Estimate where text stands on an image and how high it is; the whole image where nothing stands out.

    `beside` seeks light text while dark text is sought.
    """
    rows, columns = image.shape[:2]
    shrink = max(1.0, max(rows, columns) / _THUMBNAIL_PX)
    size = (max(1, round(columns / shrink)), max(1, round(rows / shrink)))
    thumbnail = resized(image, *size) if shrink > 1 else image
    grey = cv2.cvtColor(thumbnail, cv2.COLOR_BGR2GRAY) if thumbnail.ndim == 3 else thumbnail
    boxes = _characters(np.asarray(grey, np.uint8), beside)
    if len(boxes) >= _LEAST_CHARACTERS:
        boxes = _in_company(boxes)
    if len(boxes) < _LEAST_CHARACTERS:
        return Subject(0, 0, columns, rows, None)
    # Letters are about 0.6 as wide as high; the mean of both sides also serves a plate that leans or lies on its side.
    heights = _HIGH * np.sqrt(boxes[:, 2] * boxes[:, 3])
    small, height = (float(size) for size in np.quantile(heights, (_SMALL, 0.5)))
    margin = 2.5 * height
    left, top = boxes[:, 0].min() - margin, boxes[:, 1].min() - margin
    right = (boxes[:, 0] + boxes[:, 2]).max() + margin
    bottom = (boxes[:, 1] + boxes[:, 3]).max() + margin
    middles = (boxes[:, :2] + boxes[:, 2:4] / 2) * shrink
    return Subject(
        max(0, int(left * shrink)),
        max(0, int(top * shrink)),
        min(columns, int(right * shrink) + 1),
        min(rows, int(bottom * shrink) + 1),
        height * shrink,
        tuple((float(x), float(y)) for x, y in middles),
        tuple(boxes[:, 4].tolist()),
        tuple((heights * shrink).tolist()),
        small * shrink,
    )


def _characters(grey: Pixels, beside: Executor | None = None) -> npt.NDArray[np.int32]:
    """Boxes of what could be a character, ink darker or lighter than what is round it: rows of `_ink`."""
    ground = np.asarray(cv2.blur(grey, (37, 37)), np.uint8)
    if beside is None:
        return np.concatenate([_ink(ground, grey), _ink(grey, ground)])
    light = beside.submit(_ink, grey, ground)
    return np.concatenate([_ink(ground, grey), light.result()])


def _ink(over: Pixels, under: Pixels) -> npt.NDArray[np.int32]:
    """Parts where one image is above another that could be a character by their size.

    A row each: left, top, width, height, and how far one is above the other at most, of some pixels of the part's box.
    """
    above = cv2.subtract(over, under)
    _, mask = cv2.threshold(above, 14, 255, cv2.THRESH_BINARY)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_16U)
    width, height, area = stats[:, 2], stats[:, 3], stats[:, 4]
    longer, shorter = np.maximum(width, height), np.minimum(width, height)
    fits = (longer >= 4) & (longer <= 105) & (shorter >= 2) & (area >= 6) & (area < 0.9 * width * height + 4)
    fits[0] = False
    boxes = stats[fits, :4]
    left, top, wide, high = (boxes[:, n, None, None] for n in range(4))
    sampled = above[top + _SAMPLES[:, None] * high // _EVERY, left + _SAMPLES * wide // _EVERY]
    return np.column_stack([boxes, sampled.max(axis=(1, 2), initial=0)]).astype(np.int32)


def _in_company(boxes: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Those with at least two others of like size within three heights: letters come in rows, specks do not."""
    boxes = boxes[:2000]
    size = np.maximum(boxes[:, 2], boxes[:, 3]).astype(np.float32)
    across = boxes[:, 0] + boxes[:, 2] / np.float32(2)
    down = boxes[:, 1] + boxes[:, 3] / np.float32(2)
    reach = 2.5 * np.maximum(size[:, None], size)
    near = (np.abs(across[:, None] - across) < reach) & (np.abs(down[:, None] - down) < reach)
    bound = 1.7 * size
    near &= (size[:, None] < bound) & (size < bound[:, None])
    return np.asarray(boxes[near.sum(axis=1) >= 4], np.int32)
