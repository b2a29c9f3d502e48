"""The collector's process: hears all stations of a plant, stores what they say, asks for what is missing. One loop.

What it promises:

1. The broker may forget an outcome only after it is in the database: acknowledged behind the commit, never before.
2. Broker or database may be away, be killed, or start anew: what the broker still holds comes again, what it lost is
   found missing by its `seq` and asked for at its station; repeats change nothing.
3. What must not be (another content under one id, a message that is none) is an alarm in the database, and holds up
   nothing that comes after it.
"""

from __future__ import annotations

import json
import select
from collections import Counter, deque
from collections.abc import Callable
from itertools import islice
from typing import Any

import structlog

from edge.adapters import plant_messages, systemd
from edge.adapters.database import monotonic_us
from edge.adapters.mqtt import Link
from edge.adapters.mqtt_access import broker_of
from edge.adapters.mqtt_facts import (
    Command,
    CommandDropped,
    Connected,
    Disconnected,
    Fact,
    Presence,
    SubscriptionRefused,
)
from edge.adapters.payload import encode
from edge.adapters.plant_messages import HealthSeen, NumbersGiven, Place, Seen, StateSeen, topic_of
from edge.adapters.plant_store import PlantStore, open_plant
from edge.adapters.rows import InspectionIds
from edge.core.gaps import Asking, Span
from edge.errors import PlantError
from edge.plant_settings import PlantSettings
from edge.services.health import state_message
from edge.services.stop import Stop, asked_by

log = structlog.get_logger()

#: All that stations say, and no command: those have a level more.
EVERYTHING = "edge/v1/+/+/+/+"
#: The line that the collector's own topics name: it is of none.
OWN_LINE = "plant"
#: Messages that one transaction stores.
MAX_BATCH = 1000
#: The loop looks at everything at least this often, milliseconds.
TURN_MS = 250
#: Gaps are looked at this often.
LOOK_US = 250_000
#: A database that failed is asked again after this, then after twice as long, up to the longest.
FIRST_PAUSE_US, LONGEST_PAUSE_US = 250_000, 10_000_000
#: A question to a station that is away is of no use later: another one is asked then.
QUESTION_EXPIRY_S = 60


