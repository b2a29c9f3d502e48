"""MQTT 5 on sockets for the tests' brokers and ears, by the `mqtt5` package: it shares no code with what they test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import mqtt5


class Server:
    """Takes connections on a port of its own, and serves each in a thread."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._socket.getsockname()[1])
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every connection, and wait until each is served."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for client in self._connections:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._connections.values():
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self._connections = {each: thread for each, thread in self._connections.items() if thread.is_alive()}
            self._connections[client] = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._connections[client].start()


def packets(connection: socket.socket) -> Iterator[Any]:
    """The packets that come until the other side ends."""
    with suppress(OSError):
        for packet, _ in packets_of(lambda: connection.recv(65_536)):
            yield packet


def packets_of(receive: Callable[[], bytes]) -> Iterator[tuple[Any, int]]:
    """Each packet with its size in bytes, of what comes in any pieces until there is no more."""
    buffer = b""
    while data := receive():
        buffer += data
        while buffer:
            try:
                packet, size = mqtt5.read(memoryview(buffer))
            except IndexError:
                break
            buffer = buffer[size:]
            yield packet, size


def puback(packet_id: int, code: int) -> bytes:
    """A PUBACK with any reason code, also one that the standard does not know."""
    return bytes((0x40, 3, packet_id >> 8, packet_id & 0xFF, code))
