"""A real PostgreSQL for the tests, in a folder of its own: started, stopped, frozen and restarted as told.

It refuses to run as root, so that as root it runs as the user `postgres`, whom the Debian package brings.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg

from tests.brokers import free_port

#: Passwords that no log line and no error may hold.
OWNER_PASSWORD = "owner-hunter2"
READER_PASSWORD = "reader-hunter2"
READER = "edge_reader"


def _binaries() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    assert folders, "the tests need PostgreSQL: sudo apt-get install postgresql"
    return folders[-1]


class Postgres:
    """A server on a free port of 127.0.0.1, with an owner, and a user who may do nothing until it is granted."""

    def __init__(self) -> None:
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="edge-pg-"))
        self._binaries = _binaries()
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        password = self._folder / "password"
        password.write_text(OWNER_PASSWORD, encoding="utf-8")
        password.chmod(0o644)
        self._run(
            "initdb", "--pgdata", "data", "--username", "owner", "--auth", "scram-sha-256", "--pwfile", "password",
            "--no-sync", "--encoding", "UTF8", "--locale", "C",
        )  # fmt: skip
        self.start()
        self.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{READER_PASSWORD}'")

    def url(self, user: str = READER, port: int | None = None) -> str:
        """The address without a password."""
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/postgres"

    def start(self) -> None:
        """Start, and return when it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        options += " -c max_connections=20 -c shared_buffers=16MB -c max_wal_size=64MB"
        self._run("pg_ctl", "--pgdata", "data", "--log", "log", "--wait", "--options", options, "start")

    def stop(self, how: str = "fast") -> None:
        """Stop; connections are cut."""
        self._run("pg_ctl", "--pgdata", "data", "--wait", "--mode", how, "stop")

    def close(self) -> None:
        """Stop, and leave nothing behind."""
        with suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def execute(self, *statements: LiteralString, values: tuple[Any, ...] = ()) -> None:
        """Run statements as the owner."""
        with psycopg.connect(self.url("owner"), password=OWNER_PASSWORD, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement, values or None)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let no process of it run: connections stand, and nobody answers."""
        main = int((self._folder / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])
        family = [main, *(child.pid for child in psutil.Process(main).children(recursive=True))]
        for process in family:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in family:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def _run(self, binary: str, *words: str) -> None:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        subprocess.run(
            [*as_user, str(self._binaries / binary), *words],
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


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
