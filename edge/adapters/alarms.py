"""What the outcomes so far add up to (`edge.core.alarm`), kept in `edge.db`: drift, parts in a row, the line's stop.

Promise: the watch takes in each outcome once, in the transaction that writes it: a stop is on the disk with the outcome
that caused it, and whoever reads the store sees the same. SQL of the table `watches`.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from typing import Any

from edge.adapters import outbox
from edge.adapters.database import Database
from edge.core.alarm import AlarmPolicy, LineStop, StopCause, Watch
from edge.core.drift import Drift
from edge.core.outcome import Outcome


class Alarms:
    """The watch over one station's outcomes. Whoever commits outcomes gives the `policy`."""

    def __init__(self, database: Database, station: str, policy: AlarmPolicy) -> None:
        self._database = database
        self._station = station
        self.policy = policy

    def note(self, db: sqlite3.Connection, outcome: Outcome, seq: int, at: str) -> None:
        """Take in an outcome, inside its transaction."""
        before = self._read(db)
        after = before.after(outcome, self.policy, seq=seq, at=at)
        self._write(db, after)
        if after.line_stop is not None and before.line_stop is None:
            outbox.count(db, self._station, f"line_stops_{after.line_stop.cause.value}")

    def watch(self) -> Watch:
        """How it stands after the newest outcome."""
        with self._database.reading() as db:
            return self._read(db)

    def reset(self) -> Watch:
        """End the line's stop and the alarms; give how it stood before."""
        with self._database.transaction() as db:
            before = self._read(db)
            self._write(db, before.reset())
        return before

    def learn(self) -> None:
        """Begin a new base with the next outcome."""
        with self._database.transaction() as db:
            self._write(db, self._read(db).learn())

    def _read(self, db: sqlite3.Connection) -> Watch:
        row = db.execute("SELECT state FROM watches WHERE station = ?", (self._station,)).fetchone()
        return Watch() if row is None else _watch(json.loads(row[0]))

    def _write(self, db: sqlite3.Connection, watch: Watch) -> None:
        db.execute(
            """INSERT INTO watches (station, state) VALUES (?, ?)
               ON CONFLICT (station) DO UPDATE SET state = excluded.state""",
            (self._station, json.dumps(asdict(watch))),
        )


def _watch(facts: dict[str, Any]) -> Watch:
    stop = facts["line_stop"]
    return Watch(
        facts["in_a_row"],
        Drift(**facts["drift"]),
        stop and LineStop(StopCause(stop["cause"]), tuple(stop["signs"]), stop["seq"], stop["at"]),
    )
