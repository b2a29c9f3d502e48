"""What the store gives back, and the ids that it gives out.

Promise: rows are frozen copies, never live views; ids are UUIDv7, unique, and grow within a process.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """One accepted trigger. `at_us` is comparable only where `this_boot`: else the PC has restarted since."""

    inspection_id: str
    trigger_id: str
    source: str
    expected: Mapping[str, str] | None
    at: str
    at_us: int
    age_s: float
    this_boot: bool


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    """One outcome as stored; `payload` is what was or will be published, byte for byte."""

    seq: int
    inspection_id: str
    disposition: str
    reason: str
    at: str
    total_ms: float | None
    payload: bytes
    closed_as: str | None
    confirmed_at: str | None


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """One evidence file whose outcome has been told, and which may be removed."""

    path: str
    at: str


class InspectionIds:
    """Makes UUIDv7 (RFC 9562): unique, and growing within a process even when the wall clock is set back."""

    def __init__(self, wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._wall_ms = wall_ms
        self._last = 0
        self._lock = threading.Lock()

    def __call__(self) -> str:
        """A new id, in the usual text form."""
        with self._lock:
            # 48 bits of milliseconds and the 12 bits below them as one number that only grows.
            self._last = max(self._last + 1, self._wall_ms() << 12)
            high, low = self._last >> 12, self._last & 0xFFF
        number = high << 80 | 0x7 << 76 | low << 64 | 0b10 << 62 | secrets.randbits(62)
        text = f"{number:032x}"
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
