"""Gives up what is old, beside the messenger's loop: a sweep over a million rows takes seconds, a loop has none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict

import structlog

from edge.adapters.retention import Sweep
from edge.errors import StoreError

log = structlog.get_logger()

#: What is beyond its age or size is looked for this often.
SWEEP_EVERY_US = 3_600_000_000
#: A sweep under way at a clean stop is given this long; ended anywhere, the next one goes on with it.
STOP_PATIENCE_S = 2.0


class Sweeper:
    """Sweeps in a thread of its own, one sweep at a time."""

    def __init__(self, sweep: Callable[[], Sweep]) -> None:
        self._sweep = sweep
        self._due_us = 0
        self._thread: threading.Thread | None = None

    def turn(self, now_us: int) -> None:
        """Begin a sweep when one is due; never blocks."""
        if now_us < self._due_us or (self._thread is not None and self._thread.is_alive()):
            return
        self._due_us = now_us + SWEEP_EVERY_US
        self._thread = threading.Thread(target=self._work, name="sweep", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave a sweep that takes long behind."""
        if self._thread is not None:
            self._thread.join(STOP_PATIENCE_S)

    def _work(self) -> None:
        try:
            swept = asdict(self._sweep())
        except StoreError as error:
            log.warning("sweep failed", detail=str(error))
        else:
            log.info("swept", **swept.pop("evidence"), **swept)
