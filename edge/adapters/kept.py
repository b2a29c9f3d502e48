"""What the store still keeps of the past: evidence files, and outcomes until they are old and told.

Promise: nothing is given up that the broker has not taken (or a person dropped), and no count or `seq` changes by it.
SQL of the table `evidence`, and of forgetting. What is given up when is in `retention`.
"""

from __future__ import annotations

from edge.adapters import outbox
from edge.adapters.database import Database
from edge.adapters.rows import KeptEvidence

#: Rows that one transaction gives up: the inspector waits for its end.
AT_ONCE = 200


class Kept:
    """What one station's store keeps, and may give up."""

    def __init__(self, database: Database, station: str) -> None:
        self._database = database
        self._station = station

    def removable_evidence(self, limit: int, after: KeptEvidence | None = None) -> list[KeptEvidence]:
        """Evidence of outcomes that have been told (acknowledged, or dropped by a person), oldest first."""
        with self._database.reading() as db:
            rows = db.execute(
                """SELECT path, evidence.at FROM evidence JOIN outcomes USING (inspection_id)
                   JOIN closed_outcomes USING (number)
                   WHERE removed_at IS NULL AND (evidence.at, path) > (?, ?) ORDER BY evidence.at, path LIMIT ?""",
                ("", "", limit) if after is None else (after.at, after.path, limit),
            ).fetchall()
        return [KeptEvidence(*row) for row in rows]

    def knows_evidence(self, path: str) -> bool:
        """Whether an evidence file belongs to an outcome."""
        with self._database.reading() as db:
            return db.execute("SELECT 1 FROM evidence WHERE path = ?", (path,)).fetchone() is not None

    def mark_removed(self, *paths: str) -> None:
        """Note that evidence files are no longer kept; their hashes stay in the outcomes."""
        with self._database.transaction() as db:
            at = self._database.clock.at()
            db.executemany("UPDATE evidence SET removed_at = ? WHERE path = ?", [(at, path) for path in paths])
            outbox.count(db, self._station, "evidence_removed", len(paths))

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
                (self._station, before, AT_ONCE),
            ).fetchall()
            for table in ("outcomes", "triggers", "expectations"):
                db.executemany(f"DELETE FROM {table} WHERE inspection_id = ?", ids)  # noqa: S608 - constants
        return len(ids)

    def forget_serials(self, before: str) -> int:
        """Forget some serials that passed before a wall time: a part that bears one is no duplicate from then on."""
        with self._database.transaction() as db:
            return db.execute(
                # Ids grow with time, so the oldest are met first.
                """DELETE FROM passed_serials WHERE inspection_id IN (
                       SELECT inspection_id FROM passed_serials WHERE at < ? ORDER BY inspection_id LIMIT ?)""",
                (before, AT_ONCE),
            ).rowcount

    def used_bytes(self) -> int:
        """How much of `edge.db` is in use."""
        return self._database.used_bytes()

    def give_back(self) -> int:
        """Give some of the file's free pages back to the disk; bytes given."""
        return self._database.give_back()
