"""The past as people search it: pages of outcomes, what one is made of, and what is new. Reads; changes nothing.

Promises: a page of a store with a million outcomes costs some ten milliseconds, since at most `MAX_WALKED` rows are
looked at for one: a page may be short, or empty, and still name where to go on. SQL of searching.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge.adapters.database import Database
from edge.adapters.rows import OutcomeRow

#: Rows that are looked at for one page. 20,000 take some 30 ms on one core of a desk PC (bench/history.py).
MAX_WALKED = 20_000
#: So many outcomes with a text are sorted to find the newest; of more, enough are met on the way back through time.
MAX_SORTED = 10_000
#: Of these so many newest are looked at for one page.
MAX_TRIED = 2_000
#: Outcomes at either edge of a span of time that may stand out of order, since a wall clock was set.
OUT_OF_ORDER = 1_000

_ROW = """SELECT seq, inspection_id, disposition, reason, at, total_ms, payload, closed_as, confirmed_at
    FROM outcomes LEFT JOIN closed_outcomes USING (number) WHERE outcomes.station = ?"""
_BEHIND_ALL = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched. `texts`: the beginning of a field's text by the field's name, "" being any; case is ignored.

    `since` (with it) and `until` (without it) are wall times, RFC 3339, UTC, milliseconds.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    disposition: str | None = None
    reason: str | None = None
    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Outcomes, newest first; `next_before` is where the next page begins, None where there is none."""

    rows: Sequence[OutcomeRow]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One evidence file of an outcome; `removed_at` is None while it is kept."""

    path: str
    attempt: int
    sha256: str
    removed_at: str | None


class History:
    """The outcomes of one station, over a connection of its own."""

    def __init__(self, database: Database, station: str) -> None:
        self._database = database
        self._station = station

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def page(self, query: Query, *, limit: int, before: int | None = None) -> Page:
        """The newest outcomes that fit, of those with a `seq` below `before`."""
        with self._database.reading() as db:
            known = {name for (name,) in db.execute(_NAMES, (self._station, self._station))}
            wheres = [_Where.text(name, start, known) for name, start in query.texts.items()]
            wheres += [_Where(condition, (value,)) for condition, value in _conditions(query) if value is not None]
            low, high = self._span(db, query)
            if before is not None:
                high = min(high, before - 1)
            found = self._sorted(db, query, known, low, high)
            if found is not None:
                tried = found[:MAX_TRIED]
                newest = _Where(f"seq IN ({', '.join('?' * len(tried))})", tuple(tried))
                return self._page(db, [newest, *wheres], limit, end=tried[-1] if len(found) > len(tried) else None)
            end = self._end_of_walk(db, query, high)
            begin = low if end is None else max(low, end)
            return self._page(
                db, [_Where("seq BETWEEN ? AND ?", (begin, high)), *wheres], limit, end=begin if begin > low else None
            )

    def outcome(self, inspection_id: str) -> OutcomeRow | None:
        """One outcome; None where the inspection has none."""
        with self._database.reading() as db:
            row = db.execute(f"{_ROW} AND inspection_id = ?", (self._station, inspection_id)).fetchone()
        return None if row is None else OutcomeRow(*row)

    def evidence(self, inspection_id: str) -> list[EvidenceRow]:
        """The evidence files of an outcome, in the order of its attempts."""
        with self._database.reading() as db:
            rows = db.execute(
                """SELECT path, attempt, evidence.sha256, removed_at FROM evidence JOIN outcomes USING (inspection_id)
                   WHERE station = ? AND inspection_id = ? ORDER BY attempt, path""",
                (self._station, inspection_id),
            ).fetchall()
        return [EvidenceRow(*row) for row in rows]

    def held(self, *, limit: int, before: int | None = None) -> Page:
        """Held parts that no person has judged yet, newest first."""
        with self._database.reading() as db:
            rows = db.execute(
                f"""{_ROW} AND seq IN
                    (SELECT seq FROM held_parts WHERE station = ? AND seq < ? ORDER BY seq DESC LIMIT ?)
                    ORDER BY seq DESC""",  # noqa: S608 - constants of this file
                (self._station, self._station, _LAST if before is None else before, limit),
            ).fetchall()
        return Page([OutcomeRow(*row) for row in rows], rows[-1][0] if len(rows) == limit else None)

    def num_held(self, at_most: int) -> int:
        """How many held parts no person has judged yet, counted up to a number."""
        with self._database.reading() as db:
            row = db.execute(
                "SELECT count(*) FROM (SELECT 1 FROM held_parts WHERE station = ? LIMIT ?)", (self._station, at_most)
            ).fetchone()
        return int(row[0])

    def reasons_since(self, at: str) -> dict[str, int]:
        """How many outcomes each reason has had since a wall time."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT reason, count(*) FROM outcomes WHERE station = ? AND at >= ? GROUP BY reason",
                (self._station, at),
            ).fetchall()
        return dict(rows)

    def field_names(self) -> list[str]:
        """The fields that outcomes have had, by name."""
        with self._database.reading() as db:
            return sorted(name for (name,) in db.execute(_NAMES, (self._station, self._station)))

    def newest_seq(self) -> int:
        """The `seq` of the newest outcome, 0 where there is none."""
        with self._database.reading() as db:
            row = db.execute("SELECT max(seq) FROM outcomes WHERE station = ?", (self._station,)).fetchone()
        return row[0] or 0

    def after(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Outcomes behind a `seq`, oldest first, each with its payload."""
        with self._database.reading() as db:
            rows = db.execute(
                "SELECT seq, payload FROM outcomes WHERE station = ? AND seq > ? ORDER BY seq LIMIT ?",
                (self._station, seq, limit),
            ).fetchall()
        return [(number, bytes(payload)) for number, payload in rows]

    def version(self) -> int:
        """A number that changes when another connection has written to the file. Costs microseconds."""
        with self._database.reading() as db:
            return int(db.execute("PRAGMA data_version").fetchone()[0])

    def _span(self, db: sqlite3.Connection, query: Query) -> tuple[int, int]:
        """The first and last `seq` that a span of time may hold."""
        low, high = 0, _LAST
        if query.since is not None:
            low = self._edge(db, "min", "at >= ? ORDER BY at", query.since, or_else=_LAST)
        if query.until is not None:
            high = self._edge(db, "max", "at < ? ORDER BY at DESC", query.until, or_else=0)
        return low, high

    def _edge(self, db: sqlite3.Connection, which: str, condition: str, at: str, *, or_else: int) -> int:
        row = db.execute(
            f"SELECT {which}(seq) FROM (SELECT seq FROM outcomes WHERE station = ? AND {condition} LIMIT ?)",  # noqa: S608 - constants
            (self._station, at, OUT_OF_ORDER),
        ).fetchone()
        return or_else if row[0] is None else int(row[0])

    def _sorted(self, db: sqlite3.Connection, query: Query, known: set[str], low: int, high: int) -> list[int] | None:
        """Every `seq` with the rarest of the texts; None where no text is asked for, or all of them are common."""
        for name, start in query.texts.items():
            condition = _Where.range(name, start, known)
            rows = db.execute(
                f"SELECT seq FROM outcome_texts WHERE station = ? AND {condition.sql} LIMIT ?",  # noqa: S608 - constants
                (self._station, *condition.values, MAX_SORTED + 1),
            ).fetchall()
            if len(rows) <= MAX_SORTED:
                return sorted({seq for (seq,) in rows if low <= seq <= high}, reverse=True)
        return None

    def _end_of_walk(self, db: sqlite3.Connection, query: Query, high: int) -> int | None:
        """Where a walk back from `high` ends that looks at `MAX_WALKED` rows; None where there are fewer."""
        walks: list[tuple[str, Any]] = [("reason = ?", query.reason), ("disposition = ?", query.disposition), ("?", 1)]
        condition, value = next(walk for walk in walks if walk[1] is not None)
        row = db.execute(
            f"""SELECT seq FROM outcomes WHERE station = ? AND {condition} AND seq <= ?
                ORDER BY seq DESC LIMIT 1 OFFSET ?""",  # noqa: S608 - constants
            (self._station, value, high, MAX_WALKED),
        ).fetchone()
        return None if row is None else int(row[0])

    def _page(self, db: sqlite3.Connection, wheres: Sequence[_Where], limit: int, *, end: int | None) -> Page:
        """The outcomes that fit; `end` is the last `seq` that was looked at, None where there is nothing behind it."""
        rows = db.execute(
            f"{_ROW} AND {' AND '.join(one.sql for one in wheres)} ORDER BY seq DESC LIMIT ?",
            (self._station, *(value for one in wheres for value in one.values), limit),
        ).fetchall()
        return Page([OutcomeRow(*row) for row in rows], rows[-1][0] if len(rows) == limit else end)


_LAST = 2**62
#: Names of fields by a skip through the index: `DISTINCT` would read all of it.
_NAMES = """WITH RECURSIVE names (name) AS (
        SELECT min(name) FROM outcome_texts WHERE station = ?
        UNION ALL
        SELECT (SELECT min(name) FROM outcome_texts WHERE station = ? AND outcome_texts.name > names.name)
        FROM names WHERE names.name IS NOT NULL)
    SELECT name FROM names WHERE name IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class _Where:
    sql: str
    values: tuple[Any, ...]

    @classmethod
    def range(cls, name: str, start: str, known: set[str]) -> _Where:
        names = (name,) if name else tuple(sorted(known))
        return cls(
            f"name IN ({', '.join('?' * len(names))}) AND text >= ? AND text < ?", (*names, start, start + _BEHIND_ALL)
        )

    @classmethod
    def text(cls, name: str, start: str, known: set[str]) -> _Where:
        inner = cls.range(name, start, known)
        # The plus keeps SQLite from walking the range of texts once for each outcome.
        return cls(
            f"""EXISTS (SELECT 1 FROM outcome_texts WHERE outcome_texts.station = outcomes.station
                AND outcome_texts.seq = outcomes.seq AND {inner.sql.replace("text", "+text")})""",  # noqa: S608
            inner.values,
        )


def _conditions(query: Query) -> list[tuple[str, str | None]]:
    # The plus keeps SQLite from sorting a whole span of time.
    return [
        ("reason = ?", query.reason),
        ("disposition = ?", query.disposition),
        ("+at >= ?", query.since),
        ("+at < ?", query.until),
    ]
