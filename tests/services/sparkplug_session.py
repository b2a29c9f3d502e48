"""One life of a Sparkplug edge node at a real mosquitto, heard twice: packet by packet on its way, and by a subscriber.

The messenger is the real one, built from settings. Its payloads are read by protobuf's own parser.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import mqtt5
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from edge.adapters.store import Store
from edge.core.outcome import FieldOutcome, Outcome, Reason
from edge.core.reading import FieldReading
from edge.services import messenger
from edge.services.sparkplug import MirroredLink
from tests.brokers import Ear, mosquitto, wait_for
from tests.services.configured import AT, configure, running
from tests.wire import packets

GROUP, NODE = "s:l", "st"
NBIRTH, NDATA, NDEATH, NCMD = (f"spBv1.0/{GROUP}/{kind}/{NODE}" for kind in ("NBIRTH", "NDATA", "NDEATH", "NCMD"))

#: Numbers and types of the definition's fields, as chapter 6 of Sparkplug 3.0 gives them.
_PAYLOAD = {"timestamp": (1, "UINT64"), "seq": (3, "UINT64"), "uuid": (4, "STRING"), "body": (5, "BYTES")}
_METRIC = {
    "name": (1, "STRING"),
    "alias": (2, "UINT64"),
    "timestamp": (3, "UINT64"),
    "datatype": (4, "UINT32"),
    "is_historical": (5, "BOOL"),
    "is_transient": (6, "BOOL"),
    "is_null": (7, "BOOL"),
    "int_value": (10, "UINT32"),
    "long_value": (11, "UINT64"),
    "float_value": (12, "FLOAT"),
    "double_value": (13, "DOUBLE"),
    "boolean_value": (14, "BOOL"),
    "string_value": (15, "STRING"),
    "bytes_value": (16, "BYTES"),
}


def _definition() -> Any:
    """The class of payloads, made by protobuf from the definition."""
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug_b.proto", package="spb", syntax="proto2")
    payload = file.message_type.add(name="Payload")
    metric = payload.nested_type.add(name="Metric")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in ((payload, _PAYLOAD), (metric, _METRIC)):
        for name, (number, kind) in fields.items():
            message.field.add(name=name, number=number, type=kinds.Type.Value(f"TYPE_{kind}"), label=1)
    payload.field.add(
        name="metrics", number=2, type=kinds.TYPE_MESSAGE, label=kinds.LABEL_REPEATED, type_name=".spb.Payload.Metric"
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("spb.Payload"))


Payload = _definition()


def read(raw: bytes) -> Any:
    """A payload as protobuf's parser reads it."""
    return Payload.FromString(raw)


def metrics(raw: bytes) -> dict[str, Any]:
    """The metrics of a payload by name."""
    return {metric.name: metric for metric in read(raw).metrics}


def rebirth(*, name: str = "Node Control/Rebirth", value: bool = True) -> bytes:
    """The command of a host application that asks for a birth."""
    asked = Payload(timestamp=1)
    asked.metrics.add(name=name, boolean_value=value, timestamp=1)
    return cast(bytes, asked.SerializeToString())


