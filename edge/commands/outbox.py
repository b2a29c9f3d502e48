"""`edge outbox list|retry|drop`: what waits for the broker, and what to do with what was set aside."""

from __future__ import annotations

import argparse
import json

from edge import settings
from edge.adapters.outbox import Message
from edge.adapters.store import Store
from edge.errors import UseError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Three actions: look, send again, give up."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="show what waits and what was set aside, oldest first")
    listing.add_argument("--json", action="store_true", help="one JSON object a line, with the message itself")
    listing.add_argument("--limit", type=int, default=1000, metavar="N", help="show at most so many of each kind")
    retry = actions.add_parser("retry", help="send dead letters again, each at its old place in the order")
    retry.add_argument("rows", nargs="*", type=int, metavar="ROW", help="which ones; without any: all of them")
    drop = actions.add_parser("drop", help="give dead letters up; their outcomes stay in the store")
    drop.add_argument("rows", nargs="+", type=int, metavar="ROW", help="which ones")


def run(args: argparse.Namespace) -> int:
    """Do the action; 0, or an error of one sentence."""
    configured = settings.load(args.config)
    store = Store.open(configured.paths.data, configured.station.name)
    try:
        if args.action == "list":
            _list(store, args.limit, as_json=args.json)
        elif args.action == "retry":
            _retry(store, args.rows)
        else:
            for row_id in args.rows:
                store.outbox.drop(row_id)
                print(f"dropped {row_id}")
    finally:
        store.close()
    return 0


def _list(store: Store, limit: int, *, as_json: bool) -> None:
    waiting, dead = store.outbox.pending(limit), store.outbox.dead_letters(limit)
    if as_json:
        for state, message in [*(("dead", each) for each in dead), *(("waiting", each) for each in waiting)]:
            print(json.dumps(_facts(message, state)))
        return
    print(f"{store.outbox.num_waiting()} waiting, {store.outbox.num_dead()} dead letters")
    for state, messages in (("dead", dead), ("waiting", waiting)):
        for message in messages:
            refusal = f", refused {message.attempts} times: {message.reason}" if message.reason else ""
            print(f"{message.row_id:8} {state:8}{message.kind:8} {message.inspection_id or '-'} {message.at}{refusal}")


def _facts(message: Message, state: str) -> dict[str, object]:
    return {
        "row": message.row_id,
        "state": state,
        "kind": message.kind,
        "inspection_id": message.inspection_id,
        "topic": message.topic,
        "at": message.at,
        "age_s": round(message.age_s, 3),
        "attempts": message.attempts,
        "reason": message.reason,
        "properties": dict(message.properties),
        "message": message.payload.decode(),
    }


def _retry(store: Store, rows: list[int]) -> None:
    if not rows:
        print(f"{store.outbox.retry()} dead letters will be sent again")
        return
    for row_id in rows:
        if not store.outbox.retry(row_id):
            raise UseError(f"{row_id} is no dead letter: see `edge outbox list`")
        print(f"{row_id} will be sent again")
