"""How the gate's curves are learnt and judged: the fit, the spoiling, and error against discard."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gate_curves import area, errors
from bench.retakes import mcnemar
from tests.vision.drawn_frames import scene
from training.gate.fit import Measured, isotonic, knots_of, logistic
from training.gate.spoil import SPOILS, Text

WHOLE = scene(scale=0.5)
TEXT = Text(WHOLE.boxes, 2)


@pytest.mark.parametrize(("a", "b"), [(-6.0, 2.0), (5.0, -1.5)])
def test_a_known_curve_is_found_again(a: float, b: float) -> None:
    """From reads that follow a curve, its half-way point comes out within a tenth of the scale, either way round."""
    dice = np.random.default_rng(3)
    raw = dice.uniform(0, 6, 2000)
    wrong = (dice.random(2000) < 1 / (1 + np.exp(-(a + b * raw)))).astype(np.float64)

    found_a, found_b = logistic(raw, wrong, 0.0)

    assert -found_a / found_b == pytest.approx(-a / b, abs=0.3)
    assert found_b * b > 0


def test_reads_that_part_cleanly_give_a_finite_curve() -> None:
    """Where no raw value is read both ways, the ridge keeps the curve from becoming a wall at infinity."""
    raw = np.linspace(0, 10, 50)

    a, b = logistic(raw, (raw > 5).astype(np.float64), 0.0)

    assert np.isfinite([a, b]).all()
    assert -a / b == pytest.approx(5, abs=0.5)


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1, max_size=80), st.booleans())
def test_isotonic_shares_never_fall_from_best_to_worst(reads: list[tuple[float, bool]], rising: bool) -> None:
    """Pooled shares are monotone, and no read is lost."""
    raw, wrong = np.asarray(reads, np.float64).T

    pools = isotonic(raw, wrong, rising=rising)

    shares = [share for _, share, _ in pools]
    assert shares == sorted(shares)
    assert sum(number for _, _, number in pools) == len(reads)


@given(st.floats(-20, 20), st.floats(0.01, 5), st.floats(0, 10), st.booleans())
def test_knots_run_from_100_to_0_in_order(a: float, b: float, good: float, rising: bool) -> None:
    """Whatever the fit, a curve of scores is monotone from its best end to its worst."""
    one = Measured((), 0.0, 10.0) if rising else Measured((), 10.0, 0.0)

    knots = knots_of(a, b if rising else -b, one, good)

    assert (knots[0][1], knots[-1][1]) == (100, 0)
    assert [score for _, score in knots] == sorted((score for _, score in knots), reverse=True)
    assert [raw for raw, _ in knots] == sorted((raw for raw, _ in knots), reverse=not rising)


@pytest.mark.parametrize("way", SPOILS)
def test_strength_0_leaves_a_frame_alone_and_more_changes_more(way: str) -> None:
    """Every way begins at the frame itself, and changes it the more, the stronger it is."""
    same, some, much = (SPOILS[way](WHOLE.frame, TEXT, strength) for strength in (0.0, 0.4, 0.9))

    assert np.array_equal(same, WHOLE.frame)
    if way == "shrink":
        assert WHOLE.frame.shape > some.shape > much.shape
    else:
        change = [float(np.abs(one.astype(int) - WHOLE.frame).mean()) for one in (some, much)]
        assert 0 < change[0] < change[1]


def test_glare_beside_and_between_lines_touches_no_line() -> None:
    """What is to be let pass hides no pixel of a line's middle."""
    for way in ("glare_beside", "glare_between"):
        spoilt = SPOILS[way](WHOLE.frame, TEXT, 1.0)
        for (left, top), _, (right, bottom), _ in WHOLE.boxes:
            rows = slice(round(top + 0.25 * (bottom - top)), round(bottom - 0.25 * (bottom - top)))
            line = (rows, slice(round(left), round(right)))
            assert np.array_equal(spoilt[line], WHOLE.frame[line]), way


def test_a_gate_that_knows_discards_the_wrong_first() -> None:
    """A perfect order has no error after as much is discarded as is wrong; one that knows nothing keeps its share."""
    bad = np.array([0.0, 1.0, 0.0, 1.0])

    perfect = errors(np.array([4.0, 1.0, 3.0, 2.0]), bad)

    assert list(perfect) == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert list(errors(np.zeros(4), bad)) == pytest.approx([0.5] * 4)
    assert area(-bad, bad) < area(np.zeros(4), bad) < area(bad, bad)


@pytest.mark.parametrize(("one", "other", "chance"), [(0, 0, 1.0), (6, 0, 0.03125), (3, 3, 1.0), (9, 1, 0.021484375)])
def test_the_chance_of_uneven_pairs_is_exact(one: int, other: int, chance: float) -> None:
    """McNemar's exact test, two-sided."""
    assert mcnemar(one, other) == pytest.approx(chance)
