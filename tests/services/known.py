"""A `/health` answer of a station of which only what a test names is known."""

from __future__ import annotations

from typing import Any

#: What a panel says that has heard of nobody, and has no store.
NOTHING: dict[str, Any] = {
    "station": "st",
    "processes": {},
    "triggers": None,
    "outcomes": None,
    "reasons": None,
    "queues": None,
    "alarms": None,
    "disk": None,
    "broker": {"connected": None},
    "frame_age_s": None,
    "erp": {"answer_age_s": None, "snapshot_age_s": None},
    "cameras": {},
    "reader": {
        "answers": None,
        "batches": None,
        "queue": {"waiting": None, "oldest_age_s": None},
        "cache": {"hits": None, "misses": None, "hit_rate": None},
        "breaker": None,
    },
}
