"""A broker that does what a fault says, packet by packet and byte by byte, and remembers what a subscriber would hear.

It speaks MQTT 5 by the `mqtt5` package or by hand, and shares no code with what it tests.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import mqtt5

from tests.wire import Server, packets_of, puback
from tests.witness import Judge

OUTBOX = ("/outcome", "/retake")


@dataclass
class Call:
    """One connection. `cut_in` and `cut_out` end it after so many bytes from and to the client."""

    number: int
    at_s: float
    cut_in: int | None = None
    cut_out: int | None = None
    by_reset: bool = False
    num_in: int = 0
    num_out: int = 0
    packets: list[Any] = field(default_factory=list)
    unanswered: set[int] = field(default_factory=set)
    is_over: bool = False
    #: When a fault ended it, and the code that the broker gave, if any; None where the client did.
    ended_s: float | None = None
    code: int | None = None


class Unheard(bytes):
    """What is sent for a message that the broker does not take, whatever the bytes say."""

    __slots__ = ()


#: What is sent for a packet: bytes (none of them: silence), or None to end the connection. Given the usual answer.
Fault = Callable[[Call, Any, bytes], bytes | None]


def _no_fault(_call: Call, _packet: Any, usual: bytes) -> bytes:
    return usual


class HostileBroker:
    """`tried` is every outbox message that came whole, `heard` those that a subscriber would get, repeats included."""

    def __init__(self, *, receive_max: int | None = None, max_packet_size: int | None = None) -> None:
        self.fault: Fault = _no_fault
        self.prepare: Callable[[Call], None] = lambda _call: None
        self.tried: list[mqtt5.PublishPacket] = []
        self.heard: list[mqtt5.PublishPacket] = []
        self.calls: list[Call] = []
        self.broken_rules: list[str] = []
        self.judge = Judge()
        # The contract takes a second to load, which is longer than the client waits for an answer.
        Judge().see(mqtt5.PublishPacket(f"edge/v1/s/l/st{OUTBOX[0]}", b"{}"))
        self._limits = {} if receive_max is None else {"receive_max": receive_max}
        self._receive_max = receive_max or 65_535
        self._max_packet_size = max_packet_size
        self._knows_session = False
        self._clients: dict[socket.socket, Call] = {}
        self._changing = threading.Lock()
        self._server = Server(self._serve)
        self.port = self._server.port

    def send(self, data: bytes) -> None:
        """Say something unasked on every connection."""
        for client in list(self._clients):
            with suppress(OSError):
                client.sendall(data)

    def end_connections(self, last_words: bytes = b"", *, but: Call | None = None) -> None:
        """End every connection, or every other one."""
        with self._changing:
            for client, call in self._clients.items():
                if call is but:
                    continue
                call.is_over = True
                with suppress(OSError):
                    client.sendall(last_words)
                    client.shutdown(socket.SHUT_RDWR)

    def forget(self) -> None:
        """Begin a new round."""
        for memory in (self.tried, self.heard, self.calls):
            memory.clear()
        self.fault = _no_fault
        self.prepare = lambda _call: None

    def close(self) -> None:
        """End everything.

        Raises:
            AssertionError: the client broke a rule of MQTT 5, or a message broke the contract.
        """
        self.end_connections()
        self._server.close()
        assert not self.broken_rules, self.broken_rules
        assert not self.judge.violations, self.judge.violations

    def _serve(self, client: socket.socket) -> None:
        with self._changing:
            call = Call(len(self.calls) + 1, time.monotonic())
            self.prepare(call)
            self.calls.append(call)
            self._clients[client] = call
        with client, suppress(OSError):
            for packet in self._packets(client, call):
                if call.is_over:  # what comes after a shutdown can still be read
                    break
                call.packets.append(packet)
                usual = self._usual(call, packet)
                answer = self.fault(call, packet, usual)
                self._note(call, packet, answer)
                self._note_end(client, call, answer)
                if answer is None or not self._say(client, call, answer):
                    break
            self._part(client, call)
        with self._changing:
            del self._clients[client]

    def _packets(self, client: socket.socket, call: Call) -> Iterator[Any]:
        def receive() -> bytes:
            # Byte for byte up to where it is to end: more would be read otherwise than is said to have come.
            room = 65_536 if call.cut_in is None else call.cut_in - call.num_in
            data = client.recv(room) if room > 0 else b""
            call.num_in += len(data)
            return data

        for packet, size in packets_of(receive):
            if self._max_packet_size is not None and size > self._max_packet_size:
                self.broken_rules.append(f"a packet of {size} bytes came, {self._max_packet_size} are allowed")
            yield packet

    def _usual(self, call: Call, packet: Any) -> bytes:
        match packet:
            case mqtt5.ConnectPacket():
                limits = dict(self._limits) | {"max_packet_size": self._max_packet_size}
                known, self._knows_session = self._knows_session, True
                return bytes(mqtt5.ConnAckPacket(session_present=known, **limits).write())
            case mqtt5.SubscribePacket():
                granted = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]
                return bytes(mqtt5.SubAckPacket(packet.packet_id, granted).write())
            case mqtt5.PublishPacket() if packet.packet_id is not None:
                call.unanswered.add(packet.packet_id)
                if len(call.unanswered) > self._receive_max:
                    self.broken_rules.append(f"{len(call.unanswered)} unanswered, {self._receive_max} are allowed")
                return puback(packet.packet_id, 0)
            case mqtt5.PingReqPacket():
                return bytes(mqtt5.PingRespPacket().write())
        return b""

    def _note_end(self, client: socket.socket, call: Call, answer: bytes | None) -> None:
        # Before it is said: what the client waits counts from then on, unless it has left by itself.
        with suppress(BlockingIOError):
            if not client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                return
        if answer is None or (len(answer) >= 4 and answer[-4:-2] == b"\xe0\x02"):
            call.ended_s = time.monotonic()
            call.code = None if answer is None else answer[-2]

    def _note(self, call: Call, packet: Any, answer: bytes | None) -> None:
        # An answer that was late may go out with any packet's.
        for number in list(call.unanswered):
            if answer is not None and puback(number, 0)[:4] in answer:
                call.unanswered.discard(number)
        if not isinstance(packet, mqtt5.PublishPacket):
            return
        self.judge.see(packet)
        is_refused = isinstance(answer, Unheard)
        if packet.packet_id is not None:
            refused = [puback(packet.packet_id, code) for code in range(0x80, 0x100)]
            is_refused |= answer is not None and any(each in answer for each in refused)
        if packet.topic.endswith(OUTBOX):
            self.tried.append(packet)
            if not is_refused:
                self.heard.append(packet)

    def _say(self, client: socket.socket, call: Call, answer: bytes) -> bool:
        room = None if call.cut_out is None else call.cut_out - call.num_out
        data = answer if room is None else answer[: max(0, room)]
        client.sendall(data)
        call.num_out += len(data)
        return room is None or room > len(answer)

    def _part(self, client: socket.socket, call: Call) -> None:
        with suppress(OSError):
            if call.by_reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                client.shutdown(socket.SHUT_RDWR)


def disconnect(code: int) -> bytes:
    """A DISCONNECT with any reason code."""
    return bytes((0xE0, 2, code, 0))


def connack(code: int) -> bytes:
    """A CONNACK with any reason code."""
    return bytes((0x20, 3, 0, code, 0))
