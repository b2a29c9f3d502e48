"""What the inspector notes of an inspection: its course while it goes on, and one line in the log at its end."""

from __future__ import annotations

from dataclasses import replace

import structlog

from edge.adapters import course_text
from edge.core.course import Course, Step
from edge.core.events import Event, FieldsRead, FrameJudged, Interrupted, Triggered
from edge.core.inspection import Inspection
from edge.core.outcome import Outcome

log = structlog.get_logger()


class CourseNotes:
    """The course of the inspection that is running."""

    def __init__(self, calibration: str = "") -> None:
        self._calibration = calibration
        self._course, self._begun_us, self._asked = Course(), 0, ""

    def note(self, inspection: Inspection, event: Event) -> None:
        """Note an event that the inspection is about to take."""
        if isinstance(event, Triggered | Interrupted):
            self._course, self._begun_us = self._begun(event), event.at_us
            return
        state, attempt = inspection.state.value, inspection.num_attempts
        outside = None if isinstance(event, FrameJudged | FieldsRead) else event
        asked = self._asked if state == "checking" else ""
        step = Step(state, attempt, event.at_us - self._begun_us, outside, asked)
        self._course = replace(self._course, steps=(*self._course.steps, step))

    def asked(self, serial: str) -> None:
        """Note which serial ERP is asked for."""
        self._asked = serial

    def text(self) -> str:
        """The course so far."""
        return course_text.write(self._course, self._begun_us)

    def text_of(self, event: Triggered | Interrupted) -> str:
        """The course of an inspection that ends as it begins."""
        return course_text.write(self._begun(event), event.at_us)

    def _begun(self, event: Triggered | Interrupted) -> Course:
        if isinstance(event, Interrupted):
            return Course("interrupted", None, (), self._calibration)
        return Course("busy" if event.busy else "triggered", event.expected, (), self._calibration)


def log_outcome(outcome: Outcome, seq: int) -> None:
    """The one line of an inspection: id, hash of the last frame, time of each stage, disposition, reason."""
    log.info(
        "inspection",
        inspection_id=outcome.inspection_id,
        trigger_id=outcome.trigger_id,
        seq=seq,
        disposition=outcome.disposition.value,
        reason=outcome.reason.value,
        defects=[defect.value for defect in outcome.defects],
        attempts=len(outcome.attempts),
        retakes=[(one.action, one.helped, dict(one.changed)) for one in outcome.attempts[1:]],
        sha256=outcome.evidence[-1].sha256 if outcome.evidence else None,
        ms={stage: round(ms, 1) for stage, ms in outcome.ms.items()},
        detail=outcome.detail,
    )
