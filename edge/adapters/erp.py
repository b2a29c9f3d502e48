"""ERP: who knows which part a serial belongs to. A missing record and an ERP that cannot be asked are two answers (L3).

It is only read, never written, and its answer never edits what was read (L6).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from edge.errors import ErpError
from edge.sections_erp import CsvErp, RestErp, SqlErp
from edge.sections_erp import Erp as ErpSettings

#: Questions that may hang at the same time in one adapter; one more is refused at once (L12).
MAX_OPEN_QUESTIONS = 4
#: Texts in `used_column` that say no: what databases and spreadsheets write for false.
_NOT_USED = frozenset({"", "0", "f", "false", "n", "no"})
#: Longest text of `used_column` that is repeated in an outcome.
_MAX_USED = 100

Answer = TypeVar("Answer")


class ErpAwayError(ErpError):
    """Raised when ERP said nothing about the serial; then, and only then, a snapshot may answer in its place."""


@dataclass(frozen=True, slots=True)
class Record:
    """What ERP holds about a part; no fields where it knows no such part.

    `age_s`: since when the answer is known. `used`: what `used_column` says where a part of this serial has passed.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    age_s: float = 0.0
    used: str = ""


@dataclass(frozen=True, slots=True)
class Everything:
    """All records of ERP, one after the other; `None` stands for one that cannot be used.

    Errors come while they are taken. `age_s`: since when they are known. `tag`: what tells these records from later
    ones; empty where nothing does.
    """

    records: Iterable[Record | None]
    source: str
    age_s: float = 0.0
    tag: str = ""


class Erp(Protocol):
    """Answers with one record, or with one without fields where there is none."""

    def lookup(self, serial: str) -> Record:
        """The record of a serial.

        Raises:
            ErpAwayError: it could not be asked in time, or said nothing about the serial.
            ErpError: what it said about the serial is not one record.
        """

    def close(self) -> None:
        """Give up connections; whoever still waits for an answer gets an error."""


class ListedErp(Protocol):
    """Gives all its records."""

    def everything(self, tag: str = "") -> Everything | None:
        """All records; None where they are still those that had this tag.

        Raises:
            ErpError: it could not be asked, or cannot give them.
        """


class LiveErp(Erp, ListedErp, Protocol):
    """ERP itself, not a copy of what it held."""

    def describe(self) -> str:
        """Ask it now, and say for people what it holds.

        Raises:
            ErpError: it could not be asked in time, or what it holds cannot be used.
        """

    def doubts(self) -> list[str]:
        """What people should see to, each with what to do, though it answers.

        Raises:
            ErpError: it could not be asked in time.
        """


def open_erp(config: ErpSettings, snapshot: Path | None = None) -> Erp | None:
    """The ERP that `[erp]` describes, None where there is none; nobody waits for it yet.

    Args:
        config: the table.
        snapshot: the file of its records that answers while ERP is away, if it is there; None: nothing does.

    Raises:
        ConfigError: a secret cannot be read, or the URL cannot be used.
        ErpError: what asks it is not installed.
    """
    live = open_live(config)
    if live is None or snapshot is None:
        return live
    from edge.adapters.erp_snapshot import ErpOrSnapshot, open_snapshot  # noqa: PLC0415 - it imports this file

    return ErpOrSnapshot(live, open_snapshot(config, snapshot))


def open_live(config: ErpSettings) -> LiveErp | None:
    """The same without a snapshot; see `open_erp`."""
    if isinstance(config, CsvErp):
        from edge.adapters.erp_csv import CsvRecords  # noqa: PLC0415 - one kind of ERP does not load the other

        records = CsvRecords(
            config.path,
            config.columns,
            timeout_s=config.timeout_ms / 1000,
            max_age_s=config.max_age_s,
            used_column=config.used_column,
        )
        records.watch()
        return records
    if isinstance(config, SqlErp):
        from edge.adapters.erp_sql import SqlRecords  # noqa: PLC0415 - SQLAlchemy is slow to import

        return SqlRecords(
            config.open_url(),
            config.table,
            config.columns,
            timeout_s=config.timeout_ms / 1000,
            password=config.password,
            used_column=config.used_column,
        )
    if isinstance(config, RestErp):
        from edge.adapters.erp_rest import RestRecords  # noqa: PLC0415 - httpx2 is an extra

        return RestRecords(config)
    return None


def used(column: str, value: object) -> str:
    """What `used_column` says of a part, for people; empty where it says that none of this serial has passed."""
    text = "" if value is None or value is False or value == 0 else str(value).strip()
    return "" if text.lower() in _NOT_USED else f"{column}: {text[:_MAX_USED]}"


def _nothing() -> None:
    return


class InTime:
    """Asks questions that may hang, each for a limited time; a question that hangs is left behind in its thread."""

    def __init__(self, timeout_s: float, source: str) -> None:
        self._timeout_s = timeout_s
        self._source = source
        self._free = threading.BoundedSemaphore(MAX_OPEN_QUESTIONS)

    def ask(self, question: Callable[[], Answer], give_up: Callable[[], None] = _nothing) -> Answer:
        """The question's own answer or error.

        Args:
            question: what may hang.
            give_up: ends what hangs, so that its thread does; called when the time is over.

        Raises:
            ErpAwayError: it did not answer in time, or too many earlier questions still hang.
        """
        if not self._free.acquire(blocking=False):
            raise ErpAwayError(
                f"{self._source} still owes {MAX_OPEN_QUESTIONS} answers (max_open_questions); "
                "see whether the server or the network share hangs"
            )
        answers: list[Answer] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                answers.append(question())
            except BaseException as error:  # noqa: BLE001 - it is raised again where the question was asked
                errors.append(error)
            finally:
                self._free.release()

        # A daemon thread of its own: one that hangs must not hold up the end of the process.
        thread = threading.Thread(target=work, name="erp question", daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if errors:
            raise errors[0]
        if not answers:
            give_up()
            raise ErpAwayError(
                f"{self._source} did not answer within {self._timeout_s * 1000:.0f} ms (erp.timeout_ms); "
                "see whether it is there, or allow more time"
            )
        return answers[0]
