"""`edge record`: write inspections into one file, a bundle, for `edge replay` and the simulator to play elsewhere.

Promises: it reads the store as the panel does and writes nothing into it: the station's own processes do not wait for
it; the bundle keeps to `[record] max_mb`, ends before the disk is short, and says why it ended; no secret is in it.
"""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge.adapters.bundle import Place
from edge.adapters.bundle_writing import BundleWriter, new_file
from edge.adapters.database import wall_time
from edge.adapters.disk import free_bytes
from edge.adapters.recorded import RecordedPart
from edge.adapters.store import Store
from edge.errors import UseError
from edge.settings import load

#: Inspections that are taken from the store at a time: a transaction of reading must not hold up its tidying.
_AT_ONCE = 20
#: How often the store is looked at while a recording waits for the next outcome, s.
_LOOK_S = 0.2
#: Behind every wall time as text.
_END_OF_TIME = "9"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which inspections, and where to."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the file to write, such as monday.edge.zip")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--inspection", metavar="ID", help="this one alone")
    which.add_argument(
        "--minutes", type=float, metavar="M", help="all from now on, for so long; Ctrl-C ends it earlier"
    )
    parser.add_argument("--since", metavar="T", help="from this time on, as 2026-01-31T06:00")
    parser.add_argument("--until", metavar="T", help="up to this time")
    parser.add_argument("--parts", type=int, default=0, metavar="N", help="at most so many inspections")


def run(args: argparse.Namespace) -> int:
    """Write the bundle, and say what is in it.

    Raises:
        UseError: the arguments do not go together, or there is nothing to record.
        StoreError: the store cannot be read.
        BundleError: the bundle cannot be written.
    """
    settings = load(args.config)
    if args.minutes is not None and (args.since or args.until):
        raise UseError("--minutes records what comes from now on; leave --since and --until out")
    station, folder = settings.station, args.bundle.absolute().parent
    store = Store.open(settings.paths.data, station.name)
    try:
        most_bytes = settings.record.max_bytes
        with (
            new_file(args.bundle) as file,
            BundleWriter(file, settings.paths.data, store.recorded, max_bytes=most_bytes) as writer,
        ):
            parts: Iterator[RecordedPart | str]
            if args.inspection is not None:
                parts = _one(store, args.inspection)
            elif args.minutes is not None:
                parts = _coming(store, args.minutes * 60)
            else:
                parts = _kept(store, args.since or "", args.until or _END_OF_TIME)
            ended = _write(
                writer,
                parts,
                most=args.parts,
                is_short=lambda: free_bytes(folder) < settings.record.keep_free_bytes,
            )
            if not writer.num_parts and args.minutes is None:
                raise UseError(_nothing(ended, settings.record.max_mb, settings.record.keep_free_mb))
            writer.finish(Place(site=station.site, line=station.line, station=station.name), ended)
    finally:
        store.close()
    lost = f", {writer.num_missing} frames were not kept any more" if writer.num_missing else ""
    print(f"{args.bundle}: {writer.num_parts} inspections, {writer.size / 1e6:.1f} MB{lost}; ended: {_ENDED[ended]}")
    return 0


_ENDED = {
    "asked": "all that was asked for",
    "parts": "so many were asked for (--parts)",
    "time": "so long was asked for (--minutes)",
    "stopped": "it was stopped",
    "max_mb": "the bundle is as large as it may be ([record] max_mb)",
    "keep_free_mb": "the disk is short ([record] keep_free_mb)",
}


def _write(
    writer: BundleWriter, parts: Iterator[RecordedPart | str], *, most: int, is_short: Callable[[], bool]
) -> str:
    """Put parts in until one of the ends is reached; give its name."""
    for part in parts:
        if isinstance(part, str):
            return part
        if is_short():
            return "keep_free_mb"
        if not writer.add(part):
            return "max_mb"
        if writer.num_parts == most:
            return "parts"
    return "asked"


def _nothing(ended: str, max_mb: int, keep_free_mb: int) -> str:
    match ended:
        case "max_mb":
            return f"the first inspection is larger than a bundle may be, {max_mb} MB: raise [record] max_mb"
        case "keep_free_mb":
            return f"less than {keep_free_mb} MB are free on the bundle's disk: write to another, or free space"
        case _:
            return "there is no such inspection at this station: `edge outcomes` lists them"


def _one(store: Store, inspection_id: str) -> Iterator[RecordedPart]:
    part = store.recorded.part(inspection_id)
    if part is not None:
        yield part


def _kept(store: Store, since: str, until: str) -> Iterator[RecordedPart]:
    """What was decided in a span of time, oldest first."""
    seq = 0
    while parts := store.recorded.after(seq, _AT_ONCE, since=since, until=until):
        yield from parts
        seq = parts[-1].seq


def _coming(store: Store, seconds: float) -> Iterator[RecordedPart | str]:
    """What is decided from now on; at its end why it ended."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        seq, end_s = store.recorded.newest_seq(), time.monotonic() + seconds
        print(f"recording from {wall_time()} on; Ctrl-C ends it", flush=True)
        while not stopped.is_set() and time.monotonic() < end_s:
            for part in store.recorded.after(seq, _AT_ONCE):
                yield part
                seq = part.seq
            stopped.wait(_LOOK_S)
        yield from store.recorded.after(seq, _AT_ONCE)
        yield "stopped" if stopped.is_set() else "time"
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
