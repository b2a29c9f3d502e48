"""A replica of the pool: one by one against batches, within a deadline; and how the pool grows with its replicas.

    python bench/pool.py --gpu [--deadline-ms 250] [--seconds 5] [--bits 16] [--out FILE] [--tiny]
    python bench/pool.py [--replicas 1 2 4 8] [--reader vlm] [--seconds 15] [--out FILE]
    python bench/pool.py --gpu --replicas 1 2 3 [--drafts none] [--stations 2 8 32] [--bits 16,8] [--tiny]

`--gpu` needs no Ray: the replica and its batch queue (`edge.pool.replica`, the code that Ray runs) read JPEG frames of
1920 x 1200 px on the reference architecture (10.3 billion random weights, `bench/reference.py`); where the text
stands is given, since OCR is not what is measured. Stations ask again as soon as they are answered, twice as many as a
batch holds; what counts is answers within the deadline a second. Three kinds of drafts, since they decide what a batch
can gain: `none` (as for free questions, and wherever OCR misread: each token is a pass that reads all weights, which a
batch shares), `right` (OCR was right: all tokens are verified in one pass, which fills the GPU's arithmetic by itself),
and `mixed` (one frame in four has none).

Without `--gpu`: a Ray cluster on this machine, drawn plates over HTTP to 1 .. 8 replicas of the small model, one thread
each. Efficiency is the rate by replica, to that of one; `of cores` counts no more replicas than there are processors.

With both: replicas at reference size behind Ray share one GPU, an equal part each; frames, drafts and lines as for
`--gpu`, over HTTP, within the pool's own deadline of 1 s. As many stations ask each pool: what counts is whether more
replicas answer them faster than one that batches. Right drafts say something of two stations only, which are read one
by one: random weights know near-ties, and a batch's rounding turns some of them, after which each token is a pass.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import queue
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2

from edge.adapters import images
from edge.core.reading import Quad, Reading, TextLine
from edge.errors import ReaderError
from edge.pool.batch_queue import RefusedError
from edge.pool.replica import ReadFrame, Replica
from edge.readers import opening, read_form
from edge.readers.drawn import DRAWN, drawn_frame
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
    told: dict[str, Any] = {}
    with _model_folder(args) as folder:
        for bits in args.bits.split(","):
            told[bits] = _of_model(folder, args, eight=bits == "8")
            _keep(args, told)
    return told


@contextmanager
def _model_folder(args: argparse.Namespace) -> Iterator[Path]:
    """Where the model is, written where it is not there yet."""
    from bench.reference import save_folder  # noqa: PLC0415 - torch and transformers

    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or Path(made)
        begun = time.perf_counter()
        count = 0.0 if (folder / "config.json").is_file() else save_folder(folder, tiny=args.tiny)
        print(f"{count / 1e9:.2f} billion parameters written in {time.perf_counter() - begun:.0f} s", flush=True)
        yield folder


def _keep(args: argparse.Namespace, told: Mapping[str, Any]) -> None:
    if args.out:
        args.out.write_text(json.dumps(told, indent=1), encoding="utf-8")


def _of_model(folder: Path, args: argparse.Namespace, *, eight: bool) -> dict[str, Any]:
    begun = time.perf_counter()
    reader, encoded = reference(folder, eight=eight)
    about = {"card": _card(), "bits": 8 if eight else 16, "deadline_ms": args.deadline_ms}
    about |= {"frame_bytes": len(encoded[0])}
    print(json.dumps({**about, "ready_s": round(time.perf_counter() - begun)}), flush=True)
    told: dict[str, Any] = {"about": about}
    for kind in args.drafts:
        works = works_of(encoded, kind)
        one_by_one = 0.0
        for max_batch in args.batches:
            row = _queue_of(reader, works, max_batch, args)
            one_by_one = one_by_one or row["in_time_a_s"]
            row["ratio"] = round(row["in_time_a_s"] / one_by_one, 2) if one_by_one else None
            told[f"{kind} {max_batch}"] = row
            print(f"draft {kind:5}  max_batch {max_batch:2}  {json.dumps(row)}", flush=True)
    return told


def reference(folder: Path, *, eight: bool) -> tuple[Together, list[bytes]]:
    """The model, ready to read, and its frames as a camera sends them, whose right drafts it knows."""
    from bench.gpu import Bench  # noqa: PLC0415 - torch and transformers

    bench = Bench(folder, runs=1, eight=eight)
    lines = Marked(bench.lines)
    bench.vlm._ocr = lines  # noqa: SLF001 - frames are told apart by a mark, since they are decoded anew each time
    encoded = encoded_frames(lines)
    for number, one in enumerate(encoded):
        _learn_right(bench, images.decode(one, "frame"), number)
    return Together(bench.vlm), encoded


def encoded_frames(lines: Marked) -> list[bytes]:
    """All frames, as JPEG."""
    frames = [lines.marked(ROWS, number) for number in range(FRAMES)]
    return [cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes() for frame in frames]


def draft_of(kind: str, number: int) -> Mapping[str, str]:
    """What a kind of drafts has for a frame: nothing, or the names under which the right tokens are known."""
    from bench.reference import PRODUCT  # noqa: PLC0415 - only here

    if kind == "none" or (kind == "mixed" and number % 4 == 0):
        return {}
    return {name: f"{number} {name}" for name in PRODUCT.fields}


def works_of(encoded: Sequence[bytes], kind: str) -> list[ReadFrame]:
    """The questions of one kind of drafts."""
    from bench.reference import PRODUCT  # noqa: PLC0415 - only here

    return [ReadFrame(one, PRODUCT, draft_of(kind, number)) for number, one in enumerate(encoded)]


def _card() -> str:
    import torch  # noqa: PLC0415 - only here

    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else "CPU"


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


def _learn_right(bench: Any, frame: Image, number: int) -> None:
    """Make a frame's draft what the model answers to it alone.

    Random weights know near-ties, so that in another batch a token may differ: such a frame takes a pass more.
    """
    from bench.reference import DRAFT, PRODUCT  # noqa: PLC0415 - only here
    from edge.readers.vlm import Request  # noqa: PLC0415 - only here

    names = draft_of("right", number)
    request = Request(frame, PRODUCT, bench.vlm._ocr.read(frame, PRODUCT), names)  # noqa: SLF001
    for _ in range(2 * DRAFT):
        answers = bench._answers([request])  # noqa: SLF001
        for name, answer in zip(names.values(), answers, strict=True):
            bench._drafts[name] = [token.id for token in answer.tokens]  # noqa: SLF001
        if max(answer.passes for answer in answers) == 1:
            break


class Marked:
    """Stands for the ocr reader: knows the lines of a decoded frame by the grey of a mark in its corner."""

    name, hash = "drawn", "0" * 64

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._known: dict[int, tuple[TextLine, ...]] = {}
        box = ((150, 200), (650, 200), (650, 360), (150, 360))
        self._canary = drawn_frame().shape, (TextLine(" ".join(DRAWN), box),)

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
        if image.shape == self._canary[0]:
            return self._canary[1]
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
            _keep(args, told)
    finally:
        serving.leave()
    return told


def on_ray_gpu(args: argparse.Namespace) -> dict[str, Any]:
    """Serve the reference architecture by replicas that share one GPU, and load each pool over HTTP."""
    import torch  # noqa: PLC0415 - only here

    from bench.reference import Lines  # noqa: PLC0415 - torch and transformers
    from edge.pool import serving  # noqa: PLC0415 - Ray

    told: dict[str, Any] = {"card": _card(), "deadline_ms": args.deadline_ms}
    encoded = encoded_frames(Marked(Lines()))
    serving.PoolReplica = _reference_replica()  # type: ignore[misc]
    os.environ.pop("RAY_ADDRESS", None)
    with _model_folder(args) as folder:
        torch.cuda.empty_cache()  # the replicas need the memory in which the model was made
        serving.connect()
        try:
            for bits in args.bits.split(","):
                ones: dict[str, float] = {}
                for count in args.replicas:
                    begun = time.perf_counter()
                    served = serving.serve_as(_gpu_settings(args, folder, count, eight=bits == "8"))
                    print(f"{bits} bits  replicas {count}  up in {time.perf_counter() - begun:.0f} s", flush=True)
                    for name, row in _loads(served.url, encoded, args):
                        one = ones.setdefault(name, row["in_time_a_s"])
                        share = row["in_time_a_s"] / one if one else 0.0
                        row |= {"to_one": round(share, 2), "efficiency": round(share / count, 2)}
                        told[f"{bits} bits, replicas {count}, {name}"] = row
                        print(f"{bits} bits  replicas {count}  {name}  {json.dumps(row)}", flush=True)
                        _keep(args, told)
                    serving.withdraw()  # the card has no room for two pools beside each other
        finally:
            serving.leave()
    return told


def _gpu_settings(args: argparse.Namespace, folder: Path, count: int, *, eight: bool) -> Any:
    import torch  # noqa: PLC0415 - only here

    from edge.pool.settings import PoolSettings  # noqa: PLC0415 - only here

    # Rounded down: Ray counts in ten thousandths of a card.
    gpus = math.floor(10_000 / count) / 10_000 if torch.cuda.is_available() else 0
    return PoolSettings.model_validate(
        {
            "version": 1,
            "listen": {"port": args.port},
            "reader": {"kind": "vlm", "model": str(folder), "eight_bits": eight, "max_batch": max(args.batches)},
            "replicas": {"least": count, "most": count, "cpus": 0, "gpus": gpus},
            # Random weights know near-ties: what they read of a canary beside other frames need not be the same.
            "health": {"every_s": 3600},
        }
    )


def _reference_replica() -> Any:
    """What Ray runs in the place of a pool's replica: the same, with the reference model and its frames."""
    from edge.pool import serving  # noqa: PLC0415 - Ray

    class Reference(serving.PoolReplica):
        """A replica whose reader stands on random weights."""

        def __init__(self, told: dict[str, Any]) -> None:
            reader, encoded = reference(Path(told["reader"]["model"]), eight=told["reader"]["eight_bits"])
            opening.open_reader = lambda *_kind, **_how: reader  # type: ignore[assignment]
            super().__init__(told)
            # The canary's two fields have no draft, and take longer than any frame here.
            for kind in ("right", "none"):
                self._replica.measure(works_of(encoded, kind))

    return Reference


