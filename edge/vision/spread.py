"""How the frames of a site spread over each measure, against the limits: what limits are set by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edge.core.quality import MeasureName, Quality
from edge.vision import scores

PERCENTILES = (1, 5, 50, 95, 99)
#: Every measure, in the order in which it is told.
NAMES: tuple[MeasureName, ...] = tuple(scores.SCORES)


def distribution(measured: Sequence[Quality], limits: Mapping[MeasureName, int]) -> dict[MeasureName, dict[str, Any]]:
    """For each measure: how many frames have it, percentiles of raw value and score, and the share under the limit.

    Without a single frame that has it, or without a limit, what cannot be said is None.
    """
    found: dict[MeasureName, dict[str, Any]] = {}
    for name in scores.SCORES:
        known = [one for one in (frame.measures[name] for frame in measured) if one.score is not None]
        least = limits.get(name)
        under = sum(one.score < least for one in known if one.score is not None) if least is not None else None
        found[name] = {
            "assessed": len(known),
            "raw": _percentiles([one.raw for one in known if one.raw is not None]),
            "score": _percentiles([one.score for one in known if one.score is not None]),
            "least": least,
            "under_limit": under / len(known) if under is not None and known else None,
        }
    return found


def _percentiles(values: Sequence[float]) -> dict[str, float] | None:
    if not values:
        return None
    at = np.percentile(values, PERCENTILES)
    return {f"p{one}": round(float(value), 4) for one, value in zip(PERCENTILES, at, strict=True)}
