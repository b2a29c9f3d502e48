"""The disk: room, and how long it takes until what is written is really there; nothing is left behind."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from edge.adapters.disk import free_bytes
from edge.commands.checks.finding import Finding, fail, judged
from edge.errors import StoreError
from edge.settings import Settings

LEAST_FREE_GB = 1.0
#: Writes that are timed. Two stand in each part's way: its trigger and its outcome are on the disk before it goes on.
NUM_WRITES = 20
#: An SSD takes 0.1 to 10 ms, a hard disk 10 to 30; an SD card, or a disk that fails, takes hundreds at times.
SLOW_FSYNC_MS = 100.0


def check(settings: Settings) -> Finding:
    """Write to the data folder and to the runtime folder, and see how much room there is.

    Raises:
        StoreError: one of them cannot be written.
    """
    data = settings.paths.data
    _fsyncs(settings.paths.runtime, 1)
    times_ms = _fsyncs(data, NUM_WRITES)
    median_ms, longest_ms = statistics.median(times_ms), max(times_ms)
    free_gb = free_bytes(data) / 1e9
    facts = {"free_gb": round(free_gb, 2), "fsync_ms": round(median_ms, 2), "fsync_longest_ms": round(longest_ms, 2)}
    said = f"{data}, {free_gb:.0f} GB free, fsync {median_ms:.1f} ms (longest of {NUM_WRITES}: {longest_ms:.1f})"
    if free_gb < LEAST_FREE_GB:
        return fail(said, f"at least {LEAST_FREE_GB:.0f} GB are needed; free space", **facts)
    doubts = []
    if free_gb < settings.evidence.max_gb:
        doubts.append(f"evidence.max_gb is {settings.evidence.max_gb:g}, more than is free; lower it, or free space")
    if longest_ms > SLOW_FSYNC_MS:
        doubts.append(f"a write took more than {SLOW_FSYNC_MS:.0f} ms; see the disk's health (smartctl), or use an SSD")
    return judged(said, doubts, **facts)


def _fsyncs(folder: Path, count: int) -> list[float]:
    """How long so many writes took, ms each. An absent folder is tried by its nearest parent; nothing is made."""
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    times_ms = []
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".edge-check-") as file:
            for _ in range(count):
                begun_s = time.monotonic()
                file.write(b"edge" * 1024)  # a page, as SQLite writes them
                file.flush()
                os.fsync(file.fileno())
                times_ms.append((time.monotonic() - begun_s) * 1000)
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror}); give this user the right to") from None
    return times_ms
