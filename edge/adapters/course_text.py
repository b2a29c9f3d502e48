"""A course as JSON text, for `edge.db` and for bundles. Times are counted from the trigger, in microseconds.

Promise: `read(write(course))` is the course; what does not have the form is refused with what is wrong about it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from edge.core.course import Course, Step
from edge.core.events import (
    Event,
    FrameFailed,
    FrameTaken,
    ReadFailed,
    RecordFound,
    RecordMissing,
    RecordUnavailable,
    TimerFired,
)

#: Events that come from outside, by the name that they have in the text.
EVENTS: Mapping[str, type[Any]] = {
    "frame_taken": FrameTaken,
    "frame_failed": FrameFailed,
    "read_failed": ReadFailed,
    "record_found": RecordFound,
    "record_missing": RecordMissing,
    "record_unavailable": RecordUnavailable,
    "timer_fired": TimerFired,
}
_NAMES = {kind: name for name, kind in EVENTS.items()}
_ORDERS = ("capturing", "judging", "reading", "checking")
_BEGUN = ("triggered", "busy", "interrupted")
#: Said of the step already.
_OF_STEP = ("at_us", "attempt")


class CourseError(ValueError):
    """Raised where a text is no course."""


def write(course: Course, begun_us: int) -> str:
    """The text of a course whose times of exposure are on the host's clock, on which it began at `begun_us`."""
    steps = [{**_step(step), **_event(step.event, begun_us)} for step in course.steps]
    told = {"begun": course.begun, "expected": course.expected, "steps": steps, "calibration": course.calibration}
    # As in payload.py: half a surrogate pair of a strange plate must not cost the course.
    return json.dumps(told, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def read(text: str | bytes) -> Course:
    """The course of a text; its times of exposure count from the trigger.

    Raises:
        CourseError: it is none.
    """
    try:
        told = json.loads(text)
        steps = tuple(_read_step(one) for one in told["steps"])
        begun, expected, calibration = told["begun"], told["expected"], told["calibration"]
    except (KeyError, TypeError, ValueError, RecursionError, AttributeError) as error:
        raise CourseError(f"{type(error).__name__}: {str(error)[:100]}") from None
    if begun not in _BEGUN or not isinstance(calibration, str):
        raise CourseError(f"it began as {str(begun)[:40]!r}, which is none of {', '.join(_BEGUN)}")
    return Course(begun, None if expected is None else _texts(expected), steps, calibration)


def _step(step: Step) -> dict[str, Any]:
    told: dict[str, Any] = {"order": step.order, "attempt": step.attempt, "after_us": step.after_us}
    return told | ({"asked": step.asked} if step.asked else {})


def _event(event: Event | None, begun_us: int) -> dict[str, Any]:
    if event is None or type(event) not in _NAMES:
        return {}
    told = {one.name: getattr(event, one.name) for one in fields(event) if one.name not in _OF_STEP}
    if "exposed_us" in told:
        told["exposed_us"] -= begun_us
    if "fields" in told:
        told["fields"] = dict(told["fields"])
    return {"event": _NAMES[type(event)], **told}


def _read_step(told: Mapping[str, Any]) -> Step:
    order, attempt, after_us, asked = told["order"], told["attempt"], told["after_us"], told.get("asked", "")
    if order not in _ORDERS or type(attempt) is not int or type(after_us) is not int or not isinstance(asked, str):
        raise ValueError(f"no step of a course: {str(told)[:60]}")
    if "event" not in told:
        return Step(order, attempt, after_us, None, asked)
    kind = EVENTS[told["event"]]
    facts = {one.name: told[one.name] for one in fields(kind) if one.name in told and one.name not in _OF_STEP}
    for name, value in facts.items():
        _check(name, value)
    # A timer of the whole inspection has no attempt.
    of_step = 0 if facts.get("timer") == "deadline" else attempt
    return Step(order, attempt, after_us, kind(at_us=after_us, attempt=of_step, **facts), asked)


def _check(name: str, value: Any) -> None:
    """Refuse a fact of a kind that its event does not have."""
    match name:
        case "exposed_us" | "exposure_us":
            sound = type(value) is int
        case "frozen":
            sound = isinstance(value, bool)
        case "age_s":
            sound = type(value) in {int, float}
        case "passed_before":
            sound = value is None or isinstance(value, str)
        case "fields":
            sound = bool(_texts(value)) or value == {}
        case _:
            sound = isinstance(value, str)
    if not sound:
        raise ValueError(f"{name} is {str(value)[:60]!r}")


def _texts(told: Any) -> dict[str, str]:
    if not isinstance(told, dict) or not all(isinstance(one, str) for pair in told.items() for one in pair):
        raise CourseError(f"no texts by name: {str(told)[:60]}")
    return told