class Collector:
    """One plant's collector; `run` is its loop."""

    def __init__(
        self,
        store: PlantStore,
        link: Link,
        own: Place,
        *,
        batch_us: int = 50_000,
        new_asking: Callable[[], Asking] = Asking,
        patience_us: int = 5_000_000,
    ) -> None:
        self._store, self._link, self._own = store, link, own
        self._batch_us, self._new_asking, self._patience_us = batch_us, new_asking, patience_us
        self._connected: Connected | None = None
        self._waiting: deque[tuple[Seen, Command]] = deque()
        self._waiting_since_us = 0
        #: What was never the broker's to repeat: how stations fare, and that they gave numbers.
        self._beside: dict[tuple[Place, type], Seen] = {}
        self._said: dict[Place, tuple[int, int]] = {}
        self._asking: dict[Place, Asking] = {}
        self._look_due_us = 0
        self._pause_until_us = self._pauses = 0
        self._is_prepared = False
        self.counts: Counter[str] = Counter()

    def run(self, stop: Stop) -> None:
        """Collect until `stop`."""
        stopped = asked_by(stop)
        poller = select.poll()
        poller.register(self._link.fileno(), select.POLLIN)
        self._link.start()
        systemd.notify_ready("connecting")
        try:
            while not stopped():
                self._turn()
                poller.poll(self._patience_ms())
            systemd.notify_stopping()
        finally:
            self._close()

    def _turn(self) -> None:
        for fact in self._link.take():
            self._note(fact)
        now_us = monotonic_us()
        if now_us >= self._pause_until_us:
            try:
                self._work(now_us)
                self._pauses = 0
            except PlantError as error:
                self._note_failure(error, now_us)
        systemd.notify_progress()

    def _work(self, now_us: int) -> None:
        if not self._is_prepared:
            self._store.prepare()
            self._is_prepared = True
            log.info("database ready", stations=len(self._store.known()))
        if self._waiting and (now_us - self._waiting_since_us >= self._batch_us or len(self._waiting) >= MAX_BATCH):
            self._write()
        if now_us >= self._look_due_us:
            self._look_due_us = now_us + LOOK_US
            self._look_for_gaps(now_us)
            if self._beside and not self._waiting:
                self._write()

    def _write(self) -> None:
        batch = list(islice(self._waiting, MAX_BATCH))
        beside = list(self._beside.values())
        written = self._store.write([*(seen for seen, _ in batch), *beside])
        for _, command in batch:
            self._waiting.popleft()
            self._link.acknowledge(command)
        self._waiting_since_us = monotonic_us()
        self._beside.clear()
        self.counts.update(new=written.new, repeats=written.repeats, alarms=written.alarms, batches=1)
        if written.alarms:
            log.error("alarms stored", alarms=written.alarms)

    def _note(self, fact: Fact) -> None:
        match fact:
            case Connected():
                self._connected = fact
                log.info("broker connected", session_present=fact.session_present)
                systemd.notify_status("collecting")
            case Disconnected():
                self._connected = None
                self.counts[f"disconnected_{fact.name}"] += 1
                # The broker still holds them unacknowledged, and repeats them on the next connection.
                self._waiting.clear()
                log.warning("broker disconnected", reason=fact.name, detail=fact.detail)
                systemd.notify_status(f"no broker: {fact.detail}")
            case Command():
                self._hear(fact)
            case CommandDropped() if self._connected is not None:
                # It is not acknowledged, and comes again on a new connection alone.
                self.counts["max_facts"] += 1
                self._link.drop(self._connected.session_id, "more came than could be looked at (max_facts)")
            case SubscriptionRefused():
                self.counts["subscription_refused"] += 1
                log.error("stations cannot be heard", topic=fact.topic, reason=fact.name)
            case _:
                pass

    def _hear(self, command: Command) -> None:
        found = plant_messages.place_of(command.topic)
        if found is not None and found[0] == self._own:
            self._hear_answer(command, found[1])
            return
        seen = None
        if found is not None:
            seen = plant_messages.read(*found, command.payload, historical=command.is_historical)
        if seen is None:
            self._link.acknowledge(command)
            return
        if isinstance(seen, HealthSeen):
            self._note_health(seen)
        if isinstance(seen, StateSeen) and seen.state == "online" and seen.place in self._asking:
            self._asking[seen.place].again()
        if command.packet_id is None:
            self._beside[seen.place, type(seen)] = seen
            return
        if not self._waiting:
            self._waiting_since_us = command.arrived_us
        self._waiting.append((seen, command))

    def _hear_answer(self, command: Command, kind: str) -> None:
        """What a station says to a question for missing outcomes: they come by themselves, or it tells why not."""
        self._link.acknowledge(command)
        if kind != "answer":
            return
        try:
            answer: Any = json.loads(command.payload)
            accepted = bool(answer["accepted"])
        except (ValueError, KeyError, TypeError):
            answer, accepted = {}, False
        self.counts["resend_accepted" if accepted else "resend_refused"] += 1
        if not accepted:
            about = (command.correlation or b"").decode(errors="replace")
            log.warning("a station does not send again", about=about, reason=answer.get("reason"))

    def _note_health(self, seen: HealthSeen) -> None:
        """Note how far a station says that it has counted: where its last outcome is lost, no later one tells of it."""
        last, _ = self._said.get(seen.place, (-1, 0))
        if seen.outcomes != last:
            self._said[seen.place] = seen.outcomes, monotonic_us()

    def _look_for_gaps(self, now_us: int) -> None:
        known = self._store.known()
        for place, (last, since_us) in self._said.items():
            if now_us - since_us > self._patience_us and (place not in known or known[place].numbers.last < last):
                self._beside[place, NumbersGiven] = NumbersGiven(place, last)
        for place, one in known.items():
            if one.numbers.missing or place in self._asking:
                asking = self._asking.setdefault(place, self._new_asking())
                span = None if self._connected is None else asking.ask(one.numbers, now_us)
                if span is not None:
                    self._ask(place, span)

    def _ask(self, place: Place, span: Span) -> None:
        assert self._connected is not None
        self.counts["resend_asked"] += 1
        log.warning("outcomes are missing", place="/".join(place), first=span.first, last=span.last)
        self._link.publish(
            self._connected.session_id,
            topic_of(place, "cmd/resend"),
            encode({"first": span.first, "last": span.last}),
            expiry_s=QUESTION_EXPIRY_S,
            response_topic=topic_of(self._own, "answer"),
            correlation=f"{'/'.join(place)} {span.first}-{span.last}".encode(),
        )

    def _note_failure(self, error: PlantError, now_us: int) -> None:
        self.counts["database_failed"] += 1
        self._pause_until_us = now_us + min(LONGEST_PAUSE_US, FIRST_PAUSE_US * 2 ** min(self._pauses, 16))
        self._pauses += 1
        log.error("database failed", detail=str(error), waiting=len(self._waiting))
        systemd.notify_status(str(error))

    def _patience_ms(self) -> int:
        now_us = monotonic_us()
        if now_us < self._pause_until_us:
            return max(1, min(TURN_MS, (self._pause_until_us - now_us) // 1000))
        if self._waiting:
            return max(0, min(TURN_MS, (self._waiting_since_us + self._batch_us - now_us) // 1000 + 1))
        return TURN_MS

    def _close(self) -> None:
        self._link.stop()
        self._link.close()
        self._store.close()


def build(settings: PlantSettings) -> Collector:
    """The collector of the configured plant, ready to `run`.

    Raises:
        ConfigError: a secret or certificate file cannot be read.
    """
    own = settings.plant.site, OWN_LINE, settings.plant.name
    presence = Presence(
        state_topic=topic_of(own, "state"),
        state_message=lambda state, session_id: state_message(settings.plant.name, state, session_id),
        commands=EVERYTHING,
    )
    collect, database = settings.collect, settings.database
    return Collector(
        open_plant(database.url, database.password, database.timeout_s),
        Link(broker_of(settings.mqtt, receive_maximum=collect.max_in_flight), presence, new_session_id=InspectionIds()),
        own,
        batch_us=collect.batch_ms * 1000,
        patience_us=round(collect.gap_patience_s * 1e6),
        new_asking=lambda: Asking(
            round(collect.gap_patience_s * 1e6), round(collect.gap_longest_s * 1e6), collect.gap_at_once
        ),
    )
