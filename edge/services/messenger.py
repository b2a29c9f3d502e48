"""The messenger process: tells outcomes to the broker, oldest first, and brings commands in. One loop.

What it promises:

1. A message leaves the outbox only when the broker took it (a PUBACK that is no failure), or by a person's hand (L11).
2. Repeats are the same bytes under the same id, one message at a time, in the station's order; a message that stays
   refused is set aside as a dead letter and the rest flow (`delivery` decides).
3. A trigger is on the disk before the broker may forget it; a command that cannot be followed is answered with the
   reason.
4. How the station fares stands on the topic `health`, retained, every few seconds.
"""

from __future__ import annotations

import random
import ssl
import threading
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
import zmq

from edge.adapters import sockets, systemd
from edge.adapters.database import monotonic_us, wall_time
from edge.adapters.evidence import EvidenceFolder, Sweep
from edge.adapters.heartbeat import Heartbeat, Listener
from edge.adapters.mqtt import Link
from edge.adapters.mqtt_facts import (
    Answered,
    Broker,
    Command,
    CommandDropped,
    Connected,
    Disconnected,
    Fact,
    Presence,
    SubscriptionRefused,
)
from edge.adapters.payload import encode
from edge.adapters.rows import InspectionIds
from edge.adapters.store import Store
from edge.errors import ConfigError, StoreError, UseError
from edge.sections import Tls
from edge.services.delivery import Delivery, SetAside, Step
from edge.services.health import health_message, state_message
from edge.services.mqtt_commands import Answer, Commands
from edge.settings import Settings

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

#: The loop looks at everything at least this often, in milliseconds.
TURN_MS = 500
HEALTH_EVERY_S = 5.0
#: No PUBACK for this long: the connection is given up and made anew.
ACK_TIMEOUT_S = 20.0
#: Messages looked at for the next one to send; more than this many refused ones at the head are seen as one wall.
WINDOW = 64
#: Evidence beyond its age or size is looked for this often.
SWEEP_EVERY_US = 3_600_000_000
#: A store that failed is asked again after this long.
STORE_PAUSE_US = 1_000_000

Stop = threading.Event | Callable[[], bool]


