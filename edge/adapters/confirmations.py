"""What MES has confirmed: that it has stored an outcome. PUBACK says that the broker has a message, and no more.

Promise: a confirmation is kept once, whenever it comes. SQL of the column `confirmed_at`.
"""

from __future__ import annotations

from edge.adapters import outbox
from edge.adapters.database import Database


class Confirmations:
    """The confirmations of one station's outcomes."""

    def __init__(self, database: Database, station: str) -> None:
        self._database = database
        self._station = station
        self._first_seq: int | None = None

    def add(self, inspection_id: str) -> bool:
        """Note that MES has stored an outcome; False where there is no such outcome."""
        with self._database.transaction() as db:
            known = db.execute(
                "SELECT confirmed_at FROM outcomes WHERE station = ? AND inspection_id = ?",
                (self._station, inspection_id),
            ).fetchone()
            if known is None:
                return False
            if known[0] is None:
                db.execute(
                    "UPDATE outcomes SET confirmed_at = ? WHERE inspection_id = ?",
                    (self._database.clock.at(), inspection_id),
                )
                outbox.count(db, self._station, "confirmed")
        return True

    def oldest_missing_age_s(self) -> float | None:
        """Age of the oldest outcome that MES has not confirmed; None where there is none or MES never confirms.

        Outcomes older than the first that it did confirm do not count: then, MES did not know the command yet.
        """
        first_seq = self._first_confirmed()
        if first_seq is None:
            return None
        with self._database.reading() as db:
            row = db.execute(
                """SELECT at, at_us, boot FROM outcomes WHERE station = ? AND confirmed_at IS NULL AND seq > ?
                   ORDER BY seq LIMIT 1""",
                (self._station, first_seq),
            ).fetchone()
        return None if row is None else self._database.clock.age_s(*row)

    def _first_confirmed(self) -> int | None:
        # Kept once it is known, since a walk over a million outcomes takes 0.1 s; it can only grow by forgetting.
        if self._first_seq is None:
            with self._database.reading() as db:
                ever = db.execute(
                    "SELECT 1 FROM counts WHERE station = ? AND name = 'confirmed' AND value > 0", (self._station,)
                ).fetchone()
                if ever is None:
                    return None
                first = db.execute(
                    "SELECT seq FROM outcomes WHERE station = ? AND confirmed_at IS NOT NULL ORDER BY seq LIMIT 1",
                    (self._station,),
                ).fetchone()
            self._first_seq = None if first is None else int(first[0])
        return self._first_seq
