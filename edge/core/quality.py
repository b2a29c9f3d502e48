"""The measured quality of one frame, as facts. How they are measured is `edge.vision.quality`; what follows, `gate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.core.reading import Quad

MeasureName = Literal[
    "sharpness",
    "motion",
    "glare",
    "overexposure",
    "underexposure",
    "contrast",
    "text_height",
    "subject_area",
    "cut_off",
    "tilt",
]
#: Units of `Measure.raw`, in this order: sharpness: blur of the strokes, px at a text height of 32 (0 is sharp);
#: motion: extra blur along one direction, px at a text height of 32; glare: the widest stretch of a line that
#: highlights hide, in text heights; overexposure: share of clipped pixels on the text, 0 to 1; underexposure: level of
#: the brighter of ink and ground, 0 to 255; contrast: ink against ground in grey levels, 0 to 255; text_height: median
#: height of a line, px of the frame; subject_area: share of the frame that the plate covers, 0 to 1; cut_off: share of
#: lines that touch the frame's edge, 0 to 1; tilt: degrees between the lines and the frame's horizontal, -180 to 180.


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: its raw value, and 0 (worst) to 100 (best). Both None where it could not be assessed."""

    raw: float | None
    score: int | None


@dataclass(frozen=True, slots=True)
class Quality:
    """All measures of one frame by name, the plate's outline, and how many text lines were found.

    `motion_degrees` is the direction of motion blur where there is one, for people and for the retake's cause.
    """

    measures: Mapping[MeasureName, Measure]
    num_lines: int
    region: Quad | None = None
    motion_degrees: float | None = None
