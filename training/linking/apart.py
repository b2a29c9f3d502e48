"""Nothing is printed over something else: moves what a layout set over keys and values out of their way."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edge.core.reading import Point
from training.linking.layouts import Box

#: How far two boxes may reach into each other, of the smaller one: letters seldom fill theirs.
_MOST = 0.05
_STEP = 5.0


def corners(box: Box) -> list[Point]:
    """A box's corners as it stands, turned about its middle; from the upper left one, clockwise."""
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    cosine, sine = math.cos(math.radians(box.turn_deg)), math.sin(math.radians(box.turn_deg))
    across, down = (box.right - box.left) / 2, box.height / 2
    return [
        (x + a * cosine - d * sine, y + a * sine + d * cosine)
        for a, d in ((-across, -down), (across, -down), (across, down), (-across, down))
    ]


def apart(boxes: Sequence[Box]) -> None:
    """Move what is neither key nor value up, or down from the middle of all on, until it stands over nothing."""
    middle = (min(box.top for box in boxes) + max(box.bottom for box in boxes)) / 2
    for box in boxes:
        if box.key or any(letter.mark for letter in box.letters):
            continue
        step = math.copysign(_STEP, (box.top + box.bottom) / 2 - middle)
        while any(other is not box and _overlap(box, other) > _MOST for other in boxes):
            box.top += step


def _overlap(one: Box, other: Box) -> float:
    """What two boxes share, of the smaller one's area."""
    reach = math.hypot(one.right - one.left, one.height) + math.hypot(other.right - other.left, other.height)
    away = math.hypot(
        (one.left + one.right - other.left - other.right) / 2, (one.top + one.bottom - other.top - other.bottom) / 2
    )
    if away > reach / 2:
        return 0.0
    first, second = corners(one), corners(other)
    return abs(_area(_clipped(first, second))) / max(min(abs(_area(first)), abs(_area(second))), 1.0)


def _clipped(polygon: Sequence[Point], by: Sequence[Point]) -> list[Point]:
    """What of a polygon lies inside a convex one whose corners go clockwise (Sutherland and Hodgman)."""
    left = list(polygon)
    for (x, y), (to_x, to_y) in zip(by, (*by[1:], by[0]), strict=True):
        inside = [(to_x - x) * (b - y) - (to_y - y) * (a - x) for a, b in left]
        kept: list[Point] = []
        for n, (point, side) in enumerate(zip(left, inside, strict=True)):
            before, side_before = left[n - 1], inside[n - 1]
            if (side < 0) != (side_before < 0):
                share = side_before / (side_before - side)
                kept.append((before[0] + share * (point[0] - before[0]), before[1] + share * (point[1] - before[1])))
            if side >= 0:
                kept.append(point)
        left = kept
    return left


def _area(polygon: Sequence[Point]) -> float:
    around = zip(polygon, (*polygon[1:], *polygon[:1]), strict=True)
    return sum(x * to_y - to_x * y for (x, y), (to_x, to_y) in around) / 2
