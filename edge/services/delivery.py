"""Which message goes out next, and what a refusal means: order, back-off, dead letters. Decides; does no I/O.

Laws (L11): one message at a time, oldest first, so a message that is refused is tried again before a younger one is
sent; a message that stays refused is passed over after `MAX_ATTEMPTS`, and the rest flow. It becomes a dead letter only
where a younger one was taken and it was refused once more after that: until then the broker may be to blame, and is
asked again and again. No message is ever forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: Refusals of one message before a younger one is tried. With the waits below about 8 s, two takts of a usual line.
MAX_ATTEMPTS = 5
#: So many different messages passed over with none taken in between: it is the broker that refuses, not the messages.
GENERAL_AFTER = 3
#: Connections that broke in a row while the same message was on its way: that message may be their cause. With the
#: link's waits between connections about 16 s.
MAX_LOSSES = 5
#: The same for a message on its last attempt: a younger one came through meanwhile.
LAST_LOSSES = 2
FIRST_WAIT_US = 500_000
LONGEST_WAIT_US = 30_000_000


@dataclass(frozen=True, slots=True)
class SetAside:
    """Make a dead letter of this message."""

    row_id: int


class Delivery:
    """The order of sending. Knows messages by their rows; `jitter` gives a number from 0 to 1 for each wait."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._on_its_way: int | None = None
        self._wait_until_us = 0
        self._attempts: dict[int, int] = {}
        self._losses = 0
        #: Passed over: refused `MAX_ATTEMPTS` times, and no other message taken since.
        self._suspects: set[int] = set()
        #: Refused `MAX_ATTEMPTS` times, and a younger one was taken since: the next refusal is the last.
        self._condemned: set[int] = set()
        self._general_refusals = 0
        self._probe_next = False
        self._head: int | None = None

    @property
    def on_its_way(self) -> int | None:
        """The message that the broker has not answered yet."""
        return self._on_its_way

    @property
    def is_refused_by_all_means(self) -> bool:
        """Whether the broker refuses whatever waits."""
        return self._general_refusals > 0

    def choose(self, waiting: Sequence[int], now_us: int) -> int | None:
        """The message to send now, of those that wait (oldest first); None while one is on its way or a wait lasts."""
        if self._on_its_way is not None or not waiting:
            return None
        self._head = waiting[0]
        self._on_its_way = self._probe(waiting) if self._probe_next else None
        if self._on_its_way is None and now_us >= self._wait_until_us:
            self._on_its_way = next((row_id for row_id in waiting if row_id not in self._suspects), None)
            if self._on_its_way is None:
                # Nothing younger is there to tell whether the broker is to blame or they are.
                self._refuses_all(now_us)
        return self._on_its_way

    def wait_left_us(self, now_us: int) -> int:
        """How long until `choose` may give something again."""
        return max(0, self._wait_until_us - now_us)

    def taken(self, row_id: int) -> None:
        """The broker has taken this message: what is older and has spent its attempts gets one last one."""
        self._on_its_way = None
        self._wait_until_us = 0
        self._losses = 0
        spent = {old for old, tries in self._attempts.items() if old < row_id and tries >= MAX_ATTEMPTS}
        self._condemned = (self._condemned | spent) - {row_id}
        self._attempts = {old: tries for old, tries in self._attempts.items() if old in self._condemned}
        self._suspects.clear()
        self._general_refusals = 0
        self._probe_next = False

    def refused(self, row_id: int, now_us: int, *, for_good: bool = False) -> list[SetAside]:
        """The broker has refused this message; `for_good` where it can never be taken (it is too long)."""
        self._on_its_way = None
        tries = self._attempts[row_id] = self._attempts.get(row_id, 0) + 1
        if for_good or row_id in self._condemned:
            return self._set_aside(row_id)
        if self.is_refused_by_all_means:
            self._refuses_all(now_us, probed=row_id != self._head)
        elif tries < MAX_ATTEMPTS:
            self._wait(now_us, tries)
        else:
            self._suspects.add(row_id)
            if len(self._suspects) >= GENERAL_AFTER:
                self._refuses_all(now_us)
        return []

    def lost(self, now_us: int) -> list[SetAside]:
        """The connection ended before the broker answered; the message goes again on the next one."""
        row_id, self._on_its_way = self._on_its_way, None
        if row_id is None:
            return []
        self._losses += 1
        if self._losses < (LAST_LOSSES if row_id in self._condemned else MAX_LOSSES):
            return []
        self._losses = 0
        self._attempts[row_id] = max(self._attempts.get(row_id, 0), MAX_ATTEMPTS - 1)
        return self.refused(row_id, now_us)

    def not_sent(self) -> None:
        """The message that was chosen was not sent after all."""
        self._on_its_way = None

    def _probe(self, waiting: Sequence[int]) -> int | None:
        return min(waiting[1:], key=lambda row_id: (self._attempts.get(row_id, 0), row_id), default=None)

    def _set_aside(self, row_id: int) -> list[SetAside]:
        self._wait_until_us = 0
        self._condemned.discard(row_id)
        self._attempts.pop(row_id, None)
        return [SetAside(row_id)]

    def _refuses_all(self, now_us: int, *, probed: bool = False) -> None:
        self._suspects.clear()
        self._general_refusals += 1
        # A probe goes right after the oldest was refused: hardly time for the broker to change its mind between them.
        self._probe_next = not probed
        if not probed:
            self._wait(now_us, MAX_ATTEMPTS + self._general_refusals // 2)

    def _wait(self, now_us: int, failures: int) -> None:
        wait_us = min(LONGEST_WAIT_US, FIRST_WAIT_US * 2 ** min(failures - 1, 16))
        self._wait_until_us = now_us + int(wait_us * (1 - 0.3 * self._jitter()))
