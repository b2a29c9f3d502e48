"""Kill any process at any moment, as often as one likes: each trigger still ends in exactly one outcome.

`EDGE_KILL_ROUNDS` is the number of kills of each process; `EDGE_KILL_SEED` decides the moments. The five processes are
the real ones, run as systemd runs them; the broker is a real one, whose witness holds every message
against the contract; the subscriber shares no code with the messenger.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from edge.adapters.store import Store
from simulator import drawing
from tests.brokers import Ear, Mosquitto, free_port, mosquitto, wait_for

PROCESSES = {
    "capture": ("capture", "top"),
    "inspector": ("inspector",),
    "reader": ("reader",),
    "messenger": ("messenger",),
    "panel": ("panel",),
}
BASE = "edge/v1/s/l/st/"
#: How long the end of a run may take: every open inspection has a deadline, every process a start.
END_S = 120.0


class Desk:
    """A station's five processes, started again when they end, as systemd does."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self.folder = folder
        self._config = folder / "edge.toml"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._started_s: dict[str, float] = {}
        (folder / "products").mkdir()
        drawing.write(drawing.Order(seed=5), 4, folder / "frames")
        (folder / "frames" / "labels.jsonl").unlink()
        self._config.write_text(
            'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "st"\ncamera = "top"\ndeadline_ms = 3000\n'
            '[paths]\ndata = "data"\nruntime = "run"\nproducts = "products"\n'
            '[cameras.top]\nkind = "file"\npath = "frames"\nloop = true\n'
            "[retake]\nmax_attempts = 2\nbudget_ms = 1500\n[reader]\nthreads = 1\ntimeout_ms = 1500\n"
            f'[mqtt]\nhost = "127.0.0.1"\nport = {broker_port}\n[panel]\nport = {free_port()}\n',
            encoding="utf-8",
        )

    def tend(self) -> None:
        """Start what does not run; at most every half second each."""
        for name, words in PROCESSES.items():
            process = self._running.get(name)
            if process is not None and process.poll() is None:
                continue
            if time.monotonic() - self._started_s.get(name, -1.0) < 0.5:
                continue
            self._started_s[name] = time.monotonic()
            with (self.folder / f"{name}.log").open("ab") as log:
                self._running[name] = subprocess.Popen(
                    [sys.executable, "-m", "edge", words[0], "--config", str(self._config), *words[1:]],
                    stdout=log,
                    stderr=log,
                )

    def tend_until(self, condition: Callable[[], object]) -> None:
        """Keep the processes running until something holds."""
        deadline_s = time.monotonic() + END_S
        while not condition():
            self.tend()
            assert time.monotonic() < deadline_s
            time.sleep(0.02)

    def kill(self, name: str) -> None:
        """End a process at once, as the kernel or a power cut does."""
        process = self._running[name]
        process.kill()
        process.wait()
        self.tend()

    def close(self) -> None:
        """End all."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def desk(folder: Path, broker: Mosquitto) -> Iterator[Desk]:
    """A running station, gone afterwards."""
    made = Desk(folder, broker.port)
    made.tend()
    try:
        yield made
    finally:
        made.close()


def run(folder: Path, rounds: int, seed: int) -> None:
    """One run with so many kills of each process; every promise is looked at in the end."""
    dice = random.Random(seed)
    victims = [name for name in PROCESSES for _ in range(rounds)]
    dice.shuffle(victims)
    (folder / "broker").mkdir()
    (folder / "station").mkdir()
    with mosquitto(folder / "broker", "max_queued_messages 0") as broker, desk(folder / "station", broker) as station:
        ear = Ear(broker.port)
        wait_for(lambda: ear.on("/state"), "the station")
        sent = warm_up(station, ear)
        for victim in victims:
            for _ in range(dice.randint(1, 3)):
                sent += 1
                trigger(ear, sent)
                time.sleep(dice.random() * 0.3)
            station.kill(victim)
            if dice.random() < 0.5:
                # Let it come back to work, so that the next kill meets a station in full swing.
                enough = min(num_told(ear) + 1, sent)
                station.tend_until(partial(_has_told, ear, enough))
            time.sleep(dice.random() * 0.3)
            station.tend()
        store = Store.open(station.folder / "data", "st")
        try:
            settle(store, station, sent)
            compare(store, station, ear, sent)
        finally:
            store.close()
            ear.close()


def trigger(ear: Ear, number: int) -> None:
    """A part arrives."""
    ear.publish(f"{BASE}cmd/trigger", json.dumps({"trigger_id": f"part-{number}"}).encode())


def num_told(ear: Ear) -> int:
    """How many outcomes were heard, repeats not counted."""
    return len({packet.payload for packet in ear.on("/outcome")})


def _has_told(ear: Ear, number: int) -> bool:
    return num_told(ear) >= number


def warm_up(station: Desk, ear: Ear) -> int:
    """Inspect until a frame is read and kept: all processes work; give the number of parts."""
    sent = 0
    idle = {"camera_failed", "reader_failed", "interrupted", "overrun", "deadline"}
    while {json.loads(packet.payload)["reason"] for packet in ear.on("/outcome")} <= idle:
        sent += 1
        trigger(ear, sent)
        station.tend_until(partial(_has_told, ear, sent))
    return sent


def settle(store: Store, station: Desk, sent: int) -> None:
    """Let the station come to rest: all decided, all told."""
    counted = ("triggers", "outcomes")
    station.tend_until(lambda: all(store.counts()[name] == sent for name in counted) and not store.outbox.num_waiting())


def compare(store: Store, station: Desk, ear: Ear, sent: int) -> None:
    """What was decided, told and kept agrees."""
    rows = store.outcomes(limit=sent + 1)
    assert [row.seq for row in rows] == list(range(sent, 0, -1))
    assert len({json.loads(row.payload)["trigger_id"] for row in rows}) == sent
    wait_for(lambda: num_told(ear) >= sent, "all outcomes at the subscriber")
    told = defaultdict(set)
    for packet in ear.on("/outcome"):
        told[dict(packet.user_properties)["inspection_id"]].add((packet.payload, tuple(packet.user_properties)))
    assert all(len(versions) == 1 for versions in told.values())
    assert {inspection_id: next(iter(versions))[0] for inspection_id, versions in told.items()} == {
        row.inspection_id: row.payload for row in rows
    }
    for row in rows:
        for kept in json.loads(row.payload)["evidence"]:
            image = (station.folder / "data" / kept["path"]).read_bytes()
            assert hashlib.sha256(image).hexdigest() == kept["sha256"]


def test_any_process_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    """After kills at random moments: triggers == outcomes, one content each, evidence as hashed (L1, L2, L8, L11)."""
    run(tmp_path, int(os.environ.get("EDGE_KILL_ROUNDS", "2")), int(os.environ.get("EDGE_KILL_SEED", "1")))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_each_process_may_be_killed_fifty_times(tmp_path: Path) -> None:
    """Fifty kills of each process change nothing of it (L1, L2, L8, L11)."""
    run(tmp_path, int(os.environ.get("EDGE_KILL_ROUNDS", "50")), int(os.environ.get("EDGE_KILL_SEED", "2")))
