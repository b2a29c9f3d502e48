"""The panel process over real HTTP: it answers whatever else is down, and says so."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import zmq
from prometheus_client.openmetrics import parser

from edge.adapters import sockets
from edge.adapters.heartbeat import Heartbeat
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from edge.errors import WorldError
from edge.products import read_product
from edge.services.metrics import openmetrics
from edge.services.panel import Panel, build
from edge.services.panel_health import Place
from edge.settings import Settings
from simulator.ports import free_port

PATIENCE_S = 60.0
families_of: Any = parser.text_string_to_metric_families
PROCESSES = ("capture-top", "inspector", "reader", "messenger", "panel")
T = TypeVar("T")


class Station:
    """A station's folders, its panel running in a thread, and as many of its other processes as a test wants."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.runtime_dir = folder / "run"
        self.context: sockets.Context = zmq.Context()
        place = Place("Ulm", "gear<motors>", "st-7", "gearmotor", PROCESSES)
        self.panel = Panel(
            place,
            runtime_dir=self.runtime_dir,
            data_dir=self.data_dir,
            host="127.0.0.1",
            port=0,
            context=self.context,
        )
        self._stop = threading.Event()
        self._facts: dict[str, dict[str, Any]] = {}
        self._threads = [threading.Thread(target=self.panel.run, args=(self._stop,))]
        self._threads[0].start()

    def alive(self, *names: str, **facts: Any) -> None:
        """Let these processes be heard, with these facts, from now on."""
        for name in names:
            if name not in self._facts:
                self._threads.append(threading.Thread(target=self._beat, args=(name,)))
                self._facts[name] = facts
                self._threads[-1].start()
            self._facts[name] = facts

    def get(self, path: str) -> tuple[int, str, str]:
        """Status, content type and body of one request."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.panel.port}{path}", timeout=PATIENCE_S) as answer:
                return answer.status, answer.headers["content-type"], answer.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.headers["content-type"], answer.read().decode()

    def health(self) -> dict[str, Any]:
        """What `/health` says, with its status code in it."""
        status, kind, body = self.get("/health")
        assert kind == "application/json"
        told: dict[str, Any] = json.loads(body)
        return told | {"status": status}

    def close(self) -> None:
        """End all of it; the context's end proves that no socket is left."""
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        self.context.term()

    def _beat(self, name: str) -> None:
        heart = Heartbeat(self.runtime_dir, name, context=self.context)
        while not self._stop.wait(0.02):
            heart.beat(**self._facts[name])
        heart.close()


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    """A station whose panel alone is running."""
    made = Station(tmp_path)
    yield made
    made.close()


def until(give: Callable[[], T]) -> T:
    """What `give` gives as soon as it gives something."""
    end = time.monotonic() + PATIENCE_S
    while not (found := give()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)
    return found


def health_in_state(station: Station, state: str) -> dict[str, Any]:
    """What `/health` says as soon as the station is in this state."""
    return until(lambda: next((told for told in [station.health()] if told["state"] == state), None)) or {}


def store_with_one_hold(station: Station) -> None:
    """A store that saw two triggers, of which one is decided."""
    store = Store.open(station.data_dir, "st-7")
    for number in (1, 2):
        store.add_trigger(f"t{number}", expected=None, source="test", at="2026-11-25T08:00:00.000Z", at_us=number)
    row = store.next_trigger()
    assert row is not None
    outcome = Outcome(row.inspection_id, "t1", Reason.RECORD_MISSING, ms={"total": 800.0})
    store.commit(outcome, topic="edge/v1/x/outcome", config_hash="c0ffee", at="2026-11-25T08:00:01.000Z")
    store.close()


def test_alone_it_answers_and_names_who_is_missing(station: Station) -> None:
    """With everything else down the panel starts, answers 503, and shows unknown figures as null, not as 0."""
    told = station.health()

    assert (told["status"], told["state"]) == (503, "down")
    assert (told["triggers"], told["outcomes"], told["queues"]) == (None, None, None)
    assert "there is no edge.db" in told["store"]
    assert {told["processes"][name]["state"] for name in PROCESSES[:4]} <= {"unknown", "absent"}
    assert not station.data_dir.exists()


