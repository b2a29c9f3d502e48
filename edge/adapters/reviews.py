"""What people say about outcomes: durable at once, in the outbox after a pause in which it can be taken back.

Promises: an outcome itself is never edited; a review becomes one *correction* message, whose bytes are made when it is
given, in the transaction that marks it as sent; what was taken back was never told. SQL of the table `reviews`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.adapters import messages, outbox
from edge.adapters.database import Database
from edge.adapters.payload import encode
from edge.adapters.rows import InspectionIds
from edge.core.outcome import SCHEMA
from edge.errors import UseError

#: How long a review can be taken back, s: enough to see what one did, little beside the minutes that a held part lies.
UNDO_S = 10.0


class UnknownError(UseError):
    """Raised where there is no such outcome, or no such review."""


@dataclass(frozen=True, slots=True)
class Review:
    """One review. `undo_s` is how long it can still be taken back; None since it is in the outbox."""

    correction_id: str
    inspection_id: str
    payload: bytes
    at: str
    undo_s: float | None


class Reviews:
    """The reviews of one station's outcomes."""

    def __init__(self, database: Database, station: str, topic: str) -> None:
        self._database = database
        self._station = station
        self._topic = topic
        self._new_id = InspectionIds()

    def add(
        self, inspection_id: str, action: messages.ReviewAction, *, by: str, fields: Mapping[str, str], note: str
    ) -> Review:
        """Keep what a person says; it is on the disk when this returns, and waits `UNDO_S`.

        Args:
            inspection_id: The outcome that is spoken of.
            action: What the person decides.
            by: Who it is.
            fields: What the fields are in truth, by name; only for "correct".
            note: Why, in the person's words.

        Raises:
            UnknownError: There is no such outcome.
            UseError: A review of it still waits.
            StoreError: It could not be written.
        """
        clock = self._database.clock
        with self._database.transaction() as db:
            row = db.execute(
                "SELECT seq FROM outcomes WHERE station = ? AND inspection_id = ?", (self._station, inspection_id)
            ).fetchone()
            if row is None:
                raise UnknownError(
                    f"station {self._station} has no outcome {inspection_id}: look for it in the history"
                )
            waiting = db.execute(
                "SELECT 1 FROM reviews WHERE inspection_id = ? AND sent_at IS NULL", (inspection_id,)
            ).fetchone()
            if waiting:
                raise UseError(f"{inspection_id} has a review that is not sent yet: take it back, or wait {UNDO_S:g} s")
            message: messages.Correction = {
                "schema": SCHEMA,
                "correction_id": self._new_id(),
                "inspection_id": inspection_id,
                "station": self._station,
                "seq": row[0],
                "action": action,
                "fields": fields,
                "note": note,
                "by": by,
                "at": clock.at(),
            }
            review = Review(message["correction_id"], inspection_id, encode(message), message["at"], UNDO_S)
            db.execute(
                """INSERT INTO reviews (station, inspection_id, correction_id, topic, payload, at, at_us, boot)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                (
                    self._station,
                    inspection_id,
                    review.correction_id,
                    self._topic,
                    review.payload,
                    review.at,
                    clock.now_us(),
                    clock.boot,
                ),
            )
            db.execute("DELETE FROM held_parts WHERE station = ? AND seq = ?", (self._station, row[0]))
        return review

    def undo(self, inspection_id: str) -> None:
        """Take back the review of an outcome that is not sent yet.

        Raises:
            UnknownError: There is none: it was sent, taken back, or never given.
        """
        with self._database.transaction() as db:
            gone = db.execute(
                "DELETE FROM reviews WHERE station = ? AND inspection_id = ? AND sent_at IS NULL",
                (self._station, inspection_id),
            ).rowcount
            if not gone:
                raise UnknownError(f"{inspection_id} has no review that could be taken back: give another one")
            db.execute(
                """INSERT OR IGNORE INTO held_parts SELECT station, seq FROM outcomes
                   WHERE station = ? AND inspection_id = ? AND disposition = 'hold'
                   AND NOT EXISTS (SELECT 1 FROM reviews WHERE reviews.inspection_id = outcomes.inspection_id)""",
                (self._station, inspection_id),
            )
            outbox.count(db, self._station, "reviews_undone")

    def send_due(self) -> int:
        """Put each review whose pause is over into the outbox, in one transaction; give how many."""
        with self._database.reading() as db:
            if not db.execute(_WAITING + " LIMIT 1", (self._station,)).fetchone():
                return 0
        with self._database.transaction() as db:
            rows = db.execute(_WAITING, (self._station,)).fetchall()
            due = [row for row in rows if self._database.clock.age_s(*row[5:]) >= UNDO_S]
            for number, inspection_id, correction_id, topic, payload, *_ in due:
                outbox.add(
                    db,
                    self._database,
                    self._station,
                    kind="correction",
                    inspection_id=inspection_id,
                    topic=topic,
                    payload=bytes(payload),
                    properties={
                        "inspection_id": inspection_id,
                        "correction_id": correction_id,
                        "schema": SCHEMA,
                    },
                )
                db.execute("UPDATE reviews SET sent_at = ? WHERE number = ?", (self._database.clock.at(), number))
        return len(due)

    def of(self, inspection_id: str) -> list[Review]:
        """Every review of an outcome that was not taken back, oldest first."""
        with self._database.reading() as db:
            rows = db.execute(
                """SELECT correction_id, inspection_id, payload, sent_at, at, at_us, boot FROM reviews
                   WHERE station = ? AND inspection_id = ? ORDER BY number""",
                (self._station, inspection_id),
            ).fetchall()
        return [
            Review(correction_id, about, bytes(payload), at, self._undo_s(sent_at, at, at_us, boot))
            for correction_id, about, payload, sent_at, at, at_us, boot in rows
        ]

    def close(self) -> None:
        """Close the connection; what waits is sent by the next panel."""
        self._database.close()

    def _undo_s(self, sent_at: str | None, at: str, at_us: int, boot: str) -> float | None:
        return None if sent_at else max(0.0, UNDO_S - self._database.clock.age_s(at, at_us, boot))


_WAITING = """SELECT number, inspection_id, correction_id, topic, payload, at, at_us, boot FROM reviews
    WHERE station = ? AND sent_at IS NULL ORDER BY number"""
