"""`edge replay`: read kept frames again with another reader or other limits, and show every outcome that would change.

Promises: nothing is written, no message is sent, no camera and no ERP is asked; every outcome of the time asked for is
counted once: played (changed or not), open (its new way needs what was never taken), not played (no frame decided it,
and an earlier edge kept no course), or failed (its frames are gone or are not what their hash says; exit 1). With the
reader, the product and the settings of then, the very bytes of the outcome come again: `identical` counts them.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from edge.commands import image_files
from edge.commands.replay_source import Rules, opened
from edge.commands.replay_story import Decision, Kept, Played, play
from edge.errors import WorldError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is played again, and with what."""
    parser.add_argument(
        "source",
        nargs="?",
        type=Path,
        metavar="BUNDLE|DIR",
        help="a bundle of `edge record`, or a data folder (edge.db and evidence/)",
    )
    parser.add_argument("--since", metavar="T", help="from this time on, as 2026-01-31T06:00; alone: the station's own")
    parser.add_argument(
        "--station", metavar="S", help="whose outcomes of DIR (else the configuration's, else the only)"
    )
    parser.add_argument(
        "--limit", type=int, default=1000, metavar="N", help="at most so many, the newest (%(default)s)"
    )
    parser.add_argument(
        "--product", metavar="P", help="product: its name or its file (else the bundle's or the configuration's)"
    )
    image_files.add_reader_arguments(parser)
    parser.add_argument(
        "--running", action="store_true", help="ask the station's running reader, and load none (needs --config)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line for every outcome")


def run(args: argparse.Namespace) -> int:
    """Play them again, oldest first; 1 where a frame is gone or is not what its hash says.

    Raises:
        UseError: neither a bundle, a folder nor a time is named.
        BundleError: the bundle cannot be used.
        StoreError: the store cannot be read.
    """
    image_files.printable_stdout()
    counted: Counter[str] = Counter()
    num_identical = 0
    console = Console()
    with opened(args) as parts:
        for kept, rules in parts:
            told, why, played = _play(kept, rules)
            counted[told] += 1
            num_identical += played is not None and played.identical is True
            if args.json:
                image_files.print_json(_facts(kept, told, why, played))
            elif told in ("changed", "open", "failed"):
                console.print(_line(kept, told, why, played), highlight=False, soft_wrap=True)
            sys.stdout.flush()
    if not args.json:
        console.print(_summary(counted, num_identical), highlight=False)
    return 1 if counted["failed"] else 0


def _play(kept: Kept, rules: Rules) -> tuple[str, str, Played | None]:
    """What came of one: in a word, why, and the decisions."""
    if not kept.playable:
        return "not played", f"{kept.outcome['reason']}: no kept frame decided it", None
    try:
        played = play(kept, rules.reader(), rules.product, rules.policy, rules.config_hash)
    except WorldError as error:
        return "failed", str(error), None
    told = "open" if played.now is None else "changed" if played.changed else "same"
    return told, played.open, played


def _facts(kept: Kept, told: str, why: str, played: Played | None) -> dict[str, Any]:
    return {
        "seq": kept.outcome["seq"],
        "inspection_id": kept.outcome["inspection_id"],
        "at": kept.outcome["at"],
        "replay": told,
        "identical": None if played is None else played.identical,
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


def _line(kept: Kept, told: str, why: str, played: Played | None) -> str:
    head = f"{kept.outcome['seq']:6} {kept.outcome['at']} "
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


def _summary(counted: Counter[str], num_identical: int) -> str:
    played = counted["same"] + counted["changed"]
    return (
        f"{counted.total()} outcomes: {played} played again, of which {counted['changed']} would change and "
        f"{num_identical} came byte for byte; "
        f"{counted['open']} would need what was never taken, {counted['not played']} were decided by no frame, "
        f"{counted['failed']} failed"
    )
