"""Promises of the played ERP: records as a site keeps them, and broken in the ways that sites see."""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path

import pytest

from simulator.erp import COLUMNS, TABLE, CsvErp, SqlErp

PART = {"serial": "40517283GK", "model": "NG54-63M4"}


def rows_of(path: Path) -> list[dict[str, str]]:
    """All rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_csv_holds_what_was_added(tmp_path: Path) -> None:
    """Each change leaves a whole file with the header and all records so far."""
    erp = CsvErp(tmp_path / "parts.csv")

    empty = rows_of(erp.path)
    erp.add([PART])
    erp.add([{**PART, "serial": "1"}])

    assert empty == []
    assert [row["serial"] for row in rows_of(erp.path)] == ["40517283GK", "1"]
    assert tuple(rows_of(erp.path)[0]) == COLUMNS


@pytest.mark.parametrize("how", ["half", "html", "empty"])
def test_a_failed_export_can_be_left_and_mended(tmp_path: Path, how: str) -> None:
    """A broken export is not the file that it was; mending brings every record back."""
    erp = CsvErp(tmp_path / "parts.csv")
    erp.add([PART])
    whole = erp.path.read_bytes()

    erp.break_file(how)  # type: ignore[arg-type]
    broken = erp.path.read_bytes()
    erp.mend()

    assert broken != whole
    assert erp.path.read_bytes() == whole


def test_the_table_takes_two_records_of_one_serial(tmp_path: Path) -> None:
    """The table has no unique key, as grown systems often have none."""
    erp = SqlErp(tmp_path / "erp.db")

    erp.add([PART, {**PART, "model": "other"}])

    with sqlite3.connect(tmp_path / "erp.db") as reader:
        found = reader.execute(f"SELECT model FROM {TABLE} WHERE serial = ?", (PART["serial"],)).fetchall()
    reader.close()
    erp.close()
    assert found == [("NG54-63M4",), ("other",)]


@pytest.mark.parametrize(("state", "words"), [("locked", "locked"), ("gone", "no such table")])
def test_a_broken_database_gives_no_answer_until_it_is_mended(tmp_path: Path, state: str, words: str) -> None:
    """Locked or without its table the database answers with an error; mended it holds what it held."""
    erp = SqlErp(tmp_path / "erp.db")
    erp.add([PART])
    reader = sqlite3.connect(tmp_path / "erp.db", timeout=0)

    erp.set_state(state)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.OperationalError, match=words):
        reader.execute(f"SELECT * FROM {TABLE}").fetchall()
    erp.set_state("up")
    found = reader.execute(f"SELECT serial FROM {TABLE}").fetchall()
    reader.close()
    erp.close()

    assert found == [(PART["serial"],)]
