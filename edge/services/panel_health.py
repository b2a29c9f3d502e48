"""How the station is at this moment, as `/health` tells it: what its processes say, and what its store knows.

Promise: what cannot be known is null; a process that does not run, and a store that cannot be read, are said, never an
error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time as time_of_day
from typing import Any, Literal

from edge.adapters.database import FILE_NAME, monotonic_us, wall_time
from edge.adapters.heartbeat import SILENT_AFTER_S, Beat
from edge.errors import StoreError
from edge.services.health import (
    alarm_sentences,
    camera_figures,
    erp_figures,
    health_message,
    reader_figures,
    signal_figures,
    version,
)
from edge.web.stored import Stored

_STORE_KEYS = ("triggers", "outcomes", "reasons", "queues", "latency_ms", "counts", "disk", "alarms")
_PROCESS_KEYS = ("age_s", "pid", "up_s", "memory_bytes", "gpu_memory_bytes", "restarts")


@dataclass(frozen=True, slots=True)
class Place:
    """Which station this is, and which processes it needs; what the page says of it, and when its shifts begin."""

    site: str
    line: str
    station: str
    product: str
    processes: tuple[str, ...]
    takt_ms: int | None = None
    deadline_ms: int | None = None
    correction_topic: str = ""
    confirm_within_s: int | None = None
    fields: tuple[str, ...] = ()
    shifts: tuple[time_of_day, ...] = (time_of_day(6), time_of_day(14), time_of_day(22))


class StationHealth:
    """The station's health; `hear` takes in what its processes said last."""

    def __init__(self, place: Place, stored: Stored) -> None:
        self._place, self._stored = place, stored
        self._beats: Mapping[str, Beat] = {}
        self._restarts: Mapping[str, int] = {}
        self._started_us = monotonic_us()

    def hear(self, beats: Mapping[str, Beat], restarts: Mapping[str, int]) -> None:
        """Take in each process's last sign of life, and how often it was started anew."""
        self._beats, self._restarts = beats, restarts

    def reader_name(self) -> str | None:
        """What the reader calls itself; None where it was not heard."""
        beat = self._beats.get("reader")
        return None if beat is None else beat.facts.get("reader")

    def told(self) -> dict[str, Any]:
        """The health of now; `state` is ok, degraded or down, and `problems` says why."""
        now_us = monotonic_us()
        beats = self._beats
        processes = {name: self._process(beats.get(name), now_us) for name in self._place.processes}
        stored = self._figures(beats, now_us)
        down = [f"{name} is {told['state']}" for name, told in processes.items() if told["state"] != "ready"]
        if stored["triggers"] is None:
            down.append(str(stored["store"]))
        degraded = [f"{name}: {told['problem']}" for name, told in processes.items() if told["problem"]]
        messenger = beats.get("messenger")
        if messenger is not None and messenger.facts.get("connected") is False and not messenger.facts.get("problem"):
            degraded.append("messenger: not connected to the broker")
        unconfirmed = (stored["queues"] or {}).get("unconfirmed", {})
        if unconfirmed.get("alarm"):
            degraded.append(
                f"MES has not confirmed an outcome for {unconfirmed['oldest_age_s']:.0f} s, and mqtt.confirm_within_s "
                f"is {unconfirmed['limit_s']}: see that MES stores outcomes and sends cmd/confirm"
            )
        if stored["alarms"] is not None:
            degraded.extend(alarm_sentences(stored["alarms"]))
        state: Literal["ok", "degraded", "down"] = "down" if down else "degraded" if degraded else "ok"
        return {
            "state": state,
            "problems": [*down, *degraded],
            "site": self._place.site,
            "line": self._place.line,
            "station": self._place.station,
            "product": self._place.product,
            "version": version(),
            "processes": processes,
            "broker": {"connected": None if messenger is None else messenger.facts.get("connected")},
            "cameras": camera_figures(beats, now_us),
            "reader": reader_figures(beats, now_us),
            "erp": erp_figures(beats, now_us),
            "signals": signal_figures(beats, now_us),
            **stored,
        }

    def _process(self, beat: Beat | None, now_us: int) -> dict[str, Any]:
        if beat is None:
            since_s = (now_us - self._started_us) / 1_000_000
            state = "absent" if since_s > SILENT_AFTER_S else "unknown"
            return {"state": state, "problem": "", **dict.fromkeys(_PROCESS_KEYS)}
        age_s = beat.age_s(now_us)
        return {
            "state": "silent" if age_s > SILENT_AFTER_S else str(beat.facts.get("state", "ready")),
            "age_s": round(age_s, 3),
            "pid": beat.pid,
            "up_s": round((beat.at_us - beat.started_us) / 1_000_000, 1),
            "problem": str(beat.facts.get("problem") or ""),
            "memory_bytes": beat.facts.get("memory_bytes"),
            "gpu_memory_bytes": beat.facts.get("gpu_memory_bytes"),
            "restarts": self._restarts.get(beat.process, 0),
        }

    def _figures(self, beats: Mapping[str, Beat], now_us: int) -> dict[str, Any]:
        """What only the store knows, each figure null where it cannot be read; `store` says why."""
        at = wall_time()
        told: Mapping[str, Any] | None = None
        why = f"there is no {FILE_NAME} in {self._stored.data_dir} yet"
        if self._stored.is_there:
            try:
                with self._stored.store() as store:
                    limit_s = self._place.confirm_within_s
                    told = health_message(
                        store, beats, {}, now_us=now_us, at=at, session_id="", confirm_within_s=limit_s
                    )
                why = "readable"
            except StoreError as error:
                why = str(error)
        kept = {name: None if told is None else told[name] for name in _STORE_KEYS}
        frame_age_s = None if told is None else told["frame_age_s"]
        return {"at": at, "store": why, "frame_age_s": frame_age_s, **kept}
