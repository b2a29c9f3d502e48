"""`python -m simulator plant`: many stations against a real mosquitto, a real PostgreSQL, the collector and a reader.

The stations are `edge plant rehearse`, a few hundred in a process or two. In the end what was triggered is held against
what was decided, what an independent subscriber heard and what lies in the database: exits 0 only if all four are one,
nothing is missing, nothing was passed that must not pass. Beside it stands what the queueing model predicts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil
import psycopg

from simulator import plant_model
from simulator.children import Child
from simulator.mosquitto import Mosquitto
from simulator.plant_ear import PlantEar
from simulator.ports import free_port
from simulator.postgres import OWNER_PASSWORD, SYNCED, Postgres
from simulator.ray_pool import RayPool

SITE = "rehearsal"
#: Without limits for those who are away: by default mosquitto drops what is beyond 1000 messages a client.
BROKER = ("max_queued_messages 0", "max_queued_bytes 0", "max_inflight_messages 1000")
#: A process of stations carries so many well: its interpreter runs one thread at a time.
STATIONS_A_PROCESS = 100
#: Stores in memory: 200 stations have 200 disks in a plant, and this PC has one.
MEMORY = Path("/dev/shm")  # noqa: S108 - it is memory that is wanted
READER_START_S = 60.0
SETTLE_S = 60.0
_TOML = """\
version = 1
[plant]
site = "{site}"
[mqtt]
port = {port}
[database]
url = "{url}"
password_file = "{folder}/password"
[page]
port = {page}
[log]
level = "warning"
format = "json"
"""


@dataclass(slots=True)
class Run:
    """What came of one run. `violations` are sentences; it is good where there is none."""

    triggers: int = 0
    outcomes: int = 0
    heard: int = 0
    rows: int = 0
    seconds: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    by_station: dict[str, tuple[float, float]] = field(default_factory=dict)
    latency: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    processor_ms: dict[str, float] = field(default_factory=dict)
    waits: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options."""
    parser.add_argument("--stations", type=int, default=200)
    parser.add_argument("--rate", type=float, default=1.0, help="triggers a second and station (%(default)s)")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--arrivals", choices=("takt", "poisson"), default="takt", help="(%(default)s)")
    parser.add_argument("--reader", choices=("codes", "line", "pool"), default="codes", help="(%(default)s)")
    parser.add_argument("--full-gate", action="store_true", help="let the reader take every measure of quality")
    parser.add_argument("--readers", type=int, default=1, help="reader processes, asked in turn (%(default)s)")
    parser.add_argument("--replicas", type=int, default=2, help="of `--reader pool`, on Ray Serve (%(default)s)")
    parser.add_argument("--report", type=Path, help="file for the figures, JSON")
    parser.set_defaults(run=_run)


def _run(asked: argparse.Namespace) -> int:
    if asked.stations < 1 or asked.rate <= 0 or asked.minutes <= 0 or asked.readers < 1:
        raise ValueError("--stations, --rate, --minutes and --readers must be more than 0.")
    before = signal.signal(signal.SIGTERM, _end)
    try:
        with Plant(asked) as plant:
            run = plant.play()
    finally:
        signal.signal(signal.SIGTERM, before)
    show(run)
    if asked.report is not None:
        facts = {name: getattr(run, name) for name in Run.__slots__}
        asked.report.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return 1 if run.violations else 0


def _end(*_: object) -> None:
    """Let SIGTERM end the run as Ctrl-C does: PostgreSQL is nobody's child, and would stay."""
    raise KeyboardInterrupt


