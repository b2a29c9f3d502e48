"""What the station says of itself: `state`, and `health` with counts, ages of queues, latencies, and who is alive.

Promise: every figure is measured at the moment of the call from the store and the heartbeats; what is not known is
null, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Any, Literal

from edge.adapters import health_messages, messages
from edge.adapters.database import wall_time
from edge.adapters.disk import Disk
from edge.adapters.heartbeat import SILENT_AFTER_S, Beat
from edge.adapters.payload import encode
from edge.adapters.store import MAX_WAITING_TRIGGERS, Store
from edge.core.alarm import AlarmPolicy, Watch, in_a_row_alarm
from edge.core.drift import sign_of
from edge.core.figures import is_figure
from edge.core.outcome import SCHEMA, Reason

#: Latencies are those of so many newest outcomes.
LATENCY_OUTCOMES = 200
#: What became of the questions to the reader.
READER_ANSWERS = ("judge", "read", "failed", "refused")
#: By whom the reader `pool` had a frame read, as `edge.readers.pool` counts it.
POOL_ANSWERS = ("pool", "pool_after_hedge", "here_late", "here_refused", "here_failed", "here_left_alone", "none")
#: What a capture process counts: frames and frozen ones, losses of the camera, what `CameraCounts` names, and the takes
#: that gave no frame.
CAMERA_COUNTS = (
    *("frames", "frozen", "lost", "late", "missed", "over_triggered", "malformed"),
    *("camera_lost", "camera_timeout", "camera_error", "superseded", "expired"),
)


def health_message(
    store: Store,
    beats: Mapping[str, Beat],
    messenger: Mapping[str, int],
    *,
    now_us: int,
    at: str,
    session_id: str,
    confirm_within_s: float | None = None,
) -> health_messages.Health:
    """The message of the topic `health`; `messenger` is what the messenger counted since it started."""
    counts = store.counts()
    waiting = store.waiting_triggers()
    return {
        "schema": SCHEMA,
        "station": store.station,
        "session_id": session_id,
        "at": at,
        "triggers": counts["triggers"],
        "outcomes": counts["outcomes"],
        "reasons": {reason: counts.get(f"reason_{reason.value}", 0) for reason in Reason},
        "queues": {
            "triggers": {
                "waiting": len(waiting),
                "oldest_age_s": waiting[0].age_s if waiting else None,
                "limit": MAX_WAITING_TRIGGERS,
            },
            "outbox": {
                "waiting": store.outbox.num_waiting(),
                "oldest_age_s": store.outbox.oldest_age_s(),
                "limit": None,
            },
            "dead_letters": {"waiting": store.outbox.num_dead()},
            "unconfirmed": _unconfirmed(store, confirm_within_s),
        },
        "latency_ms": _latencies(store),
        "frame_age_s": _frame_age_s(beats, now_us),
        "reader": reader_figures(beats, now_us),
        "processes": {name: round(beat.age_s(now_us), 3) for name, beat in sorted(beats.items())},
        "counts": {name: value for name, value in counts.items() if not is_figure(name)},
        "messenger": dict(sorted(messenger.items())),
        "disk": {
            "free_bytes": store.disk.free_bytes,
            "reserve_bytes": store.disk.reserve_bytes,
            "full": store.disk.is_full,
        },
        "alarms": alarm_figures(store.alarms.watch(), store.alarms.policy),
        "release": _release(beats, now_us),
        "signals": signal_figures(beats, now_us),
    }


def alarm_figures(watch: Watch, policy: AlarmPolicy) -> health_messages.Alarms:
    """What the watch over the outcomes says."""
    drift, stop = watch.drift, watch.line_stop
    rates = drift.rates or {}
    return {
        "in_a_row": watch.in_a_row,
        "in_a_row_limit": policy.in_a_row,
        "in_a_row_alarm": in_a_row_alarm(watch, policy),
        "base_outcomes": drift.num_base,
        # A base that is complete stays so, whatever is set later.
        "base_needed": drift.num_base if drift.rates is not None else policy.drift.base_outcomes,
        "drift": [
            {"sign": sign_of(sign), "base_rate": rates[sign], "since_seq": seq} for sign, seq in drift.since.items()
        ],
        "nearness": {sign: round(near, 3) for sign, near in drift.nearness(policy.drift).items()},
        "line_stop": None
        if stop is None
        else {"cause": stop.cause.value, "signs": [*map(sign_of, stop.signs)], "seq": stop.seq, "at": stop.at},
    }


def alarm_sentences(alarms: health_messages.Alarms) -> list[str]:
    """What a person should know of the alarms, and do."""
    said = [
        f"{one['sign']} comes more often than in the base (at most {one['base_rate']:.1%} there), since outcome "
        f"{one['since_seq']}: see docs/troubleshooting.md"
        for one in alarms["drift"]
    ]
    if alarms["in_a_row_alarm"]:
        said.append(
            f"{alarms['in_a_row']} parts in a row did not pass, and [alarm] in_a_row is {alarms['in_a_row_limit']}"
        )
    stop = alarms["line_stop"]
    if stop is not None:
        why = ", ".join(stop["signs"]) if stop["signs"] else f"parts in a row up to outcome {stop['seq']}"
        said.append(f"the line is to stand still ({stop['cause']}: {why}): see to it, then `edge alarm reset`")
    return said


def reader_figures(beats: Mapping[str, Beat], now_us: int) -> health_messages.ReaderFigures:
    """What the reader process said at its last beat; null where it is silent, or has no such thing.

    `answers` and `batches` (by how many frames were in one) count from the process's start; so does `cache`.
    """
    facts = _said(beats, "reader", now_us) or {}
    hits, misses = facts.get("cache_hits"), facts.get("cache_misses")
    asked = None if hits is None or misses is None else hits + misses
    return {
        "name": facts.get("reader"),
        "queue": {"waiting": facts.get("waiting"), "oldest_age_s": facts.get("oldest_age_s")},
        "answers": {name: facts.get(name, 0) for name in READER_ANSWERS} if facts else None,
        "batches": facts.get("batches"),
        "cache": {
            "state": facts.get("cache_state"),
            "hits": hits,
            "misses": misses,
            "hit_rate": hits / asked if hits is not None and asked else None,
        },
        "breaker": facts.get("breaker"),
        "pool": {name: facts[f"pool_{name}"] for name in POOL_ANSWERS if f"pool_{name}" in facts} or None,
    }


def erp_figures(beats: Mapping[str, Beat], now_us: int) -> dict[str, float | None]:
    """How old what ERP said last is, and the copy of its records; null where there is none, or nobody asked."""
    facts = _said(beats, "inspector", now_us) or {}
    return {"answer_age_s": facts.get("erp_answer_age_s"), "snapshot_age_s": facts.get("erp_snapshot_age_s")}


def signal_figures(beats: Mapping[str, Beat], now_us: int) -> health_messages.Signals | None:
    """What the signals process said of its wires at its last beat; None where it is silent, or there are no wires."""
    facts = _said(beats, "signals", now_us)
    if facts is None:
        return None
    return {
        "wires": facts.get("wires", {}),
        "unfit": facts.get("unfit") or None,
        "triggers": facts.get("triggers", {}),
        "result": facts.get("result", {}),
    }


def camera_figures(beats: Mapping[str, Beat], now_us: int) -> dict[str, dict[str, int]]:
    """What each camera gave and did not give, since its process started; a silent camera is left out."""
    return {
        name.removeprefix("capture-"): {count: int(facts.get(count, 0)) for count in CAMERA_COUNTS}
        for name in sorted(beats)
        if name.startswith("capture-") and (facts := _said(beats, name, now_us)) is not None
    }


class StateTopic:
    """The retained messages of the topic `state`, and what the last `online` said of the disk, on which connection.

    The link composes them in its own thread, as it connects and leaves; the messenger where `online` is true no more.
    """

    def __init__(self, topic: str, station: str, disk: Disk) -> None:
        self.topic = topic
        self._station = station
        self._disk = disk
        self._said: tuple[str, bool] | None = None

    def message(self, state: messages.StateName, session_id: str) -> bytes:
        """What is said now; `online` says whether triggers are refused, too."""
        is_full = False
        if state == "online":
            is_full = self._disk.is_full
            self._said = (session_id, is_full)
        return state_message(self._station, state, session_id, "disk_full" if is_full else None)

    def is_true(self, session_id: str, *, is_full: bool) -> bool:
        """Whether the last `online` was that of this connection, and said of the disk what is so now."""
        return self._said == (session_id, is_full)


def state_message(
    station: str, state: messages.StateName, session_id: str, refuses: Literal["disk_full"] | None = None
) -> bytes:
    """The retained message of the topic `state`; `offline` was written when its connection was made, by its `at`."""
    message: messages.State = {
        "schema": SCHEMA,
        "station": station,
        "state": state,
        "session_id": session_id,
        "version": version(),
        "at": wall_time(),
        "refuses": refuses,
    }
    return encode(message)


def version() -> str:
    """Which edge this is."""
    try:
        return metadata.version("edge-inspection")
    except metadata.PackageNotFoundError:
        return "unknown"


def _said(beats: Mapping[str, Beat], process: str, now_us: int) -> Mapping[str, Any] | None:
    """What a process said of itself at its last beat; None where it is silent."""
    beat = beats.get(process)
    return None if beat is None or beat.age_s(now_us) > SILENT_AFTER_S else beat.facts


def _release(beats: Mapping[str, Beat], now_us: int) -> messages.Release | None:
    """By which release the inspector decides; None where it is silent, too."""
    facts = _said(beats, "inspector", now_us) or {}
    number, sha256 = facts.get("release"), facts.get("release_sha256")
    return None if number is None or sha256 is None else {"number": number, "sha256": sha256}


def _unconfirmed(store: Store, limit_s: float | None) -> health_messages.Unconfirmed:
    oldest_age_s = store.confirmations.oldest_missing_age_s()
    is_late = oldest_age_s is not None and limit_s is not None and oldest_age_s > limit_s
    return {"oldest_age_s": oldest_age_s, "limit_s": limit_s, "alarm": is_late}


def _latencies(store: Store) -> health_messages.Latency:
    total_ms = sorted(store.latencies_ms(LATENCY_OUTCOMES))
    if not total_ms:
        return {"p50": None, "p99": None, "outcomes": 0}
    last = len(total_ms) - 1
    return {"p50": total_ms[round(last * 0.5)], "p99": total_ms[round(last * 0.99)], "outcomes": len(total_ms)}


def _frame_age_s(beats: Mapping[str, Beat], now_us: int) -> float | None:
    ages = [
        beat.facts["frame_age_s"] + beat.age_s(now_us)
        for name, beat in beats.items()
        if name.startswith("capture-") and isinstance(beat.facts.get("frame_age_s"), int | float)
    ]
    return round(max(ages), 3) if ages else None
