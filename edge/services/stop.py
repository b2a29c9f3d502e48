"""How a process's loop learns that it is to end: an event that somebody sets, or a question that it asks."""

from __future__ import annotations

import threading
from collections.abc import Callable

Stop = threading.Event | Callable[[], bool]


def asked_by(stop: Stop) -> Callable[[], bool]:
    """What a loop asks each turn."""
    return stop.is_set if isinstance(stop, threading.Event) else stop
