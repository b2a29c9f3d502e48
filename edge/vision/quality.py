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
from edge.vision import outline, scores

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
#: Level from which a sensor's 8 bits are taken to be at their end.
CLIPPED_LEVEL = 252
#: A corner this near to the frame's edge touches it.
EDGE_PX = 2.0
#: A highlight is a clipped patch wider and higher than any stroke of a letter, px at text scale.
PATCH_PX = 13
#: A highlight that begins within a quarter of the height from a box's end may have swallowed what stood there; one with
#: more of the ground in between is beside the text.
SWALLOWED_PX = 8
#: Where even the least clipped quarter of the lines has this share, the ground is clipped, and no highlight can be told
#: from it.
CLIPPED_GROUND = 0.35
#: Edges of a line needed before their width means anything.
MIN_EDGES = 24
#: A span of levels below this is noise, not an edge.
LEAST_SPAN = 6
#: A box thinner than this shows nothing.
LEAST_LINE_PX = 4
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
    quads = _level(np.clip(np.asarray(boxes, np.float32), 0, [width, height]).astype(np.float32))
    quads = quads[outline.lines(quads)]
    if not len(quads):
        return _without_text(image)
    heights = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    tilt = _tilt(quads)
    plate = outline.plate(image, quads, tilt)
    found: dict[MeasureName, float | None] = {
        "text_height": float(np.median(heights)),
        "subject_area": outline.share(plate, width, height),
        "cut_off": float(_touching(quads, width, height).mean()),
        "tilt": tilt,
    }
    num_lines = len(quads)
    if num_lines > MAX_LINES:
        quads = quads[np.linspace(0, num_lines - 1, MAX_LINES).round().astype(int)]
    strip = _strip(image, quads)
    motion_degrees = None
    if strip is not None:
        light = _exposure(strip)
        found |= light
        found["glare"] = None if light["overexposure"] > CLIPPED_GROUND else _glare(strip)
        blur = _blur(strip)
        if blur is not None:
            found["sharpness"], found["motion"], along = blur
            motion_degrees = (along + tilt) % 180.0
    measures = {name: _scored(name, found.get(name)) for name in scores.SCORES}
    moved = measures["motion"].score
    if moved is None or moved >= scores.MOTION_SEEN:
        motion_degrees = None
    return Quality(measures, num_lines, _as_quad(plate), motion_degrees)


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


def _level(quads: Floats) -> Floats:
    """Each line along its longer side: a locator may name the corners of a steep line from the wrong one."""
    steep = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1) > 1.5 * np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1)
    quads = quads.copy()
    quads[steep] = np.roll(quads[steep], 1, axis=1)
    return quads


def _tilt(quads: Floats) -> float:
    """Direction of the lines, the longer the weightier; degrees, clockwise as the frame is shown."""
    along = (quads[:, 1] - quads[:, 0] + quads[:, 2] - quads[:, 3]).sum(axis=0)
    return math.degrees(math.atan2(float(along[1]), float(along[0])))


def _as_quad(corners: Floats) -> Quad:
    a, b, c, d = ((round(float(x), 1), round(float(y), 1)) for x, y in corners)
    return (a, b, c, d)


