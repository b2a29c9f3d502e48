"""From a measure's raw value to its score: 100 is best, 0 is worst, one monotone curve of straight pieces each.

A score means the same for every measure: at 50, the least score by default (`edge.core.gate.DEFAULT_LIMITS`), one text
in five more than on good frames is misread by the ocr reader; at 20 one in two. The knots stand in `scores.json`, with
the number of texts behind each, and are learnt: `training/gate` draws, spoils, measures and reads, and fits. Those of
four measures are set by people, and say why. Between two knots the score is interpolated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import get_args

import numpy as np

from edge.core.fields import Limits
from edge.core.quality import MeasureName

Knots = tuple[tuple[float, int], ...]


def _knots() -> dict[MeasureName, Knots]:
    facts = json.loads(resources.files("edge.vision").joinpath("scores.json").read_text(encoding="utf-8"))
    return {
        name: tuple(sorted((float(raw), int(score)) for raw, score in facts[name]["knots"]))
        for name in get_args(MeasureName)
    }


#: Below this motion score the direction of the smear means something.
MOTION_SEEN = 60

#: Raw values with their scores, the raw values rising.
SCORES: Mapping[MeasureName, Knots] = _knots()


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
