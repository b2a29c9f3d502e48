"""Brokers and a client for the tests: a real mosquitto, a broker that fails as told, and an ear that is not paho.

The ear and the failing broker speak MQTT 5 by the `mqtt5` package, so they share no code with what they test.
"""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import mqtt5

import simulator.mosquitto
from simulator.ports import free_port
from tests.wire import Server, packets, puback
from tests.witness import Judge, Witness

__all__ = ["Ear", "Fault", "FaultBroker", "Mosquitto", "free_port", "mosquitto", "wait_for"]

WAIT_S = 60.0
"""The longest that a test waits for something that must come."""

Fault = int | Literal["silence", "break"]


def wait_for(condition: Callable[[], Any], what: str = "what must come") -> Any:
    """Wait until a condition holds and give its value; the limit only ends a test that has failed."""
    deadline_s = time.monotonic() + WAIT_S
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"{what} did not come within {WAIT_S} s"
        time.sleep(0.005)
    return value


class Mosquitto(simulator.mosquitto.Mosquitto):
    """A real broker whose witness hears all that is sent, by a listener that the `lines` of a test do not hold for."""

    def __init__(self, folder: Path, *lines: str) -> None:
        witness_port = free_port()
        self.witness = Witness(witness_port)
        super().__init__(folder, *lines, f"listener {witness_port} 127.0.0.1", "allow_anonymous true")

    def start(self) -> None:
        """Start, and return when it listens and the witness is back."""
        super().start()
        self.witness.wait_until_back()

    def kill(self) -> None:
        """End at once, as a power cut does."""
        super().kill()
        self.witness.wait_until_gone()

    def stop(self) -> None:
        """End cleanly, keeping sessions and retained messages on the disk."""
        super().stop()
        self.witness.wait_until_gone()

    @property
    def runs(self) -> bool:
        """Whether it was started and not ended."""
        return self._process is not None


