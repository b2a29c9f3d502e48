"""`edge pool up`: serve the readers of this configuration to many stations, on a Ray cluster."""

from __future__ import annotations

import argparse
import signal
import threading

from edge.errors import ReaderError
from edge.pool import settings
from edge.readers import opening


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with the pool."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser(
        "up", help="serve by --config, on the cluster of RAY_ADDRESS or on this machine; a running pool is changed over"
    )
    actions.add_parser("down", help="end the pool on the cluster of RAY_ADDRESS")


def run(args: argparse.Namespace) -> int:
    """Serve, or end.

    Raises:
        ConfigError: the configuration is wrong.
        ReaderError: Ray is not installed, there is no cluster, or no replica reads.
    """
    asked = settings.load(args.config)
    if what := opening.lacking("ray"):
        raise ReaderError(f"edge pool needs {what}")
    from edge.pool import serving  # noqa: PLC0415 - Ray takes seconds to import
    from edge.pool.change import change_over  # noqa: PLC0415 - it imports Ray

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    own = serving.connect()
    try:
        if args.action == "down":
            serving.withdraw()
            print("the pool serves no longer")
            return 0
        for sentence in change_over(asked):
            print(sentence, flush=True)
        if own:
            print("Ctrl-C ends it, and Ray on this machine with it", flush=True)
            stop.wait()
        return 0
    finally:
        serving.leave()