def test_a_station_that_works_is_ok(station: Station) -> None:
    """All processes heard and the store readable: 200, each process with its age, and the counters of L1."""
    store_with_one_hold(station)
    station.alive(*PROCESSES[:4], state="ready")
    told = health_in_state(station, "ok")

    assert (told["status"], told["problems"]) == (200, [])
    assert (told["triggers"], told["outcomes"]) == (2, 1)
    assert told["reasons"]["record_missing"] == 1
    assert told["queues"]["outbox"]["waiting"] == 1
    assert told["queues"]["outbox"]["oldest_age_s"] is not None
    assert all(process["age_s"] < PATIENCE_S for process in told["processes"].values())


@pytest.mark.parametrize("name", PROCESSES[:4])
def test_each_missing_process_is_named(station: Station, name: str) -> None:
    """One process that is not heard makes the station `down`, and is the one that the problem names."""
    store_with_one_hold(station)
    station.alive(*(other for other in PROCESSES[:4] if other != name), state="ready")
    told = until(
        lambda: next((now for now in [station.health()] if len(now["problems"]) == 1), None),
    )

    assert told is not None
    assert (told["status"], told["problems"]) in [(503, [f"{name} is {state}"]) for state in ("unknown", "absent")]


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"connected": False}, "messenger: not connected to the broker"),
        ({"connected": True, "problem": "broker refuses all"}, "messenger: broker refuses all"),
    ],
)
def test_a_station_without_its_broker_is_degraded_and_still_inspects(
    station: Station, facts: Mapping[str, Any], problem: str
) -> None:
    """What is missing outside is told, with 200: the station itself works."""
    store_with_one_hold(station)
    station.alive("capture-top", "inspector", "reader", state="ready")
    station.alive("messenger", **facts)
    told = health_in_state(station, "degraded")

    assert (told["status"], told["problems"]) == (200, [problem])


def test_a_store_that_cannot_be_read_is_said_and_survived(station: Station) -> None:
    """A damaged edge.db is a sentence in the answer; the next request is answered too."""
    station.data_dir.mkdir()
    (station.data_dir / "edge.db").write_bytes(b"this is no database" * 100)
    station.alive(*PROCESSES[:4], state="ready")
    told = [station.health() for _ in range(3)]

    assert all("edge.db" in one["store"] and one["triggers"] is None for one in told)
    assert told[-1]["status"] == 503


def test_metrics_are_openmetrics(station: Station) -> None:
    """A strict OpenMetrics parser reads every family, with the content type that the standard gives."""
    store_with_one_hold(station)
    station.alive(*PROCESSES[:4], state="ready")
    health_in_state(station, "ok")
    status, kind, body = station.get("/metrics")
    families = {family.name: family for family in families_of(body)}

    assert (status, kind) == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert families["edge_triggers"].samples[0].value == 2
    assert families["edge_outcomes"].samples[0].value == 1
    by_reason = {sample.labels["reason"]: sample for sample in families["edge_outcome_reasons"].samples}
    assert set(by_reason) == {reason.value for reason in Reason}
    assert by_reason["record_missing"].value == 1
    assert by_reason["record_missing"].labels["disposition"] == "hold"
    up = {sample.labels["process"]: sample.value for sample in families["edge_process_up"].samples}
    assert up == dict.fromkeys(PROCESSES, 1)
    total = [one for one in families["edge_stage_seconds"].samples if one.labels["stage"] == "total"]
    assert {one.labels["le"]: one.value for one in total if "le" in one.labels}["1.0"] == 1
    assert [one.value for one in total if one.name.endswith("_sum")] == [0.8]


