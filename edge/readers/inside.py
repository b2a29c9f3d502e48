"""Put together what a model did for one answer: the trace of its tokens, and what each of them looked at.

Knows no tensors: passes are `models/attention.py`, places on the frame `edge/vision/sheet_back.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from edge.core.fields import Product
from edge.core.inside import PICTURED, Candidate, Inside, Part, Patch, Traced
from edge.core.reading import TextLine
from edge.errors import UseError
from edge.readers.decoding.decode import Answer, Scores
from edge.readers.decoding.grammar import Grammar, State
from edge.readers.decoding.prompt import MOST_HINT
from edge.readers.reader import Image, Reader
from edge.vision import sheet_back
from edge.vision.sheet import Sheet

#: Candidates of a token that are told, and how many of them stand behind the chosen one.
MOST_CANDIDATES, FURTHER = 12, 5
#: Characters of OCR's text and of a question that are told.
_MOST_TOLD = 1000


class SeenInto(Protocol):
    """A reader whose model runs in this process: see `vlm.Vlm.inside`."""

    def inside(
        self,
        image: Image,
        question: str = "",
        *,
        product: Product | None = None,
        field: str = "",
        cap: int = 64,
        layer: int | None = None,
    ) -> Inside:
        """Answer, and tell what the model did.

        Raises:
            ReaderError: the reader could not do its work.
            UseError: there is no such field or layer.
        """


def seen_into(reader: Reader) -> SeenInto:
    """The reader as one that can be looked into.

    Raises:
        UseError: it has no model of its own here.
    """
    if hasattr(reader, "inside"):
        return cast("SeenInto", reader)
    where = "its model runs on a server" if reader.name == "remote" else "it has no model that answers questions"
    raise UseError(
        f"the reader {reader.name} cannot be looked into, since {where}: set [reader] kind to vlm or ocr+vlm for that"
    )


class Rows(Protocol):
    """What one pass over the answer gave: see `models.attention.Watched`."""

    @property
    def rows(self) -> Sequence[Scores]:
        """The distribution behind each token."""

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """Attention: layers, tokens, everything before."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What is asked: a question (of a field, where one is named), what its answer is held to, and OCR's lines."""

    question: str
    field: str
    pattern: str | None
    draft: tuple[int, ...]
    cap: int
    lines: Sequence[TextLine]


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands where in a prompt: the bytes that each token writes, and its image tokens with their grid, if any."""

    written: tuple[bytes, ...]
    image_at: int
    images: int
    grid: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, the grammar that held it, and the pass over it; `layer` is to be told, or the mean of all."""

    answer: Answer
    grammar: Grammar
    found: Rows
    layer: int | None


class Stages:
    """Milliseconds of each stage, one behind the other."""

    def __init__(self) -> None:
        self._begun_s = self._last_s = time.perf_counter()
        self._ms: dict[str, float] = {}

    def stage(self, name: str) -> None:
        """A stage is over."""
        now_s = time.perf_counter()
        self._ms[name] = (now_s - self._last_s) * 1e3
        self._last_s = now_s

    @property
    def ms(self) -> Mapping[str, float]:
        """Each stage, and `total`."""
        return {**self._ms, "total": (self._last_s - self._begun_s) * 1e3}


def inside_of(asked: Aim, answered: Answered, seen: Looked, ms: Mapping[str, float], reader: tuple[str, str]) -> Inside:
    """All of it as facts."""
    return Inside(
        question=asked.question[:_MOST_TOLD],
        field=asked.field,
        pattern=asked.pattern,
        text=answered.answer.text,
        finish=answered.answer.finish,
        tokens=tuple(_traced(answered, seen)),
        parts=seen.parts,
        grid=seen.grid,
        patches=seen.patches,
        frame_px=seen.frame_px,
        layer=answered.layer,
        layers=len(answered.found.weights),
        pictured=seen.pictured,
        passes=answered.answer.passes,
        left_out=seen.left_out,
        ms={name: round(spent, 2) for name, spent in ms.items()},
        reader=reader[0],
        reader_hash=reader[1],
    )


@dataclass(frozen=True, slots=True)
class Looked:
    """The parts that can be looked at, and for each layer and token the attention to them and to image tokens."""

    parts: tuple[Part, ...]
    patches: tuple[Patch, ...]
    to_parts: npt.NDArray[np.float32]
    to_image: npt.NDArray[np.float32]
    grid: tuple[int, int]
    frame_px: tuple[int, int]
    left_out: int

    @property
    def pictured(self) -> tuple[float, ...]:
        """Each layer's mean attention to the picture, all tokens together."""
        seen = [number for number, part in enumerate(self.parts) if part.kind in PICTURED]
        return tuple(round(float(one), 4) for one in self.to_parts[..., seen].sum(axis=2).mean(axis=1))

    def of(self, layer: int | None) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """To parts and to image tokens, in one layer or on average."""
        if layer is None:
            return self.to_parts.mean(axis=0), self.to_image.mean(axis=0)
        return self.to_parts[layer], self.to_image[layer]


