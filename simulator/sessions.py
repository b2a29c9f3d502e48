"""What the demo's broker remembers: sessions, subscriptions, retained messages. No socket, thread or clock in here.

Laws: a QoS 1 message reaches every session that subscribed to it, in order, until that client acknowledges it, or is
dropped for a cause that is counted by name in `Switchboard.dropped` (L12). Time comes in as `now`, in seconds.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import mqtt5

MAX_QUEUED = 1000
"""Messages kept for one session beyond those in flight; the next one is dropped as `queue_full`."""
MAX_IN_FLIGHT = 100
"""QoS 1 messages sent to one client and not yet acknowledged, whatever receive maximum it offers."""
MAX_RETAINED = 1000
"""Topics with a retained message; a further one is refused with 0x97, quota exceeded."""
MAX_SESSION_EXPIRY_S = 86_400
"""The longest that a session without a connection is kept; the client is told in the CONNACK."""

#: Sends one packet to a client; False where it cannot take it now (only QoS 0 is then given up).
Send = Callable[[mqtt5.Packet], bool]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """One message on its way to one session. `qos` is a number, since the members of mqtt5.QoS have no order."""

    packet: mqtt5.PublishPacket
    qos: int
    retain: bool
    expires_at: float | None
    subscription_ids: tuple[int, ...] = ()

    def to_packet(self, now: float, packet_id: int | None, *, duplicate: bool = False) -> mqtt5.PublishPacket:
        """The packet that goes out: the same bytes and properties, with what is left of its expiry interval."""
        source = self.packet
        return mqtt5.PublishPacket(
            source.topic,
            source.payload,
            qos=mqtt5.QoS(self.qos),
            retain=self.retain,
            packet_id=packet_id,
            duplicate=duplicate,
            payload_format_indicator=source.payload_format_indicator,
            message_expiry_interval=None if self.expires_at is None else max(1, round(self.expires_at - now)),
            content_type=source.content_type,
            response_topic=source.response_topic,
            correlation_data=source.correlation_data,
            subscription_ids=list(self.subscription_ids),
            user_properties=source.user_properties,
        )


@dataclass(frozen=True, slots=True)
class Subscription:
    """A filter of one session, with the identifier that the client gave it."""

    options: mqtt5.TopicFilter
    identifier: int | None = None


@dataclass(slots=True)
class Session:
    """What is kept for one client, connected or not. `send` is None while it is not connected."""

    client_id: str
    send: Send | None = None
    expiry_s: int = 0
    receive_max: int = MAX_IN_FLIGHT
    expires_at: float | None = None
    will: mqtt5.Will | None = None
    will_due_at: float | None = None
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    in_flight: dict[int, Message] = field(default_factory=dict)
    queue: deque[Message] = field(default_factory=deque)
    last_packet_id: int = 0


class Switchboard:
    """Routes messages between sessions."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.retained: dict[str, Message] = {}
        self.dropped: Counter[str] = Counter()

    def connect(self, connect: mqtt5.ConnectPacket, client_id: str, send: Send, now: float) -> tuple[Session, bool]:
        """Begin or take up a session.

        The caller has already ended the client's earlier connection.

        Returns:
            The session, and whether it was there before.
        """
        session = self.sessions.get(client_id)
        if session is not None and connect.clean_start:
            self._forget(session, now)
            session = None
        present = session is not None
        session = session or self.sessions.setdefault(client_id, Session(client_id))
        session.send = send
        session.expiry_s = min(connect.session_expiry_interval, MAX_SESSION_EXPIRY_S)
        session.receive_max = min(connect.receive_max, MAX_IN_FLIGHT)
        session.expires_at = session.will_due_at = None
        session.will = connect.will
        return session, present

    def resume(self, session: Session, now: float) -> None:
        """Send again what was in flight, then what waited. To be called after the CONNACK."""
        if session.send is not None:
            for packet_id, message in session.in_flight.items():
                session.send(message.to_packet(now, packet_id, duplicate=True))
            self._drain(session, now)

    def disconnect(self, session: Session, now: float, *, clean: bool) -> None:
        """End a connection: a clean one drops the will, any other publishes it when its delay is over."""
        session.send = None
        session.expires_at = now + session.expiry_s
        if session.will is not None and not clean:
            session.will_due_at = now + min(session.will.will_delay_interval, session.expiry_s)
        else:
            session.will = None
        self.tick(now)

    def tick(self, now: float) -> None:
        """Publish wills that are due, and forget sessions that have expired."""
        for session in list(self.sessions.values()):
            if session.will_due_at is not None and session.will_due_at <= now:
                self._publish_will(session, now)
            if session.expires_at is not None and session.expires_at <= now:
                self._forget(session, now)

    def subscribe(self, session: Session, packet: mqtt5.SubscribePacket, now: float) -> list[mqtt5.SubAckReasonCode]:
        """Add filters; the retained messages follow when `send_retained` is called, after the SUBACK."""
        codes = []
        for options in packet.topic_filters:
            if options.pattern.startswith("$share/"):
                codes.append(mqtt5.SubAckReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED)
            elif not is_filter(options.pattern):
                codes.append(mqtt5.SubAckReasonCode.TOPIC_FILTER_INVALID)
            else:
                is_new = options.pattern not in session.subscriptions
                session.subscriptions[options.pattern] = Subscription(options, packet.subscription_id)
                self._queue_retained(session, session.subscriptions[options.pattern], now, is_new=is_new)
                codes.append(mqtt5.SubAckReasonCode(min(int(options.max_qos), 1)))
        return codes

    def publish(self, packet: mqtt5.PublishPacket, publisher: str | None, now: float) -> mqtt5.PubAckReasonCode:
        """Keep a retained message, and give the message to every session that wants it."""
        expiry_s = packet.message_expiry_interval
        message = Message(packet, int(packet.qos), packet.retain, None if expiry_s is None else now + expiry_s)
        if packet.retain and not self._retain(message):
            return mqtt5.PubAckReasonCode.QUOTA_EXCEEDED
        reached = False
        for session in list(self.sessions.values()):
            wanted = list(_matching(session, packet.topic, publisher))
            if wanted:
                reached = True
                self._deliver(session, _addressed(message, wanted), now)
        return mqtt5.PubAckReasonCode.SUCCESS if reached else mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS

    def acknowledge(self, session: Session, packet_id: int, now: float) -> None:
        """Close a message in flight, and send the next that waited."""
        session.in_flight.pop(packet_id, None)
        self._drain(session, now)

    def drop(self, cause: str, client_id: str) -> None:
        """Count a message that is given up, by cause and client (L12)."""
        self.dropped[cause] += 1
        _log.warning("message dropped: %s (client %s)", cause, client_id)

    def _retain(self, message: Message) -> bool:
        topic = message.packet.topic
        if not message.packet.payload:
            self.retained.pop(topic, None)
        elif topic in self.retained or len(self.retained) < MAX_RETAINED:
            self.retained[topic] = message
        else:
            return False
        return True

    def _queue_retained(self, session: Session, subscription: Subscription, now: float, *, is_new: bool) -> None:
        handling = subscription.options.retain_handling
        if handling == mqtt5.RetainHandling.SEND_NEVER:
            return
        if handling == mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS and not is_new:
            return
        for topic, message in list(self.retained.items()):
            if message.expires_at is not None and message.expires_at <= now:
                del self.retained[topic]
            elif topic_matches(subscription.options.pattern, topic):
                self._enqueue(session, replace(_addressed(message, [subscription]), retain=True))

    def send_queued(self, session: Session, now: float) -> None:
        """Send what waits, as far as the client's receive maximum allows."""
        self._drain(session, now)

    def _deliver(self, session: Session, message: Message, now: float) -> None:
        if session.send is None and message.qos == 0:
            return  # the protocol keeps nothing of QoS 0 for a client that is away
        self._enqueue(session, message)
        self._drain(session, now)

    def _enqueue(self, session: Session, message: Message) -> None:
        if len(session.queue) >= MAX_QUEUED:
            self.drop("queue_full", session.client_id)
        else:
            session.queue.append(message)

    def _drain(self, session: Session, now: float) -> None:
        while session.send is not None and session.queue:
            message = session.queue[0]
            if message.qos and len(session.in_flight) >= session.receive_max:
                return
            session.queue.popleft()
            if message.expires_at is not None and message.expires_at <= now:
                self.drop("expired", session.client_id)
            elif message.qos:
                packet_id = _free_packet_id(session)
                session.in_flight[packet_id] = message
                session.send(message.to_packet(now, packet_id))
            elif not session.send(message.to_packet(now, None)):
                self.drop("slow_client", session.client_id)

    def _publish_will(self, session: Session, now: float) -> None:
        will, session.will, session.will_due_at = session.will, None, None
        if will is None:
            return
        packet = mqtt5.PublishPacket(
            will.topic,
            will.payload or b"",
            qos=will.qos,
            retain=will.retain,
            packet_id=1 if int(will.qos) else None,
            payload_format_indicator=will.payload_format_indicator,
            message_expiry_interval=will.message_expiry_interval,
            content_type=will.content_type,
            response_topic=will.response_topic,
            correlation_data=will.correlation_data,
            user_properties=will.user_properties,
        )
        self.publish(packet, session.client_id, now)

    def _forget(self, session: Session, now: float) -> None:
        if session.will_due_at is not None:
            self._publish_will(session, now)
        self.sessions.pop(session.client_id, None)


