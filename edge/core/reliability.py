"""Turn labelled reads into a reliability table and thresholds. Pure counting; nothing is fitted here but a step curve.

A threshold is chosen on some reads and measured on others: what was chosen where none is wrong looks better than it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import exp, isfinite

from edge.core.calibration import Measured, Threshold

#: Weight of the pull towards the scores as they are: that of as many reads in doubt.
_PULL = 4.0


@dataclass(frozen=True, slots=True)
class Scored:
    """One labelled read: its score (log-odds that it is right, as fitted), and whether it is wrong."""

    score: float
    wrong: bool


@dataclass(frozen=True, slots=True)
class Band:
    """Reads between two scores: how many, how many wrong, and what share was said to be wrong on average."""

    low: float
    high: float
    reads: int
    wrong: int
    said: float


def risk_table(reads: Sequence[Scored]) -> tuple[tuple[float, float], ...]:
    """The share of wrong reads by score, falling with it (isotonic, pools of adjacent violators).

    Half of a wrong one is counted on top in each pool: no score means never wrong. A pool stands at its mean score.
    """
    pools: list[tuple[float, float, int]] = []  # sum of scores, wrong ones, reads
    for read in sorted(reads, key=lambda one: one.score):
        pools.append((read.score, float(read.wrong), 1))
        while len(pools) > 1 and pools[-2][1] / pools[-2][2] <= pools[-1][1] / pools[-1][2]:
            score, wrong, number = pools.pop()
            below = pools.pop()
            pools.append((below[0] + score, below[1] + wrong, below[2] + number))
    shares = [min(1.0, (wrong + 0.5) / (number + 1)) for _, wrong, number in pools]
    falling = list(accumulate(shares, min))
    rows = [(round(score / number, 6), round(s, 7)) for (score, _, number), s in zip(pools, falling, strict=True)]
    return tuple(row for row, after in zip(rows, [*rows[1:], (float("inf"), 0.0)], strict=True) if row[0] < after[0])


def measured(reads: Sequence[Scored], score: float) -> Measured:
    """How the reads at or above a score came out."""
    accepted = [read for read in reads if read.score >= score]
    return Measured(len(accepted), sum(read.wrong for read in accepted), len(reads))


def least_score(rate: float, reads: Sequence[Scored]) -> float | None:
    """The least score from which on the share of wrong reads is no more than the rate, as counted and as said.

    As counted alone, few reads would give any rate; what the fit says goes on where the counting ends. None: no score
    is so sure.
    """
    best = None
    wrong, said = 0, 0.0
    for number, read in enumerate(sorted(reads, key=lambda one: (-one.score, not one.wrong)), start=1):
        wrong += read.wrong
        said += 1 / (1 + exp(min(read.score, 700.0)))
        if max(wrong, said) <= rate * number:
            best = read.score
    if best is None:
        return None
    # Reads with one and the same score stand or fall together.
    return best if measured(reads, best).wrong <= rate * measured(reads, best).accepted else _above(best, reads)


def _above(score: float, reads: Sequence[Scored]) -> float | None:
    return min((read.score for read in reads if read.score > score), default=None)


def thresholds(
    rates: Sequence[float], chosen_on: Sequence[Scored], measured_on: Sequence[Scored]
) -> tuple[Threshold, ...]:
    """A threshold a rate, the greatest rate first.

    A rate that no score reaches has none, nor one whose threshold none of the other reads reached: it was not measured.
    """
    found = []
    least = float("-inf")
    for rate in sorted(rates, reverse=True):
        score = least_score(rate, chosen_on)
        if score is not None:
            # A stricter rate never has a lower score: the count of a handful of reads may say so by chance.
            least = max(least, score)
            found.append(Threshold(rate, least, measured(measured_on, least)))
    return tuple(one for one in found if one.measured.accepted)


def bands(reads: Sequence[Scored], said: Sequence[float], edges: Sequence[float]) -> tuple[Band, ...]:
    """The reliability table: reads by what share of them was said to be wrong, between edges that rise."""
    table = []
    for low, high in pairwise(edges):
        inside = [(read, share) for read, share in zip(reads, said, strict=True) if low <= share < high]
        if inside:
            wrong = sum(read.wrong for read, _ in inside)
            table.append(Band(low, high, len(inside), wrong, sum(share for _, share in inside) / len(inside)))
    return tuple(table)


def rescaled(reads: Sequence[Scored]) -> tuple[float, float]:
    """Slope and shift that make scores the log-odds that these reads are right (logistic regression on the score).

    Drawn towards slope 1 and shift 0, so that a handful of reads changes little; the slope is never under 0.1, since a
    higher score stays the surer one.
    """
    slope, shift = 1.0, 0.0
    finite = [read for read in reads if isfinite(read.score)]
    for _ in range(50):
        toward = [-(slope - 1.0) * _PULL, -shift * _PULL]
        curve = [_PULL, 0.0, _PULL]
        for read in finite:
            right = 1 / (1 + exp(-max(-30.0, min(30.0, slope * read.score + shift))))
            miss, weight = (not read.wrong) - right, right * (1 - right)
            toward[0] += miss * read.score
            toward[1] += miss
            curve[0] += weight * read.score**2
            curve[1] += weight * read.score
            curve[2] += weight
        under = curve[0] * curve[2] - curve[1] ** 2
        step = (
            (toward[0] * curve[2] - toward[1] * curve[1]) / under,
            (toward[1] * curve[0] - toward[0] * curve[1]) / under,
        )
        slope, shift = max(0.1, slope + max(-1.0, min(1.0, step[0]))), shift + max(-2.0, min(2.0, step[1]))
        if max(map(abs, step)) < 1e-9:
            break
    return slope, shift
