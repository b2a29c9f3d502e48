"""Leave a server alone that has failed several times in a row: nobody waits for what is known to be down.

The rules are `edge.core.circuit`; here are the clock, the lock, and the sentence of a refusal.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Literal

from edge.core import circuit
from edge.core.circuit import Circuit, Rule
from edge.errors import ReaderError

State = Literal["closed", "open", "half_open"]

#: Failed requests in a row; each has been tried several times by then.
FAILURES = 3
#: A server that restarts needs about this long to load its model.
PAUSE_S = 15.0
#: Stations that lost a server together try it again within this share of the pause, and not at one moment.
JITTER = 0.2


class Breaker:
    """One server's circuit breaker. Any thread may call it. `who` is what its sentences name."""

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        pause_s: float = PAUSE_S,
        jitter: float = JITTER,
        who: str = "the remote reader",
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._rule = Rule(failures, round(pause_s * 1e6), jitter)
        self._who = who
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        self._circuit = Circuit()
        self._why = ""
        self._refused = 0

    @property
    def state(self) -> State:
        """Which of the three it is now; the one that is being tried is half open."""
        with self._lock:
            return self._told()

    def facts(self) -> dict[str, str | int]:
        """State and counters, for the heartbeat."""
        with self._lock:
            return {
                "breaker": self._told(),
                "breaker_opened": self._circuit.opened,
                "breaker_refused": self._refused,
            }

    def enter(self) -> None:
        """Ask to send one request; every one that may be sent ends in `succeeded` or `failed`.

        Raises:
            ReaderError: not now.
        """
        with self._lock:
            now_us = self._now_us()
            self._circuit, may_go = circuit.enter(self._circuit, now_us)
            if may_go:
                return
            self._refused += 1
            left_s = max(0.0, (self._circuit.until_us - now_us) / 1e6)
            when = "one request tries it now" if self._told() == "half_open" else f"it is tried again in {left_s:.0f} s"
            raise ReaderError(
                f"{self._who} failed {self._circuit.in_a_row} times in a row and is left alone ({self._told()}, "
                f"{when}); the last time: {self._why}"
            )

    def succeeded(self) -> None:
        """The server answered, with whatever."""
        self._ended(well=True)

    def failed(self, why: str) -> None:
        """The server did not do its work."""
        self._ended(well=False, why=why)

    def _ended(self, *, well: bool, why: str = "") -> None:
        with self._lock:
            self._why = why or self._why
            self._circuit = circuit.ended(self._circuit, self._rule, self._now_us(), self._chance(), well=well)

    def _told(self) -> State:
        state = circuit.at(self._circuit, self._now_us()).state
        return "half_open" if state == "trying" else state

    def _now_us(self) -> int:
        return round(self._clock() * 1e6)
