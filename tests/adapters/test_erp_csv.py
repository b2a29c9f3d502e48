"""ERP as a CSV file: reloaded when it changes, as a whole or not at all; every fault has a name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.adapters import erp as erp_module
from edge.adapters.erp import InTime, open_erp
from edge.adapters.erp_csv import CsvRecords, parse
from edge.errors import ErpError
from edge.sections_erp import CsvErp, NoErp

GOOD = b"serial,model\n12345678AB,AX-1\n87654321BA,AX-2\n"


class Clock:
    """A wall clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        """Say the time."""
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """A clock of the test's own."""
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where ERP writes."""
    return tmp_path / "parts.csv"


def _write(path: Path, content: bytes, at_s: float = 1_000_000.0) -> None:
    """Replace the file as a good ERP does: beside it, then by its name."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    os.utime(new, (at_s, at_s))
    new.rename(path)


@pytest.fixture
def records(path: Path, clock: Clock) -> Callable[..., CsvRecords]:
    """Records of the file, by the test's clock."""

    def made(content: bytes = GOOD, **columns: str) -> CsvRecords:
        _write(path, content)
        return CsvRecords(path, columns, timeout_s=30, max_age_s=3600, wall_s=clock)

    return made


def test_a_record_is_found_by_its_serial(records: Callable[..., CsvRecords]) -> None:
    """A serial gives its record; one that ERP does not know gives a record without fields, which is no error (L3)."""
    erp = records()

    found, missing = erp.lookup("12345678AB"), erp.lookup("x")

    assert found.fields == {"serial": "12345678AB", "model": "AX-1"}
    assert found.source == "csv:parts.csv"
    assert missing.fields == {}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + GOOD, id="byte order mark"),
        pytest.param(GOOD.replace(b",", b";"), id="semicolons"),
        pytest.param(GOOD.replace(b",", b"\t"), id="tabs"),
        pytest.param(GOOD.replace(b"\n", b"\r\n"), id="lines of Windows"),
        pytest.param(GOOD.replace(b"AX-1", b'"AX-1"'), id="quotes"),
        pytest.param(GOOD.replace(b",", b" , "), id="blanks"),
        pytest.param(GOOD.rstrip(b"\n"), id="no last line end"),
        pytest.param(b"\n" + GOOD + b"\n\n", id="blank lines"),
    ],
)
def test_files_as_erps_write_them_are_read(content: bytes, records: Callable[..., CsvRecords]) -> None:
    """Byte order mark, other separators, line ends, quotes and blanks make no difference."""
    assert records(content).lookup("12345678AB").fields == {"serial": "12345678AB", "model": "AX-1"}


def test_a_cell_may_hold_separators_and_lines(records: Callable[..., CsvRecords]) -> None:
    """A quoted cell keeps its separators, quotes and line breaks."""
    erp = records(b'serial;model;text\n1;"A;""B""";"two\nlines"\n2;C;x\n')

    assert erp.lookup("1").fields["model"] == 'A;"B"'
    assert erp.lookup("2").fields["model"] == "C"


