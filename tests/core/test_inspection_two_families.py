"""An inspection whose frames two readers of different families read: each is a look of its own."""

from __future__ import annotations

from dataclasses import replace

from edge.core.actions import AnnounceRetake
from edge.core.assess import assess
from edge.core.events import Event
from edge.core.inspection import State
from edge.core.outcome import Defect, Reason
from edge.core.reading import Reading, joint_hash
from tests.core.parts import (
    FOUND,
    MODEL,
    PLATE,
    SERIAL,
    T,
    both,
    field,
    judged,
    outcome_of,
    policy,
    product,
    reading,
    run,
    taken,
    triggered,
    was_read,
)


def read_by_both(number: int, at_us: int, second: Reading, first: Reading | None = None) -> list[Event]:
    """One frame that two readers of different families read."""
    return [taken(at_us, number), judged(at_us, number), was_read(at_us, number, both(first or reading(), second))]


def test_one_frame_that_two_families_read_alike_passes() -> None:
    """Where two looks are needed, one frame read alike by two families is enough; the outcome says who read what."""
    _, actions = run(triggered(T), *read_by_both(1, T + 100_000, reading()), replace(FOUND, attempt=1))

    outcome = outcome_of(actions)
    assert (outcome.reason, len(outcome.attempts), outcome.fields["serial"].looks) == (Reason.MATCHED, 1, 2)
    assert (outcome.reader, outcome.reader_hash) == ("ocr+vlm", joint_hash(["0" * 64, "1" * 64]))
    assert [(one.reader, one.texts) for one in outcome.attempts[0].readings] == [("ocr", PLATE), ("vlm", PLATE)]


def test_two_families_are_two_looks_and_not_three() -> None:
    """Where three looks are needed, one frame of two readers is not enough (L4)."""
    inspection, _ = run(triggered(T), *read_by_both(1, T + 100_000, reading()), looks=3)

    assert inspection.state is State.CAPTURING


def test_families_that_disagree_retake_and_then_hold() -> None:
    """Two readers that read one frame differently: a retake for disagreement, and a hold if it stays so (L4, L9)."""
    other = reading({"serial": "20481351KX", "model": MODEL}, confidence=0.6)
    events: list[Event] = [triggered(T)]
    for number in (1, 2, 3):
        events += read_by_both(number, T + 100_000 * number, other)
    _, actions = run(*events)

    outcome = outcome_of(actions)
    told = [action.cause for action in actions if isinstance(action, AnnounceRetake)]
    assert told == [(Defect.DISAGREEMENT,), (Defect.DISAGREEMENT,)]
    assert (outcome.reason, outcome.defects) == (Reason.UNREADABLE, (Defect.DISAGREEMENT,))
    assert outcome.attempts[0].readings[1].texts["serial"] == "20481351KX"


def test_a_retake_that_both_families_read_alike_passes() -> None:
    """A doubtful misread of one family is settled by a frame on which both agree."""
    doubtful = reading({"serial": "20481351KX", "model": MODEL}, confidence=0.6)
    first, second = read_by_both(1, T + 100_000, doubtful), read_by_both(2, T + 300_000, reading())
    _, actions = run(triggered(T), *first, *second, FOUND)

    assert outcome_of(actions).reason is Reason.MATCHED


def test_agreement_does_not_make_a_doubtful_family_sure() -> None:
    """What one family is not sure of by itself does not pass because another, on the same frame, agrees (L4)."""
    doubtful = reading(confidence=0.85)
    events: list[Event] = [triggered(T)]
    for number in (1, 2, 3):
        events += read_by_both(number, T + 100_000 * number, doubtful)
    _, actions = run(*events)

    outcome = outcome_of(actions)
    assert outcome.fields["serial"].reading.confidence >= 0.9
    assert (outcome.reason, outcome.defects) == (Reason.UNREADABLE, (Defect.LOW_CONFIDENCE,))


def test_a_family_that_is_sure_on_one_frame_may_doubt_another() -> None:
    """A retake on which the doubtful family is sure settles it: its best look counts."""
    first, second = read_by_both(1, T + 100_000, reading(confidence=0.85)), read_by_both(2, T + 300_000, reading())
    _, actions = run(triggered(T), *first, *second, FOUND)

    assert outcome_of(actions).reason is Reason.MATCHED


def test_one_family_alone_does_not_pass_beside_a_silent_one() -> None:
    """Two frames read by one family do not pass a part on which the other sees no serial (L3, L4)."""
    silent = reading({"serial": "", "model": MODEL})
    _, actions = run(
        triggered(T),
        *read_by_both(1, T + 100_000, silent),
        *read_by_both(2, T + 300_000, silent),
        *read_by_both(3, T + 500_000, silent),
    )

    assert outcome_of(actions).defects == (Defect.DISAGREEMENT,)


def test_what_one_family_calls_confusable_is_held_though_the_other_is_sure() -> None:
    """A proposal of either reader turns a violation into doubt (L4, L7)."""
    doubtful = replace(field("serial", "2O481357KX", 0.95), alternatives=((SERIAL, "O->0 at 2"),))
    first = replace(reading(), fields={"serial": doubtful, "model": field("model", MODEL)})
    second = reading({"serial": "2O481357KX", "model": MODEL})
    _, actions = run(triggered(T), *read_by_both(1, T + 100_000, second, first), max_attempts=1)

    assert outcome_of(actions).reason is Reason.UNREADABLE


def test_a_serial_that_one_family_cut_is_truncated() -> None:
    """A text that one of two readers cut at its cap is never a value (L4)."""
    cut = reading()
    cut = replace(cut, fields={**cut.fields, "serial": field("serial", SERIAL, finish_reason="length")})
    _, actions = run(triggered(T), *read_by_both(1, T + 100_000, cut))

    assert outcome_of(actions).reason is Reason.TRUNCATED


def test_a_local_reader_in_place_of_the_pools_decides_nothing() -> None:
    """Read well, and by a reader that is not the station's: neither passed nor failed, and looked at again (L4)."""
    of_both = frozenset({"ocr", "vlm"})
    alone = assess([reading(), reading()], product(), policy(readers=of_both))
    wrong = assess([reading({"serial": "123", "model": MODEL})] * 2, product(), policy(readers=of_both))
    whole = assess([*both(reading(), reading()).looks], product(), policy(readers=of_both))

    assert (alone.reason, alone.final, alone.confirm) == (Reason.READER_FAILED, False, True)
    assert wrong.reason is Reason.READER_FAILED
    assert whole.reason is None
