"""One inspection in one thread: what a station's processes do for the core, for whoever has no station.

Promises: the core decides, the reader reads and the gate measures as on the line; only what comes from outside, frames
and records, is the caller's; time goes on by a millisecond a step, so that no limit of time ends anything.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from edge.core.actions import Action, Commit, Judge, LookUp, Read, TakeFrame
from edge.core.events import (
    Event,
    FieldsRead,
    FrameFailed,
    FrameJudged,
    FrameTaken,
    RecordFound,
    RecordMissing,
    RecordUnavailable,
    Triggered,
)
from edge.core.fields import Product
from edge.core.inspection import Inspection
from edge.core.outcome import Outcome
from edge.core.policy import Policy
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


def inspect(trigger: Triggered, product: Product, policy: Policy, reader: Reader, outside: Outside) -> Outcome:
    """Inspect one part, from its trigger to its outcome.

    Raises:
        ImageError: a frame is gone, or is not what was taken.
        ReaderError: the reader could not do its work.
    """
    inspection, station = Inspection(product, policy), _Station(product, reader, outside)
    now_us = trigger.at_us
    events: deque[Event] = deque([trigger])
    while events:
        now_us += _STEP_US
        for action in inspection.handle(events.popleft()):
            if isinstance(action, Commit):
                return action.outcome
            event = station.perform(action, now_us)
            if event is not None:
                events.append(event)
    raise ReaderError(f"inspection {trigger.inspection_id} came to no end: that is a mistake in edge")


@dataclass(frozen=True, slots=True)
class _Station:
    """Performs the core's actions one by one; `frames` are those of this inspection, with their text located."""

    product: Product
    reader: Reader
    outside: Outside
    frames: dict[int, tuple[Image, Located]] = field(default_factory=dict)

    def perform(self, action: Action, now_us: int) -> Event | None:
        """Do what is ordered; give what came of it. Nobody is told of anything here, and no timer fires."""
        match action:
            case TakeFrame():
                return self.outside.take(action, now_us)
            case Judge(attempt):
                image = self.outside.frame(attempt)
                located = self.reader.locate(image)
                self.frames[attempt] = image, located
                return FrameJudged(now_us, attempt, quality.measure(image, located.boxes))
            case Read(attempt, _, draft):
                image, located = self.frames[attempt]
                return FieldsRead(now_us, attempt, self.reader.read(image, self.product, located, draft))
            case LookUp():
                return self.outside.look_up(action, now_us)
        return None
