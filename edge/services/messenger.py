"""The messenger process: tells outcomes to the broker, oldest first, and brings commands in. One loop.

What it promises:

1. A message leaves the outbox only when the broker took it (a PUBACK that is no failure), or by a person's hand (L11).
2. Repeats are the same bytes under the same id, in the station's order; a message that stays refused is set aside as a
   dead letter and the rest flow (`sending` does it, `delivery` decides).
3. A trigger is on the disk before the broker may forget it; a command that cannot be followed is answered with the
   reason.
4. How the station fares stands on the topic `health`, retained, every few seconds.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog
import zmq

from edge.adapters import retention, sockets, systemd
from edge.adapters.database import monotonic_us, wall_time
from edge.adapters.heartbeat import Heartbeat, Listener
from edge.adapters.messages import ReleaseState
from edge.adapters.mqtt import Link
from edge.adapters.mqtt_access import broker_of
from edge.adapters.mqtt_facts import (
    Answered,
    Command,
    CommandDropped,
    Connected,
    Disconnected,
    Fact,
    Presence,
    SubscriptionRefused,
    Unsent,
)
from edge.adapters.payload import encode
from edge.adapters.retention import Limits, Sweep
from edge.adapters.rows import InspectionIds
from edge.adapters.store import Store
from edge.errors import StoreError
from edge.services.health import StateTopic, health_message
from edge.services.mqtt_commands import MAX_AGE_S, Commands, answers_into_own_topics
from edge.services.mqtt_releases import Releases
from edge.services.sending import ACK_TIMEOUT_S, MAX_IN_FLIGHT, Sending
from edge.services.stop import Stop, asked_by
from edge.services.sweeper import Sweeper
from edge.settings import Settings

log = structlog.get_logger()

#: The loop looks at everything at least this often, in milliseconds.
TURN_MS = 500
HEALTH_EVERY_S = 5.0
#: The broker forgets a retained health after so many seconds: old figures of a station that is away look like news.
#: No other message expires: an outcome, a retake and a state are wanted however late.
HEALTH_EXPIRY_S = 60
#: Commands that wait for the store. Those of QoS 1 are few (Receive Maximum), those of QoS 0 may be any number.
MAX_UNFOLLOWED = 1000
#: A store that failed is asked again after this long.
STORE_PAUSE_US = 1_000_000


class Messenger:
    """One station's messenger; `run` is its loop."""

    def __init__(
        self,
        store: Store,
        link: Link,
        health_topic: str,
        runtime_dir: Path,
        *,
        state: StateTopic,
        context: sockets.Context | None = None,
        health_every_s: float = HEALTH_EVERY_S,
        reader_dir: Path | None = None,
        max_in_flight: int = MAX_IN_FLIGHT,
        needs_subscriber: bool = False,
        ack_timeout_s: float = ACK_TIMEOUT_S,
        sweep: Callable[[], Sweep] | None = None,
        max_command_age_s: float = MAX_AGE_S,
        confirm_within_s: float | None = None,
        releases: Releases | None = None,
    ) -> None:
        self._releases = releases
        self._store = store
        self._link = link
        self._health_topic = health_topic
        self._commands = Commands(store, store.station, wall_time, max_age_s=max_command_age_s)
        self._confirm_within_s = confirm_within_s
        self._problem = ""
        self._connected: Connected | None = None
        self._health_every_us = int(health_every_s * 1e6)
        self._health_due_us = 0
        self._state = state
        self._is_full = False
        self._sweeper = None if sweep is None else Sweeper(sweep)
        self._unfollowed: deque[Command] = deque()
        self._store_pause_us = 0
        self._counts: Counter[str] = Counter()
        self._sending = Sending(
            store.outbox,
            link,
            self._counts,
            max_in_flight=max_in_flight,
            ack_timeout_s=ack_timeout_s,
            needs_subscriber=needs_subscriber,
        )
        self._heartbeat = Heartbeat(runtime_dir, "messenger", context=context)
        elsewhere = {} if reader_dir is None else {"reader": reader_dir}
        self._listener = Listener(runtime_dir, elsewhere=elsewhere, context=context)
        self._pokes = sockets.open_socket(context, zmq.PULL)
        sockets.bind(self._pokes, runtime_dir, "messenger")
        self._inspector = sockets.open_poke(runtime_dir, context=context)

    def run(self, stop: Stop) -> None:
        """Send and receive until `stop`; then say `stopped`."""
        stopped = asked_by(stop)
        poller = zmq.Poller()
        poller.register(self._pokes, zmq.POLLIN)
        poller.register(self._link.fileno(), zmq.POLLIN)
        self._link.start()
        systemd.notify_ready("connecting to the broker")
        try:
            while not stopped():
                self._turn()
                poller.poll(self._patience_ms())
            systemd.notify_stopping()
        finally:
            self._close()

    def _turn(self) -> None:
        while self._pokes.poll(0):
            self._pokes.recv()
        for fact in self._link.take():
            self._note(fact)
        try:
            if monotonic_us() >= self._store_pause_us:
                self._follow()
                self._sending.turn(monotonic_us())
                self._tell_health()
                self._follow_releases()
        except StoreError as error:
            self._note_store_failure(error)
        if self._sweeper is not None:
            self._sweeper.turn(monotonic_us())
        if self._heartbeat.due():
            self._look_at_the_disk()
            self._heartbeat.beat(
                state="disk_full" if self._is_full else "ready",
                connected=self._connected is not None,
                on_their_way=self._sending.num_on_their_way,
                refused_by_all_means=self._sending.is_refused_by_all_means,
                unfollowed_commands=len(self._unfollowed),
                problem=self._problem,
                **self._counts,
            )
        systemd.notify_progress()

    def _note(self, fact: Fact) -> None:
        match fact:
            case Connected():
                self._connected = fact
                self._problem = ""
                self._sending.note_connected(fact)
                self._health_due_us = 0
                log.info("broker connected", session_id=fact.session_id, session_present=fact.session_present)
                systemd.notify_status("connected to the broker")
                self._tell_release(None if self._releases is None else self._releases.state)
            case Disconnected():
                self._note_end(fact)
            case Answered():
                self._sending.note_answer(fact, monotonic_us())
            case Command():
                self._hear(fact)
            case Unsent():
                self._counts["unsent"] += 1
                log.warning("not sent", topic=fact.topic, reason=fact.reason)
            case SubscriptionRefused():
                self._counts["subscription_refused"] += 1
                log.error("a topic cannot be heard", topic=fact.topic, reason=fact.name)
            case CommandDropped():
                self._counts["max_facts"] += 1
                log.warning("command dropped", topic=fact.topic, limit="max_facts")

    def _hear(self, command: Command) -> None:
        if self._releases is not None and command.topic == self._releases.topic:
            if (refused := self._releases.hear(command)) is not None:
                self._end_release(command, refused)
        elif len(self._unfollowed) >= MAX_UNFOLLOWED:
            self._counts["max_unfollowed"] += 1
            log.warning("command dropped", topic=command.topic, limit="max_unfollowed")
        else:
            self._unfollowed.append(command)

    def _note_end(self, fact: Disconnected) -> None:
        self._connected = None
        self._counts["disconnected"] += 1
        self._counts[f"disconnected_{fact.name}"] += 1
        # The broker still holds them unacknowledged, and repeats them on the next connection.
        self._unfollowed = deque(command for command in self._unfollowed if command.packet_id is None)
        self._sending.note_end(fact, monotonic_us())
        self._problem = fact.detail
        log.warning("broker disconnected", reason=fact.name, detail=fact.detail)
        systemd.notify_status(f"no broker: {fact.detail}")

    def _note_store_failure(self, error: StoreError) -> None:
        self._counts["store_failed"] += 1
        self._store_pause_us = monotonic_us() + STORE_PAUSE_US
        log.error("store failed", detail=str(error))

    def _follow(self) -> None:
        while self._unfollowed:
            command = self._unfollowed[0]
            answer = self._commands.handle(command)
            self._unfollowed.popleft()
            self._counts["commands_accepted" if answer.accepted else "commands_refused"] += 1
            if answers_into_own_topics(command):
                self._counts["answers_into_own_topics"] += 1
                self._link.acknowledge(command)
            else:
                self._link.answer(command, encode(answer.message))
            if answer.new_trigger:
                self._inspector_is_told(b"trigger")
            log.info("command", topic=command.topic, **answer.message)

    def _follow_releases(self) -> None:
        if self._releases is not None and (done := self._releases.turn()) is not None:
            self._end_release(*done)
            self._inspector_is_told(b"release")

    def _end_release(self, command: Command, state: ReleaseState | None) -> None:
        if state is not None:
            self._counts[f"releases_{state['state']}"] += 1
        self._tell_release(state)
        self._link.acknowledge(command)

    def _tell_release(self, state: ReleaseState | None) -> None:
        if self._releases is not None and self._connected is not None and state is not None:
            session_id, topic = self._connected.session_id, self._releases.state_topic
            self._link.publish(session_id, topic, encode(state), retain=True)

    def _inspector_is_told(self, word: bytes) -> None:
        try:
            self._inspector.send(word, zmq.NOBLOCK)
        except zmq.Again:
            self._counts["pokes_unheard"] += 1

    def _tell_health(self) -> None:
        now_us = monotonic_us()
        if self._connected is None or now_us < self._health_due_us:
            return
        self._health_due_us = now_us + self._health_every_us
        session_id = self._connected.session_id
        message = health_message(
            self._store,
            self._listener.beats(),
            self._counts,
            now_us=now_us,
            at=wall_time(),
            session_id=session_id,
            confirm_within_s=self._confirm_within_s,
        )
        self._link.publish(
            session_id, self._health_topic, encode(message), qos=0, retain=True, expiry_s=HEALTH_EXPIRY_S
        )

    def _look_at_the_disk(self) -> None:
        """Show on the topic `state` that triggers are refused, or taken again."""
        is_full = self._store.disk.is_full
        if is_full != self._is_full:
            self._is_full = is_full
            sentence = "the disk is full: triggers are refused" if is_full else "there is room on the disk again"
            (log.error if is_full else log.info)(sentence, free_bytes=self._store.disk.free_bytes)
            systemd.notify_status(sentence)
        session_id = None if self._connected is None else self._connected.session_id
        if session_id is not None and not self._state.is_true(session_id, is_full=is_full):
            message = self._state.message("online", session_id)
            self._link.publish(session_id, self._state.topic, message, retain=True)

    def _patience_ms(self) -> int:
        # A message is on its way, or a wait lasts: the link or the clock wakes the loop. Else look at once again.
        now_us = monotonic_us()
        waits_us = [self._sending.wait_left_us(now_us), self._store_pause_us - now_us]
        wait_us = max([wait for wait in waits_us if wait > 0], default=TURN_MS * 1000)
        return max(1, min(TURN_MS, wait_us // 1000))

    def _close(self) -> None:
        self._link.stop()
        for fact in self._link.take():
            if isinstance(fact, Answered):
                self._sending.note_answer(fact, monotonic_us())
        self._sending.close()
        self._link.close()
        for socket in (self._pokes, self._inspector):
            socket.close()
        self._heartbeat.close()
        self._listener.close()
        if self._sweeper is not None:
            self._sweeper.close()
        if self._releases is not None:
            self._releases.close()
        self._store.close()


def build(settings: Settings) -> Messenger:
    """The messenger of the configured station, ready to `run`.

    Raises:
        ConfigError: A secret or certificate file cannot be read, or the runtime folder cannot be used.
        StoreError: `edge.db` cannot be opened.
    """
    station, data = settings.station.name, settings.paths.data
    reserve_bytes = settings.keep.reserve_bytes
    store = Store.open(data, station, reserve_bytes=reserve_bytes, alarm=settings.alarm.policy)

    def sweep() -> Sweep:
        beside = Store.open(data, station)
        try:
            return retention.sweep(data, beside, limits(settings), datetime.now(UTC))
        finally:
            beside.close()

    state = StateTopic(settings.topic("state"), station, store.disk)
    releases = Releases(settings) if settings.release.trusted_keys else None
    presence = Presence(
        state_topic=state.topic,
        state_message=state.message,
        commands=settings.topic("cmd/+"),
        release="" if releases is None else releases.topic,
    )
    if settings.messenger.sparkplug:
        from edge.services import sparkplug  # noqa: PLC0415 - off, it costs nothing

        link: Link = sparkplug.open_link(settings, presence, InspectionIds())
    else:
        link = Link(broker_of(settings.mqtt), presence, new_session_id=InspectionIds())
    return Messenger(
        store,
        link,
        settings.topic("health"),
        settings.paths.runtime,
        state=state,
        max_in_flight=settings.mqtt.max_in_flight,
        needs_subscriber=settings.mqtt.needs_subscriber,
        max_command_age_s=settings.mqtt.max_command_age_s,
        confirm_within_s=settings.mqtt.confirm_within_s,
        sweep=sweep,
        reader_dir=settings.reader.shared,
        releases=releases,
    )


def limits(settings: Settings) -> Limits:
    """What is kept of the past, as configured."""
    return Limits(
        evidence_days=settings.evidence.keep_days,
        evidence_bytes=int(settings.evidence.max_gb * 1e9),
        outcome_days=settings.keep.outcome_days,
        store_bytes=int(settings.keep.store_gb * 1e9),
        dead_letter_days=settings.keep.dead_letter_days,
        serial_days=settings.keep.serial_days,
    )
