"""The tables of `edge.db` and the steps from one version to the next.

Promise: opening a database of any earlier version brings it to the present one in one transaction a step, and a
database of a later version is refused, never half understood. Steps are only ever added at the end.
"""

from __future__ import annotations

import sqlite3

from edge.errors import StoreError

#: The texts of outcomes that have any; a payload that is no JSON has none.
_TEXTS = """SELECT outcomes.station, outcomes.seq, field.key, json_extract(field.value, '$.text')
    FROM {of}, json_each(
        CASE WHEN json_valid(CAST(outcomes.payload AS TEXT)) THEN CAST(outcomes.payload AS TEXT) ELSE '{{}}' END,
        '$.fields') AS field
    WHERE json_extract(field.value, '$.text') <> ''"""

#: One tuple of statements a version. `PRAGMA user_version` counts the tuples that a database has seen.
STEPS: tuple[tuple[str, ...], ...] = (
    (
        # `number` is the order of arrival; `seq` is set with the outcome: a trigger without one is open.
        """CREATE TABLE triggers (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            station TEXT NOT NULL,
            inspection_id TEXT NOT NULL UNIQUE,
            trigger_id TEXT NOT NULL,
            source TEXT NOT NULL,
            expected TEXT,
            at TEXT NOT NULL,
            at_us INTEGER NOT NULL,
            boot TEXT NOT NULL,
            begun_us INTEGER,
            seq INTEGER,
            UNIQUE (station, trigger_id)
        ) STRICT""",
        "CREATE INDEX open_triggers ON triggers (station, number) WHERE seq IS NULL",
        """CREATE TABLE expectations (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            station TEXT NOT NULL,
            command_id TEXT NOT NULL,
            expected TEXT NOT NULL,
            inspection_id TEXT
        ) STRICT""",
        "CREATE INDEX used_expectations ON expectations (inspection_id) WHERE inspection_id IS NOT NULL",
        "CREATE INDEX unused_expectations ON expectations (station, number) WHERE inspection_id IS NULL",
        "CREATE INDEX expectation_commands ON expectations (station, command_id)",
        # The payload stands here once; the outbox row points at it, so that there are no two copies to differ.
        """CREATE TABLE outcomes (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            station TEXT NOT NULL,
            seq INTEGER NOT NULL,
            inspection_id TEXT NOT NULL UNIQUE REFERENCES triggers (inspection_id),
            disposition TEXT NOT NULL,
            reason TEXT NOT NULL,
            at TEXT NOT NULL,
            at_us INTEGER NOT NULL,
            boot TEXT NOT NULL,
            total_ms REAL,
            payload BLOB NOT NULL,
            closed_at TEXT,
            closed_as TEXT CHECK (closed_as IN ('acknowledged', 'dropped')),
            confirmed_at TEXT,
            UNIQUE (station, seq)
        ) STRICT""",
        "CREATE INDEX outcome_times ON outcomes (station, at)",
        "CREATE INDEX unconfirmed_outcomes ON outcomes (station, seq) WHERE confirmed_at IS NULL",
        # Serials outlive the outcomes they came from: a duplicate is one after years, too.
        """CREATE TABLE passed_serials (
            inspection_id TEXT PRIMARY KEY,
            serial TEXT NOT NULL,
            at TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX serials ON passed_serials (serial)",
        """CREATE TABLE evidence (
            path TEXT NOT NULL,
            inspection_id TEXT NOT NULL REFERENCES outcomes (inspection_id) ON DELETE CASCADE,
            attempt INTEGER NOT NULL,
            sha256 TEXT NOT NULL,
            at TEXT NOT NULL,
            removed_at TEXT,
            PRIMARY KEY (path, inspection_id)
        ) STRICT""",
        "CREATE INDEX kept_evidence ON evidence (at) WHERE removed_at IS NULL",
        "CREATE INDEX evidence_of ON evidence (inspection_id)",
        """CREATE TABLE outbox (
            row_id INTEGER PRIMARY KEY AUTOINCREMENT,
            station TEXT NOT NULL,
            kind TEXT NOT NULL,
            inspection_id TEXT,
            topic TEXT NOT NULL,
            payload BLOB,
            properties TEXT NOT NULL,
            at TEXT NOT NULL,
            at_us INTEGER NOT NULL,
            boot TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'dead')),
            historical INTEGER,
            attempts INTEGER NOT NULL DEFAULT 0,
            reason TEXT
        ) STRICT""",
        "CREATE INDEX outbox_states ON outbox (station, state, row_id)",
        """CREATE TABLE counts (
            station TEXT NOT NULL,
            name TEXT NOT NULL,
            value INTEGER NOT NULL,
            PRIMARY KEY (station, name)
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        # `SELECT count(*)` over a backlog of a million takes 60 ms, and health asks every few seconds: the database
        # keeps the sums itself, whoever writes.
        """CREATE TABLE outbox_sizes (
            station TEXT NOT NULL,
            state TEXT NOT NULL,
            messages INTEGER NOT NULL,
            PRIMARY KEY (station, state)
        ) STRICT, WITHOUT ROWID""",
        "INSERT INTO outbox_sizes SELECT station, state, count(*) FROM outbox GROUP BY station, state",
        """CREATE TRIGGER message_added AFTER INSERT ON outbox BEGIN
            INSERT INTO outbox_sizes VALUES (new.station, new.state, 1)
                ON CONFLICT (station, state) DO UPDATE SET messages = messages + 1;
        END""",
        """CREATE TRIGGER message_closed AFTER DELETE ON outbox BEGIN
            UPDATE outbox_sizes SET messages = messages - 1 WHERE station = old.station AND state = old.state;
        END""",
        """CREATE TRIGGER message_moved AFTER UPDATE OF state ON outbox WHEN old.state <> new.state BEGIN
            UPDATE outbox_sizes SET messages = messages - 1 WHERE station = old.station AND state = old.state;
            INSERT INTO outbox_sizes VALUES (new.station, new.state, 1)
                ON CONFLICT (station, state) DO UPDATE SET messages = messages + 1;
        END""",
        # Closing an outcome writes a short row here: to change its own, of some 6 kB, wrote all of it anew. What may be
        # forgotten is found here without walking over a backlog that may not.
        """CREATE TABLE closed_outcomes (
            number INTEGER PRIMARY KEY REFERENCES outcomes (number) ON DELETE CASCADE,
            station TEXT NOT NULL,
            made_at TEXT NOT NULL,
            closed_at TEXT NOT NULL,
            closed_as TEXT NOT NULL CHECK (closed_as IN ('acknowledged', 'dropped'))
        ) STRICT""",
        "CREATE INDEX told_outcomes ON closed_outcomes (station, made_at)",
        """INSERT INTO closed_outcomes SELECT number, station, at, closed_at, closed_as FROM outcomes
           WHERE closed_as IS NOT NULL""",
        "ALTER TABLE outcomes DROP COLUMN closed_at",
        "ALTER TABLE outcomes DROP COLUMN closed_as",
    ),
    (
        # For people who search (`history`): each outcome's texts, kept by the database in the outcome's transaction.
        """CREATE TABLE outcome_texts (
            station TEXT NOT NULL,
            seq INTEGER NOT NULL,
            name TEXT NOT NULL,
            text TEXT NOT NULL COLLATE NOCASE,
            PRIMARY KEY (station, seq, name)
        ) STRICT, WITHOUT ROWID""",
        f"INSERT INTO outcome_texts {_TEXTS.format(of='outcomes')}",
        "CREATE INDEX texts ON outcome_texts (station, name, text, seq)",
        # What waits for a person is found without looking at what did not, or has had one.
        """CREATE TABLE held_parts (
            station TEXT NOT NULL,
            seq INTEGER NOT NULL,
            PRIMARY KEY (station, seq)
        ) STRICT, WITHOUT ROWID""",
        "INSERT INTO held_parts SELECT station, seq FROM outcomes WHERE disposition = 'hold'",
        f"""CREATE TRIGGER outcome_written AFTER INSERT ON outcomes BEGIN
            INSERT INTO outcome_texts {_TEXTS.format(of="(SELECT new.station, new.seq, new.payload) AS outcomes")};
            INSERT INTO held_parts SELECT new.station, new.seq WHERE new.disposition = 'hold';
        END""",
        """CREATE TRIGGER outcome_forgotten AFTER DELETE ON outcomes BEGIN
            DELETE FROM outcome_texts WHERE station = old.station AND seq = old.seq;
            DELETE FROM held_parts WHERE station = old.station AND seq = old.seq;
        END""",
        # A person's word on an outcome; until `sent_at` it can be taken back, and is not in the outbox.
        """CREATE TABLE reviews (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            station TEXT NOT NULL,
            inspection_id TEXT NOT NULL REFERENCES outcomes (inspection_id) ON DELETE CASCADE,
            correction_id TEXT NOT NULL UNIQUE,
            topic TEXT NOT NULL,
            payload BLOB NOT NULL,
            at TEXT NOT NULL,
            at_us INTEGER NOT NULL,
            boot TEXT NOT NULL,
            sent_at TEXT
        ) STRICT""",
        "CREATE INDEX reviews_of ON reviews (inspection_id)",
        "CREATE INDEX reviews_to_send ON reviews (station, number) WHERE sent_at IS NULL",
        "CREATE INDEX outcome_reasons ON outcomes (station, reason, seq)",
        "CREATE INDEX outcome_dispositions ON outcomes (station, disposition, seq)",
        "DROP INDEX outcome_times",
        "CREATE INDEX outcome_times ON outcomes (station, at, seq, reason)",
    ),
    (
        # What the outcomes so far add up to (`alarms`), as JSON: written whole with each outcome.
        "CREATE TABLE watches (station TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID",
    ),
    (
        # What came from outside, for whoever plays the inspection again (`recorded`). In the outcome's own row: a table
        # of its own would be one more page to write for each part.
        "ALTER TABLE outcomes ADD COLUMN course TEXT",
        # What outcomes were decided by: settings with their product, and calibrations, each under its SHA-256.
        """CREATE TABLE configurations (
            sha256 TEXT PRIMARY KEY,
            at TEXT NOT NULL,
            text TEXT NOT NULL
        ) STRICT, WITHOUT ROWID""",
    ),
    (
        # A broker can forget what it has acknowledged: what was sent can be sent again, the same and at its old place.
        "ALTER TABLE closed_outcomes ADD COLUMN row_id INTEGER",
        "ALTER TABLE closed_outcomes ADD COLUMN topic TEXT",
        "ALTER TABLE closed_outcomes ADD COLUMN properties TEXT",
        "ALTER TABLE closed_outcomes ADD COLUMN historical INTEGER",
        "ALTER TABLE closed_outcomes ADD COLUMN closed_us INTEGER",
        "ALTER TABLE closed_outcomes ADD COLUMN boot TEXT",
        # The newest messages of other kinds, whose payload stands nowhere else.
        """CREATE TABLE closed_messages (
            row_id INTEGER PRIMARY KEY,
            station TEXT NOT NULL,
            kind TEXT NOT NULL,
            inspection_id TEXT,
            topic TEXT NOT NULL,
            payload BLOB NOT NULL,
            properties TEXT NOT NULL,
            historical INTEGER,
            closed_at TEXT NOT NULL,
            closed_us INTEGER NOT NULL,
            boot TEXT NOT NULL
        ) STRICT""",
        "ALTER TABLE outbox ADD COLUMN again INTEGER NOT NULL DEFAULT 0",
    ),
)


def migrate(db: sqlite3.Connection, path: str) -> None:
    """Bring the tables of an open database to the present version.

    Raises:
        StoreError: The database was written by a later version of edge.
    """
    if _version(db) == len(STEPS):
        return
    # Another process may be doing the same: the version is read again where no one else can write.
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _version(db)
        _refuse_later(version, path)
        for step in STEPS[version:]:
            for statement in step:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(STEPS)}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _refuse_later(version: int, path: str) -> None:
    if version > len(STEPS):
        raise StoreError(
            f"{path} has tables of version {version} and this edge knows up to {len(STEPS)}: "
            "install the edge that wrote it, or give another data folder"
        )
