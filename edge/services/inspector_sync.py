"""Has ERP's snapshot made anew every so often, by a process of its own: no inspection waits, however long it takes.

Reading a million records takes 20 s of a processor (`bench/erp.py`); in a thread of the inspector each inspection would
pay for it. The process runs `edge erp sync` when nobody else wants the processor or the disk.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from edge.adapters.erp_snapshot import open_snapshot
from edge.settings import Settings

log = structlog.get_logger()

#: After a sync that failed the next one comes so soon: ERP may be back.
AGAIN_S = 60.0
#: `edge erp sync` ends by itself within `erp.sync_timeout_s`; its start and a page that hangs come on top.
GRACE_S = 60.0


def open_sync(settings: Settings) -> SnapshotSync | None:
    """What makes this station's snapshot, begun; None where `erp.sync_every_s` is unset."""
    erp = settings.erp
    if erp.kind == "none" or erp.sync_every_s is None:
        return None
    snapshot = open_snapshot(erp, settings.erp_snapshot)
    command = [sys.executable, "-m", "edge", "erp", "sync", "--behind", "--config", str(settings.path)]
    return SnapshotSync(command, snapshot.age_s, every_s=erp.sync_every_s, limit_s=erp.sync_timeout_s + GRACE_S)


class SnapshotSync:
    """A thread that starts the command whenever the snapshot is old enough, and tells the log what came of it."""

    def __init__(
        self,
        command: Sequence[str],
        age_s: Callable[[], float | None],
        *,
        every_s: float,
        limit_s: float,
        again_s: float = AGAIN_S,
    ) -> None:
        self._command = list(command)
        self._age_s = age_s
        self._every_s, self._limit_s, self._again_s = every_s, limit_s, min(again_s, every_s)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._run, name="erp sync", daemon=True)
        self._thread.start()

    def age_s(self) -> float | None:
        """How old the snapshot's records are; None where there is no snapshot."""
        return self._age_s()

    def close(self) -> None:
        """End, and a sync that runs too: what it had written counts for nothing."""
        self._stop.set()
        with self._lock:
            if self._process is not None:
                with suppress(ProcessLookupError):
                    self._process.kill()
        self._thread.join()

    def _run(self) -> None:
        age_s = self._age_s()
        wait_s = 0.0 if age_s is None else max(0.0, self._every_s - age_s)
        while not self._stop.wait(wait_s):
            wait_s = self._every_s if self._make() else self._again_s

    def _make(self) -> bool:
        """Make the snapshot; say whether that went well."""
        with self._lock:
            if self._stop.is_set():
                return False
            try:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                )
            except OSError as error:
                log.warning("erp snapshot not made", why=f"{self._command[0]}: {error.strerror}")
                return False
        try:
            told, problem = self._process.communicate(timeout=self._limit_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            told, problem = self._process.communicate()
            problem = f"it took more than {self._limit_s:.0f} s (erp.sync_timeout_s)"
        if self._stop.is_set():
            return False
        well = self._process.returncode == 0
        if well:
            log.info("erp snapshot made", what=_last_line(told))
        else:
            log.warning("erp snapshot not made", why=_last_line(problem))
        return well


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
