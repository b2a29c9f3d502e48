"""Outcomes by the thousand, written by SQL: the store's own commits, each on the disk, would take hours."""

from __future__ import annotations

import random
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge.adapters.database import wall_time
from edge.adapters.payload import outcome_payload
from edge.adapters.store import Store
from edge.core.outcome import DISPOSITION_OF, Reason
from tests.web.site import STATION, PartOf

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
#: One a second: a million are eleven and a half days.
STEP = timedelta(seconds=1)
#: Stands in the payload for the outcome's own.
SEQ = 987654321
REASONS = (Reason.MATCHED,) * 95 + (Reason.UNREADABLE, Reason.MISMATCH, Reason.RECORD_MISSING) + (Reason.DEADLINE,) * 2


def pour(data_dir: Path, outcomes: int, *, at_once: int = 1_000_000, station: str = STATION) -> None:
    """Fill a store up to so many outcomes, each of some 2 kB; `at_once` are one transaction."""
    Store.open(data_dir, station).close()
    db = sqlite3.connect(data_dir / "edge.db", isolation_level=None, timeout=20)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -200000")
    choose = random.Random(1)
    part = PartOf("SERIAL", "MODEL", Reason.MATCHED).outcome("INSPECTION", "t", ())
    written = outcome_payload(part, seq=SEQ, station=station, at="AT", config_hash="c").decode()
    (have,) = db.execute("SELECT coalesce(max(seq), 0) FROM outcomes").fetchone()
    for first in range(have + 1, outcomes + 1, at_once):
        last = min(first + at_once - 1, outcomes)
        db.execute("BEGIN IMMEDIATE")
        for seq in range(first, last + 1):
            _write(db, station, written, seq, choose.choice(REASONS))
        db.executemany(
            "INSERT OR REPLACE INTO counts VALUES (?, ?, ?)",
            [(station, "triggers", last), (station, "outcomes", last)],
        )
        db.execute("COMMIT")
    db.close()


def _write(db: sqlite3.Connection, station: str, payload: str, seq: int, reason: Reason) -> None:
    at = wall_time(BEGIN + seq * STEP)
    inspection_id = f"i{seq:08}"
    for name, value in {
        "INSPECTION": inspection_id,
        str(SEQ): str(seq),
        '"AT"': f'"{at}"',
        '"matched"': f'"{reason}"',
        '"pass"': f'"{DISPOSITION_OF[reason]}"',
        "SERIAL": f"SN{seq:08}",
        "MODEL": f"M{seq % 10}",
    }.items():
        payload = payload.replace(name, value)
    db.execute(
        """INSERT INTO triggers (station, inspection_id, trigger_id, source, at, at_us, boot, begun_us, seq)
           VALUES (?, ?, ?, 'crowd', ?, 0, 'b', 0, ?)""",
        (station, inspection_id, inspection_id, at, seq),
    )
    db.execute(
        """INSERT INTO outcomes (station, seq, inspection_id, disposition, reason, at, at_us, boot, total_ms, payload)
           VALUES (?, ?, ?, ?, ?, ?, 0, 'b', 800.0, ?)""",
        (station, seq, inspection_id, DISPOSITION_OF[reason], reason, at, payload.encode()),
    )
