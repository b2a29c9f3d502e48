"""What the store keeps so that an inspection can be played again elsewhere: trigger, course, outcome, configuration.

Promise: whoever records reads here, and writes nothing: the measuring path knows nothing of it. SQL of courses and
configurations.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.adapters.database import Database

#: Configurations that are kept. One is some 10 kB, and each change of a setting makes one.
MAX_CONFIGURATIONS = 1000

_PART = """SELECT outcomes.seq, outcomes.inspection_id, triggers.source, triggers.at, outcomes.at, payload, course,
    triggers.expected FROM outcomes JOIN triggers USING (inspection_id) WHERE outcomes.station = ?"""


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """One evidence file of an outcome, below the data folder."""

    attempt: int
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class RecordedPart:
    """One inspection as it is kept. `course` is None of one that an earlier edge decided.

    `source`, `triggered_at` and `expected` (what MES said of the part) are its trigger's; `payload` is the outcome as
    it was or will be published.
    """

    seq: int
    inspection_id: str
    source: str
    triggered_at: str
    at: str
    payload: bytes
    course: str | None
    expected: Mapping[str, str] | None
    frames: tuple[KeptFrame, ...] = ()


class Recorded:
    """The recorded inspections of one station."""

    def __init__(self, database: Database, station: str) -> None:
        self._database = database
        self._station = station

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def keep_configuration(self, *texts: str) -> str:
        """Keep texts that outcomes are decided by, each under its SHA-256; give that of the last one.

        Raises:
            StoreError: They could not be written.
        """
        at = self._database.clock.at()
        rows = [(hashlib.sha256(text.encode()).hexdigest(), at, text) for text in texts]
        with self._database.transaction() as db:
            db.executemany(
                "INSERT INTO configurations VALUES (?, ?, ?) ON CONFLICT (sha256) DO UPDATE SET at = excluded.at", rows
            )
            db.execute(
                """DELETE FROM configurations WHERE sha256 NOT IN
                   (SELECT sha256 FROM configurations ORDER BY at DESC LIMIT ?)""",
                (MAX_CONFIGURATIONS,),
            )
        return rows[-1][0]

    def configuration(self, sha256: str) -> str | None:
        """The text of this SHA-256; None where it is not kept."""
        with self._database.reading() as db:
            row = db.execute("SELECT text FROM configurations WHERE sha256 = ?", (sha256,)).fetchone()
        return None if row is None else str(row[0])

    def newest_seq(self) -> int:
        """The `seq` of the newest outcome, 0 where there is none."""
        with self._database.reading() as db:
            row = db.execute("SELECT max(seq) FROM outcomes WHERE station = ?", (self._station,)).fetchone()
        return row[0] or 0

    def part(self, inspection_id: str) -> RecordedPart | None:
        """One inspection; None where it has no outcome at this station."""
        with self._database.reading() as db:
            row = db.execute(f"{_PART} AND outcomes.inspection_id = ?", (self._station, inspection_id)).fetchone()
            return None if row is None else self._part(db, row)

    def after(self, seq: int, limit: int, *, since: str = "", until: str = "9") -> Sequence[RecordedPart]:
        """Some inspections behind a `seq`, oldest first, of a span of wall time (`until` not within it)."""
        with self._database.reading() as db:
            rows = db.execute(
                f"{_PART} AND outcomes.seq > ? AND outcomes.at >= ? AND outcomes.at < ? ORDER BY outcomes.seq LIMIT ?",
                (self._station, seq, since, until, limit),
            ).fetchall()
            return [self._part(db, row) for row in rows]

    def _part(self, db: sqlite3.Connection, row: tuple[Any, ...]) -> RecordedPart:
        frames = db.execute(
            """SELECT attempt, path, sha256 FROM evidence WHERE inspection_id = ? AND removed_at IS NULL
               ORDER BY attempt, path""",
            (row[1],),
        ).fetchall()
        seq, inspection_id, source, triggered_at, at, payload, course, expected = row
        return RecordedPart(
            seq=seq,
            inspection_id=inspection_id,
            source=source,
            triggered_at=triggered_at,
            at=at,
            payload=payload,
            course=course,
            expected=None if expected is None else json.loads(expected),
            frames=tuple(KeptFrame(*frame) for frame in frames),
        )
