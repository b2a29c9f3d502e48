"""Throughput against latency: frames of several stations read together, by the size of a batch and by offered load.

    python bench/batching.py [--model FOLDER] [--device cpu] [--batches 1 2 4 8] [--plates 32] [--seconds 10]

First the model alone: batches of prepared frames (`Vlm.read_many`), each size in turns with the others, so that a busy
moment falls on all of them. Then the whole reader process with real sockets, `max_batch` 1 and the largest by turns:
stations ask for readings at random moments, as many a second as a share of what batch 1 does, and a frame is asked for
only by a station that waits for none. Latency is from the question to its answer, OCR included; the frame is not
measured (`judge`) before it is read, which the inspector does. `late` were refused because their time was over, `none`
is how often a frame came and every station was waiting; `batches` is how many there were of each size.

Every figure is of this machine and this run; ratios are to batches of one in the same run.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import zmq

from bench.accuracy import draw
from edge.adapters import images, sockets
from edge.adapters.heartbeat import listen
from edge.adapters.reader_link import Answered, ReaderLink
from edge.products import load_product
from edge.readers import opening
from edge.readers.vlm import Vlm
from edge.services.reader import ReaderService

PRODUCTS = Path(__file__).resolve().parents[1] / "config" / "products"
PRODUCT = "gearmotor"
TIMEOUT_S = 3.0
LOADS = (0.5, 0.8, 1.0, 1.3)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured, and on what."""

    model: Path | None
    device: str
    threads: int
    batches: tuple[int, ...]
    rounds: int
    seconds: float
    stations: int
    frames: tuple[bytes, ...]


@dataclass(slots=True)
class Load:
    """What became of the questions of one run."""

    latencies_ms: list[float] = field(default_factory=list)
    failed: int = 0
    unasked: int = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print both curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--plates", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=25, help="batches of each size")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run under load; 0: no such runs")
    parser.add_argument("--stations", type=int, default=8)
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="edge-batching-") as folder:
        draw(Path(folder), "--count", str(args.plates), "--seed", "77")
        frames = tuple(one.read_bytes() for one in sorted(Path(folder).glob("*.jpg")))
    batches = tuple(sorted({1, *args.batches}))
    asked = Asked(args.model, args.device, args.threads, batches, args.rounds, args.seconds, args.stations, frames)
    print(f"{os.cpu_count()} processors, {asked.threads} threads, {len(frames)} drawn plates, product {PRODUCT}")
    alone(asked)
    if asked.seconds > 0:
        under_load(asked)
    return 0


def alone(asked: Asked) -> None:
    """The model alone: time of a batch, and frames a second, by its size."""
    reader, product = _reader(asked), load_product(PRODUCT, PRODUCTS)
    decoded = [images.decode(raw, str(number)) for number, raw in enumerate(asked.frames)]
    requests = [reader.request(image, product) for image in decoded]
    times_ms: dict[int, list[float]] = {size: [] for size in asked.batches}
    work_ms = dict.fromkeys(asked.batches, 0.0)
    places = random.Random(5)
    for turn in range(asked.rounds + 1):
        for size in asked.batches:
            batch = [requests[places.randrange(len(requests))] for _ in range(size)]
            begun, worked = time.perf_counter(), time.process_time()
            reader.read_many(batch)
            if turn:  # the first of each size prepares its shape
                times_ms[size].append((time.perf_counter() - begun) * 1e3)
                work_ms[size] += (time.process_time() - worked) * 1e3 / size / asked.rounds
    print(f"\nThe model alone ({asked.rounds} batches of each size)")
    print(f"{'batch':>6} {'p50 ms':>8} {'p99 ms':>8} {'frames/s':>9} {'to batch 1':>11} {'CPU ms/frame':>13}")
    one = statistics.median(times_ms[1])
    for size, spent in times_ms.items():
        p50 = statistics.median(spent)
        rate, share = size * 1e3 / p50, size * one / p50
        print(f"{size:>6} {p50:>8.1f} {_p99(spent):>8.1f} {rate:>9.1f} {share:>10.2f}x {work_ms[size]:>13.0f}")


def under_load(asked: Asked) -> None:
    """The reader process under load: what comes back how late."""
    most = max(asked.batches)
    print(
        f"\nThe reader process, {asked.stations} stations, {asked.seconds:g} s a run, an answer is due in {TIMEOUT_S} s"
    )
    # What one station that never pauses gets is what batches of one can do.
    with _Process(asked, 1) as process:
        capacity = len(process.offered(float("inf"), stations=1).latencies_ms) / asked.seconds
    print(f"one station without a pause: {capacity:.1f} frames/s (load 1.0)")
    print(
        f"{'load':>5} {'max_batch':>9} {'answered/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'late':>5} {'none':>5} batches"
    )
    for share in (*LOADS, float("inf")):
        for limit in (1, most):
            with _Process(asked, limit) as process:
                load = process.offered(share * capacity)
                sizes = process.batches()
            spent = load.latencies_ms or [float("nan")]
            rate = len(load.latencies_ms) / asked.seconds
            print(
                f"{share:>5.1f} {limit:>9} {rate:>10.1f} {statistics.median(spent):>8.0f} {_p99(spent):>8.0f} "
                f"{load.failed:>5} {load.unasked:>5} {sizes}",
                flush=True,
            )


