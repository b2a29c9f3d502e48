"""`edge pool up`: serve the readers of this configuration to many stations, on a Ray cluster."""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Callable

from edge.adapters import images
from edge.commands.labels import LABELS, read_labels
from edge.errors import ReaderError, WorldError
from edge.pool import settings
from edge.pool.change import Labelled, change_over
from edge.products import read_product
from edge.readers import opening
from edge.readers.pool_client import PoolClient

#: A pool of this machine that answers nobody for so long is given up, so that whoever started it starts it again.
SILENT_S = 60.0
_LOOK_S = 5.0


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
        ReaderError: Ray is not installed, there is no cluster, no replica reads, or the new reader is refused.
    """
    asked = settings.load(args.config)
    if what := opening.lacking("ray"):
        raise ReaderError(f"edge pool needs {what}")
    acceptance = _labelled(asked)
    product = read_product(asked.change.product, asked.change.products)
    from edge.pool import serving  # noqa: PLC0415 - Ray takes seconds to import

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    own = serving.connect()
    try:
        if args.action == "down":
            serving.withdraw()
            print("the pool serves no longer")
            return 0
        for sentence in change_over(asked, serving, acceptance, product):
            print(sentence, flush=True)
        if own:
            print("Ctrl-C ends it, and Ray on this machine with it", flush=True)
            watch(serving.url_of(asked), stop.wait)
        return 0
    finally:
        serving.leave()


def watch(url: str, wait: Callable[[float], bool], *, silent_s: float = SILENT_S) -> None:
    """Look at a pool's proxy until `wait` says that it is to end; replicas that load or are replaced are Ray's affair.

    Raises:
        ReaderError: it has answered nobody for so long: its cluster's head is gone.
    """
    client, heard_s = PoolClient(url, "edge-pool-up"), time.monotonic()
    try:
        while not wait(min(_LOOK_S, silent_s / 4)):
            try:
                client.alive(_LOOK_S)
                heard_s = time.monotonic()
            except ReaderError as error:
                if time.monotonic() - heard_s > silent_s:
                    raise ReaderError(
                        f"the pool has not answered for {silent_s:g} s: {error}; start it again"
                    ) from None
    finally:
        client.close()


def _labelled(asked: settings.PoolSettings) -> list[Labelled]:
    """The acceptance set.

    Raises:
        ReaderError: an image cannot be read.
        UseError: the labels are wrong.
    """
    folder = asked.change.acceptance
    if folder is None:
        return []
    try:
        return [Labelled((folder / label.file).read_bytes(), label.texts) for label in read_labels(folder / LABELS)]
    except OSError as error:
        name = images.shown(str(error.filename))
        raise WorldError(f"{name} of the acceptance set cannot be read ({error.strerror}); correct {LABELS}") from None
