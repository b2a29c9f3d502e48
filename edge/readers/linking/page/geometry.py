"""Where a line and its parts stand on a frame, along the direction of its text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge.core.reading import Quad, TextLine

#: Lines whose directions differ by more than this (degrees) are not on one plate, or not on one side of it.
SAME_DIRECTION_DEG = 20.0
#: A box so much longer than high at most may lean as far as it likes, up to half a right angle (radians).
_STUBBY, _HALF_WAY = 2.0, math.radians(45.0)


@dataclass(frozen=True, slots=True)
class Rect:
    """An upright rectangle along the text's own direction, px; `middle` is the height at which its text stands."""

    left: float
    top: float
    right: float
    bottom: float
    height: float
    middle: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left


def quad(line: TextLine, start: int, end: int) -> Quad:
    """Give the corners of a part of a line on the frame."""
    first, last = line.characters[start].box, line.characters[end - 1].box
    if first is not None and last is not None:
        return (first[0], last[1], last[2], first[3])
    count = max(len(line.text), 1)
    (tl, tr, br, bl), a, b = line.box, start / count, end / count

    def at(p: tuple[float, float], q: tuple[float, float], share: float) -> tuple[float, float]:
        return (p[0] + (q[0] - p[0]) * share, p[1] + (q[1] - p[1]) * share)

    return (at(tl, tr, a), at(tl, tr, b), at(bl, br, b), at(bl, br, a))


def angle_of(box: Quad) -> float:
    """Direction of reading, radians."""
    (tl, tr, br, bl) = box
    return math.atan2(tr[1] - tl[1] + br[1] - bl[1], tr[0] - tl[0] + br[0] - bl[0])


def off(one: float, other: float) -> float:
    """How far one direction is from another, radians: half a turn to the left is half a turn to the right."""
    return (one - other + math.pi) % (2 * math.pi) - math.pi


def rect_of(line: TextLine, start: int, end: int, cosine: float, sine: float) -> Rect:
    """Give the rectangle of a part of a line along a direction, by its cosine and sine."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad(line, start, end)
    left = ((ax + dx) * cosine + (ay + dy) * sine) / 2
    right = ((bx + cx) * cosine + (by + cy) * sine) / 2
    top = ((ay + by) * cosine - (ax + bx) * sine) / 2
    bottom = ((cy + dy) * cosine - (cx + dx) * sine) / 2
    return Rect(left, min(top, bottom), right, max(top, bottom), max(abs(bottom - top), 1.0), (top + bottom) / 2)


def turns(lines: Sequence[TextLine]) -> list[tuple[int, float]]:
    """Group lines by direction; each gets its group's number and common direction (radians)."""
    lengths = [math.dist(line.box[0], line.box[1]) for line in lines]
    angles = [angle_of(line.box) for line in lines]
    groups: list[list[int]] = []
    for index in sorted(range(len(lines)), key=lambda i: -lengths[i]):
        for group in groups:
            if abs(off(angles[index], angles[group[0]])) <= math.radians(SAME_DIRECTION_DEG):
                group.append(index)
                break
        else:
            groups.append([index])
    directions = []
    for group in groups:
        # The middle one by length: what stands round the rim of a plate leans to one side only.
        leans = sorted((off(angles[i], angles[group[0]]), lengths[i]) for i in group)
        half, at = sum(lengths[i] for i in group) / 2, 0
        while half > leans[at][1] and at + 1 < len(leans):
            half -= leans[at][1]
            at += 1
        directions.append(angles[group[0]] + leans[at][0])
    # The longest line may lean by itself and leave out some that run as the rest of its group do.
    home = {index: number for number, group in enumerate(groups) for index in group}
    for index, angle in enumerate(angles):
        near = (n for n, one in enumerate(directions) if abs(off(angle, one)) <= math.radians(SAME_DIRECTION_DEG))
        home[index] = min(home[index], next(near, home[index]))
    # A box about as wide as high is told no direction but that of the frame: the plate's is meant.
    long = {home[index] for index, line in enumerate(lines) if lengths[index] > _STUBBY * math.dist(*line.box[::3])}
    for index, angle in enumerate(angles):
        if home[index] not in long:
            near = (n for n in sorted(long) if abs(off(angle, directions[n])) < _HALF_WAY)
            home[index] = next(near, home[index])
    return [(home[index], directions[home[index]]) for index in range(len(lines))]