def test_columns_are_mapped(records: Callable[..., CsvRecords]) -> None:
    """Each field comes from the column that the settings name, and nothing else comes."""
    erp = records(b"SERNR,MATNR,PRICE\n1,AX,9\n", serial="SERNR", model="MATNR")

    assert erp.lookup("1").fields == {"serial": "1", "model": "AX"}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param(b"", "no column serial", id="empty"),
        pytest.param(b"\n\n", "no column serial", id="blank"),
        pytest.param(b"<!DOCTYPE html><html><body>Login</body></html>", "no column serial", id="html"),
        pytest.param(b'{"serial": "1"}', "no column serial", id="json"),
        pytest.param(b"model\nAX\n", "no column serial", id="no serial column"),
        pytest.param(b"serial,serial\n1,2\n", "serial twice", id="a column twice"),
        pytest.param(b"serial,model\n1\n", ":2: has 1 cells", id="a short line"),
        pytest.param(b"serial,model\n1,2,3\n", ":2: has 3 cells", id="a long line"),
        pytest.param(b"serial,model\n,AX\n", ":2: has no serial", id="no serial"),
        pytest.param(b'serial,model\n1,"AX\n', "is no CSV", id="an open quote"),
        pytest.param(b"serial,model\n1,M\xfcller\n", ":2: is not UTF-8", id="latin-1"),
        pytest.param("serial,model\n1,AX\n".encode("utf-16"), "is not UTF-8", id="utf-16"),
        pytest.param(b"serial,model\n1,A\x00X\n", ":2: holds a zero byte", id="zero byte"),
        pytest.param(b"serial,model\n1," + b"x" * 200_000 + b"\n", "is no CSV", id="an endless cell"),
        pytest.param(b"PK\x03\x04\x14\x00\x06\x00", "zero byte", id="a workbook"),
    ],
)
def test_a_broken_file_is_a_named_error(content: bytes, what: str, records: Callable[..., CsvRecords]) -> None:
    """A first file that is broken is an error that names file, line and fault: never an empty record (L3, L4)."""
    erp = records(content)

    with pytest.raises(ErpError, match=what) as raised:
        erp.lookup("1")

    assert "parts.csv" in str(raised.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_records_or_one_error(raw: bytes) -> None:
    """Whatever bytes ERP writes, they are records or an ErpError, never another error (L4)."""
    try:
        table = parse(b"serial,model\n" + raw, Path("parts.csv"), {})
    except ErpError:
        return

    assert all(table.rows)


def test_a_new_file_counts_from_the_next_lookup(records: Callable[..., CsvRecords], path: Path) -> None:
    """A changed file is seen without a restart, even within the same second and of the same size."""
    erp = records()
    before = erp.lookup("12345678AB").fields["model"]

    _write(path, GOOD.replace(b"AX-1", b"AX-9"))

    assert (before, erp.lookup("12345678AB").fields["model"]) == ("AX-1", "AX-9")


@pytest.mark.parametrize("broken", [b"", b"<html>", GOOD[:-8] + b"\n", b"serial,model\n1,\xff\n", None])
def test_a_broken_new_file_keeps_the_old_records(
    broken: bytes | None, records: Callable[..., CsvRecords], path: Path, clock: Clock
) -> None:
    """A broken or vanished file leaves the old records, whose source says so and whose age goes on (L4)."""
    erp = records()
    erp.lookup("12345678AB")
    if broken is None:
        path.unlink()
    else:
        _write(path, broken, at_s=1_000_100.0)
    clock.now_s += 120

    record = erp.lookup("12345678AB")
    _write(path, GOOD.replace(b"AX-1", b"AX-3"), at_s=1_000_110.0)
    mended = erp.lookup("12345678AB")

    assert record.fields["model"] == "AX-1"
    assert record.age_s == 120
    assert "kept" in record.source
    assert "parts.csv" in record.source
    assert (mended.fields["model"], mended.age_s, mended.source) == ("AX-3", 10, "csv:parts.csv")


def test_old_records_are_not_believed(records: Callable[..., CsvRecords], clock: Clock) -> None:
    """Records past erp.max_age_s are an error that names the limit: no part passes on yesterday's list (L4)."""
    erp = records()
    clock.now_s += 3600
    last = erp.lookup("12345678AB")
    clock.now_s += 1

    with pytest.raises(ErpError, match=r"erp\.max_age_s"):
        erp.lookup("12345678AB")

    assert last.age_s == 3600


def test_a_file_from_the_future_is_new(records: Callable[..., CsvRecords], path: Path) -> None:
    """A file whose clock goes before ours has the age 0, not a negative one."""
    erp = records()
    _write(path, GOOD, at_s=1_000_050.0)

    assert erp.lookup("12345678AB").age_s == 0


def test_two_records_of_a_serial_are_none(records: Callable[..., CsvRecords]) -> None:
    """A serial that stands twice is an error that names both lines; the other serials are found as ever (L4)."""
    erp = records(GOOD + b"12345678AB,AX-7\n")

    with pytest.raises(ErpError, match="lines 2 and 4"):
        erp.lookup("12345678AB")

    assert erp.lookup("87654321BA").fields["model"] == "AX-2"
    assert "1 serials stand twice" in erp.describe()


def test_an_absent_file_is_a_named_error(path: Path) -> None:
    """A file that was never there is an error, not an empty ERP (L3)."""
    erp = CsvRecords(path, {}, timeout_s=30, max_age_s=60)

    with pytest.raises(ErpError, match="cannot be read"):
        erp.lookup("1")


def test_a_question_that_hangs_is_given_up(path: Path) -> None:
    """A file on a share that hangs ends in time, and too many that hang are refused at once, by name (L12)."""
    os.mkfifo(path)  # opening it for reading hangs until somebody writes
    in_time = InTime(0.02, "ERP")
    hanging = [0] * erp_module.MAX_OPEN_QUESTIONS

    errors = []
    for _ in [*hanging, 0]:
        with pytest.raises(ErpError) as raised:
            in_time.ask(path.read_bytes)
        errors.append(str(raised.value))
    os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))  # lets all the threads end: a writer came and went

    assert all("erp.timeout_ms" in error for error in errors[:-1])
    assert "max_open_questions" in errors[-1]


def test_a_hundred_thousand_records(records: Callable[..., CsvRecords]) -> None:
    """A file of 100,000 records is read as a whole; the last one is found as fast as the first."""
    erp = records(b"serial,model\n" + b"".join(b"%08dAB,AX-%d\n" % (n, n % 50) for n in range(100_000)))

    assert erp.lookup("00099999AB").fields["model"] == "AX-49"
    assert "100000 records" in erp.describe()


def test_the_settings_open_it(path: Path) -> None:
    """`[erp] kind = "csv"` gives these records, `none` gives no ERP."""
    path.write_bytes(GOOD)
    opened = open_erp(CsvErp(kind="csv", path=path, timeout_ms=30_000, max_age_s=1e7))

    assert opened is not None
    assert opened.lookup("12345678AB").fields["model"] == "AX-1"
    assert open_erp(NoErp()) is None
