"""The inspection, step by step: the table, the happy ways, and every way to hold or fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.core.actions import AnnounceRetake, Judge, LookUp, Read, StartTimer, TakeFrame
from edge.core.calibration import FalseAccept
from edge.core.events import (
    Event,
    FrameFailed,
    Interrupted,
    ReadFailed,
    RecordFound,
    RecordMissing,
    RecordUnavailable,
    TimerFired,
)
from edge.core.inspection import Inspection, State, UnexpectedEvent
from edge.core.outcome import DISPOSITION_OF, Defect, Disposition, Reason
from edge.core.reading import Code
from tests.core.parts import (
    FOUND,
    MODEL,
    PLATE,
    SERIAL,
    T,
    field,
    judged,
    look,
    outcome_of,
    policy,
    product,
    reading,
    run,
    taken,
    triggered,
    two_looks,
    was_read,
)


def one_of_each(attempt: int = 1) -> list[Event]:
    """Every kind of event, well-formed for this attempt."""
    return [
        triggered(T),
        Interrupted(T, "0190-insp", "trigger-7"),
        taken(T + 100_000, attempt),
        FrameFailed(T, attempt, "gone"),
        judged(T, attempt),
        was_read(T, attempt),
        ReadFailed(T, attempt, "cuda"),
        RecordFound(T, attempt, PLATE, "csv", 1.0),
        RecordMissing(T, attempt, "csv", 1.0),
        RecordUnavailable(T, attempt, "away"),
        *(TimerFired(T, name, attempt) for name in ("frame", "judge", "read", "record")),
        TimerFired(T, "deadline"),
    ]


@pytest.mark.parametrize("state", State)
def test_the_table_is_what_an_inspection_takes(state: State) -> None:
    """In each state exactly the table's events are taken; any other is refused and changes nothing."""
    ways: dict[State, list[Event]] = {
        State.WAITING: [],
        State.CAPTURING: [triggered(T)],
        State.JUDGING: [triggered(T), taken(T + 50_000)],
        State.READING: [triggered(T), taken(T + 50_000), judged(T + 60_000)],
        State.CHECKING: [triggered(T), *look()],
        State.DONE: [triggered(T, busy=True)],
    }
    for event in one_of_each():
        inspection, _ = run(*ways[state], single_look_confidence=0.9)
        known = event.timer if isinstance(event, TimerFired) else type(event)

        assert inspection.state is state
        if known in Inspection.TABLE[state]:
            inspection.handle(event)
        else:
            with pytest.raises(UnexpectedEvent, match=state.value):
                inspection.handle(event)
            assert inspection.state is state


def test_a_late_event_of_an_earlier_attempt_is_not_expected() -> None:
    """A frame of attempt 1 that comes while attempt 2 is awaited is refused."""
    inspection, _ = run(triggered(T), FrameFailed(T + 1000, 1, "gone"))

    assert inspection.state is State.CAPTURING
    assert not inspection.expects(taken(T + 50_000, attempt=1))
    assert inspection.expects(taken(T + 50_000, attempt=2))


def test_the_first_actions_are_deadline_and_frame() -> None:
    """The deadline runs before anything else is ordered (L10)."""
    _, actions = run(triggered(T), deadline_us=3_000_000)

    assert actions[0] == StartTimer("deadline", T + 3_000_000)
    assert isinstance(actions[1], TakeFrame)


def test_two_agreeing_looks_and_the_record_pass_a_part() -> None:
    """A part passes when two looks agree, the pattern holds, and record and expectation say the same."""
    _, actions = run(*two_looks(), FOUND)

    outcome = outcome_of(actions)
    assert (outcome.reason, outcome.disposition) == (Reason.MATCHED, Disposition.PASS)
    assert outcome.fields["serial"].reading.text == SERIAL
    assert outcome.fields["serial"].looks == 2
    assert outcome.ms["total"] == 400.0


def test_one_look_passes_only_above_the_measured_threshold() -> None:
    """One look alone passes where its least certain character is above the threshold that was measured, and says so."""
    found = replace(FOUND, attempt=1)
    _, actions = run(triggered(T), *look(), found, single_look_confidence=0.985, false_accept_rate={1: 0.001})

    assert outcome_of(actions).reason is Reason.MATCHED
    assert outcome_of(actions).false_accept == FalseAccept(0.001)


