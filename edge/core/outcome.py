"""The finished statement of one inspection: disposition for the machine, reason for people, evidence for both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from edge.core.calibration import FalseAccept
from edge.core.quality import Quality
from edge.core.reading import Code, FieldReading, Reading

SCHEMA: Final = "edge/v1"


class Disposition(StrEnum):
    """What is to be done with the part."""

    PASS = "pass"  # noqa: S105 - a disposition, not a password
    FAIL = "fail"
    HOLD = "hold"


class Reason(StrEnum):
    """Why the outcome is what it is. A closed list: MES programs against it."""

    MATCHED = "matched"
    MISMATCH = "mismatch"
    DUPLICATE_SERIAL = "duplicate_serial"
    FORMAT_VIOLATION = "format_violation"
    CODE_CONFLICT = "code_conflict"
    UNREADABLE = "unreadable"
    RECORD_MISSING = "record_missing"
    ERP_UNAVAILABLE = "erp_unavailable"
    READER_FAILED = "reader_failed"
    TRUNCATED = "truncated"
    CAMERA_FAILED = "camera_failed"
    STALE_FRAME = "stale_frame"
    DEADLINE = "deadline"
    OVERRUN = "overrun"
    INTERRUPTED = "interrupted"


class Defect(StrEnum):
    """What is wrong with a frame or a reading; the cause of a retake, and the detail of `Reason.UNREADABLE`."""

    GLARE = "glare"
    BLUR = "blur"
    DARK = "dark"
    BRIGHT = "bright"
    LOW_CONTRAST = "low_contrast"
    TOO_SMALL = "too_small"
    CUT_OFF = "cut_off"
    NO_PLATE = "no_plate"
    TILTED = "tilted"
    DISAGREEMENT = "disagreement"
    LOW_CONFIDENCE = "low_confidence"


#: The one disposition that each reason has. A reason decides; nothing else may pass a part (law L4).
DISPOSITION_OF: Mapping[Reason, Disposition] = {
    Reason.MATCHED: Disposition.PASS,
    Reason.MISMATCH: Disposition.FAIL,
    Reason.DUPLICATE_SERIAL: Disposition.FAIL,
    Reason.FORMAT_VIOLATION: Disposition.FAIL,
    Reason.CODE_CONFLICT: Disposition.FAIL,
    Reason.UNREADABLE: Disposition.HOLD,
    Reason.RECORD_MISSING: Disposition.HOLD,
    Reason.ERP_UNAVAILABLE: Disposition.HOLD,
    Reason.READER_FAILED: Disposition.HOLD,
    Reason.TRUNCATED: Disposition.HOLD,
    Reason.CAMERA_FAILED: Disposition.HOLD,
    Reason.STALE_FRAME: Disposition.HOLD,
    Reason.DEADLINE: Disposition.HOLD,
    Reason.OVERRUN: Disposition.HOLD,
    Reason.INTERRUPTED: Disposition.HOLD,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One kept frame: path below the data folder, SHA-256 (hex) of the very bytes that the reader saw (law L8)."""

    path: str
    sha256: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Looked:
    """What one reader read on one frame; `confidence` is its least certain character's, None where nothing was read."""

    reader: str
    reader_hash: str
    texts: Mapping[str, str]
    confidence: float | None = None

    @classmethod
    def at(cls, reading: Reading) -> Looked:
        """The look that a reading is, without those of other readers."""
        read = [field.confidence for field in reading.fields.values() if field.text]
        texts = {name: field.text for name, field in reading.fields.items()}
        return cls(reading.reader, reading.reader_hash, texts, min(read, default=None))


@dataclass(frozen=True, slots=True)
class Attempt:
    """One frame of the part: what was asked, what came, what was wrong, and whether a retake helped (law L9).

    `texts` is what the first reader read; `readings` is what each of them did. `changed` has what the action was meant
    for, before and after: scores of measures, 0 to 100, and "confidence", 0 to 1; only what both frames have.
    """

    number: int
    action: str = ""
    cause: tuple[Defect, ...] = ()
    frame_id: str | None = None
    exposure_us: int | None = None
    light: str | None = None
    defects: tuple[Defect, ...] = ()
    quality: Quality | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    readings: tuple[Looked, ...] = ()
    confidence: float | None = None
    failure: str | None = None
    helped: bool | None = None
    changed: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldOutcome:
    """A field as decided on: what was read, what was expected, and how it was judged."""

    reading: FieldReading
    expected: str | None = None
    looks: int = 0
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One per trigger, immutable. `seq` and `station` are added by the store when it is written.

    `false_accept` says how often a pass on evidence as this was wrong on labelled plates; None where nothing was
    measured, and where the fields were not read well enough to be compared.
    `reader` and `reader_hash` are those of all readers of a frame together ("ocr+vlm").
    """

    inspection_id: str
    trigger_id: str
    reason: Reason
    defects: tuple[Defect, ...] = ()
    fields: Mapping[str, FieldOutcome] = field(default_factory=dict)
    codes: tuple[Code, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    erp_source: str | None = None
    erp_age_s: float | None = None
    false_accept: FalseAccept | None = None
    reader: str | None = None
    reader_hash: str | None = None
    detail: str = ""
    ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def disposition(self) -> Disposition:
        """What is to be done with the part; follows from the reason alone."""
        return DISPOSITION_OF[self.reason]
