"""Guests of a reader: they wait behind stations, are broken off for them, and end exactly once."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edge.adapters.reader_link import Question
from edge.services.reader_guests import GuestFailed, GuestQueue


def guest(number: int, expires_us: int = 1000) -> Question:
    """One guest's question."""
    return Question(f"g{number}", "ask", 0, "frame", b"", {}, expires_us, b"panel", guest=True)


def test_guests_are_answered_in_their_order() -> None:
    """Who came first goes first."""
    queue = GuestQueue()
    for number in range(3):
        queue.add(guest(number))

    assert [taken.question_id for _ in range(3) if (taken := queue.take())] == ["g0", "g1", "g2"]


def test_one_guest_too_many_is_told_to_come_again() -> None:
    """The limit has a name, and reaching it is told (L12)."""
    queue = GuestQueue(limit=2)

    refusals = [queue.add(guest(number)) for number in range(3)]

    assert refusals[:2] == [None, None]
    assert isinstance(refusals[2], GuestFailed)
    assert (refusals[2].fault, "max_waiting_guests" in refusals[2].why) == ("busy", True)


def test_a_question_that_is_sent_again_is_one_question() -> None:
    """A panel that saw the link come up sends again what is open."""
    queue = GuestQueue()
    queue.add(guest(1))
    queue.take()

    queue.add(guest(1))

    assert len(queue) == 0


def test_what_gave_way_begins_again_before_the_others() -> None:
    """A guest that was broken off for a station has not lost its place."""
    queue = GuestQueue()
    queue.add(guest(1))
    queue.add(guest(2))
    queue.take()

    queue.done(gave_way=True)

    taken = queue.take()
    assert taken is not None
    assert taken.question_id == "g1"


@pytest.mark.parametrize("in_work", [True, False])
def test_a_question_that_is_called_off_is_not_worked_on(in_work: bool) -> None:
    """A client that went away costs the reader nothing more, whether its question waits or is in work."""
    queue = GuestQueue()
    queue.add(guest(1))
    if in_work:
        queue.take()

    queue.call_off((b"panel", "g1"))

    assert queue.is_unwanted(0) is in_work
    queue.done(gave_way=True)
    assert queue.take() is None


@given(st.lists(st.sampled_from(["add", "take", "give way", "done", "call off", "expire"]), max_size=40))
def test_a_guest_leaves_exactly_once(steps: list[str]) -> None:
    """Whatever happens in whatever order, nobody is answered twice and nobody is forgotten (L12)."""
    queue, number = GuestQueue(limit=3), 0
    inside: set[str] = set()
    left: list[str] = []
    working: str | None = None
    for now_us, step in enumerate(steps, 1):
        if step == "add":
            number += 1
            refused = queue.add(guest(number, now_us + 5))
            (left.append if refused else inside.add)(f"g{number}")
        elif step == "take" and working is None:
            taken = queue.take()
            working = None if taken is None else taken.question_id
        elif step in ("give way", "done") and working is not None:
            queue.done(gave_way=step == "give way")
            if step == "done":
                left.append(working)
                inside.discard(working)
            working = None
        elif step == "expire":
            for late, _why in queue.expire(now_us):
                left.append(late.question_id)
                inside.discard(late.question_id)
        elif step == "call off" and inside - {working}:
            gone = min(inside - {working})
            queue.call_off((b"panel", gone))
            left.append(gone)
            inside.discard(gone)

    assert len(left) == len(set(left))
    assert len(queue) == len(inside - {working})