def test_one_look_below_the_threshold_orders_a_second() -> None:
    """A single look that is good but not good enough alone is confirmed under another light."""
    inspection, actions = run(triggered(T), *look(), single_look_confidence=0.999)

    assert inspection.state is State.CAPTURING
    assert isinstance(actions[-2], TakeFrame)
    assert actions[-2].light == "diffuse"


def test_without_a_second_look_in_the_budget_the_part_is_held() -> None:
    """In doubt, hold: a single unconfirmed look never passes (L4)."""
    _, actions = run(triggered(T), *look(), max_attempts=1)

    assert outcome_of(actions).reason is Reason.UNREADABLE
    assert outcome_of(actions).defects == (Defect.LOW_CONFIDENCE,)


def test_glare_is_met_with_another_light_and_the_outcome_says_that_it_helped() -> None:
    """A retake has a cause, an action that fits it, and a record of whether it helped (L9)."""
    events: list[Event] = [triggered(T), taken(T + 50_000), judged(T + 60_000, glare=10), *look(2, T + 200_000)]
    _, actions = run(*events, replace(FOUND, attempt=2), single_look_confidence=0.9)

    outcome = outcome_of(actions)
    assert AnnounceRetake("0190-insp", 1, (Defect.GLARE,), "light_off_axis") in actions
    assert outcome.attempts[0].defects == (Defect.GLARE,)
    assert (outcome.attempts[1].cause, outcome.attempts[1].action) == ((Defect.GLARE,), "light_off_axis")
    assert outcome.attempts[1].helped is True
    assert set(outcome.attempts[1].changed) == {"glare"}
    before, after = outcome.attempts[1].changed["glare"]
    assert before < 50 <= after


def test_an_unfit_frame_is_never_read() -> None:
    """Unfit frame, failed reader and empty reading are three different things (L3)."""
    _, actions = run(triggered(T), taken(T + 50_000), judged(T + 60_000, sharpness=5))

    assert not any(isinstance(action, Read) for action in actions)


def test_a_cut_off_plate_asks_for_help_and_holds() -> None:
    """No further frame helps a plate that is cut off: the site is asked to move the part (L9)."""
    _, actions = run(triggered(T), taken(T + 50_000), judged(T + 60_000, cut_off=0))

    assert AnnounceRetake("0190-insp", 1, (Defect.CUT_OFF,), "reposition") in actions
    assert outcome_of(actions).defects == (Defect.CUT_OFF,)


@pytest.mark.parametrize("frame", [taken(T + 50_000, exposed_us=T - 1), taken(T + 50_000, frozen=True)])
def test_a_stale_or_frozen_frame_never_decides(frame: Event) -> None:
    """A frame exposed before its trigger, or from a frozen camera, is not even judged (L5)."""
    _, actions = run(triggered(T), frame, max_attempts=1)

    assert outcome_of(actions).reason is Reason.STALE_FRAME
    assert not any(isinstance(action, Judge) for action in actions)


