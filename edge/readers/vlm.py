"""The reader `vlm`: a vision-language model answers one question a field, held to the field's pattern.

Promises: an exception on the way is a `ReaderError`, never an empty reading (L3); a draft, OCR's or ERP's, changes
nothing but the time (L6, `decode.py`); what stands printed against the pattern is the field's text, and what the
pattern would have is only proposed (L7); an answer that its cap cut is no value.

The ocr reader finds the lines, which become the sheet that the model sees (`edge/vision/sheet.py`), and its text is the
hint in the prompt: what it misread costs a further pass, what it did not find is not on the sheet.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import regex

from edge.core.fields import FieldRule, Product, violation
from edge.core.inside import Inside
from edge.core.reading import Reading, joint_hash
from edge.errors import ReaderError, UseError
from edge.products import MAX_TEXT
from edge.readers import opening
from edge.readers.asking import FREELY, How
from edge.readers.decoding.answered_field import field_of
from edge.readers.decoding.decode import Answer, Token, decode, seen
from edge.readers.decoding.grammar import Grammar
from edge.readers.decoding.prompt import NOTHING
from edge.readers.giving_way import give_way
from edge.readers.inside import Aim, Answered, Stages, inside_of, looked
from edge.readers.models.attention import MOST_TOKENS
from edge.readers.models.model import Model, told
from edge.readers.models.passes import Prompt
from edge.readers.reader import Image, LineReader, Located
from edge.vision import sheet

#: Counted up whenever what is read from the same weights may change.
VERSION = "vlm 1"
#: What the canary asks for: no plate says it, so that an answer of this form shows that the constraint holds.
_CANARY = r"[QXZ]{3}=[0-2]{4}"
_CANARY_ROWS = 4


@dataclass(frozen=True, slots=True)
class Request:
    """One frame to read: what `Vlm.read` is given, and the OCR reading that it drafts from."""

    image: Image
    product: Product
    ocr: Reading
    draft: Mapping[str, str]


class Vlm:
    """A vision-language model from a folder. One object may be called from many threads; they take turns."""

    name = "vlm"
    #: Each token keeps to the form that is asked for.
    holds_form = True

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "auto",
        threads: int = 2,
        ocr: LineReader | None = None,
        record: bool = True,
        eight: bool = False,
    ) -> None:
        """Load the model and prove that it obeys a pattern.

        Args:
            folder: the model.
            device: "auto", "cpu" or "cuda".
            threads: processor threads.
            ocr: what finds and reads the lines; None: an `Ocr` of its own.
            record: whether passes become CUDA graphs where there is CUDA.
            eight: whether products are computed in 8 bits (`models/products.py`).

        Raises:
            ReaderError: the model cannot be loaded, or its answers do not keep to a pattern.
        """
        self.model = Model(folder, device=device, threads=threads, record=record, eight=eight)
        self._version = f"{VERSION}, 8 bits" if eight else VERSION
        self._ocr = _ocr(threads) if ocr is None else ocr
        self._turn = threading.Lock()
        self._grammars: dict[tuple[str | None, int, bool], Grammar] = {}
        self._canary()

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) over the model's folder, the ocr reader's weights, and what is asked how."""
        return joint_hash((self._version, self.model.hash, self._ocr.hash))

    def warm(self) -> None:
        """Prepare every usual shape now, so that no later reading pays for it.

        Raises:
            ReaderError: the model did not run.
        """
        if self.model.engine is not None:
            with told(f"the model in {self.model.folder.path} could not be prepared"), self._turn:
                self.model.engine.warm()

    def locate(self, image: Image) -> Located:
        """Find the text lines of an image, as the ocr reader does.

        Raises:
            ReaderError: the detector did not run.
        """
        return self._ocr.locate(image)

    def read(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Reading:
        """Read the product's fields; a field that is not on the image has empty text.

        Raises:
            ReaderError: the reader could not do its work.
        """
        return self.read_many([self.request(image, product, located, draft)])[0]

    @property
    def batches(self) -> bool:
        """Whether several frames together are faster than one by one: on a processor a batch gains 7 % at most."""
        return self.model.packs and self.model.device.type != "cpu"

    def request(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Request:
        """Read the frame's lines by the ocr reader: what `read_many` takes.

        Raises:
            ReaderError: the ocr reader could not do its work.
        """
        return Request(image, product, self._ocr.read(image, product, located), draft or {})

    def read_many(self, requests: Sequence[Request]) -> list[Reading]:
        """Read several frames in as few passes as one: stations that share a GPU.

        Raises:
            ReaderError: the reader could not do its work, for none of them.
        """
        if not self.model.packs and len(requests) > 1:
            return [self.read_many([one])[0] for one in requests]
        begun = time.perf_counter()
        with told(f"the model in {self.model.folder.path.name} could not read"):
            sheets = [sheet.of_frame(one.image, [line.box for line in one.ocr.lines]) for one in requests]
            height_px = max(one.image.shape[0] for one in sheets)
            asked = [
                self._prompt(sheet.heightened(one, height_px), each) for one, each in zip(sheets, requests, strict=True)
            ]
            rules = [rule for one in requests for rule in one.product.fields.values()]
            drafts = [self._draft(rule, one) for one in requests for rule in one.product.fields.values()]
            caps = [rule.max_new_tokens for rule in rules]
            begun_s = time.perf_counter()
            with self._turn:
                answers = self._decode(asked, [rule.pattern for rule in rules], drafts, caps)
                printed = self._printed(asked, answers, caps)
            ms = {"sheet": (begun_s - begun) * 1e3, "vlm": (time.perf_counter() - begun_s) * 1e3}
            given = iter(zip(answers, printed, strict=True))
            return [
                self._reading(one, [next(given) for _ in one.product.fields], made.left_out, ms)
                for one, made in zip(requests, sheets, strict=True)
            ]

    def ask(
        self,
        image: Image,
        question: str,
        *,
        pattern: str | None = None,
        cap: int = 64,
        on_token: Callable[[int, Token], None] | None = None,
        how: How = FREELY,
    ) -> Answer:
        """Answer a question about an image; `on_token` hears every token when it is decided.

        Raises:
            ReaderError: the reader could not do its work.
        """
        lines = self._ocr.lines(image, self._ocr.locate(image).boxes) if how.needs_lines else ()
        with told(f"the model in {self.model.folder.path.name} could not answer"), self._turn:
            made = sheet.shown(image, [line.box for line in lines], how.view)
            hint = [line.text for line in lines] if how.hint else []
            asked = self.model.prompt(made.image, hint, [question])
            grammar = self._grammar(pattern, how.longest, or_none=how.or_none)
            passes = self.model.passes([asked], room=2 * cap + 2)
            return decode(passes, [grammar], [[]], [cap], on_token)[0]

    @property
    def plates_only(self) -> bool:
        """Whether its model was trained on plates alone: the small one that ships with edge."""
        return self.model.folder.path.resolve() == opening.SMALL.resolve()

    def inside(
        self,
        image: Image,
        question: str = "",
        *,
        product: Product | None = None,
        field: str = "",
        cap: int = MOST_TOKENS,
        layer: int | None = None,
    ) -> Inside:
        """Answer a question, or read one field of a product as `read` does, and tell what the model did and looked at.

        A free question's answer is held to no pattern, a field's to its own. `cap` is the most tokens, never over 64.
        `layer` (from 0 on) is whose attention is told; None: the mean of all.

        Raises:
            ReaderError: the reader could not do its work.
            UseError: there is no such field or layer.
        """
        if layer is not None and not 0 <= layer < self.model.layers:
            raise UseError(
                f"layer is {layer}, and this model has layers 0 to {self.model.layers - 1}: name one of them"
            )
        clock = Stages()
        if field and product is not None:
            asked = self._aim_at_field(image, product, field)
        else:
            lines = self._ocr.lines(image, self._ocr.locate(image).boxes)
            asked = Aim(question, "", None, (), cap, lines)
        clock.stage("ocr")
        cap = min(asked.cap, MOST_TOKENS)
        with told(f"the model in {self.model.folder.path.name} could not be looked into"), self._turn:
            made = sheet.of_frame(image, [line.box for line in asked.lines])
            prompt = self.model.prompt(made.image, [line.text for line in asked.lines], [asked.question])
            clock.stage("sheet")
            drafts = [asked.draft[:cap]]
            answer = self._decode([prompt], [asked.pattern], drafts, [cap], lambda _branch, _token: give_way())[0]
            clock.stage("answer")
            found = self.model.watch(prompt, [token.id for token in answer.tokens], give_way)
            marks = self.model.marks(prompt)
            clock.stage("attention")
        seen = looked(asked, found, marks, made, (int(image.shape[1]), int(image.shape[0])))
        answered = Answered(answer, self._grammar(asked.pattern), found, layer)
        return inside_of(asked, answered, seen, clock.ms, (self.name, self.hash))

    def _aim_at_field(self, image: Image, product: Product, field: str) -> Aim:
        """What `read` asks for a field, and drafts."""
        rule = product.fields.get(field)
        if rule is None:
            raise UseError(
                f"product {product.name} has no field {field[:40]!r}: name one of {', '.join(product.fields)}"
            )
        ocr = self._ocr.read(image, product)
        draft = tuple(self._draft(rule, Request(image, product, ocr, {})))
        return Aim(rule.question, field, rule.pattern, draft, rule.max_new_tokens, ocr.lines)

    def _prompt(self, made: Image, request: Request) -> Prompt:
        questions = [rule.question for rule in request.product.fields.values()]
        return self.model.prompt(made, [line.text for line in request.ocr.lines], questions)

    def _draft(self, rule: FieldRule, request: Request) -> list[int]:
        """The text that is most likely printed: OCR's, or ERP's where OCR found none of the right form."""
        read, expected = request.ocr.fields[rule.name].text, request.draft.get(rule.name, "")
        likely = read if read and violation(read, rule) is None else expected or read or NOTHING
        return self.model.drafted(likely)[: rule.max_new_tokens]

    def _decode(
        self,
        asked: Sequence[Prompt],
        patterns: Sequence[str | None],
        drafts: Sequence[Sequence[int]],
        caps: Sequence[int],
        on_token: Callable[[int, Token], None] | None = None,
    ) -> list[Answer]:
        grammars = [self._grammar(pattern) for pattern in patterns]
        # A draft and what is tried in its place stand side by side for the length of a pass.
        passes = self.model.passes(asked, room=2 * max(caps) + 2)
        return decode(passes, grammars, drafts, caps, on_token)

    def _printed(self, asked: Sequence[Prompt], answers: Sequence[Answer], caps: Sequence[int]) -> list[Answer | None]:
        """For each answer in which the model saw something against the pattern: what it reads without one (L7)."""
        against = [answer.finish == "stop" and seen(answer) != answer.text for answer in answers]
        if not any(against):
            return [None] * len(answers)
        drafts = [self.model.drafted(seen(answer)) for answer in answers]
        free = self._decode(asked, [None] * len(answers), drafts, caps)
        return [one if other else None for one, other in zip(free, against, strict=True)]

    def _grammar(self, pattern: str | None, longest: int = MAX_TEXT, *, or_none: bool = True) -> Grammar:
        key = (pattern, longest, or_none)
        if key not in self._grammars:
            self._grammars[key] = Grammar(pattern, self.model.vocabulary, longest=longest, or_none=or_none)
        return self._grammars[key]

    def _reading(
        self,
        request: Request,
        answers: Sequence[tuple[Answer, Answer | None]],
        left_out: int,
        ms: Mapping[str, float],
    ) -> Reading:
        fields = {
            rule.name: field_of(rule, *both, request.ocr.lines, left_out)
            for rule, both in zip(request.product.fields.values(), answers, strict=True)
        }
        spent = {**{stage: one for stage, one in request.ocr.ms.items() if stage != "total"}, **ms}
        spent["total"] = request.ocr.ms.get("total", 0.0) + sum(ms.values())
        return Reading(fields, request.ocr.lines, request.ocr.codes, self.name, self.hash, spent)

    def _canary(self) -> None:
        """Ask for what no plate says, with and without a draft that breaks the pattern.

        Raises:
            ReaderError: an answer does not keep to the pattern, or a draft changed it.
        """
        picture = np.full((sheet.ROW_PX * _CANARY_ROWS, sheet.WIDTH_PX, 3), 200, np.uint8)
        cv2.putText(picture, "S/N 12345678AB", (8, 50), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (20, 20, 20), 2, cv2.LINE_AA)
        with told(f"the model in {self.model.folder.path} failed its first reading"):
            asked = self.model.prompt(picture, ["S/N 12345678AB"], ["What is the serial number?"])
            free, drafted = (
                self._decode([asked], [_CANARY], [draft], [16])[0]
                for draft in ([], self.model.drafted("12345678AB")[:8])
            )
        kept = all(
            answer.finish == "stop" and regex.fullmatch(f"{_CANARY}|{NOTHING}", answer.text)
            for answer in (free, drafted)
        )
        if not kept or [one.id for one in free.tokens] != [one.id for one in drafted.tokens]:
            raise ReaderError(
                f"the model in {self.model.folder.path} answered {free.text!r} and, with a draft, {drafted.text!r} "
                f"where only {_CANARY} or {NOTHING} is allowed: its answers cannot be trusted; use another model"
            )


def _ocr(threads: int) -> LineReader:
    from edge.readers.ocr import Ocr  # noqa: PLC0415 - openvino is imported where it is opened

    return Ocr(threads=threads)
