"""Whether the station can inspect the part that comes next: what the heartbeat to the PLC stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.adapters.heartbeat import SILENT_AFTER_S, Beat

#: States of the inspector, beside "ready", in which it is at a part and well.
AT_WORK = frozenset({"waiting", "capturing", "judging", "reading", "checking"})


def unfit(beats: Mapping[str, Beat], needed: Sequence[str], now_us: int) -> str:
    """Why a part that came now would not be inspected well, one sentence; empty where it would."""
    for name in needed:
        beat = beats.get(name)
        if beat is None:
            return f"{name} was not heard yet"
        age_s = beat.age_s(now_us)
        if age_s > SILENT_AFTER_S:
            return f"{name} has been silent for {age_s:.0f} s"
        state = str(beat.facts.get("state", "ready"))
        if state != "ready" and not (name == "inspector" and state in AT_WORK):
            return f"{name} is {state}"
    return ""
