"""An MQTT 5 broker inside the demo: `with Broker() as broker: broker.port`. For a desk and for tests, not for a site.

Laws: a publish is acknowledged only after it was given to every session that wants it; a connection that breaks
publishes its will, a clean DISCONNECT drops it; a packet that is malformed or too large ends its own connection and
no other; every limit has a name. QoS 0 and 1 (2 is refused as the CONNACK announces). State lives in memory.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Self

import mqtt5

from simulator.sessions import MAX_SESSION_EXPIRY_S, Session, Switchboard

MAX_PACKET_BYTES = 1 << 20
"""The largest packet that a client may send; announced in the CONNACK."""
MAX_CONNECTIONS = 64
"""Connections at one time; a further one is told `server busy`."""
MAX_WRITE_BUFFER_BYTES = 8 << 20
"""Bytes waiting for a slow client; above it QoS 0 messages to that client are dropped as `slow_client`."""
CONNECT_TIMEOUT_S = 10.0
"""How long a connection may be silent before its CONNECT."""
LINGER_S = 1.0
"""How long a connection that is ended may take to hear why."""
TICK_S = 0.25
CONNECT_BYTE = 0x10

Refuse = Callable[[mqtt5.PublishPacket], mqtt5.PubAckReasonCode | None]

_log = logging.getLogger(__name__)
_UNSUPPORTED_VERSION_311 = b"\x20\x02\x00\x01"  # a CONNACK as MQTT 3.1.1 writes it, so that an old client understands


class Broker:
    """Listens in a thread of its own until it is stopped.

    `refuse` may answer a QoS 1 publish with a failure code instead of taking it: the fault that a real broker shows
    when a quota is reached or a right is missing.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1", refuse: Refuse | None = None) -> None:
        self.host = host
        self.port = port
        self.refuse = refuse
        self.switchboard = Switchboard()
        self.connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="broker", daemon=True)

    def start(self) -> None:
        """Listen; `port` is known afterwards.

        Raises:
            OSError: the port is taken.
        """
        self._thread.start()
        try:
            self._call(self._listen())
        except OSError:
            self.stop()
            raise
        self._loop.call_soon_threadsafe(self._tick)

    def stop(self) -> None:
        """Tell every client, close all connections, end the thread."""
        if not self._thread.is_alive():
            return
        self._call(self._close(mqtt5.DisconnectReasonCode.SERVER_SHUTTING_DOWN))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def vanish(self) -> None:
        """Cut every connection without a word and stop listening, as a pulled plug does. Sessions stay (in memory)."""
        self._call(self._close(None))

    def come_back(self) -> None:
        """Listen again on the same port after `vanish`."""
        self._call(self._listen())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(lambda: _Connection(self), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self, reason: mqtt5.DisconnectReasonCode | None) -> None:
        # A connection that is just being accepted is a task; asyncio leaks its socket if the server closes meanwhile.
        while accepting := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*accepting)
        if self._server is not None:
            self._server.close()
        ending = list(self.connections)
        for connection in ending:
            connection.end(reason)
        await asyncio.gather(*(connection.gone.wait() for connection in ending))
        self._server = None

    def _tick(self) -> None:
        now = time.monotonic()
        for connection in list(self.connections):
            connection.check_silence(now)
        self.switchboard.tick(now)
        self._loop.call_later(TICK_S, self._tick)

    def session_owner(self, session: Session) -> _Connection | None:
        """The connection that serves a session now."""
        return next((each for each in self.connections if each.session is session), None)