class Plant:
    """The servers and processes of one run, gone afterwards."""

    def __init__(self, asked: argparse.Namespace) -> None:
        self._asked = asked
        self._stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="plant-", dir="/tmp"))
        stores = Path(tempfile.mkdtemp(prefix="plant-", dir=MEMORY if MEMORY.is_dir() else None))
        for made in (self.folder, stores):
            self._stack.callback(shutil.rmtree, made, ignore_errors=True)
        self._stores = stores
        self.children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        """Start what the stations need."""
        try:
            self.postgres = self._stack.enter_context(Postgres(SYNCED))
            self.broker = self._stack.enter_context(Mosquitto(self.folder / "mq", *BROKER, saves_at_once=False))
            self.ear = PlantEar(self.broker.port, SITE)
            self.ear.start()
            self._stack.callback(self.ear.stop)
            config = self._configure()
            self._start("collector", "collect", "--config", str(config))
            kind = self._kind()
            for number in range(self._asked.readers):
                self._start(f"reader-{number}", "reader", *self._runtime(), "--number", str(number), *kind)
            self._wait_for_readers()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self._stack.close()

    def play(self) -> Run:
        """Let the stations play, and hold everything against each other."""
        asked, run = self._asked, Run()
        triggers = max(1, round(asked.rate * asked.minutes * 60))
        begun_s = time.monotonic()
        reports = []
        for first in range(0, asked.stations, STATIONS_A_PROCESS):
            many = min(STATIONS_A_PROCESS, asked.stations - first)
            name, report = f"stations-{first}", self.folder / f"report-{first}.json"
            reports.append((name, report))
            self._start(
                name, "rehearse", "--first", str(first), "--stations", str(many), "--triggers", str(triggers),
                "--rate", str(asked.rate), "--arrivals", asked.arrivals, "--readers", str(asked.readers),
                "--site", SITE, "--port", str(self.broker.port), "--data", str(self._stores / str(first)),
                *self._runtime(), "--report", str(report),
            )  # fmt: skip
        used: dict[str, float] = {}
        while any(self.children[name].exit_code is None for name, _ in reports):
            used = _most(used, self._processor_s())
            threading.Event().wait(0.5)
        run.seconds = time.monotonic() - begun_s
        run.triggers = asked.stations * triggers
        self._count(run, reports)
        self._settle(run)
        used = _most(used, self._processor_s())
        run.processor_ms = {name: round(s * 1000 / run.triggers, 3) for name, s in sorted(used.items())}
        _judge(run)
        return run

    def _count(self, run: Run, reports: Sequence[tuple[str, Path]]) -> None:
        """What the stations say."""
        waited: list[int] = []
        took: list[int] = []
        for name, path in reports:
            if not path.exists():
                run.violations.append(f"{name} ended with {self.children[name].exit_code}: {self._log(name)}")
                continue
            report = json.loads(path.read_text(encoding="utf-8"))
            run.counts.update(report["counts"])
            for station, totals in report["total_ms"].items():
                run.by_station[station] = (quantile(totals, 0.5), quantile(totals, 0.99))
            waited += report["waited_us"]
            took += report["took_us"]
        run.outcomes = run.counts["outcomes"]
        if self._asked.reader == "pool":
            # No queueing model of one reader fits: replicas are chosen by Ray, and answer over HTTP.
            run.latency["asked of the pool, ms"] = _three([one / 1000 for one in took])
        elif took:
            arrivals_hz = len(took) / (run.triggers / self._asked.stations / self._asked.rate) / self._asked.readers
            run.waits = plant_model.compare(waited, took, arrivals_hz, servers_in_turn=self._asked.readers)

    def _settle(self, run: Run) -> None:
        """Wait until the subscriber and the database have what the stations told."""
        until_s = time.monotonic() + SETTLE_S
        while time.monotonic() < until_s:
            run.heard, run.rows = len(self.ear.heard), self._rows()
            if run.heard >= run.outcomes and run.rows >= run.outcomes:
                break
            time.sleep(0.2)
        run.reasons = self.ear.reasons()
        heard = list(self.ear.heard.values())
        for name, values in (
            ("trigger to decision, ms", [one.decided_ms for one in heard if one.decided_ms is not None]),
            ("trigger to subscriber, ms", [one.end_to_end_ms for one in heard if one.end_to_end_ms is not None]),
        ):
            run.latency[name] = _three(values)
        self._audit(run)

    def _audit(self, run: Run) -> None:
        """What must be so in the database."""
        with self._connect() as db:
            facts = {
                "two rows of one number": "SELECT count(*) - count(DISTINCT (line, station, epoch, seq))"
                " FROM plant_outcomes",
                "gaps": "SELECT count(*) FROM plant_gaps",
                "alarms": "SELECT count(*) FROM plant_alarms",
            }
            for name, statement in facts.items():
                (number,) = db.execute(statement.encode()).fetchone() or (None,)
                if number:
                    run.violations.append(f"the database has {number} {name}")
        if self.ear.changed:
            run.violations.append(f"{self.ear.changed} outcomes were heard again with another content")

    def _rows(self) -> int:
        with self._connect() as db:
            (number,) = db.execute("SELECT count(*) FROM plant_outcomes").fetchone() or (0,)
        return int(number)

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.postgres.url(), password=OWNER_PASSWORD, autocommit=True)

    def _configure(self) -> Path:
        path = self.folder / "plant.toml"
        (self.folder / "password").write_text(OWNER_PASSWORD, encoding="utf-8")
        facts = {"site": SITE, "port": self.broker.port, "url": self.postgres.url(), "page": free_port()}
        path.write_text(_TOML.format(folder=self.folder, **facts), encoding="utf-8")
        return path

    def _start(self, name: str, *words: str) -> None:
        child = Child([sys.executable, "-m", "edge", "plant", *words], self.folder / f"{name}.log", dict(os.environ))
        child.start()
        self._stack.callback(child.stop)
        self.children[name] = child

    def _kind(self) -> list[str]:
        """What the readers are; a pool is started, and reads."""
        if self._asked.reader == "pool":
            pool = RayPool(self.folder, self._asked.replicas)
            self._stack.enter_context(pool)
            self.children["pool"] = pool.child
            return ["--pool", pool.url, "--site", SITE]
        return ["--kind", self._asked.reader, *(["--full-gate"] if self._asked.full_gate else [])]

    def _runtime(self) -> tuple[str, str]:
        return "--runtime", str(self.folder / "run")

    def _wait_for_readers(self) -> None:
        until_s = time.monotonic() + READER_START_S
        while len(list((self.folder / "run").glob("*.sock"))) < self._asked.readers:
            for name, child in self.children.items():
                if child.exit_code is not None or time.monotonic() > until_s:
                    raise OSError(f"{name} did not start: {self._log(name)}")
            time.sleep(0.05)

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")[-500:].strip()

    def _processor_s(self) -> dict[str, float]:
        """Processor time of every process so far, by what it does."""
        times: dict[str, float] = {}
        for name, child in self.children.items():
            kind = name.partition("-")[0]
            times[kind] = times.get(kind, 0.0) + sum(_times(member) for member in child.family())
        times["mosquitto"] = _times_of(self.broker.pid)
        times["postgresql"] = sum(_times(member) for member in _family(self.postgres.main_process))
        times["subscriber"] = time.process_time()
        return times


