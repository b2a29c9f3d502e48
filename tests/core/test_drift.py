"""What the drift chart promises: a frozen base, no more false alarms than said, alarms where something changed."""

from __future__ import annotations

import random
from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.drift import outcomes_to_false_alarm, share_of
from edge.core.drift import SIGNS, Drift, DriftLimits, base_rate, sign_of, signs_of, step
from edge.core.outcome import DISPOSITION_OF, Attempt, Defect, Disposition, Outcome, Reason

LIMITS = DriftLimits(base_outcomes=50, factor=2.0, outcomes_per_false_alarm=1000)
BORNE = st.lists(st.frozensets(st.sampled_from(SIGNS), max_size=4), max_size=200)


def after(drift: Drift, borne: list[frozenset[str]], limits: DriftLimits = LIMITS) -> Drift:
    """The drift after these outcomes, numbered from 1."""
    for seq, signs in enumerate(borne, 1):
        drift = drift.after(signs, seq, limits)
    return drift


def learnt(rate: float = 0.02) -> Drift:
    """A drift whose base is complete, each sign with the same share."""
    return Drift(50, {}, dict.fromkeys(SIGNS, rate))


def test_every_reason_that_does_not_pass_and_every_defect_is_a_sign() -> None:
    """A new reason or defect is watched without anybody thinking of it, and each name says which it is."""
    assert {sign_of(sign) for sign in SIGNS} == {
        *(reason for reason in Reason if DISPOSITION_OF[reason] is not Disposition.PASS),
        *Defect,
    }
    assert len(set(SIGNS)) == len(SIGNS)


def test_a_passed_part_bears_the_defects_of_its_frames() -> None:
    """A retake that helped still shows that the lens gets dirty; the reason `matched` is no sign."""
    frames = (Attempt(1, defects=(Defect.GLARE, Defect.BLUR)), Attempt(2))

    assert signs_of(Outcome("i", "t", Reason.MATCHED, attempts=frames)) == {"glare", "blur"}
    assert signs_of(Outcome("i", "t", Reason.UNREADABLE, (Defect.DARK,))) == {"unreadable", "dark"}


@given(BORNE)
def test_the_base_is_frozen_once_it_is_complete(borne: list[frozenset[str]]) -> None:
    """The base is that of the first outcomes, each at least the share that was seen, and no later one changes it."""
    drift = after(Drift(), borne)
    first = after(Drift(), borne[:50])

    assert (drift.num_base, drift.base, drift.rates) == (first.num_base, first.base, first.rates)
    assert (drift.rates is not None) == (len(borne) >= 50)
    for sign, rate in (drift.rates or {}).items():
        assert sum(sign in signs for signs in borne[:50]) / 50 <= rate <= 1


@given(BORNE)
def test_scores_stay_between_nothing_and_the_limit(borne: list[frozenset[str]]) -> None:
    """An alarm stands exactly from the limit on until the score is back at 0, whatever comes in which order."""
    drift = learnt()
    for seq, signs in enumerate(borne, 1):
        before, drift = drift, drift.after(signs, seq, LIMITS)
        assert all(0 < score <= LIMITS.score(0.02) for score in drift.scores.values())
        assert all(0 < near <= 1 for near in drift.nearness(LIMITS).values())
        for sign in SIGNS:
            at_limit = drift.scores.get(sign, 0.0) >= LIMITS.score(0.02)
            stays = sign in before.since and sign in drift.scores
            assert (sign in drift.since) == (at_limit or stays)
            if stays:
                assert drift.since[sign] == before.since[sign]


@given(st.floats(1e-6, 1.0), st.floats(1.1, 100))
def test_a_step_is_a_log_likelihood_ratio(rate: float, factor: float) -> None:
    """With the base's share the expected ratio of the likelihoods is 1: this is what bounds the false alarms."""
    expected = rate * exp(step(rate, factor, seen=True)) + (1 - rate) * exp(step(rate, factor, seen=False))

    assert expected == pytest.approx(1)


@pytest.mark.parametrize("factor", [1.5, 2.0, 4.0])
@pytest.mark.parametrize("parts", [3, 14, 70])
def test_false_alarms_are_rarer_than_promised(factor: float, parts: int) -> None:
    """The exact distance of false alarms is at least what was promised, and no more than some times that."""
    for outcomes_per_false_alarm in (100, 1000, 10_000):
        limits = DriftLimits(factor=factor, outcomes_per_false_alarm=outcomes_per_false_alarm)
        exact = outcomes_to_false_alarm(limits, parts)

        assert 1 <= exact / (outcomes_per_false_alarm * len(SIGNS)) <= 25


def test_simulated_false_alarms_are_as_many_as_computed() -> None:
    """The chart itself, on random outcomes of the base's share, alarms as often as the Markov chain says."""
    factor, parts = 2.0, 14
    share = share_of(factor, parts)
    limits = DriftLimits(factor=factor, outcomes_per_false_alarm=8)
    dice = random.Random(8)
    waits, drift, begun = [], learnt(share), 0
    for seq in range(100_000):
        drift = drift.after({"glare"} if dice.random() < share else set(), seq, limits)
        if "glare" in drift.since:
            waits.append(seq + 1 - begun)
            drift, begun = learnt(share), seq + 1
    computed = outcomes_to_false_alarm(limits, parts)

    # The waits are close to exponential: their mean is off by no more than four of its own deviations.
    assert abs(np.mean(waits) - computed) < 4 * computed / len(waits) ** 0.5
    assert computed >= 8 * len(SIGNS)


def test_all_signs_together_keep_the_promise() -> None:
    """With every sign at its base's share, alarms of any sign come no more often than one in so many outcomes."""
    limits = DriftLimits(outcomes_per_false_alarm=500)
    dice, drift, began = random.Random(5), learnt(0.05), 0
    for seq in range(10_000):
        before, drift = drift, drift.after({sign for sign in SIGNS if dice.random() < 0.05}, seq, limits)
        began += len(set(drift.since) - set(before.since))

    assert began <= 10_000 / 500 + 4 * (10_000 / 500) ** 0.5


def test_a_doubled_rate_is_an_alarm_and_its_end_ends_it() -> None:
    """A sign at four times its base's share is found within some hundred outcomes; the alarm goes when it does."""
    dice, drift = random.Random(1), learnt(0.05)
    limits = DriftLimits()
    found = next(
        seq
        for seq in range(1, 3000)
        if "glare" in (drift := drift.after({"glare"} if dice.random() < 0.2 else set(), seq, limits)).since
    )
    ended = next(seq for seq in range(1, 3000) if not (drift := drift.after(frozenset(), found + seq, limits)).since)

    assert 10 <= found <= 300
    assert ended <= 300


def test_a_base_is_the_upper_end_of_what_was_seen() -> None:
    """Nothing seen in 1000 outcomes is no proof of never: the exact one-sided bound, 1 - risk^(1/n)."""
    assert base_rate(0, 1000) == pytest.approx(1 - (0.05 / len(SIGNS)) ** (1 / 1000), rel=1e-6)
    assert base_rate(50, 50) == 1
    assert learnt(1.0).after(set(SIGNS), 1, LIMITS).scores == {}


def test_rest_keeps_the_base_and_ends_every_alarm() -> None:
    """After somebody has seen to it the scores begin at 0 against the same base."""
    drift = after(learnt(), [frozenset(SIGNS)] * 100)
    rested = drift.rested()

    assert set(drift.since) == set(SIGNS)
    assert (rested.rates, rested.scores, rested.since) == (drift.rates, {}, {})
