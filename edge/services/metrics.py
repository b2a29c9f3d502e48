"""The station's figures as OpenMetrics text, for a Prometheus that asks `GET /metrics`.

Promise: what is not known is left out, never shown as 0; every family has its type, unit and one sentence of help.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from edge.adapters.command_messages import Refusal
from edge.core.outcome import DISPOSITION_OF, Reason
from edge.services.inspector_shadow import COUNTERS

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

#: The states of `edge.readers.chat.breaker`.
BREAKER_STATES = ("closed", "open", "half_open")

Labels = Mapping[str, str]
Sample = tuple[Labels, float | int | None]


def openmetrics(health: Mapping[str, Any], version: str) -> str:
    """The figures of one `/health` answer as OpenMetrics text."""
    text = _Text({"station": str(health["station"])})
    text.family("edge", "info", "What runs here.", [({"version": version}, 1)])
    processes: Mapping[str, Mapping[str, Any]] = health["processes"]
    text.family(
        "edge_process_up",
        "gauge",
        "Whether the process is heard and says that it is ready.",
        [({"process": name}, int(process["state"] == "ready")) for name, process in processes.items()],
    )
    text.family(
        "edge_process_beat_age_seconds",
        "gauge",
        "How long ago the process was last heard.",
        [({"process": name}, process["age_s"]) for name, process in processes.items()],
    )
    text.family("edge_triggers", "counter", "Triggers accepted since the installation.", [({}, health["triggers"])])
    text.family("edge_outcomes", "counter", "Outcomes decided since the installation.", [({}, health["outcomes"])])
    reasons: Mapping[str, int] = health["reasons"] or {}
    text.family(
        "edge_outcome_reasons",
        "counter",
        "Outcomes by reason and disposition.",
        [({"reason": name, "disposition": DISPOSITION_OF[Reason(name)]}, n) for name, n in reasons.items()],
    )
    _queues(text, health["queues"] or {})
    _unconfirmed(text, (health["queues"] or {}).get("unconfirmed", {}))
    if health["counts"] is not None:
        _commands(text, health["counts"])
    _disk(text, health["disk"])
    text.family("edge_frame_age_seconds", "gauge", "Age of the newest frame.", [({}, health["frame_age_s"])])
    cameras: Mapping[str, Mapping[str, int]] = health["cameras"]
    text.family(
        "edge_camera_events",
        "counter",
        "What a camera gave (frames) and what it did not give, by cause, since its process started.",
        [({"camera": name, "event": what}, n) for name, counts in cameras.items() for what, n in counts.items()],
    )
    _reader(text, health["reader"])
    counts: Mapping[str, int] = health["counts"] or {}
    text.family(
        "edge_shadow_reads",
        "counter",
        "Frames rejected by the gate that were chosen to be read all the same, by what came of it.",
        [({"answer": name}, counts.get(f"shadow_{name}")) for name in COUNTERS],
    )
    latency: Mapping[str, float | None] = health["latency_ms"] or {}
    text.family(
        "edge_latency_seconds",
        "gauge",
        "Trigger to outcome of the newest outcomes, by quantile.",
        [({"quantile": name}, _seconds(latency.get(key))) for name, key in (("0.5", "p50"), ("0.99", "p99"))],
    )
    return text.end()


def _disk(text: _Text, told: Mapping[str, int] | None) -> None:
    for name, key, what in (
        ("edge_disk_free_bytes", "free_bytes", "Free on the disk of the data folder."),
        ("edge_disk_reserve_bytes", "reserve_bytes", "What must be free there for a trigger to be taken."),
    ):
        text.family(name, "gauge", what, [({}, None if told is None else told[key])])
    full = None if told is None else int(told["full"])
    text.family(
        "edge_disk_full", "gauge", "Whether triggers are refused because less is free (disk_full).", [({}, full)]
    )


def _reader(text: _Text, told: Mapping[str, Any]) -> None:
    answers: Mapping[str, int] = told["answers"] or {}
    text.family(
        "edge_reader_answers",
        "counter",
        "Questions to the reader since it started, by task, or why there was no answer.",
        [({"answer": name}, count) for name, count in answers.items()],
    )
    batches: Mapping[str, int] = told["batches"] or {}
    text.family(
        "edge_reader_batches",
        "counter",
        "Batches since the reader started, by the number of questions in one.",
        [({"questions": size}, count) for size, count in batches.items()],
    )
    queue, cache = told["queue"], told["cache"]
    text.family("edge_reader_waiting", "gauge", "Questions that wait for the reader.", [({}, queue["waiting"])])
    oldest_age_s = queue["oldest_age_s"]
    text.family(
        "edge_reader_oldest_age_seconds", "gauge", "Age of the oldest question that waits.", [({}, oldest_age_s)]
    )
    text.family(
        "edge_reader_cache_lookups",
        "counter",
        "Look-ups in the cache of the remote reader's answers, by result.",
        [({"result": "hit"}, cache["hits"]), ({"result": "miss"}, cache["misses"])],
    )
    text.family(
        "edge_reader_cache_hit_ratio",
        "gauge",
        "Share of the look-ups that found an answer, since the reader started.",
        [({}, cache["hit_rate"])],
    )
    name, now = "edge_reader_breaker", told["breaker"]
    text.family(
        name,
        "stateset",
        "Whether the remote reader asks its server (closed), leaves it alone (open), or tries it (half_open).",
        [({name: state}, None if now is None else int(state == now)) for state in BREAKER_STATES],
    )


def _queues(text: _Text, queues: Mapping[str, Mapping[str, Any]]) -> None:
    for name, what in (
        ("triggers", "Triggers that wait for their inspection"),
        ("outbox", "Messages that the broker has not acknowledged"),
        ("dead_letters", "Messages set aside because the broker refuses them"),
    ):
        text.family(f"edge_{name}_waiting", "gauge", f"{what}.", [({}, queues.get(name, {}).get("waiting"))])
    for name, what in (
        ("triggers", "Age of the oldest trigger without an inspection"),
        ("outbox", "Age of the oldest message that the broker has not acknowledged"),
        ("unconfirmed", "Age of the oldest outcome that MES has not confirmed"),
    ):
        oldest_age_s = queues.get(name, {}).get("oldest_age_s")
        text.family(f"edge_{name}_oldest_age_seconds", "gauge", f"{what}.", [({}, oldest_age_s)])


def _unconfirmed(text: _Text, told: Mapping[str, Any]) -> None:
    limit_s, alarm = told.get("limit_s"), told.get("alarm")
    name = "edge_unconfirmed_limit_seconds"
    text.family(name, "gauge", "The age from which an outcome that MES has not confirmed is an alarm.", [({}, limit_s)])
    text.family(
        "edge_unconfirmed_alarm",
        "gauge",
        "Whether MES has left an outcome unconfirmed for longer than the limit.",
        [({}, None if alarm is None else int(alarm))],
    )


def _commands(text: _Text, counts: Mapping[str, int]) -> None:
    text.family(
        "edge_commands_refused",
        "counter",
        "Commands by MQTT that were not followed, by reason.",
        [({"reason": reason.value}, counts.get(f"command_{reason.value}", 0)) for reason in Refusal],
    )


def _seconds(value_ms: float | None) -> float | None:
    return None if value_ms is None else value_ms / 1000


class _Text:
    """OpenMetrics text under way; `common` labels stand at every sample."""

    def __init__(self, common: Labels) -> None:
        self._common = common
        self._lines: list[str] = []

    def family(
        self, name: str, kind: Literal["gauge", "counter", "info", "stateset"], what: str, samples: Iterable[Sample]
    ) -> None:
        """One family with all its samples; nothing at all where none of them is known."""
        known = [(labels, value) for labels, value in samples if value is not None]
        if not known:
            return
        self._lines.append(f"# TYPE {name} {kind}")
        for unit in ("seconds", "bytes"):
            if name.endswith(f"_{unit}"):
                self._lines.append(f"# UNIT {name} {unit}")
        self._lines.append(f"# HELP {name} {what}")
        suffix = {"gauge": "", "counter": "_total", "info": "_info", "stateset": ""}[kind]
        for labels, value in known:
            pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in {**self._common, **labels}.items())
            self._lines.append(f"{name}{suffix}{{{pairs}}} {value}")

    def end(self) -> str:
        """The whole text, with the end that tells it from a cut one."""
        return "\n".join([*self._lines, "# EOF", ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
