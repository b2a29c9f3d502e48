"""Promises of a replica's batch queue, with a reader that is a function."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from edge.errors import ReaderError
from edge.pool.batch_queue import BatchQueue, RefusedError

SECOND = 1_000_000


def soon() -> int:
    """A deadline that no test reaches."""
    return time.monotonic_ns() // 1000 + 60 * SECOND


class Gate:
    """A reader that answers a batch when it is let, and remembers its batches."""

    def __init__(self) -> None:
        self.open, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, batch: Sequence[int]) -> Sequence[str | Exception]:
        """Answer each number by its word, and 13 by an error."""
        self.batches.append(list(batch))
        self.begun.set()
        assert self.open.wait(30)
        return [ReaderError("thirteen") if one == 13 else f"number {one}" for one in batch]


def test_what_comes_while_a_batch_is_read_goes_together() -> None:
    """A lone question waits for nobody; those that come meanwhile are the next batch, each station in turn."""
    gate = Gate()
    queue = BatchQueue(gate, max_batch=4)
    first = queue.put("a", 1, soon())
    assert gate.begun.wait(30)
    rest = [queue.put(station, number, soon()) for station, number in (("a", 2), ("a", 3), ("b", 4), ("c", 5))]
    gate.open.set()

    assert [one.result(30) for one in (first, *rest)] == [f"number {one}" for one in range(1, 6)]
    assert gate.batches == [[1], [2, 4, 5, 3]]
    queue.close()


def test_an_error_is_its_own_questions_alone() -> None:
    """One frame that cannot be read fails no other of its batch (L3)."""
    gate = Gate()
    gate.open.set()
    queue = BatchQueue(gate, max_batch=4)
    told = [queue.put("a", number, soon()) for number in (13, 2)]

    assert str(told[0].exception(30)) == "thirteen"
    assert told[1].result(30) == "number 2"
    queue.close()


@pytest.mark.parametrize("read", [True, False], ids=["while it is read", "while it waits"])
def test_a_question_taken_back_ends_no_replica(*, read: bool) -> None:
    """A station that goes away takes its question back, read or not: the others are answered, and it is counted."""
    gate = Gate()
    queue = BatchQueue(gate, max_batch=4)
    first = queue.put("a", 1, soon())
    assert gate.begun.wait(30)
    second = queue.put("b", 2, soon())
    third = queue.put("c", 3, soon())

    (first if read else second).cancel()
    gate.open.set()

    assert third.result(30) == "number 3"
    assert queue.put("d", 4, soon()).result(30) == "number 4"
    assert gate.batches == [[1], [2, 3] if read else [3], [4]]
    assert queue.facts()["answers"].get("taken_back", 0) == (0 if read else 1)
    queue.close()


def test_a_batch_that_all_took_back_is_not_read() -> None:
    """Where nobody waits for a batch any more, the next one is read as if it had not been."""
    gate = Gate()
    queue = BatchQueue(gate, max_batch=1)
    first = queue.put("a", 1, soon())
    assert gate.begun.wait(30)
    assert queue.put("a", 2, soon()).cancel()
    gate.open.set()

    assert first.result(30) == "number 1"
    assert queue.put("b", 3, soon()).result(30) == "number 3"
    assert gate.batches == [[1], [3]]
    queue.close()


@pytest.mark.parametrize("answers", [[], ["one", "two", "three"]])
def test_a_reader_that_miscounts_is_an_error(answers: list[str]) -> None:
    """Fewer or more answers than questions are nobody's answer (L3)."""
    queue: BatchQueue[int, str] = BatchQueue(lambda _batch: answers, max_batch=1)

    with pytest.raises(ReaderError, match="a mistake in the reader"):
        queue.put("a", 1, soon()).result(30)
    queue.close()


def test_an_error_that_nobody_named_ends_no_replica() -> None:
    """Whatever a reader raises is told as its type, with the cause for the log; the next question is read (L3)."""
    seen: list[int] = []

    def answer(batch: Sequence[int]) -> Sequence[str]:
        seen.extend(batch)
        if len(seen) == 1:
            raise ZeroDivisionError
        return ["well"]

    queue = BatchQueue(answer, max_batch=1)
    error = queue.put("a", 1, soon()).exception(30)

    assert isinstance(error, ReaderError)
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert queue.put("a", 2, soon()).result(30) == "well"
    queue.close()


def test_a_refusal_comes_at_once_and_says_when_to_come_again() -> None:
    """A station's question too many is refused while the batch is still read (L12)."""
    gate = Gate()
    queue = BatchQueue(gate, max_batch=1, of_station=1)
    taken = queue.put("a", 1, soon())
    assert gate.begun.wait(30)
    waits, refused = queue.put("a", 2, soon()), queue.put("a", 3, soon())
    error = refused.exception(0)

    assert isinstance(error, RefusedError)
    assert (error.why, queue.facts()["answers"]["max_waiting_station"]) == ("max_waiting_station", 1)
    gate.open.set()
    assert [taken.result(30), waits.result(30)] == ["number 1", "number 2"]
    queue.close()


def test_a_replica_that_stops_answers_what_waits() -> None:
    """What was taken in is answered before the end; what comes after is refused by name."""
    gate = Gate()
    queue = BatchQueue(gate, max_batch=1)
    waiting: list[Future[str]] = [queue.put(station, 1, soon()) for station in "abc"]
    gate.open.set()
    queue.close()
    after = queue.put("a", 2, soon()).exception(0)

    assert [one.result(0) for one in waiting] == ["number 1"] * 3
    assert isinstance(after, RefusedError)
    assert after.why == "stopping"
