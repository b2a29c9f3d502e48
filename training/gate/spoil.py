"""Spoils the pixels of any frame, drawn or photographed, in one named way, from not at all (0) to hopeless (1).

Strengths are relative to the height of the text, so that the same strength does the same to small print and large.
Blobs of glare are put by the boxes of the text: onto a line, beside the text, or between two lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from edge.core.reading import Quad

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

#: What the smallest text is brought down to, px of a line's box; the reader reads down to some 14.
SMALLEST_PX = 6.0
#: Noise of a sensor whose frame is amplified afterwards, grey levels.
NOISE = 1.6


@dataclass(frozen=True, slots=True)
class Text:
    """The lines of a frame, and the one that a blob of glare is put on (its number)."""

    boxes: Sequence[Quad]
    target: int = 0

    @property
    def height_px(self) -> float:
        """Median height of the lines."""
        return float(np.median([_height(box) for box in self.boxes]))


def blurred(frame: Image, text: Text, strength: float) -> Image:
    """Out of focus."""
    if strength <= 0:
        return frame
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), max(0.05, strength * 0.16 * text.height_px)), np.uint8)


def smeared(frame: Image, text: Text, strength: float, degrees: float = 20.0) -> Image:
    """Moved while the shutter was open."""
    length = strength * 0.6 * text.height_px
    if length < 1:
        return frame
    size = 2 * math.ceil(length / 2) + 3
    kernel = np.zeros((size, size), np.float32)
    reach = np.array([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]) * length / 2
    for at in np.linspace(-1, 1, 20 * size):
        x, y = np.round(size // 2 + at * reach).astype(int)
        kernel[y, x] += 1
    return np.asarray(cv2.filter2D(frame, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.uint8)


def darkened(frame: Image, _text: Text, strength: float) -> Image:
    """Too little light: fewer levels, and the sensor's noise stays."""
    if strength <= 0:
        return frame
    noise = np.random.default_rng(11).normal(0, NOISE, frame.shape[:2])[:, :, None]
    return np.clip(frame * (1 - 0.98 * strength) + noise, 0, 255).astype(np.uint8)


def compressed(frame: Image, _text: Text, strength: float) -> Image:
    """As JPEG of ever lower quality."""
    if strength <= 0:
        return frame
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, round(60 - 57 * strength)])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def shrunk(frame: Image, text: Text, strength: float) -> Image:
    """The whole frame with fewer pixels."""
    scale = 1 - strength * max(0.0, 1 - SMALLEST_PX / text.height_px)
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def glare_on(frame: Image, text: Text, strength: float) -> Image:
    """A highlight that grows over characters of the target line."""
    box = np.asarray(text.boxes[text.target], np.float64)
    middle = box[0] * 0.35 + box[1] * 0.65  # where a value's digits stand, right of a key
    return _blob(frame, (middle + (box[3] + box[2] - box[0] - box[1]) / 4), strength * 0.9 * _height(box))


def glare_between(frame: Image, text: Text, strength: float) -> Image:
    """A flat highlight in the gap below the target line; none where no gap is wide enough."""
    box = np.asarray(text.boxes[text.target], np.float64)
    down = (box[3] + box[2] - box[0] - box[1]) / 2
    gap = _gap_below(text)
    if gap <= 0:
        return frame
    height = float(np.linalg.norm(down))
    middle = (box[3] + box[2]) / 2 + down / height * gap / 2
    degrees = math.degrees(math.atan2(*(box[1] - box[0])[::-1]))
    return _blob(frame, middle, strength * 1.2 * height, flat=strength * gap / 2, degrees=degrees)


def glare_beside(frame: Image, text: Text, strength: float) -> Image:
    """A highlight on the widest free place of the frame, without touching a line."""
    free = np.full(frame.shape[:2], 255, np.uint8)
    for box in text.boxes:
        cv2.fillConvexPoly(free, np.round(box).astype(np.int32), 0)
    distance = cv2.distanceTransform(cv2.copyMakeBorder(free, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(distance.argmax()), distance.shape)
    return _blob(frame, np.array([x - 1, y - 1], np.float64), strength * 0.6 * float(distance.max()))


def _gap_below(text: Text) -> float:
    """Free pixels between the target line and the next one below it; 0 where there is none."""
    box = np.asarray(text.boxes[text.target], np.float64)
    down = (box[3] + box[2] - box[0] - box[1]) / 2
    down /= max(1e-6, float(np.linalg.norm(down)))
    along = (box[1] - box[0]) / max(1e-6, float(np.linalg.norm(box[1] - box[0])))
    gaps = []
    for other in text.boxes:
        corners = np.asarray(other, np.float64)
        beside = (corners @ along).min() > (box @ along).max() or (corners @ along).max() < (box @ along).min()
        gap = float((corners @ down).min() - (box @ down).max())
        if not beside and gap > 0:
            gaps.append(gap)
    return min(gaps, default=0.0)


def _blob(frame: Image, middle: Floats, radius: float, *, flat: float | None = None, degrees: float = 0.0) -> Image:
    """A clipped ellipse with a soft rim that stays within the radius."""
    if radius < 1:
        return frame
    rim = max(0.5, 0.12 * min(radius, flat if flat is not None else radius))
    axes = (max(1, round(radius - rim)), max(1, round((radius if flat is None else flat) - rim)))
    veil = np.zeros(frame.shape[:2], np.float32)
    place = (round(float(middle[0])), round(float(middle[1])))
    cv2.ellipse(veil, place, axes, degrees, 0, 360, 1.0, -1)
    veil = np.asarray(cv2.GaussianBlur(veil, (0, 0), rim / 2), np.float32)[:, :, None]
    return np.asarray(np.round(frame * (1 - veil) + 255 * veil), np.uint8)


def _height(box: Quad | Floats) -> float:
    corners = np.asarray(box, np.float64)
    sides = np.linalg.norm(corners[3] - corners[0]), np.linalg.norm(corners[1] - corners[0])
    return float(min(sides))


Spoil = Callable[[Image, Text, float], Image]

#: Every way, by its name in reports.
SPOILS: Mapping[str, Spoil] = {
    "blur": blurred,
    "motion": smeared,
    "dark": darkened,
    "jpeg": compressed,
    "shrink": shrunk,
    "glare_on": glare_on,
    "glare_between": glare_between,
    "glare_beside": glare_beside,
}
