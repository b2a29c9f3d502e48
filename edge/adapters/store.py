"""The store: triggers, outcomes, and what is to be told of them, in one SQLite file that a power cut cannot tear.

Promises: a trigger is on the disk when `add_trigger` returns; an outcome, its evidence rows and its outbox row are
one transaction (L2); an inspection has at most one outcome, whose bytes never change; `seq` has no gap; triggers ==
outcomes + open triggers, always (L1). SQL of the store stands in this folder only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from edge.adapters import outbox
from edge.adapters.alarms import Alarms
from edge.adapters.confirmations import Confirmations
from edge.adapters.database import Clock, Database
from edge.adapters.disk import Disk
from edge.adapters.kept import Kept
from edge.adapters.outbox import Outbox
from edge.adapters.payload import clean, outcome_payload
from edge.adapters.recorded import Recorded
from edge.adapters.rows import InspectionIds, OutcomeRow, TriggerRow
from edge.core.alarm import USUAL, AlarmPolicy
from edge.core.figures import counted
from edge.core.outcome import SCHEMA, Outcome, Reason
from edge.core.release import ReleaseName
from edge.errors import StoreError, UseError

__all__ = ["InspectionIds", "LimitError", "OutcomeRow", "Store", "TriggerRow"]

#: Triggers accepted and not begun. A line makes one part at a time: so many waiting means that nobody inspects.
MAX_WAITING_TRIGGERS = 1000
#: Expected parts announced and not used by a trigger.
MAX_WAITING_EXPECTATIONS = 1000

_OUTCOME = """SELECT seq, inspection_id, disposition, reason, at, total_ms, payload, closed_as, confirmed_at
    FROM outcomes LEFT JOIN closed_outcomes USING (number) WHERE outcomes.station = ? AND"""


class LimitError(StoreError):
    """Raised when a queue of the store is full; `limit` is the limit's name."""

    def __init__(self, limit: str, sentence: str) -> None:
        self.limit = limit
        super().__init__(sentence)


