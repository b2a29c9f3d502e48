"""Freeze each process of a station under `edge up`: that one is started anew, the others go on, no outcome is lost."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.adapters.store import Store
from edge.commands.up_child import Limits
from simulator import drawing
from tests.brokers import Ear, free_port, mosquitto
from tests.test_up import Desk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PROCESSES = ("capture-top", "inspector", "reader", "messenger", "panel")
#: Shorter than in the field, longer than any process is silent on a busy PC.
WATCHDOG_S = 8.0
BASE = "edge/v1/s/l/st/"
#: The longest that a start of five processes, or an outcome, may take; it only ends a test that has failed.
PATIENCE_S = 300.0


def until(condition: Callable[[], object], desk: Desk) -> None:
    """Wait until something holds."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s, desk.said
        time.sleep(0.05)


def write_station(folder: Path, broker_port: int) -> Path:
    """A station with a file camera; gives the configuration's path."""
    drawing.write(drawing.Order(seed=5), 4, folder / "frames")
    (folder / "frames" / "labels.jsonl").unlink()
    (folder / "products").mkdir()
    config = folder / "edge.toml"
    config.write_text(
        'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "st"\ncamera = "top"\ndeadline_ms = 4000\n'
        '[paths]\ndata = "data"\nruntime = "run"\nproducts = "products"\n'
        '[cameras.top]\nkind = "file"\npath = "frames"\nloop = true\n'
        "[retake]\nmax_attempts = 2\nbudget_ms = 1500\n[reader]\nthreads = 1\ntimeout_ms = 2000\n"
        f'[mqtt]\nhost = "127.0.0.1"\nport = {broker_port}\n[panel]\nport = {free_port()}\n',
        encoding="utf-8",
    )
    return config


class Line:
    """A running station, its broker's ear, and how many parts have come."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.desk = Desk(folder / "run")
        self.ear = Ear(broker_port)
        self.sent = 0
        self._folder = folder
        config = str(write_station(folder, broker_port))
        (folder / "run").mkdir(mode=0o700)
        edge = [sys.executable, "-m", "edge"]
        self._commands = {name: [*edge, *name.split("-"), "--config", config] for name in PROCESSES}

    def start(self) -> None:
        """Start the five, and wait until all are ready."""
        self.desk.start(Limits(watchdog_s=WATCHDOG_S, start_timeout_s=240.0), 20.0, **self._commands)
        until(lambda: "all are ready" in self.desk.said, self.desk)

    def trigger(self) -> None:
        """A part comes."""
        self.sent += 1
        self.ear.publish(f"{BASE}cmd/trigger", json.dumps({"trigger_id": f"part-{self.sent}"}).encode())

    def starts(self) -> dict[str, int]:
        """How often each process was started."""
        assert self.desk._up is not None
        return {child.name: child.num_starts for child in self.desk._up._children}

    def is_ready(self) -> bool:
        """Whether every process says so."""
        assert self.desk._up is not None
        return all(child.ready for child in self.desk._up._children)

    def pid(self, name: str) -> int:
        """The process of that name."""
        assert self.desk._up is not None
        return next(child.pid for child in self.desk._up._children if child.name == name) or 0

    def told(self) -> set[str]:
        """The parts whose outcome the broker has heard."""
        return {json.loads(packet.payload)["trigger_id"] for packet in self.ear.on("/outcome")}

    def outcomes(self) -> list[tuple[int, str]]:
        """What was decided, oldest first: `seq` and part."""
        store = Store.open(self._folder / "data", "st")
        try:
            rows = store.outcomes(limit=self.sent + 5)
        finally:
            store.close()
        return sorted((row.seq, json.loads(row.payload)["trigger_id"]) for row in rows)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A station that runs for all the tests of this file."""
    folder = tmp_path_factory.mktemp("w")
    (folder / "broker").mkdir()
    with mosquitto(folder / "broker", "max_queued_messages 0") as broker:
        made = Line(folder, broker.port)
        try:
            made.start()
            until(lambda: made.ear.on("/state"), made.desk)
            yield made
        finally:
            made.desk.stop()
            made.ear.close()


@pytest.mark.parametrize("name", PROCESSES)
def test_a_frozen_process_is_restarted_alone_and_costs_no_outcome(line: Line, name: str) -> None:
    """SIGSTOP, parts that come meanwhile, one afterwards: each has one outcome, and one process was restarted (L1)."""
    line.trigger()
    until(lambda: len(line.told()) == line.sent, line.desk)
    before = line.starts()
    os.kill(line.pid(name), signal.SIGSTOP)
    line.trigger()
    line.trigger()
    until(lambda: line.starts()[name] == before[name] + 1 and line.is_ready(), line.desk)
    line.trigger()
    until(lambda: len(line.told()) == line.sent, line.desk)

    assert f"{name}: no progress for 8 s: killed" in line.desk.said
    assert line.starts() == before | {name: before[name] + 1}
    assert [seq for seq, _ in line.outcomes()] == list(range(1, line.sent + 1))
    assert sorted(part for _, part in line.outcomes()) == sorted(f"part-{number + 1}" for number in range(line.sent))


def test_a_reader_that_loads_longer_than_its_watchdog_is_left_alone(tmp_path: Path) -> None:
    """A slow load asks for the time that it needs: neither start limit nor watchdog ends it."""
    config = write_station(tmp_path, 1)
    slow = f"""
        import sys, time
        import edge.services.reader as reader
        from edge.cli import main
        load = reader.open_reader
        def slowly(settings):
            time.sleep(3 * {WATCHDOG_S})
            return load(settings)
        reader.open_reader = slowly
        sys.exit(main(["reader", "--config", {str(config)!r}]))
    """
    (tmp_path / "run").mkdir(mode=0o700)
    desk = Desk(tmp_path / "run")
    desk.start(
        Limits(watchdog_s=WATCHDOG_S, start_timeout_s=2.5 * WATCHDOG_S),
        reader=[sys.executable, "-c", textwrap.dedent(slow)],
    )
    try:
        until(lambda: "all are ready" in desk.said, desk)
    finally:
        desk.stop()

    assert "killed" not in desk.said
