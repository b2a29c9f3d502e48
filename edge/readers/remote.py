"""The remote reader: a vision-language model on a server that several lines share, asked as OpenAI's servers are.

It sends what the vlm reader sees: the lines of the frame on one small sheet, with what OCR read in them, and a question
a field. Promises: a failure of the server is a `ReaderError` in one sentence, never an empty reading (L3); a draft
changes nothing (L6); what the model saw against a pattern is told (L7); where the server does not say how sure the
model is, no number of looks makes it sure (L4).

Before the first question, and again after the server failed, a canary shows that the server holds to a pattern and
that its model sees the picture.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import structlog
from pydantic import SecretStr

from edge.core.fields import FieldRule, Product, normalise, propose, violation
from edge.core.reading import FieldReading, Quad, Reading, TextLine
from edge.errors import ReaderError
from edge.readers import frame_codes
from edge.readers.asking import FREELY, How, Whole, in_one_piece
from edge.readers.chat.answer_cache import AnswerCache, key_of
from edge.readers.chat.chat import FORMS, Chat, Manner, Question, RefusedError
from edge.readers.chat.chat_answer import Answer
from edge.readers.decoding.answers import aligned, seen_whole
from edge.readers.decoding.prompt import NOTHING, question_text
from edge.readers.reader import Image, Located
from edge.vision import sheet

log = structlog.get_logger()

#: Counted up whenever what is read by the same model may change.
VERSION = "remote 1"
AUTO = "auto"
#: A model that reads plates reads all six digits of the canary; four in their places come by chance once in 800 times.
_CANARY_DIGITS, _CANARY_RIGHT = 6, 4
_CANARY_QUESTION = "What is the serial number? Digits and letters only."
#: Where every token of a text that nobody could guess is this sure, the probabilities are those after the constraint.
_FORCED = 0.99


class Locator(Protocol):
    """Finds the lines of text on a frame and reads them, as the ocr reader does."""

    def locate(self, image: Image) -> Located:
        """Find the text lines of an image."""

    def lines(self, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        """Read the text in every box."""


class Remote:
    """A model on an OpenAI-compatible server. Any thread may call it.

    Args:
        url: the server's address, with or without `/v1`.
        model: the model's name there.
        locator: what finds the lines and their hints.
        timeout_s: limit of one reading's questions, tries and canary included.
        api_key: sent as a bearer token.
        cache: where answers are kept; None: nowhere.
        ca: PEM file of the authority that signed the server's certificate, where the system does not know it.
        constraint: how patterns are sent (`chat.FORMS`); "auto": as the canary finds out; "none": not at all.
        canary: whether the server is tried; without, a constraint that is named is believed.

    Raises:
        ReaderError: the server does not answer, or not as a reader must.
    """

    name = "remote"

    def __init__(
        self,
        url: str,
        model: str,
        locator: Locator,
        *,
        timeout_s: float = 30.0,
        api_key: SecretStr | None = None,
        cache: AnswerCache | None = None,
        ca: Path | None = None,
        constraint: str = AUTO,
        canary: bool = True,
        chat: Chat | None = None,
    ) -> None:
        if constraint not in {AUTO, *FORMS}:
            raise ReaderError(f"the constraint {constraint!r} is unknown; use one of {', '.join((AUTO, *FORMS))}")
        self.chat = chat or Chat(url, model, api_key=api_key, timeout_s=timeout_s, ca=ca)
        self._locator = locator
        self._cache = cache
        self._constraint = constraint
        self._canary = canary
        self._lock = threading.Lock()
        self._manner: Manner | None = None
        self._hash = ""
        # Codes are sought while the lines are read and the server thinks.
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="codes")
        try:
            self._proved(time.monotonic() + self.chat.timeout_s)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"Remote({self.chat.url!r}, {self.chat.model!r})"

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over address, model name, what the server lists of the model, and how it is asked."""
        return self._hash

    def facts(self) -> dict[str, str | int]:
        """State and counters of server and cache, for the heartbeat."""
        manner = self._manner
        kept = self._cache.facts() if self._cache is not None else {"cache": "off"}
        return {**self.chat.facts(), **kept, "constraint": manner.form if manner is not None else "not known now"}

    def close(self) -> None:
        """End the connections."""
        self._beside.shutdown()
        self.chat.close()
        if self._cache is not None:
            self._cache.close()

    def locate(self, image: Image) -> Located:
        """Find the text lines of an image; an image without text gives no boxes.

        Raises:
            ReaderError: the locator did not run.
        """
        return self._locator.locate(image)

    def read(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Reading:
        """Read the product's fields; a field that is not on the image has empty text. A draft is not used.

        Raises:
            ReaderError: a question was not answered within the limit.
        """
        del draft
        if located is None:
            located = self.locate(image)
        begun = time.perf_counter()
        search = frame_codes.begun(image, self._beside, located.kept)
        try:
            lines = self._locator.lines(image, located.boxes)
            read_at = time.perf_counter()
            quads = [line.box for line in lines] or list(located.boxes)
            packed = sheet.of_frame(image, quads)
            # Without a line of text there is nothing that a model could be shown.
            answers = self._answers(packed.image, lines, product) if quads else {}
            fields = {
                name: _field(rule, answers.get(name), lines, packed.left_out) for name, rule in product.fields.items()
            }
        except cv2.error as error:
            raise ReaderError(f"a frame of {located.size_px} px could not be set on a sheet: {error}") from error
        finally:
            seen, codes_ms = search.found.result()
        ms = {
            "locate": located.ms,
            "lines": (read_at - begun) * 1e3,
            "ask": (time.perf_counter() - read_at) * 1e3,
            "codes": codes_ms,
            "total": located.ms + (time.perf_counter() - begun) * 1e3,
        }
        return Reading(fields, lines, seen, self.name, self._hash, ms)

    def ask(
        self,
        image: Image,
        question: str,
        *,
        pattern: str | None = None,
        cap: int = 64,
        on_token: Callable[[int, Any], None] | None = None,
        how: How = FREELY,
    ) -> Whole:
        """Answer a free question about an image; the answer comes in one piece.

        Raises:
            ReaderError: it was not answered within the limit.
        """
        lines = self._locator.lines(image, self._locator.locate(image).boxes) if how.needs_lines else ()
        packed = sheet.shown(image, [line.box for line in lines], how.view)
        text = question_text([line.text for line in lines] if how.hint else [], question)
        end_s = time.monotonic() + self.chat.timeout_s
        manner = self._proved(end_s)
        asked = Question(_png(packed.image), text, pattern, cap, how.schema)
        try:
            (told,) = self.chat.ask([asked], manner, end_s - time.monotonic())
        except RefusedError as error:
            if how.schema is None or error.status not in {400, 422}:
                raise
            # A server that knows no schema may know patterns; what comes is judged by whoever asked.
            (told,) = self.chat.ask([replace(asked, schema=None)], manner, end_s - time.monotonic())
        whole = in_one_piece(told.text, told.finish)
        if on_token is not None:
            on_token(0, whole.tokens[0])
        return whole

    def _answers(self, image: Image, lines: Sequence[TextLine], product: Product) -> dict[str, Answer]:
        """One answer a field, kept ones first; the rest is asked at once."""
        end_s = time.monotonic() + self.chat.timeout_s
        png = _png(image)
        hints = [line.text for line in lines]
        questions = {
            name: Question(png, question_text(hints, rule.question), _constraint(rule), rule.max_new_tokens)
            for name, rule in product.fields.items()
        }
        keys = {name: self._key(image, question) for name, question in questions.items()}
        answers = {name: kept for name, key in keys.items() if (kept := self._kept(key)) is not None}
        asked = [name for name in questions if name not in answers]
        if not asked:
            return answers
        manner = self._proved(end_s)
        came = self.chat.ask([questions[name] for name in asked], manner, end_s - time.monotonic())
        for name, answer in zip(asked, came, strict=True):
            answers[name] = answer
            if manner.form != "none" and _disobeys(answer, product.fields[name]):
                log.warning("the server no longer holds to the pattern", field=name, url=self.chat.url)
                self._manner = None  # the canary comes before the next question
            elif answer.finish == "stop" and self._cache is not None:
                # The hash may have changed with the proof: an answer is kept under what gave it.
                self._cache.put(self._key(image, questions[name]), answer.to_bytes())
        return answers

    def _key(self, image: Image, question: Question) -> str:
        """Of the sheet's pixels, not of its PNG: how that is written may change with a library."""
        shape = "x".join(map(str, image.shape))
        return key_of(shape, image.tobytes(), question.text, question.pattern, self._hash, question.cap)

    def _kept(self, key: str) -> Answer | None:
        raw = self._cache.get(key) if self._cache is not None else None
        try:
            return Answer.from_bytes(raw) if raw is not None else None
        except ValueError as error:
            log.warning("a kept answer is not used", why=str(error)[:200])
            return None

    def _proved(self, end_s: float) -> Manner:
        """How the server is asked, found out anew at first and after it failed."""
        with self._lock:
            if self.chat.breaker.state != "closed":
                self._manner = None
            if self._manner is not None:
                return self._manner
            listing = self.chat.listing(end_s - time.monotonic())
            if not self._canary:
                manner = Manner("none" if self._constraint == AUTO else self._constraint)
            else:
                manner = self._tried(end_s)
            what = [VERSION, self.chat.url, self.chat.model, manner.form, manner.honest, listing]
            self._hash = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
            self._manner = manner
            log.info("remote reader proved", url=self.chat.url, model=self.chat.model, constraint=manner.form)
            return manner

    def _tried(self, end_s: float) -> Manner:
        """The first form of constraint that the server holds to, if its model sees the canary's picture."""
        # No digit twice: one of two like neighbours is what readers lose, and that is not asked here.
        number = "".join(secrets.SystemRandom().sample("0123456789", _CANARY_DIGITS))
        picture = _canary(number)
        text = question_text((), _CANARY_QUESTION)
        manner = Manner("none", honest=True)
        if self._constraint != "none":
            forms = [form for form in FORMS if form != "none"] if self._constraint == AUTO else [self._constraint]
            manner = self._obeyed(forms, picture, text, end_s)
        question = Question(picture, text, f"[0-9]{{{_CANARY_DIGITS}}}")
        (answer,) = self.chat.ask([question], manner, end_s - time.monotonic())
        read = "".join(c for c in answer.text if c.isdigit())
        if sum(one == other for one, other in zip(number, read, strict=False)) < _CANARY_RIGHT:
            raise ReaderError(
                f"the model {self.chat.model!r} on {self.chat.url} answers {answer.text[:60]!r} to a picture that says "
                f"{number}: it does not see the picture or cannot read it; name a vision-language model"
            )
        return manner

    def _obeyed(self, forms: Sequence[str], picture: bytes, text: str, end_s: float) -> Manner:
        #: What no model answers to a picture of another number, unless it is made to.
        token = "Q" + secrets.token_hex(4).upper()
        refusal = ""
        for form in forms:
            question = Question(picture, text, token)
            try:
                (answer,) = self.chat.ask([question], Manner(form, honest=True), end_s - time.monotonic())
            except RefusedError as error:
                if error.status not in {400, 422}:
                    raise
                refusal = f" ({error})"
                continue
            if answer.finish == "stop" and (answer.written or answer.text) == token:
                forced = answer.written is None and min(c.confidence for c in answer.characters) > _FORCED
                return Manner(form, honest=answer.stated and not forced)
        raise ReaderError(
            f"the server {self.chat.url} ignores the constraint: its answer does not have the pattern, sent as "
            f"{', '.join(forms)}{refusal}; use a server that takes one, or set constraint to none"
        )


def _constraint(rule: FieldRule) -> str | None:
    return None if rule.pattern is None else f"(?:{rule.pattern})|{NOTHING}"


def _disobeys(answer: Answer, rule: FieldRule) -> bool:
    written = answer.written or answer.text
    return answer.finish == "stop" and rule.pattern is not None and written != NOTHING and not rule.matches(written)


def _field(rule: FieldRule, answer: Answer | None, lines: Sequence[TextLine], left_out: int) -> FieldReading:
    """A field as the core takes it.

    Raises:
        ReaderError: the model says that the field is not there, and did not see all lines.
    """
    if answer is None:
        return FieldReading(rule.name, why="no text was found on the frame")
    if answer.finish == "stop" and answer.text.casefold().rstrip(".") == NOTHING:
        seen_whole(rule.name, left_out)
        return FieldReading(rule.name, why="the model says that it is not on the plate")
    text, changed_by = normalise(answer.text, rule)
    why = [] if answer.stated else ["no confidence is known: the server states none of the model's own"]
    if answer.written is not None:
        why.append(f'the model saw "{answer.text}" where the pattern let it write "{answer.written}"')
    wrong = violation(text, rule) if answer.finish == "stop" else None
    if wrong is not None:
        why.append(wrong)
    return FieldReading(
        rule.name,
        answer.text,
        text,
        changed_by,
        aligned(text, answer.characters),
        next((line.box for line in lines if _bare(text) in _bare(line.text)), None),
        answer.finish,
        "; ".join(why),
        propose(text, rule).texts if wrong is not None else (),
    )


def _bare(text: str) -> str:
    return "".join(text.split())


def _png(image: Any) -> bytes:
    done, raw = cv2.imencode(".png", image)
    if not done:
        raise ReaderError(f"a sheet of {image.shape[1]} x {image.shape[0]} px could not be written as PNG")
    return raw.tobytes()


def _canary(number: str) -> bytes:
    """The sheet of a plate with that serial number, as PNG; with lines around it, as on every plate.

    Alone on its sheet, the line was read by the small model of edge in 20 of 40 tries, and in 250 of 250 so.
    """
    lines = [_printed(text) for text in ("Type AX-4711", f"S/N {number}", "230 V 50 Hz")]
    width = max(line.shape[1] for line in lines)
    frame = np.vstack([np.pad(one, ((0, 0), (0, width - one.shape[1]), (0, 0)), constant_values=205) for one in lines])
    strips = [_row(one) for one in lines]
    return _png(sheet.pack(strips, sheet.thumbnail(frame)).image)


def _printed(text: str) -> Image:
    """A line of print, 112 px high."""
    face, scale, thickness = cv2.FONT_HERSHEY_SIMPLEX, 3.0, 6
    (width, height), _ = cv2.getTextSize(text, face, scale, thickness)
    line = np.full((112, width + 64, 3), 205, np.uint8)
    cv2.putText(line, text, (32, (112 + height) // 2), face, scale, (30, 30, 30), thickness, cv2.LINE_AA)
    return line


def _row(line: Image) -> Image:
    """A line as high as a row of a sheet."""
    return np.asarray(cv2.resize(line, (line.shape[1] // 4, sheet.ROW_PX), interpolation=cv2.INTER_AREA), np.uint8)