def _loads(url: str, encoded: Sequence[bytes], args: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """The pool under each load, with its name."""
    from bench.reference import PRODUCT  # noqa: PLC0415 - only here
    from edge.products import FieldTable, ProductFile  # noqa: PLC0415 - only here

    fields = {
        name: FieldTable(question=rule.question, max_new_tokens=rule.max_new_tokens)
        for name, rule in PRODUCT.fields.items()
    }
    product = ProductFile(version=1, name=PRODUCT.name, fields=fields)
    for kind in args.drafts:
        for stations in args.stations:
            drafts = [draft_of(kind, number) for number in range(FRAMES)]
            load = _over_http(url, encoded, product, stations, args, drafts=drafts)
            yield f"draft {kind:5}  stations {stations:2}", load.told()


def _over_http(
    url: str,
    frames: Sequence[bytes],
    product: Any,
    stations: int,
    args: argparse.Namespace,
    *,
    drafts: Sequence[Mapping[str, str]] = ({},),
) -> Load:
    from edge.readers.pool_client import PoolClient, PoolRefusedError  # noqa: PLC0415 - only here

    clients = [PoolClient(url, f"bench/line/{number}") for number in range(stations)]
    wanted = [read_form.Wanted(product, draft) for draft in drafts]
    turn = iter(range(10**9))

    def ask(station: int) -> Reading | None:
        number, begun = next(turn), time.perf_counter()
        frame = frames[number % len(frames)]
        try:
            return clients[station].read(wanted[number % len(wanted)], frame, args.deadline_ms / 1000)
        except PoolRefusedError as error:
            raise RefusedError(error.why, str(error), 0.05) from error
        except ReaderError:
            if time.perf_counter() - begun < args.deadline_ms / 1000:
                raise
            return None  # late, and counted as that

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
    parser.add_argument("--gpu", action="store_true", help="at reference size; without --replicas one, and no Ray")
    parser.add_argument("--tiny", action="store_true", help="with --gpu: the architecture small, to try this on a CPU")
    parser.add_argument("--bits", default="16", help="of the products: 16, 8 or both, with a comma")
    parser.add_argument("--folder", type=Path, help="where the model is, or is to be written")
    parser.add_argument("--preparing", type=int, default=8, help="threads that decode frames")
    parser.add_argument("--deadline-ms", type=float, help="250 with --gpu, 1000 with --replicas too, else 10000")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run")
    parser.add_argument("--batches", type=int, nargs="+", default=list(MAX_BATCHES), help="largest batches; 1 first")
    parser.add_argument("--drafts", nargs="+", default=["none", "mixed", "right"])
    parser.add_argument("--replicas", type=int, nargs="+", help="1 first; behind Ray")
    parser.add_argument("--stations", type=int, nargs="+", default=[2, 8, 32], help="with --gpu --replicas")
    parser.add_argument("--reader", default="vlm", choices=("ocr", "vlm", "ocr+vlm"))
    parser.add_argument("--port", type=int, default=18472)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(arguments)
    if args.gpu and args.replicas:
        run, deadline_ms = on_ray_gpu, 1000.0
    else:
        run, deadline_ms = (on_gpu, 250.0) if args.gpu else (on_ray, 10_000.0)
    args.replicas = args.replicas or [1, 2, 4, 8]
    args.deadline_ms = args.deadline_ms or deadline_ms
    run(args)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
