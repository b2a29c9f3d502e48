"""Messages that have left the outbox, and how they get into it again: the same bytes, at their old place in the order.

A broker can forget what it has acknowledged: its disk is lost, or it keeps nothing over a restart. Who missed outcomes
can ask for them by their numbers (`again`), and the newest go again by themselves where the broker has lost the
station's session (`newest_again`). Subscribers drop repeats by the inspection id. Promise: what a person has dropped is
never sent again, and what waits is not put there twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from edge.adapters.database import Database

#: A broker that forgets loses what its subscribers had not taken yet: mosquitto keeps at most 1,000 messages for one
#: (`max_queued_messages`), and drops the rest by itself. So many outcomes are put back at once: 0.4 s of sending.
MAX_AGAIN = 1000
#: Older ones are not sent again by themselves: a subscriber that was away for longer asks for what it misses.
AGAIN_WITHIN_S = 3600.0
#: Messages of other kinds (retakes, corrections, alarms) that are kept after the broker has taken them.
MAX_OTHERS = 1000

#: Outcomes that were told by an edge that kept no topic cannot be told the same again.
_CAN_GO_AGAIN = "closed_as = 'acknowledged' AND row_id IS NOT NULL"
_SENT = "row_id, topic, properties, historical"


class Taken:
    """What the broker has taken of one station."""

    def __init__(self, database: Database, station: str) -> None:
        self._database = database
        self._station = station

    def again(self, first: int, last: int) -> int:
        """Put the outcomes from one number to another back into the outbox; give how many were put there.

        Those that wait already, are forgotten, or were dropped are left as they are.
        """
        with self._database.transaction() as db:
            rows = db.execute(
                f"""SELECT number FROM closed_outcomes JOIN outcomes USING (number)
                    WHERE outcomes.station = ? AND seq BETWEEN ? AND ? AND {_CAN_GO_AGAIN}
                    ORDER BY seq LIMIT ?""",  # noqa: S608 - constants of this file
                (self._station, first, last, MAX_AGAIN),
            ).fetchall()
            self._put_back(db, [number for (number,) in rows])
        return len(rows)

    def newest_again(self) -> int:
        """Put back what the broker took last: at most `MAX_AGAIN` outcomes and the others among them; give how many."""
        with self._database.transaction() as db:
            # Those that still wait from the last time stand first, and count.
            (waiting,) = db.execute(
                """SELECT coalesce(sum(again), 0) FROM (SELECT again FROM outbox
                   WHERE station = ? AND state = 'waiting' ORDER BY row_id LIMIT ?)""",
                (self._station, MAX_AGAIN),
            ).fetchone()
            outcomes = self._late(
                db.execute(
                    f"""SELECT number, closed_at, closed_us, boot FROM closed_outcomes
                        WHERE station = ? AND {_CAN_GO_AGAIN} ORDER BY number DESC LIMIT ?""",  # noqa: S608 - constants
                    (self._station, MAX_AGAIN - waiting),
                )
            )
            others = self._late(
                db.execute(
                    "SELECT row_id, closed_at, closed_us, boot FROM closed_messages WHERE station = ?", (self._station,)
                )
            )
            self._put_back(db, outcomes)
            at, at_us, boot = self._stamp()
            db.executemany(
                """INSERT INTO outbox (row_id, station, kind, inspection_id, topic, payload, properties, at, at_us,
                                       boot, historical, again)
                   SELECT row_id, station, kind, inspection_id, topic, payload, properties, ?, ?, ?, historical, 1
                   FROM closed_messages WHERE row_id = ?""",
                [(at, at_us, boot, row_id) for row_id in others],
            )
            db.executemany("DELETE FROM closed_messages WHERE row_id = ?", [(row_id,) for row_id in others])
        return len(outcomes) + len(others)

    def _late(self, rows: Iterable[tuple[int, str, int, str]]) -> list[int]:
        age_s = self._database.clock.age_s
        return [key for key, at, at_us, boot in rows if age_s(at, at_us, boot) <= AGAIN_WITHIN_S]

    def _put_back(self, db: sqlite3.Connection, numbers: Sequence[int]) -> None:
        # It waits from now on: how long the oldest has waited is an alarm.
        at, at_us, boot = self._stamp()
        db.executemany(
            """INSERT INTO outbox (row_id, station, kind, inspection_id, topic, properties, at, at_us, boot, historical,
                                   again)
               SELECT row_id, closed_outcomes.station, 'outcome', inspection_id, topic, properties, ?, ?, ?, historical,
                      1
               FROM closed_outcomes JOIN outcomes USING (number) WHERE number = ?""",
            [(at, at_us, boot, number) for number in numbers],
        )
        # What waits may not be forgotten.
        db.executemany("DELETE FROM closed_outcomes WHERE number = ?", [(number,) for number in numbers])

    def _stamp(self) -> tuple[str, int, str]:
        clock = self._database.clock
        return clock.at(), clock.now_us(), clock.boot


def close(db: sqlite3.Connection, database: Database, station: str, row_ids: Sequence[int], closed_as: str) -> int:
    """Take messages out of the outbox inside a transaction; give how many were in it."""
    clock = database.clock
    at, now_us = clock.at(), clock.now_us()
    rows = [(row_id,) for row_id in row_ids]
    db.executemany(
        f"""INSERT OR IGNORE INTO closed_outcomes
                (number, station, made_at, closed_at, closed_as, closed_us, boot, {_SENT})
            SELECT number, outcomes.station, outcomes.at, ?, ?, ?, ?, {_SENT}
            FROM outbox JOIN outcomes USING (inspection_id) WHERE row_id = ? AND kind = 'outcome'""",  # noqa: S608
        [(at, closed_as, now_us, clock.boot, row_id) for row_id in row_ids],
    )
    others = 0
    if closed_as == "acknowledged":
        others = db.executemany(
            f"""INSERT INTO closed_messages
                    (station, kind, inspection_id, payload, closed_at, closed_us, boot, {_SENT})
                SELECT station, kind, inspection_id, payload, ?, ?, ?, {_SENT}
                FROM outbox WHERE row_id = ? AND kind <> 'outcome'""",  # noqa: S608 - constants of this file
            [(at, now_us, clock.boot, row_id) for row_id in row_ids],
        ).rowcount
    if others > 0:
        db.execute(
            """DELETE FROM closed_messages WHERE row_id IN (
                   SELECT row_id FROM closed_messages WHERE station = ? ORDER BY row_id DESC LIMIT -1 OFFSET ?)""",
            (station, MAX_OTHERS),
        )
    return db.executemany("DELETE FROM outbox WHERE row_id = ?", rows).rowcount
