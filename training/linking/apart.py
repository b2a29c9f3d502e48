"""Nothing is printed over something else: moves what a layout set over keys and values out of their way."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from training.linking.layouts import Box

#: How far two boxes may reach into each other, of the smaller one: letters seldom fill theirs.
_MOST = 0.05
_STEP = 5.0


def corners(box: Box) -> list[tuple[float, float]]:
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
    first, second = (np.array(corners(box), np.float32) for box in (one, other))
    shared, _ = cv2.intersectConvexConvex(first, second)
    return float(shared) / max(min(cv2.contourArea(first), cv2.contourArea(second)), 1.0)