def test_what_a_camera_did_not_give_is_counted_by_cause(station: Station) -> None:
    """Frames, and those that were missed, over-triggered or malformed, stand in health and metrics by camera."""
    store_with_one_hold(station)
    station.alive("capture-top", state="ready", frames=7, missed=2, over_triggered=1, malformed=3, camera_timeout=2)
    told = until(lambda: station.health()["cameras"].get("top"))
    family = {one.name: one for one in families_of(station.get("/metrics")[2])}["edge_camera_events"]
    counted = {one.labels["event"]: one.value for one in family.samples if one.value and one.labels["camera"] == "top"}

    assert counted == {"frames": 7, "missed": 2, "over_triggered": 1, "malformed": 3, "camera_timeout": 2}
    assert {what: count for what, count in told.items() if count} == counted


def test_wires_are_in_health_and_metrics(station: Station) -> None:
    """Each wire with its state, what its source showed, and whether the station is fit; without wires, nothing."""
    store_with_one_hold(station)
    before = {one.name for one in families_of(station.get("/metrics")[2])}
    wires = {"trigger plc": "open", "result": "away"}
    station.alive("signals", state="ready", wires=wires, unfit="", triggers={"plc": {"accepted": 7, "bounced": 2}})
    told = until(lambda: station.health()["signals"])
    families = {one.name: one for one in families_of(station.get("/metrics")[2])}

    assert {name for name in before if "wire" in name} == set()
    assert (told["wires"], told["unfit"]) == (wires, None)
    assert {one.labels["wire"]: one.value for one in families["edge_wire_open"].samples} == {
        "trigger plc": 1,
        "result": 0,
    }
    assert [one.value for one in families["edge_fit"].samples] == [1]
    assert {one.labels["what"]: one.value for one in families["edge_wire_triggers"].samples} == {
        "accepted": 7,
        "bounced": 2,
    }


def test_what_the_reader_says_is_in_health_and_metrics(station: Station) -> None:
    """Batches, queue, cache and breaker of the reader stand in both, by the names that the manual gives."""
    store_with_one_hold(station)
    station.alive("capture-top", "inspector", "messenger", state="ready")
    counted = {"judge": 9, "read": 8, "failed": 1, "cache_hits": 3, "cache_misses": 1, "cache_state": "ready"}
    queue = {"waiting": 2, "oldest_age_s": 0.25, "batches": {"1": 5, "4": 2}, "pool_pool": 7, "pool_here_late": 1}
    station.alive("reader", state="ready", reader="remote", breaker="open", **counted, **queue, problem="it fails")
    told = health_in_state(station, "degraded")
    families = {family.name: family for family in families_of(station.get("/metrics")[2])}
    samples = {
        name: {tuple(v for k, v in one.labels.items() if k != "station"): one.value for one in family.samples}
        for name, family in families.items()
        if name.startswith("edge_reader_")
    }

    assert told["reader"] == {
        "name": "remote",
        "queue": {"waiting": 2, "oldest_age_s": 0.25},
        "answers": {"judge": 9, "read": 8, "failed": 1, "refused": 0},
        "batches": {"1": 5, "4": 2},
        "cache": {"state": "ready", "hits": 3, "misses": 1, "hit_rate": 0.75},
        "breaker": "open",
        "pool": {"pool": 7, "here_late": 1},
    }
    assert told["problems"] == ["reader: it fails"]
    assert samples == {
        "edge_reader_answers": {("judge",): 9, ("read",): 8, ("failed",): 1, ("refused",): 0},
        "edge_reader_batches": {("1",): 5, ("4",): 2},
        "edge_reader_waiting": {(): 2},
        "edge_reader_waiting_limit": {(): 64},
        "edge_reader_oldest_age_seconds": {(): 0.25},
        "edge_reader_cache_lookups": {("hit",): 3, ("miss",): 1},
        "edge_reader_cache_hit_ratio": {(): 0.75},
        "edge_reader_pool_answers": {("pool",): 7, ("here_late",): 1},
        "edge_reader_breaker": {("closed",): 0, ("open",): 1, ("half_open",): 0},
    }
    assert families["edge_reader_breaker"].type == "stateset"


