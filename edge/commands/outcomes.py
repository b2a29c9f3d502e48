"""`edge outcomes`: what was decided, newest last, as people read it or as the very messages that MES gets."""

from __future__ import annotations

import argparse
import json
import sys

from edge import settings
from edge.adapters.store import OutcomeRow, Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which outcomes, and in which form."""
    parser.add_argument("--json", action="store_true", help="the messages themselves, one a line, byte for byte")
    parser.add_argument("--since", default="", metavar="T", help="from this time on, as 2026-01-31 or 2026-01-31T06:00")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many, the newest")


def run(args: argparse.Namespace) -> int:
    """Print the outcomes; 0, or an error of one sentence."""
    configured = settings.load(args.config)
    store = Store.open(configured.paths.data, configured.station.name)
    try:
        rows = store.outcomes(since=args.since, limit=args.limit)[::-1]
        counts = store.counts()
    finally:
        store.close()
    if args.json:
        for row in rows:
            sys.stdout.buffer.write(row.payload + b"\n")
        return 0
    for row in rows:
        print(_line(row))
    waiting = counts["triggers"] - counts["outcomes"]
    print(f"{counts['triggers']} triggers, {counts['outcomes']} outcomes, {waiting} open")
    return 0


def _line(row: OutcomeRow) -> str:
    said = json.loads(row.payload)
    fields = " ".join(f"{name}={field['text'] or '-'}" for name, field in said["fields"].items())
    took = "" if row.total_ms is None else f"{row.total_ms:.0f} ms"
    why = ",".join([row.reason, *said["defects"]])
    told = "confirmed" if row.confirmed_at else row.closed_as or "waiting"
    return f"{row.seq:6} {row.at} {row.disposition:4} {why:24} {fields} {took} [{told}]"
