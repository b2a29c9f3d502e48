"""A database of any earlier version is brought to the present one with all that it holds."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge.adapters import schema
from edge.adapters.database import FILE_NAME
from edge.adapters.store import Store

AT = "2026-01-01T00:00:00.000Z"


def first_version(folder: Path) -> None:
    """A database as the first edge left it: an outcome that was told, one that waits, one set aside."""
    db = sqlite3.connect(folder / FILE_NAME)
    for statement in schema.STEPS[0]:
        db.execute(statement)
    for seq, closed in ((1, "acknowledged"), (2, None), (3, None)):
        db.execute(
            "INSERT INTO triggers (station, inspection_id, trigger_id, source, at, at_us, boot, begun_us, seq) "
            "VALUES ('st', ?, ?, 'x', ?, 1, 'b', 1, ?)",
            (f"i{seq}", f"t{seq}", AT, seq),
        )
        db.execute(
            "INSERT INTO outcomes (station, seq, inspection_id, disposition, reason, at, at_us, boot, payload, "
            "closed_at, closed_as) VALUES ('st', ?, ?, 'hold', 'overrun', ?, 1, 'b', ?, ?, ?)",
            (seq, f"i{seq}", AT, b'{"seq":%d}' % seq, AT if closed else None, closed),
        )
    for seq, state in ((2, "waiting"), (3, "dead")):
        db.execute(
            "INSERT INTO outbox (station, kind, inspection_id, topic, properties, at, at_us, boot, state) "
            "VALUES ('st', 'outcome', ?, 't', '{}', ?, 1, 'b', ?)",
            (f"i{seq}", AT, state),
        )
    db.execute("INSERT INTO counts VALUES ('st', 'triggers', 3), ('st', 'outcomes', 3)")
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()


def test_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    """Outcomes, what became of them, what waits and what was set aside are as they were, and can be gone on with."""
    first_version(tmp_path)

    store = Store.open(tmp_path, "st")

    assert [(row.seq, row.closed_as) for row in store.outcomes()] == [(3, None), (2, None), (1, "acknowledged")]
    assert (store.outbox.num_waiting(), store.outbox.num_dead()) == (1, 1)
    assert [message.payload for message in store.outbox.pending(9)] == [b'{"seq":2}']
    assert store.outbox.retry() == 1
    store.outbox.acknowledge(*store.outbox.waiting(9))
    assert store.outbox.num_waiting() == 0
    assert {row.closed_as for row in store.outcomes()} == {"acknowledged"}
    assert store.kept.forget("9") == 3
    store.close()


@pytest.mark.parametrize("version", range(len(schema.STEPS)))
def test_each_version_gives_the_same_tables_as_a_new_database(version: int, tmp_path: Path) -> None:
    """Step by step or all at once, the tables, indexes and SQL triggers are the same."""
    old, new = (sqlite3.connect(":memory:", isolation_level=None) for _ in range(2))
    for step in schema.STEPS[:version]:
        for statement in step:
            old.execute(statement)
    old.execute(f"PRAGMA user_version = {version}")

    schema.migrate(old, "old")
    schema.migrate(new, "new")

    tables = [
        sorted(db.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall())
        for db in (old, new)
    ]
    assert tables[0] == tables[1]
    old.close()
    new.close()
