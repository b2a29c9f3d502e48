"""How many messages are on their way together. Decides; does no I/O.

Laws (L11): without trouble, messages go oldest first, up to a number that the caller gives and that grows from one with
each message taken. From the first refusal or lost connection on, one goes at a time, and `delivery` says which, until
all that were refused are taken or set aside. So a refusal can cost the order of those messages alone that were on
their way with it, and where one goes at a time it costs none.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from edge.services.delivery import Delivery, SetAside


class Window:
    """The messages on their way, by their rows."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._sent_us: dict[int, int] = {}
        self._size = 1
        #: What was refused, or was the oldest on a connection that was lost, until it is taken or set aside.
        self._unsettled: set[int] = set()

    @property
    def on_their_way(self) -> Collection[int]:
        """The messages that the broker has not answered yet, in the order in which they were sent."""
        return self._sent_us.keys()

    @property
    def is_refused_by_all_means(self) -> bool:
        """Whether the broker refuses whatever waits."""
        return self._delivery.is_refused_by_all_means

    def silence_us(self, now_us: int) -> int:
        """How long the message that was sent first has been without an answer; 0 where none is on its way."""
        return now_us - next(iter(self._sent_us.values()), now_us)

    def wait_left_us(self, now_us: int) -> int:
        """How long until a message that was refused may be tried again."""
        return self._delivery.wait_left_us(now_us)

    def has_room(self, limit: int) -> bool:
        """Whether one more may go, where `limit` may be on their way together."""
        return len(self._sent_us) < (1 if self._unsettled else min(limit, self._size))

    def choose(self, waiting: Sequence[int], now_us: int, limit: int) -> int | None:
        """The message to send now, of those that wait and are not on their way (oldest first); None for none yet."""
        if not waiting or not self.has_room(limit):
            return None
        chosen = self._delivery.choose(waiting, now_us) if self._unsettled else waiting[0]
        if chosen is not None:
            self._sent_us[chosen] = now_us
        return chosen

    def taken(self, row_id: int) -> None:
        """The broker has taken this message."""
        del self._sent_us[row_id]
        if row_id == self._delivery.on_its_way:
            self._delivery.taken(row_id)
        self._unsettled.discard(row_id)
        if not self._unsettled:
            self._size += 1

    def refused(self, row_id: int, now_us: int, *, for_good: bool = False) -> list[SetAside]:
        """The broker has refused this message; `for_good` where it can never be taken (it is too long)."""
        del self._sent_us[row_id]
        if not for_good:
            self._trouble(row_id)
        return self._settled(self._delivery.refused(row_id, now_us, for_good=for_good))

    def lost(self, now_us: int) -> list[SetAside]:
        """The connection ended before the broker answered; what was on its way goes again on the next one."""
        rows = list(self._sent_us)
        self._sent_us.clear()
        if rows:
            self._trouble(rows[0])
        return self._settled(self._delivery.lost(now_us))

    def not_sent(self, row_id: int, *, closed: bool = False) -> None:
        """The message that was chosen was not sent after all; `closed` where it will never be."""
        del self._sent_us[row_id]
        if row_id == self._delivery.on_its_way:
            self._delivery.not_sent()
        if closed:
            self._unsettled.discard(row_id)

    def _trouble(self, row_id: int) -> None:
        self._size = 1
        self._unsettled.add(row_id)

    def _settled(self, steps: list[SetAside]) -> list[SetAside]:
        self._unsettled -= {step.row_id for step in steps}
        return steps
