"""The station's figures for a Prometheus that asks `GET /metrics`: as OpenMetrics, or in Prometheus' older text form.

Promises: what is not known is left out, never shown as 0; every family has its type, unit and one sentence of help; the
labels of a family can have no more values than lists in the code and the configuration have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from prometheus_client import exposition
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector

from edge.adapters.command_messages import Refusal
from edge.core.alarm import StopCause
from edge.core.drift import SIGNS
from edge.core.figures import BOUNDS_MS, HELPED, STAGES, retake_counter, times_of
from edge.core.outcome import DISPOSITION_OF, Defect, Reason
from edge.services.inspector_shadow import COUNTERS
from edge.services.reader_queue import MAX_WAITING_QUESTIONS

CONTENT_TYPE = openmetrics_exposition.CONTENT_TYPE_LATEST
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: The states of `edge.readers.chat.breaker`.
BREAKER_STATES = ("closed", "open", "half_open")

Labels = Mapping[str, str]
Value = float | int | None
Kind = Literal["gauge", "counter"]


def openmetrics(health: Mapping[str, Any], version: str, counts: Mapping[str, int] | None = None) -> str:
    """The figures of one `/health` answer, and of the store's counters, as OpenMetrics text."""
    generate: Any = openmetrics_exposition.generate_latest
    return str(generate(_Figures(health, version, counts)), "utf-8")


def prometheus_text(health: Mapping[str, Any], version: str, counts: Mapping[str, int] | None = None) -> str:
    """The same in the text form of Prometheus, version 0.0.4."""
    generate: Any = exposition.generate_latest
    return str(generate(_Figures(health, version, counts)), "utf-8")


def wants_text(accept: str) -> bool:
    """Whether whoever asks knows the older form, and not OpenMetrics; who says nothing gets OpenMetrics."""
    kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return "text/plain" in kinds and "application/openmetrics-text" not in kinds