def quantile(values: Sequence[float], share: float) -> float:
    """The value that this share of all does not exceed; 0 where there are none."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3) if ordered else 0.0


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    """The middle, what one in a hundred is beyond, and the most."""
    return quantile(values, 0.5), quantile(values, 0.99), max(values, default=0.0)


def show(run: Run) -> None:
    """Print what came of a run."""
    print(
        f"{run.triggers} triggers, {run.outcomes} outcomes, {run.heard} heard, {run.rows} rows in {run.seconds:.0f} s"
    )
    for name, (half, most, longest) in run.latency.items():
        print(f"{name:28} p50 {half:8.1f}   p99 {most:8.1f}   longest {longest:8.1f}")
    if run.by_station:
        best, worst = (choose(run.by_station.values(), key=lambda one: one[1]) for choose in (min, max))
        print(
            f"{'by station, p99 ms':28} best {best[1]:7.1f}   worst {worst[1]:6.1f}   ({len(run.by_station)} stations)"
        )
    for reason, number in run.reasons.most_common():
        print(f"  {reason:20} {number:8}  {number / max(1, run.heard):7.2%}")
    if run.waits:
        for line in plant_model.lines(run.waits):
            print(line)
    spent = ", ".join(f"{name} {ms:.2f}" for name, ms in run.processor_ms.items())
    print(f"processor time a part, ms: {spent}; together {sum(run.processor_ms.values()):.2f}")
    for sentence in run.violations:
        print(f"WRONG: {sentence}")


def _judge(run: Run) -> None:
    if not run.triggers == run.outcomes == run.heard == run.rows:
        told = f"{run.triggers} triggers, {run.outcomes} outcomes, {run.heard} heard, {run.rows} rows"
        run.violations.append(f"these are not one number: {told}")
    if run.counts["wrong_passes"]:
        run.violations.append(f"{run.counts['wrong_passes']} parts passed that must not")


def _most(before: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    """What each has spent; one that has ended is not seen any more."""
    return {name: max(before.get(name, 0.0), now.get(name, 0.0)) for name in {*before, *now}}


def _family(pid: int) -> list[Any]:
    main = psutil.Process(pid)
    return [main, *main.children(recursive=True)]


def _times_of(pid: int) -> float:
    return _times(psutil.Process(pid))


def _times(process: Any) -> float:
    try:
        # With those of children that have ended: PostgreSQL has a process a connection.
        spent = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(spent.user + spent.system + spent.children_user + spent.children_system)
