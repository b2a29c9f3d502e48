"""How good a frame is to read, measured on its text and at the text's own scale: raw value and score for each measure.

Every text line is cut out, laid level and brought to one height (`TEXT_SCALE_PX`), and all lines stand side by side in
one strip. All measures of the pixels are taken on that strip: resolution, tilt and background therefore do not move
them, and their cost grows with the text, not with the frame. A measure that cannot be assessed says so (None).

Scores fall from 100 (best) to 0 (worst) along `edge.vision.scores`; limits are the business of `edge.core.gate`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from edge.core.quality import Measure, MeasureName, Quality
from edge.core.reading import Quad
from edge.vision import scores

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: Height of every line in the strip; the box that a locator gives is about 1.5 times as high as its capitals.
TEXT_SCALE_PX = 32
#: A longer line is measured over its first 20 heights, some 35 characters.
MAX_LINE_PX = 20 * TEXT_SCALE_PX
#: What stands beside a line is looked at for a highlight that swallowed its end.
PAD_PX = TEXT_SCALE_PX
#: More lines than these are measured on an even choice of them.
MAX_LINES = 32
#: Directions along which edges are measured, so 22.5 degrees apart.
DIRECTIONS = 8
#: Levels at which a sensor's 8 bits are taken to be at their end.
CLIPPED_LEVEL = 252
CRUSHED_LEVEL = 25
#: A corner this near to the frame's edge touches it.
EDGE_PX = 2.0
#: A highlight is a clipped patch wider and higher than any stroke of a letter, px at text scale.
PATCH_PX = 13
#: Where patches cover this share of most lines, it is the ground that is clipped, and no highlight can be told from it.
CLIPPED_GROUND = 0.35
#: Edges needed before their width means anything.
MIN_EDGES = 40
#: The narrowest edge that the 3-pixel gradient can report, px.
GRADIENT_WIDTH_PX = 2.0


@dataclass(frozen=True, slots=True)
class _Strip:
    """All lines side by side at text scale, each with `PAD_PX` of what stands before and after it.

    `starts` has one more entry than there are lines; `scales` says how many of its pixels make one of the frame's.
    """

    colour: Image
    grey: Image
    starts: tuple[int, ...]
    scales: tuple[float, ...]

    def lines(self) -> Iterator[tuple[slice, slice]]:
        """Columns of each line, with and without what stands before and after it."""
        for start, end in pairwise(self.starts):
            yield slice(start, end), slice(start + PAD_PX, end - PAD_PX)


def measure(image: Image, boxes: Sequence[Quad]) -> Quality:
    """Measure a frame; `boxes` is one quadrilateral a text line, corners in reading order."""
    height, width = image.shape[:2]
    if not boxes:
        return _without_text(image)
    quads = [np.asarray(box, np.float32) for box in boxes]
    heights = [float(min(np.linalg.norm(q[3] - q[0]), np.linalg.norm(q[1] - q[0]))) for q in quads]
    tilt = _tilt(quads)
    region = _region(quads, heights, width, height)
    found: dict[MeasureName, float | None] = {
        "text_height": float(np.median(heights)),
        "subject_area": _area(region) / (width * height),
        "cut_off": sum(_touches(q, width, height) for q in quads) / len(quads),
        "tilt": tilt,
    }
    strip = _strip(image, quads)
    motion_degrees = None
    if strip is not None:
        found |= _exposure(strip)
        found["glare"] = _glare(strip)
        blur = _blur(strip)
        if blur is not None:
            found["sharpness"], found["motion"], along = blur
            motion_degrees = (along + tilt) % 180.0
    measures = {name: _scored(name, found.get(name)) for name in scores.SCORES}
    moved = measures["motion"].score
    if moved is None or moved >= scores.MOTION_SEEN:
        motion_degrees = None
    return Quality(measures, len(boxes), _as_quad(region), motion_degrees)


def _scored(name: MeasureName, raw: float | None) -> Measure:
    if raw is None or not math.isfinite(raw):
        return Measure(None, None)
    return Measure(round(raw, 4), scores.score(name, raw))


def _without_text(image: Image) -> Quality:
    """Only the light can be judged where no text was found; a coarse grid of the whole frame shows it."""
    step = max(1, min(image.shape[:2]) // 100)
    grey = cv2.cvtColor(np.ascontiguousarray(image[::step, ::step]), cv2.COLOR_BGR2GRAY)
    found: dict[MeasureName, float] = {
        "overexposure": float(np.mean(grey >= CLIPPED_LEVEL)),
        "underexposure": float(np.percentile(grey, 95)),
    }
    return Quality({name: _scored(name, found.get(name)) for name in scores.SCORES}, 0)


def _tilt(quads: list[Floats]) -> float:
    """Direction of the lines, the longer the weightier; degrees, clockwise as the frame is shown."""
    along = sum(((q[1] - q[0]) + (q[2] - q[3]) for q in quads), start=np.zeros(2, np.float32))
    return math.degrees(math.atan2(float(along[1]), float(along[0])))


def _region(quads: list[Floats], heights: list[float], width: int, height: int) -> Floats:
    """The plate's outline: the hull of its text and one line's height around it, within the frame."""
    (x, y), (w, h), degrees = cv2.minAreaRect(np.concatenate(quads))
    margin = 2 * float(np.median(heights))
    corners = cv2.boxPoints(((x, y), (w + margin, h + margin), degrees))
    return np.clip(corners, 0, [width, height]).astype(np.float32)


def _area(corners: Floats) -> float:
    return float(cv2.contourArea(corners))


def _as_quad(corners: Floats) -> Quad:
    a, b, c, d = ((round(float(x), 1), round(float(y), 1)) for x, y in corners)
    return (a, b, c, d)


def _touches(quad: Floats, width: int, height: int) -> bool:
    """Whether a line reaches the frame's edge."""
    return bool(
        quad.min() <= EDGE_PX or quad[:, 0].max() >= width - 1 - EDGE_PX or quad[:, 1].max() >= height - 1 - EDGE_PX
    )


