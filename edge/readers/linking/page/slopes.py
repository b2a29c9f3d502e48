"""How the lines of a plate slope against its direction, place by place."""

from __future__ import annotations

from collections.abc import Sequence

from edge.readers.linking.page.geometry import Rect

#: A box at least this much longer than high tells its own slope.
_TELLS_SLOPE = 3.0
#: So many text heights away a line tells half as much of a slope.
_ROUND = 15.0

Placed = tuple[Rect, int, float]
"""Where a text stands, the number of its direction, and how it slopes against that by its own box."""


def tells_slope(rect: Rect) -> bool:
    """Say whether a box is long enough to tell how its text slopes."""
    return rect.width > _TELLS_SLOPE * rect.height


def slopes(placed: Sequence[Placed]) -> list[float]:
    """Give the slope at every text: that of the lines round it, long ones more.

    A short box tells its own badly, and its row goes on for many times its length.
    """
    telling = [one for one in placed if tells_slope(one[0])]
    found = []
    for rect, turn, _ in placed:
        reach = (_ROUND * rect.height) ** 2
        told = sorted((slope, _weight(rect, other, reach)) for other, where, slope in telling if where == turn)
        found.append(_middle(told))
    return found


def _weight(rect: Rect, other: Rect, reach: float) -> float:
    away = (rect.left - other.left) ** 2 + (rect.middle - other.middle) ** 2
    return (other.width / other.height) ** 2 / (1 + away / reach)


def _middle(weighted: Sequence[tuple[float, float]]) -> float:
    """Give the middle one of values in order by their weights: text round a rim leans to one side only."""
    half = sum(weight for _, weight in weighted) / 2
    for value, weight in weighted:
        half -= weight
        if half <= 0:
            return value
    return 0.0
