"""How many replicas there should be, by the age of the oldest question that waits.

Promises: questions that wait longer than they should bring more replicas, at most twice as many at a time; an idle pool
gives one back at a time; a pool that is just busy enough stays as it is. How long either must last before it is done,
and the bounds, Ray Serve keeps (`replicas.up_after_s`, `down_after_s`, `least`, `most`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

#: The name under which a replica tells the age of its oldest waiting question, ms.
AGE = "oldest_age_ms"
#: Below this share of the wanted age one replica less would do: between it and 1 nothing moves, so that nothing swings.
IDLE = 0.25


def wanted(replicas: int, ages_ms: Sequence[float], aim_ms: float) -> int:
    """The number of replicas for questions of these ages, one a replica, where `aim_ms` is what they may wait."""
    if not replicas or not ages_ms:
        return replicas
    # The mean: one replica that has just begun a batch is no sign of too few.
    pressure = sum(ages_ms) / len(ages_ms) / aim_ms
    if pressure > 1:
        return min(2 * replicas, math.ceil(replicas * pressure))
    return max(1, replicas - 1) if pressure < IDLE else replicas


class QueueAge:
    """The policy as Ray Serve calls it, with the metrics that the replicas record."""

    def __init__(self, aim_ms: float) -> None:
        self._aim_ms = aim_ms

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        """The number that is wanted, and nothing to remember."""
        told = context.aggregated_metrics.get(AGE, {})
        return wanted(context.target_num_replicas, list(told.values()), self._aim_ms), {}
