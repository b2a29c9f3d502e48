"""From a measure's raw value to its score: 100 is best, 0 is worst, one monotone curve of straight pieces each.

A score of 50 means the same for every measure: here the ocr reader begins to misread, so 50 is the least score by
default (`edge.core.gate.DEFAULT_LIMITS`). The knots were set on drawn plates of eleven materials, degraded one way at
a time, and on real photographs; beside each stands what was seen there. Between two knots the score is interpolated.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge.core.fields import Limits
from edge.core.quality import MeasureName

Knots = tuple[tuple[float, int], ...]

#: Below this motion score the direction of the smear means something.
MOTION_SEEN = 60

SCORES: Mapping[MeasureName, Knots] = {
    # Sharp print 0.5 to 1.6, embossing 1.8 to 2.7, photographs 0 to 2.6; misread from 3.3 on.
    "sharpness": ((0.0, 100), (2.0, 80), (3.2, 50), (7.0, 0)),
    # Still plates 1.0 to 2.4 (brushed steel is the highest), photographs to 3.9; misread from 4.3 on.
    "motion": ((0.0, 100), (2.5, 80), (4.2, 50), (9.0, 0)),
    # Without a highlight 0; a digit takes 0.5 to 0.7.
    "glare": ((0.0, 100), (0.25, 50), (1.0, 0)),
    # Read up to 0.8; but from 0.35 on the ground itself is clipped, and a hidden digit would go unnoticed.
    "overexposure": ((0.0, 100), (0.35, 50), (1.0, 0)),
    # Read down to 12; below 20 hardly above the sensor's noise.
    "underexposure": ((0.0, 0), (20.0, 50), (60.0, 80), (128.0, 100)),
    # Read down to 9.2; lines are lost from 8.5 on. Print has 80 to 160, embossing 33 to 45.
    "contrast": ((0.0, 0), (9.0, 50), (40.0, 80), (100.0, 100)),
    # Read down to 16; misread at 14.
    "text_height": ((0.0, 0), (15.0, 50), (25.0, 80), (40.0, 100)),
    # A subject should fill 0.3 of its frame; the outline may keep to a line printed inside the edge, a tenth less.
    "subject_area": ((0.0, 0), (0.27, 50), (0.6, 100)),
    # One line of twenty.
    "cut_off": ((0.0, 100), (0.05, 50), (1.0, 0)),
    # For people and for a station that wants its parts level: the reader turns any text upright by itself.
    "tilt": ((0.0, 100), (30.0, 50), (180.0, 0)),
}


def score(name: MeasureName, raw: float) -> int:
    """The score of a raw value, 0 to 100."""
    value = abs(raw) if name == "tilt" else raw
    at, to = zip(*SCORES[name], strict=True)
    return round(float(np.interp(value, at, to)))


def raw_at(name: MeasureName, least: int) -> float:
    """The raw value at which a measure has this score."""
    knots = SCORES[name]
    rising = sorted((at, to) for to, at in knots)
    scores, raws = zip(*rising, strict=True)
    return float(np.interp(least, scores, raws))


def raws_at(limits: Limits) -> dict[MeasureName, float]:
    """The raw value at which each limited measure meets its limit."""
    return {name: raw_at(name, least) for name, least in limits.min_scores.items()}