@dataclass(frozen=True, slots=True)
class _Figures(Collector):
    """Every family, made from one `/health` answer; `counts` are the store's counters, None where it is not read."""

    health: Mapping[str, Any]
    version: str
    counts: Mapping[str, int] | None

    def collect(self) -> Iterator[Metric]:
        """Every family that has something to say."""
        for family in self._families():
            if family.samples:
                yield family

    def _families(self) -> Iterator[Metric]:
        info = InfoMetricFamily("edge", "What runs here.", labels=["station"])
        info.add_metric([self._station], {"version": self.version})
        yield info
        yield from self._processes()
        yield from self._outcomes()
        yield from self._queues()
        yield from self._alarms()
        yield from self._surroundings()
        yield from self._reader()

    @property
    def _station(self) -> str:
        return str(self.health["station"])

    def _one(self, name: str, kind: Kind, what: str, value: Value) -> Metric:
        return self._many(name, kind, what, [({}, value)])

    def _many(self, name: str, kind: Kind, what: str, samples: Iterable[tuple[Labels, Value]]) -> Metric:
        """One family; samples that are not known are left out, and yes is 1."""
        known = [(labels, value) for labels, value in samples if value is not None]
        unit = next((one for one in ("seconds", "bytes") if name.endswith(f"_{one}")), "")
        keys = [] if not known else list(known[0][0])
        of = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
        family: Metric = of(name, what, labels=["station", *keys], unit=unit)
        for labels, value in known:
            cast("Any", family).add_metric([self._station, *labels.values()], value)
        return family

    def _processes(self) -> Iterator[Metric]:
        told: Mapping[str, Mapping[str, Any]] = self.health["processes"]
        yield self._many(
            "edge_process_up",
            "gauge",
            "Whether the process is heard and says that it is ready.",
            [({"process": name}, one["state"] == "ready") for name, one in told.items()],
        )
        for name, key, kind, what in _PROCESS:
            yield self._many(name, kind, what, [({"process": process}, one[key]) for process, one in told.items()])

    def _outcomes(self) -> Iterator[Metric]:
        health, counts = self.health, self.counts
        yield self._one("edge_triggers", "counter", "Triggers accepted since the installation.", health["triggers"])
        yield self._one("edge_outcomes", "counter", "Outcomes decided since the installation.", health["outcomes"])
        reasons: Mapping[str, int] = health["reasons"] or {}
        yield self._many(
            "edge_outcome_reasons",
            "counter",
            "Outcomes by reason and disposition.",
            [({"reason": name, "disposition": DISPOSITION_OF[Reason(name)]}, n) for name, n in reasons.items()],
        )
        if counts is None:
            return
        yield self._many(
            "edge_retakes",
            "counter",
            "Retakes by the defect that caused them, and whether the new frame was better in it.",
            [
                ({"defect": defect.value, "effect": HELPED[helped]}, counts.get(retake_counter(defect, helped), 0))
                for defect in Defect
                for helped in HELPED
            ],
        )
        stages = HistogramMetricFamily(
            "edge_stage_seconds",
            "Time of each stage of an inspection, over all its attempts; total: from trigger to decision.",
            labels=["station", "stage"],
            unit="seconds",
        )
        for stage in STAGES:
            times = times_of(counts, stage)
            buckets = [(str(bound / 1000), float(n)) for bound, n in zip(BOUNDS_MS, times.up_to, strict=True)]
            stages.add_metric([self._station, stage], [*buckets, ("+Inf", float(times.number))], times.sum_s)
        yield stages
        yield self._many(
            "edge_shadow_reads",
            "counter",
            "Frames rejected by the gate that were chosen to be read all the same, by what came of it.",
            [({"answer": name}, counts.get(f"shadow_{name}", 0)) for name in COUNTERS],
        )
        yield self._many(
            "edge_commands_refused",
            "counter",
            "Commands by MQTT that were not followed, by reason.",
            [({"reason": reason.value}, counts.get(f"command_{reason.value}", 0)) for reason in Refusal],
        )

    def _queues(self) -> Iterator[Metric]:
        queues: Mapping[str, Mapping[str, Any]] = self.health["queues"] or {}
        for queue, key, name, what in _QUEUES:
            yield self._one(name, "gauge", what, queues.get(queue, {}).get(key))

    def _alarms(self) -> Iterator[Metric]:
        told: Mapping[str, Any] | None = self.health["alarms"]
        if told is None:
            return
        yield self._one("edge_in_a_row", "gauge", "Newest outcomes in a row that did not pass.", told["in_a_row"])
        yield self._one(
            "edge_in_a_row_limit",
            "gauge",
            "So many in a row that did not pass are an alarm ([alarm] in_a_row).",
            told["in_a_row_limit"],
        )
        base = told["base_outcomes"] / told["base_needed"]
        yield self._one("edge_drift_base_ratio", "gauge", "How much of the base there is; 1: drift is watched.", base)
        drifted = {one["sign"] for one in told["drift"]}
        ready = base >= 1
        yield self._many(
            "edge_drift_nearness_ratio",
            "gauge",
            "Evidence that a sign (reason or defect) comes more often than in the base; 1 is an alarm.",
            [({"sign": sign}, told["nearness"].get(sign, 0.0)) for sign in SIGNS if ready],
        )
        yield self._many(
            "edge_drift_alarm",
            "gauge",
            "Whether a sign comes more often than in the base.",
            [({"sign": sign}, sign in drifted) for sign in SIGNS if ready],
        )
        cause = None if told["line_stop"] is None else told["line_stop"]["cause"]
        yield self._many(
            "edge_line_stop",
            "gauge",
            "Whether the line is to stand still until a person resets it, by cause.",
            [({"cause": one.value}, cause == one) for one in StopCause],
        )
        if self.counts is not None:
            yield self._many(
                "edge_line_stops",
                "counter",
                "Stops of the line since the installation, by cause.",
                [({"cause": one.value}, self.counts.get(f"line_stops_{one.value}", 0)) for one in StopCause],
            )

    def _surroundings(self) -> Iterator[Metric]:
        health = self.health
        disk: Mapping[str, Any] = health["disk"] or {}
        yield self._one("edge_disk_free_bytes", "gauge", "Free on the disk of the data folder.", disk.get("free_bytes"))
        yield self._one(
            "edge_disk_reserve_bytes",
            "gauge",
            "What must be free there for a trigger to be taken.",
            disk.get("reserve_bytes"),
        )
        yield self._one(
            "edge_disk_full",
            "gauge",
            "Whether triggers are refused because less is free (disk_full).",
            disk.get("full"),
        )
        yield self._one(
            "edge_broker_connected",
            "gauge",
            "Whether the messenger is connected to the broker.",
            health["broker"]["connected"],
        )
        yield self._one("edge_frame_age_seconds", "gauge", "Age of the newest frame.", health["frame_age_s"])
        erp: Mapping[str, Any] = health["erp"]
        yield self._one(
            "edge_erp_age_seconds",
            "gauge",
            "Age of what ERP said last: its record's age, and the time since.",
            erp["answer_age_s"],
        )
        yield self._one(
            "edge_erp_snapshot_age_seconds", "gauge", "Age of the copy of ERP's records.", erp["snapshot_age_s"]
        )
        cameras: Mapping[str, Mapping[str, int]] = health["cameras"]
        yield self._many(
            "edge_camera_events",
            "counter",
            "What a camera gave (frames) and what it did not give, by cause, since its process started.",
            [({"camera": name, "event": what}, n) for name, given in cameras.items() for what, n in given.items()],
        )
        told: Mapping[str, Any] | None = health.get("signals")
        if told is not None:
            yield from self._signals(told)

    def _signals(self, told: Mapping[str, Any]) -> Iterator[Metric]:
        yield self._many(
            "edge_wire_open",
            "gauge",
            "Whether the other end of a wire is reached: a trigger's input, the PLC, the lights.",
            [({"wire": name}, state == "open") for name, state in told["wires"].items()],
        )
        yield self._one("edge_fit", "gauge", "Whether the heartbeat to the PLC beats.", told["unfit"] is None)
        sources: Mapping[str, Mapping[str, int]] = told["triggers"]
        yield self._many(
            "edge_wire_triggers",
            "counter",
            "Triggers that a wire showed: accepted, bounced, or not taken, by limit, since its process started.",
            [({"source": name, "what": what}, n) for name, counts in sources.items() for what, n in counts.items()],
        )

    def _reader(self) -> Iterator[Metric]:
        told: Mapping[str, Any] = self.health["reader"]
        answers: Mapping[str, int] = told["answers"] or {}
        yield self._many(
            "edge_reader_answers",
            "counter",
            "Questions to the reader since it started, by task, or why there was no answer.",
            [({"answer": name}, count) for name, count in answers.items()],
        )
        batches: Mapping[str, int] = told["batches"] or {}
        yield self._many(
            "edge_reader_batches",
            "counter",
            "Batches since the reader started, by the number of questions in one.",
            [({"questions": size}, count) for size, count in batches.items()],
        )
        queue, cache = told["queue"], told["cache"]
        yield self._one("edge_reader_waiting", "gauge", "Questions that wait for the reader.", queue["waiting"])
        yield self._one(
            "edge_reader_waiting_limit",
            "gauge",
            "So many questions may wait for the reader (max_waiting_questions).",
            None if queue["waiting"] is None else MAX_WAITING_QUESTIONS,
        )
        yield self._one(
            "edge_reader_oldest_age_seconds", "gauge", "Age of the oldest question that waits.", queue["oldest_age_s"]
        )
        yield self._many(
            "edge_reader_cache_lookups",
            "counter",
            "Look-ups in the cache of the remote reader's answers, by result.",
            [({"result": "hit"}, cache["hits"]), ({"result": "miss"}, cache["misses"])],
        )
        yield self._one(
            "edge_reader_cache_hit_ratio",
            "gauge",
            "Share of the look-ups that found an answer, since the reader started.",
            cache["hit_rate"],
        )
        pool: Mapping[str, int] = told.get("pool") or {}
        yield self._many(
            "edge_reader_pool_answers",
            "counter",
            "Frames of the reader pool since it started, by who read them: the pool, or here and why.",
            [({"by": name}, count) for name, count in pool.items()],
        )
        breaker = StateSetMetricFamily(
            "edge_reader_breaker",
            "Whether remote or pool asks its server (closed), leaves it alone (open), or tries it (half_open).",
            labels=["station"],
        )
        if told["breaker"] is not None:
            breaker.add_metric([self._station], {state: state == told["breaker"] for state in BREAKER_STATES})
        yield breaker


