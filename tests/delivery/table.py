"""The table of faults and promises, counted anew: `python -m tests.delivery.table --rounds 20`."""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

from edge.adapters import mqtt_connection
from edge.services import delivery, messenger
from tests.brokers import wait_for
from tests.delivery.faults import FAULTS, OUTCOMES, Verdict, play
from tests.delivery.hostile import HostileBroker
from tests.delivery.station import Station

PROMISES = ("same_bytes", "one_content", "in_order", "nothing_lost", "dead_as_told", "bounded")


def hasty(set_to: Callable[[Any, str, Any], None]) -> None:
    """Make the waits short; their order and number are as ever."""
    set_to(delivery, "FIRST_WAIT_US", 2_000)
    set_to(delivery, "LONGEST_WAIT_US", 20_000)
    set_to(messenger, "TURN_MS", 20)
    set_to(mqtt_connection, "CONNECT_TIMEOUT_S", 0.2)
    set_to(mqtt_connection, "ACK_TIMEOUT_S", 0.3)


def rounds_of(name: str, rounds: int, seed: int) -> list[Verdict]:
    """So many rounds of one fault, at one station."""
    chance = random.Random(f"{seed} {name}")
    with tempfile.TemporaryDirectory() as folder:
        broker = HostileBroker()
        station = Station(Path(folder), broker.port)
        try:
            return [play(name, station, broker, chance, wait_for) for _ in range(rounds)]
        finally:
            station.close()
            broker.close()


def row(name: str, verdicts: list[Verdict]) -> str:
    """One row of the table in Markdown: how many rounds kept each promise."""
    kept = [sum(getattr(verdict, promise) for verdict in verdicts) for promise in PROMISES]
    repeats = sum(verdict.tries for verdict in verdicts) - OUTCOMES * len(verdicts)
    return f"| {name} | {len(verdicts)} | " + " | ".join(map(str, [*kept, repeats])) + " |"


def main() -> int:
    """Print the table; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    hasty(setattr)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    begun_s = time.monotonic()
    print("| fault | rounds | " + " | ".join(name.replace("_", " ") for name in PROMISES) + " | repeats |")
    print("| --- |" + " ---: |" * (len(PROMISES) + 2))
    broken = 0
    for name in FAULTS:
        verdicts = rounds_of(name, wanted.rounds, wanted.seed)
        broken += sum(not verdict.holds for verdict in verdicts)
        print(row(name, verdicts), flush=True)
    print(f"{len(FAULTS) * wanted.rounds} rounds, {broken} with a broken promise, {time.monotonic() - begun_s:.0f} s")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
