"""One connection to the broker, from CONNECT to its end. Lives in the link's thread alone; its callbacks note facts.

Promises: no more is on its way unacknowledged than the broker allows (Receive Maximum), no packet is longer than it
allows, and a broker that passes the limits it was told costs its connection; a command is acknowledged after its
answer has arrived at the broker; the end is told once, with its cause.

paho reports a refused publish as published and keeps unacknowledged messages to itself for the next connection. So
each connection has a client of its own, and what was not acknowledged is the caller's to send again. Packet ids go on
from connection to connection: a PUBACK that a broker owes to an earlier one acknowledges nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.adapters import mqtt_endings
from edge.adapters.messages import StateName
from edge.adapters.mqtt_access import sign_in
from edge.adapters.mqtt_endings import Ending
from edge.adapters.mqtt_facts import (
    RECEIVE_MAXIMUM,
    Answered,
    Broker,
    Command,
    Connected,
    Disconnected,
    Fact,
    Presence,
    SubscriptionRefused,
    Unsent,
)
from edge.adapters.mqtt_properties import PublishProperties

#: The largest packet that the broker may send us; a longer one is its to drop (MQTT Maximum Packet Size).
MAX_PACKET_BYTES = 1 << 20
#: What commands may hold of our memory: as much as a broker could that keeps both limits. One that passes the first
#: with small ones is served: after a reconnect mosquitto 2.0.11 had 115 of 150 on their way where 20 are allowed, and
#: a station that ended the connection for it got them again, without end.
MAX_HELD_BYTES = RECEIVE_MAXIMUM * MAX_PACKET_BYTES
#: What a command takes beside its payload.
_COMMAND_BYTES = 1 << 10
CONNECT_TIMEOUT_S = 10.0
#: No PUBACK of an answer or of a state for this long: the broker is not well, and the connection is given up.
ACK_TIMEOUT_S = 20.0
#: MQTT 5: where CONNACK names no Receive Maximum.
_NO_LIMIT = 65_535
#: Told once for a subscription that is new: a retained command is refused, and once is enough to say so.
_RETAINED_ONCE = 1
#: What makes the broker publish our will although we leave by ourselves (3.14.2.1).
_WITH_WILL = ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message")
#: What paho calls an end that the broker did not explain.
_KEEP_ALIVE_TIMEOUT, _PROTOCOL_ERROR = 0x8D, 0x82


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message as it is to be sent. `token` for one whose fate is asked for, `command` for the answer to it."""

    topic: str
    payload: bytes
    properties: PublishProperties
    qos: int = 1
    retain: bool = False
    token: int | None = None
    command: Command | None = None

    def size(self) -> int:
        """Bytes of its packet: head, length, topic, packet id, properties, payload (MQTT 5, 3.3)."""
        rest = 2 + len(self.topic.encode()) + 2 * bool(self.qos) + len(self.properties.pack()) + len(self.payload)
        return 1 + (1 if rest < 1 << 7 else 2 if rest < 1 << 14 else 3 if rest < 1 << 21 else 4) + rest


