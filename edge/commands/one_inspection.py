"""One inspection in one thread: what a station's processes do for the core, for whoever has no station.

Promises: the core decides, the reader reads and the gate measures as on the line; only what comes from outside, frames
and records, is the caller's. With a course of then, every answer comes when it came then, and what failed or was too
late is so again; else time goes on by a millisecond a step, so that no limit of time ends anything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from edge.core.actions import Commit, Judge, LookUp, Read, TakeFrame
from edge.core.course import Course, Step
from edge.core.events import (
    Event,
    FieldsRead,
    FrameFailed,
    FrameJudged,
    FrameTaken,
    Interrupted,
    ReadFailed,
    RecordFound,
    RecordMissing,
    RecordUnavailable,
    TimerFired,
    Triggered,
)
from edge.core.fields import Product
from edge.core.inspection import Inspection
from edge.core.outcome import Outcome
from edge.core.policy import Policy
from edge.core.quality import Quality
from edge.errors import ReaderError
from edge.readers.reader import Image, Located, Reader
from edge.vision import quality

_STEP_US = 1_000


class Outside(Protocol):
    """What one inspection gets from outside: a camera and ERP."""

    def take(self, order: TakeFrame, now_us: int) -> FrameTaken | FrameFailed:
        """Take the frame of an attempt."""

    def frame(self, attempt: int) -> Image:
        """The frame that was taken for an attempt, as the reader gets it; asked for once.

        Raises:
            ImageError: it is gone, or is not what was taken.
        """

    def look_up(self, order: LookUp, now_us: int) -> RecordFound | RecordMissing | RecordUnavailable:
        """Ask for the record of a part."""


def inspect(
    begun: Triggered | Interrupted,
    product: Product,
    policy: Policy,
    reader: Reader,
    outside: Outside,
    *,
    course: Course | None = None,
) -> Outcome:
    """Inspect one part, from its trigger to its outcome.

    Raises:
        ImageError: a frame is gone, or is not what was taken.
        ReaderError: the reader could not do its work.
    """
    inspection, station = Inspection(product, policy), _Station(product, reader, outside)
    now_us = begun.at_us
    events: deque[Event] = deque([begun])
    while events:
        for action in inspection.handle(events.popleft()):
            if isinstance(action, Commit):
                return action.outcome
            if isinstance(action, TakeFrame | Judge | Read | LookUp):
                then = None if course is None else course.step(inspection.state.value, action.attempt)
                now_us = now_us + _STEP_US if then is None else max(now_us, begun.at_us + then.after_us)
                events.append(_failure(then, now_us) or station.perform(action, now_us))
    raise ReaderError(f"inspection {begun.inspection_id} came to no end: that is a mistake in edge")


def _failure(then: Step | None, now_us: int) -> TimerFired | ReadFailed | None:
    """What failed or was too late then, at its time; None where an answer came."""
    if then is None or not isinstance(then.event, TimerFired | ReadFailed):
        return None
    return replace(then.event, at_us=now_us)


@dataclass(frozen=True, slots=True)
class _Station:
    """Performs the core's actions one by one; `frames` are those of this inspection, with their text located."""

    product: Product
    reader: Reader
    outside: Outside
    frames: dict[int, tuple[Image, Located]] = field(default_factory=dict)

    def perform(self, order: TakeFrame | Judge | Read | LookUp, now_us: int) -> Event:
        """Do what is ordered; give what came of it. Nobody is told of anything here, and no timer fires."""
        match order:
            case TakeFrame():
                return self.outside.take(order, now_us)
            case Judge(attempt):
                image = self.outside.frame(attempt)
                located = self.reader.locate(image)
                self.frames[attempt] = image, located
                # A reader in another process has measured the frame there.
                measure: Callable[[Image], Quality] | None = getattr(self.reader, "measure", None)
                measured = quality.measure(image, located.boxes) if measure is None else measure(image)
                return FrameJudged(now_us, attempt, measured)
            case Read(attempt, _, draft):
                image, located = self.frames[attempt]
                return FieldsRead(now_us, attempt, self.reader.read(image, self.product, located, draft))
            case LookUp():
                return self.outside.look_up(order, now_us)