class Ear:
    """A subscriber with memory that can also send; reconnects never, remembers everything."""

    def __init__(self, port: int, client_id: str = "ear", topics: tuple[str, ...] = ("#",)) -> None:
        self.heard: list[mqtt5.PublishPacket] = []
        self.answers: queue.Queue[int] = queue.Queue()
        self._next_id = 1
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self._socket.settimeout(None)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._ready = threading.Event()
        self._topics = topics
        self._send(mqtt5.ConnectPacket(client_id=client_id, clean_start=True))
        self._thread.start()
        assert self._ready.wait(WAIT_S)

    def on(self, suffix: str) -> list[mqtt5.PublishPacket]:
        """What was heard on topics that end so."""
        return [packet for packet in list(self.heard) if packet.topic.endswith(suffix)]

    def publish(self, topic: str, payload: bytes, **properties: Any) -> None:
        """Send with QoS 1 and wait for the broker's answer."""
        self._next_id += 1
        packet = mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=self._next_id, **properties)
        self._send(packet)
        self.answers.get(timeout=WAIT_S)

    def close(self) -> None:
        """Leave."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _send(self, packet: Any) -> None:
        with suppress(OSError):
            self._socket.sendall(packet.write())

    def _listen(self) -> None:
        for packet in packets(self._socket):
            match packet:
                case mqtt5.ConnAckPacket():
                    filters = [mqtt5.TopicFilter(topic, max_qos=mqtt5.QoS.AT_LEAST_ONCE) for topic in self._topics]
                    self._send(mqtt5.SubscribePacket(1, filters))
                case mqtt5.SubAckPacket():
                    self._ready.set()
                case mqtt5.PublishPacket():
                    self.heard.append(packet)
                    if packet.packet_id is not None:
                        self._send(mqtt5.PubAckPacket(packet.packet_id))
                case mqtt5.PubAckPacket():
                    self.answers.put(int(packet.reason_code))


class FaultBroker:
    """A broker that answers each publish as `decide` says: a PUBACK code, no answer, or a broken connection.

    It remembers what came: `tried` is every publish, `taken` those that it acknowledged without failure. It knows a
    client that was there before, unless it `keeps_sessions` no longer.
    """

    def __init__(self, decide: Callable[[mqtt5.PublishPacket], Fault] | None = None) -> None:
        self.decide = decide or (lambda _packet: 0)
        self.tried: list[mqtt5.PublishPacket] = []
        self.taken: list[mqtt5.PublishPacket] = []
        self.connects: list[mqtt5.ConnectPacket] = []
        self.acknowledged_commands: list[int] = []
        self.keeps_sessions = True
        self.max_packet_size: int | None = None
        self.receive_maximum = 65_535
        self.judge = Judge()
        self._client: socket.socket | None = None
        self._server = Server(self._serve)
        self.port = self._server.port

    def outcomes(self, packets: list[mqtt5.PublishPacket]) -> list[mqtt5.PublishPacket]:
        """Those packets that are outbox messages."""
        return [packet for packet in list(packets) if packet.topic.endswith(("/outcome", "/retake"))]

    def command(self, packet: mqtt5.PublishPacket) -> None:
        """Send a command to the client that is connected now."""
        assert self._client is not None
        self._client.sendall(packet.write())

    def answer(self, packet_id: int, code: int = 0) -> None:
        """Send a PUBACK, late or made up."""
        assert self._client is not None
        self._client.sendall(puback(packet_id, code))

    def break_connection(self, code: int | None = None) -> None:
        """End the connection, with a DISCONNECT that gives a reason or without a word."""
        client = self._client
        if client is not None:
            with suppress(OSError):
                if code is not None:
                    client.sendall(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode(code)).write())
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything.

        Raises:
            AssertionError: a message that came broke the contract.
        """
        self._server.close()
        assert not self.judge.violations, "\n".join(self.judge.violations)

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            for packet in packets(client):
                match packet:
                    case mqtt5.ConnectPacket():
                        self._client = client
                        self._judge_will(packet)
                        known = self.keeps_sessions and any(one.client_id == packet.client_id for one in self.connects)
                        self.connects.append(packet)
                        accepted = mqtt5.ConnAckPacket(
                            session_present=known,
                            max_packet_size=self.max_packet_size,
                            receive_max=self.receive_maximum,
                        )
                        client.sendall(accepted.write())
                    case mqtt5.SubscribePacket():
                        granted = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]
                        client.sendall(mqtt5.SubAckPacket(packet.packet_id, granted).write())
                    case mqtt5.PublishPacket():
                        self._take(client, packet)
                    case mqtt5.PubAckPacket():
                        self.acknowledged_commands.append(packet.packet_id)
                    case mqtt5.PingReqPacket():
                        client.sendall(mqtt5.PingRespPacket().write())

    def _judge_will(self, packet: mqtt5.ConnectPacket) -> None:
        will = packet.will
        if will is not None:
            self.judge.see(
                mqtt5.PublishPacket(
                    will.topic,
                    will.payload or b"",
                    qos=will.qos,
                    retain=will.retain,
                    packet_id=1,
                    content_type=will.content_type,
                    payload_format_indicator=will.payload_format_indicator,
                )
            )

    def _take(self, client: socket.socket, packet: mqtt5.PublishPacket) -> None:
        self.tried.append(packet)
        self.judge.see(packet)
        if packet.packet_id is None:
            self.taken.append(packet)
            return
        fault = self.decide(packet)
        if fault == "break":
            client.shutdown(socket.SHUT_RDWR)
        elif fault != "silence":
            # Noted first: a test that sees the outbox row closed finds the packet here.
            if fault < 0x80:
                self.taken.append(packet)
            client.sendall(puback(packet.packet_id, fault))


@contextmanager
def mosquitto(folder: Path, *lines: str) -> Iterator[Mosquitto]:
    """A running mosquitto, gone afterwards."""
    broker = Mosquitto(folder, *lines)
    try:
        broker.start()
        broker.witness.start()
        yield broker
        broker.witness.stop(broker_runs=broker.runs)
    finally:
        broker.stop()
