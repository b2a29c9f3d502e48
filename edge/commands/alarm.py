"""`edge alarm [show|reset|learn]`: what comes more often than it did, whether the line is stopped, and its end."""

from __future__ import annotations

import argparse
import json

from edge import settings
from edge.adapters.store import Store
from edge.core.alarm import outcomes_to_run
from edge.services.health import alarm_figures, alarm_sentences

_ACTIONS = ("show", "reset", "learn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do: look, let the line run again, or begin a new base."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=_ACTIONS,
        default="show",
        help="show how it stands (usual); reset: the cause is seen to, the line may run; learn: a new base begins",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, as in the message `health`")


def run(args: argparse.Namespace) -> int:
    """Do the action; 1 where an alarm stands, else 0."""
    configured = settings.load(args.config)
    store = Store.open(configured.paths.data, configured.station.name, alarm=configured.alarm.policy)
    try:
        if args.action == "reset":
            store.alarms.reset()
        elif args.action == "learn":
            store.alarms.learn()
        told = alarm_figures(store.alarms.watch(), store.alarms.policy)
        counts = store.counts()
    finally:
        store.close()
    sentences = alarm_sentences(told)
    if args.json:
        print(json.dumps(told))
        return 1 if sentences else 0
    for sentence in sentences or ["no alarm"]:
        print(sentence)
    print(f"base: {told['base_outcomes']} of {told['base_needed']} outcomes; drift by sign, 1 is an alarm:")
    for sign, near in sorted(told["nearness"].items(), key=lambda item: -item[1]):
        print(f"  {sign:20} {near:5.2f}")
    share = 1 - counts.get("reason_matched", 0) / counts["outcomes"] if counts["outcomes"] else 0.0
    limit = told["in_a_row_limit"]
    print(f"in a row that did not pass: {told['in_a_row']}" + ("" if limit is None else f" of {limit}"))
    if limit is not None and share > 0:
        apart = outcomes_to_run(share, limit)
        print(f"  by chance once in {apart:.3g} outcomes: {share:.1%} of all so far did not pass")
    return 1 if sentences else 0
