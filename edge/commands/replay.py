"""`edge replay`: read kept frames again with another reader or other limits, and show every outcome that would change.

Promises: nothing is written, no message is sent, no camera and no ERP is asked; every outcome of the time asked for is
counted once: played (changed or not), open (its new way needs what was never taken), not played (no frame decided it),
or failed (its frames are gone or are not what their hash says; exit 1).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from edge.adapters.store import OutcomeRow, Store
from edge.commands import image_files
from edge.commands.replay_story import NOT_PLAYED, Decision, Kept, Played, play
from edge.core.policy import Policy
from edge.errors import UseError, WorldError
from edge.settings import Settings, load

#: Outcomes that are taken from the store at a time.
_AT_ONCE = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is played again, and with what."""
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="a data folder (edge.db and evidence/)")
    parser.add_argument("--since", metavar="T", help="the station's own data from this time on, as 2026-01-31T06:00")
    parser.add_argument(
        "--station", metavar="S", help="whose outcomes of DIR (else the configuration's, else the only)"
    )
    parser.add_argument(
        "--limit", type=int, default=1000, metavar="N", help="at most so many, the newest (%(default)s)"
    )
    parser.add_argument("--product", metavar="P", help="product: its name or its file (else the configuration's)")
    image_files.add_reader_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line for every outcome")


def run(args: argparse.Namespace) -> int:
    """Play them again, oldest first; 1 where a frame is gone or is not what its hash says.

    Raises:
        UseError: neither a folder nor a time is named.
        StoreError: the store cannot be read.
    """
    if args.folder is None and args.since is None:
        raise UseError("edge replay needs a data folder, or --since with a time; name one of them")
    settings = load(args.config) if args.config is not None or args.folder is None else None
    if settings is not None:
        args.config = settings.path  # which may have been found: product and reader are of the same file
    data_dir, station = _where(args, settings)
    product = image_files.product_of(args)
    policy = Policy() if settings is None else settings.policy
    reader = image_files.reader_of(args)
    image_files.printable_stdout()
    counted: Counter[str] = Counter()
    console = Console()
    for row, kept in _kept(data_dir, station, since=args.since or "", limit=args.limit):
        told, why = "failed", ""
        played: Played | None = None
        if row.reason in NOT_PLAYED or not kept.frames:
            told, why = "not played", f"{row.reason}: no kept frame decided it"
        else:
            try:
                played = play(kept, reader(), product, policy)
                told = "open" if played.now is None else "changed" if played.changed else "same"
                why = played.open
            except WorldError as error:
                why = str(error)
        counted[told] += 1
        if args.json:
            image_files.print_json(_facts(row, told, why, played))
        elif told in ("changed", "open", "failed"):
            console.print(_line(row, told, why, played), highlight=False, soft_wrap=True)
        sys.stdout.flush()
    if not args.json:
        console.print(_summary(counted), highlight=False)
    return 1 if counted["failed"] else 0


def _where(args: argparse.Namespace, settings: Settings | None) -> tuple[Path, str]:
    """The data folder, and whose outcomes in it.

    Raises:
        UseError: the folder has no store, or more than one station's.
    """
    if args.folder is None:
        assert settings is not None
        return settings.paths.data, args.station or settings.station.name
    if not (args.folder / "edge.db").is_file():
        raise UseError(f"{args.folder} holds no edge.db: name a station's data folder, or a copy of one")
    if args.station or settings is not None:
        return args.folder, args.station or (settings.station.name if settings else "")
    stations = Store.stations(args.folder)
    if len(stations) != 1:
        named = ", ".join(stations) or "none"
        raise UseError(f"{args.folder} holds the outcomes of {len(stations)} stations ({named}): name one by --station")
    return args.folder, stations[0]


def _kept(data_dir: Path, station: str, *, since: str, limit: int) -> Iterator[tuple[OutcomeRow, Kept]]:
    """The outcomes, oldest first, each with what is kept of it."""
    store = Store.open(data_dir, station)
    try:
        for row in store.outcomes(since=since, limit=limit)[::-1]:
            outcome: dict[str, Any] = json.loads(row.payload)
            evidence = {int(one["attempt"]): one for one in outcome["evidence"]}
            yield (
                row,
                Kept(
                    outcome,
                    store.expected_of(row.inspection_id),
                    {attempt: data_dir / one["path"] for attempt, one in evidence.items()},
                    {attempt: str(one["sha256"]) for attempt, one in evidence.items()},
                ),
            )
    finally:
        store.close()


def _facts(row: OutcomeRow, told: str, why: str, played: Played | None) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "inspection_id": row.inspection_id,
        "at": row.at,
        "replay": told,
        "why": why,
        "then": None if played is None else _decision(played.then),
        "now": None if played is None or played.now is None else _decision(played.now),
    }


def _decision(one: Decision) -> dict[str, Any]:
    return {
        "disposition": one.disposition,
        "reason": one.reason,
        "defects": list(one.defects),
        "texts": dict(one.texts),
    }


def _line(row: OutcomeRow, told: str, why: str, played: Played | None) -> str:
    head = f"{row.seq:6} {row.at} "
    if played is None or played.now is None:
        return head + escape(f"{told}: {why}")
    then, now = played.then, played.now
    texts = [
        f"{name} {then.texts.get(name, '')!r} -> {now.texts.get(name, '')!r}"
        for name in dict.fromkeys((*then.texts, *now.texts))
        if then.texts.get(name, "") != now.texts.get(name, "")
    ]
    colour = {"pass": "green", "fail": "red"}.get(now.disposition, "yellow")
    verdict = f"{then.disposition} {then.reason} -> [{colour}]{now.disposition} {now.reason}[/{colour}]"
    return f"{head}{verdict}  {escape('  '.join(texts))}"


def _summary(counted: Counter[str]) -> str:
    played = counted["same"] + counted["changed"]
    return (
        f"{counted.total()} outcomes: {played} played again, of which {counted['changed']} would change; "
        f"{counted['open']} would need what was never taken, {counted['not played']} were decided by no frame, "
        f"{counted['failed']} failed"
    )
