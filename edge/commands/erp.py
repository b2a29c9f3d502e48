"""`edge erp`: ask ERP for one record, or see what it holds now."""

from __future__ import annotations

import argparse
import json

from edge import log
from edge.adapters.erp import open_erp
from edge.errors import UseError
from edge.settings import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`lookup SERIAL` or `sync`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    lookup = actions.add_parser("lookup", help="print the record of a serial", description="Print a serial's record.")
    lookup.add_argument("serial", help="the serial as printed on the part")
    lookup.add_argument("--json", action="store_true", help="one JSON object: fields, source, age_s")
    actions.add_parser(
        "sync",
        help="read ERP's records now, and say what they are",
        description="Read ERP's records now, and say what they are. A CSV file is read whole and checked line by line.",
    )


def run(args: argparse.Namespace) -> int:
    """Ask, and print; a missing record is exit 1."""
    settings = load(args.config)
    log.configure("erp", level="warning")
    erp = open_erp(settings.erp)
    if erp is None:
        raise UseError("this station has no ERP; set erp.kind in its configuration to csv or sql")
    if args.action == "sync":
        print(erp.describe())
        return 0
    record = erp.lookup(args.serial)
    if args.json:
        facts = {"fields": dict(record.fields), "source": record.source, "age_s": round(record.age_s, 3)}
        print(json.dumps(facts, ensure_ascii=False))
    elif record.fields:
        for name, text in record.fields.items():
            print(f"{name}: {text}")
        print(f"({record.source}, {record.age_s:.0f} s old)")
    else:
        print(f"no record ({record.source}, {record.age_s:.0f} s old)")
    return 0 if record.fields else 1
