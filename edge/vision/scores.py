"""From a measure's raw value to its score: 100 is best, 0 is worst, one monotone curve of straight pieces each.

Every curve is a list of (raw, score) knots; between two knots the score is interpolated, outside them it is constant.
The knots at which a reader begins to fail come from `bench/gate.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edge.core.quality import MeasureName

Knots = tuple[tuple[float, int], ...]

#: Below this motion score the direction of the smear means something.
MOTION_SEEN = 60

SCORES: Mapping[MeasureName, Knots] = {
    "sharpness": ((0.0, 100), (10.0, 0)),
    "motion": ((0.0, 100), (10.0, 0)),
    "glare": ((0.0, 100), (0.25, 60), (1.0, 0)),
    "overexposure": ((0.0, 100), (1.0, 0)),
    "underexposure": ((0.0, 0), (128.0, 100)),
    "contrast": ((0.0, 0), (20.0, 40), (100.0, 100)),
    "text_height": ((0.0, 0), (10.0, 20), (20.0, 60), (40.0, 100)),
    "subject_area": ((0.0, 0), (0.6, 100)),
    "cut_off": ((0.0, 100), (0.1, 50), (1.0, 0)),
    "tilt": ((0.0, 100), (90.0, 0)),
}


def score(name: MeasureName, raw: float) -> int:
    """The score of a raw value, 0 to 100."""
    value = abs(raw) if name == "tilt" else raw
    at, to = zip(*SCORES[name], strict=True)
    return round(float(np.interp(value, at, to)))