def test_a_retake_is_fresh_only_after_its_own_order() -> None:
    """A frame that was exposed before the retake was ordered shows the old light: it is stale (L5)."""
    ordered = T + 60_000
    events: list[Event] = [triggered(T), taken(T + 50_000), judged(ordered, glare=10)]
    _, actions = run(*events, taken(T + 90_000, 2, exposed_us=ordered - 1), max_attempts=2)

    assert outcome_of(actions).reason is Reason.STALE_FRAME


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([triggered(T, busy=True)], Reason.OVERRUN),
        ([Interrupted(T, "0190-insp", "trigger-7")], Reason.INTERRUPTED),
        ([triggered(T), FrameFailed(T + 9, 1, "unplugged")], Reason.CAMERA_FAILED),
        ([triggered(T), TimerFired(T + 9, "frame", 1)], Reason.CAMERA_FAILED),
        ([triggered(T), taken(T + 50_000), ReadFailed(T + 9, 1, "cuda")], Reason.READER_FAILED),
        ([triggered(T), taken(T + 50_000), TimerFired(T + 9, "judge", 1)], Reason.READER_FAILED),
        ([triggered(T), taken(T + 50_000), judged(T + 60_000), TimerFired(T + 9, "read", 1)], Reason.READER_FAILED),
        ([triggered(T), TimerFired(T + 9, "deadline")], Reason.DEADLINE),
        ([triggered(T), *look(), RecordMissing(T + 9, 1, "csv", 0.0)], Reason.RECORD_MISSING),
        ([triggered(T), *look(), RecordUnavailable(T + 9, 1, "away")], Reason.ERP_UNAVAILABLE),
        ([triggered(T), *look(), TimerFired(T + 9, "record", 1)], Reason.ERP_UNAVAILABLE),
        ([triggered(T), *look(), TimerFired(T + 9, "deadline")], Reason.DEADLINE),
    ],
)
def test_whatever_fails_ends_in_a_hold_with_its_own_reason(events: list[Event], reason: Reason) -> None:
    """Nothing passes by default, by timeout or by exception (L4); each failure has a name (L3)."""
    _, actions = run(*events, max_attempts=1, single_look_confidence=0.9)

    assert outcome_of(actions).reason is reason
    assert outcome_of(actions).disposition is Disposition.HOLD


def test_another_serial_than_expected_fails() -> None:
    """Two looks that agree on another serial than MES expects fail the part as a mismatch."""
    _, actions = run(*two_looks({"serial": "99999999ZZ", "model": MODEL}), FOUND)

    assert outcome_of(actions).reason is Reason.MISMATCH
    assert outcome_of(actions).fields["serial"].expected == SERIAL


def test_another_model_than_the_record_fails() -> None:
    """In identify mode the record found by the serial must also name the model that is printed."""
    record = RecordFound(T + 400_000, 2, {"serial": SERIAL, "model": "BX-1"}, "csv", 1.0)
    _, actions = run(*two_looks(), record, mode="identify")

    assert outcome_of(actions).reason is Reason.MISMATCH


def test_a_confusable_difference_is_looked_at_again_before_it_fails() -> None:
    """Where read and expected differ by a confusable character only, a misread is likelier: look again first."""
    texts = {"serial": "2048I357KX".replace("I", "1"), "model": MODEL}
    expected = {"serial": "2O481357KX", "model": MODEL}
    events = [triggered(T, expected), *look(1, texts=texts), RecordFound(T + 9, 1, expected, "csv", 0.0)]
    inspection, _ = run(*events, single_look_confidence=0.9)

    assert inspection.state is State.CAPTURING


def test_a_serial_that_passed_before_fails() -> None:
    """The same serial on a second part is a duplicate, whatever the record says."""
    _, actions = run(*two_looks(), replace(FOUND, passed_before="0180-old"))

    assert outcome_of(actions).reason is Reason.DUPLICATE_SERIAL
    assert "0180-old" in outcome_of(actions).detail


def test_a_wrongly_printed_serial_is_reported_as_printed() -> None:
    """A text that breaks the pattern is a format violation with its raw text, not a corrected one (L7)."""
    _, actions = run(*two_looks({"serial": "2048135KX", "model": MODEL}))

    assert outcome_of(actions).reason is Reason.FORMAT_VIOLATION
    assert outcome_of(actions).fields["serial"].reading.raw == "2048135KX"


def test_a_text_that_a_confusable_swap_would_mend_is_held() -> None:
    """A proposal is never taken: it turns a violation into doubt, and doubt holds (L4, L7)."""
    doubtful = replace(field("serial", "2O481357KX"), alternatives=((SERIAL, "O->0 at 2"),))
    what = replace(reading(), fields={"serial": doubtful, "model": field("model", MODEL)})
    events: list[Event] = [triggered(T), taken(T + 50_000), judged(T + 60_000), was_read(T + 70_000, 1, what)]
    _, actions = run(*events, max_attempts=1)

    assert outcome_of(actions).reason is Reason.UNREADABLE
    assert outcome_of(actions).fields["serial"].reading.text == "2O481357KX"