def _touching(quads: Floats, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Which lines reach the frame's edge."""
    low, high = quads.min(axis=1), quads.max(axis=1)
    return np.asarray((low <= EDGE_PX).any(axis=1) | (high >= np.array([width, height]) - 1 - EDGE_PX).any(axis=1))


def _strip(image: Image, quads: Floats) -> _Strip | None:
    """Cut the lines out, lay them level at text scale, side by side."""
    along, down = quads[:, 1] - quads[:, 0], quads[:, 3] - quads[:, 0]
    long, high = np.linalg.norm(along, axis=1), np.linalg.norm(down, axis=1)
    usable = (long >= LEAST_LINE_PX) & (high >= LEAST_LINE_PX) & (np.abs(_cross(along, down)) > 0.1 * long * high)
    if not usable.any():
        return None
    quads, along, down, long, high = (one[usable] for one in (quads, along, down, long, high))
    scales = TEXT_SCALE_PX / high
    widths = np.clip(np.round(long * scales), 8, MAX_LINE_PX).astype(int)
    beside = along * (high / long)[:, None]
    reach = np.concatenate([quads[:, :1] - beside[:, None], quads, quads[:, 1:3] + beside[:, None]], axis=1)
    low = np.maximum(np.floor(reach.min(axis=1)).astype(int) - 1, 0)
    top = np.minimum(np.ceil(reach.max(axis=1)).astype(int) + 2, [image.shape[1], image.shape[0]])
    # A point of the frame in units of the line's own two sides, then in pixels of the strip.
    turns = (
        np.linalg.inv(np.stack([along, down], axis=2)) * np.stack([long * scales, high * scales], axis=1)[:, :, None]
    )
    pieces, starts, kept = [], [0], []
    for quad, turn, width, scale, (left, upper), (right, lower) in zip(
        quads, turns, widths, scales, low, top, strict=True
    ):
        if right - left < LEAST_LINE_PX or lower - upper < LEAST_LINE_PX:
            continue
        piece = image[upper:lower, left:right]
        shrink = int(1 / scale)
        if shrink > 1:  # averaging first, as a reader does: the warp alone would pick single pixels
            size = (max(1, piece.shape[1] // shrink), max(1, piece.shape[0] // shrink))
            piece = cv2.resize(piece, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        moved = turn @ (np.array([left, upper]) - quad[0])
        affine = np.column_stack([turn * max(1, shrink), moved + np.array([PAD_PX, 0])])
        pieces.append(cv2.warpAffine(piece, affine, (width + 2 * PAD_PX, TEXT_SCALE_PX), flags=cv2.INTER_LINEAR))
        starts.append(starts[-1] + width + 2 * PAD_PX)
        kept.append(float(scale))
    if not pieces:
        return None
    colour = np.concatenate(pieces, axis=1).astype(np.uint8, copy=False)
    return _Strip(colour, cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY).astype(np.uint8), tuple(starts), tuple(kept))


def _cross(one: Floats, other: Floats) -> Floats:
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]


def _exposure(strip: _Strip) -> dict[MeasureName, float]:
    """Light on the text: clipped share, level of the brighter of ink and ground, and their distance."""
    counts = np.stack([np.bincount(strip.grey[:, line].ravel(), minlength=256) for _, line in strip.lines()])
    shares = counts / counts.sum(axis=1, keepdims=True)
    below = np.cumsum(shares, axis=1)
    return {
        # A highlight clips some lines, an exposure that is too long clips them all.
        "overexposure": float(np.percentile(shares[:, CLIPPED_LEVEL:].sum(axis=1), 25)),
        "underexposure": float(np.median((below < 0.95).sum(axis=1))),
        "contrast": float(np.median(_class_distance(shares, below))),
    }


def _class_distance(shares: npt.NDArray[np.float64], below: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Otsu's two classes of each line's histogram: the distance between their means."""
    moment = np.cumsum(shares * np.arange(256), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.nan_to_num((moment[:, -1:] - moment) / (1 - below) - moment / below, posinf=0.0, neginf=0.0)
    between = below * (1 - below) * distance**2
    return np.take_along_axis(distance, between.argmax(axis=1)[:, None], axis=1)[:, 0]


def _glare(strip: _Strip) -> float:
    """The widest stretch of a line, or just beside it, that a highlight hides, in text heights."""
    clipped = cv2.inRange(strip.colour, (CLIPPED_LEVEL,) * 3, (255,) * 3)
    patches = cv2.morphologyEx(clipped, cv2.MORPH_OPEN, np.ones((PATCH_PX, PATCH_PX), np.uint8))
    # The line's middle, where characters stand, without the rim that a box has above and below.
    hidden = np.count_nonzero(patches[5:-5], axis=0) > (TEXT_SCALE_PX - 10) // 2
    widths = [
        int(np.count_nonzero(hidden[line]))
        + _adjoining(hidden[wide.start : line.start][::-1])
        + _adjoining(hidden[line.stop : wide.stop])
        for wide, line in strip.lines()
    ]
    return max(widths) / TEXT_SCALE_PX


def _adjoining(beside: npt.NDArray[np.bool_]) -> int:
    """Columns of a highlight that begins where the box ends, and so may have swallowed a character, outwards."""
    begins = int(np.argmax(beside[:SWALLOWED_PX])) if beside[:SWALLOWED_PX].any() else None
    if begins is None:
        return 0
    ends = np.flatnonzero(~beside[begins:])
    return int(ends[0]) if len(ends) else len(beside) - begins


def _blur(strip: _Strip) -> tuple[float, float, float] | None:
    """Edge width in the sharpest direction, extra width in the most smeared one, and the degrees of that one.

    An edge's width is the local span of levels over the steepest slope along a direction, so contrast does not move
    it. The two directions are those of all lines together; then the blurriest quarter of the lines decides, since
    the same blur of the frame hides small text before large.
    """
    grey = strip.grey
    reach = np.ones((9, 9), np.uint8)
    span = cv2.subtract(cv2.dilate(grey, reach), cv2.erode(grey, reach))
    least = np.full(grey.shape[1], 255, np.uint8)
    for _, line in strip.lines():
        sample = span[::2, line][:, ::2].ravel()
        most = sample.size * 95 // 100
        least[line] = max(LEAST_SPAN, int(np.partition(sample, most)[most]) // 2)
    across = cv2.Sobel(grey, cv2.CV_16S, 1, 0)
    down = cv2.Sobel(grey, cv2.CV_16S, 0, 1)
    steep = cv2.add(cv2.convertScaleAbs(across, alpha=1 / 8), cv2.convertScaleAbs(down, alpha=1 / 8))
    crest = (steep >= cv2.dilate(steep, np.ones((3, 3), np.uint8))) & (span > least)
    crest[:3], crest[-3:] = False, False
    columns, rows = np.nonzero(crest.T)
    if len(rows) < MIN_EDGES:
        return None
    slopes = np.stack([across[rows, columns], down[rows, columns]]).astype(np.float32) / (8.0 * span[rows, columns])
    angles = np.arange(DIRECTIONS) * (math.pi / DIRECTIONS)
    along = np.abs(np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32) @ slopes)
    steepest = _high(along)
    sharp, smeared = int(steepest.argmax()), int(steepest.argmin())
    blurs, smears = [], []
    for scale, (start, end) in zip(strip.scales, pairwise(np.searchsorted(columns, strip.starts)), strict=True):
        if end - start < MIN_EDGES:
            continue
        narrow, wide = 1.0 / np.maximum(_high(along[[sharp, smeared], start:end]), 1e-3)
        floor = GRADIENT_WIDTH_PX * max(1.0, scale)
        blurs.append(math.sqrt(max(0.0, narrow**2 - floor**2)))
        smears.append(math.sqrt(max(0.0, wide**2 - narrow**2)))
    if not blurs:
        return None
    blur, smear = float(np.percentile(blurs, 75)), float(np.percentile(smears, 75))
    return blur, smear, math.degrees(float(angles[smeared]))


def _high(values: Floats) -> Floats:
    """The 90th percentile of each row: the steep edges, without the few that noise made."""
    at = values.shape[1] * 9 // 10
    return np.asarray(np.partition(values, at, axis=1)[:, at], np.float32)
