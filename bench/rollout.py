"""How often a roll-out stops: a release that is no worse, and one that holds more parts, at the first station.

`python -m bench.rollout` throws the dice of many roll-outs of one stage; processor time alone, no broker.
"""

from __future__ import annotations

import argparse
import random

from edge.core.rollout import Limits, Table, chance_of_as_many

SHARES = (0.01, 0.02, 0.05, 0.10)
WITH = (1, 2, 3, 4, 6)


def stopped(before: float, after: float, limits: Limits, dice: random.Random) -> bool:
    """One stage of one station: whether any look stops it."""
    base = sum(dice.random() < before for _ in range(limits.outcomes))
    held = 0
    for look in range(1, limits.looks + 1):
        size = limits.outcomes * look // limits.looks
        done = limits.outcomes * (look - 1) // limits.looks
        held += sum(dice.random() < after for _ in range(size - done))
        if chance_of_as_many([Table(limits.outcomes, base, size, held)]) <= limits.chance:
            return True
    return False


def main() -> None:
    """Print a table: rows by the share held before, columns by how many times as many are held after."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--outcomes", type=int, default=Limits().outcomes)
    args = parser.parse_args()
    limits, dice = Limits(outcomes=args.outcomes), random.Random(1)
    print(f"{limits.outcomes} outcomes before and after, {limits.looks} looks, chance of one test {limits.chance:.5f}")
    print("held before  " + "".join(f"{f'x{times}':>8}" for times in WITH))
    for share in SHARES:
        hits = [
            sum(stopped(share, min(1.0, share * times), limits, dice) for _ in range(args.runs)) / args.runs
            for times in WITH
        ]
        print(f"{share:>10.0%}   " + "".join(f"{hit:>8.1%}" for hit in hits))


if __name__ == "__main__":
    main()