class _Process:
    """A reader process of its own, and stations that ask it."""

    def __init__(self, asked: Asked, max_batch: int) -> None:
        self._asked = asked
        self._folder = tempfile.TemporaryDirectory(prefix="edge-b-")
        self._runtime = Path(self._folder.name)
        self._context: sockets.Context = zmq.Context()
        spawn = multiprocessing.get_context("spawn")
        self._over, ready = spawn.Event(), spawn.Event()
        self._process = spawn.Process(target=_serve, args=(asked, self._runtime, max_batch, self._over, ready))
        self._process.start()
        ready.wait(300)
        self._listener = listen(self._runtime, context=self._context)
        self._listener.beats()

    def __enter__(self) -> Self:
        self.offered(float("inf"), seconds=1.0)  # shapes that come first are prepared
        self._before = self._sizes()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._process.join()
        self._listener.close()
        self._context.term()
        self._folder.cleanup()

    def offered(self, rate: float, *, stations: int | None = None, seconds: float | None = None) -> Load:
        """Ask at random moments, `rate` times a second; an infinite one: each station asks as soon as it may."""
        hall = _Stations(self._runtime, self._context, stations or self._asked.stations, self._asked.frames)
        chance = random.Random(9)
        due = time.perf_counter()
        end = due + (seconds or self._asked.seconds)
        while (now := time.perf_counter()) < end:
            if rate == float("inf"):
                while hall.ask(now):
                    pass
            while due <= now and rate != float("inf"):
                hall.load.unasked += not hall.ask(due)
                due += chance.expovariate(rate)
            hall.hear(min(0.05, max(0.0, due - time.perf_counter())) if due > now else 0.05)
        hall.close()
        return hall.load

    def batches(self) -> dict[str, int]:
        """How many batches of each size there were under load."""
        after = self._sizes()
        return {
            size: count - self._before.get(size, 0)
            for size, count in after.items()
            if count > self._before.get(size, 0)
        }

    def _sizes(self) -> dict[str, int]:
        time.sleep(1.2)  # one beat further
        told: Any = self._listener.beats()["reader"].facts["batches"]
        return dict(told)


class _Stations:
    """The stations' ends of the links, each with one question at a time."""

    def __init__(self, runtime: Path, context: sockets.Context, count: int, frames: Sequence[bytes]) -> None:
        self._links = [ReaderLink(runtime, context=context) for _ in range(count)]
        self._poller = zmq.Poller()
        for link in self._links:
            self._poller.register(link.socket, zmq.POLLIN)
        self._frames, self._number = frames, 0
        self._since: dict[int, float] = {}
        self.load = Load()

    def ask(self, since: float) -> bool:
        """Have a station ask that waits for nothing, if there is one; its time runs from `since`."""
        free = next((place for place in range(len(self._links)) if place not in self._since), None)
        if free is None:
            return False
        self._number += 1
        raw = self._frames[self._number % len(self._frames)]
        self._links[free].ask("read", 1, f"f{self._number}", raw, timeout_us=int(TIMEOUT_S * 1e6), draft={})
        self._since[free] = since
        return True

    def hear(self, wait_s: float) -> None:
        """Take the answers that come in this time."""
        self._poller.poll(int(wait_s * 1000))
        for place, link in enumerate(self._links):
            while (told := link.receive()) is not None:
                spent_ms = (time.perf_counter() - self._since.pop(place)) * 1e3
                if isinstance(told, Answered):
                    self.load.latencies_ms.append(spent_ms)
                else:
                    self.load.failed += 1

    def close(self) -> None:
        """End the links."""
        for link in self._links:
            link.close()


def _serve(asked: Asked, runtime: Path, max_batch: int, over: Any, ready: Any) -> None:
    service = ReaderService(runtime, _reader(asked), load_product(PRODUCT, PRODUCTS), max_batch=max_batch)
    threading.Thread(target=ready.set, daemon=True).start()
    service.run(over.is_set)


def _reader(asked: Asked) -> Vlm:
    opened: Any = opening.open_reader("vlm", threads=asked.threads, model=asked.model, device=asked.device, warm=True)
    found: Vlm = opened
    return found


def _p99(spent: Sequence[float]) -> float:
    return sorted(spent)[round((len(spent) - 1) * 0.99)]


if __name__ == "__main__":
    raise SystemExit(main())
