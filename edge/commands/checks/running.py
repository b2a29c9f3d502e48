"""Which processes of this station run now: a camera has one owner, and a second model may not fit beside the first."""

from __future__ import annotations

import time
from pathlib import Path

from edge.adapters.heartbeat import SILENT_AFTER_S, Beat, listen

#: A process says something each second; half a second more covers a slow start of its socket.
HEAR_S = 1.5


def heard(runtime_dir: Path, process: str, *, wait_s: float = HEAR_S) -> Beat | None:
    """The sign of life of a process, or None where it does not run."""
    if not (runtime_dir / f"heartbeat-{process}.sock").exists():
        return None
    listener = listen(runtime_dir)
    until_s = time.monotonic() + wait_s
    try:
        while time.monotonic() < until_s:
            beat = listener.beats().get(process)
            if beat is not None and beat.age_s(time.monotonic_ns() // 1000) < SILENT_AFTER_S:
                return beat
            time.sleep(0.05)
        return None
    finally:
        listener.close()
