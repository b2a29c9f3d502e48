"""A real PostgreSQL for the tests, and a wire to it that can go deaf."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, LiteralString

import psutil
import psycopg

import simulator.postgres
from simulator.postgres import OWNER, OWNER_PASSWORD

__all__ = ["OWNER_PASSWORD", "READER", "READER_PASSWORD", "DeafWire", "Postgres"]

#: Beside the owner's, a password that no log line and no error may hold.
READER_PASSWORD = "reader-hunter2"
READER = "edge_reader"


class Postgres(simulator.postgres.Postgres):
    """A server with an owner, and a user who may do nothing until it is granted."""

    def __init__(self) -> None:
        super().__init__()
        self.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{READER_PASSWORD}'")

    def url(self, user: str = READER, port: int | None = None) -> str:
        """The address without a password."""
        return super().url(user, port)

    def execute(self, *statements: LiteralString, values: tuple[Any, ...] = ()) -> None:
        """Run statements as the owner."""
        with psycopg.connect(self.url(OWNER), password=OWNER_PASSWORD, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement, values or None)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let no process of it run: connections stand, and nobody answers."""
        main = self.main_process
        family = [main, *(child.pid for child in psutil.Process(main).children(recursive=True))]
        for process in family:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in family:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)


class DeafWire:
    """A wire to a server that can stop carrying anything, as a firewall does that has forgotten the connection."""

    def __init__(self, to_port: int) -> None:
        self.deaf = threading.Event()
        self._to_port = to_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._sockets: list[socket.socket] = [self._server]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._to_port))
                self._sockets += [near, far]
                old = threading.Event()  # what was connected before the wire went deaf stays deaf
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(one, other, old), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, old: threading.Event) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if self.deaf.is_set():
                    old.set()
                if not old.is_set():
                    other.sendall(data)
