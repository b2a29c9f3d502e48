"""What the lines to the PLC show: never `pass` on doubt, clear between two parts, a heart that can stand still."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.core.outcome import Disposition
from edge.core.result_lines import Decided, Lines, ResultLines, ResultRules, between

PASS, FAIL, HOLD = Disposition.PASS, Disposition.FAIL, Disposition.HOLD
RULES = ResultRules(pulse_us=200, gap_us=50, heartbeat_us=100, stale_us=1_000)
LEVEL = replace(RULES, style="level")


def fit(rules: ResultRules = RULES) -> ResultLines:
    """The lines of a station that is fit."""
    made = ResultLines(rules)
    made.be_fit(0, fit=True)
    return made


def decide(lines: ResultLines, name: str, now_us: int, what: Disposition = PASS, seq: int = 1) -> None:
    """An outcome of this inspection, just now."""
    lines.decided(Decided(now_us, name, what, seq), now_us)


def part(lines: ResultLines, name: str, at_us: int, what: Disposition = PASS, seq: int = 1) -> None:
    """A part from its trigger to its outcome, 10 µs."""
    lines.triggered(at_us)
    lines.begun(name, at_us)
    decide(lines, name, at_us + 10, what, seq)


@pytest.mark.parametrize("what", Disposition)
def test_a_result_is_a_pulse(what: Disposition) -> None:
    """Each disposition has its line, for the length of a pulse, with the outcome's number."""
    lines = fit()
    part(lines, "a", 0, what, seq=7)

    assert (lines.lines(10).result, lines.lines(10).number) == (what, 7)
    assert lines.lines(209).result is what
    assert lines.lines(210) == replace(lines.lines(210), result=None, number=0, inspection_id="")


def test_a_level_stays_until_the_next_trigger() -> None:
    """In the style `level` the result stays, and goes with the next trigger, not with the next outcome."""
    lines = fit(LEVEL)
    part(lines, "a", 0)

    assert lines.lines(10**6).result is PASS
    lines.triggered(10**6 + 1)
    assert lines.lines(10**6 + 1).result is None


def test_busy_is_from_the_beginning_to_the_outcome() -> None:
    """The PLC sees that a part is being inspected."""
    lines = fit()
    lines.begun("a", 0)
    before = lines.lines(1).busy
    decide(lines, "a", 2)

    assert (before, lines.lines(2).busy) == (True, False)


def test_an_overrun_leaves_no_pass_on_the_lines() -> None:
    """A trigger while busy: both parts are shown `hold`, since a line cannot say which of them passed (L4)."""
    lines = fit()
    lines.begun("a", 0)
    lines.triggered(5)
    decide(lines, "b", 6, HOLD)
    first = lines.lines(6).result
    decide(lines, "a", 7, PASS, seq=2)

    assert first is HOLD
    assert [lines.lines(at_us).result for at_us in (100, 206, 230, 257)] == [HOLD, None, None, HOLD]
    assert lines.counts["pass_held"] == 1


@pytest.mark.parametrize("doubt", ["not begun", "another one", "old", "unfit", "refused", "lost"])
def test_a_pass_in_doubt_is_shown_as_hold(doubt: str) -> None:
    """Whatever makes it uncertain that the part in place is the one that passed, the PLC sees `hold` (L4)."""
    lines = fit()
    if doubt != "not begun":
        lines.begun("other" if doubt == "another one" else "a", 0)
    if doubt == "unfit":
        lines.be_fit(1, fit=False)
    if doubt == "refused":
        lines.refused(1)
    if doubt == "lost":
        lines.lost(1)
    lines.decided(Decided(2, "a", PASS, 1), 1_003 if doubt == "old" else 2)

    shown = {lines.lines(at_us).result for at_us in range(3, 2_000)}
    assert HOLD in shown
    assert PASS not in shown


def test_a_trigger_that_is_not_taken_is_shown_as_hold() -> None:
    """A storm or a full disk: the part that nobody looks at is shown `hold`, with no number (L4)."""
    lines = fit()
    lines.refused(5)

    assert (lines.lines(5).result, lines.lines(5).number) == (HOLD, 0)


def test_the_heart_beats_only_while_the_station_is_fit() -> None:
    """The heartbeat changes every period, stands still at once when the station is not fit, and goes on later."""
    lines = fit()
    beating = [lines.lines(at_us).heartbeat for at_us in (0, 100, 200, 300)]
    lines.be_fit(350, fit=False)
    still = [lines.lines(at_us).heartbeat for at_us in (400, 500, 600)]
    lines.be_fit(650, fit=True)

    assert beating == [True, False, True, False]
    assert still == [False, False, False]
    assert lines.lines(700).heartbeat is True


