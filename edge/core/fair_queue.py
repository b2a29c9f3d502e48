"""The questions that wait for a replica of the pool: one queue a station, and the stations take turns.

Promises: every question that is added leaves exactly once, taken or refused with a reason (L12); no more than `waiting`
wait, and of one station no more than `of_station`; a question that cannot make its deadline by the measured time of a
batch is refused at once, when it comes or as soon as that is known, and never taken (but for one a second that an idle
replica reads all the same: a measured time that has become too long must not refuse everything for ever); a station in
a storm delays the question of another by one turn, however many it has asked (round robin: Nagle, "On packet switches
with infinite storage", RFC 970).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from edge.core.batch_times import BatchTimes

T = TypeVar("T")

#: So often an idle replica reads what it should refuse, to measure anew.
PROBE_US = 1_000_000

Why = Literal["cannot_make_deadline", "late", "max_waiting", "max_waiting_station"]


@dataclass(frozen=True, slots=True)
class Waiting(Generic[T]):
    """A question of one station: nobody waits for its answer after `expires_us`."""

    station: str
    what: T
    expires_us: int
    since_us: int


@dataclass(frozen=True, slots=True)
class Refused(Generic[T]):
    """A question that is not read: the reason's name and sentence, and when asking again may help."""

    question: Waiting[T]
    why: Why
    sentence: str
    retry_after_us: int


