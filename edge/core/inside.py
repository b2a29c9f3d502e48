"""What a model on this station did for one answer: what it chose from, and what it looked at. Frozen facts for people.

Nothing here decides about a part: it is worked out over a finished answer, on demand, and never while a station waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.core.reading import FinishReason, Quad

#: What a model can look at: a line on its picture, the frame's thumbnail, the picture's empty ground (or the picture as
#: a whole, where a model does not tell where its image tokens stand), and text.
PartKind = Literal["line", "thumbnail", "ground", "picture", "hint", "question", "frame_text", "answer"]
#: The parts that are of the picture.
PICTURED: tuple[PartKind, ...] = ("line", "thumbnail", "ground", "picture")


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a model can look at.

    `text` is what OCR read there, or what the text says. "frame_text" is what the model's own form puts round a
    question; "answer" is what it had written before.
    """

    kind: PartKind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """A piece of the frame that one image token saw.

    `token` counts image tokens row by row. `part` is the number of its `Part`. `share` (0 to 1) is how much of the
    token's own square this piece takes: what a token was given is spread over its pieces by it.
    """

    token: int
    part: int
    quad: Quad
    share: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A token that could have come: its text (empty: the end), the model's own probability, whether it may stand."""

    text: str
    probability: float
    allowed: bool


@dataclass(frozen=True, slots=True)
class Traced:
    """One token of the answer.

    `probability` is the model's own, before a pattern forbade anything. `drafted`: a guess had it, the model agreed.
    `in_pass` is the forward pass, from 1 on, that decided it. `candidates` are the best ones up to the chosen one and
    some further, best first; `chosen` is its place among them. `image` is the attention to each image token, `looked`
    that to each `Part`: the latter is all of it, and sums to 1.
    """

    text: str
    probability: float
    drafted: bool
    in_pass: int
    candidates: tuple[Candidate, ...]
    chosen: int
    image: tuple[float, ...]
    looked: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Inside:
    """The inside of one answer.

    `field` is the field that was read, empty for a free question; `pattern` what the answer was held to. `grid` is rows
    and columns of the image tokens; `patches` say where on the frame of `frame_px` (width, height) they looked.
    `layer` is the one that is shown, None for the mean of all `layers`; `pictured` is each layer's mean attention to
    the picture. `ms` is the time of each stage, "attention" being what this look cost on top. `left_out` lines found
    no room on the picture.
    """

    question: str
    field: str
    pattern: str | None
    text: str
    finish: FinishReason
    tokens: tuple[Traced, ...]
    parts: tuple[Part, ...]
    grid: tuple[int, int]
    patches: tuple[Patch, ...]
    frame_px: tuple[int, int]
    layer: int | None
    layers: int
    pictured: tuple[float, ...]
    passes: int
    left_out: int
    ms: Mapping[str, float]
    reader: str
    reader_hash: str