def _strip(image: Image, quads: list[Floats]) -> _Strip | None:
    """Cut the lines out, lay them level at text scale, side by side."""
    if len(quads) > MAX_LINES:
        quads = [quads[i] for i in np.linspace(0, len(quads) - 1, MAX_LINES).round().astype(int)]
    pieces, starts, scales = [], [0], []
    for quad in quads:
        piece, scale = _line(image, quad)
        if piece is None:
            continue
        pieces.append(piece)
        scales.append(scale)
        starts.append(starts[-1] + piece.shape[1])
    if not pieces:
        return None
    colour = np.concatenate(pieces, axis=1)
    return _Strip(colour, cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY).astype(np.uint8), tuple(starts), tuple(scales))


def _line(image: Image, quad: Floats) -> tuple[Image | None, float]:
    """One line at text scale, and how many of its pixels make one of the frame's."""
    if np.linalg.norm(quad[3] - quad[0]) > 1.5 * np.linalg.norm(quad[1] - quad[0]):
        quad = np.roll(quad, 1, axis=0)
    long = float(np.linalg.norm(quad[1] - quad[0]))
    high = float(np.linalg.norm(quad[3] - quad[0]))
    if high < 4 or long < 4:
        return None, 0.0
    scale = TEXT_SCALE_PX / high
    width = max(8, min(MAX_LINE_PX, round(long * scale)))
    beside = (quad[1] - quad[0]) * (high / long)
    wide = np.stack([quad[0] - beside, quad[1] + beside, quad[2] + beside, quad[3] - beside])
    low = np.maximum(np.floor(wide.min(axis=0)).astype(int) - 1, 0)
    top = np.minimum(np.ceil(wide.max(axis=0)).astype(int) + 2, [image.shape[1], image.shape[0]])
    if (top - low).min() < 4:
        return None, 0.0
    piece = image[low[1] : top[1], low[0] : top[0]]
    corners = quad[[0, 1, 3]] - low
    shrink = int(high // TEXT_SCALE_PX)
    if shrink > 1:  # averaging first, as a reader does: the warp alone would pick single pixels
        piece = cv2.resize(
            piece, (max(1, piece.shape[1] // shrink), max(1, piece.shape[0] // shrink)), interpolation=cv2.INTER_AREA
        ).astype(np.uint8)
        corners = corners / shrink
    target = np.array([[0, 0], [long * scale, 0], [0, TEXT_SCALE_PX]], np.float32)
    target[:, 0] += PAD_PX
    turn = cv2.getAffineTransform(corners.astype(np.float32), target)
    size = (width + 2 * PAD_PX, TEXT_SCALE_PX)
    warped = cv2.warpAffine(piece, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return warped.astype(np.uint8, copy=False), scale


def _exposure(strip: _Strip) -> dict[MeasureName, float | None]:
    """Light on the text: clipped share, level of the brighter of ink and ground, and their distance."""
    levels, gaps, clipped = [], [], []
    for _, line in strip.lines():
        counts = np.bincount(strip.grey[:, line].ravel(), minlength=256).astype(np.float64)
        counts /= counts.sum()
        levels.append(float(np.searchsorted(np.cumsum(counts), 0.95)))
        gaps.append(_class_distance(counts))
        clipped.append(float(counts[CLIPPED_LEVEL:].sum()))
    return {
        "overexposure": float(np.mean(clipped)),
        "underexposure": float(np.median(levels)),
        "contrast": float(np.median(gaps)),
    }


def _class_distance(counts: npt.NDArray[np.float64]) -> float:
    """Otsu's two classes of a histogram: the distance between their means."""
    share = np.cumsum(counts)
    moment = np.cumsum(counts * np.arange(256))
    with np.errstate(divide="ignore", invalid="ignore"):
        below, above = moment / share, (moment[-1] - moment) / (1 - share)
        between = np.nan_to_num(share * (1 - share) * (above - below) ** 2)
    cut = int(between.argmax())
    return 0.0 if between[cut] <= 0 else float(above[cut] - below[cut])


def _glare(strip: _Strip) -> float | None:
    """The widest stretch of a line, or just beside it, that a highlight hides, in text heights."""
    clipped = cv2.inRange(strip.colour, (CLIPPED_LEVEL,) * 3, (255,) * 3)
    patches = cv2.morphologyEx(clipped, cv2.MORPH_OPEN, np.ones((PATCH_PX, PATCH_PX), np.uint8))
    # The line's middle, where characters stand, without the rim that a box has above and below.
    hidden = np.count_nonzero(patches[5:-5], axis=0) > (TEXT_SCALE_PX - 10) // 2
    covered, stretches = [], []
    for wide, line in strip.lines():
        covered.append(float(hidden[line].mean()))
        stretches.append(int(np.count_nonzero(hidden[wide])))
    if float(np.median(covered)) > CLIPPED_GROUND:
        return None
    return max(stretches) / TEXT_SCALE_PX


def _blur(strip: _Strip) -> tuple[float, float, float] | None:
    """Edge width in the sharpest direction, extra width in the most smeared one, and the degrees of that one."""
    grey = strip.grey
    reach = np.ones((9, 9), np.uint8)
    span = cv2.subtract(cv2.dilate(grey, reach), cv2.erode(grey, reach))
    least = np.empty(grey.shape[1], np.float32)
    for wide, line in strip.lines():
        least[wide] = 255
        least[line] = 0.5 * np.percentile(span[:, line][::2, ::2], 95)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    steep = cv2.magnitude(across, down)
    crest = (steep >= cv2.dilate(steep, np.ones((3, 3), np.uint8))) & (span > np.maximum(least, 6))
    crest[:3], crest[-3:] = False, False
    rows, columns = np.nonzero(crest)
    if len(rows) < MIN_EDGES:
        return None
    gx, gy = across[rows, columns] / span[rows, columns], down[rows, columns] / span[rows, columns]
    angles = np.arange(DIRECTIONS) * (math.pi / DIRECTIONS)
    along = np.abs(np.cos(angles)[:, None] * gx + np.sin(angles)[:, None] * gy)
    slopes = np.percentile(along, 90, axis=1)
    widths = 1.0 / np.maximum(slopes, 1e-3)
    floor = GRADIENT_WIDTH_PX * max(1.0, float(np.median(strip.scales)))
    sharpest, widest = float(widths.min()), float(widths.max())
    sharpness = math.sqrt(max(0.0, sharpest**2 - floor**2))
    motion = math.sqrt(max(0.0, widest**2 - sharpest**2))
    return sharpness, motion, math.degrees(float(angles[int(widths.argmax())]))