def looked(asked: Aim, found: Rows, marks: Marks, made: Sheet, frame_px: tuple[int, int]) -> Looked:
    """Sort the attention of every layer by what was looked at."""
    to_image = found.weights[..., marks.image_at : marks.image_at + marks.images]
    pictured, patches = [Part("picture")], list[Patch]()
    on_picture = to_image.sum(axis=2, keepdims=True)
    if marks.grid is not None and marks.grid[0] * marks.grid[1] == marks.images:
        pictured = sheet_back.parts_of(made, [line.text for line in asked.lines])
        patches = sheet_back.patches(made, [line.box for line in asked.lines], marks.grid, frame_px)
        on_picture = np.stack([sheet_back.looked_at(len(pictured), patches, one) for one in to_image])
    hint = "\n".join(line.text for line in asked.lines)[:MOST_HINT]
    question = asked.question.strip()
    texts = [Part("hint", hint), Part("question", question[:_MOST_TOLD]), Part("frame_text"), Part("answer")]
    kinds = np.array(_kinds(marks, hint, question, found.weights.shape[2]))
    on_text = [found.weights[..., kinds == number].sum(axis=2) for number in range(len(texts))]
    to_parts = np.concatenate([on_picture, np.stack(on_text, axis=2)], axis=2)
    return Looked(
        (*pictured, *texts), tuple(patches), to_parts, to_image, marks.grid or (0, 0), frame_px, made.left_out
    )


def _traced(answered: Answered, seen: Looked) -> Iterator[Traced]:
    """Each token of the answer with what it was chosen from, and what it looked at."""
    to_parts, to_image = seen.of(answered.layer)
    grammar, state = answered.grammar, answered.grammar.start()
    for number, (token, scores) in enumerate(zip(answered.answer.tokens, answered.found.rows, strict=True)):
        candidates, chosen = _candidates(scores, token.id, grammar, state)
        yield Traced(
            text=token.text,
            probability=round(token.probability, 6),
            drafted=token.drafted,
            in_pass=token.in_pass,
            candidates=candidates,
            chosen=chosen,
            image=tuple(round(float(one), 6) for one in to_image[number]),
            looked=tuple(round(float(one), 6) for one in to_parts[number]),
        )
        # Only the end of the text has no state behind it, and it comes last.
        state = grammar.advance(state, token.id) or state


def _candidates(scores: Scores, chosen: int, grammar: Grammar, state: State) -> tuple[tuple[Candidate, ...], int]:
    """The best tokens with the chosen one among them, and its place."""
    told: list[tuple[int, float]] = []
    after = FURTHER
    for pair in islice(scores.ranked(), MOST_CANDIDATES):
        if any(token == chosen for token, _ in told):
            after -= 1
            if after < 0:
                break
        told.append(pair)
    if all(token != chosen for token, _ in told):
        told[-1] = chosen, scores.logprob(chosen)
    vocabulary = grammar.vocabulary

    def allowed(token: int) -> bool:
        return grammar.complete(state) if token in vocabulary.ends else grammar.advance(state, token) is not None

    candidates = tuple(
        Candidate(vocabulary.shown(token, state.tail), round(math.exp(logprob), 6), allowed(token))
        for token, logprob in told
    )
    return candidates, [token for token, _ in told].index(chosen)


#: Numbers of the parts that are text, behind those of the picture; and what is no text.
_HINT, _QUESTION, _FORM, _ANSWER, _IMAGE = 0, 1, 2, 3, -1


def _kinds(marks: Marks, hint: str, question: str, length: int) -> list[int]:
    """What each token of prompt and answer belongs to, found by the bytes that it writes."""
    kinds = [_FORM] * len(marks.written)
    begin = marks.image_at + marks.images
    kinds[marks.image_at : begin] = [_IMAGE] * marks.images
    whole = b"".join(marks.written[begin:])
    spans = []
    for text, kind, at in (
        (hint, _HINT, whole.find(hint.encode())),
        (question, _QUESTION, whole.rfind(question.encode())),
    ):
        if text and at >= 0:
            spans.append((at, at + len(text.encode()), kind))
    at = 0
    for number, data in enumerate(marks.written[begin:], start=begin):
        for start, end, kind in spans:
            if data and start < at + len(data) and at < end:
                kinds[number] = kind
        at += len(data)
    return kinds + [_ANSWER] * (length - len(kinds))