def test_what_a_reader_does_not_have_is_not_shown(station: Station) -> None:
    """A reader without server and cache shows neither, and a silent one nothing at all: null, never 0."""
    silent = station.health()["reader"]
    station.alive("reader", state="ready", reader="ocr", waiting=0, oldest_age_s=None, batches={})
    until(lambda: station.health()["reader"]["name"])
    families = {family.name for family in families_of(station.get("/metrics")[2])}

    assert (silent["queue"], silent["answers"]) == ({"waiting": None, "oldest_age_s": None}, None)
    assert {name for name in families if name.startswith("edge_reader_")} == {
        "edge_reader_answers",
        "edge_reader_waiting",
        "edge_reader_waiting_limit",
    }


def test_metrics_of_a_dead_station_say_only_what_is_known(station: Station) -> None:
    """Without a store no counter is shown at all: a counter at 0 would be a lie."""
    families = {family.name for family in families_of(station.get("/metrics")[2])}

    assert "edge_process_up" in families
    assert not families & {"edge_triggers", "edge_outcomes", "edge_outbox_waiting"}


def test_a_label_with_any_character_stays_one_label(station: Station) -> None:
    """A station may be called anything that is a topic level; the text stays well-formed."""
    told = station.panel.health.told() | {"station": 'st "7"\\\nlinks'}
    families = list(families_of(openmetrics(told, "1.0")))

    assert families[0].samples[0].labels["station"] == 'st "7"\\\nlinks'


def test_the_page_is_there_whatever_else_is_down(station: Station) -> None:
    """The page is answered without store and processes; a browser without scripts is told where the health stands."""
    status, kind, body = station.get("/")

    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert "<noscript>" in body
    assert "/health" in body


@pytest.mark.parametrize("path", ["/nothing", "/health/../../etc/passwd", "/%00"])
def test_what_is_not_there_is_404(station: Station, path: str) -> None:
    """Other addresses have nothing."""
    assert station.get(path)[0] == 404


def test_nothing_can_be_changed(station: Station) -> None:
    """No address takes anything but a question."""
    request = urllib.request.Request(f"http://127.0.0.1:{station.panel.port}/health", method="POST", data=b"{}")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=PATIENCE_S)
    caught.value.close()

    assert caught.value.code == 405


def test_a_taken_port_is_a_named_error(station: Station, tmp_path: Path) -> None:
    """A second panel on the same port says which port, and what to do."""
    settings = Settings.model_validate(
        {
            "version": 1,
            "station": {"site": "ulm", "line": "l1", "name": "st7", "camera": "top"},
            "cameras": {"top": {"kind": "file", "path": str(tmp_path)}},
            "paths": {"runtime": str(tmp_path / "run2"), "data": str(tmp_path)},
            "panel": {"port": station.panel.port},
        }
    )

    with pytest.raises(WorldError, match=rf"cannot listen on 127\.0\.0\.1 port {station.panel.port} .*\[panel\] port"):
        build(settings.bound_to(tmp_path / "edge.toml", read_product("nameplate")))


def test_the_panel_as_configured_serves_page_and_programs(tmp_path: Path) -> None:
    """Built from its settings it takes decisions by the token of its file, and has the addresses for programs."""
    (tmp_path / "token").write_text("swordfish\n", encoding="utf-8")
    port = free_port()
    settings = Settings.model_validate(
        {
            "version": 1,
            "station": {"site": "ulm", "line": "l1", "name": "st7", "camera": "top"},
            "cameras": {"top": {"kind": "file", "path": str(tmp_path)}},
            "paths": {"runtime": str(tmp_path / "run"), "data": str(tmp_path)},
            "panel": {"port": port, "token_file": str(tmp_path / "token")},
        }
    )
    panel = build(settings.bound_to(tmp_path / "edge.toml", read_product("nameplate")))
    stop = threading.Event()
    running = threading.Thread(target=panel.run, args=(stop,))
    running.start()
    try:
        told = {}
        for path in ("/v1/session", "/v1/models", "/v1/line"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
                told[path] = json.load(answer)
    finally:
        stop.set()
        running.join(PATIENCE_S)

    assert told["/v1/session"]["state"] == "signed_out"
    assert told["/v1/models"]["data"][0]["id"] == "edge"
    assert (told["/v1/line"]["station"]["station"], told["/v1/line"]["newest"]) == ("st7", [])
