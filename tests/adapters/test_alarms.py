"""The watch over outcomes, as the store keeps it: with each outcome, once, for every process the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.adapters.store import Store
from edge.core.alarm import AlarmPolicy, StopCause, Watch
from edge.core.drift import DriftLimits
from edge.core.outcome import Attempt, Defect, Evidence, Outcome, Reason
from edge.errors import StoreError

AT = "2026-01-01T00:00:00.000Z"
POLICY = AlarmPolicy(in_a_row=2, drift=DriftLimits(base_outcomes=3), stop_on=frozenset(StopCause))


def opened(folder: Path) -> Store:
    """The store as the inspector opens it."""
    return Store.open(folder, "st", alarm=POLICY)


def decide(store: Store, number: int, reason: Reason, **rest: object) -> Outcome:
    """A trigger and its outcome."""
    inspection_id, _ = store.add_trigger(f"t{number}", expected=None, source="x", at=AT, at_us=1)
    outcome = Outcome(inspection_id, f"t{number}", reason, **rest)  # type: ignore[arg-type]
    store.commit(outcome, topic="o", config_hash="c", at=AT)
    return outcome


def test_what_the_outcomes_add_up_to_outlives_the_process(tmp_path: Path) -> None:
    """A store that is opened anew says the same as the core does of the same outcomes, to the last score."""
    attempts = (Attempt(1, defects=(Defect.GLARE,)), Attempt(2, cause=(Defect.GLARE,), helped=True))
    outcomes, expected = [], Watch()
    for number in range(1, 8):
        store = opened(tmp_path)
        reason = Reason.OVERRUN if number in {4, 7} else Reason.MATCHED
        outcomes.append(decide(store, number, reason, attempts=attempts if number > 3 else ()))
        store.close()
    for seq, outcome in enumerate(outcomes, 1):
        expected = expected.after(outcome, POLICY, seq=seq, at=AT)
    store = opened(tmp_path)

    assert store.alarms.watch() == expected
    assert expected.drift.scores["glare"] > 0
    assert store.counts()["retake_glare_helped"] == 4
    store.close()


def test_a_stop_is_on_the_disk_with_the_outcome_that_caused_it(tmp_path: Path) -> None:
    """Another process sees outcome and stop together, and a commit that fails leaves neither (L2)."""
    store, other = opened(tmp_path), opened(tmp_path)
    decide(store, 1, Reason.OVERRUN)
    inspection_id, _ = store.add_trigger("t2", expected=None, source="x", at=AT, at_us=1)
    twice = Evidence("evidence/a.jpg", "00", 1)
    with pytest.raises(StoreError):
        store.commit(
            Outcome(inspection_id, "t2", Reason.OVERRUN, evidence=(twice, twice)), topic="o", config_hash="c", at=AT
        )
    before = other.alarms.watch()
    store.commit(Outcome(inspection_id, "t2", Reason.OVERRUN), topic="o", config_hash="c", at=AT)
    stopped = other.alarms.watch()

    assert (before.in_a_row, before.line_stop) == (1, None)
    assert stopped.line_stop is not None
    assert (stopped.line_stop.cause, stopped.line_stop.seq, stopped.line_stop.at) == (StopCause.IN_A_ROW, 2, AT)
    assert store.counts()["line_stops_in_a_row"] == 1
    store.close()
    other.close()


def test_the_same_outcome_again_is_taken_in_once(tmp_path: Path) -> None:
    """A commit that is repeated since nobody knew whether it was written counts once (L1)."""
    store = opened(tmp_path)
    outcome = decide(store, 1, Reason.OVERRUN)
    store.commit(outcome, topic="o", config_hash="c", at=AT)

    assert store.alarms.watch().in_a_row == 1
    store.close()


def test_a_reset_ends_a_stop_and_a_new_base_does_not(tmp_path: Path) -> None:
    """Whoever resets gets what was; the line may run, and stops again where it goes on as before."""
    store = opened(tmp_path)
    for number in (1, 2):
        decide(store, number, Reason.OVERRUN)
    store.alarms.learn()
    learning = store.alarms.watch()
    before = store.alarms.reset()
    ended = store.alarms.watch()
    for number in (3, 4):
        decide(store, number, Reason.OVERRUN)
    again = store.alarms.watch().line_stop

    assert learning.drift.num_base == 0
    assert before.line_stop == learning.line_stop
    assert before.line_stop is not None
    assert ended.line_stop is None
    assert again is not None
    assert again.seq == 4
    store.close()


def test_stations_of_one_store_do_not_share_a_watch(tmp_path: Path) -> None:
    """What does not pass at one station stops no other."""
    store, other = opened(tmp_path), Store.open(tmp_path, "other", alarm=POLICY)
    for number in (1, 2):
        decide(store, number, Reason.OVERRUN)

    assert other.alarms.watch() == Watch()
    store.close()
    other.close()