class Connection:
    """One connection. Call `open`, then serve its socket while it is `alive`, then `close`."""

    def __init__(
        self,
        broker: Broker,
        presence: Presence,
        session_id: str,
        tell: Callable[[Fact], None],
        *,
        packet_id: int = 0,
    ) -> None:
        self.session_id = session_id
        self.is_online = False
        self.ending: Ending | None = None
        self._broker = broker
        self._presence = presence
        self._tell = tell
        self._accepted: Connected | None = None
        self._asked_to_hear = False
        self._hears = False
        self._deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        self._receive_maximum = _NO_LIMIT
        self._max_packet_bytes: int | None = None
        self._on_its_way: dict[int, tuple[Outgoing, float]] = {}
        self._held: deque[Outgoing] = deque()
        self._unacknowledged: dict[int, int] = {}
        self._held_bytes = 0
        self._online_s: float | None = None
        self._stopped: Outgoing | None = None
        self._failure = ""
        self.client = Client(
            CallbackAPIVersion.VERSION2, broker.client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        self.client.connect_timeout = CONNECT_TIMEOUT_S
        # paho would hold messages beyond 20 back in its own queue, and does not know the broker's limit.
        self.client.max_inflight_messages_set(0)
        self.client._last_mid = packet_id  # noqa: SLF001 - paho has no other way to go on counting
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_publish = self._on_publish
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.on_log = self._on_log

    @property
    def alive(self) -> bool:
        """Whether packets can still come and go."""
        return self.ending is None and self.client.socket() is not None

    @property
    def lasted_s(self) -> float:
        """How long it has been online, in seconds."""
        return 0.0 if self._online_s is None else time.monotonic() - self._online_s

    @property
    def socket(self) -> Any:
        """The socket, None when it is closed."""
        return self.client.socket()

    @property
    def packet_id(self) -> int:
        """The last packet id that was used."""
        return int(self.client._last_mid)  # noqa: SLF001 - see above

    def open(self) -> None:
        """Connect and send CONNECT with our will. What happens then is told as facts.

        Raises:
            Exception: Whatever sockets, TLS and paho raise.
        """
        broker = self._broker
        sign_in(self.client, broker)
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
        wishes.ReceiveMaximum = broker.receive_maximum
        wishes.MaximumPacketSize = MAX_PACKET_BYTES
        self.client.connect(
            broker.host, broker.port, keepalive=broker.keepalive_s, clean_start=False, properties=wishes
        )
        self._deadline_s = time.monotonic() + CONNECT_TIMEOUT_S

    def after_reading(self) -> None:
        """Do what a callback must not: send what may be sent now, and judge what did not come in time."""
        coming = self.client._in_packet["remaining_length"]  # noqa: SLF001 - paho has no limit of its own
        if coming > MAX_PACKET_BYTES:
            what = f"a packet of {coming} bytes"
            self.end(mqtt_endings.too_much("packet_too_large_for_us", what, MAX_PACKET_BYTES, self._broker))
        now_s = time.monotonic()
        if not self.is_online:
            self._get_online(now_s)
        while self.alive and self._held and len(self._on_its_way) < self._receive_maximum:
            self._send(self._held.popleft())
        oldest_s = next((sent_s for out, sent_s in self._on_its_way.values() if out.token is None), now_s)
        if now_s - oldest_s > ACK_TIMEOUT_S:
            self.end(mqtt_endings.silent("PUBACK", ACK_TIMEOUT_S, self._broker))

    def publish(self, out: Outgoing) -> None:
        """Send a message as soon as the broker allows; what it can never take is told at once."""
        if self._max_packet_bytes is not None and out.size() > self._max_packet_bytes:
            self._refuse(out, 0x95, "Packet too large")
        elif out.qos and len(self._on_its_way) >= self._receive_maximum:
            self._held.append(out)
        else:
            self._send(out)

    def acknowledge(self, command: Command) -> None:
        """Send the PUBACK of a command of this connection."""
        if command.packet_id is not None and self.alive:
            self._held_bytes -= self._unacknowledged.pop(command.packet_id, 0)
            self.client.ack(command.packet_id, 1)

    def say_stopped(self) -> None:
        """Tell that the station stops on purpose, after what waits for the broker's leave."""
        if self.is_online and self.alive:
            self._stopped = self._state("stopped")
            self.publish(self._stopped)

    @property
    def stopped_is_known(self) -> bool:
        """Whether the broker has answered `stopped`, or is not to be told."""
        return not any(out is self._stopped for out in (*self._held, *(out for out, _ in self._on_its_way.values())))

    def leave(self) -> None:
        """Disconnect cleanly: the broker keeps our session. This end is not told.

        It forgets our will, save where `stopped` could not be sent: then `offline` is what subscribers are to hear.
        """
        self.ending = Ending("left", "the station stops")
        is_unsaid = any(out is self._stopped for out in self._held)
        self.client.disconnect(_WITH_WILL if is_unsaid else None)

    def end(self, ending: Ending) -> None:
        """Tell the end, once. Without a DISCONNECT, so that the broker publishes our will."""
        if self.ending is None:
            self.ending = ending
            self._tell(Disconnected(self.session_id, ending.sentence, ending.code, ending.name))

    def close(self) -> None:
        """Close the socket, whatever state it is in."""
        self.end(mqtt_endings.by_text("", self._broker))
        socket = self.client.socket()
        if socket is not None:
            with contextlib.suppress(OSError):
                socket.close()

    def _get_online(self, now_s: float) -> None:
        if self._hears and self._accepted is not None and self.alive:
            # Only now: who sees `online` may send a command at once, and it is heard.
            self.is_online = True
            self._online_s = now_s
            self.publish(self._state("online"))
            self._tell(self._accepted)
        elif now_s > self._deadline_s:
            missing = "CONNACK" if self._accepted is None else "SUBACK"
            self.end(mqtt_endings.silent(missing, CONNECT_TIMEOUT_S, self._broker))
        elif self._accepted is not None and not self._asked_to_hear and self.alive:
            self._asked_to_hear = True
            # Not what we publish ourselves; the mark of a retained command is kept, so that it can be refused.
            wishes = SubscribeOptions(qos=1, noLocal=True, retainAsPublished=True, retainHandling=_RETAINED_ONCE)
            subscriptions = [(self._presence.commands, wishes)]
            if self._presence.release:
                subscriptions.append((self._presence.release, SubscribeOptions(qos=1, noLocal=True)))
            self.client.subscribe(subscriptions)

    def _send(self, out: Outgoing) -> None:
        try:
            mid = int(self.client.publish(out.topic, out.payload, out.qos, out.retain, out.properties).mid)
        except ValueError:
            # A response topic with a wildcard or beyond the length limit: the asker cannot be answered.
            self._refuse(out, 0x90, "Topic Name invalid")
            return
        if out.qos:
            self._on_its_way[mid] = (out, time.monotonic())

    def _state(self, state: StateName) -> Outgoing:
        message = self._presence.state_message(state, self.session_id)
        return Outgoing(self._presence.state_topic, message, PublishProperties(), retain=True)

    def _refuse(self, out: Outgoing, code: int, name: str) -> None:
        if out.token is not None:
            self._tell(Answered(self.session_id, out.token, code, name, taken=False))
        else:
            self._tell(Unsent(out.topic, name.lower().replace(" ", "_")))
        if out.command is not None:
            self.acknowledge(out.command)

    def _on_connect(self, _client: Client, _data: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        if code.is_failure:
            reference = getattr(properties, "ServerReference", None)
            self.end(mqtt_endings.by_code(code.value, str(code), self._broker, reference))
            return
        self._max_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        self._receive_maximum = getattr(properties, "ReceiveMaximum", _NO_LIMIT)
        self._accepted = Connected(
            self.session_id, bool(flags.session_present), self._max_packet_bytes, self._receive_maximum
        )

    def _on_disconnect(self, _client: Client, _data: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            reference = getattr(properties, "ServerReference", None)
            self.end(mqtt_endings.by_code(code.value, str(code), self._broker, reference))
        elif code.value == _KEEP_ALIVE_TIMEOUT:
            self.end(mqtt_endings.silent("sign of life", 2 * self._broker.keepalive_s, self._broker))
        elif code.value == _PROTOCOL_ERROR:
            self.end(mqtt_endings.no_mqtt(self._broker))
        else:
            was_accepted = self._accepted is not None
            self.end(mqtt_endings.by_text(self._failure, self._broker, was_accepted=was_accepted))

    def _on_publish(self, _client: Client, _data: Any, mid: int, code: ReasonCode, _properties: Any) -> None:
        out, _ = self._on_its_way.pop(mid, (None, 0.0))
        if out is None:
            return
        if code.is_failure:
            self._refuse(out, code.value, str(code))
            return
        if out.token is not None:
            self._tell(Answered(self.session_id, out.token, code.value, str(code), taken=True))
        if out.command is not None:
            self.acknowledge(out.command)

    def _on_subscribe(self, _client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any) -> None:
        self._hears = True
        for topic, code in zip((self._presence.commands, self._presence.release), codes, strict=False):
            if code.is_failure:
                self._tell(SubscriptionRefused(topic, str(code)))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.qos == 1:
            num_bytes = _COMMAND_BYTES + len(message.payload)
            self._held_bytes += num_bytes - self._unacknowledged.get(message.mid, 0)
            self._unacknowledged[message.mid] = num_bytes
            limit = self._broker.receive_maximum
            if len(self._unacknowledged) > limit and self._held_bytes > MAX_HELD_BYTES:
                what = f"{len(self._unacknowledged)} commands at once"
                self.end(mqtt_endings.too_much("receive_maximum_passed", what, limit, self._broker))
                return
        properties = message.properties
        now_us = time.monotonic_ns() // 1000
        expiry_s = getattr(properties, "MessageExpiryInterval", None)
        self._tell(
            Command(
                session_id=self.session_id,
                topic=message.topic,
                payload=message.payload,
                arrived_us=now_us,
                response_topic=getattr(properties, "ResponseTopic", None),
                correlation=getattr(properties, "CorrelationData", None),
                repeat=message.dup,
                packet_id=message.mid if message.qos == 1 else None,
                retained=message.retain,
                expires_us=None if expiry_s is None else now_us + expiry_s * 1_000_000,
                is_historical=("historical", "true") in getattr(properties, "UserProperty", ()),
            )
        )

    def _on_log(self, _client: Client, _data: Any, level: int, text: str) -> None:
        # paho tells a failure of the socket in its log alone, with OpenSSL's words behind the colon.
        if level == LogLevel.MQTT_LOG_ERR and "on socket: " in text:
            self._failure = text.partition("on socket: ")[2]
