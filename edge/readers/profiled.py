"""Answer by a question profile, with the reader at hand: the same readers, lines and grammars that read plates.

Promises: what is answered is what the profile allows, whoever the reader is. A model that runs here is held to it token
by token; what a server answers is judged when it comes; what a reader cannot answer is refused with its reason, never
guessed (L4). An answer that was cut is none. What is not there (null), what could not be read, and what has the wrong
form are told apart (L3).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, cast

import numpy as np
import regex

from edge.core.fields import Product, violation
from edge.core.reading import FieldReading, FreeAnswer
from edge.errors import AnswerError, UseError
from edge.products import has_pattern
from edge.question_profiles import ChoiceAnswer, FieldsAnswer, QueryAnswer, QuestionProfile, TextAnswer
from edge.readers.answering import from_reading
from edge.readers.asking import Asker, How
from edge.readers.decoding.prompt import NOTHING
from edge.readers.query_form import longest, pattern_of, query_in, schema_of
from edge.readers.query_words import query_of
from edge.readers.questions import understand
from edge.readers.reader import Image, Reader
from edge.vision.sharpen import sharpened

#: What is shown where nothing is.
NO_IMAGE: Image = np.full((28, 28, 3), 127, np.uint8)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question by a profile: an image (`NO_IMAGE` where the profile needs none), the question, today's date."""

    profile: QuestionProfile
    image: Image
    question: str
    today: date


@dataclass(frozen=True, slots=True)
class _Said:
    """An answer that the profile allows; `object` is what its text says as JSON, where it does."""

    text: str
    object: Mapping[str, Any] | None = None
    tokens: int = 1
    finish: str = "stop"


def answer_by(
    reader: Reader, asked: Asked, product: Product, *, on_text: Callable[[str], None] = lambda _text: None
) -> FreeAnswer:
    """Answer by a profile; `on_text` hears each piece of the answer as it is decided.

    `product` is the station's: its key words are known to a reader that only reads fields.

    Raises:
        AnswerError: the answer is none that the profile allows.
        ReaderError: the reader could not do its work.
        UseError: this reader cannot answer this question.
    """
    begun = time.perf_counter()
    first_ms: list[float] = []

    def hear(text: str) -> None:
        first_ms.append((time.perf_counter() - begun) * 1e3)
        on_text(text)

    asked.profile.told(asked.question)
    if asked.profile.image.sharpen:
        asked = replace(asked, image=sharpened(asked.image))
    said = _said(reader, asked, product, hear)
    if not first_ms:
        hear(said.text)
    total_ms = (time.perf_counter() - begun) * 1e3
    return FreeAnswer(
        said.text,
        said.finish,
        said.tokens,
        first_ms[0],
        total_ms,
        reader.name,
        reader.hash,
        profile=asked.profile.name,
        object=said.object,
    )


def _said(reader: Reader, asked: Asked, product: Product, hear: Callable[[str], None]) -> _Said:
    profile, answer = asked.profile, asked.profile.answer
    if isinstance(answer, QueryAnswer):
        understood = query_of(asked.question, answer, asked.today)
        if not understood.left:
            return _of_object(understood.query)
        if not hasattr(reader, "ask"):
            raise UseError(
                f"the profile {profile.name} does not know {', '.join(map(repr, understood.left[:5]))}, and the reader "
                f"{reader.name} has no model that might: ask in other words, or add them to the profile"
            )
    _refuse_small(reader, profile)
    if isinstance(answer, FieldsAnswer):
        return _fields(reader, profile, asked.image)
    if not hasattr(reader, "ask"):
        text = from_reading(reader, asked.image, understand(profile.told(asked.question), product), product)
        return _Said(_allowed(text, profile))
    return _asked(cast("Asker", reader), asked, hear)


def _refuse_small(reader: Reader, profile: QuestionProfile) -> None:
    if profile.needs_large_model and getattr(reader, "plates_only", False):
        raise UseError(
            f"the profile {profile.name} needs a model that has learnt more than plates, and the one that ships with "
            "edge has not: name the folder of a large one in [reader] model"
        )