def test_a_code_that_says_another_serial_is_a_conflict() -> None:
    """Print and code that disagree fail the part, whichever of them the record holds."""
    code = Code("QRCode", "S:11111111AA", fields={"serial": "11111111AA"})
    what = was_read(T + 70_000, 1, reading(codes=[code]))
    events: list[Event] = [triggered(T), taken(T + 50_000), judged(T + 60_000), what]
    _, actions = run(*events, single_look_confidence=0.9)

    assert outcome_of(actions).reason is Reason.CODE_CONFLICT


def test_a_code_that_agrees_is_a_second_look() -> None:
    """A code is a look of another family: with it one frame is enough for the serial."""
    code = Code("Code128", SERIAL)
    rule = product().fields["model"]
    inspection = Inspection(product(model=replace(rule, required=False)), policy())
    what = was_read(T + 70_000, 1, reading(codes=[code]))
    for event in (triggered(T), taken(T + 50_000), judged(T + 60_000)):
        inspection.handle(event)
    actions = inspection.handle(what)

    assert isinstance(actions[0], LookUp)


def test_a_truncated_field_is_never_a_value() -> None:
    """A text cut at its cap ends as truncated at once; no second look lengthens the cap."""
    long = field("serial", "1" * 32, finish_reason="length")
    what = replace(reading(), fields={"serial": long, "model": field("model", MODEL)})
    _, actions = run(triggered(T), taken(T + 50_000), judged(T + 60_000), was_read(T + 70_000, 1, what))

    assert outcome_of(actions).reason is Reason.TRUNCATED


def test_verify_without_an_expectation_holds() -> None:
    """In verify mode a part of which MES said nothing is held, though ERP may know it (L4)."""
    _, actions = run(triggered(T, expected=None), *two_looks()[1:], FOUND)

    assert outcome_of(actions).reason is Reason.RECORD_MISSING


def test_a_record_without_a_serial_verifies_nothing() -> None:
    """A record that holds nothing to compare with never passes a part (L4)."""
    record = RecordFound(T + 400_000, 2, {}, "none", 0.0)
    _, actions = run(triggered(T, expected=None), *two_looks()[1:], record, mode="identify")

    assert outcome_of(actions).reason is Reason.ERP_UNAVAILABLE


def test_the_expectation_reaches_the_reader_only_as_a_draft() -> None:
    """The expected values are given to the reader as a draft, and what is read stays what the reader said (L6)."""
    _, actions = run(*two_looks({"serial": "99999999ZZ", "model": MODEL}), FOUND)

    drafts = [action.draft for action in actions if isinstance(action, Read)]
    assert drafts == [PLATE, PLATE]
    assert outcome_of(actions).fields["serial"].reading.text == "99999999ZZ"


def test_disagreeing_looks_are_held() -> None:
    """Two looks that read different serials, and a third that reads yet another, hold as disagreement (L4)."""
    events: list[Event] = [triggered(T)]
    for number, serial in enumerate(("11111111AA", "22222222AA", "33333333AA"), start=1):
        events += look(number, T + 100_000 * number, {"serial": serial, "model": MODEL})
    _, actions = run(*events)

    assert outcome_of(actions).reason is Reason.UNREADABLE
    assert outcome_of(actions).defects == (Defect.DISAGREEMENT,)


def test_a_sure_look_at_something_else_is_not_outvoted() -> None:
    """Two looks that agree do not pass a part of which a third, just as sure, read another serial (L4)."""
    other = {"serial": "11111111AA", "model": MODEL}
    events = [triggered(T), *look(1, T + 100_000, other), *look(2, T + 300_000), *look(3, T + 500_000)]
    _, actions = run(*events)

    assert outcome_of(actions).defects == (Defect.DISAGREEMENT,)


def test_every_reason_has_one_disposition_and_only_matched_passes() -> None:
    """Only one reason passes a part (L4)."""
    passing = [reason for reason, disposition in DISPOSITION_OF.items() if disposition is Disposition.PASS]

    assert set(DISPOSITION_OF) == set(Reason)
    assert passing == [Reason.MATCHED]
