"""A real MQTT 5 client (paho) with memory, and a running broker: what the simulator's tests share."""

from __future__ import annotations

import contextlib
import queue
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from simulator.broker import Broker

WAIT_S = 60.0
"""The longest that a test waits for something that must come."""


@dataclass
class Peer:
    """A paho client with memory: everything that it heard, in order."""

    port: int
    client_id: str
    clean_start: bool = True
    expiry_s: int = 0
    will: tuple[str, bytes] | None = None
    keepalive: int = 60
    receive_max: int | None = None
    manual_ack: bool = False
    heard: queue.Queue[Any] = field(default_factory=queue.Queue)
    acks: queue.Queue[int] = field(default_factory=queue.Queue)
    granted: queue.Queue[list[int]] = field(default_factory=queue.Queue)
    ended: queue.Queue[int] = field(default_factory=queue.Queue)
    connack: queue.Queue[tuple[int, bool, Any]] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2,
            self.client_id,
            protocol=paho.MQTTv5,
            manual_ack=self.manual_ack,
            reconnect_on_failure=False,
        )
        self.client.on_connect = lambda _c, _u, flags, code, props: self.connack.put(
            (code.value, flags.session_present, props)
        )
        self.client.on_message = lambda _c, _u, message: self.heard.put(message)
        self.client.on_publish = lambda _c, _u, _m, code, _p: self.acks.put(code.value)
        self.client.on_subscribe = lambda _c, _u, _m, codes, _p: self.granted.put([code.value for code in codes])
        self.client.on_disconnect = lambda _c, _u, _f, code, _p: self.ended.put(code.value)
        if self.will is not None:
            self.client.will_set(*self.will, qos=1, retain=True)

    def connect(self) -> Peer:
        """Connect, and wait for the CONNACK."""
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self.expiry_s
        if self.receive_max is not None:
            properties.ReceiveMaximum = self.receive_max
        self.client.connect("127.0.0.1", self.port, self.keepalive, clean_start=self.clean_start, properties=properties)
        self.client.loop_start()
        self.code, self.present, self.properties = self.connack.get(timeout=WAIT_S)
        return self

    def subscribe(self, pattern: str, qos: int = 1, **options: Any) -> list[int]:
        """Subscribe, and give the granted codes."""
        self.client.subscribe(pattern, options=SubscribeOptions(qos, **options))
        return self.granted.get(timeout=WAIT_S)

    def publish(self, topic: str, payload: bytes = b"x", qos: int = 1, *, retain: bool = False, **props: Any) -> int:
        """Publish, and give the code of the acknowledgement."""
        properties = Properties(PacketTypes.PUBLISH)
        for name, value in props.items():
            setattr(properties, name, value)
        self.client.publish(topic, payload, qos, retain, properties)
        return self.acks.get(timeout=WAIT_S)

    def next(self) -> Any:
        """The next message that comes."""
        return self.heard.get(timeout=WAIT_S)

    def texts_until(self, last: str) -> list[str]:
        """Payloads up to and including the one named."""
        texts: list[str] = []
        while not texts or texts[-1] != last:
            texts.append(self.next().payload.decode())
        return texts

    def disconnect(self) -> None:
        """Say goodbye."""
        self.client.disconnect()
        # paho asks whether its thread is there and then joins it; a thread that ends in between takes itself away.
        with contextlib.suppress(AttributeError):
            self.client.loop_stop()

    def cut(self) -> None:
        """Go away as a dead process does: the socket closes, no DISCONNECT is sent."""
        sock = self.client.socket()
        assert sock is not None
        sock.shutdown(socket.SHUT_RDWR)
        self.ended.get(timeout=WAIT_S)
        self.client.loop_stop()


#: Makes a client by its name and options; `peer_at` wants the broker's port before.
PeerMaker = Callable[..., Peer]


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that listens on a free port."""
    with Broker() as running:
        yield running


@pytest.fixture
def peer_at() -> Iterator[PeerMaker]:
    """Makes connected clients of the broker at a port, and ends them after the test."""
    made: list[Peer] = []

    def make(port: int, client_id: str, **options: Any) -> Peer:
        made.append(Peer(port, client_id, **options))
        return made[-1].connect()

    yield make
    for each in made:
        each.disconnect()


@pytest.fixture
def peer(broker: Broker, peer_at: PeerMaker) -> PeerMaker:
    """Makes connected clients of the running broker."""
    return lambda client_id, **options: peer_at(broker.port, client_id, **options)
