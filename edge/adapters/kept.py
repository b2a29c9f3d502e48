"""What the store still keeps of the past: evidence files, and outcomes until they are old and told.

Promise: nothing is given up that the broker has not taken (or a person dropped), and no count or `seq` changes by it.
SQL of the table `evidence`, and of forgetting.
"""

from __future__ import annotations

from edge.adapters import outbox
from edge.adapters.database import Database
from edge.adapters.rows import KeptEvidence

#: Rows that one transaction forgets: the inspector waits for its end.
FORGET_AT_ONCE = 200


class Kept:
    """What one station's store keeps, and may give up."""

    def __init__(self, database: Database, station: str) -> None:
        self._database = database
        self._station = station

    def removable_evidence(self, limit: int) -> list[KeptEvidence]:
        """Evidence of outcomes that have been told (acknowledged, or dropped by a person), oldest first."""
        with self._database.reading() as db:
            rows = db.execute(
                """SELECT path, evidence.at FROM evidence JOIN outcomes USING (inspection_id)
                   JOIN closed_outcomes USING (number) WHERE removed_at IS NULL ORDER BY evidence.at LIMIT ?""",
                (limit,),
            ).fetchall()
        return [KeptEvidence(*row) for row in rows]

    def knows_evidence(self, path: str) -> bool:
        """Whether an evidence file belongs to an outcome."""
        with self._database.reading() as db:
            return db.execute("SELECT 1 FROM evidence WHERE path = ?", (path,)).fetchone() is not None

    def mark_removed(self, path: str) -> None:
        """Note that an evidence file is no longer kept; its hash stays in the outcome."""
        with self._database.transaction() as db:
            db.execute("UPDATE evidence SET removed_at = ? WHERE path = ?", (self._database.clock.at(), path))
            outbox.count(db, self._station, "evidence_removed")

    def forget(self, before: str) -> int:
        """Forget some outcomes from before a wall time that were told and have no evidence left; give how many.

        Their triggers go with them: a repeat of such an old trigger id is a new trigger.
        """
        with self._database.transaction() as db:
            ids = db.execute(
                """SELECT inspection_id FROM closed_outcomes JOIN outcomes USING (number)
                   WHERE closed_outcomes.station = ? AND made_at < ? AND NOT EXISTS (
                       SELECT 1 FROM evidence
                       WHERE evidence.inspection_id = outcomes.inspection_id AND removed_at IS NULL)
                   ORDER BY made_at LIMIT ?""",
                (self._station, before, FORGET_AT_ONCE),
            ).fetchall()
            for table in ("outcomes", "triggers", "expectations"):
                db.executemany(f"DELETE FROM {table} WHERE inspection_id = ?", ids)  # noqa: S608 - constants
        return len(ids)
