"""The connection to the broker: MQTT 5 by paho, owned by one thread, seen as facts that arrive in a queue.

Promises: the state of the station is told on every connection (`online`), on a clean stop (`stopped`), and by the
broker where we vanish (`offline`), each with the id of its connection; a message counts as taken only by a PUBACK
whose reason code is no failure; a command is acknowledged to the broker only by `acknowledge`, so that it can be made
durable first; nothing is sent twice behind the caller's back. A connection ends; its orders end with it.

paho reports a refused publish as published and keeps unacknowledged messages to itself for the next connection. So
each connection has a client of its own, and what was not acknowledged is the caller's to send again.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.adapters.messages import StateName
from edge.adapters.mqtt_facts import (
    Answered,
    BackOff,
    Broker,
    Command,
    CommandDropped,
    Connected,
    Disconnected,
    Fact,
    Presence,
    SubscriptionRefused,
)

#: Commands that the broker may have on its way to us unacknowledged (MQTT Receive Maximum).
RECEIVE_MAXIMUM = 20
#: The largest packet that the broker may send us; a longer one is its to drop (MQTT Maximum Packet Size).
MAX_PACKET_BYTES = 1 << 20
#: Facts not yet taken by the messenger; above it a command is dropped and told as `CommandDropped`. One of QoS 1 comes
#: again on the next connection, since it was not acknowledged.
MAX_FACTS = 1000
CONNECT_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 2.0
_TICK_S = 0.5


class Link:
    """The one connection. `take` gives facts; `fileno` becomes readable when there are some."""

    def __init__(
        self,
        broker: Broker,
        presence: Presence,
        *,
        new_session_id: Callable[[], str],
        back_off: BackOff | None = None,
    ) -> None:
        self._broker = broker
        self._presence = presence
        self._new_session_id = new_session_id
        self._back_off = back_off or BackOff()
        self._facts: deque[Fact] = deque()
        self._facts_ready = os.eventfd(0, os.EFD_NONBLOCK)
        self._orders: queue.SimpleQueue[Callable[[_Connection], None]] = queue.SimpleQueue()
        self._orders_ready = os.eventfd(0, os.EFD_NONBLOCK)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Connect, and keep connecting until `stop`."""
        self._thread.start()

    def fileno(self) -> int:
        """A file descriptor that is readable while `take` has something to give."""
        return self._facts_ready

    def take(self) -> list[Fact]:
        """All facts since the last call, in the order in which they happened; never blocks."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._facts_ready)
        facts = []
        while self._facts:
            facts.append(self._facts.popleft())
        return facts

    def publish(
        self,
        session_id: str,
        topic: str,
        payload: bytes,
        *,
        token: int | None = None,
        qos: int = 1,
        retain: bool = False,
        properties: Mapping[str, str] | None = None,
        correlation: bytes | None = None,
    ) -> None:
        """Send on this connection if it still lives; with a `token`, `Answered` or `Disconnected` tells the end."""
        sent = Properties(PacketTypes.PUBLISH)
        sent.PayloadFormatIndicator = 1
        sent.ContentType = "application/json"
        if properties:
            sent.UserProperty = list(properties.items())
        if correlation is not None:
            sent.CorrelationData = correlation
        self._order(
            lambda connection: connection.publish(session_id, topic, payload, token, qos, retain=retain, sent=sent)
        )

    def acknowledge(self, command: Command) -> None:
        """Tell the broker that a command is safe with us; it will not send it again."""
        self._order(lambda connection: connection.acknowledge(command))

    def drop(self, session_id: str, detail: str) -> None:
        """Give a connection up (the broker does not answer any more) and make a new one."""
        self._order(lambda connection: connection.give_up(session_id, detail))

    def stop(self) -> None:
        """Say `stopped`, disconnect cleanly, and end; at most a few seconds."""
        self._stopping.set()
        os.eventfd_write(self._orders_ready, 1)
        if self._thread.is_alive():
            self._thread.join(CONNECT_TIMEOUT_S + STOP_TIMEOUT_S + 1)

    def close(self) -> None:
        """Give the file descriptors back, after `stop`."""
        os.close(self._facts_ready)
        os.close(self._orders_ready)

    def _order(self, order: Callable[[_Connection], None]) -> None:
        self._orders.put(order)
        os.eventfd_write(self._orders_ready, 1)

    def _tell(self, fact: Fact) -> None:
        if isinstance(fact, Command) and len(self._facts) >= MAX_FACTS:
            fact = CommandDropped(fact.topic)
        self._facts.append(fact)
        os.eventfd_write(self._facts_ready, 1)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            connection = _Connection(self._broker, self._presence, self._new_session_id(), self._tell)
            try:
                connection.open()
                self._serve(connection)
            # paho raises whatever its sockets, TLS and packet decoding raise; a connection that failed is a fact.
            except Exception as error:  # noqa: BLE001
                connection.lost(f"{type(error).__name__}: {error}")
            connection.close()
            failures = 1 if connection.was_useful else failures + 1
            self._wait(self._back_off.wait_s(failures))

    def _serve(self, connection: _Connection) -> None:
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        while connection.alive:
            self._turn(connection, _TICK_S)
            self._obey(connection)
            if not connection.is_online and time.monotonic() > deadline_s:
                connection.give_up(connection.session_id, f"no CONNACK and SUBACK within {CONNECT_TIMEOUT_S:.0f} s")
            if self._stopping.is_set():
                connection.say_stopped()
                deadline_s = time.monotonic() + STOP_TIMEOUT_S
                while connection.alive and not connection.stopped_is_known and time.monotonic() < deadline_s:
                    self._turn(connection, 0.05)
                connection.leave()

    def _turn(self, connection: _Connection, timeout_s: float) -> None:
        socket = connection.socket
        if socket is None:
            return
        # A TLS socket may hold decrypted bytes that select cannot see.
        if not (hasattr(socket, "pending") and socket.pending()):
            writers = [socket] if connection.client.want_write() else []
            readable, _, _ = select.select([socket, self._orders_ready], writers, [], timeout_s)
            if socket in readable:
                connection.client.loop_read()
        else:
            connection.client.loop_read()
        if connection.client.want_write():
            connection.client.loop_write()
        connection.client.loop_misc()
        connection.after_reading()

    def _obey(self, connection: _Connection) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._orders_ready)
        while True:
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                return
            order(connection)

    def _wait(self, wait_s: float) -> None:
        deadline_s = time.monotonic() + wait_s
        while not self._stopping.is_set() and (left_s := deadline_s - time.monotonic()) > 0:
            select.select([self._orders_ready], [], [], left_s)
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._orders_ready)


class _Connection:
    """One connection from CONNECT to its end; lives in the link's thread alone, its callbacks only note facts."""

    def __init__(
        self,
        broker: Broker,
        presence: Presence,
        session_id: str,
        tell: Callable[[Fact], None],
    ) -> None:
        self.session_id = session_id
        self.is_online = False
        self.was_useful = False
        self.stopped_is_known = False
        self._broker = broker
        self._presence = presence
        self._tell = tell
        self._accepted: Connected | None = None
        self._asked_to_hear = False
        self._hears = False
        self._ended = False
        self._tokens: dict[int, int] = {}
        self._stopped_id: int | None = None
        self.client = Client(
            CallbackAPIVersion.VERSION2, broker.client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        self.client.connect_timeout = CONNECT_TIMEOUT_S
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_publish = self._on_publish
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message

    @property
    def alive(self) -> bool:
        """Whether packets can still come and go."""
        return not self._ended and self.client.socket() is not None

    @property
    def socket(self) -> Any:
        """The socket, None when it is closed."""
        return self.client.socket()

    def open(self) -> None:
        """Send CONNECT with our will. What happens then is told as facts."""
        broker = self._broker
        if broker.username is not None:
            self.client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            self.client.tls_set_context(broker.tls)
        will = Properties(PacketTypes.WILLMESSAGE)
        will.PayloadFormatIndicator = 1
        will.ContentType = "application/json"
        self.client.will_set(
            self._presence.state_topic,
            self._presence.state_message("offline", self.session_id),
            qos=1,
            retain=True,
            properties=will,
        )
        wishes = Properties(PacketTypes.CONNECT)
        wishes.SessionExpiryInterval = broker.session_expiry_s
        wishes.ReceiveMaximum = RECEIVE_MAXIMUM
        wishes.MaximumPacketSize = MAX_PACKET_BYTES
        self.client.connect(
            broker.host, broker.port, keepalive=broker.keepalive_s, clean_start=False, properties=wishes
        )

    def after_reading(self) -> None:
        """Do what a callback must not: send on the connection that was just accepted."""
        if self._accepted is None or self.is_online:
            return
        if not self._asked_to_hear:
            self._asked_to_hear = True
            self.client.subscribe(self._presence.commands, qos=1)
        elif self._hears:
            # Only now: who sees `online` may send a command at once, and it is heard.
            self.is_online = True
            self._say("online")
            self._tell(self._accepted)

    def publish(
        self,
        session_id: str,
        topic: str,
        payload: bytes,
        token: int | None,
        qos: int,
        *,
        retain: bool,
        sent: Properties,
    ) -> None:
        """Send unless the order was meant for an earlier connection, whose end has been told."""
        if session_id != self.session_id or not self.alive:
            return
        try:
            info = self.client.publish(topic, payload, qos, retain, sent)
        except ValueError:
            # A response topic with a wildcard or beyond the length limit: the asker cannot be answered.
            if token is not None:
                self._tell(Answered(session_id, token, 0x90, "Topic Name invalid", taken=False))
            return
        if token is not None:
            self._tokens[info.mid] = token

    def acknowledge(self, command: Command) -> None:
        """Send the PUBACK of a command of this connection."""
        if command.packet_id is not None and command.session_id == self.session_id and self.alive:
            self.client.ack(command.packet_id, 1)

    def say_stopped(self) -> None:
        """Tell that the station stops on purpose."""
        if self.is_online and self.alive:
            self._stopped_id = self._say("stopped")
        else:
            self.stopped_is_known = True

    def leave(self) -> None:
        """Disconnect cleanly: the broker forgets our will and keeps our session."""
        self._ended = True
        self.client.disconnect()

    def give_up(self, session_id: str, detail: str) -> None:
        """End without a DISCONNECT, so that the broker publishes our will."""
        if session_id == self.session_id:
            self.lost(detail)

    def lost(self, detail: str, refusal: int | None = None) -> None:
        """Tell the end, once."""
        if not self._ended:
            self._ended = True
            self._tell(Disconnected(self.session_id, detail, refusal))

    def close(self) -> None:
        """Close the socket, whatever state it is in."""
        if not self._ended:
            self.lost("the connection was closed")
        socket = self.client.socket()
        if socket is not None:
            with contextlib.suppress(OSError):
                socket.close()

    def _say(self, state: StateName) -> int:
        sent = Properties(PacketTypes.PUBLISH)
        sent.PayloadFormatIndicator = 1
        sent.ContentType = "application/json"
        message = self._presence.state_message(state, self.session_id)
        return int(self.client.publish(self._presence.state_topic, message, 1, retain=True, properties=sent).mid)

    def _on_connect(self, _client: Client, _data: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        if code.is_failure:
            self.lost(f"the broker refused the connection: {code}", code.value)
            return
        limit = getattr(properties, "MaximumPacketSize", None)
        self._accepted = Connected(self.session_id, bool(flags.session_present), limit)

    def _on_disconnect(self, _client: Client, _data: Any, flags: Any, code: ReasonCode, _properties: Any) -> None:
        said = flags.is_disconnect_packet_from_server
        self.lost(
            f"the broker ended the connection: {code}" if said else f"the connection broke: {code}",
            code.value if said else None,
        )

    def _on_publish(self, _client: Client, _data: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        if mid == self._stopped_id:
            self.stopped_is_known = True
        token = self._tokens.pop(mid, None)
        if token is not None:
            self.was_useful = True
            self._tell(Answered(self.session_id, token, code.value, str(code), taken=not code.is_failure))

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any) -> None:
        self._hears = True
        for code in codes:
            if code.is_failure:
                self._tell(SubscriptionRefused(self._presence.commands, str(code)))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        properties = message.properties
        self._tell(
            Command(
                session_id=self.session_id,
                topic=message.topic,
                payload=message.payload,
                arrived_us=time.monotonic_ns() // 1000,
                response_topic=getattr(properties, "ResponseTopic", None),
                correlation=getattr(properties, "CorrelationData", None),
                repeat=message.dup,
                packet_id=message.mid if message.qos == 1 else None,
            )
        )
