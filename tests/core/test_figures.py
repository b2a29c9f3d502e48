"""What each outcome adds to the station's counters."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from edge.core.figures import BOUNDS_MS, STAGES, counted, is_figure, retake_counter, times_of
from edge.core.outcome import Attempt, Defect, Outcome, Reason

MS = st.lists(st.floats(0, 60_000), max_size=30)


@given(MS)
def test_times_are_counted_once_each_in_their_class(all_ms: list[float]) -> None:
    """Each outcome with a stage is one entry of it; classes add up, and so does the sum, to the microsecond."""
    counts: Counter[str] = Counter()
    for ms in all_ms:
        counts.update(counted(Outcome("i", "t", Reason.MATCHED, ms={"total": ms})))
    times = times_of(counts, "total")

    assert times.number == len(all_ms) == counts["reason_matched"]
    assert times.up_to == tuple(sum(ms <= bound for ms in all_ms) for bound in BOUNDS_MS)
    assert abs(times.sum_s - sum(all_ms) / 1000) <= len(all_ms) * 1e-6
    assert times_of(counts, "read").number == 0


def test_a_retake_counts_for_each_defect_that_caused_it() -> None:
    """What was tried against which defect, and whether it helped; the first frame is no retake (L9)."""
    outcome = Outcome(
        "i",
        "t",
        Reason.UNREADABLE,
        attempts=(
            Attempt(1, cause=(Defect.DARK,)),
            Attempt(2, cause=(Defect.GLARE, Defect.BLUR), helped=True),
            Attempt(3, cause=(Defect.GLARE,), helped=None),
        ),
    )
    added = {name: number for name, number in counted(outcome).items() if name.startswith("retake_")}

    assert added == {
        retake_counter(Defect.GLARE, helped=True): 1,
        retake_counter(Defect.BLUR, helped=True): 1,
        retake_counter(Defect.GLARE, helped=None): 1,
    }


def test_the_counters_of_outcomes_are_told_apart_from_the_others() -> None:
    """Whatever an outcome adds is a figure; the counters of commands and of the line are not."""
    outcome = Outcome("i", "t", Reason.DEADLINE, attempts=(Attempt(1), Attempt(2, cause=(Defect.DARK,))))

    assert all(is_figure(name) for name in counted(outcome))
    assert all(is_figure(name) for name in counted(Outcome("i", "t", Reason.MATCHED, ms=dict.fromkeys(STAGES, 1.0))))
    assert not any(is_figure(name) for name in ("triggers", "outcomes", "command_stale", "line_stops_drift"))
