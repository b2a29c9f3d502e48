"""ERP: who knows which part a serial belongs to. A missing record and an ERP that cannot be asked are two answers (L3).

It is only read, never written, and its answer never edits what was read (L6).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from edge.errors import ErpError
from edge.sections_erp import CsvErp, NoErp, RestErp, SqlErp

#: Questions that may hang at the same time in one adapter; one more is refused at once (L12).
MAX_OPEN_QUESTIONS = 4

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Record:
    """What ERP holds about a part; no fields where it knows no such part. `age_s`: since when the answer is known."""

    fields: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    age_s: float = 0.0


class Erp(Protocol):
    """Answers with one record, or with one without fields where there is none."""

    def lookup(self, serial: str) -> Record:
        """The record of a serial.

        Raises:
            ErpError: it could not be asked in time, or the answer is not one record.
        """

    def describe(self) -> str:
        """Ask it now, and say for people what it holds.

        Raises:
            ErpError: it could not be asked in time, or what it holds cannot be used.
        """


def open_erp(config: NoErp | CsvErp | SqlErp | RestErp) -> Erp | None:
    """The ERP that `[erp]` describes, None where there is none; nobody waits for it yet.

    Raises:
        ConfigError: the secret that holds its URL cannot be read, or the URL cannot be used.
        ErpError: the driver of the database is not installed.
    """
    if isinstance(config, CsvErp):
        from edge.adapters.erp_csv import CsvRecords  # noqa: PLC0415 - one kind of ERP does not load the other

        records = CsvRecords(
            config.path, config.columns, timeout_s=config.timeout_ms / 1000, max_age_s=config.max_age_s
        )
        records.watch()
        return records
    if isinstance(config, SqlErp):
        from edge.adapters.erp_sql import SqlRecords  # noqa: PLC0415 - SQLAlchemy is slow to import

        return SqlRecords(config.open_url(), config.table, config.columns, timeout_s=config.timeout_ms / 1000)
    if isinstance(config, RestErp):
        raise ErpError("ERP of kind rest cannot be asked yet; set erp.kind to csv or sql")
    return None


class InTime:
    """Asks questions that may hang, each for a limited time; a question that hangs is left behind in its thread."""

    def __init__(self, timeout_s: float, source: str) -> None:
        self._timeout_s = timeout_s
        self._source = source
        self._free = threading.BoundedSemaphore(MAX_OPEN_QUESTIONS)

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """The question's own answer or error.

        Raises:
            ErpError: it did not answer in time, or too many earlier questions still hang.
        """
        if not self._free.acquire(blocking=False):
            raise ErpError(
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
            raise ErpError(
                f"{self._source} did not answer within {self._timeout_s * 1000:.0f} ms (erp.timeout_ms); "
                "see whether it is there, or allow more time"
            )
        return answers[0]
