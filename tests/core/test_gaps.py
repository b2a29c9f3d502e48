"""Gaps in a station's numbers: found exactly, asked for with growing waits, ended by nothing but the outcomes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.core.gaps import Asking, Sequence, Span

SEQS = st.lists(st.integers(1, 60), max_size=60)


@given(SEQS)
def test_what_is_missing_is_what_was_not_seen(seqs: list[int]) -> None:
    """Whatever came, in any order and how often: below the highest, exactly what was not seen is missing."""
    sequence = Sequence()
    new = [seq for seq in seqs if sequence.note(seq)]
    missing = [seq for span in sequence.missing for seq in range(span.first, span.last + 1)]

    assert new == list(dict.fromkeys(seqs))
    assert missing == sorted(set(range(1, max(seqs, default=0) + 1)) - set(seqs))
    assert sequence.num_missing == len(missing)


@given(SEQS, st.integers(0, 80))
def test_what_a_station_has_given_is_missing_until_seen(seqs: list[int], last: int) -> None:
    """A station's own word makes numbers missing that no later outcome tells of; spans never touch."""
    sequence = Sequence()
    sequence.expect(last)
    for seq in seqs:
        sequence.note(seq)
    missing = [seq for span in sequence.missing for seq in range(span.first, span.last + 1)]
    touching = [
        one for one, next_ in zip(sequence.missing, sequence.missing[1:], strict=False) if one.last + 1 >= next_.first
    ]

    assert missing == sorted(set(range(1, max([*seqs, last]) + 1)) - set(seqs))
    assert touching == []


def test_a_gap_is_asked_for_after_a_while_and_then_less_and_less_often() -> None:
    """What is on its way is waited for; one question after the other then waits twice as long, up to the longest."""
    sequence, asking = Sequence(9, [Span(3, 8)]), Asking(10, 100, 4)
    asked = [now_us for now_us in range(400) if asking.ask(sequence, now_us)]

    assert asked == [10, 30, 70, 150, 250, 350]


def test_a_question_names_the_oldest_and_not_too_many() -> None:
    """One question is one range, the oldest missing, at most so many."""
    sequence, asking = Sequence(99, [Span(3, 8), Span(20, 30)]), Asking(0, 100, 4)

    assert asking.ask(sequence, 1) == Span(3, 6)


def test_what_comes_lets_the_waits_begin_anew() -> None:
    """Where some of it came, the rest is asked for after the first wait again, and not after the grown one."""
    sequence, asking = Sequence(9, [Span(3, 8)]), Asking(10, 1000, 2)
    for now_us in range(100):
        asking.ask(sequence, now_us)
    sequence.note(3)
    asked = [(now_us, span) for now_us in range(100, 130) if (span := asking.ask(sequence, now_us))]

    assert asked[0] == (110, Span(4, 5))


def test_nothing_is_asked_where_nothing_is_missing() -> None:
    """A gap that was filled leaves no wait behind for the next one."""
    sequence, asking = Sequence(9, [Span(3, 3)]), Asking(10, 1000, 2)
    first = [asking.ask(sequence, now_us) for now_us in (0, 10)]
    sequence.note(3)
    none = asking.ask(sequence, 11)
    sequence.note(11)
    then = [now_us for now_us in range(12, 40) if asking.ask(sequence, now_us)]

    assert first == [None, Span(3, 3)]
    assert none is None
    assert then[0] == 22