def _asked(reader: Asker, asked: Asked, hear: Callable[[str], None]) -> _Said:
    """What a reader that takes free questions answers."""
    profile = asked.profile
    pattern, how = _form(profile)
    # Nothing is told of an answer that is yet to be judged: only who is held to the form token by token is heard so.
    is_held = pattern is None or getattr(reader, "holds_form", False)
    answer = reader.ask(
        asked.image,
        profile.told(asked.question),
        pattern=pattern,
        cap=profile.max_tokens,
        on_token=lambda _branch, token: hear(token.text) if token.text and is_held else None,
        how=how,
    )
    if answer.finish != "stop":
        if isinstance(profile.answer, TextAnswer):
            return _Said(answer.text, None, len(answer.tokens), answer.finish)
        raise AnswerError(
            f"the answer to the profile {profile.name} was cut after {len(answer.tokens)} tokens, and is no whole one: "
            "raise max_tokens"
        )
    if isinstance(profile.answer, QueryAnswer):
        query = query_in(answer.text, profile.answer, profile.name)
        return _Said(_text(query), query, len(answer.tokens))
    return _Said(_allowed(answer.text, profile), None, len(answer.tokens))


def _form(profile: QuestionProfile) -> tuple[str | None, How]:
    """What a model is held to."""
    answer, how = profile.answer, How(view=profile.image.view, hint=profile.image.hint)
    if isinstance(answer, TextAnswer):
        return answer.pattern, how
    if isinstance(answer, ChoiceAnswer):
        choices = "|".join(regex.escape(choice, literal_spaces=True) for choice in answer.choices)
        return choices, replace(how, or_none=False)
    assert isinstance(answer, QueryAnswer)  # fields are read, not asked
    return pattern_of(answer), replace(how, longest=longest(answer), or_none=False, schema=schema_of(answer))


def _allowed(text: str, profile: QuestionProfile) -> str:
    """The text, where the profile allows it.

    Raises:
        AnswerError: it does not.
    """
    answer = profile.answer
    if isinstance(answer, ChoiceAnswer):
        found = next((one for one in answer.choices if one.casefold() == text.strip().rstrip(".").casefold()), None)
        if found is None:
            raise AnswerError(
                f"the answer {text[:60]!r} is none that the profile {profile.name} allows ({', '.join(answer.choices)})"
            )
        return found
    if isinstance(answer, TextAnswer) and answer.pattern and text != NOTHING and not has_pattern(text, answer.pattern):
        raise AnswerError(
            f"the answer {text[:60]!r} does not have the pattern of the profile {profile.name}, {answer.pattern}"
        )
    return text


def _fields(reader: Reader, profile: QuestionProfile, image: Image) -> _Said:
    """The named fields, read as those of a plate are.

    Raises:
        AnswerError: one was cut, has not its pattern, or is missing and required.
    """
    product = profile.product
    reading = reader.read(image, product)
    wrong = [why for name, rule in product.fields.items() if (why := _why_not(reading.fields[name], rule))]
    if wrong:
        raise AnswerError(f"the answer is none that the profile {profile.name} allows: {'; '.join(wrong)}")
    return _of_object({name: reading.fields[name].text or None for name in product.fields})


def _why_not(read: FieldReading, rule: Any) -> str:
    """Why a field is no part of an answer; empty where it is."""
    if read.finish_reason != "stop":
        return f"{read.name} was cut at its limit"
    if not read.text:
        return f"{read.name} is not there, and required" if rule.required else ""
    wrong = violation(read.text, rule)
    return f"{read.name} reads {read.text[:40]!r}, which {wrong}" if wrong else ""


def _of_object(found: Mapping[str, Any]) -> _Said:
    return _Said(_text(found), found)


def _text(found: Mapping[str, Any]) -> str:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))
