"""The outbox: messages committed with what they tell of, until the broker has acknowledged them.

Promise: a message leaves the outbox by `acknowledge` or by a person's `drop`, and by nothing else; its bytes never
change; `pending` gives the station's order. SQL of the table `outbox` (see docs/decisions on the store).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.adapters.database import Database
from edge.errors import UseError

#: A message whose first sending is later than this after it was written tells of the past: `historical` is true.
HISTORICAL_AFTER_S = 10.0

_COLUMNS = """outbox.row_id, outbox.kind, outbox.inspection_id, outbox.topic,
    coalesce(outbox.payload, outcomes.payload) AS payload,
    outbox.properties, outbox.at, outbox.at_us, outbox.boot, outbox.historical, outbox.attempts, outbox.reason"""
_TABLES = """outbox LEFT JOIN outcomes
    ON outbox.kind = 'outcome' AND outcomes.inspection_id = outbox.inspection_id"""


@dataclass(frozen=True, slots=True)
class Message:
    """One message on its way out. `reason` is the broker's last refusal; `historical` is None until first sent."""

    row_id: int
    kind: str
    inspection_id: str | None
    topic: str
    payload: bytes
    properties: Mapping[str, str]
    at: str
    age_s: float
    historical: bool | None
    attempts: int
    reason: str | None


