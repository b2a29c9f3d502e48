"""Which outcomes of a station are missing, by their `seq`, and when to ask the station for them. Decides; does no I/O.

Laws:
1. A station's `seq` counts up by one from 1, so that every number below the highest that is known of was given: one
   that was not seen is missing, and stays so until it is seen. Neither time nor any number of questions ends a gap.
2. A gap is asked for after `PATIENCE_US`, since what is on its way may be late, then again and again with growing
   waits; what came since the last question lets the waits begin anew.
3. One question names one range of at most `AT_ONCE` numbers, the oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: What was on its way when its elders were lost comes within this time: a backlog goes several at a time.
PATIENCE_US = 5_000_000
#: The longest wait between two questions about the same gap.
LONGEST_US = 600_000_000
#: Outcomes that one question asks for: a few seconds of a station's sending.
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers from `first` to `last`, both of them included."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


class Sequence:
    """The numbers of one station: all from 1 to `last` were given, and all but those of `missing` were seen."""

    def __init__(self, last: int = 0, missing: Iterable[Span] = ()) -> None:
        self.last = last
        self.missing = tuple(missing)

    @property
    def num_missing(self) -> int:
        """How many outcomes are missing."""
        return sum(map(len, self.missing))

    def note(self, seq: int) -> bool:
        """An outcome with this number was seen; whether the number is new."""
        if seq > self.last:
            self.expect(seq - 1)
            self.last = seq
            return True
        found = next((span for span in self.missing if span.first <= seq <= span.last), None)
        if found is None:
            return False
        rest = (Span(found.first, seq - 1), Span(seq + 1, found.last))
        at = self.missing.index(found)
        self.missing = (*self.missing[:at], *(span for span in rest if len(span) > 0), *self.missing[at + 1 :])
        return True

    def expect(self, last: int) -> None:
        """The station says that it has given the numbers up to `last`."""
        if last > self.last:
            self.missing = _joined(self.missing, Span(self.last + 1, last))
            self.last = last


class Asking:
    """When to ask one station for what is missing, and for which range."""

    def __init__(self, patience_us: int = PATIENCE_US, longest_us: int = LONGEST_US, at_once: int = AT_ONCE) -> None:
        self._patience_us, self._longest_us, self._at_once = patience_us, longest_us, at_once
        self._due_us: int | None = None
        self._questions = 0
        self._missing_then = 0

    def ask(self, sequence: Sequence, now_us: int) -> Span | None:
        """The range to ask for now; None where nothing is missing, or the time has not come."""
        num_missing = sequence.num_missing
        if not num_missing:
            self._due_us, self._questions = None, 0
            return None
        if self._due_us is None:
            self._due_us = now_us + self._patience_us
        if self._questions and num_missing < self._missing_then:
            # What was asked for comes: the rest is asked for as soon as no more of it has come for a while.
            self._questions, self._missing_then = 0, num_missing
            self._due_us = now_us + self._patience_us
        if now_us < self._due_us:
            return None
        self._due_us = now_us + min(self._longest_us, self._patience_us * 2 ** min(self._questions + 1, 20))
        self._questions += 1
        self._missing_then = num_missing
        oldest = sequence.missing[0]
        return Span(oldest.first, min(oldest.last, oldest.first + self._at_once - 1))

    def again(self) -> None:
        """The station is there again, or says that it could not answer: forget the wait."""
        self._due_us, self._questions = None, 0


def _joined(spans: tuple[Span, ...], new: Span) -> tuple[Span, ...]:
    if spans and spans[-1].last + 1 == new.first:
        return (*spans[:-1], Span(spans[-1].first, new.last))
    return (*spans, new)