class Store:
    """`edge.db` as one station sees it. Inspector, messenger, panel and command line each open their own."""

    def __init__(self, database: Database, station: str, disk: Disk | None = None, alarm: AlarmPolicy = USUAL) -> None:
        self.alarms = Alarms(database, station, alarm)
        self.disk = disk or Disk(database.path.parent)
        self.outbox = Outbox(database, station)
        self.kept = Kept(database, station)
        self.confirmations = Confirmations(database, station)
        self.recorded = Recorded(database, station)
        self.station = station
        self._database = database
        self._new_id = InspectionIds()

    @classmethod
    def open(
        cls,
        data_dir: Path,
        station: str,
        *,
        clock: Clock | None = None,
        reserve_bytes: int = 0,
        alarm: AlarmPolicy = USUAL,
    ) -> Store:
        """Open the store in a data folder; create folder, file and tables where they are missing.

        No new trigger is taken while less than `reserve_bytes` is free on its disk.

        Raises:
            StoreError: It cannot be opened, is damaged, or comes from a later version of edge.
        """
        return cls(Database.open(data_dir, clock or Clock()), station, Disk(data_dir, reserve_bytes), alarm)

    def close(self) -> None:
        """Close the file; what was written stays."""
        self._database.close()

    def add_expectation(self, expected: Mapping[str, str], command_id: str, *, repeatable: bool = True) -> bool:
        """Keep what the part that comes next should be; say whether it is new (a repeated command is not).

        Args:
            expected: Field name to text.
            command_id: The key by which a repeat is recognised.
            repeatable: False where the id was made up for a command that cannot be a repeat.

        Raises:
            LimitError: Too many expected parts wait for their trigger.
        """
        with self._database.transaction() as db:
            if repeatable and self._knows_expectation(db, command_id):
                return False
            (waiting,) = db.execute(
                "SELECT count(*) FROM expectations WHERE station = ? AND inspection_id IS NULL", (self.station,)
            ).fetchone()
            if waiting >= MAX_WAITING_EXPECTATIONS:
                raise LimitError(
                    "max_waiting_expectations",
                    f"{waiting} expected parts wait for their trigger at station {self.station}, which is the limit: "
                    "send one cmd/expect for each part, shortly before its trigger",
                )
            db.execute(
                "INSERT INTO expectations (station, command_id, expected) VALUES (?, ?, ?)",
                (self.station, command_id, json.dumps(dict(expected))),
            )
        return True

    def add_trigger(
        self, trigger_id: str, *, expected: Mapping[str, str] | None, source: str, at: str, at_us: int
    ) -> tuple[str, bool]:
        """Accept a trigger: it is on the disk when this returns. A repeat gives the inspection it began.

        Without `expected` the oldest unused expectation is taken, in the same transaction.

        Returns:
            The inspection id, and whether the trigger is new.

        Raises:
            LimitError: Too many triggers wait for the inspector.
            DiskFullError: Too little is free on the disk; nothing was written.
        """
        with self._database.transaction() as db:
            known = self._inspection_of(db, trigger_id)
            if known is not None:
                return known, False
            self.disk.need_room()
            (waiting,) = db.execute(
                "SELECT count(*) FROM triggers WHERE station = ? AND seq IS NULL AND begun_us IS NULL", (self.station,)
            ).fetchone()
            if waiting >= MAX_WAITING_TRIGGERS:
                raise LimitError(
                    "max_waiting_triggers",
                    f"{waiting} triggers wait for the inspector of station {self.station}, which is the limit: "
                    "check that `edge inspector` runs",
                )
            inspection_id = self._new_id()
            kept = None if expected is None else json.dumps(dict(expected))
            if kept is None:
                kept = self._take_expectation(db, inspection_id)
            db.execute(
                """INSERT INTO triggers (station, inspection_id, trigger_id, source, expected, at, at_us, boot)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (self.station, inspection_id, trigger_id, source, kept, at, at_us, self._database.clock.boot),
            )
            outbox.count(db, self.station, "triggers")
        return inspection_id, True

    def inspection_of(self, trigger_id: str) -> str | None:
        """The inspection that a trigger has begun; None where the trigger is not known."""
        with self._database.reading() as db:
            return self._inspection_of(db, trigger_id)

    def knows_expectation(self, command_id: str) -> bool:
        """Whether an expected part was announced under this id."""
        with self._database.reading() as db:
            return self._knows_expectation(db, command_id)

    def next_trigger(self) -> TriggerRow | None:
        """The oldest trigger that nobody has begun, now marked as begun on the disk; None where there is none."""
        with self._database.transaction() as db:
            rows = self._triggers(db, "begun_us IS NULL", limit=1)
            if not rows:
                return None
            db.execute(
                "UPDATE triggers SET begun_us = ? WHERE inspection_id = ?",
                (self._database.clock.now_us(), rows[0].inspection_id),
            )
            return rows[0]

    def interrupted(self) -> list[TriggerRow]:
        """Triggers that were begun and have no outcome, oldest first. For the inspector, before it begins others."""
        with self._database.reading() as db:
            return self._triggers(db, "begun_us IS NOT NULL", limit=-1)

    def waiting_triggers(self) -> list[TriggerRow]:
        """Triggers that nobody has begun, oldest first."""
        with self._database.reading() as db:
            return self._triggers(db, "begun_us IS NULL", limit=-1)

    def commit(
        self,
        outcome: Outcome,
        *,
        topic: str,
        config_hash: str,
        at: str,
        course: str | None = None,
        release: ReleaseName | None = None,
    ) -> int:
        """Write an outcome, its course, its evidence rows and its outbox row in one transaction; give its `seq`.

        The very same outcome again (after a failure that did not say whether it was written) gives the same `seq`.

        Raises:
            StoreError: It could not be written; nothing of it was.
            UseError: The inspection is unknown, or has another outcome already.
        """
        payload_of = partial(outcome_payload, outcome, station=self.station, config_hash=config_hash, release=release)
        with self._database.transaction() as db:
            ids = self.station, outcome.inspection_id
            trigger = _one(db, "SELECT seq FROM triggers WHERE station = ? AND inspection_id = ?", *ids)
            if trigger is None:
                raise UseError(
                    f"inspection {outcome.inspection_id} has no trigger at station {self.station}: "
                    "an outcome is committed once for an inspection id that add_trigger gave"
                )
            if trigger[0] is not None:
                return self._same_outcome(db, outcome, trigger[0], payload_of)
            # One counter is both `outcomes` and the last `seq`: they cannot drift apart.
            seq = outbox.count(db, self.station, "outcomes")
            for name, by in counted(outcome).items():
                outbox.count(db, self.station, name, by)
            self.alarms.note(db, outcome, seq, at)
            self._insert_outcome(db, outcome, seq, at, payload=payload_of(seq=seq, at=at), course=course)
            outbox.add(
                db,
                self._database,
                self.station,
                kind="outcome",
                inspection_id=outcome.inspection_id,
                topic=topic,
                payload=None,
                properties={"inspection_id": outcome.inspection_id, "seq": str(seq), "schema": SCHEMA},
            )
        return seq

    def add_message(
        self, topic: str, payload: bytes, properties: Mapping[str, str], *, kind: str, inspection_id: str | None
    ) -> int:
        """Put another message (a retake request) into the outbox, in order with the outcomes; give its row."""
        if kind == "outcome":
            raise UseError("an outcome reaches the outbox by `commit` alone: give another kind")
        with self._database.transaction() as db:
            return outbox.add(
                db,
                self._database,
                self.station,
                kind=kind,
                inspection_id=inspection_id,
                topic=topic,
                payload=payload,
                properties=properties,
            )

    def earlier_pass(self, serial: str, inspection_id: str) -> str | None:
        """The first other inspection that passed a part with this serial; None where there is none."""
        with self._database.reading() as db:
            row = _one(
                db,
                """SELECT inspection_id FROM passed_serials WHERE serial = ? AND inspection_id <> ?
                   ORDER BY inspection_id LIMIT 1""",
                clean(serial),
                inspection_id,
            )
        return None if row is None else str(row[0])

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter that `counts` shows (a command refused, a limit reached)."""
        with self._database.transaction() as db:
            outbox.count(db, self.station, name, number)

    def counts(self) -> dict[str, int]:
        """Every counter of the station since it was installed: triggers, outcomes, `figures` and others."""
        with self._database.reading() as db:
            rows = db.execute("SELECT name, value FROM counts WHERE station = ? ORDER BY name", (self.station,))
            return {"triggers": 0, "outcomes": 0} | dict(rows.fetchall())

    def outcome(self, inspection_id: str) -> OutcomeRow | None:
        """One outcome; None where the inspection has none."""
        with self._database.reading() as db:
            row = _one(db, f"{_OUTCOME} inspection_id = ?", self.station, inspection_id)
        return None if row is None else OutcomeRow(*row)

    def outcomes(self, *, since: str = "", limit: int = 100) -> list[OutcomeRow]:
        """The newest outcomes, newest first; `since` is a wall time (RFC 3339, UTC)."""
        with self._database.reading() as db:
            rows = db.execute(f"{_OUTCOME} at >= ? ORDER BY seq DESC LIMIT ?", (self.station, since, limit)).fetchall()
        return [OutcomeRow(*row) for row in rows]

    @staticmethod
    def stations(data_dir: Path) -> list[str]:
        """The stations that a data folder holds outcomes of.

        Raises:
            StoreError: the store cannot be opened.
        """
        database = Database.open(data_dir, Clock())
        try:
            with database.reading() as db:
                return [name for (name,) in db.execute("SELECT DISTINCT station FROM counts ORDER BY station")]
        finally:
            database.close()

    def latencies_ms(self, limit: int) -> list[float]:
        """Total times of the newest outcomes that have one."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT total_ms FROM outcomes WHERE station = ? ORDER BY seq DESC LIMIT ?", (self.station, limit)
            ).fetchall()
        return [total_ms for (total_ms,) in rows if total_ms is not None]

    def _inspection_of(self, db: sqlite3.Connection, trigger_id: str) -> str | None:
        row = _one(
            db, "SELECT inspection_id FROM triggers WHERE station = ? AND trigger_id = ?", self.station, trigger_id
        )
        return None if row is None else str(row[0])

    def _knows_expectation(self, db: sqlite3.Connection, command_id: str) -> bool:
        statement = "SELECT 1 FROM expectations WHERE station = ? AND command_id = ?"
        return _one(db, statement, self.station, command_id) is not None

    def _take_expectation(self, db: sqlite3.Connection, inspection_id: str) -> str | None:
        row = _one(
            db,
            """SELECT number, expected FROM expectations WHERE station = ? AND inspection_id IS NULL
               ORDER BY number LIMIT 1""",
            self.station,
        )
        if row is None:
            return None
        db.execute("UPDATE expectations SET inspection_id = ? WHERE number = ?", (inspection_id, row[0]))
        return str(row[1])

    def _triggers(self, db: sqlite3.Connection, condition: str, *, limit: int) -> list[TriggerRow]:
        clock = self._database.clock
        rows = db.execute(
            f"""SELECT inspection_id, trigger_id, source, expected, at, at_us, boot FROM triggers
                WHERE station = ? AND seq IS NULL AND {condition} ORDER BY number LIMIT ?""",  # noqa: S608 - constants
            (self.station, limit),
        ).fetchall()
        return [
            TriggerRow(
                inspection_id=inspection_id,
                trigger_id=trigger_id,
                source=source,
                expected=None if expected is None else json.loads(expected),
                at=at,
                at_us=at_us,
                age_s=clock.age_s(at, at_us, boot),
                this_boot=boot == clock.boot,
            )
            for inspection_id, trigger_id, source, expected, at, at_us, boot in rows
        ]

    def _insert_outcome(
        self, db: sqlite3.Connection, outcome: Outcome, seq: int, at: str, *, payload: bytes, course: str | None
    ) -> None:
        clock = self._database.clock
        db.execute(
            """INSERT INTO outcomes (station, seq, inspection_id, disposition, reason, at, at_us, boot, total_ms,
                                     payload, course) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                self.station,
                seq,
                outcome.inspection_id,
                outcome.disposition.value,
                outcome.reason.value,
                at,
                clock.now_us(),
                clock.boot,
                outcome.ms.get("total"),
                payload,
                course,
            ),
        )
        db.execute(
            "UPDATE triggers SET seq = ?, begun_us = coalesce(begun_us, ?) WHERE inspection_id = ?",
            (seq, clock.now_us(), outcome.inspection_id),
        )
        db.executemany(
            "INSERT INTO evidence (path, inspection_id, attempt, sha256, at) VALUES (?, ?, ?, ?, ?)",
            [(kept.path, outcome.inspection_id, kept.attempt, kept.sha256, at) for kept in outcome.evidence],
        )
        serial = outcome.fields.get("serial")
        if outcome.reason is Reason.MATCHED and serial is not None and serial.reading.text:
            db.execute(
                "INSERT INTO passed_serials (inspection_id, serial, at) VALUES (?, ?, ?)",
                (outcome.inspection_id, clean(serial.reading.text), at),
            )

    def _same_outcome(
        self, db: sqlite3.Connection, outcome: Outcome, seq: int, payload_of: Callable[..., bytes]
    ) -> int:
        payload, at = db.execute(
            "SELECT payload, at FROM outcomes WHERE inspection_id = ?", (outcome.inspection_id,)
        ).fetchone()
        if payload_of(seq=seq, at=at) != payload:
            raise UseError(
                f"inspection {outcome.inspection_id} has its outcome already (seq {seq}) and it never changes: "
                "commit once for an inspection"
            )
        return seq


def _one(db: sqlite3.Connection, statement: str, *values: Any) -> tuple[Any, ...] | None:
    row: tuple[Any, ...] | None = db.execute(statement, values).fetchone()
    return row
