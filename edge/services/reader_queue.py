"""The questions that wait for the reader: whose answer is due first goes first, and none is lost.

Promises: every question that is added leaves exactly once, taken to be worked on or refused with the reason (L12); at
no time do more than `limit` wait; a question sent twice is one question.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from edge.adapters.reader_link import Question

#: Each station has one question open at a time, so this is as many stations as one reader serves.
MAX_WAITING_QUESTIONS = 64


@dataclass(frozen=True, slots=True)
class Refused:
    """A question that is not worked on, and the reason in one sentence."""

    question: Question
    why: str


class QuestionQueue:
    """The waiting questions, oldest deadline first; of equal ones, that which came first."""

    def __init__(self, limit: int = MAX_WAITING_QUESTIONS) -> None:
        self._limit = limit
        self._waiting: dict[tuple[bytes, str], tuple[Question, int]] = {}
        self._in_work: set[tuple[bytes, str]] = set()
        self._answered: OrderedDict[bytes, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, question: Question, now_us: int) -> list[Refused]:
        """Let a question wait; gives those that do not wait any more, perhaps itself."""
        key = _key(question)
        if key in self._waiting or key in self._in_work or self._answered.get(question.peer) == question.question_id:
            return []  # sent again, because its asker saw the link come up
        if now_us >= question.expires_us:
            return [Refused(question, _late(question, now_us))]
        refused = [self._drop(old) for old in [k for k in self._waiting if k[0] == key[0]]]
        told = [Refused(old, "its station has asked something newer") for old in refused]
        if len(self._waiting) >= self._limit:
            why = f"{self._limit} questions of other stations wait for the reader (max_waiting_questions)"
            return [*told, Refused(question, why)]
        self._waiting[key] = question, now_us
        return told

    def expire(self, now_us: int) -> list[Refused]:
        """Refuse every question whose deadline has passed."""
        late = [key for key, (question, _) in self._waiting.items() if now_us >= question.expires_us]
        return [Refused(question, _late(question, now_us)) for question in map(self._drop, late)]

    def take(self, most: int) -> list[Question]:
        """The next questions to work on, at most so many; each is told `done` when it is answered."""
        # A dict keeps the order of arrival, and the sort is stable.
        first = sorted(self._waiting, key=lambda key: self._waiting[key][0].expires_us)[:most]
        self._in_work.update(first)
        return [self._drop(key) for key in first]

    def done(self, question: Question) -> None:
        """A question that was taken is answered."""
        self._in_work.discard(_key(question))
        self._answered[question.peer] = question.question_id
        self._answered.move_to_end(question.peer)
        while len(self._answered) > MAX_WAITING_QUESTIONS:
            self._answered.popitem(last=False)

    def oldest_age_us(self, now_us: int) -> int | None:
        """How long that which waits longest has waited; None where nothing waits."""
        return max((now_us - since_us for _, since_us in self._waiting.values()), default=None)

    def next_expiry_us(self) -> int | None:
        """When the next deadline passes; None where nothing waits."""
        return min((question.expires_us for question, _ in self._waiting.values()), default=None)

    def _drop(self, key: tuple[bytes, str]) -> Question:
        return self._waiting.pop(key)[0]


def _key(question: Question) -> tuple[bytes, str]:
    return question.peer, question.question_id


def _late(question: Question, now_us: int) -> str:
    late_ms = (now_us - question.expires_us) / 1000
    return f"the reader had other frames to read until the time for this one was over ({late_ms:.0f} ms ago)"
