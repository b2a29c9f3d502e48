"""What the inspection orders its shell to do: imperative, frozen. The shell performs them and decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.core.events import TimerName
from edge.core.outcome import Defect, Outcome


@dataclass(frozen=True, slots=True)
class TakeFrame:
    """Take a frame that is exposed from now on, with this exposure and light."""

    attempt: int
    exposure_us: int
    light: str


@dataclass(frozen=True, slots=True)
class Judge:
    """Measure the quality of this attempt's frame."""

    attempt: int
    frame_id: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read this attempt's frame. The draft may speed the reading up, and must not change it (law L6)."""

    attempt: int
    frame_id: str
    draft: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask ERP for the record of this serial, and the store whether a part of this serial has passed before."""

    attempt: int
    serial: str


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Answer with `TimerFired` at this time of the host's monotonic clock."""

    timer: TimerName
    at_us: int
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class AnnounceRetake:
    """Tell the site what is wrong with the frame, and what is done about it or asked for."""

    inspection_id: str
    attempt: int
    cause: tuple[Defect, ...]
    action: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Make this outcome durable, then let it be told. The last action of every inspection."""

    outcome: Outcome


Action = TakeFrame | Judge | Read | LookUp | StartTimer | AnnounceRetake | Commit
