"""The snapshot: a copy of ERP's records on this PC, which answers while ERP is away.

Promises: the file is whole or not there (written beside, synced, renamed), whatever dies and whenever; a snapshot of
another ERP, a damaged one and one older than `erp.max_age_s` answer nothing; what it does not hold is never "no such
record", since ERP may have learnt it since; a serial that stood twice, or that could not be used, is not held either.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from edge.adapters import whole_file
from edge.adapters.database import Clock
from edge.adapters.erp import Erp, ErpAwayError, ListedErp, Record
from edge.errors import ErpError, StoreError
from edge.sections_erp import Erp as ErpSettings

log = structlog.get_logger()

#: Records that are written and synced at a time, some 1 MB: the station's own syncs beside it wait no longer than that.
PIECE = 5000
#: After a question that ERP did not answer, the snapshot goes first for so long, so that an outage does not cost every
#: part the wait for ERP; what it does not hold is still asked of ERP.
ERP_LEFT_ALONE_S = 5.0
#: What a sync that died has left behind is removed after so long; no sync takes longer (`erp.sync_timeout_s`).
LEFTOVER_S = 7200
_FORM = 1
_to_json = json.JSONEncoder(ensure_ascii=False).encode
_TABLES = """
CREATE TABLE facts (facts TEXT NOT NULL) STRICT;
CREATE TABLE records (serial TEXT PRIMARY KEY, fields TEXT NOT NULL, used TEXT NOT NULL, times INTEGER NOT NULL)
STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a snapshot says of itself. `at`, `at_us`, `boot`: since when its records are known."""

    identity: str
    source: str
    tag: str
    records: int
    left_out: int
    at: str
    at_us: int
    boot: str
    form: int = _FORM


class Snapshot:
    """One snapshot file of one station. Any thread may ask it; only `sync` writes it."""

    def __init__(self, path: Path, identity: str, *, max_age_s: float, clock: Clock | None = None) -> None:
        self.path = path
        self._identity = identity
        self._max_age_s = max_age_s
        self._clock = clock or Clock()

    def lookup(self, serial: str) -> Record:
        """The record of a serial, as the snapshot has it.

        Raises:
            ErpAwayError: there is no snapshot that counts, or it does not hold the serial; says why.
        """
        with self._opened() as (db, facts):
            age_s = self._young(facts)
            row = db.execute("SELECT fields, used, times FROM records WHERE serial = ?", (serial,)).fetchone()
        if row is None or row[2] != 1:
            why = "does not hold this serial" if row is None else "holds two records of this serial"
            raise ErpAwayError(f"the snapshot, {age_s:.0f} s old, {why}")
        return Record(json.loads(row[0]), f"snapshot:{facts.source}", age_s, row[1])

    def describe(self) -> str:
        """How many records it holds and how old they are, or why it is of no use."""
        try:
            with self._opened() as (_, facts):
                age_s = self._age_s(facts)
        except ErpAwayError as error:
            return str(error)
        old = " (too old: erp.max_age_s)" if age_s > self._max_age_s else ""
        out = f", {facts.left_out} left out" if facts.left_out else ""
        return f"snapshot of {facts.records} records{out}, {age_s:.0f} s old{old}"

    def doubts(self) -> list[str]:
        """Why it would not answer if ERP were away now; empty where it would, or where none was ever made."""
        if not self.path.exists():
            return []
        try:
            with self._opened() as (_, facts):
                self._young(facts)
        except ErpAwayError as error:
            return [str(error)]
        return []

    def age_s(self) -> float | None:
        """How old its records are; None where there is none that counts."""
        try:
            with self._opened() as (_, facts):
                return self._age_s(facts)
        except ErpAwayError:
            return None

    def sync(self, erp: ListedErp, *, limit_s: float, now_s: Callable[[], float] = time.monotonic) -> str:
        """Make it anew from ERP's records; say what it is now. What there was stays until the new one is whole.

        Raises:
            ErpError: ERP could not be asked, or gave no usable record; or the time is over.
            StoreError: the file could not be written.
        """
        try:
            return self._sync(erp, limit_s, now_s)
        except (OSError, sqlite3.Error) as error:
            why = getattr(error, "strerror", None) or error
            raise StoreError(
                f"the snapshot {self.path} could not be written ({why}); the old one stays; see the folder and its disk"
            ) from None

    def _sync(self, erp: ListedErp, limit_s: float, now_s: Callable[[], float]) -> str:
        end_s = now_s() + limit_s
        known = self._known()
        everything = erp.everything("" if known is None else known.tag)
        if everything is None:
            assert known is not None, "ERP compares with a tag only where it was given one"
            facts = self._facts(known.source, known.tag, known.records, known.left_out, age_s=0.0)
            with self._beside() as beside:
                shutil.copyfile(self.path, beside)
                _write_facts(beside, facts)
            return f"{facts.source}: {facts.records} records, unchanged"

        def in_time() -> Iterator[Record | None]:
            for record in everything.records:
                if now_s() > end_s:
                    raise ErpError(
                        f"the snapshot of {everything.source} was not made within {limit_s:.0f} s "
                        "(erp.sync_timeout_s); the old one stays"
                    )
                yield record

        with self._beside() as beside:
            held, left_out = _write_records(beside, in_time())
            if held == 0:
                raise ErpError(
                    f"{everything.source} gave no record that can be used, and {left_out} that cannot; "
                    "the old snapshot stays; see erp.columns"
                )
            facts = self._facts(everything.source, everything.tag, held, left_out, age_s=everything.age_s)
            _write_facts(beside, facts)
        out = f", {left_out} left out (wrong type, no serial, or a serial twice)" if left_out else ""
        return f"{facts.source}: {held} records{out}, {everything.age_s:.0f} s old"

    def _facts(self, source: str, tag: str, records: int, left_out: int, *, age_s: float) -> Facts:
        # `at` says it for a PC that has restarted since, by the wall clock, which ERP's own age is part of.
        clock = self._clock
        at = _earlier(clock.at(), age_s)
        at_us = clock.now_us() - round(age_s * 1e6)
        return Facts(self._identity, source, tag, records, left_out, at, at_us, clock.boot)

    def _known(self) -> Facts | None:
        try:
            with self._opened() as (_, facts):
                return facts
        except ErpAwayError:
            return None

    def _age_s(self, facts: Facts) -> float:
        return self._clock.age_s(facts.at, facts.at_us, facts.boot)

    def _young(self, facts: Facts) -> float:
        """The age of the records, where they still count."""
        age_s = self._age_s(facts)
        if age_s > self._max_age_s:
            raise ErpAwayError(
                f"the snapshot is {age_s:.0f} s old, more than erp.max_age_s, {self._max_age_s:.0f}; "
                "make it anew with edge erp sync, or set erp.sync_every_s"
            )
        return age_s

    @contextmanager
    def _opened(self) -> Iterator[tuple[sqlite3.Connection, Facts]]:
        """The file as it is now: it is opened for each question, so that a new one counts at once."""
        if not self.path.exists():
            raise ErpAwayError(f"there is no snapshot {self.path}; make one with edge erp sync")
        try:
            # A snapshot is never changed, only replaced; SQLite needs no lock and no file beside it.
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
                facts = Facts(**json.loads(db.execute("SELECT facts FROM facts").fetchone()[0]))
                if facts.form != _FORM or facts.identity != self._identity:
                    raise ErpAwayError(
                        f"the snapshot {self.path} is of another [erp]; make a new one with edge erp sync"
                    )
                yield db, facts
        except (sqlite3.Error, ValueError, TypeError) as error:
            what = f"is damaged ({type(error).__name__})" if os.access(self.path, os.R_OK) else "may not be read"
            raise ErpAwayError(f"the snapshot {self.path} {what}; make a new one with edge erp sync") from None

    @contextmanager
    def _beside(self) -> Iterator[Path]:
        """A file to write, which takes the snapshot's place when the block is left without an error."""
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{self.path.name}.new-*"):
            with suppress(FileNotFoundError):
                if time.time() - old.stat().st_mtime > LEFTOVER_S:
                    old.unlink()
        with whole_file.beside(self.path, f"{self.path.name}.new-") as new:
            if os.geteuid() == 0:  # by hand, for a station that runs as the folder's owner
                os.chown(new, folder.stat().st_uid, folder.stat().st_gid)
            yield new


