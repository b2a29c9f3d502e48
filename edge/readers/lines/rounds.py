"""0 and O of a plate: told apart by how they lean beside the plate's others.

An O of one face looks like the 0 of another, and within one face they differ: zeros of numbers and Os of words say what
either looks like here. Faces that were learnt from (`training/letters/plates.py`) say how far the two lie apart where a
plate has none of them. Plates in several faces are among what was learnt from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import median
from typing import NamedTuple

import numpy as np

from edge.readers.lines.glyphs import Glyph, Glyphs
from edge.readers.lines.twins import LEAST_SAID, ROUND, codes, runs, shared
from edge.readers.lines.weights import TWINS as WEIGHTS

#: What shape alone may say, as log odds: within a face spreads were learnt from few that lie far out.
_MOST_SHAPE = 12.0


class Known(NamedTuple):
    """How zeros and Os lean: on average over faces, how much that varies among faces, and within one; what counts."""

    zero: float
    letter: float
    zero_variance: float
    letter_variance: float
    covariance: float
    zero_noise: float  # variance within a face
    letter_noise: float
    bias: float
    shape: float
    read: float

    def odds(self, glyph: Glyph, next_ones: Expected) -> float:
        """The log odds that a 0 or O is an O."""
        shape, read = evidence(glyph, next_ones)
        return self.bias + self.shape * shape + self.read * read


class Expected(NamedTuple):
    """How the next 0 and the next O of a plate lean: mean and variance of each."""

    zero: tuple[float, float]
    letter: tuple[float, float]


@cache
def _known() -> Known:
    with np.load(WEIGHTS) as kept:
        return Known(*(float(one) for one in kept["rounds"]))


def on_a_plate(lines: Sequence[Glyphs]) -> list[Glyphs]:
    """A plate's lines, each 0 and O of its codes decided."""
    asked = [[n for n in codes(line) if line[n].text in ROUND] if _has_round(line) else [] for line in lines]
    if not any(asked):
        return list(lines)
    known = _known()
    next_ones = expected(*leanings(lines), known)
    told = [list(line) for line in lines]
    for line, places in zip(told, asked, strict=True):
        for n in places:
            share = 1 / (1 + math.exp(-known.odds(line[n], next_ones)))
            line[n] = shared(line[n], {"O": share, "0": 1 - share})
    return [tuple(line) for line in told]


def leanings(lines: Sequence[Glyphs]) -> tuple[list[float], list[float]]:
    """How the zeros of a plate's numbers lean, and the Os of its words in capitals."""
    zeros: list[float] = []
    letters: list[float] = []
    for line in filter(_has_round, lines):
        for begin, end in runs(line):
            run = line[begin:end]
            if len(run) > 1 and all(one.text.isdigit() for one in run):
                zeros += [one.leaning for one in run if one.text == "0"]
            elif len(run) > 2 and all(one.text.isupper() for one in run):
                letters += [one.leaning for one in run if one.text == "O"]
    return zeros, letters


def _has_round(line: Glyphs) -> bool:
    return any(one.text in ROUND for one in line)


def expected(zeros: Sequence[float], letters: Sequence[float], known: Known) -> Expected:
    """What the next ones look like, after those that were seen: two normal variables, one told after the other."""
    mean = [known.zero, known.letter]
    spread = [[known.zero_variance, known.covariance], [known.covariance, known.letter_variance]]
    for at, seen, noise in ((0, zeros, known.zero_noise), (1, letters, known.letter_noise)):
        if seen:
            whole = spread[at][at] + noise / len(seen)
            gain = [spread[0][at] / whole, spread[1][at] / whole]
            off = median(seen) - mean[at]
            mean = [one + by * off for one, by in zip(mean, gain, strict=True)]
            row = spread[at]
            spread = [
                [one - by * other for one, other in zip(line, row, strict=True)]
                for line, by in zip(spread, gain, strict=True)
            ]
    return Expected(
        (mean[0], max(spread[0][0], 0.0) + known.zero_noise), (mean[1], max(spread[1][1], 0.0) + known.letter_noise)
    )


def evidence(glyph: Glyph, next_ones: Expected) -> tuple[float, float]:
    """What speaks for an O, as log odds: its shape beside what is expected, and what was read."""
    said = glyph.likely
    read_o, read_zero = (max(said.get(one, 0.0), LEAST_SAID) for one in ("O", "0"))
    shape = _fits(glyph.leaning, *next_ones.letter) - _fits(glyph.leaning, *next_ones.zero)
    return max(-_MOST_SHAPE, min(_MOST_SHAPE, shape)), math.log(read_o / read_zero)


def _fits(value: float, mean: float, variance: float) -> float:
    """Log density of a normal variable, but for a constant."""
    return -0.5 * ((value - mean) ** 2 / variance + math.log(variance))