def test_a_pass_goes_out_when_the_station_is_not_fit_any_more() -> None:
    """A level that says `pass` does not outlive the station that said it (L4)."""
    lines = fit(LEVEL)
    part(lines, "a", 0)
    lines.be_fit(20, fit=False)

    assert lines.lines(21).result is None


def test_what_the_plc_did_not_get_is_not_shown_later() -> None:
    """A result that was on the lines while the PLC was away is gone, and counted as not told."""
    lines = fit(LEVEL)
    part(lines, "a", 0)
    lines.lost(20)

    assert lines.lines(21).result is None
    assert lines.counts["not_told"] == 1


def test_of_two_results_that_wait_the_worse_one_is_shown() -> None:
    """Nothing queues up: what waits for its turn is one result, the worse of the two (L12)."""
    lines = fit()
    part(lines, "a", 0, PASS)
    decide(lines, "x", 20, FAIL, seq=2)
    decide(lines, "y", 30, HOLD, seq=3)
    decide(lines, "z", 40, FAIL, seq=4)

    assert lines.lines(300).number == 3
    assert lines.counts["merged"] == 2


def test_two_results_are_written_with_clear_lines_between() -> None:
    """A PLC that is written to slowly sees an edge for each result, even where the clear moment was overslept."""
    first, second = Lines(result=PASS, number=1), Lines(result=PASS, number=2, busy=True)

    assert between(first, second) == (first.cleared.__class__(busy=True), second)
    assert between(Lines(), second) == (second,)


#: What may happen to a station, in any order.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["triggered", "begun", "decided", "refused", "lost", "unfit", "fit", "wait"]),
        st.sampled_from("abc"),
        st.sampled_from(list(Disposition)),
        st.integers(0, 300),
    ),
    max_size=40,
)
#: A busy machine may be slow to draw: time decides nothing here.
PATIENT = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


@PATIENT
@given(steps=STEPS, style=st.sampled_from(["pulse", "level"]))
def test_a_pass_is_of_the_part_that_was_begun_last(steps: list[tuple[str, str, Disposition, int]], style: str) -> None:
    """In whatever order things come, `pass` is on the lines only for the part begun last, undisturbed, and fit (L4)."""
    lines = fit(replace(RULES, style=style))  # type: ignore[arg-type] # it is one of the two
    now_us, begun, sound, is_fit, passed = 0, "", False, True, ""
    for step, name, what, pause_us in steps:
        now_us += pause_us
        match step:
            case "triggered":
                lines.triggered(now_us)
                sound, passed = False, ""
            case "begun":
                lines.begun(name, now_us)
                begun, sound, passed = name, True, ""
            case "decided":
                lines.decided(Decided(now_us, name, what, 1), now_us)
                if what is PASS and name == begun and sound and is_fit:
                    passed = name
                sound = False
            case "refused":
                lines.refused(now_us)
                sound, passed = False, ""
            case "lost":
                lines.lost(now_us)
                sound, passed = False, ""
            case "unfit" | "fit":
                is_fit = step == "fit"
                lines.be_fit(now_us, fit=is_fit)
                passed = passed if is_fit else ""
            case _:
                pass
        shown = lines.lines(now_us)

        assert shown.result is not PASS or shown.inspection_id == passed


@PATIENT
@given(steps=STEPS)
def test_between_two_results_the_lines_are_clear(steps: list[tuple[str, str, Disposition, int]]) -> None:
    """Looked at every moment, no result follows another without the gap between them."""
    lines = fit()
    now_us, clear_since_us, before = 0, -(10**6), Lines()
    for number, (step, name, what, pause_us) in enumerate(steps, 1):
        for _ in range(pause_us // 10):
            now_us += 10
            now = lines.lines(now_us)
            if now.result is not None and now.number != before.number:
                assert before.result is None
                assert now_us - clear_since_us >= RULES.gap_us - 10  # it is looked at every 10 µs
            if now.result is None and before.result is not None:
                clear_since_us = now_us
            before = now
        if step == "begun":
            lines.begun(name, now_us)
        elif step == "decided":
            lines.decided(Decided(now_us, name, what, number), now_us)
        elif step == "triggered":
            lines.triggered(now_us)