def open_snapshot(config: ErpSettings, path: Path) -> Snapshot:
    """The snapshot of the ERP that `[erp]` describes, whether its file is there or not."""
    return Snapshot(path, config.identity, max_age_s=config.max_age_s)


def _earlier(at: str, age_s: float) -> str:
    then = datetime.fromisoformat(at) - timedelta(seconds=age_s)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _write_records(path: Path, records: Iterable[Record | None]) -> tuple[int, int]:
    """Write a new file; gives how many records it holds, and how many are left out."""
    num_seen = 0
    piece: list[tuple[str, str, str]] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        # Nobody reads the file before it is whole, so it needs no journal; each piece is synced as it is committed.
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = FULL")
        db.executescript(_TABLES)
        for record in records:
            num_seen += 1
            if record is not None and (serial := record.fields.get("serial")):
                piece.append((serial, _to_json(dict(record.fields)), record.used))
            if len(piece) == PIECE:
                _write_piece(db, piece)
                piece = []
        _write_piece(db, piece)
        held = int(db.execute("SELECT count(*) FROM records WHERE times = 1").fetchone()[0])
    return held, num_seen - held


def _write_piece(db: sqlite3.Connection, piece: list[tuple[str, str, str]]) -> None:
    db.execute("BEGIN")
    db.executemany("INSERT INTO records VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1", piece)
    db.execute("COMMIT")


def _write_facts(path: Path, facts: Facts) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("DELETE FROM facts")
        db.execute("INSERT INTO facts VALUES (?)", (json.dumps(asdict(facts)),))


class ErpOrSnapshot:
    """ERP, and while it is away its snapshot. What ERP says about a serial always goes before."""

    def __init__(self, erp: Erp, snapshot: Snapshot, *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._erp = erp
        self._snapshot = snapshot
        self._now_s = now_s
        self._lock = threading.Lock()
        self._away_until_s = 0.0

    def lookup(self, serial: str) -> Record:
        """The record of a serial; see `Erp.lookup`. The snapshot's `source` begins with `snapshot:`."""
        if self._now_s() < self._away_until_s:
            with suppress(ErpAwayError):
                return self._snapshot.lookup(serial)
        try:
            record = self._erp.lookup(serial)
        except ErpAwayError as away:
            self._note(str(away))
            try:
                return self._snapshot.lookup(serial)
            except ErpAwayError as why:
                raise ErpAwayError(f"{away}; {why}") from None
        except ErpError:
            self._note("")
            raise
        self._note("")
        return record

    def close(self) -> None:
        """Close ERP; see `Erp.close`."""
        self._erp.close()

    def _note(self, away: str) -> None:
        """Remember whether ERP answers; the log tells each change once."""
        with self._lock:
            before, self._away_until_s = self._away_until_s, self._now_s() + ERP_LEFT_ALONE_S if away else 0.0
        if away and not before:
            log.warning("erp away, its snapshot answers", why=away, snapshot=self._snapshot.describe())
        elif before and not away:
            log.info("erp answers again")
