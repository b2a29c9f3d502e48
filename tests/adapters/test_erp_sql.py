"""ERP as a database: bound parameters, mapped columns, named faults, and no password anywhere."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from edge.adapters.erp import open_erp
from edge.adapters.erp_sql import SqlRecords
from edge.errors import ConfigError, ErpError
from edge.sections_erp import SqlErp

ROWS = [("12345678AB", "AX-1", 7, 1.5), ("87654321BA", "AX-2", None, None), ("00123", "AX-3", 1, 1.0)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with three parts."""
    path = tmp_path / "erp.db"
    with sqlite3.connect(path) as database:
        database.execute('CREATE TABLE parts (serial TEXT, model TEXT, lot INTEGER, weight REAL, "Ser Nr" TEXT)')
        database.executemany("INSERT INTO parts VALUES (?, ?, ?, ?, ?)", [(*row, row[0]) for row in ROWS])
    database.close()
    return path


@pytest.fixture
def records(path: Path) -> Callable[..., SqlRecords]:
    """Records of a table of that database."""

    def made(table: str = "parts", **columns: str) -> SqlRecords:
        return SqlRecords(SecretStr(f"sqlite:///{path}"), table, columns, timeout_s=30)

    return made


def test_a_record_is_found_by_its_serial(records: Callable[..., SqlRecords]) -> None:
    """A serial gives its record, of texts; one that ERP does not know gives a record without fields (L3)."""
    erp = records(model="model", lot="lot")

    assert erp.lookup("12345678AB").fields == {"serial": "12345678AB", "model": "AX-1", "lot": "7"}
    assert erp.lookup("87654321BA").fields == {"serial": "87654321BA", "model": "AX-2"}
    assert erp.lookup("x").fields == {}
    assert erp.lookup("x").source == "sql:sqlite:parts"


def test_columns_may_have_any_name(records: Callable[..., SqlRecords]) -> None:
    """A column whose name needs quotes is mapped like any other."""
    erp = records(serial="Ser Nr", model="model")

    assert erp.lookup("12345678AB").fields == {"serial": "12345678AB", "model": "AX-1"}


def test_without_a_mapping_columns_are_fields(records: Callable[..., SqlRecords]) -> None:
    """Unmapped, each column is the field of its name, and a number with a point that nobody asked for is left out."""
    assert records().lookup("12345678AB").fields == {
        "serial": "12345678AB",
        "model": "AX-1",
        "lot": "7",
        "Ser Nr": "12345678AB",
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(serial=st.text(max_size=20) | st.sampled_from(["' OR 1=1 --", "'; DROP TABLE parts; --", "%", "_", '"', "\0"]))
def test_a_serial_is_never_sql(serial: str, records: Callable[..., SqlRecords]) -> None:
    """Whatever is printed on a plate reaches the database as a value: it finds itself or nothing."""
    erp = records()

    try:
        found = erp.lookup(serial).fields
    except ErpError:  # a text that the driver cannot take
        found = {}
    erp.close()

    assert found.get("serial", serial) == serial
    assert records().lookup("12345678AB").fields["model"] == "AX-1"


def test_only_the_very_serial_counts(path: Path, records: Callable[..., SqlRecords]) -> None:
    """A database that takes 0123 for 123, or a for A, does not make a misread match (L6)."""
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE loose (serial TEXT COLLATE NOCASE, model TEXT)")
        database.execute("INSERT INTO loose VALUES ('ab1', 'AX'), ('AB1', 'AY')")
        database.execute("CREATE TABLE numbers (serial INTEGER, model TEXT)")
        database.execute("INSERT INTO numbers VALUES (123, 'AX')")
    database.close()

    assert records("loose").lookup("AB1").fields["model"] == "AY"
    assert records("loose").lookup("Ab1").fields == {}
    assert records("numbers").lookup("123").fields == {"serial": "123", "model": "AX"}
    assert records("numbers").lookup("0123").fields == {}


def test_two_records_of_a_serial_are_none(path: Path, records: Callable[..., SqlRecords]) -> None:
    """A serial that stands twice is a named error, never the first of them (L4)."""
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO parts (serial, model) VALUES ('12345678AB', 'AX-1')")
    database.close()

    with pytest.raises(ErpError, match="two records of serial 12345678AB"):
        records().lookup("12345678AB")


@pytest.mark.parametrize(
    ("table", "columns", "what"),
    [
        ("part", {}, "no table"),
        ("parts", {"model": "Model Name"}, "no column Model Name"),
        ("parts", {"serial": "sernr"}, "no column sernr"),
        ("parts", {"model": "weight"}, "model as float"),
    ],
)
def test_what_does_not_fit_is_a_named_error(
    table: str, columns: dict[str, str], what: str, records: Callable[..., SqlRecords]
) -> None:
    """An absent table, an absent column and a wrong type are errors with a name; SQLite's quoted texts fool nobody."""
    with pytest.raises(ErpError, match=what):
        records(table, **columns).lookup("12345678AB")


def test_an_absent_database_is_not_made(tmp_path: Path) -> None:
    """Asking a database that is not there is an error, and leaves no empty database behind (L3)."""
    erp = SqlRecords(SecretStr(f"sqlite:///{tmp_path}/none.db"), "parts", {}, timeout_s=30)

    with pytest.raises(ErpError, match="could not be asked"):
        erp.lookup("1")

    assert list(tmp_path.iterdir()) == []


def test_the_database_cannot_be_written(records: Callable[..., SqlRecords]) -> None:
    """The connection is read only: edge verifies against ERP and never edits it (L6)."""
    erp = records()

    with pytest.raises(Exception, match="readonly"), erp._engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM parts")


def test_a_table_that_comes_back_is_found(path: Path, records: Callable[..., SqlRecords]) -> None:
    """After a table was away and came back with other columns, records are found again without a restart."""
    erp = records(model="model")
    erp.lookup("12345678AB")
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE parts RENAME TO away")
    with pytest.raises(ErpError):
        erp.lookup("12345678AB")
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE away RENAME TO parts")
    database.close()

    assert erp.lookup("12345678AB").fields["model"] == "AX-1"


@pytest.mark.parametrize("url", ["hunter2", "nosuch://u:hunter2@h/d", "postgresql+nosuch://u:hunter2@h/d"])
def test_a_url_that_cannot_be_used_is_not_shown(url: str) -> None:
    """A wrong URL is a wrong configuration, and no part of it is shown (L13)."""
    with pytest.raises(ConfigError) as raised:
        SqlRecords(SecretStr(url), "parts", {}, timeout_s=1)

    assert "hunter2" not in str(raised.value)


def test_a_missing_driver_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its driver the error names the extra, and shows no password (L13)."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(ErpError, match="postgres") as raised:
        SqlRecords(SecretStr("postgresql+psycopg://u:hunter2@h/d"), "parts", {}, timeout_s=1)

    assert "hunter2" not in str(raised.value)


def test_the_settings_open_it(path: Path, tmp_path: Path) -> None:
    """`[erp] kind = "sql"` opens the database, by a URL in the settings or in a file of its own."""
    (tmp_path / "url").write_text(f"sqlite:///{path}\n", encoding="utf-8")
    by_url = open_erp(SqlErp(kind="sql", url=f"sqlite:///{path}", table="parts", timeout_ms=30_000))
    by_file = open_erp(SqlErp(kind="sql", url_file=tmp_path / "url", table="parts", timeout_ms=30_000))

    for erp in (by_url, by_file):
        assert isinstance(erp, SqlRecords)
        assert erp.lookup("12345678AB").fields["model"] == "AX-1"
        assert "3 records" in erp.describe()
