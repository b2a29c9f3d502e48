"""What the inspector notes of an inspection while it goes on: its course."""

from __future__ import annotations

from dataclasses import replace

from edge.adapters import course_text
from edge.core.course import Course, Step
from edge.core.events import Event, FieldsRead, FrameJudged, Interrupted, Triggered
from edge.core.inspection import Inspection


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
