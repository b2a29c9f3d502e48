"""Notices that the station has taken another release, and makes it ready beside the inspector's loop.

Promise: a release is read and checked in a thread, so that no trigger waits for it; it is handed over once, and the
inspector takes it between two inspections. What cannot be used changes nothing, and is told.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from edge import settings_release
from edge.adapters.release_file import Mark, ReleaseFile
from edge.errors import EdgeError
from edge.settings import Settings

log = structlog.get_logger()


class ReleaseDesk:
    """Watches the file of the station's release."""

    def __init__(self, settings: Settings) -> None:
        """`settings` as they were loaded; a release that was taken meanwhile is noticed at the first look."""
        self._own, self._present = settings.own, settings.under
        self._file = ReleaseFile(settings.release_file)
        self._mark: Mark | None = None
        self._opening: Future[Settings] | None = None
        self._opened: Settings | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="release")

    def due(self) -> Settings | None:
        """The settings under a release that was taken since, until `taken_over`; None without one. Never blocks."""
        if self._opened is None:
            self._look()
        return self._opened

    def taken_over(self) -> None:
        """What `due` gave is what counts now; the next one is looked for."""
        assert self._opened is not None, "`due` gave it"
        self._present, self._opened = self._opened.under, None

    def close(self) -> None:
        """Leave what is being checked behind."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        if self._opening is None:
            mark = self._file.mark()
            if mark is not None and mark != self._mark:
                self._mark, self._opening = mark, self._pool.submit(settings_release.with_taken, self._own)
        elif self._opening.done():
            opening, self._opening = self._opening, None
            try:
                opened = opening.result()
            except EdgeError as error:
                log.warning("a release is not used", problem=str(error))
                return
            self._opened = None if opened.under == self._present else opened
