"""Where the plate ends: its outline on the frame, found from its text.

From the text outwards, on a coarse and levelled copy of the frame, the first long straight edge on each side is the
plate's. A side without one keeps to the text. Boxes that only look like text (a screw, a hole) are told from lines.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: The coarse copy's longer side, about.
COARSE_PX = 240
#: A side is an edge where its mean gradient is this many times that of the ground between it and the text …
LEAST_PEAK = 3.0
#: … and at least this, grey levels.
LEAST_LEVELS = 1.5
#: The first edge counts that is nearly as strong as the strongest: behind the plate's end may lie a machine's.
NEARLY = 0.6
#: A box this squat and this far from any other (in its heights) is no line of text.
SQUAT = 1.6
ALONE = 3.0
#: A box thinner than this shows nothing.
LEAST_PX = 4


def lines(quads: Floats) -> npt.NDArray[np.bool_]:
    """Which boxes are lines of text: all but squat ones that stand alone, and those too thin to show anything."""
    long = np.linalg.norm(quads[:, 1] - quads[:, 0], axis=1)
    high = np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1)
    low, top = quads.min(axis=1), quads.max(axis=1)
    gaps = np.maximum(low[:, None] - top[None], low[None] - top[:, None]).max(axis=2)
    np.fill_diagonal(gaps, np.inf)
    alone = gaps.min(axis=1) > ALONE * high
    kept: npt.NDArray[np.bool_] = np.logical_not(alone & (long < SQUAT * high)) & (np.minimum(long, high) >= LEAST_PX)
    return kept


def plate(image: Image, quads: Floats, tilt_degrees: float) -> Floats:
    """Corners of the plate that carries these lines, in frame pixels, clockwise from its top left.

    Args:
        image: the frame.
        quads: N x 4 x 2 corners of its lines.
        tilt_degrees: the direction of the lines.
    """
    height, width = image.shape[:2]
    step = max(1, max(height, width) // COARSE_PX)
    coarse = cv2.blur(cv2.cvtColor(np.ascontiguousarray(image[::step, ::step]), cv2.COLOR_BGR2GRAY), (3, 3))
    radians = math.radians(tilt_degrees)
    turn = np.array([[math.cos(radians), math.sin(radians)], [-math.sin(radians), math.cos(radians)]])
    edges = np.array([[0, 0], [width, 0], [width, height], [0, height]]) / step @ turn.T
    origin = edges.min(axis=0)
    size = np.ceil(edges.max(axis=0) - origin).astype(int)
    level = cv2.warpAffine(
        coarse, np.column_stack([turn, -origin]), (int(size[0]), int(size[1])), borderMode=cv2.BORDER_REPLICATE
    )
    points = quads.reshape(-1, 2) / step @ turn.T - origin
    margin = 0.4 * float(np.median(np.linalg.norm(quads[:, 3] - quads[:, 0], axis=1))) / step
    left, upper = points.min(axis=0)
    right, lower = points.max(axis=0)
    rows, columns = _span(upper, lower, level.shape[0]), _span(left, right, level.shape[1])
    across, down = _slopes(np.asarray(level[rows], np.uint8)), _slopes(np.asarray(level[:, columns].T, np.uint8))
    left -= _way(across[: max(0, round(left - margin))][::-1], margin)
    right += _way(across[round(right + margin) :], margin)
    upper -= _way(down[: max(0, round(upper - margin))][::-1], margin)
    lower += _way(down[round(lower + margin) :], margin)
    corners = np.array([[left, upper], [right, upper], [right, lower], [left, lower]])
    return np.asarray((corners + origin) @ turn * step, np.float32)


def _slopes(strip: Image) -> Floats:
    """How much the level changes over two pixels, at each column of a strip.

    The mean first: along a side an edge adds up, and the sensor's noise does not. The least of three bands: a plate's
    edge runs past all of its text, a matrix code's or a logo's does not.
    """
    bands = [band.mean(axis=0) for band in np.array_split(strip, 3) if band.size]
    slopes = np.zeros(strip.shape[1], np.float32)
    slopes[1:-1] = np.min([np.abs(band[2:] - band[:-2]) for band in bands], axis=0)
    return slopes


def _span(start: float, end: float, size: int) -> slice:
    """A range of pixels within a size, at least one of them."""
    first = min(max(0, round(start)), size - 1)
    return slice(first, max(first + 1, round(end)))


def share(corners: Floats, width: int, height: int) -> float:
    """The share of the frame that an outline covers."""
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    area, _ = cv2.intersectConvexConvex(corners, frame)
    return float(area) / (width * height)


def _way(profile: Floats, margin: float) -> float:
    """How far it is from the text to the plate's edge, along gradients seen on the way outwards."""
    profile = profile[:-1]
    if profile.size < 2:
        return margin
    strongest = float(profile.max())
    if strongest < max(LEAST_LEVELS, LEAST_PEAK * float(np.median(profile))):
        return margin
    return margin + float(np.argmax(profile >= NEARLY * strongest))