#: Family, key in a process' figures, kind, meaning.
_PROCESS: tuple[tuple[str, str, Kind, str], ...] = (
    ("edge_process_beat_age_seconds", "age_s", "gauge", "How long ago the process was last heard."),
    ("edge_process_uptime_seconds", "up_s", "gauge", "How long the process has been running."),
    ("edge_process_resident_memory_bytes", "memory_bytes", "gauge", "Main memory that the process holds."),
    ("edge_process_gpu_memory_bytes", "gpu_memory_bytes", "gauge", "Memory of the GPU that the process holds."),
    ("edge_process_restarts", "restarts", "counter", "Times that the process was heard anew since the panel started."),
)
#: Queue, key, family, meaning.
_QUEUES = (
    ("triggers", "waiting", "edge_triggers_waiting", "Triggers that wait for their inspection."),
    ("triggers", "limit", "edge_triggers_waiting_limit", "So many triggers may wait (max_waiting_triggers)."),
    ("outbox", "waiting", "edge_outbox_waiting", "Messages that the broker has not acknowledged."),
    ("dead_letters", "waiting", "edge_dead_letters_waiting", "Messages set aside because the broker refuses them."),
    (
        "triggers",
        "oldest_age_s",
        "edge_triggers_oldest_age_seconds",
        "Age of the oldest trigger without an inspection.",
    ),
    ("outbox", "oldest_age_s", "edge_outbox_oldest_age_seconds", "Age of the oldest message not acknowledged."),
    (
        "unconfirmed",
        "oldest_age_s",
        "edge_unconfirmed_oldest_age_seconds",
        "Age of the oldest outcome that MES has not confirmed.",
    ),
    (
        "unconfirmed",
        "limit_s",
        "edge_unconfirmed_limit_seconds",
        "The age from which an outcome that MES has not confirmed is an alarm.",
    ),
    (
        "unconfirmed",
        "alarm",
        "edge_unconfirmed_alarm",
        "Whether MES has left an outcome unconfirmed for longer than the limit.",
    ),
)
