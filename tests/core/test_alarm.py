"""When the line should stop, and that it stays stopped until a person says otherwise."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.alarm import AlarmPolicy, LineStop, StopCause, Watch, in_a_row_alarm, outcomes_to_run
from edge.core.drift import SIGNS, Drift, DriftLimits
from edge.core.outcome import Disposition, Outcome, Reason

AT = "2026-01-01T00:00:00.000Z"
REASONS = st.lists(st.sampled_from(Reason), max_size=60)
ALL = AlarmPolicy(in_a_row=3, stop_on=frozenset(StopCause))


def after(watch: Watch, reasons: list[Reason], policy: AlarmPolicy = ALL) -> Watch:
    """The watch after outcomes with these reasons, numbered from 1."""
    for seq, reason in enumerate(reasons, 1):
        watch = watch.after(Outcome(f"i{seq}", f"t{seq}", reason), policy, seq=seq, at=AT)
    return watch


@given(REASONS)
def test_parts_in_a_row_are_those_since_the_last_pass(reasons: list[Reason]) -> None:
    """Holds and failures count alike; one pass begins anew."""
    newest = [Outcome("i", "t", reason).disposition for reason in reversed(reasons)]
    expected = newest.index(Disposition.PASS) if Disposition.PASS in newest else len(newest)
    watch = after(Watch(), reasons)

    assert watch.in_a_row == expected
    assert in_a_row_alarm(watch, ALL) == (expected >= 3)
    assert not in_a_row_alarm(watch, AlarmPolicy(in_a_row=None))


@given(REASONS, REASONS)
def test_a_stop_stays_whatever_is_decided_until_it_is_reset(before: list[Reason], later: list[Reason]) -> None:
    """A stop names the outcome that caused it and never changes by outcomes; a reset begins the counting at 0."""
    stopped = after(Watch(), [*before, Reason.MATCHED, *[Reason.OVERRUN] * 3])
    on = after(stopped, later)
    ended = on.reset()

    assert stopped.line_stop is not None
    assert on.line_stop == stopped.line_stop
    assert (ended.line_stop, ended.in_a_row, ended.drift.rates) == (None, 0, on.drift.rates)


@given(REASONS)
def test_nothing_stops_the_line_unless_the_site_says_so(reasons: list[Reason]) -> None:
    """Without `stop_on` an alarm is told, and the line runs."""
    assert after(Watch(), reasons, AlarmPolicy(in_a_row=1)).line_stop is None


@given(REASONS)
def test_the_line_stops_at_the_very_outcome(reasons: list[Reason]) -> None:
    """It stands still exactly where so many in a row did not pass, no outcome earlier or later."""
    watch, run = Watch(), 0
    for seq, reason in enumerate(reasons, 1):
        watch = watch.after(Outcome("i", "t", reason), ALL, seq=seq, at=AT)
        run = 0 if reason is Reason.MATCHED else run + 1
        if run == 3:
            assert watch.line_stop == LineStop(StopCause.IN_A_ROW, (), seq, AT)
            return
        assert watch.line_stop is None


def test_drift_stops_the_line_once_and_not_again_after_a_reset_for_the_same_evidence() -> None:
    """The stop names the sign; after the reset the evidence has to come anew."""
    policy = AlarmPolicy(None, DriftLimits(outcomes_per_false_alarm=100), frozenset({StopCause.DRIFT}))
    watch = Watch(drift=Drift(50, {}, dict.fromkeys(SIGNS, 0.02)))
    watch = after(watch, [Reason.MISMATCH] * 30, policy)
    again = after(watch.reset(), [Reason.MISMATCH, Reason.MATCHED], policy)

    assert watch.line_stop is not None
    assert (watch.line_stop.cause, watch.line_stop.signs) == (StopCause.DRIFT, ("mismatch",))
    assert again.line_stop is None


def test_a_new_base_leaves_a_stop_standing() -> None:
    """To say that rates are others now is not to say that the line may run."""
    watch = after(Watch(), [Reason.OVERRUN] * 3).learn()

    assert watch.line_stop is not None
    assert watch.drift == Drift()


@pytest.mark.parametrize(("share", "length"), [(0.5, 4), (0.3, 3)])
def test_runs_come_by_chance_as_often_as_computed(share: float, length: int) -> None:
    """Feller's formula for the mean distance of runs, against simulated ones."""
    dice, waits, run, begun = random.Random(3), [], 0, 0
    for number in range(1, 200_001):
        run = run + 1 if dice.random() < share else 0
        if run == length:
            waits.append(number - begun)
            run, begun = 0, number
    mean = sum(waits) / len(waits)

    assert abs(mean - outcomes_to_run(share, length)) < 4 * mean / len(waits) ** 0.5
    assert outcomes_to_run(0, 3) == float("inf")
    assert outcomes_to_run(1, 3) == 3
