"""The wall clock: set, and kept by a time service. How a camera's clock goes with it: see `camera.py`."""

from __future__ import annotations

import ctypes
import time

from edge.commands.checks.finding import Finding, fail, judged

#: Before this there was no edge: a clock that says so was never set.
EARLIEST_YEAR = 2025
_STA_UNSYNC = 0x40


def check() -> Finding:
    """Look at the clock and ask the kernel."""
    now = time.gmtime()
    said = time.strftime("%Y-%m-%dT%H:%M:%SZ", now)
    if now.tm_year < EARLIEST_YEAR:
        return fail(f"the clock says it is the year {now.tm_year}", "set it, and start a time service")
    synchronised = is_synchronised()
    drifts = "no time service keeps it, so that times in outcomes drift; timedatectl set-ntp true"
    return judged(said, [] if synchronised else [drifts], synchronised=synchronised)


def is_synchronised() -> bool:
    """Whether the kernel's clock is disciplined (adjtimex(2), which only reads with modes = 0)."""
    timex = (ctypes.c_char * 512)()
    if ctypes.CDLL(None).adjtimex(timex) < 0:
        return False
    # struct timex: modes (int, padded), offset, freq, maxerror, esterror (long), then status (int).
    status = ctypes.c_int.from_buffer(timex, 5 * ctypes.sizeof(ctypes.c_long)).value
    return not status & _STA_UNSYNC
