"""A real PostgreSQL in a folder of its own, which can be stopped, killed and started again.

It refuses to run as root, so that as root it runs as the user `postgres`, whom the Debian package brings.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from simulator.ports import free_port

OWNER = "owner"
#: Of a database that lives for one run; no log line and no error may hold it.
OWNER_PASSWORD = "owner-hunter2"  # noqa: S105
#: Small: many run beside each other in tests. Nothing is lost by a kill; a power cut may cost a test's folder.
SMALL = (
    "-c fsync=off", "-c max_connections=20", "-c shared_buffers=16MB", "-c max_wal_size=64MB",
)  # fmt: skip
#: For measuring: everything is synced, as at a site.
SYNCED = ("-c max_connections=20", "-c shared_buffers=128MB", "-c max_wal_size=1GB")


class PostgresError(OSError):
    """Raised when PostgreSQL is not there; says what to do."""


class Postgres:
    """A server on a free port of 127.0.0.1, with an owner; made and started at once, gone after `close`."""

    def __init__(self, options: tuple[str, ...] = SMALL, parent: Path | None = None) -> None:
        self.port = free_port()
        self._options = options
        self._binaries = _binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="edge-pg-", dir=parent))
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        password = self._folder / "password"
        password.write_text(OWNER_PASSWORD, encoding="utf-8")
        password.chmod(0o644)
        self._run(
            "initdb", "--pgdata", "data", "--username", OWNER, "--auth", "scram-sha-256", "--pwfile", "password",
            "--no-sync", "--encoding", "UTF8", "--locale", "C",
        )  # fmt: skip
        self.start()

    def url(self, user: str = OWNER, port: int | None = None) -> str:
        """The address without a password."""
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/postgres"

    def start(self) -> None:
        """Start, and return when it answers."""
        where = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        options = " ".join((where, *self._options))
        self._run("pg_ctl", "--pgdata", "data", "--log", "log", "--wait", "--options", options, "start")

    def stop(self, how: str = "fast") -> None:
        """Stop; connections are cut."""
        self._run("pg_ctl", "--pgdata", "data", "--wait", "--mode", how, "stop")

    def kill(self) -> None:
        """End the server and all that it started at once, as a power cut does."""
        main = self.main_process
        with suppress(ProcessLookupError):
            os.kill(main, signal.SIGQUIT)  # its children end without a word; it leaves its files as they are
        with suppress(subprocess.CalledProcessError):
            self.stop("immediate")

    @property
    def main_process(self) -> int:
        """The process id of its postmaster."""
        return int((self._folder / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])

    def close(self) -> None:
        """Stop, and leave nothing behind."""
        with suppress(subprocess.CalledProcessError):
            self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _run(self, binary: str, *words: str) -> None:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        subprocess.run(
            [*as_user, str(self._binaries / binary), *words],
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _binaries() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not folders:
        raise PostgresError("there is no PostgreSQL: sudo apt-get install postgresql")
    return folders[-1]
