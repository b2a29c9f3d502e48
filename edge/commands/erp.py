"""`edge erp`: ask ERP for one record, or make the snapshot that answers while ERP is away."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import time
from contextlib import closing, suppress

from edge import log
from edge.adapters.erp import Erp, open_erp, open_live
from edge.adapters.erp_snapshot import open_snapshot
from edge.errors import UseError
from edge.settings import Settings, load

#: `prctl(2)`: send this process a signal when the thread that started it ends.
_PR_SET_PDEATHSIG = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`lookup SERIAL` or `sync`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    lookup = actions.add_parser(
        "lookup", help="print the record of a serial", description="Print a serial's record, from ERP or its snapshot."
    )
    lookup.add_argument("serial", help="the serial as printed on the part")
    lookup.add_argument("--json", action="store_true", help="one JSON object: fields, source, age_s, used, ms")
    sync = actions.add_parser(
        "sync",
        help="make the snapshot of ERP's records",
        description="Copy ERP's records into the data folder, where they answer while ERP is away; say what they are.",
    )
    sync.add_argument(
        "--behind", action="store_true", help="give way to all else on this PC, and end with whoever started it"
    )


def run(args: argparse.Namespace) -> int:
    """Ask, and print a line; a missing record is exit 1."""
    settings = load(args.config)
    log.configure("erp", level="warning")
    if settings.erp.kind == "none":
        raise UseError("this station has no ERP; set erp.kind in its configuration to csv, sql or rest")
    begun_s = time.monotonic()
    if args.action == "sync":
        if args.behind:
            _give_way()
        print(f"{_sync(settings)}, {time.monotonic() - begun_s:.1f} s, in {settings.erp_snapshot}")
        return 0
    erp = open_erp(settings.erp, settings.erp_snapshot)
    assert erp is not None, "a kind other than none has an ERP"
    with closing(erp):
        return _lookup(erp, args.serial, as_json=args.json)


def _give_way() -> None:
    """Take processor and disk only when nobody else wants them; where the system forbids it, go on as usual."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # the disk's class follows from it (ioprio_get(2))
    with suppress(Exception):  # no C library, or no memory that ctypes may execute
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def _sync(settings: Settings) -> str:
    erp = open_live(settings.erp)
    assert erp is not None, "a kind other than none has an ERP"
    with closing(erp):
        return open_snapshot(settings.erp, settings.erp_snapshot).sync(erp, limit_s=settings.erp.sync_timeout_s)


def _lookup(erp: Erp, serial: str, *, as_json: bool) -> int:
    begun_s = time.monotonic()
    record = erp.lookup(serial)
    ms = (time.monotonic() - begun_s) * 1000
    if as_json:
        facts = {
            "fields": dict(record.fields),
            "source": record.source,
            "age_s": round(record.age_s, 3),
            "used": record.used,
            "ms": round(ms, 1),
        }
        print(json.dumps(facts, ensure_ascii=False))
    else:
        texts = ", ".join(f"{name}: {text}" for name, text in record.fields.items()) or "no record"
        passed = f", passed before ({record.used})" if record.used else ""
        print(f"{texts}{passed} ({record.source}, {record.age_s:.0f} s old, {ms:.0f} ms)")
    return 0 if record.fields else 1
