"""From the level of one input to triggers: debounced, and no more in a second than the line can mean.

Laws of this file:
1. A trigger is a rise that stayed for the debounce time; its time is that of the rise. A rise that did not stay is
   counted as `bounced`.
2. An input that rises more often than `max_per_s` is in a storm: what is over the limit is no trigger, is counted as
   `max_trigger_rate`, and is told, since a part may have gone by that nobody inspects (L12).
3. Memory is bounded by `max_per_s`, whatever the input does.
4. A level that is there when the input is opened is no rise: whether its part was inspected is not known.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

#: The limit's name, in counts and logs.
MAX_TRIGGER_RATE: Final = "max_trigger_rate"
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class InputRules:
    """How one input is listened to."""

    debounce_us: int = 0
    max_per_s: int = 20


class TriggerInput:
    """One input. Tell it every change; ask `ripe` once `due_us` has come."""

    def __init__(self, rules: InputRules) -> None:
        self.counts: Counter[str] = Counter()
        self._rules = rules
        self._steady = self._now = False
        self._since_us = 0
        self._recent: deque[int] = deque(maxlen=rules.max_per_s)

    @property
    def due_us(self) -> int | None:
        """When the level of this moment has stayed long enough to count; None where it does already."""
        return None if self._now == self._steady else self._since_us + self._rules.debounce_us

    def begin(self, *, active: bool) -> None:
        """The input was opened, or opened again, and has this level."""
        self._steady = self._now = active

    def change(self, *, active: bool, at_us: int) -> int | None:
        """The input has this level from `at_us` on; gives the time of a trigger where this shows one."""
        before = self.ripe(at_us)
        if active == self._now:
            return before
        if self._now != self._steady:
            self.counts["bounced"] += 1
        self._now, self._since_us = active, at_us
        return before if before is not None else self.ripe(at_us)

    def ripe(self, now_us: int) -> int | None:
        """The time of a trigger that has become one by `now_us`, once."""
        due_us = self.due_us
        if due_us is None or now_us < due_us:
            return None
        self._steady = self._now
        return self._admitted(self._since_us) if self._steady else None

    def _admitted(self, at_us: int) -> int | None:
        full = len(self._recent) == self._rules.max_per_s
        if full and at_us - self._recent[0] < _SECOND_US:
            self.counts[MAX_TRIGGER_RATE] += 1
            return None
        self._recent.append(at_us)
        self.counts["accepted"] += 1
        return at_us
