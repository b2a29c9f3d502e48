"""What one outcome adds to the station's counters: its reason, each retake and whether it helped, time of each stage.

Promise: the counters of a stage have as many entries as outcomes had that stage; times are counted in fixed classes, so
that the counters of a year, and of many stations, can be added up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from edge.core.outcome import Defect, Outcome

#: The stages of an inspection, and the whole of it.
STAGES = ("capture", "judge", "read", "record", "total")
#: Upper ends of the classes of times, ms: three to a decade, from a fast look-up to the longest usual deadline.
BOUNDS_MS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000)
#: Whether the frame of a retake was better in what was wrong: yes, no, or there was none to compare.
HELPED: Mapping[bool | None, str] = {True: "helped", False: "not_helped", None: "unknown"}

_OVER = "more"


@dataclass(frozen=True, slots=True)
class Times:
    """The times of one stage: how many up to each of `BOUNDS_MS`, how many in all, and their sum."""

    up_to: tuple[int, ...]
    number: int
    sum_s: float


def counted(outcome: Outcome) -> dict[str, int]:
    """The counters that an outcome adds to, each with how much."""
    added = {f"reason_{outcome.reason.value}": 1}
    for attempt in outcome.attempts[1:]:
        for defect in attempt.cause:
            name = retake_counter(defect, attempt.helped)
            added[name] = added.get(name, 0) + 1
    for stage in STAGES:
        if stage in outcome.ms:
            ms = outcome.ms[stage]
            added[f"stage_{stage}_{_class(ms)}"] = 1
            added[f"stage_{stage}_us"] = round(ms * 1000)
    return added


def retake_counter(defect: Defect, helped: bool | None) -> str:
    """The counter of retakes for a defect, by whether they helped."""
    return f"retake_{defect.value}_{HELPED[helped]}"


def times_of(counts: Mapping[str, int], stage: str) -> Times:
    """The times of a stage, from all counters."""
    classes = [counts.get(f"stage_{stage}_{name}", 0) for name in (*BOUNDS_MS, _OVER)]
    up_to = tuple(accumulate(classes))
    return Times(up_to[:-1], up_to[-1], counts.get(f"stage_{stage}_us", 0) / 1e6)


def is_figure(name: str) -> bool:
    """Whether a counter is one of this file, and is told in a form of its own."""
    return name.startswith(("reason_", "retake_", "stage_"))


def _class(ms: float) -> str:
    return next((str(bound) for bound in BOUNDS_MS if ms <= bound), _OVER)
