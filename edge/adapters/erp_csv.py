"""ERP's records as a CSV file, read again when it changes.

A new file counts as a whole or not at all: one that is broken, or still being written, leaves the old records in
place, and the log and every record's `source` say so. Records older than `erp.max_age_s` are not believed. Two
records of one serial are no record: that serial is answered with an error that names both lines.
"""

from __future__ import annotations

import csv
import io
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog

from edge.adapters.erp import ErpAwayError, Everything, InTime, Record, used
from edge.errors import ErpError

log = structlog.get_logger()

MAX_BYTES = 512_000_000
WATCH_EVERY_S = 1.0
#: The field that holds what `erp.used_column` says; no field of a product has such a name.
USED = "\0used"

#: What tells one state of the file from the next: modified (ns), size, inode, device.
State = tuple[int, int, int, int]


class _Reader(Protocol):
    """What `csv.reader` gives; its own type has no public name in Python 3.11."""

    line_num: int

    def __iter__(self) -> Iterator[list[str]]: ...


@dataclass(frozen=True, slots=True)
class Table:
    """One read file: a row of texts by serial, the fields of the texts, and serials that stand in several lines."""

    fields: tuple[str, ...]
    rows: Mapping[str, Sequence[str]]
    repeated: Mapping[str, tuple[int, int]] = field(default_factory=dict)