class Tap:
    """Stands between clients and the broker, and remembers each connection's packets, oldest first."""

    def __init__(self, broker_port: int) -> None:
        self.connections: list[list[Any]] = []
        self._broker_port = broker_port
        self._sockets: list[tuple[list[Any], socket.socket]] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def of_view(self) -> list[list[Any]]:
        """The connections of the view, as far as their CONNECT has come."""
        return [sent for sent in self.connections if sent and sent[0].client_id.endswith("-sparkplug")]

    def cut_view(self) -> None:
        """Cut the view's newest connection, as a pulled cable does."""
        sent = self.of_view()[-1]
        for connection, client in self._sockets:
            if connection is sent:
                with suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                broker = socket.create_connection(("127.0.0.1", self._broker_port))
                sent: list[Any] = []
                self.connections.append(sent)
                self._sockets.append((sent, client))
                threading.Thread(target=self._forward, args=(client, broker, sent), daemon=True).start()
                threading.Thread(target=self._forward, args=(broker, client, None), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, sent: list[Any] | None) -> None:
        """Pass bytes on at once, and read what a client sends from a copy of them."""
        ours, theirs = socket.socketpair()
        reader = threading.Thread(target=self._note, args=(theirs, sent), daemon=True)
        reader.start()
        with suppress(OSError):
            while data := source.recv(65536):
                if sent is not None:
                    ours.sendall(data)
                target.sendall(data)
        for each in (ours, source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        reader.join()
        theirs.close()

    def _note(self, source: socket.socket, sent: list[Any] | None) -> None:
        for packet in packets(source):
            if sent is not None:
                sent.append(packet)


@dataclass
class Life:
    """What was heard of one node: `sent` by connection, packet by packet; `heard` by a subscriber."""

    sent: list[list[Any]] = field(default_factory=list)
    heard: list[mqtt5.PublishPacket] = field(default_factory=list)

    def on(self, topic: str) -> list[mqtt5.PublishPacket]:
        """What a subscriber heard on a topic."""
        return [packet for packet in self.heard if packet.topic == topic]

    def published(self, number: int) -> list[mqtt5.PublishPacket]:
        """What the node published on its n-th connection."""
        return [packet for packet in self.sent[number] if isinstance(packet, mqtt5.PublishPacket)]


def live(folder: Path) -> Life:
    """A node from its birth to its leave: outcomes, two rebirths, 300 messages more, a cut cable, a new connection."""
    with mosquitto(folder) as broker:
        tap = Tap(broker.port)
        ear = Ear(broker.port, topics=("spBv1.0/#",))
        with station(folder, tap.port) as (store, link):

            def told(topic: str, number: int) -> None:
                wait_for(lambda: len(ear.on(topic.removeprefix("spBv1.0"))) >= number, f"{number} x {topic}")

            told(NBIRTH, 1)
            inspect(store, 1, Reason.MATCHED)
            inspect(store, 2, Reason.MISMATCH)
            wait_for(lambda: _seq_told(ear) == 2, "the second outcome")
            ear.publish(NCMD, rebirth(value=False))
            ear.publish(NCMD, rebirth(name="Node Control/Reboot"))
            ear.publish(NCMD, b"\xff\xff no protobuf")
            ear.publish(NCMD, rebirth())
            told(NBIRTH, 2)
            for number in range(300):
                link._view.show({"Outcome/Trigger id": f"shown-{number}"}, 1)
            wait_for(lambda: _told(ear, "Outcome/Trigger id").string_value == "shown-299", "all data")
            tap.cut_view()
            told(NDEATH, 1)
            told(NBIRTH, 3)
            inspect(store, 3, Reason.DEADLINE)
            wait_for(lambda: _seq_told(ear) == 3, "the third outcome")
        told(NDEATH, 3)
        heard = list(ear.heard)
        ear.close()
        tap.close()
        return Life(tap.of_view(), heard)


def _told(ear: Ear, name: str) -> Any:
    """The metric as it was told last."""
    values = [metrics(packet.payload).get(name) for packet in list(ear.heard) if "/NDATA/" in packet.topic]
    return next((value for value in reversed(values) if value is not None), None)


def _seq_told(ear: Ear) -> int:
    told = _told(ear, "Outcome/Seq")
    return 0 if told is None else int(told.long_value)


@contextmanager
def station(folder: Path, port: int) -> Iterator[tuple[Store, MirroredLink]]:
    """A running messenger with the view, by its store and its link."""
    configured = configure(folder, f"port = {port}\n[messenger]\nsparkplug = true")
    made = messenger.build(configured)
    with running(configured, made) as store:
        yield store, cast(MirroredLink, made._link)


def inspect(store: Store, number: int, reason: Reason) -> None:
    """One outcome."""
    inspection_id, _ = store.add_trigger(f"t{number}", expected=None, source="x", at=AT, at_us=1)
    fields = {"serial": FieldOutcome(FieldReading("serial", raw=f"SN{number}", text=f"SN{number}"))}
    outcome = Outcome(inspection_id, f"t{number}", reason, fields=fields, ms={"total": 321.0})
    store.commit(outcome, topic="edge/v1/s/l/st/outcome", config_hash="c", at=AT)