def is_filter(pattern: str) -> bool:
    """Whether a topic filter is well formed: `+` alone in its level, `#` alone in the last."""
    levels = pattern.split("/")
    plus_alone = all(level == "+" for level in levels if "+" in level)
    return (
        bool(pattern)
        and plus_alone
        and all(level == "#" for level in levels if "#" in level)
        and ("#" not in levels[:-1])
    )


def topic_matches(pattern: str, topic: str) -> bool:
    """Whether a topic is covered by a filter; wildcards in the first level do not cover topics that begin with `$`."""
    if topic.startswith("$") and pattern[0] in "+#":
        return False
    wanted, levels = pattern.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(want in ("+", level) for want, level in zip(wanted, levels, strict=True))


def _matching(session: Session, topic: str, publisher: str | None) -> Iterator[Subscription]:
    for subscription in session.subscriptions.values():
        own = subscription.options.no_local and publisher == session.client_id
        if not own and topic_matches(subscription.options.pattern, topic):
            yield subscription


def _addressed(message: Message, wanted: list[Subscription]) -> Message:
    """One copy for a session whatever number of its filters match, at the best quality that any of them asked for."""
    return replace(
        message,
        qos=min(message.qos, max(int(want.options.max_qos) for want in wanted)),
        retain=message.retain and any(want.options.retain_as_published for want in wanted),
        subscription_ids=tuple(want.identifier for want in wanted if want.identifier is not None),
    )


def _free_packet_id(session: Session) -> int:
    while True:  # ends: MAX_IN_FLIGHT is far below the 65,535 ids
        session.last_packet_id = session.last_packet_id % 65_535 + 1
        if session.last_packet_id not in session.in_flight:
            return session.last_packet_id
