"""The course of an inspection: what came from outside, in order and with its times, so that it can be played again.

Laws of this file:
1. Every event that an inspection takes answers its one open order, so a course is the list of those answers.
2. What edge itself makes of a frame (its quality, the reading) is no part of a course: whoever plays it makes it anew.
   That it came, when, and that it failed or was too late, is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.core.events import Event
from edge.core.match import same


@dataclass(frozen=True, slots=True)
class Step:
    """One answer: `order` is the state that the inspection stood in, `attempt` its look at that time.

    `after_us` counts from the trigger. `event` is None where edge made the answer itself. `asked` is the serial that
    ERP was asked for, empty in other states.
    """

    order: str
    attempt: int
    after_us: int
    event: Event | None = None
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Course:
    """One inspection as it went. `begun` says how: "triggered", "busy" (an overrun) or "interrupted".

    `expected` is what MES said of the part. `calibration` is the SHA-256 of the calibration that counted.
    """

    begun: str = "triggered"
    expected: Mapping[str, str] | None = None
    steps: tuple[Step, ...] = ()
    calibration: str = ""

    def step(self, order: str, attempt: int) -> Step | None:
        """What answered this order then; None where it was never given."""
        return next((one for one in self.steps if (one.order, one.attempt) == (order, attempt)), None)

    def record_of(self, serial: str, attempt: int) -> Step | None:
        """What ERP said of a serial, at this look if it was asked then, else at another one; None: never asked."""
        asked = [one for one in self.steps if one.asked and same(one.asked, serial)]
        return next((one for one in asked if one.attempt == attempt), asked[-1] if asked else None)
