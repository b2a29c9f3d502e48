"""Where on a frame a code can stand, from the statistics of a coarse grid: about a millisecond for a whole frame.

A code is dense, and half ink and half ground; text is a quarter ink and ground for the rest, so that its grey levels
are skewed. This alone leaves out 19 of 20 cells of dense text. Where the gradients keep to one direction there are
bars, where they go every way a matrix; between the two, both are looked for. What is proposed wrongly costs only the
time to look at it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

#: The grid has about this many points along the longer side, four of them a cell.
GRID_POINTS = 480
CELL_POINTS = 4
#: Rows of cells in a band.
BAND_CELLS = 10
#: Cells over which the statistics are taken: the first for small codes and bars, the second for few, large modules.
NEAR, WIDE = 3, 7
#: Greatest skew of the grey levels; 0 is half ink and half ground. Of the codes that `bench/codes.py` draws half have
#: under 0.4 and 19 of 20 under 0.7; of dense cells of drawn plates 1 in 20 has under 0.62.
MOST_SKEW = 0.7
#: The same for what is clearly bars: few fine bars stand in a window, and the grid sees one in four of their pixels.
MOST_SKEW_OF_BARS = 1.3
SURE_COHERENCE = 0.8
#: Least mean gradient of a cell, grey levels (Sobel): the palest drawn code has 120.
LEAST_GRADIENT = 90.0
#: Least gradient over the spread of the grey levels for bars: drawn ones have 5.1 and more, one edge has less.
BARS_DENSITY = 4.5
#: How much the gradients keep to one direction, 0 to 1: bars at least so much (the grid blurs fine ones), a matrix at
#: most so much.
BARS_COHERENCE = 0.4
MATRIX_COHERENCE = 0.6
#: Least cells of a patch of bars, of a matrix, and of a matrix seen over the wide window. A code of 60 px on a frame of
#: 1920 has 7, one with modules that the near window is too small for 78 and more; text of drawn plates rarely so many.
BARS_CELLS = 5
MATRIX_CELLS = 5
WIDE_CELLS = 40
#: Patches of a kind at most.
MOST_PATCHES = 16
#: Least width of bars for their height.
BARS_WIDE = 0.7
#: Cells around what was found: a code's quiet zone, and where a window sees its surroundings
#: too; and a share of its size, since the corners of a large code may be left out.
MARGIN = 2
MARGIN_SHARE = 8


class Patch(NamedTuple):
    """An upright rectangle that may hold a code, px."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def longest(self) -> int:
        """Its longer side, px."""
        return max(self.right - self.left, self.bottom - self.top)

    @property
    def pixels(self) -> int:
        """Its area."""
        return (self.right - self.left) * (self.bottom - self.top)

    def holds(self, other: Patch) -> bool:
        """Whether all of another patch lies in it."""
        inside = self.left <= other.left and self.top <= other.top
        return inside and self.right >= other.right and self.bottom >= other.bottom


@dataclass(frozen=True, slots=True)
class Patches:
    """Where codes can stand; each kind with the likeliest first."""

    bars: tuple[Patch, ...] = ()
    matrices: tuple[Patch, ...] = ()


@dataclass(frozen=True, slots=True)
class _Cells:
    """Means over each cell: of the gradients' products, and of the first three powers of the grey level."""

    xx: Plane
    yy: Plane
    xy: Plane
    one: Plane
    two: Plane
    three: Plane


@dataclass(frozen=True, slots=True)
class _Statistics:
    """Of the window around each cell: whether its gradients are strong, and what they and the grey levels are like."""

    strong: Mask
    skew: Plane
    coherence: Plane
    density: Plane


