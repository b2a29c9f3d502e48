"""What a reader saw: text lines, fields, codes. Frozen facts that the core decides on.

Empty text means *nothing there*. A reader that could not do its work answers `ReadFailed` (see `events`), never an
empty reading (law L3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Point = tuple[float, float]
Quad = tuple[Point, Point, Point, Point]
#: Corners in frame pixels, in reading order: the text's top-left, top-right, bottom-right, bottom-left.

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class Character:
    """One character as read: its own confidence (0 to 1), the runners-up, and where it stands."""

    text: str
    confidence: float
    alternatives: tuple[tuple[str, float], ...] = ()
    box: Quad | None = None

    @property
    def margin(self) -> float:
        """Distance to the best other character; the confidence itself where none is known."""
        return self.confidence - max((score for _, score in self.alternatives), default=0.0)


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text on the frame; `text` is the characters' texts joined."""

    text: str
    box: Quad
    characters: tuple[Character, ...] = ()

    @property
    def confidence(self) -> float:
        """The least certain character's: one wrong character is a wrong line."""
        return min((c.confidence for c in self.characters), default=0.0)


@dataclass(frozen=True, slots=True)
class FieldReading:
    """What was read for one field.

    `raw` is as printed, `text` after the named `rule` changed it (None: nothing was changed). `finish_reason` "length"
    says that the text was cut at its cap: such a text is never a value. `why` tells how the text was linked to the
    field. `alternatives` are other texts with the rule that proposes them; they are never taken silently (law L7).
    `measures` are numbers that tell how sure it is, each the higher the surer, for the calibration of this reader:
    "link" is how far the next best link is behind, "nothing there" being one, in log-odds.
    """

    name: str
    raw: str = ""
    text: str = ""
    rule: str | None = None
    characters: tuple[Character, ...] = ()
    box: Quad | None = None
    finish_reason: FinishReason = "stop"
    why: str = ""
    alternatives: tuple[tuple[str, str], ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)

    @property
    def confidence(self) -> float:
        """The least certain character's, 0 to 1; 0 where nothing was read."""
        return min((c.confidence for c in self.characters), default=0.0)

    @property
    def margin(self) -> float:
        """The narrowest distance between a character and its runner-up; 0 where nothing was read."""
        return min((c.margin for c in self.characters), default=0.0)


@dataclass(frozen=True, slots=True)
class Code:
    """One bar or matrix code on the frame: its symbology ("QRCode", "Code128" …), text, and place.

    `fields` is what its text says by name ("serial", "model"), where its form names them; else empty.
    """

    format: str
    text: str
    box: Quad | None = None
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """A reader's whole answer for one frame.

    `fields` holds every field asked for, by name. `reader` and `reader_hash` say which reader with which weights.
    `ms` is the time of each stage by name, with `total`. `others` are readings of the very same frame by readers of
    other families: looks of their own.

    Raises:
        ValueError: two of the looks at the frame are by the same reader. It makes the same mistake twice; counted as
            two looks it would agree with itself (law L4).
    """

    fields: Mapping[str, FieldReading]
    lines: tuple[TextLine, ...] = ()
    codes: tuple[Code, ...] = ()
    reader: str = ""
    reader_hash: str = ""
    ms: Mapping[str, float] = field(default_factory=dict)
    others: tuple[Reading, ...] = ()

    def __post_init__(self) -> None:
        if self.others and len({look.reader for look in self.looks}) < len(self.looks):
            raise ValueError(f"reader {self.reader!r} cannot be two looks at one frame")

    @property
    def looks(self) -> tuple[Reading, ...]:
        """Every look at this frame, one a reader, this one first."""
        alone = replace(self, others=()) if self.others else self
        return (alone, *(look for other in self.others for look in other.looks))


@dataclass(frozen=True, slots=True)
class FreeAnswer:
    """A reader's answer to a free question about an image, or to one by a question profile.

    `finish` is "stop", or "length" where it was cut and is no whole answer. `first_token_ms` and `total_ms` count from
    the question; a reader that reads fields only has one token. `object` is what the text says as JSON, where the
    profile's answer is named fields or a query.
    """

    text: str
    finish: str
    tokens: int
    first_token_ms: float | None
    total_ms: float
    reader: str
    reader_hash: str
    profile: str = ""
    object: Mapping[str, Any] | None = None


def joint_name(readers: Sequence[str]) -> str:
    """What several readers of one frame are called together: "ocr+vlm"."""
    return "+".join(readers)


def joint_hash(hashes: Sequence[str]) -> str:
    """One SHA-256 (hex) for several readers, in their order; that of a single one is its own."""
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()