class _Connection(asyncio.Protocol):
    """One client's connection: bytes in, packets to the switchboard, packets out."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._board = broker.switchboard
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._max_packet_bytes: int | None = None
        self._silence_s = CONNECT_TIMEOUT_S
        self._heard_at = time.monotonic()
        self._clean = False
        self.session: Session | None = None
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._broker.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a broken and a closed connection differ only in whether DISCONNECT came first
        self._transport = None
        self._broker.connections.discard(self)
        self._let_go()
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        self._heard_at = time.monotonic()
        self._buffer += data
        if self.session is None and self._buffer[0] != CONNECT_BYTE:
            self.end(mqtt5.DisconnectReasonCode.PROTOCOL_ERROR)
        view, used = memoryview(self._buffer), 0
        while self._transport is not None and used < len(view):
            try:
                packet, size = mqtt5.read(view[used:])
            except IndexError:  # not whole yet
                break
            except ValueError as error:
                self._malformed(error)
                return
            used += size
            if size > MAX_PACKET_BYTES:
                self.end(mqtt5.DisconnectReasonCode.PACKET_TOO_LARGE)
            else:
                self._handle(packet)
        self._buffer = self._buffer[used:]
        if len(self._buffer) > MAX_PACKET_BYTES:
            self.end(mqtt5.DisconnectReasonCode.PACKET_TOO_LARGE)

    def check_silence(self, now: float) -> None:
        """End a connection that was silent for one and a half keep-alive intervals, or never said CONNECT."""
        if self._silence_s and now - self._heard_at > self._silence_s:
            self.end(mqtt5.DisconnectReasonCode.KEEP_ALIVE_TIMEOUT)

    def send(self, packet: mqtt5.Packet) -> bool:
        """Write one packet; False where the client is too slow for more QoS 0 or cannot take one so large."""
        if self._transport is None:
            return False
        unreliable = isinstance(packet, mqtt5.PublishPacket) and packet.qos == mqtt5.QoS.AT_MOST_ONCE
        if unreliable and self._transport.get_write_buffer_size() > MAX_WRITE_BUFFER_BYTES:
            return False
        data = packet.write()
        if self._max_packet_bytes is not None and len(data) > self._max_packet_bytes:
            if isinstance(packet, mqtt5.PublishPacket) and packet.packet_id is not None and self.session is not None:
                # The protocol says: act as if it was delivered. It is counted, and the in-flight place is free again.
                self.session.in_flight.pop(packet.packet_id, None)
                self._board.drop("client_packet_limit", self.session.client_id)
            return False
        self._transport.write(data)
        return True

    def end(self, reason: mqtt5.DisconnectReasonCode | None) -> None:
        """Close, saying why where the client has connected; None cuts without a word."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if reason is None:
            transport.abort()
        else:
            if self.session is not None:
                transport.write(mqtt5.DisconnectPacket(reason_code=reason).write())
            transport.close()
            # A client that reads nothing would keep a closing connection for ever.
            asyncio.get_running_loop().call_later(LINGER_S, transport.abort)
        # A broker that goes away publishes no wills; connection_lost does so for all other causes.
        self._clean = self._clean or reason in (None, mqtt5.DisconnectReasonCode.SERVER_SHUTTING_DOWN)

    def _let_go(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            self._board.disconnect(session, time.monotonic(), clean=self._clean)

    def _malformed(self, error: ValueError) -> None:
        _log.info("malformed packet: %s", error)
        if self.session is None and "protocol version" in str(error) and self._transport is not None:
            self._transport.write(_UNSUPPORTED_VERSION_311)
        self.end(mqtt5.DisconnectReasonCode.MALFORMED_PACKET)

    def _handle(self, packet: mqtt5.Packet) -> None:
        now = time.monotonic()
        session = self.session
        if isinstance(packet, mqtt5.ConnectPacket) and session is None:
            self._connect(packet, now)
        elif session is None:
            self.end(mqtt5.DisconnectReasonCode.PROTOCOL_ERROR)
        elif isinstance(packet, mqtt5.PublishPacket):
            self._publish(packet, session, now)
        elif isinstance(packet, mqtt5.PubAckPacket):
            self._board.acknowledge(session, packet.packet_id, now)
        elif isinstance(packet, mqtt5.SubscribePacket):
            codes = self._board.subscribe(session, packet, now)
            self.send(mqtt5.SubAckPacket(packet.packet_id, codes))
            self._board.send_queued(session, now)
        elif isinstance(packet, mqtt5.UnsubscribePacket):
            known = [session.subscriptions.pop(pattern, None) for pattern in packet.patterns]
            code = mqtt5.UnsubAckReasonCode
            codes_out = [code.NO_SUBSCRIPTION_EXISTED if each is None else code.SUCCESS for each in known]
            self.send(mqtt5.UnsubAckPacket(packet.packet_id, codes_out))
        elif isinstance(packet, mqtt5.PingReqPacket):
            self.send(mqtt5.PingRespPacket())
        elif isinstance(packet, mqtt5.DisconnectPacket):
            self._disconnect(packet, session)
        else:
            self.end(mqtt5.DisconnectReasonCode.PROTOCOL_ERROR)

    def _connect(self, packet: mqtt5.ConnectPacket, now: float) -> None:
        refusal = None
        if len(self._broker.connections) > MAX_CONNECTIONS:
            refusal = mqtt5.ConnAckReasonCode.SERVER_BUSY
        elif packet.authentication_method is not None:
            refusal = mqtt5.ConnAckReasonCode.BAD_AUTHENTICATION_METHOD
        elif packet.will is not None and packet.will.qos == mqtt5.QoS.EXACTLY_ONCE:
            refusal = mqtt5.ConnAckReasonCode.QUALITY_NOT_SUPPORTED
        if refusal is not None:
            self.send(mqtt5.ConnAckPacket(reason_code=refusal))
            self.end(mqtt5.DisconnectReasonCode.UNSPECIFIED_ERROR)
            return
        client_id = packet.client_id or f"auto-{uuid.uuid4().hex}"
        earlier = self._board.sessions.get(client_id)
        owner = None if earlier is None else self._broker.session_owner(earlier)
        if owner is not None:
            owner.end(mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER)
            owner._let_go()  # noqa: SLF001 - the old connection's session must be free before the new one takes it
        self._silence_s = packet.keep_alive * 1.5
        self._max_packet_bytes = packet.max_packet_size
        self.session, present = self._board.connect(packet, client_id, self.send, now)
        shortened = packet.session_expiry_interval > MAX_SESSION_EXPIRY_S
        self.send(
            mqtt5.ConnAckPacket(
                session_present=present,
                assigned_client_id=None if packet.client_id else client_id,
                session_expiry_interval=MAX_SESSION_EXPIRY_S if shortened else None,
                max_qos=mqtt5.QoS.AT_LEAST_ONCE,
                max_packet_size=MAX_PACKET_BYTES,
                shared_subscription_available=False,
            )
        )
        self._board.resume(self.session, now)

    def _publish(self, packet: mqtt5.PublishPacket, session: Session, now: float) -> None:
        if packet.qos == mqtt5.QoS.EXACTLY_ONCE:
            self.end(mqtt5.DisconnectReasonCode.QOS_NOT_SUPPORTED)
        elif packet.topic_alias is not None:
            self.end(mqtt5.DisconnectReasonCode.TOPIC_ALIAS_INVALID)
        elif not packet.topic or set("+#") & set(packet.topic):
            self.end(mqtt5.DisconnectReasonCode.TOPIC_NAME_INVALID)
        else:
            refusal = self._broker.refuse(packet) if self._broker.refuse and packet.packet_id is not None else None
            code = self._board.publish(packet, session.client_id, now) if refusal is None else refusal
            if packet.packet_id is not None:
                self.send(mqtt5.PubAckPacket(packet.packet_id, reason_code=code))

    def _disconnect(self, packet: mqtt5.DisconnectPacket, session: Session) -> None:
        self._clean = packet.reason_code != mqtt5.DisconnectReasonCode.DISCONNECT_WITH_WILL_MESSAGE
        if packet.session_expiry_interval is not None and session.expiry_s:
            session.expiry_s = min(packet.session_expiry_interval, MAX_SESSION_EXPIRY_S)
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
