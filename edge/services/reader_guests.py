"""The guests of a reader: whoever asks by the panel. They wait behind every station, and give way to each.

Promises: a guest's question leaves exactly once: answered, refused with the reason, or called off by its asker; at most
`limit` wait (L12); what was broken off for a station begins again before the others, and a piece of an answer that was
told is not told twice.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from edge.adapters import images
from edge.adapters.reader_link import Fault, Judged, Question
from edge.core.fields import Product
from edge.core.inside import Inside
from edge.core.quality import Quality
from edge.core.reading import FreeAnswer
from edge.errors import AnswerError, ImageError, UseError, WorldError
from edge.question_profiles import from_json
from edge.readers.answering import answer
from edge.readers.giving_way import GaveWay, give_way, gives_way
from edge.readers.inside import seen_into
from edge.readers.profiled import NO_IMAGE, Asked, answer_by
from edge.readers.reader import Reader
from edge.vision import quality

log = structlog.get_logger()

#: Guests that wait; a further one is told to come again.
MAX_WAITING_GUESTS = 16


@dataclass(frozen=True, slots=True)
class GuestFailed:
    """A guest's question could not be answered; `why` is one sentence."""

    fault: Fault
    why: str


ToldGuest = Quality | Judged | FreeAnswer | Inside | GuestFailed
_Key = tuple[bytes, str]


class GuestQueue:
    """Guests' questions, oldest first."""

    def __init__(self, limit: int = MAX_WAITING_GUESTS) -> None:
        self._limit = limit
        self._waiting: deque[Question] = deque()
        self._in_work: Question | None = None
        self._called_off = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, question: Question) -> GuestFailed | None:
        """Let a question wait; gives the refusal where it cannot. One that is known already (sent again) waits once."""
        known = [*self._waiting, *([self._in_work] if self._in_work else [])]
        if any(_key(one) == _key(question) for one in known):
            return None
        if len(self._waiting) >= self._limit:
            return GuestFailed(
                "busy", f"{self._limit} guests wait for the reader (max_waiting_guests): ask again later"
            )
        self._waiting.append(question)
        return None

    def call_off(self, key: _Key) -> None:
        """Nobody waits for this question any more."""
        self._waiting = deque(one for one in self._waiting if _key(one) != key)
        if self._in_work is not None and _key(self._in_work) == key:
            self._called_off = True

    def expire(self, now_us: int) -> list[tuple[Question, GuestFailed]]:
        """Take out every question whose time is over."""
        late = [one for one in self._waiting if now_us >= one.expires_us]
        self._waiting = deque(one for one in self._waiting if now_us < one.expires_us)
        return [
            (one, GuestFailed("late", "the reader had parts of the line to read until its time was over"))
            for one in late
        ]

    def take(self) -> Question | None:
        """The next question to work on."""
        self._called_off = False
        self._in_work = self._waiting.popleft() if self._waiting else None
        return self._in_work

    def done(self, *, gave_way: bool) -> None:
        """The work on the question that was taken has ended; begun again first where it gave way."""
        if gave_way and self._in_work is not None and not self._called_off:
            self._waiting.appendleft(self._in_work)
        self._in_work = None

    def is_unwanted(self, now_us: int) -> bool:
        """Whether nobody waits any more for what is in work."""
        return self._called_off or (self._in_work is not None and now_us >= self._in_work.expires_us)


class GuestWork:
    """Answers guests by the station's reader; one thread calls it."""

    def __init__(self, reader: Reader, product_of: Callable[[Question], Product]) -> None:
        self._reader = reader
        self._product_of = product_of
        self._said: dict[_Key, int] = {}

    def work(
        self, question: Question, asked_to_give_way: Callable[[], bool], piece: Callable[[str], None]
    ) -> ToldGuest | None:
        """Answer one question; None where the work gave way. `piece` hears an answer's text as it is decided."""
        try:
            with gives_way(asked_to_give_way):
                told = self._told(question, piece)
        except GaveWay:
            return None
        except ImageError as error:
            told = GuestFailed("image", str(error))
        except UseError as error:
            told = GuestFailed("question", str(error))
        except AnswerError as error:
            told = GuestFailed("answer", str(error))
        except WorldError as error:
            told = GuestFailed("reader", str(error))
        except Exception as error:
            log.exception("the reader raised an error that it should have named", question_id=question.question_id)
            told = GuestFailed("reader", f"{type(error).__name__} in the reader: see its log")
        self._said.pop(_key(question), None)
        return told

    def _told(self, question: Question, piece: Callable[[str], None]) -> ToldGuest:
        product = self._product_of(question)
        profile = from_json(question.profile) if question.profile else None
        image = NO_IMAGE if profile is not None and not profile.sees else images.decode(question.image, "the image")
        give_way()
        if question.task == "inside":
            return seen_into(self._reader).inside(
                image,
                question.question,
                product=product,
                field=question.field,
                cap=question.cap,
                layer=question.layer,
            )
        if question.task != "ask":
            located = self._reader.locate(image)
            begun = time.perf_counter()
            measured = quality.measure(image, located.boxes)
            gate_ms = (time.perf_counter() - begun) * 1e3
            if question.task == "judge":
                return measured
            return Judged(measured, self._reader.read(image, product, located), gate_ms)
        number = 0

        def hear(text: str) -> None:
            nonlocal number
            give_way()
            number += 1
            # Begun again, the same tokens come again: decoding has no chance in it.
            if number > self._said.get(_key(question), 0):
                self._said[_key(question)] = number
                piece(text)

        if profile is not None:
            today = datetime.now().astimezone().date()
            return answer_by(self._reader, Asked(profile, image, question.question, today), product, on_text=hear)
        return answer(
            self._reader,
            image,
            question.question,
            product,
            pattern=question.pattern,
            cap=question.cap,
            on_text=hear,
        )


def _key(question: Question) -> _Key:
    return question.peer, question.question_id
