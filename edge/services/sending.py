"""The way of messages from the outbox to the broker: reading ahead, several on their way, answers written in batches.

Promises (L11): a message leaves the outbox only after the broker took it, or by a person's hand; each repeat is the
same bytes with the same properties; a live message goes alone, so that nothing can overtake it; messages of the past
(`historical`) go several at a time. A crash repeats at most what was on its way and what was not yet written as taken:
no more than `READ_AHEAD` messages and a window. `window` and `delivery` decide what goes when.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from edge.adapters.mqtt import Link
from edge.adapters.mqtt_facts import Answered, Connected, Disconnected
from edge.adapters.outbox import Message, Outbox
from edge.errors import StoreError
from edge.services.delivery import FIRST_WAIT_US, LONGEST_WAIT_US, Delivery, SetAside
from edge.services.window import Window

log = structlog.get_logger()

#: Codes of a broker's DISCONNECT that speak of the message on its way, not of the connection.
_BY_MESSAGE = {
    0x81: "malformed_packet",
    0x82: "protocol_error",
    0x87: "not_authorized",
    0x90: "topic_name_invalid",
    0x95: "packet_too_large",
    0x99: "payload_format_invalid",
}
#: The PUBACK of a message that the broker took and nobody subscribes to: no failure, and nobody hears it.
_NO_MATCHING_SUBSCRIBERS = 0x10
#: No PUBACK for this long: the connection is given up and made anew.
ACK_TIMEOUT_S = 20.0
#: Messages of the past that are on their way together, unless the broker allows fewer (mosquitto: 20). Where an answer
#: takes 20 ms, 64 are 3,200 a second: as many as a PC can send.
MAX_IN_FLIGHT = 64
#: Of what the broker allows, so many are left to answers to commands and to the station's state.
LEFT_FOR_ANSWERS = 4
#: Messages read, and answers written, in one transaction: a synced one takes 2 to 40 ms, a message 0.3 ms. Of some 6 kB
#: each they take 3 MB of memory.
READ_AHEAD = 512
#: While others are on their way, an answer waits no longer than this to be written.
WRITE_AFTER_US = 200_000
#: What the link itself answers for a message that is longer than the broker takes: no PUBACK has this code.
_PACKET_TOO_LARGE = 0x95


class Sending:
    """Sends what waits in the outbox. The messenger's loop calls `turn`, and hands in what the link tells."""

    def __init__(
        self,
        outbox: Outbox,
        link: Link,
        counts: Counter[str],
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        ack_timeout_s: float = ACK_TIMEOUT_S,
        needs_subscriber: bool = False,
    ) -> None:
        """With `needs_subscriber`, an outcome that nobody subscribes to waits until somebody does."""
        self._needs_subscriber = needs_subscriber
        #: Outcomes on their way, by their rows.
        self._outcomes: set[int] = set()
        self._pauses = 0
        self._pause_until_us = 0
        self._outbox = outbox
        self._link = link
        self._counts = counts
        self._max_in_flight = max_in_flight
        self._ack_timeout_us = int(ack_timeout_s * 1e6)
        self._window = Window(Delivery(random.random))
        self._connected: Connected | None = None
        #: Rows that wait, oldest first, and those of their messages that were read already.
        self._rows: list[int] = []
        self._read: dict[int, Message] = {}
        #: The message that does not tell of the past and so goes alone: the one on its way, or the next one.
        self._live: int | None = None
        self._taken: list[int] = []
        self._taken_since_us = 0
        self._unwritten: deque[Callable[[], object]] = deque()
        self._is_forgotten = False

    @property
    def num_on_their_way(self) -> int:
        """How many messages the broker has not answered yet."""
        return len(self._window.on_their_way)

    @property
    def is_refused_by_all_means(self) -> bool:
        """Whether the broker refuses whatever comes."""
        return self._window.is_refused_by_all_means

    def wait_left_us(self, now_us: int) -> int:
        """How long until a message that was refused is tried again; 0 where nothing waits for time to pass."""
        return max(self._window.wait_left_us(now_us), self._pause_until_us - now_us)

    def note_connected(self, fact: Connected) -> None:
        """There is a broker from now on; one that lost the session may have lost messages with it."""
        self._connected = fact
        self._is_forgotten = not fact.session_present

    def note_end(self, fact: Disconnected, now_us: int) -> None:
        """There is no broker any more: what was on its way will go again."""
        self._connected = None
        self._outcomes.clear()
        self._look_anew()
        rows = list(self._window.on_their_way)
        # Of several, it does not show which one the broker meant: on the next connection, one goes alone.
        if len(rows) == 1 and fact.refusal in _BY_MESSAGE:
            self._refused(rows[0], _BY_MESSAGE[fact.refusal], now_us)
        else:
            self._perform(self._window.lost(now_us))

    def note_answer(self, fact: Answered, now_us: int) -> None:
        """The broker has taken or refused a message."""
        if fact.token not in self._window.on_their_way:
            return
        unheard = self._needs_subscriber and fact.code == _NO_MATCHING_SUBSCRIBERS and fact.token in self._outcomes
        self._outcomes.discard(fact.token)
        if unheard:
            self._wait_for_subscriber(fact.token, now_us)
        elif fact.taken:
            self._pauses = 0
            self._window.taken(fact.token)
            self._taken_since_us = self._taken_since_us if self._taken else now_us
            self._taken.append(fact.token)
        else:
            name = fact.name.lower().replace(" ", "_")
            self._refused(fact.token, name, now_us, for_good=fact.code == _PACKET_TOO_LARGE)

    def _wait_for_subscriber(self, row_id: int, now_us: int) -> None:
        """Nobody hears this outcome, whichever it is: all wait, longer each time, and it goes first again."""
        self._look_anew()
        self._window.not_sent(row_id)
        self._counts["no_matching_subscribers"] += 1
        self._pause_until_us = now_us + min(LONGEST_WAIT_US, FIRST_WAIT_US * 2 ** min(self._pauses, 16))
        self._pauses += 1

    def turn(self, now_us: int) -> None:
        """Write what was answered, send what may be sent.

        Raises:
            StoreError: The store failed. Nothing is forgotten: call again.
        """
        # What the broker refused is written in its order, and before anything else is sent.
        while self._unwritten:
            self._unwritten[0]()
            self._unwritten.popleft()
        if self._is_forgotten:
            self._send_again()
        if self._connected is not None:
            self._leave_a_silent_broker(self._connected, now_us)
            while self._connected is not None and now_us >= self._pause_until_us:
                if not self._send_next(self._connected, now_us):
                    break
        if not self._window.on_their_way or now_us - self._taken_since_us > WRITE_AFTER_US:
            self._write_taken()

    def _send_again(self) -> None:
        """Put what the broker took last back into the outbox: it may have forgotten that, too."""
        self._write_taken()
        again = self._outbox.taken.newest_again()
        self._is_forgotten = False
        self._look_anew()
        if again:
            self._counts["sent_again"] += again
            log.warning("the broker has lost the session: what it took last is sent again", messages=again)

    def close(self) -> None:
        """Write what was taken, so that it is not repeated; a store that cannot write costs repeats, no message."""
        with suppress(StoreError):
            self._write_taken()

    def _write_taken(self) -> None:
        if self._taken:
            self._outbox.acknowledge(*self._taken)
            self._taken.clear()

    def _leave_a_silent_broker(self, connected: Connected, now_us: int) -> None:
        if self._window.silence_us(now_us) > self._ack_timeout_us:
            self._counts["ack_timeout"] += 1
            self._connected = None  # its end will be told
            self._link.drop(connected.session_id, f"no PUBACK within {self._ack_timeout_us / 1e6:.0f} s")

    def _send_next(self, connected: Connected, now_us: int) -> bool:
        """Send one message; False where none may be sent now."""
        allowed = min(self._max_in_flight, connected.receive_maximum - LEFT_FOR_ANSWERS)
        is_live = self._live in self._window.on_their_way or self._rows[:1] == [self._live]
        limit = 1 if is_live else max(1, allowed)
        if not self._window.has_room(limit):
            return False
        row_id = self._window.choose(self._rows or self._look(), now_us, limit)
        if row_id is None:
            return False
        alone = self.num_on_their_way == 1
        try:
            message = self._message(row_id, alone=alone)
        except StoreError:
            self._window.not_sent(row_id)
            raise
        if message is None and not alone:
            self._window.not_sent(row_id)
            self._live = row_id  # not before the others have arrived
            return False
        self._rows.remove(row_id)
        if message is None:
            self._window.not_sent(row_id, closed=True)  # a person closed it in this very moment
            return True
        self._live = row_id if message.goes_alone else None
        if message.kind == "outcome":
            self._outcomes.add(row_id)
        properties = dict(message.properties) | {"historical": "true" if message.is_past else "false"}
        self._link.publish(connected.session_id, message.topic, message.payload, token=row_id, properties=properties)
        return True

    def _look(self) -> list[int]:
        """The rows that wait, oldest first, without those on their way and those that were taken."""
        known = {*self._window.on_their_way, *self._taken}
        waiting = self._outbox.waiting(READ_AHEAD + len(known))
        self._rows = [row_id for row_id in waiting if row_id not in known][:READ_AHEAD]
        return self._rows

    def _look_anew(self) -> None:
        self._rows = []
        self._read.clear()

    def _message(self, row_id: int, *, alone: bool) -> Message | None:
        """A message as it is to be sent; None where it is closed, or live and not alone."""
        if row_id not in self._read:
            ahead = self._rows if row_id == self._rows[0] else [row_id]
            messages = self._outbox.begin_sending(ahead, taken=self._taken, alone=alone)
            self._taken.clear()
            self._read = {message.row_id: message for message in messages}
        message = self._read.get(row_id)
        if message is None or (message.goes_alone and not alone):
            return None
        return self._read.pop(row_id)

    def _refused(self, row_id: int, reason: str, now_us: int, *, for_good: bool = False) -> None:
        self._look_anew()
        self._unwritten.append(partial(self._outbox.refuse, row_id, reason))
        log.warning("message refused", row_id=row_id, reason=reason)
        self._perform(self._window.refused(row_id, now_us, for_good=for_good))

    def _perform(self, steps: list[SetAside]) -> None:
        for step in steps:
            self._unwritten.append(partial(self._outbox.set_aside, step.row_id))
            log.error("message set aside", row_id=step.row_id)
