"""One station of a rehearsal: edge's own core, store, outbox and link, with a drawn label in the place of a camera.

Real: the inspection's state machine, `edge.db`, the outbox, sending and its window, the MQTT link with will and state,
commands, `health`. Not real: frames are drawn and not kept as evidence; ERP is what MES announced; there is no other
process round it, so that nothing beats and nothing is poked.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import cv2

from edge.adapters.database import monotonic_us, wall_time
from edge.adapters.mqtt import Link
from edge.adapters.mqtt_facts import Answered, Command, Connected, Disconnected, Fact
from edge.adapters.payload import encode, retake_payload
from edge.adapters.store import Store
from edge.core.actions import AnnounceRetake, Commit, Judge, LookUp, StartTimer, TakeFrame
from edge.core.actions import Read as ReadFrame
from edge.core.events import (
    Event,
    FieldsRead,
    FrameJudged,
    FrameTaken,
    ReadFailed,
    RecordFound,
    RecordMissing,
    TimerFired,
    TimerName,
    Triggered,
)
from edge.core.fields import Product
from edge.core.inspection import Inspection, State
from edge.core.outcome import SCHEMA, Disposition, Outcome, Reason
from edge.core.policy import Policy
from edge.core.reading import Reading
from edge.services.health import health_message
from edge.services.mqtt_commands import Commands
from edge.services.rehearsal_label import Part, draw, next_part
from edge.services.rehearsal_reader import LabelDesk, Read
from edge.services.sending import Sending

StartsTimer = Callable[[int, "RehearsalStation", TimerName, int, str], None]
#: Serials of parts that passed, of which one may come again.
_REMEMBERED = 20


class RehearsalStation:
    """One station. The rehearsal's loop hands in what happens; every trigger ends in one outcome."""

    def __init__(
        self,
        number: int,
        store: Store,
        link: Link,
        desk: LabelDesk,
        *,
        product: Product,
        policy: Policy,
        topic: Callable[[str], str],
        start_timer: StartsTimer,
        counts: Counter[str],
    ) -> None:
        self.number, self.link = number, link
        self.total_ms: list[float] = []
        self._store, self._desk, self._product, self._policy = store, desk, product, policy
        self._topic, self._start_timer, self._counts = topic, start_timer, counts
        self._messenger_counts: Counter[str] = Counter()
        self._sending = Sending(store.outbox, link, self._messenger_counts)
        self._commands = Commands(store, store.station, wall_time)
        self._connected: Connected | None = None
        self._unfollowed: deque[Command] = deque()
        self._inspection = Inspection(product, policy)
        self._chance = random.Random(number)  # noqa: S311 - a rehearsal is to be the same each time
        self._parts = 0
        self._part: Part | None = None
        self._image = b""
        self._passed: deque[str] = deque(maxlen=_REMEMBERED)
        self._reading: Reading | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an inspection is under way."""
        return self._inspection.state not in (State.WAITING, State.DONE)

    @property
    def is_sent(self) -> bool:
        """Whether the broker has taken all that was to be told."""
        return self._store.outbox.num_waiting() == 0

    def trigger(self) -> None:
        """A part is in place."""
        self._parts += 1
        part = next_part(self.number, self._parts, self._passed[0] if self._passed else None, self._chance)
        self._store.add_trigger(
            f"part-{self._parts}", expected={"serial": part.serial}, source="rehearsal", at=wall_time(),
            at_us=monotonic_us(),
        )  # fmt: skip
        row = self._store.next_trigger()
        assert row is not None, "it was added a moment ago"
        event = Triggered(row.at_us, row.inspection_id, row.trigger_id, row.expected, busy=self.is_busy)
        if event.busy:
            for action in Inspection(self._product, self._policy).handle(event):
                if isinstance(action, Commit):
                    self._write(action.outcome, Reason.OVERRUN)
            return
        self._inspection, self._part, self._reading = Inspection(self._product, self._policy), part, None
        self._feed(event)

    def read(self, told: Read) -> None:
        """The reader's answer has come."""
        inspection_id, _, attempt = told.key.partition(":")[2].rpartition("/")
        if inspection_id != self._inspection.inspection_id:
            return
        now_us = monotonic_us()
        if told.judged is None:
            self._feed(ReadFailed(now_us, int(attempt), told.why))
        else:
            self._reading = told.judged.reading
            self._feed(FrameJudged(now_us, int(attempt), told.judged.quality))

    def fire(self, timer: TimerName, attempt: int, inspection_id: str) -> None:
        """A timer of this station has run out."""
        if inspection_id == self._inspection.inspection_id:
            self._feed(TimerFired(monotonic_us(), timer, attempt))

    def take(self) -> None:
        """Look at what the link tells, send what waits."""
        for fact in self.link.take():
            self._note(fact)
        while self._unfollowed:
            command = self._unfollowed.popleft()
            answer = self._commands.handle(command)
            self._counts["commands_accepted" if answer.accepted else "commands_refused"] += 1
            self.link.answer(command, encode(answer.message))
        self.send()

    def send(self) -> None:
        """Send what waits in the outbox, as far as it may go now."""
        self._sending.turn(monotonic_us())

    def tell_health(self) -> None:
        """Say how the station fares, as its messenger would."""
        if self._connected is None:
            return
        session_id = self._connected.session_id
        message = health_message(
            self._store, {}, self._messenger_counts, now_us=monotonic_us(), at=wall_time(), session_id=session_id
        )
        self.link.publish(session_id, self._topic("health"), encode(message), qos=0, retain=True, expiry_s=600)

    def close(self) -> None:
        """Leave the broker."""
        self.link.stop()
        self._sending.close()
        self.link.close()

    def _note(self, fact: Fact) -> None:
        now_us = monotonic_us()
        match fact:
            case Connected():
                self._connected = fact
                self._sending.note_connected(fact)
                self._counts["connected"] += 1
            case Disconnected():
                self._connected = None
                self._unfollowed.clear()
                self._counts["disconnected"] += 1
                self._sending.note_end(fact, now_us)
            case Answered():
                self._sending.note_answer(fact, now_us)
            case Command():
                self._unfollowed.append(fact)
            case _:
                self._counts["other_facts"] += 1

    def _feed(self, event: Event) -> None:
        """Hand an event to the core, perform what it orders, and go on with what that gives at once."""
        events: deque[Event] = deque([event])
        while events:
            one = events.popleft()
            if not self._inspection.expects(one):
                continue
            for action in self._inspection.handle(one):
                if (given := self._perform(action)) is not None:
                    events.append(given)

    def _perform(self, action: Any) -> Event | None:
        match action:
            case TakeFrame():
                return self._frame(action)
            case Judge():
                return self._ask(action.attempt)
            case ReadFrame():
                assert self._reading is not None, "a frame is judged and read in one go"
                return FieldsRead(monotonic_us(), action.attempt, self._reading)
            case LookUp():
                return self._record(action)
            case StartTimer():
                self._start_timer(action.at_us, self, action.timer, action.attempt, self._inspection.inspection_id)
            case AnnounceRetake():
                self._store.add_message(
                    self._topic("retake"),
                    retake_payload(action, station=self._store.station, at=wall_time()),
                    {"inspection_id": action.inspection_id, "schema": SCHEMA},
                    kind="retake",
                    inspection_id=action.inspection_id,
                )
            case Commit():
                assert self._part is not None
                self._write(action.outcome, self._part.expected)
        return None

    def _frame(self, action: TakeFrame) -> FrameTaken:
        assert self._part is not None
        exposed_us = monotonic_us()
        self._image = cv2.imencode(".bmp", draw(self._part))[1].tobytes()
        sha256 = hashlib.sha256(self._image).hexdigest()
        frame_id = f"{self._part.serial}-{action.attempt}"
        exposure_us, light = action.exposure_us, action.light
        return FrameTaken(monotonic_us(), action.attempt, frame_id, sha256, exposed_us, exposure_us, light)

    def _ask(self, attempt: int) -> ReadFailed | None:
        key = f"{self._inspection.inspection_id}/{attempt}"
        expires_us = monotonic_us() + self._policy.read_timeout_us
        if self._desk.ask(f"{self.number}:{key}", self._image, expires_us):
            return None
        return ReadFailed(monotonic_us(), attempt, "no reader is there")

    def _record(self, action: LookUp) -> RecordFound | RecordMissing:
        """What ERP holds: all that MES announced, but for the parts that nobody knows."""
        assert self._part is not None
        if self._part.flaw == "unknown":
            return RecordMissing(monotonic_us(), action.attempt, "rehearsal", 0.0)
        earlier = self._store.earlier_pass(action.serial, self._inspection.inspection_id)
        fields = {"serial": self._part.serial}
        return RecordFound(monotonic_us(), action.attempt, fields, "rehearsal", 0.0, passed_before=earlier)

    def _write(self, outcome: Outcome, expected: Reason) -> None:
        self._store.commit(outcome, topic=self._topic("outcome"), config_hash="rehearsal", at=wall_time())
        self._counts["outcomes"] += 1
        self._counts[f"reason_{outcome.reason.value}"] += 1
        if outcome.reason is not expected:
            # No wrong pass, whatever happens: everything else that comes unexpected is a hold with its reason.
            kind = "wrong_passes" if outcome.disposition is Disposition.PASS else f"unexpected_{outcome.reason.value}"
            self._counts[kind] += 1
        if outcome.reason is Reason.MATCHED and self._part is not None:
            self._passed.append(self._part.serial)
        if "total" in outcome.ms:
            self.total_ms.append(round(outcome.ms["total"], 3))
        self.send()
