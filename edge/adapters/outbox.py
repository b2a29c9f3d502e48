"""The outbox: messages committed with what they tell of, until the broker has acknowledged them.

Promise: a message leaves the outbox when the broker has taken it, or as a dead letter by a person's `drop` or the age
that a person has set (`expire`), and by nothing else; its bytes never change; `pending` gives the station's order. SQL
of the table `outbox` (see docs/decisions on the store).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.adapters.database import Database
from edge.adapters.taken import Taken, close
from edge.errors import UseError

#: A message whose first sending is later than this after it was written tells of the past: `historical` is true.
HISTORICAL_AFTER_S = 10.0
#: Dead letters that one transaction drops.
EXPIRE_AT_ONCE = 200

_COLUMNS = """outbox.row_id, outbox.kind, outbox.inspection_id, outbox.topic,
    coalesce(outbox.payload, outcomes.payload) AS payload,
    outbox.properties, outbox.at, outbox.at_us, outbox.boot, outbox.historical, outbox.again, outbox.attempts,
    outbox.reason"""
_TABLES = """outbox LEFT JOIN outcomes
    ON outbox.kind = 'outcome' AND outcomes.inspection_id = outbox.inspection_id"""


@dataclass(frozen=True, slots=True)
class Message:
    """One message on its way out. `reason` is the broker's last refusal; `historical` is None until first sent.

    `is_again` says that the broker took it before.
    """

    row_id: int
    kind: str
    inspection_id: str | None
    topic: str
    payload: bytes
    properties: Mapping[str, str]
    at: str
    age_s: float
    historical: bool | None
    is_again: bool
    attempts: int
    reason: str | None

    @property
    def is_past(self) -> bool:
        """Whether it tells of the past: as it was at its first sending; for one not sent yet, as it was when read."""
        return self.age_s > HISTORICAL_AFTER_S if self.historical is None else self.historical

    @property
    def goes_alone(self) -> bool:
        """Whether it is sent with no other on its way: what is live, and told for the first time."""
        return not (self.is_past or self.is_again)


class Outbox:
    """The messages of one station that wait for the broker, and those set aside as dead letters."""

    def __init__(self, database: Database, station: str) -> None:
        self._database = database
        self._station = station
        self.taken = Taken(database, station)

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

    def dead_letters(self, limit: int = 1000) -> list[Message]:
        """Messages set aside after refusals, oldest first."""
        return self._select("dead", limit, 0)

    def begin_sending(self, row_ids: Sequence[int], *, taken: Sequence[int] = (), alone: bool = True) -> list[Message]:
        """Give messages that are about to be sent, and close those that the broker has taken, in one transaction.

        `historical` is kept at the first sending, so that every repeat carries the same one: of all messages that tell
        of the past, and of one that does not only where it is to be sent now: the first, `alone`.

        Returns:
            The messages from the first of `row_ids` on, up to one that closed meanwhile or may not be sent yet.
        """
        places = ", ".join("?" * len(row_ids))
        # Read before the transaction: the inspector's commits wait for no more than what is to be written.
        with self._database.reading() as db:
            rows = db.execute(
                # The + keeps SQLite from walking over the whole backlog by the station's index: 200 ms of a million.
                f"""SELECT {_COLUMNS} FROM {_TABLES} WHERE outbox.row_id IN ({places}) AND +outbox.station = ?
                    ORDER BY outbox.row_id""",  # noqa: S608 - constants of this file
                (*row_ids, self._station),
            ).fetchall()
        ready: list[Message] = []
        for message in map(self._message, rows):
            if not message.goes_alone or (alone and not ready):
                ready.append(message)
            if message.goes_alone:
                break
        with self._database.transaction() as db:
            self._close(db, taken, "acknowledged")
            db.executemany(
                "UPDATE outbox SET historical = ? WHERE row_id = ? AND historical IS NULL",
                [(message.is_past, message.row_id) for message in ready],
            )
        return ready

    def acknowledge(self, *row_ids: int) -> None:
        """Close messages that the broker has taken, in one transaction. One that is closed already stays so."""
        with self._database.transaction() as db:
            self._close(db, row_ids, "acknowledged")

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
        with self._database.transaction() as db:
            self._close(db, (row_id,), "dropped")

    def expire(self, before: str) -> int:
        """Drop some dead letters from before a wall time, as a person would; give how many."""
        with self._database.transaction() as db:
            rows = db.execute(
                "SELECT row_id FROM outbox WHERE station = ? AND state = 'dead' AND at < ? ORDER BY row_id LIMIT ?",
                (self._station, before, EXPIRE_AT_ONCE),
            ).fetchall()
            self._close(db, [row_id for (row_id,) in rows], "dropped")
            if rows:
                count(db, self._station, "dead_letters_expired", len(rows))
        return len(rows)

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
                "SELECT messages FROM outbox_sizes WHERE station = ? AND state = ?", (self._station, state)
            ).fetchone()
        return 0 if row is None else int(row[0])

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
        (
            row_id,
            kind,
            inspection_id,
            topic,
            payload,
            properties,
            at,
            at_us,
            boot,
            historical,
            again,
            attempts,
            reason,
        ) = row
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
            is_again=bool(again),
            attempts=attempts,
            reason=reason,
        )

    def _close(self, db: sqlite3.Connection, row_ids: Sequence[int], closed_as: str) -> None:
        closed = close(db, self._database, self._station, row_ids, closed_as)
        if closed > 0:
            count(db, self._station, closed_as, closed)

    def _count(self, db: sqlite3.Connection, name: str) -> None:
        count(db, self._station, name)


def count(db: sqlite3.Connection, station: str, name: str, by: int = 1) -> int:
    """Add to a counter inside a transaction; give its new value."""
    row = db.execute(
        """INSERT INTO counts (station, name, value) VALUES (?, ?, ?)
           ON CONFLICT (station, name) DO UPDATE SET value = value + excluded.value RETURNING value""",
        (station, name, by),
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
