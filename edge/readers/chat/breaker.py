"""Leave a server alone that has failed several times in a row: nobody waits for what is known to be down.

`closed`: requests go out. `open`: they are refused at once, until the pause is over. `half_open`: one request at a time
goes out; its success closes the breaker, its failure opens it again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

from edge.errors import ReaderError

State = Literal["closed", "open", "half_open"]

#: Failed requests in a row; each has been tried several times by then.
FAILURES = 3
#: A server that restarts needs about this long to load its model.
PAUSE_S = 15.0


class Breaker:
    """One server's circuit breaker. Any thread may call it."""

    def __init__(
        self, *, failures: int = FAILURES, pause_s: float = PAUSE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures = failures
        self._pause_s = pause_s
        self._clock = clock
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._opened_s: float | None = None
        self._trying = False
        self._why = ""
        self._opened = 0
        self._refused = 0

    @property
    def state(self) -> State:
        """Which of the three it is now."""
        with self._lock:
            return self._state()

    def facts(self) -> dict[str, str | int]:
        """State and counters, for the heartbeat."""
        with self._lock:
            return {"breaker": self._state(), "breaker_opened": self._opened, "breaker_refused": self._refused}

    def enter(self) -> None:
        """Ask to send one request; every one that may be sent ends in `succeeded` or `failed`.

        Raises:
            ReaderError: not now.
        """
        with self._lock:
            state = self._state()
            if state == "closed":
                return
            if state == "half_open" and not self._trying:
                self._trying = True
                return
            self._refused += 1
            left_s = max(0.0, self._pause_s - (self._clock() - (self._opened_s or 0.0)))
            when = "one request tries it now" if state == "half_open" else f"it is tried again in {left_s:.0f} s"
            raise ReaderError(
                f"the remote reader failed {self._in_a_row} times in a row and is left alone ({state}, {when}); "
                f"the last time: {self._why}"
            )

    def succeeded(self) -> None:
        """The server answered, with whatever."""
        with self._lock:
            self._in_a_row = 0
            self._opened_s = None
            self._trying = False

    def failed(self, why: str) -> None:
        """The server did not do its work."""
        with self._lock:
            self._in_a_row += 1
            self._why = why
            self._trying = False
            if self._opened_s is not None or self._in_a_row >= self._failures:
                self._opened += self._opened_s is None
                self._opened_s = self._clock()

    def _state(self) -> State:
        if self._opened_s is None:
            return "closed"
        return "half_open" if self._clock() - self._opened_s >= self._pause_s else "open"
