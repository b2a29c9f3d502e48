"""The batch queue of one replica: questions from many stations wait here, and what waits goes together.

Promises: every question that is put ends in exactly one answer or one error with a name (L3, L12); what cannot make its
deadline is refused at once; while a batch is read the next one gathers, so that batches grow with the load and a lone
question waits for nobody. Which question is next, and which is refused, `edge.core.fair_queue` decides.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from edge.core.batch_times import BatchTimes
from edge.core.fair_queue import FairQueue, Refused, Waiting
from edge.errors import EdgeError, ReaderError

W = TypeVar("W")
R = TypeVar("R")

#: Questions of all stations that one replica lets wait: ten full batches of 64, beyond any deadline that makes sense.
WAITING = 640
#: Of one station: it has one part before its camera, and two looks at it.
OF_STATION = 4


class RefusedError(ReaderError):
    """Raised where a question is not read; `why` is the reason's name."""

    def __init__(self, why: str, sentence: str, retry_after_s: float) -> None:
        self.why = why
        self.retry_after_s = retry_after_s
        super().__init__(sentence)


def unnamed(error: Exception) -> ReaderError:
    """The answer where the reader raised what it should have named; whoever is told logs the cause."""
    told = ReaderError(f"{type(error).__name__} in the reader: see the replica's log")
    told.__cause__ = error
    return told


class BatchQueue(Generic[W, R]):
    """Takes questions from any thread, and has them answered in batches by one thread of its own.

    Args:
        answer: answers a batch, each with its answer or its own error, in order.
        max_batch: most questions of a batch.
        waiting: most questions that wait.
        of_station: most of one station.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[W]], Sequence[R | Exception]],
        *,
        max_batch: int,
        waiting: int = WAITING,
        of_station: int = OF_STATION,
        now_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000,
    ) -> None:
        self._answer = answer
        self._now_us = now_us
        self._times = BatchTimes()
        self._queue: FairQueue[tuple[W, Future[R]]] = FairQueue(
            self._times, max_batch=max_batch, waiting=waiting, of_station=of_station
        )
        self._changed = threading.Condition()
        self._closed = False
        self._counts: Counter[str] = Counter()
        self._batches: Counter[int] = Counter()
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    def put(self, station: str, what: W, expires_us: int) -> Future[R]:
        """Ask; the future has the answer, or `RefusedError` where there will be none.

        Whoever needs it no more cancels it: a question that waits is then not read, and no other one is touched.
        """
        answer: Future[R] = Future()
        with self._changed:
            if self._closed:
                answer.set_exception(RefusedError("stopping", "the replica stops; ask another one", 0.0))
                return answer
            now_us = self._now_us()
            refused = self._queue.add(Waiting(station, (what, answer), expires_us, now_us), now_us)
            self._changed.notify()
        if refused is not None:
            self._refuse(refused)
        return answer

    def facts(self) -> dict[str, Any]:
        """What waits, how long batches take, and what became of the questions."""
        with self._changed:
            age_us = self._queue.oldest_age_us(self._now_us())
            return {
                "waiting": len(self._queue),
                "oldest_age_ms": 0.0 if age_us is None else age_us / 1000,
                "batches": {str(size): count for size, count in sorted(self._batches.items())},
                "batch_ms": self._times.facts(),
                "answers": dict(self._counts),
            }

    def forget_times(self) -> None:
        """Measure batches anew: what came before prepared the reader."""
        with self._changed:
            self._times.forget()

    def note_time(self, size: int, spent_us: int) -> None:
        """A batch that did not come from the queue took so long."""
        with self._changed:
            self._times.took(size, spent_us)

    def close(self) -> None:
        """Answer what waits, then end; what comes after is refused."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not len(self._queue) and not self._closed:
                    self._changed.wait()
                if not len(self._queue):
                    return
                batch, refused = self._queue.take(self._now_us())
            for one in refused:
                self._refuse(one)
            # From here on a question cannot be taken back: an answer to one that was would end this thread.
            asked = [one.what for one in batch if one.what[1].set_running_or_notify_cancel()]
            if asked:
                self._read(asked)
            elif batch:
                with self._changed:
                    self._queue.finished()
            with self._changed:
                self._counts["taken_back"] += len(batch) - len(asked)

    def _read(self, batch: Sequence[tuple[W, Future[R]]]) -> None:
        begun_us = self._now_us()
        told = self._told([what for what, _ in batch])
        with self._changed:
            self._queue.finished()
            self._times.took(len(batch), self._now_us() - begun_us)
            self._batches[len(batch)] += 1
            for one in told:
                self._counts["failed" if isinstance(one, Exception) else "answered"] += 1
        for (_, answer), one in zip(batch, told, strict=True):
            if isinstance(one, Exception):
                answer.set_exception(one)
            else:
                answer.set_result(one)

    def _told(self, batch: Sequence[W]) -> Sequence[R | Exception]:
        try:
            told = self._answer(batch)
            if len(told) == len(batch):
                return told
            why = f"the reader gave {len(told)} answers to {len(batch)} questions: that is a mistake in the reader"
        except EdgeError as error:
            return [error] * len(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody waits for ever (L3); whoever is told logs it
            return [unnamed(error)] * len(batch)
        return [ReaderError(why)] * len(batch)

    def _refuse(self, refused: Refused[tuple[W, Future[R]]]) -> None:
        with self._changed:
            self._counts[refused.why] += 1
        _, answer = refused.question.what
        if answer.set_running_or_notify_cancel():
            answer.set_exception(RefusedError(refused.why, refused.sentence, refused.retry_after_us / 1e6))
