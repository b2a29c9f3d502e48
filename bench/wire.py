"""A broker and a subscriber for the benchmarks of the messenger: a real mosquitto, and an ear that costs little.

The ear speaks just enough MQTT 5 to subscribe and to count: at 3 µs a message it takes no part of the two cores from
what is measured. It hears with QoS 0, over which a broker on the same host loses nothing unless it says so.
"""

from __future__ import annotations

import multiprocessing
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from simulator.mosquitto import Mosquitto

_SEQ = re.compile(rb'"seq":(\d+)')
PATIENCE_S = 20.0


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """A running mosquitto as Debian configures it (persistence, saved every half hour); gives its port."""
    with Mosquitto(folder, "max_queued_messages 0", saves_at_once=False) as broker:
        yield broker.port


def packets(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """First byte and body of each MQTT packet that comes."""
    buffer, at = b"", 0
    while True:
        length, shift, head = 0, 0, at + 1
        complete = False
        while head < len(buffer) and not complete:
            length |= (buffer[head] & 0x7F) << shift
            complete = buffer[head] < 0x80
            shift, head = shift + 7, head + 1
        if complete and head + length <= len(buffer):
            yield buffer[at], buffer[head : head + length]
            at = head + length
            continue
        data = connection.recv(1 << 18)
        if not data:
            return
        buffer, at = buffer[at:] + data, 0


def subscribe(port: int, topic: str) -> socket.socket:
    """A connection that hears a topic with QoS 0."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    client_id = b"bench-ear-%d" % time.monotonic_ns()
    body = b"\x00\x04MQTT\x05\x02\x00\x00\x00" + len(client_id).to_bytes(2, "big") + client_id
    connection.sendall(b"\x10" + bytes([len(body)]) + body)
    asked = topic.encode()
    body = b"\x00\x01\x00" + len(asked).to_bytes(2, "big") + asked + b"\x00"
    connection.sendall(b"\x82" + bytes([len(body)]) + body)
    for kind, _ in packets(connection):
        if kind == 0x90:
            break
    connection.settimeout(None)
    return connection


class Ear:
    """A process that hears outcomes and keeps how many came, in which order, and when the first did."""

    def __init__(self, port: int, topic: str) -> None:
        self._here, there = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_listen, args=(port, topic, there), daemon=True)
        self._process.start()
        self._here.recv()

    def heard(self) -> tuple[int, int, int, float]:
        """So far: messages, the highest `seq` up to which none is missing, steps back in `seq`, time of the first."""
        self._here.send(None)
        told: tuple[int, int, int, float] = self._here.recv()
        return told

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.join()


def _listen(port: int, topic: str, there: Connection) -> None:
    connection = subscribe(port, topic)
    told = [0, 0, 0, 0.0]

    def answer() -> None:
        there.send(None)
        while True:
            there.recv()
            there.send(tuple(told))

    threading.Thread(target=answer, daemon=True).start()
    count, whole, last, back, first_s = 0, 0, 0, 0, 0.0
    early: set[int] = set()
    for kind, body in packets(connection):
        if kind >> 4 != 3:
            continue
        first_s = first_s or time.monotonic()
        found = _SEQ.search(body)
        seq = int(found[1]) if found else 0
        count, back, last = count + 1, back + (seq < last), seq
        early.add(seq)
        while whole + 1 in early:
            whole += 1
            early.discard(whole)
        told[:] = count, whole, back, first_s
