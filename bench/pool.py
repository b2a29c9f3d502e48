"""A replica of the pool: one by one against batches, within a deadline; and how the pool grows with its replicas.

    python bench/pool.py --gpu [--deadline-ms 250] [--seconds 5] [--bits 16] [--out FILE] [--tiny]
    python bench/pool.py [--replicas 1 2 4 8] [--reader vlm] [--seconds 15] [--out FILE]

`--gpu` needs no Ray: the replica and its batch queue (`edge.pool.replica`, the code that Ray runs) read JPEG frames of
1920 x 1200 px on the reference architecture (10.3 billion random weights, `bench/reference.py`); where the text
stands is given, since OCR is not what is measured. Stations ask again as soon as they are answered, twice as many as a
batch holds; what counts is answers within the deadline a second. Three kinds of drafts, since they decide what a batch
can gain: `none` (as for free questions, and wherever OCR misread: each token is a pass that reads all weights, which a
batch shares), `right` (OCR was right: all tokens are verified in one pass, which fills the GPU's arithmetic by itself),
and `mixed` (one frame in four has none).

Without `--gpu`: a Ray cluster on this machine, drawn plates over HTTP to 1 .. 8 replicas of the small model, one thread
each. Efficiency is the rate by replica, to that of one; `of cores` counts no more replicas than there are processors.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2

from edge.adapters import images
from edge.core.reading import Quad, Reading, TextLine
from edge.pool.batch_queue import RefusedError
from edge.pool.replica import ReadFrame, Replica
from edge.readers.reader import Image, Located

#: The block of the frame whose grey tells its number, px; JPEG keeps an even block's grey within 1 or 2.
_MARK_PX, _STEP = 32, 15
FRAMES = 16
ROWS = 9
MAX_BATCHES = (1, 4, 8, 16)


@dataclass(slots=True)
class Load:
    """What became of the questions of one run."""

    latencies_ms: list[float] = field(default_factory=list)
    late: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 1.0

    def told(self) -> dict[str, Any]:
        """The run in figures."""
        spent = sorted(self.latencies_ms) or [float("nan")]
        return {
            "in_time_a_s": round(len(self.latencies_ms) / self.seconds, 1),
            "p50_ms": round(statistics.median(spent), 1),
            "p99_ms": round(spent[round((len(spent) - 1) * 0.99)], 1),
            "late": self.late,
            "refused": dict(self.refused),
        }


def saturated(
    put: Callable[[int], Future[Any]], stations: int, seconds: float, deadline_ms: float, *, warm_s: float = 1.0
) -> Load:
    """Have every station ask again as soon as it is answered, and when it may where it is refused."""
    done: queue.SimpleQueue[tuple[int, float, float, Future[Any]]] = queue.SimpleQueue()
    load = Load(seconds=seconds)
    rests: list[tuple[float, int]] = []

    def ask(station: int) -> None:
        begun = time.perf_counter()
        put(station).add_done_callback(lambda told: done.put((station, begun, time.perf_counter(), told)))

    for station in range(stations):
        ask(station)
    counts_from = time.perf_counter() + warm_s
    end = counts_from + seconds
    while (now := time.perf_counter()) < end:
        for due, station in [one for one in rests if one[0] <= now]:
            rests.remove((due, station))
            ask(station)
        try:
            station, begun, at, told = done.get(timeout=0.002 if rests else 0.05)
        except queue.Empty:
            continue
        error = told.exception()
        if isinstance(error, RefusedError):
            load.refused[error.why] += at >= counts_from
            rests.append((at + max(0.005, error.retry_after_s), station))
            continue
        if error is not None:
            raise error
        spent_ms = (at - begun) * 1e3
        if at >= counts_from and spent_ms <= deadline_ms:
            load.latencies_ms.append(spent_ms)
        load.late += at >= counts_from and spent_ms > deadline_ms
        ask(station)
    return load


# One GPU, at reference size.


def on_gpu(args: argparse.Namespace) -> dict[str, Any]:
    """Build the model, and measure every kind of draft one by one and in batches."""
    from bench.reference import save_folder  # noqa: PLC0415 - torch and transformers

    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or Path(made)
        begun = time.perf_counter()
        count = 0.0 if (folder / "config.json").is_file() else save_folder(folder, tiny=args.tiny)
        print(f"{count / 1e9:.2f} billion parameters written in {time.perf_counter() - begun:.0f} s", flush=True)
        for bits in args.bits.split(","):
            told[bits] = _of_model(folder, args, eight=bits == "8")
            if args.out:
                args.out.write_text(json.dumps(told, indent=1), encoding="utf-8")
    return told


def _of_model(folder: Path, args: argparse.Namespace, *, eight: bool) -> dict[str, Any]:
    import torch  # noqa: PLC0415 - only here

    from bench.gpu import Bench  # noqa: PLC0415 - only here
    from bench.reference import PRODUCT  # noqa: PLC0415 - only here

    begun = time.perf_counter()
    bench = Bench(folder, runs=1, eight=eight)
    lines = Marked(bench.lines)
    bench.vlm._ocr = lines  # noqa: SLF001 - frames are told apart by a mark, since they are decoded anew each time
    frames = [lines.marked(ROWS, number) for number in range(FRAMES)]
    encoded = [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes() for frame in frames]
    drafts = [_right(bench, images.decode(one, "frame"), number) for number, one in enumerate(encoded)]
    reader = Together(bench.vlm)
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    about = {"card": card, "bits": 8 if eight else 16, "deadline_ms": args.deadline_ms, "frame_bytes": len(encoded[0])}
    print(json.dumps({**about, "ready_s": round(time.perf_counter() - begun)}), flush=True)
    kinds: Mapping[str, Callable[[int], Mapping[str, str]]] = {
        "none": lambda _number: {},
        "mixed": lambda number: {} if number % 4 == 0 else drafts[number],
        "right": lambda number: drafts[number],
    }
    told: dict[str, Any] = {"about": about}
    for kind, draft in ((kind, kinds[kind]) for kind in args.drafts):
        works = [ReadFrame(encoded[number], PRODUCT, draft(number)) for number in range(FRAMES)]
        one_by_one = 0.0
        for max_batch in args.batches:
            row = _queue_of(reader, works, max_batch, args)
            one_by_one = one_by_one or row["in_time_a_s"]
            row["ratio"] = round(row["in_time_a_s"] / one_by_one, 2) if one_by_one else None
            told[f"{kind} {max_batch}"] = row
            print(f"draft {kind:5}  max_batch {max_batch:2}  {json.dumps(row)}", flush=True)
    return told


def _queue_of(reader: Any, works: Sequence[ReadFrame], max_batch: int, args: argparse.Namespace) -> dict[str, Any]:
    """The replica with its queue under load."""
    replica = Replica(reader, max_batch=max_batch, preparing=args.preparing)
    try:
        replica.measure(works)
        turn = iter(range(10**9))

        def put(station: int) -> Future[Any]:
            return replica.put(f"station{station}", works[next(turn) % len(works)], round(args.deadline_ms * 1000))

        load = saturated(put, 2 * max_batch, args.seconds, args.deadline_ms)
        facts = replica.facts()
    finally:
        replica.close()
    return {**load.told(), "batches": facts["batches"], "batch_ms": facts["batch_ms"]}


def _right(bench: Any, frame: Image, number: int) -> Mapping[str, str]:
    """A draft that is what the model answers to this frame alone.

    Random weights know near-ties, so that in another batch a token may differ: such a frame takes a pass more.
    """
    from bench.reference import DRAFT, PRODUCT  # noqa: PLC0415 - only here
    from edge.readers.vlm import Request  # noqa: PLC0415 - only here

    names = {name: f"{number} {name}" for name in PRODUCT.fields}
    request = Request(frame, PRODUCT, bench.vlm._ocr.read(frame, PRODUCT), names)  # noqa: SLF001
    for _ in range(2 * DRAFT):
        answers = bench._answers([request])  # noqa: SLF001
        for name, answer in zip(names.values(), answers, strict=True):
            bench._drafts[name] = [token.id for token in answer.tokens]  # noqa: SLF001
        if max(answer.passes for answer in answers) == 1:
            break
    return names


class Marked:
    """Stands for the ocr reader: knows the lines of a decoded frame by the grey of a mark in its corner."""

    name, hash = "drawn", "0" * 64

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._known: dict[int, tuple[TextLine, ...]] = {}

    def marked(self, rows: int, number: int) -> Image:
        """A frame with a mark."""
        frame: Image = self._lines.draw(rows, number)
        self._known[number] = self._lines.lines(frame, ())
        frame[:_MARK_PX, :_MARK_PX] = number * _STEP
        return frame

    def locate(self, image: Image) -> Located:
        """The lines that were drawn."""
        return Located(tuple(line.box for line in self._of(image)), (image.shape[1], image.shape[0]))

    def lines(self, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        """Their texts."""
        del boxes
        return self._of(image)

    def read(self, image: Image, product: Any, located: Any = None, draft: Any = None) -> Reading:
        """Fields with nothing in them."""
        from edge.core.reading import FieldReading  # noqa: PLC0415 - only here

        del located, draft
        return Reading({name: FieldReading(name) for name in product.fields}, self._of(image))

    def _of(self, image: Image) -> tuple[TextLine, ...]:
        grey = float(image[4 : _MARK_PX - 4, 4 : _MARK_PX - 4].mean())
        return self._known[round(grey / _STEP)]


class Together:
    """The vlm reader as one that batches, on the CPU of a rehearsal too."""

    batches = True

    def __init__(self, vlm: Any) -> None:
        self.name, self.hash = vlm.name, "0" * 64
        self.request, self.read_many = vlm.request, vlm.read_many


# Ray on this machine, 1 .. 8 replicas.


def on_ray(args: argparse.Namespace) -> dict[str, Any]:
    """Serve the small model by so many replicas, and load each pool over HTTP."""
    from bench.accuracy import draw  # noqa: PLC0415 - only here
    from edge.pool import serving  # noqa: PLC0415 - Ray
    from edge.pool.settings import PoolSettings  # noqa: PLC0415 - only here
    from edge.products import read_product  # noqa: PLC0415 - only here

    with tempfile.TemporaryDirectory(prefix="edge-pool-") as folder:
        draw(Path(folder), "--count", "16", "--seed", "77")
        frames = [one.read_bytes() for one in sorted(Path(folder).glob("*.jpg"))]
    product = read_product("gearmotor", Path(__file__).resolve().parents[1] / "config" / "products")
    os.environ.pop("RAY_ADDRESS", None)
    serving.connect()
    told: dict[str, Any] = {"cores": os.cpu_count(), "reader": args.reader}
    one = 0.0
    try:
        for count in args.replicas:
            settings = PoolSettings.model_validate(
                {
                    "version": 1,
                    "listen": {"port": args.port},
                    "reader": {"kind": args.reader, "threads": 1},
                    "replicas": {"least": count, "most": count, "cpus": 0},
                    "health": {"every_s": 60},
                }
            )
            served = serving.serve_as(settings)
            load = _over_http(served.url, frames, product, 2 * count, args)
            row = load.told()
            one = one or row["in_time_a_s"]
            share = row["in_time_a_s"] / one if one else 0.0
            row |= {"efficiency": round(share / count, 2)}
            row |= {"of_cores": round(share / min(count, os.cpu_count() or 1), 2)}
            told[str(count)] = row
            print(f"replicas {count}  {json.dumps(row)}", flush=True)
            if args.out:
                args.out.write_text(json.dumps(told, indent=1), encoding="utf-8")
    finally:
        serving.leave()
    return told


def _over_http(url: str, frames: Sequence[bytes], product: Any, stations: int, args: argparse.Namespace) -> Load:
    from edge.readers import read_form  # noqa: PLC0415 - only here
    from edge.readers.pool_client import PoolClient, PoolRefusedError  # noqa: PLC0415 - only here

    clients = [PoolClient(url, f"bench/line/{number}") for number in range(stations)]
    wanted = read_form.Wanted(product)
    turn = iter(range(10**9))

    def ask(station: int) -> Reading:
        try:
            return clients[station].read(wanted, frames[next(turn) % len(frames)], args.deadline_ms / 1000)
        except PoolRefusedError as error:
            raise RefusedError(error.why, str(error), 0.05) from error

    with ThreadPoolExecutor(stations) as asking:
        load = saturated(
            lambda station: asking.submit(ask, station), stations, args.seconds, args.deadline_ms, warm_s=5.0
        )
    for client in clients:
        client.close()
    return load


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", action="store_true", help="one replica at reference size, without Ray")
    parser.add_argument("--tiny", action="store_true", help="with --gpu: the architecture small, to try this on a CPU")
    parser.add_argument("--bits", default="16", help="of the products: 16, 8 or both, with a comma")
    parser.add_argument("--folder", type=Path, help="where the model is, or is to be written")
    parser.add_argument("--preparing", type=int, default=8, help="threads that decode frames")
    parser.add_argument("--deadline-ms", type=float, help="250 with --gpu, else 10000")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run")
    parser.add_argument("--batches", type=int, nargs="+", default=list(MAX_BATCHES), help="largest batches; 1 first")
    parser.add_argument("--drafts", nargs="+", default=["none", "mixed", "right"])
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--reader", default="vlm", choices=("ocr", "vlm", "ocr+vlm"))
    parser.add_argument("--port", type=int, default=18472)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(arguments)
    args.deadline_ms = args.deadline_ms or (250.0 if args.gpu else 10_000.0)
    (on_gpu if args.gpu else on_ray)(args)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
