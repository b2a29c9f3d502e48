"""What can happen to one inspection: facts, in the past tense, frozen, with the time at which they became known.

`at_us` is the host's monotonic clock in microseconds, the same for all processes of a PC. The core has no clock of
its own: it knows no other time than that of the latest event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.core.quality import Quality
from edge.core.reading import Reading

TimerName = Literal["deadline", "frame", "judge", "read", "record"]


@dataclass(frozen=True, slots=True)
class Triggered:
    """A part is in place. `busy` says that the station was still at an earlier part."""

    at_us: int
    inspection_id: str
    trigger_id: str
    expected: Mapping[str, str] | None = None
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The inspection had begun when the process that ran it died; nothing more is known of it."""

    at_us: int
    inspection_id: str
    trigger_id: str


@dataclass(frozen=True, slots=True)
class FrameTaken:
    """A frame of this attempt arrived. `exposed_us` is when its exposure began, on the host's clock."""

    at_us: int
    attempt: int
    frame_id: str
    sha256: str
    exposed_us: int
    exposure_us: int
    light: str
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class FrameFailed:
    """The camera gave no frame for this attempt."""

    at_us: int
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class FrameJudged:
    """The quality of this attempt's frame was measured."""

    at_us: int
    attempt: int
    quality: Quality


@dataclass(frozen=True, slots=True)
class FieldsRead:
    """The reader read this attempt's frame."""

    at_us: int
    attempt: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """The reader could not do its work on this attempt's frame: not the same as nothing read (law L3)."""

    at_us: int
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class RecordFound:
    """ERP holds this record. `passed_before` says who passed a part of this serial already, if anybody did."""

    at_us: int
    attempt: int
    fields: Mapping[str, str]
    source: str
    age_s: float
    passed_before: str | None = None


@dataclass(frozen=True, slots=True)
class RecordMissing:
    """ERP answered, and knows no such part."""

    at_us: int
    attempt: int
    source: str
    age_s: float


@dataclass(frozen=True, slots=True)
class RecordUnavailable:
    """ERP could not be asked, or its answer was not one record."""

    at_us: int
    attempt: int
    why: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that `StartTimer` asked for has run out. `attempt` tells the timers of two attempts apart."""

    at_us: int
    timer: TimerName
    attempt: int = 0


Event = (
    Triggered
    | Interrupted
    | FrameTaken
    | FrameFailed
    | FrameJudged
    | FieldsRead
    | ReadFailed
    | RecordFound
    | RecordMissing
    | RecordUnavailable
    | TimerFired
)