class FairQueue(Generic[T]):
    """The waiting questions of one replica. One batch of at most `max_batch` is in work at a time."""

    def __init__(self, times: BatchTimes, *, max_batch: int, waiting: int, of_station: int) -> None:
        self._times = times
        self._max_batch = max_batch
        self._limit, self._station_limit = waiting, of_station
        #: By station, in the order of their turns.
        self._queues: OrderedDict[str, deque[Waiting[T]]] = OrderedDict()
        self._count = 0
        self._busy_until_us: int | None = None
        self._probe: Waiting[T] | None = None
        self._probed_us: int | None = None

    def __len__(self) -> int:
        return self._count

    def add(self, question: Waiting[T], now_us: int) -> Refused[T] | None:
        """Let a question wait; gives it back where it is refused."""
        own = self._queues.get(question.station, deque())
        if now_us >= question.expires_us:
            return _late(question, now_us)
        # A free place comes with the next batch.
        again_us = max(1, self._times.estimate_us(self._max_batch))
        if len(own) >= self._station_limit:
            why = f"{len(own)} questions of {question.station} wait already (max_waiting_station)"
            return Refused(question, "max_waiting_station", why, again_us)
        if self._count >= self._limit:
            why = f"{self._count} questions wait for this replica already (max_waiting)"
            return Refused(question, "max_waiting", why, again_us)
        ready_us = self._ready_us(question.station, len(own), now_us)
        if ready_us > question.expires_us and not self._may_probe(now_us):
            return _hopeless(question, ready_us, now_us, again_us=self._again_us(question, ready_us, now_us))
        if ready_us > question.expires_us:
            self._probe, self._probed_us = question, now_us
        self._queues.setdefault(question.station, deque()).append(question)
        self._count += 1
        return None

    def take(self, now_us: int) -> tuple[list[Waiting[T]], list[Refused[T]]]:
        """The next batch, a question a station in turns, and those refused because their deadline is out of reach.

        The batch is as large as waits, and each in it makes its deadline at that size: one that does not is refused,
        rather than making all batches small when the pool is late (early drop: Shen et al., "Nexus", SOSP 2019, 4.3).
        """
        refused = [_late(one, now_us) for one in self._drop(lambda one: now_us >= one.expires_us)]
        size = min(self._count, self._max_batch)
        ready_us = now_us + self._times.estimate_us(size)
        refused += [
            _hopeless(one, ready_us, now_us, again_us=ready_us - one.expires_us)
            for one in self._drop(lambda one: self._is_hopeless(one, ready_us))
        ]
        batch = [self._next() for _ in range(min(self._count, size))]
        self._busy_until_us = now_us + self._times.estimate_us(len(batch)) if batch else None
        self._probe = None
        return batch, refused

    def finished(self) -> None:
        """The batch in work is read."""
        self._busy_until_us = None

    def oldest_age_us(self, now_us: int) -> int | None:
        """How long that which waits longest has waited; None where nothing waits."""
        return max((now_us - one.since_us for one in self._all()), default=None)

    def next_expiry_us(self) -> int | None:
        """When the next deadline passes; None where nothing waits."""
        return min((one.expires_us for one in self._all()), default=None)

    def _may_probe(self, now_us: int) -> bool:
        idle = not self._count and self._busy_until_us is None
        return idle and (self._probed_us is None or now_us - self._probed_us >= PROBE_US)

    def _is_hopeless(self, question: Waiting[T], ready_us: int) -> bool:
        return ready_us > question.expires_us and question is not self._probe

    def _ready_us(self, station: str, own: int, now_us: int) -> int:
        """When the answer to one more question of the station is there, at the latest as the measured times say."""
        # In the turns before its own each other station has one question at most.
        ahead = own + sum(min(len(queue), own + 1) for name, queue in self._queues.items() if name != station)
        batches, place = divmod(ahead, self._max_batch)
        begins_us = max(now_us, self._busy_until_us or now_us) + batches * self._times.estimate_us(self._max_batch)
        # Those that wait behind it come into the same batch, and make it longer.
        size = min(self._max_batch, max(place + 1, self._count + 1 - batches * self._max_batch))
        return begins_us + self._times.estimate_us(size)

    def _again_us(self, question: Waiting[T], ready_us: int, now_us: int) -> int:
        """In how long a question with as much time as this one had is welcome: as one of a full batch.

        Those that were refused then come together, just in time for the next batch that has room. Came each as soon as
        it could be read alone, the first would leave no time for a batch with the others.
        """
        left_us = question.expires_us - now_us
        in_time = [size for size in range(1, self._max_batch + 1) if self._times.estimate_us(size) <= left_us]
        if not in_time:
            return max(1, ready_us - question.expires_us)
        spent_us = self._times.estimate_us(in_time[-1])
        begins_us = max(now_us, self._busy_until_us or now_us)
        if self._count >= in_time[-1]:
            begins_us += spent_us
        return max(1, begins_us + spent_us - question.expires_us)

    def _next(self) -> Waiting[T]:
        station, queue = next(iter(self._queues.items()))
        question = queue.popleft()
        self._count -= 1
        if queue:
            self._queues.move_to_end(station)
        else:
            del self._queues[station]
        return question

    def _drop(self, is_out: Callable[[Waiting[T]], bool]) -> list[Waiting[T]]:
        gone = [one for one in self._all() if is_out(one)]
        for station in {one.station for one in gone}:
            left = deque(one for one in self._queues[station] if not is_out(one))
            if left:
                self._queues[station] = left
            else:
                del self._queues[station]
        self._count -= len(gone)
        return gone

    def _all(self) -> Iterator[Waiting[T]]:
        for queue in self._queues.values():
            yield from queue


def _late(question: Waiting[T], now_us: int) -> Refused[T]:
    late_ms = (now_us - question.expires_us) / 1000
    why = f"the replica had other frames to read until the time for this one was over ({late_ms:.0f} ms ago)"
    return Refused(question, "late", why, 1)


def _hopeless(question: Waiting[T], ready_us: int, now_us: int, *, again_us: int) -> Refused[T]:
    needed_ms, left_ms = (ready_us - now_us) / 1000, (question.expires_us - now_us) / 1000
    why = (
        f"its answer would be there in {needed_ms:.0f} ms by the measured time of a batch, and is due in {left_ms:.0f}"
    )
    return Refused(question, "cannot_make_deadline", why, again_us)