class Outbox:
    """The messages of one station that wait for the broker, and those set aside as dead letters."""

    def __init__(self, database: Database, station: str) -> None:
        self._database = database
        self._station = station

    def pending(self, limit: int, *, after: int = 0) -> list[Message]:
        """Messages to send, oldest first, from the row behind `after` on."""
        return self._select("waiting", limit, after)

    def waiting(self, limit: int) -> list[int]:
        """The rows of the messages to send, oldest first."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT row_id FROM outbox WHERE station = ? AND state = 'waiting' ORDER BY row_id LIMIT ?",
                (self._station, limit),
            ).fetchall()
        return [row_id for (row_id,) in rows]

    def message(self, row_id: int) -> Message | None:
        """One message, waiting or set aside; None where it is closed."""
        with self._database.reading() as db:
            row = db.execute(
                f"SELECT {_COLUMNS} FROM {_TABLES} WHERE outbox.row_id = ? AND outbox.station = ?",  # noqa: S608
                (row_id, self._station),
            ).fetchone()
        return None if row is None else self._message(row)

    def dead_letters(self, limit: int = 1000) -> list[Message]:
        """Messages set aside after refusals, oldest first."""
        return self._select("dead", limit, 0)

    def begin_sending(self, row_id: int) -> bool:
        """Note that a message is about to be sent; say whether it tells of the past.

        The answer is kept at the first sending, so that every repeat carries the same one.
        """
        with self._database.transaction() as db:
            row = db.execute("SELECT at, at_us, boot, historical FROM outbox WHERE row_id = ?", (row_id,)).fetchone()
            if row is None:
                raise UseError(f"the outbox has no message {row_id}: list what waits with `edge outbox list`")
            at, at_us, boot, historical = row
            if historical is None:
                historical = self._database.clock.age_s(at, at_us, boot) > HISTORICAL_AFTER_S
                db.execute("UPDATE outbox SET historical = ? WHERE row_id = ?", (historical, row_id))
            return bool(historical)

    def acknowledge(self, row_id: int) -> None:
        """Close a message: the broker has taken it. A message that is closed already stays so."""
        self._close(row_id, "acknowledged")

    def refuse(self, row_id: int, reason: str) -> int:
        """Note one more failed attempt and the broker's reason; give the number of attempts so far."""
        with self._database.transaction() as db:
            db.execute("UPDATE outbox SET attempts = attempts + 1, reason = ? WHERE row_id = ?", (reason, row_id))
            row = db.execute("SELECT attempts FROM outbox WHERE row_id = ?", (row_id,)).fetchone()
            self._count(db, f"refused_{reason}")
            return 0 if row is None else int(row[0])

    def set_aside(self, row_id: int) -> None:
        """Make a dead letter of a message, so that the rest can flow; it is kept, and can be sent again by hand."""
        with self._database.transaction() as db:
            changed = db.execute(
                "UPDATE outbox SET state = 'dead' WHERE row_id = ? AND state = 'waiting'", (row_id,)
            ).rowcount
            if changed:
                self._count(db, "dead_letters")

    def retry(self, row_id: int | None = None) -> int:
        """Send dead letters again, one or all, each at its old place in the order; give how many."""
        with self._database.transaction() as db:
            return db.execute(
                """UPDATE outbox SET state = 'waiting', attempts = 0
                   WHERE station = ? AND state = 'dead' AND (? IS NULL OR row_id = ?)""",
                (self._station, row_id, row_id),
            ).rowcount

    def drop(self, row_id: int) -> None:
        """Take a dead letter out of the outbox for good, on a person's word; its outcome stays in the store.

        Raises:
            UseError: There is no such dead letter. A message that still waits cannot be dropped.
        """
        with self._database.reading() as db:
            row = db.execute(
                "SELECT state FROM outbox WHERE row_id = ? AND station = ?", (row_id, self._station)
            ).fetchone()
        if row is None or row[0] != "dead":
            fact = "is no message of the outbox" if row is None else "is still being sent"
            raise UseError(f"{row_id} {fact}, and only dead letters can be dropped: see `edge outbox list`")
        self._close(row_id, "dropped")

    def oldest_age_s(self) -> float | None:
        """How long the oldest waiting message has waited; None where none does."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT at, at_us, boot FROM outbox WHERE station = ? AND state = 'waiting' ORDER BY row_id LIMIT 1",
                (self._station,),
            ).fetchone()
        return None if row is None else self._database.clock.age_s(*row)

    def num_waiting(self) -> int:
        """How many messages wait for the broker."""
        return self._num("waiting")

    def num_dead(self) -> int:
        """How many messages are set aside."""
        return self._num("dead")

    def _num(self, state: str) -> int:
        with self._database.reading() as db:
            row = db.execute(
                "SELECT count(*) FROM outbox WHERE station = ? AND state = ?", (self._station, state)
            ).fetchone()
        return int(row[0])

    def _select(self, state: str, limit: int, after: int) -> list[Message]:
        with self._database.reading() as db:
            rows = db.execute(
                f"""SELECT {_COLUMNS} FROM {_TABLES}
                    WHERE outbox.station = ? AND outbox.state = ? AND outbox.row_id > ?
                    ORDER BY outbox.row_id LIMIT ?""",  # noqa: S608 - constants of this file
                (self._station, state, after, limit),
            ).fetchall()
        return [self._message(row) for row in rows]

    def _message(self, row: tuple[Any, ...]) -> Message:
        row_id, kind, inspection_id, topic, payload, properties, at, at_us, boot, historical, attempts, reason = row
        return Message(
            row_id=row_id,
            kind=kind,
            inspection_id=inspection_id,
            topic=topic,
            payload=bytes(payload),
            properties=json.loads(properties),
            at=at,
            age_s=self._database.clock.age_s(at, at_us, boot),
            historical=None if historical is None else bool(historical),
            attempts=attempts,
            reason=reason,
        )

    def _close(self, row_id: int, closed_as: str) -> None:
        with self._database.transaction() as db:
            row = db.execute("SELECT kind, inspection_id FROM outbox WHERE row_id = ?", (row_id,)).fetchone()
            if row is None:
                return
            kind, inspection_id = row
            if kind == "outcome":
                db.execute(
                    "UPDATE outcomes SET closed_at = ?, closed_as = ? WHERE inspection_id = ?",
                    (self._database.clock.at(), closed_as, inspection_id),
                )
            db.execute("DELETE FROM outbox WHERE row_id = ?", (row_id,))
            self._count(db, closed_as)

    def _count(self, db: sqlite3.Connection, name: str) -> None:
        count(db, self._station, name)


def count(db: sqlite3.Connection, station: str, name: str) -> int:
    """Add one to a counter inside a transaction; give its new value."""
    row = db.execute(
        """INSERT INTO counts (station, name, value) VALUES (?, ?, 1)
           ON CONFLICT (station, name) DO UPDATE SET value = value + 1 RETURNING value""",
        (station, name),
    ).fetchone()
    return int(row[0])


def add(
    db: sqlite3.Connection,
    database: Database,
    station: str,
    *,
    kind: str,
    inspection_id: str | None,
    topic: str,
    payload: bytes | None,
    properties: Mapping[str, str],
) -> int:
    """Put a message into the outbox inside a transaction; an outcome's payload is None, since `outcomes` holds it."""
    clock = database.clock
    row = db.execute(
        """INSERT INTO outbox (station, kind, inspection_id, topic, payload, properties, at, at_us, boot)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING row_id""",
        (
            station,
            kind,
            inspection_id,
            topic,
            payload,
            json.dumps(dict(properties)),
            clock.at(),
            clock.now_us(),
            clock.boot,
        ),
    ).fetchone()
    return int(row[0])
