"""A vocabulary for the core's tests: a plate, readings of it, frames of it, and a station's policy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edge.core.actions import Action, Commit
from edge.core.events import Event, FieldsRead, FrameJudged, FrameTaken, RecordFound, Triggered
from edge.core.fields import FieldRule, Limits, Product
from edge.core.inspection import Inspection
from edge.core.outcome import Outcome
from edge.core.policy import Policy
from edge.core.quality import Measure, MeasureName, Quality
from edge.core.reading import Character, Code, FieldReading, Reading

SERIAL, MODEL = "20481357KX", "AX-4711"
PLATE = {"serial": SERIAL, "model": MODEL}
#: When the part came, and the answer of ERP to its second look.
T = 1_000_000
FOUND = RecordFound(T + 400_000, 2, PLATE, "csv", 1.0)


def product(mode: str = "verify", **rules: FieldRule) -> Product:
    """A gearmotor: eight digits and two letters, and a model without a pattern."""
    pattern = re.compile("[0-9]{8}[A-Z]{2}")
    fields = {
        "serial": FieldRule(
            "serial", pattern.pattern, lambda text: pattern.fullmatch(text) is not None, confusable=("0O", "1I", "8B")
        ),
        "model": FieldRule("model"),
    }
    return Product("gearmotor", fields | rules, Limits({"glare": 50, "sharpness": 40, "cut_off": 50}), mode)


def policy(**changes: object) -> Policy:
    """The default policy with some numbers changed."""
    return Policy(**changes)  # type: ignore[arg-type]


def characters(text: str, confidence: float = 0.99, rival: str | None = None) -> tuple[Character, ...]:
    """Characters that are all equally sure, with one rival that has what is left."""
    others = () if rival is None else ((rival, round(1 - confidence, 6)),)
    return tuple(Character(one, confidence, others) for one in text)


def field(name: str, text: str, confidence: float = 0.99, **changes: object) -> FieldReading:
    """One field as read, unchanged by any rule."""
    return FieldReading(name, text, text, characters=characters(text, confidence), **changes)  # type: ignore[arg-type]


def reading(texts: Mapping[str, str] = PLATE, confidence: float = 0.99, codes: Sequence[Code] = ()) -> Reading:
    """A whole plate as read."""
    fields = {name: field(name, text, confidence) for name, text in texts.items()}
    return Reading(fields, codes=tuple(codes), reader="ocr", reader_hash="0" * 64)


def both(first: Reading, second: Reading) -> Reading:
    """One frame as read by two readers of different families."""
    return replace(first, others=(replace(second, reader="vlm", reader_hash="1" * 64),))


def quality(num_lines: int = 6, **scores: int) -> Quality:
    """A good frame, but for the scores named."""
    names: tuple[MeasureName, ...] = ("glare", "sharpness", "cut_off", "text_height")
    return Quality({name: Measure(None, scores.get(name, 95)) for name in names}, num_lines)


def triggered(at_us: int = 1_000_000, expected: Mapping[str, str] | None = PLATE, *, busy: bool = False) -> Triggered:
    """The part is in place."""
    return Triggered(at_us, "0190-insp", "trigger-7", expected, busy)


def taken(at_us: int, attempt: int = 1, *, exposed_us: int | None = None, frozen: bool = False) -> FrameTaken:
    """A frame of the attempt, exposed 20 ms before it arrived."""
    exposed = at_us - 20_000 if exposed_us is None else exposed_us
    return FrameTaken(at_us, attempt, f"frame-{attempt}", "ab" * 32, exposed, 5000, "normal", frozen)


def judged(at_us: int, attempt: int = 1, **scores: int) -> FrameJudged:
    """The frame's quality, good but for the scores named."""
    return FrameJudged(at_us, attempt, quality(**scores))


def was_read(at_us: int, attempt: int = 1, what: Reading | None = None) -> FieldsRead:
    """The reader's answer."""
    return FieldsRead(at_us, attempt, what or reading())


def run(*events: Event, mode: str = "verify", **limits: object) -> tuple[Inspection, list[Action]]:
    """An inspection after these events, and all that it ordered."""
    inspection = Inspection(product(mode), policy(**limits))
    actions = [action for event in events for action in inspection.handle(event)]
    return inspection, actions


def outcome_of(actions: list[Action]) -> Outcome:
    """The one outcome among the actions, which is the last of them."""
    commits = [action for action in actions if isinstance(action, Commit)]
    assert len(commits) == 1
    assert actions[-1] is commits[0]
    return commits[0].outcome


def look(attempt: int = 1, at_us: int = T + 100_000, texts: dict[str, str] | None = None) -> list[Event]:
    """One good look at the part: frame, quality, reading."""
    return [taken(at_us, attempt), judged(at_us, attempt), was_read(at_us, attempt, reading(texts or PLATE))]


def two_looks(texts: dict[str, str] | None = None) -> list[Event]:
    """A trigger and two looks that agree."""
    return [triggered(T), *look(1, T + 100_000, texts), *look(2, T + 300_000, texts)]
