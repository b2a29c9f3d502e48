"""How soon a drift is told, and how rarely nothing is: the chart of `edge.core.drift` on simulated outcomes.

Run: `python bench/drift.py`. Each row is one sign, by its share in the base: the limit of its score; outcomes to a
false alarm, exact by a Markov chain, and against what is promised for one sign of all; outcomes until a share that has
risen is told, mean of so many runs.
"""

from __future__ import annotations

import argparse
import random
import statistics
from math import ceil, log

import numpy as np

from edge.core.drift import SIGNS, Drift, DriftLimits

#: Shares whose steps of the score lie on a grid (`share_of`), so that the chain is exact.
PARTS = (14, 35, 70, 139)
RISES = (2, 3, 5, 10)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--factor", type=float, default=2.0)
    asked = parser.parse_args()
    limits = DriftLimits(factor=asked.factor)
    promised = limits.outcomes_per_false_alarm * len(SIGNS)
    risen = " | ".join(f"x {rise}" for rise in RISES)
    print(f"factor {limits.factor}, one false alarm of a sign in {promised:,} outcomes promised")
    print(f"| share in the base | limit | false alarm once in | as promised x | {risen} |")
    print("| ---: " * (4 + len(RISES)) + "|")
    for parts in PARTS:
        share = share_of(limits.factor, parts)
        exact = outcomes_to_false_alarm(limits, parts)
        delays = [delay(share, min(0.95, share * rise), limits, asked.runs) for rise in RISES]
        told = " | ".join(f"{one:,.0f}" for one in delays)
        print(f"| {share:.1%} | {limits.score(share):.1f} | {exact:,.0f} | {exact / promised:.1f} | {told} |")


def share_of(factor: float, parts: int) -> float:
    """The share where a sign weighs `parts` - 1 units up and its absence one unit down, log(factor) / parts each."""
    return float(factor ** (1 / parts) - 1) / (factor - 1)


def outcomes_to_false_alarm(limits: DriftLimits, parts: int) -> float:
    """Exact mean number of outcomes to the first false alarm of a sign whose share is that, in the base and since.

    By the Markov chain of Brook and Evans, Biometrika 59 (1972) 539-549.
    """
    share = share_of(limits.factor, parts)
    units = ceil(limits.score(share) * parts / log(limits.factor) - 1e-9)
    moves = np.zeros((units, units))
    for state in range(units):
        moves[state, max(0, state - 1)] += 1 - share
        if state + parts - 1 < units:
            moves[state, state + parts - 1] += share
    return float(np.linalg.solve(np.eye(units) - moves, np.ones(units))[0])


def delay(share: float, risen: float, limits: DriftLimits, runs: int) -> float:
    """Mean number of outcomes until the alarm of a share that has risen, from a score of 0."""
    dice = random.Random(f"{share} {risen}")
    return statistics.mean(_until_alarm(share, risen, limits, dice) for _ in range(runs))


def _until_alarm(share: float, risen: float, limits: DriftLimits, dice: random.Random) -> int:
    drift, seq = Drift(rates=dict.fromkeys(SIGNS, share)), 0
    while not drift.since:
        seq += 1
        drift = drift.after({"glare"} if dice.random() < risen else set(), seq, limits)
    return seq


if __name__ == "__main__":
    main()
