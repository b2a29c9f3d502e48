"""The pool on a real Ray cluster of this machine: what it reads, and what happens when parts of it are killed."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge.adapters import images
from edge.core.fields import Product
from edge.errors import ReaderError
from edge.readers import read_form
from edge.readers.chat.breaker import Breaker
from edge.readers.pool import Pool
from edge.readers.pool_client import PoolClient, PoolRefusedError
from edge.readers.reader import Reader
from simulator import plant
from tests.pool.test_http import without_times

#: A cluster takes a minute to come up, and a replica as long to be replaced.
pytestmark = pytest.mark.slow

#: Two replicas start in 10 s on an idle machine; a busy one takes ten times that.
UP_S = 240.0
ROOT = Path(__file__).resolve().parents[2]


class Up:
    """`edge pool up` in a process of its own, with the cluster that it starts."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url, self._folder = f"http://127.0.0.1:{port}", folder
        self._config = folder / "pool.toml"
        self._config.write_text(
            f"version = 1\n[listen]\nport = {port}\n[reader]\nthreads = 1\n[replicas]\nleast = 2\nmost = 2\ncpus = 0\n"
            "[health]\nevery_s = 1\nwithin_s = 60\n",
            encoding="utf-8",
        )

    def start(self) -> None:
        """Begin, and wait until both replicas answer."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(self._folder)}
        environment.pop("RAY_ADDRESS", None)
        command = [sys.executable, "-m", "edge", "pool", "up", "--config", str(self._config)]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.replicas()

    def replicas(self, without: str = "") -> dict[str, int]:
        """The two replicas' names and processes; none of them the one that was killed."""
        found: dict[str, int] = {}
        until = time.monotonic() + UP_S
        while len(found) < 2:
            assert time.monotonic() < until, (self._folder / "log").read_text(encoding="utf-8")[-3000:]
            assert self.process.poll() is None, (self._folder / "log").read_text(encoding="utf-8")[-3000:]
            with suppress(ReaderError), closing(PoolClient(self.url, "test")) as client:
                facts = client.facts(5.0)
                if facts["replica"] != without:
                    found[str(facts["replica"])] = int(facts["pid"])
            time.sleep(0.05)
        return found

    def cluster(self) -> list[psutil.Process]:
        """Every process that this one started."""
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def end(self) -> None:
        """Kill all that is left."""
        left = self.cluster() if self.process.poll() is None else []
        self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        for one in left:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.kill()
        self.process.wait()


@contextmanager
def up() -> Iterator[Up]:
    """A pool of two replicas of the ocr reader; Ray puts sockets deep below its folder, which must be short."""
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield from _up(Path(folder))


def _up(folder: Path) -> Iterator[Up]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    pool = Up(folder, port)
    try:
        pool.start()
        yield pool
    finally:
        pool.end()


@pytest.fixture(scope="module")
def running() -> Iterator[Up]:
    """One for all tests that leave it whole."""
    with up() as pool:
        yield pool


def test_ray_serves_what_is_read_here(running: Up, reader: Reader, product: Product, encoded: bytes) -> None:
    """Through Ray Serve's proxy, too, every number of a reading is what the same reader gives beside the camera."""
    image = images.decode(encoded, "frame")
    located = reader.locate(image)
    with closing(PoolClient(running.url, "a/b/c")) as client:
        wanted = read_form.Wanted(read_form.file_of(product), {}, located.boxes)
        there = client.read(wanted, encoded, 60.0)

    assert without_times(there) == without_times(reader.read(image, product, located))


@pytest.mark.timeout(600)
def test_a_killed_replica_loses_no_question(
    running: Up, encoded: bytes, record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kill -9 of a replica under load: every question ends in a reading or a named error, and a new replica comes."""
    told: Counter[str] = Counter()
    over = threading.Event()

    def ask(station: int) -> None:
        with closing(PoolClient(running.url, f"a/b/{station}")) as client:
            while not over.is_set():
                told["asked"] += 1
                try:
                    client.read(read_form.Wanted(), encoded, 30.0)
                    told["read"] += 1
                except PoolRefusedError:
                    told["refused"] += 1
                except ReaderError:
                    told["failed"] += 1

    stations = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for one in stations:
        one.start()
    victim, pid = next(iter(running.replicas().items()))
    os.kill(pid, signal.SIGKILL)
    begun = time.monotonic()
    running.replicas(without=victim)
    recovered_s = time.monotonic() - begun
    over.set()
    for one in stations:
        one.join(60)

    record_property("recovered_s", recovered_s)
    with capsys.disabled():
        print(f"\nreplica killed: two again after {recovered_s:.1f} s; {dict(told)}")
    assert told["asked"] == told["read"] + told["refused"] + told["failed"]
    assert told["read"] > 0


@pytest.mark.timeout(900)
def test_a_killed_head_sends_stations_home_and_back(
    reader: Reader, product: Product, encoded: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kill -9 of the whole cluster: each part is read here meanwhile, and by the pool when it was started again."""
    image = images.decode(encoded, "frame")
    with up() as running, closing(PoolClient(running.url, "a/b/c")) as client:
        breaker = Breaker(failures=3, pause_s=1.0, jitter=0.5, who="the pool")
        pool = Pool(client, "ocr", reader, hedge_s=20.0, timeout_s=30.0, breaker=breaker)

        def read() -> str:
            before = Counter({key: n for key, n in pool.facts().items() if isinstance(n, int)})
            told = pool.read_frame(encoded, image, product, None, None, within_s=30.0)
            assert told.fields["serial"].text == "12345678AB"
            after = Counter({key: n for key, n in pool.facts().items() if isinstance(n, int)})
            return next(iter(key for key in after - before if key.startswith("pool_")))

        assert read() == "pool_pool"
        for one in [*running.cluster(), psutil.Process(running.process.pid)]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        begun = time.monotonic()
        without = Counter(read() for _ in range(6))
        running.process.wait(60)
        running.start()
        up_s = time.monotonic() - begun
        while read() != "pool_pool":
            assert time.monotonic() - begun < UP_S
            time.sleep(0.1)
        back_s = time.monotonic() - begun

    with capsys.disabled():
        print(f"\nhead killed: meanwhile {dict(without)}; up after {up_s:.1f} s, the pool reads after {back_s:.1f} s")
    assert set(without) <= {"pool_here_failed", "pool_here_left_alone"}
    assert without["pool_here_left_alone"] > 0


@pytest.mark.timeout(600)
def test_a_plant_whose_pool_loses_a_replica_loses_no_part() -> None:
    """Kill -9 of one of two replicas: each trigger ends in one outcome and one row, and nothing passes wrongly (L1)."""
    asked = argparse.Namespace(
        stations=4, rate=0.3, minutes=0.5, arrivals="takt", reader="pool", full_gate=False, readers=1, replicas=2
    )
    with plant.Plant(asked) as made:
        killer = threading.Thread(target=_kill_a_replica, args=(made,))
        killer.start()
        run = made.play()
        killer.join()

    assert run.violations == []
    assert run.triggers == run.outcomes == run.heard == run.rows == 36
    assert run.reasons["matched"] > 0


def _kill_a_replica(made: plant.Plant) -> None:
    """When some outcomes were heard."""
    while len(made.ear.heard) < 8:
        time.sleep(0.05)
    replicas = [one for one in made.children["pool"].family() if "ServeReplica" in " ".join(one.cmdline())]
    replicas[0].kill()
