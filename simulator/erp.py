"""Plays ERP: keeps the records that a site would have, as a CSV export or an SQLite table, and breaks them on purpose.

The CSV is replaced as a whole (written beside, then renamed), as a nightly export is. The table has no unique key, as
grown systems often have none, so that two records of one serial are possible.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

COLUMNS = ("serial", "model", "work_order")
TABLE = "parts"

Breakage = Literal["up", "locked", "gone"]


class CsvErp:
    """Records in a CSV file; every change writes the whole file anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._records: list[Mapping[str, str]] = []
        self._write()

    def add(self, records: Iterable[Mapping[str, str]]) -> None:
        """Keep these records as well."""
        self._records += [dict(record) for record in records]
        self._write()

    def clear(self) -> None:
        """Forget all records."""
        self._records.clear()
        self._write()

    def break_file(self, how: Literal["half", "html", "empty"]) -> None:
        """Leave what a failed export leaves: half a file, a login page, or nothing."""
        text = self.path.read_text(encoding="utf-8")
        broken = {
            "half": text[: len(text) // 2] + '"',
            "html": "<html><body>Please log in</body></html>\n",
            "empty": "",
        }[how]
        _replace(self.path, broken)

    def mend(self) -> None:
        """Write the records again."""
        self._write()

    def _write(self) -> None:
        beside = self.path.with_suffix(".new")
        with beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(self._records)
        beside.replace(self.path)


class SqlErp:
    """Records in a table of an SQLite file (`TABLE`, `COLUMNS`); can hold it locked, or take the table away."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._holder: sqlite3.Connection | None = None
        with self._open() as connection:
            columns = ", ".join(f"{name} TEXT" for name in COLUMNS)
            connection.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} ({columns})")
        connection.close()

    @property
    def url(self) -> str:
        """The address in SQLAlchemy's form."""
        return f"sqlite:///{self.path}"

    def add(self, records: Iterable[Mapping[str, str]]) -> None:
        """Keep these records as well."""
        rows = [tuple(record.get(name, "") for name in COLUMNS) for record in records]
        with self._open() as connection:
            connection.executemany("INSERT INTO parts VALUES (?, ?, ?)", rows)
        connection.close()

    def set_state(self, state: Breakage) -> None:
        """Break ERP ("locked": somebody holds the database; "gone": the table is away) or mend it ("up")."""
        if self._holder is not None:
            self._holder.rollback()
            self._holder.close()
            self._holder = None
        with self._open() as connection:
            there = self._has(connection, TABLE)
            if state == "gone" and there:
                connection.execute(f"ALTER TABLE {TABLE} RENAME TO {TABLE}_away")
            elif state != "gone" and not there:
                connection.execute(f"ALTER TABLE {TABLE}_away RENAME TO {TABLE}")
        connection.close()
        if state == "locked":
            self._holder = self._open()
            self._holder.execute("BEGIN EXCLUSIVE")

    def close(self) -> None:
        """Mend it and let go."""
        self.set_state("up")

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10, check_same_thread=False)

    @staticmethod
    def _has(connection: sqlite3.Connection, table: str) -> bool:
        return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone() is not None


def _replace(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
