"""One reader of the pool with its batch queue: what a Ray replica runs, and what the bench measures without Ray.

Promises: a frame is read as a station's own reader process reads it: decoded by the same code, by the same reader
(`edge.readers`), with the station's product and boxes; one broken frame fails no other of its batch. For a reader that
batches, frames are decoded and their lines read while the batch before them is on the GPU.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from edge.adapters import images
from edge.core.fields import Product
from edge.core.reading import FreeAnswer, Quad, Reading
from edge.errors import EdgeError, ReaderError
from edge.pool.batch_queue import OF_STATION, WAITING, BatchQueue, unnamed
from edge.readers.answering import answer
from edge.readers.reader import Located

#: A batch that takes longer than this is too late for any line: larger ones need not be measured.
LONG_US = 1_000_000


@dataclass(frozen=True, slots=True)
class ReadFrame:
    """Read a product's fields on an encoded frame, whose text stands in the boxes (None: wherever it is found)."""

    image: bytes
    product: Product
    draft: Mapping[str, str] = field(default_factory=dict)
    boxes: tuple[Quad, ...] | None = None


@dataclass(frozen=True, slots=True)
class AskFrame:
    """Answer a free question about an encoded frame, with at most `cap` tokens."""

    image: bytes
    question: str
    product: Product
    cap: int = 64


Work = ReadFrame | AskFrame
Told = Reading | FreeAnswer


@dataclass(frozen=True, slots=True)
class _Task:
    """What waits: the work, and what the reader wants to be given for it, once that is there."""

    work: Work
    prepared: Future[Any]


class Replica:
    """One reader and its queue. Any thread may ask it.

    Args:
        reader: what reads; one that batches reads several frames together, any other one by one.
        max_batch: most frames of a batch.
        preparing: threads that decode frames and read their lines for a reader that batches.
        waiting: most questions that wait.
        of_station: most of one station.
    """

    def __init__(
        self,
        reader: Any,
        *,
        max_batch: int = 16,
        preparing: int = 4,
        waiting: int = WAITING,
        of_station: int = OF_STATION,
    ) -> None:
        self.reader = reader
        batches = bool(getattr(reader, "batches", False))
        self._max_batch = max_batch if batches else 1
        self._preparing = ThreadPoolExecutor(preparing, thread_name_prefix="preparing") if batches else None
        self._queue: BatchQueue[_Task, Told] = BatchQueue(
            self._answered, max_batch=self._max_batch, waiting=waiting, of_station=of_station
        )

    def put(self, station: str, work: Work, within_us: int) -> Future[Told]:
        """Ask on behalf of a station, for an answer within so long; `RefusedError` where there will be none."""
        task = _Task(work, Future())
        told = self._queue.put(station, task, time.monotonic_ns() // 1000 + within_us)
        # What is refused costs nobody the time to decode it.
        if self._preparing is not None and not told.done():
            self._preparing.submit(_prepare, task, self._prepared, told)
        return told

    def facts(self) -> dict[str, Any]:
        """Who reads, and what the queue tells."""
        return {"reader": self.reader.name, "reader_hash": self.reader.hash, "pid": os.getpid(), **self._queue.facts()}

    def measure(self, frames: Sequence[ReadFrame]) -> None:
        """Read batches of every size, and go by the times of these from now on. Before anybody asks.

        Without it a batch of more frames than any so far would be thought to take as much longer, and so be refused for
        its deadline: none would ever be read. The first of each size prepares the reader, and does not count.
        """
        self._queue.forget_times()
        size = 1
        while size <= self._max_batch:
            batch = [frames[number % len(frames)] for number in range(size)]
            for _ in range(2):
                tasks = [_Task(frame, Future()) for frame in batch]
                for task in tasks:
                    _prepare(task, self._prepared, Future())
                begun_us = time.monotonic_ns() // 1000
                self._answered(tasks)
                spent_us = time.monotonic_ns() // 1000 - begun_us
            self._queue.note_time(size, spent_us)
            size = self._max_batch + 1 if spent_us >= LONG_US else 2 * size

    def close(self) -> None:
        """Answer what waits, and end."""
        self._queue.close()
        if self._preparing is not None:
            self._preparing.shutdown()

    def _answered(self, batch: Sequence[_Task]) -> list[Told | Exception]:
        if self._preparing is None:
            return [_attempt(self._alone, task.work) for task in batch]
        prepared = [task.prepared.result() for task in batch]
        readings = iter(self._read_many([one.request for one in prepared if isinstance(one, _Request)]))
        return [next(readings) if isinstance(one, _Request) else one for one in prepared]

    def _prepared(self, work: Work) -> _Request | Told:
        if isinstance(work, AskFrame):
            return self._alone(work)
        image, located = _decoded(work)
        return _Request(self.reader.request(image, work.product, located, work.draft))

    def _read_many(self, requests: Sequence[Any]) -> list[Told | Exception]:
        """Read together; where that fails, each alone, so that none suffers for another."""
        if not requests:
            return []
        try:
            readings: list[Told | Exception] = list(self.reader.read_many(requests))
            if len(readings) == len(requests):
                return readings
            why = f"the reader gave {len(readings)} readings of {len(requests)} frames: that is a mistake in the reader"
            return [ReaderError(why) for _ in requests]
        except EdgeError as error:
            if len(requests) == 1:
                return [error]
        return [one for request in requests for one in self._read_many([request])]

    def _alone(self, work: Work) -> Told:
        if isinstance(work, AskFrame):
            image = images.decode(work.image, "the question's image")
            return answer(self.reader, image, work.question, work.product, cap=work.cap)
        image, located = _decoded(work)
        reading: Reading = self.reader.read(image, work.product, located, work.draft)
        return reading


@dataclass(frozen=True, slots=True)
class _Request:
    """A frame as a reader that batches wants it."""

    request: Any


def _decoded(work: ReadFrame) -> tuple[images.Image, Located | None]:
    image = images.decode(work.image, "the frame")
    return image, None if work.boxes is None else Located(work.boxes, (image.shape[1], image.shape[0]))


def _prepare(task: _Task, prepare: Any, told: Future[Told]) -> None:
    """Prepare a task that nobody has refused meanwhile; whatever goes wrong is what it is answered with."""
    if told.done():
        task.prepared.set_result(ReaderError("refused"))
        return
    try:
        task.prepared.set_result(_attempt(prepare, task.work))
    except Exception as error:  # noqa: BLE001 - the batch waits for it
        task.prepared.set_result(unnamed(error))


def _attempt(act: Any, work: Work) -> Any:
    """What `act` gives; an error with a name is this question's answer and no other's."""
    try:
        return act(work)
    except EdgeError as error:
        return error
