"""Searches of the history take turns, and together a small share of a processor: parts go first.

Rank alone is not enough (`nice`, `CPUWeight`): a search reads megabytes, and a client that asks without pause made an
inspection on two cores a third slower through the caches and the memory that both use (`bench/beside.py`). A person's
searches come at once: the share is kept only once `BURST_S` of work is used up. What waits has a limit (L12).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from edge.web.refusals import RefusedError

#: Of one processor, in the long run.
SHARE = 0.1
#: Work that is done without a pause, after a rest: some hundred pages of a million outcomes.
BURST_S = 1.0
MAX_WAITING = 16


class Lane:
    """One search at a time. `clock` gives seconds, `pause` waits for so many."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock, self._pause = clock, pause
        self._turn = asyncio.Lock()
        self._credit_s, self._at_s = BURST_S, clock()
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it.

        Raises:
            RefusedError: too many wait already.
        """
        if self._waiting >= MAX_WAITING:
            sentence = f"{MAX_WAITING} searches wait already (max_searches): ask again in a few seconds"
            raise RefusedError(429, "max_searches", sentence, {"retry-after": "5"})
        self._waiting += 1
        try:
            async with self._turn:
                self._refill()
                await self._pause(max(0.0, -self._credit_s) / SHARE)
                begun_s = self._clock()
                try:
                    yield
                finally:
                    self._refill()
                    self._credit_s -= self._clock() - begun_s
        finally:
            self._waiting -= 1

    def _refill(self) -> None:
        """Give the share of the time that went by."""
        now_s = self._clock()
        self._credit_s = min(BURST_S, self._credit_s + SHARE * (now_s - self._at_s))
        self._at_s = now_s