def propose(image: Image) -> Patches:
    """Propose where bars and matrix codes can stand on a frame (rows, columns, 3; uint8)."""
    step = max(1, round(max(image.shape) / GRID_POINTS))
    grid = np.ascontiguousarray(image[::step, ::step, 1])
    rows, columns = grid.shape[0] // CELL_POINTS, grid.shape[1] // CELL_POINTS
    if rows < NEAR or columns < NEAR:
        return Patches()
    cells = _cells(grid[: rows * CELL_POINTS, : columns * CELL_POINTS])
    near, wide = _statistics(cells, NEAR), _statistics(cells, WIDE)
    bars = near.strong & (near.coherence >= BARS_COHERENCE) & (near.density >= BARS_DENSITY)
    clear = bars & (near.skew <= MOST_SKEW)
    fine = bars & (near.skew <= np.where(near.coherence >= SURE_COHERENCE, MOST_SKEW_OF_BARS, MOST_SKEW))
    small, large = (one.strong & (one.skew <= MOST_SKEW) & (one.coherence <= MATRIX_COHERENCE) for one in (near, wide))
    place = (step * CELL_POINTS, image.shape[1], image.shape[0])
    return Patches(
        _outermost(_patches(mask, *place, least=BARS_CELLS, cells=cells) for mask in (clear, fine)),
        _outermost((_patches(large, *place, least=WIDE_CELLS), _patches(small, *place, least=MATRIX_CELLS))),
    )


def _outermost(groups: Iterable[list[Patch]]) -> tuple[Patch, ...]:
    """Patches in their order, without those that lie in an earlier one."""
    kept: list[Patch] = []
    for patch in chain.from_iterable(groups):
        if not any(other.holds(patch) for other in kept):
            kept.append(patch)
    return tuple(kept)


def _cells(grid: Image) -> _Cells:
    """Give the means over the cells of a grid; in bands that fit the processor's cache, which takes half the time."""
    rows = BAND_CELLS * CELL_POINTS
    bands = [_band(np.ascontiguousarray(grid[top : top + rows])) for top in range(0, grid.shape[0], rows)]
    return _Cells(*(np.vstack(planes) for planes in zip(*bands, strict=True)))


def _band(grid: Image) -> tuple[Plane, ...]:
    size = grid.shape[1] // CELL_POINTS, grid.shape[0] // CELL_POINTS
    across, down = cv2.spatialGradient(grid)
    level = grid.astype(np.float32) - 128
    square = level * level
    products = ((across, across), (down, down), (across, down))
    planes = (*(cv2.multiply(one, other, dtype=cv2.CV_32F) for one, other in products), level, square, square * level)
    return tuple(
        cv2.resize(plane, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False) for plane in planes
    )


def _statistics(cells: _Cells, window: int) -> _Statistics:
    xx, yy, xy, one, two, three = (
        cv2.blur(plane, (window, window)) for plane in (cells.xx, cells.yy, cells.xy, cells.one, cells.two, cells.three)
    )
    energy = xx + yy
    spread = np.maximum(two - one * one, 1.0)
    skew = np.abs(three - 3 * one * two + 2 * one * one * one) / (spread * np.sqrt(spread))
    coherence = np.sqrt((xx - yy) ** 2 + 4 * xy * xy) / (energy + 1.0)
    return _Statistics(energy > LEAST_GRADIENT**2, skew, coherence, np.sqrt(energy / spread))


def _patches(
    mask: Mask, cell_px: int, width_px: int, height_px: int, *, least: int, cells: _Cells | None = None
) -> list[Patch]:
    """Give the rectangles around the parts of a mask, the largest part first; with `cells`, those wide as bars are."""
    _, _, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    found: list[Patch] = []
    for x, y, w, h, count in sorted(facts[1:].tolist(), key=lambda fact: -fact[4]):
        if count < least or len(found) == MOST_PATCHES:
            break
        if cells is not None and not _wide(cells, x, y, w, h):
            continue
        margin = MARGIN + (0 if cells else max(w, h) // MARGIN_SHARE)
        left, top = max(0, x - margin) * cell_px, max(0, y - margin) * cell_px
        right, bottom = (x + w + margin) * cell_px, (y + h + margin) * cell_px
        found.append(Patch(left, top, min(width_px, right), min(height_px, bottom)))
    return found


def _wide(cells: _Cells, x: int, y: int, w: int, h: int) -> bool:
    """Whether a part is wider across its gradients than along: bars are, the line around a plate is not."""
    place = slice(y, y + h), slice(x, x + w)
    xx, yy, xy = (float(plane[place].sum()) for plane in (cells.xx, cells.yy, cells.xy))
    turn = 0.5 * math.atan2(2 * xy, xx - yy)
    cosine, sine = abs(math.cos(turn)), abs(math.sin(turn))
    return w * cosine + h * sine >= BARS_WIDE * (w * sine + h * cosine)