class CsvRecords:
    """Looks serials up in a CSV file."""

    def __init__(
        self,
        path: Path,
        columns: Mapping[str, str],
        *,
        timeout_s: float,
        max_age_s: float,
        used_column: str | None = None,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._columns = dict(columns)
        self._used_column = used_column
        self._max_age_s = max_age_s
        self._wall_s = wall_s
        self._in_time = InTime(timeout_s, f"ERP file {path}")
        self._reading = threading.Lock()
        self._table: Table | None = None
        self._written_s = 0.0
        self._state: State | None = None
        self._problem = ""
        self._closed = threading.Event()

    def lookup(self, serial: str) -> Record:
        """The record of a serial; see `Erp.lookup`."""
        return self._in_time.ask(lambda: self._lookup(serial))

    def describe(self) -> str:
        """How many records there are, and from when."""
        return self._in_time.ask(self._describe)

    def doubts(self) -> list[str]:
        """Serials that stand twice, of which no part can pass."""
        table, _, _ = self._in_time.ask(self._current)
        twice = list(table.repeated)
        return [f"{len(twice)} serials stand twice, {twice[0]} first; leave one of each in ERP"] if twice else []

    def everything(self, tag: str = "") -> Everything:
        """All records; see `ListedErp.everything`. A serial that stands twice cannot be used."""
        del tag  # their age is the file's, whether it has changed or not
        table, age_s, source = self._in_time.ask(self._current)
        there = (self._record(table, row) for row in table.rows.values())
        return Everything(itertools.chain(there, (None for _ in table.repeated)), source, age_s)

    def watch(self, stop: threading.Event | None = None) -> None:
        """Look for a new file every `WATCH_EVERY_S` from now on, so that reading it makes no part wait."""
        stopped = stop or self._closed

        def look() -> None:
            while True:
                with self._reading:
                    self._refresh()
                if stopped.wait(WATCH_EVERY_S):
                    return

        threading.Thread(target=look, name="erp watch", daemon=True).start()

    def close(self) -> None:
        """Look for new files no more."""
        self._closed.set()

    def _lookup(self, serial: str) -> Record:
        table, age_s, source = self._current()
        if serial in table.repeated:
            first, second = table.repeated[serial]
            raise ErpError(
                f"{self._path} has two records of serial {serial}, in lines {first} and {second}; leave one in ERP"
            )
        row = table.rows.get(serial)
        return Record({}, source, age_s) if row is None else self._record(table, row, source, age_s)

    def _record(self, table: Table, row: Sequence[str], source: str = "", age_s: float = 0.0) -> Record:
        texts = dict(zip(table.fields, row, strict=True))
        column = self._used_column
        said = "" if column is None else used(column, texts.pop(USED, ""))
        return Record({name: text for name, text in texts.items() if text}, source, age_s, said)

    def _describe(self) -> str:
        table, age_s, source = self._current()
        repeated = f", {len(table.repeated)} serials stand twice" if table.repeated else ""
        fields = ", ".join(name for name in table.fields if name != USED)
        return f"{source}: {len(table.rows)} records with {fields}, {age_s:.0f} s old{repeated}"

    def _current(self) -> tuple[Table, float, str]:
        """The records that count now, their age and source."""
        with self._reading:
            self._refresh()
            table, written_s, problem = self._table, self._written_s, self._problem
        if table is None:
            raise ErpAwayError(problem)
        age_s = max(0.0, self._wall_s() - written_s)
        if age_s > self._max_age_s:
            kept = f"; the new file counts for nothing: {problem}" if problem else ""
            raise ErpError(
                f"the records of {self._path} are {age_s:.0f} s old, more than erp.max_age_s, {self._max_age_s:.0f}; "
                f"see whether ERP still writes the file{kept}"
            )
        source = f"csv:{self._path.name}"
        if problem:
            source += f" (records of {_people(written_s)} kept: {problem})"
        return table, age_s, source

    def _refresh(self) -> None:
        """Read the file if it has changed since it was last looked at."""
        state: State | None = None
        try:
            with self._path.open("rb") as opened:
                state = _state(os.fstat(opened.fileno()))
                if state == self._state:
                    return
                raw = opened.read(MAX_BYTES + 1)
                steady = _state(os.fstat(opened.fileno())) == state and len(raw) == state[1]
            if len(raw) > MAX_BYTES:
                self._note(f"{self._path} is larger than {MAX_BYTES} bytes; let ERP write fewer records", state)
            elif not steady:
                self._note(f"{self._path} is still being written; let ERP write beside it and rename", None)
            else:
                self._take(parse(raw, self._path, self._columns, self._used_column), state)
        except ErpError as error:
            self._note(str(error), state)
        except OSError as error:
            self._note(f"{self._path} cannot be read ({error.strerror}); see whether ERP writes it there", None)

    def _take(self, table: Table, state: State) -> None:
        self._table, self._written_s, self._state, self._problem = table, state[0] / 1e9, state, ""
        log.info("erp records read", path=str(self._path), records=len(table.rows), repeated=len(table.repeated))

    def _note(self, problem: str, state: State | None) -> None:
        """Keep the old records, and remember why; a file known to be broken is not read again until it changes."""
        if problem != self._problem:
            log.warning("erp records not read", problem=problem, kept=self._table is not None)
        self._problem, self._state = problem, state


def _state(facts: os.stat_result) -> State:
    return facts.st_mtime_ns, facts.st_size, facts.st_ino, facts.st_dev


def _people(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse(raw: bytes, path: Path, columns: Mapping[str, str], used_column: str | None = None) -> Table:
    """The records of a file's bytes.

    Args:
        raw: UTF-8, with or without a byte order mark; cells between commas, semicolons or tabs; RFC 4180 quotes.
        path: for the errors.
        columns: column by field; empty where each column has its field's name.
        used_column: column that says whether a part has passed; its text is kept as the field `USED`.

    Raises:
        ErpError: the bytes are not such a file; names the line.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ErpError(f"{path}:{line}: is not UTF-8 text (byte {error.start}); let ERP write UTF-8") from None
    if "\x00" in text:
        raise ErpError(f"{path}:{text.count(chr(10), 0, text.index(chr(0))) + 1}: holds a zero byte; it is no CSV file")
    head = text.lstrip().split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    rows = _rows(reader, path)
    header = [cell.strip() for cell in next(rows, (0, []))[1]]
    names, places = _places(header, columns, path, used_column)
    found: dict[str, tuple[str, ...]] = {}
    first_lines: dict[str, int] = {}
    repeated: dict[str, tuple[int, int]] = {}
    serial_at = names.index("serial")
    width = len(header)
    for line, cells in rows:
        if len(cells) != width:
            raise ErpError(f"{path}:{line}: has {len(cells)} cells, but the first line names {width} columns")
        row = tuple([cells[place].strip() for place in places])  # a list first: twice as fast as a generator
        serial = row[serial_at]
        if not serial:
            raise ErpError(f"{path}:{line}: has no serial; leave the line out or fill it in")
        if serial in found:
            repeated.setdefault(serial, (first_lines[serial], line))
        else:
            found[serial] = row
            first_lines[serial] = line
    for serial in repeated:
        del found[serial]
    return Table(names, found, repeated)


def _rows(reader: _Reader, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every line that is not blank, with the number of its last line."""
    try:
        for cells in reader:
            if len(cells) > 1 or (cells and cells[0].strip()):
                yield reader.line_num, cells
    except csv.Error as error:
        raise ErpError(f"{path}:{reader.line_num}: is no CSV ({error}); see its quotes") from None


def _places(
    header: Sequence[str], columns: Mapping[str, str], path: Path, used_column: str | None
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Which fields the file holds, and in which column each stands."""
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ErpError(f"{path}:1: names column {twice[0]} twice; give each column a name of its own")
    wanted = {"serial": "serial", **columns} if columns else {name: name for name in ("serial", *header) if name}
    if used_column is not None:
        wanted = {name: column for name, column in wanted.items() if column != used_column} | {USED: used_column}
    missing = sorted({column for column in wanted.values() if column not in header})
    if missing:
        there = ", ".join(name[:40] for name in header[:12]) or "none"
        raise ErpError(
            f"{path}:1: has no column {', '.join(missing)} (there are: {there}); see erp.columns and erp.used_column"
        )
    return tuple(wanted), tuple(header.index(column) for column in wanted.values())
