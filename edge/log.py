"""Structured logs: JSON lines on a service, readable on a terminal; bound once with process and station."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Literal, TextIO

import structlog

Format = Literal["auto", "json", "text"]


def configure(process: str, *, level: str = "info", form: Format = "auto", stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (standard error), with the process's name in it.

    `form` "auto" is text on a terminal and JSON elsewhere. Wall times are UTC, RFC 3339.
    """
    out = stream or sys.stderr
    as_text = form == "text" or (form == "auto" and out.isatty())
    render: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if as_text
        else structlog.processors.JSONRenderer(sort_keys=False, ensure_ascii=False, default=str)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(_Undaunted(out)),  # type: ignore[arg-type] # writes and flushes
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(process=process)


class _Undaunted:
    """A stream that gives up a line that cannot be written: a full disk or a closed log must not end a process."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, if it can be done."""
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush, if it can be done."""
        with suppress(OSError, ValueError):
            self._stream.flush()
