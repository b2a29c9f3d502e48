"""One open `edge.db`: durable transactions, time stamps, and every failure as one sentence.

Promise: what a transaction wrote is on the disk when it returns (WAL, `synchronous=FULL`) or not there at all, and
SQLite's own exceptions never leave this file: they become a `StoreError` that names file, fact and remedy.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from edge.adapters import disk, schema
from edge.errors import DiskFullError, StoreError

FILE_NAME = "edge.db"
#: How long a write waits for another process's write. Shorter than the shortest deadline that makes sense.
BUSY_TIMEOUT_MS = 2000
#: After a burst the write-ahead log is cut to this again.
MAX_LOG_BYTES = 64_000_000
#: Free pages of the file that stay for what comes; more are given back to the disk, so many pages at a time.
SPARE_BYTES = 64_000_000
GIVE_BACK_PAGES = 1000
#: With less than this free, a failure of the disk is taken for a full one: SQLite says "I/O error" where its index of
#: the write-ahead log cannot grow.
NO_ROOM_BYTES = 1_000_000

_REMEDY = {
    "SQLITE_BUSY": f"another process has held it for {BUSY_TIMEOUT_MS} ms: stop what else has the file open",
    "SQLITE_LOCKED": "another connection holds it: stop what else has the file open",
    "SQLITE_FULL": f"the disk is full: {disk.REMEDY}",
    "SQLITE_READONLY": "it is read-only: give the user that runs edge write permission on the data folder",
    "SQLITE_PERM": "access was denied: give the user that runs edge write permission on the data folder",
    "SQLITE_CANTOPEN": "it cannot be opened: create the data folder and give the user that runs edge access to it",
    "SQLITE_CORRUPT": "it is damaged: stop edge, keep the file for analysis, and restore a copy or start a new one",
    "SQLITE_NOTADB": "it is not an SQLite database: move it away, or give another data folder",
    "SQLITE_IOERR": "the disk failed to read or write: check the disk (dmesg, smartctl) and its free space",
}


def monotonic_us() -> int:
    """CLOCK_MONOTONIC in microseconds; the same for all processes of a PC until it restarts."""
    return time.monotonic_ns() // 1000


def wall_time(at: datetime | None = None) -> str:
    """A wall time for people, the present one where none is given: RFC 3339, UTC, milliseconds."""
    moment = datetime.now(UTC) if at is None else at.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def boot_id() -> str:
    """Which start of the PC this is: monotonic times of another start cannot be compared with ours."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time stamps come from; tests give their own."""

    now_us: Callable[[], int] = monotonic_us
    at: Callable[[], str] = wall_time
    boot: str = field(default_factory=boot_id)

    def age_s(self, at: str, at_us: int, boot: str) -> float:
        """How long ago something was stamped; by wall time (never below 0) where the PC has restarted since."""
        if boot == self.boot:
            return max(0.0, (self.now_us() - at_us) / 1e6)
        return max(0.0, (datetime.fromisoformat(self.at()) - datetime.fromisoformat(at)).total_seconds())


class Database:
    """A connection to `edge.db` that any thread of a process may use, one at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, data_dir: Path, clock: Clock) -> Database:
        """Open or create the database in a data folder, with its tables up to date.

        Raises:
            StoreError: It cannot be opened, or is damaged, or comes from a later version of edge.
        """
        path = data_dir / FILE_NAME
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the data folder {data_dir} cannot be created ({error.strerror}): "
                "create it and give the user that runs edge access to it"
            ) from error
        with _named(path):
            connection = sqlite3.connect(
                path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False
            )
            try:
                # Works on a new file alone; one of before keeps its size, and uses its free pages again.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                _turn_to_wal(connection)
                connection.execute(f"PRAGMA journal_size_limit = {MAX_LOG_BYTES}")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                schema.migrate(connection, str(path))
            except BaseException:
                connection.close()
                raise
        return cls(connection, path, clock)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write: all of the block or nothing of it, on the disk when the block is left.

        Raises:
            StoreError: It could not be written; nothing of it was.
        """
        with self._lock, _named(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite itself has rolled back after some errors (a full disk).
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read: one consistent state of all tables.

        Raises:
            StoreError: It could not be read.
        """
        with self._lock, _named(self.path):
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def used_bytes(self) -> int:
        """How much of the file is in use."""
        with self.reading() as db:
            pages, free, size = _pages(db)
        return (pages - free) * size

    def give_back(self) -> int:
        """Give some of the free pages back to the disk, where there are more than are to be spared; bytes given."""
        with self.transaction() as db:
            pages, free, size = _pages(db)
            if free * size > SPARE_BYTES:
                db.execute(f"PRAGMA incremental_vacuum({GIVE_BACK_PAGES})").fetchall()
            return (pages - _pages(db)[0]) * size

    def close(self) -> None:
        """Close the connection; what was written stays."""
        with self._lock:
            self._connection.close()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", None) or ""
        remedy = next((text for name, text in _REMEDY.items() if code.startswith(name)), None)
        is_full = code == "SQLITE_FULL" or (code.startswith("SQLITE_IOERR") and _has_no_room(path))
        kind = DiskFullError if is_full else StoreError
        remedy = _REMEDY["SQLITE_FULL"] if is_full else remedy
        raise kind(f"{path} could not be used: {remedy or f'{error} ({code}): report this with the log'}") from error


def _has_no_room(path: Path) -> bool:
    try:
        return disk.free_bytes(path.parent) < NO_ROOM_BYTES
    except OSError:
        return False


def _pages(db: sqlite3.Connection) -> tuple[int, int, int]:
    """Pages of the file, free ones among them, and the size of one in bytes."""
    names = ("page_count", "freelist_count", "page_size")
    pages, free, size = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in names)
    return pages, free, size


def _turn_to_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait (busy_timeout) for the change of journal mode, so two processes that start together on a
    # new file would find it locked.
    deadline_us = monotonic_us() + BUSY_TIMEOUT_MS * 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or monotonic_us() > deadline_us:
                raise
            time.sleep(0.01)
        else:
            return