class Messenger:
    """One station's messenger; `run` is its loop."""

    def __init__(
        self,
        store: Store,
        link: Link,
        health_topic: str,
        runtime_dir: Path,
        *,
        context: sockets.Context | None = None,
        health_every_s: float = HEALTH_EVERY_S,
        reader_dir: Path | None = None,
        ack_timeout_s: float = ACK_TIMEOUT_S,
        sweep: Callable[[Store], Sweep] | None = None,
    ) -> None:
        self._store = store
        self._link = link
        self._health_topic = health_topic
        self._commands = Commands(store, store.station, wall_time)
        self._delivery = Delivery(random.random)
        self._connected: Connected | None = None
        self._sent_us = 0
        self._health_every_us = int(health_every_s * 1e6)
        self._health_due_us = 0
        self._sweep = sweep
        self._sweep_due_us = 0
        self._ack_timeout_us = int(ack_timeout_s * 1e6)
        self._unfollowed: deque[Command] = deque()
        self._unwritten: deque[Callable[[], object]] = deque()
        self._store_pause_us = 0
        self._counts: Counter[str] = Counter()
        self._heartbeat = Heartbeat(runtime_dir, "messenger", context=context)
        elsewhere = {} if reader_dir is None else {"reader": reader_dir}
        self._listener = Listener(runtime_dir, elsewhere=elsewhere, context=context)
        self._pokes = sockets.open_socket(context, zmq.PULL)
        sockets.bind(self._pokes, runtime_dir, "messenger")
        self._inspector = sockets.open_socket(context, zmq.PUSH)
        # A poke only shortens a wait: the inspector looks at the store by itself, too.
        self._inspector.setsockopt(zmq.SNDHWM, 10)
        self._inspector.connect(sockets.address(runtime_dir, "inspector"))

    def run(self, stop: Stop) -> None:
        """Send and receive until `stop`; then say `stopped`."""
        stopped = stop.is_set if isinstance(stop, threading.Event) else stop
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
                self._write_what_failed()
                self._follow()
                self._send_next()
                self._tell_health()
                self._sweep_evidence()
        except StoreError as error:
            self._note_store_failure(error)
        if self._heartbeat.due():
            self._heartbeat.beat(
                connected=self._connected is not None,
                on_its_way=self._delivery.on_its_way,
                refused_by_all_means=self._delivery.is_refused_by_all_means,
                unfollowed_commands=len(self._unfollowed),
                **self._counts,
            )
        systemd.notify_progress()

    def _note(self, fact: Fact) -> None:
        match fact:
            case Connected():
                self._connected = fact
                self._health_due_us = 0
                log.info("broker connected", session_id=fact.session_id, session_present=fact.session_present)
                systemd.notify_status("connected to the broker")
            case Disconnected():
                self._note_end(fact)
            case Answered():
                self._note_answer(fact)
            case Command():
                self._unfollowed.append(fact)
            case SubscriptionRefused():
                self._counts["subscription_refused"] += 1
                log.error("commands cannot be heard", topic=fact.topic, reason=fact.name)
            case CommandDropped():
                self._counts["max_facts"] += 1
                log.warning("command dropped", topic=fact.topic, limit="max_facts")

    def _note_end(self, fact: Disconnected) -> None:
        self._connected = None
        self._counts["disconnected"] += 1
        # The broker still holds them unacknowledged, and repeats them on the next connection.
        self._unfollowed = deque(command for command in self._unfollowed if command.packet_id is None)
        row_id = self._delivery.on_its_way
        if row_id is not None and fact.refusal in _BY_MESSAGE:
            self._refused(row_id, _BY_MESSAGE[fact.refusal])
        else:
            self._perform(self._delivery.lost(monotonic_us()))
        log.warning("broker disconnected", detail=fact.detail)
        systemd.notify_status(f"no broker: {fact.detail}")

    def _note_answer(self, fact: Answered) -> None:
        if fact.token != self._delivery.on_its_way:
            return
        if fact.taken:
            self._write(partial(self._store.outbox.acknowledge, fact.token))
            self._delivery.taken(fact.token)
        else:
            self._refused(fact.token, _code_name(fact.name))

    def _refused(self, row_id: int, reason: str, *, for_good: bool = False) -> None:
        self._write(partial(self._store.outbox.refuse, row_id, reason))
        log.warning("message refused", row_id=row_id, reason=reason)
        self._perform(self._delivery.refused(row_id, monotonic_us(), for_good=for_good))

    def _perform(self, steps: list[Step]) -> None:
        for step in steps:
            if isinstance(step, SetAside):
                self._write(partial(self._store.outbox.set_aside, step.row_id))
                log.error("message set aside", row_id=step.row_id)
            else:
                self._write(partial(self._store.outbox.retry, step.row_id))
                log.warning("message restored", row_id=step.row_id)

    def _write(self, write: Callable[[], object]) -> None:
        # What the broker said is written in its order; nothing is sent before it is.
        self._unwritten.append(write)
        if len(self._unwritten) == 1:
            try:
                self._write_what_failed()
            except StoreError as error:
                self._note_store_failure(error)

    def _write_what_failed(self) -> None:
        while self._unwritten:
            self._unwritten[0]()
            self._unwritten.popleft()

    def _note_store_failure(self, error: StoreError) -> None:
        self._counts["store_failed"] += 1
        self._store_pause_us = monotonic_us() + STORE_PAUSE_US
        log.error("store failed", detail=str(error))

    def _follow(self) -> None:
        while self._unfollowed:
            command = self._unfollowed[0]
            answer = self._commands.handle(command)
            self._unfollowed.popleft()
            self._link.acknowledge(command)
            self._answer(command, answer)
            if answer.new_trigger:
                try:
                    self._inspector.send(b"trigger", zmq.NOBLOCK)
                except zmq.Again:
                    self._counts["pokes_unheard"] += 1
            log.info("command", topic=command.topic, **answer.message)

    def _answer(self, command: Command, answer: Answer) -> None:
        self._counts["commands_accepted" if answer.accepted else "commands_refused"] += 1
        if command.response_topic:
            self._link.publish(
                command.session_id, command.response_topic, encode(answer.message), correlation=command.correlation
            )

    def _send_next(self) -> None:
        if self._connected is None:
            return
        now_us = monotonic_us()
        if self._delivery.on_its_way is not None:
            if now_us - self._sent_us > self._ack_timeout_us:
                self._counts["ack_timeout"] += 1
                self._sent_us = now_us
                self._link.drop(self._connected.session_id, f"no PUBACK within {self._ack_timeout_us / 1e6:.0f} s")
            return
        row_id = self._delivery.choose(self._store.outbox.waiting(WINDOW), now_us)
        if row_id is None:
            return
        try:
            sent = self._send(row_id, self._connected, now_us)
        except StoreError:
            self._delivery.not_sent()
            raise
        if not sent:
            self._delivery.not_sent()

    def _send(self, row_id: int, connected: Connected, now_us: int) -> bool:
        message = self._store.outbox.message(row_id)
        if message is None:
            return False  # a person closed it in this very moment
        # The packet's head and properties need room, too.
        limit = connected.max_packet_bytes
        if limit is not None and len(message.payload) + len(message.topic) + 512 > limit:
            self._refused(row_id, "packet_too_large", for_good=True)
            return False
        try:
            historical = self._store.outbox.begin_sending(row_id)
        except UseError:
            return False
        properties = dict(message.properties) | {"historical": "true" if historical else "false"}
        self._sent_us = now_us
        self._link.publish(connected.session_id, message.topic, message.payload, token=row_id, properties=properties)
        return True

    def _tell_health(self) -> None:
        now_us = monotonic_us()
        if self._connected is None or now_us < self._health_due_us:
            return
        self._health_due_us = now_us + self._health_every_us
        session_id = self._connected.session_id
        message = health_message(
            self._store, self._listener.beats(), self._counts, now_us=now_us, at=wall_time(), session_id=session_id
        )
        self._link.publish(session_id, self._health_topic, encode(message), qos=0, retain=True)

    def _sweep_evidence(self) -> None:
        now_us = monotonic_us()
        if self._sweep is None or now_us < self._sweep_due_us:
            return
        self._sweep_due_us = now_us + SWEEP_EVERY_US
        swept = self._sweep(self._store)
        log.info(
            "evidence swept",
            by_age=swept.by_age,
            by_size=swept.by_size,
            orphans=swept.orphans,
            kept_bytes=swept.kept_bytes,
            forgotten=swept.forgotten,
        )

    def _patience_ms(self) -> int:
        # A message is on its way, or a wait lasts: the link or the clock wakes the loop. Else look at once again.
        now_us = monotonic_us()
        waits_us = [self._delivery.wait_left_us(now_us), self._store_pause_us - now_us]
        wait_us = max([wait for wait in waits_us if wait > 0], default=TURN_MS * 1000)
        return max(1, min(TURN_MS, wait_us // 1000))

    def _close(self) -> None:
        self._link.stop()
        self._link.close()
        for socket in (self._pokes, self._inspector):
            socket.close()
        self._heartbeat.close()
        self._listener.close()
        self._store.close()


def build(settings: Settings) -> Messenger:
    """The messenger of the configured station, ready to `run`.

    Raises:
        ConfigError: A secret or certificate file cannot be read, or the runtime folder cannot be used.
        StoreError: `edge.db` cannot be opened.
    """
    station = settings.station.name
    presence = Presence(
        state_topic=settings.topic("state"),
        state_message=lambda state, session_id: state_message(station, state, session_id),
        commands=settings.topic("cmd/+"),
    )
    password = settings.mqtt.password
    broker = Broker(
        host=settings.mqtt.host,
        port=settings.mqtt.port,
        client_id=settings.mqtt.client_id,
        username=settings.mqtt.username,
        password=None if password is None else password.get_secret_value(),
        tls=_tls(settings.mqtt.tls),
        keepalive_s=settings.mqtt.keepalive_s,
    )
    return Messenger(
        Store.open(settings.paths.data, station),
        Link(broker, presence, new_session_id=InspectionIds()),
        settings.topic("health"),
        settings.paths.runtime,
        sweep=lambda store: EvidenceFolder(settings.paths.data).sweep(
            store,
            keep_days=settings.evidence.keep_days,
            max_bytes=int(settings.evidence.max_gb * 1e9),
            now=datetime.now(UTC),
        ),
        reader_dir=settings.reader.shared,
    )


def _code_name(name: str) -> str:
    return name.lower().replace(" ", "_")


def _tls(files: Tls | None) -> ssl.SSLContext | None:
    if files is None:
        return None
    try:
        context = ssl.create_default_context(cafile=files.ca_file)
        if files.cert_file is not None:
            context.load_cert_chain(files.cert_file, files.key_file)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"[mqtt.tls] the certificates cannot be used ({error}): check ca_file, cert_file and key_file"
        ) from None
    return context
