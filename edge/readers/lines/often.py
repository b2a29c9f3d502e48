"""A network compiled by itself for the shapes of input that come often; parts on a line come in few.

An input in another shape than the last one takes longer: every layer takes its sizes anew. The detector takes 7.9 ms
for 224 x 384 px in a compilation of their own, and 9.9 ms in one for any size that has just seen another (two cores
with AVX-512; medians of 20); what comes out is the same, bit for bit. A compilation takes 0.2 s, in which readings go
on, and 20 to 40 MB.

Promises: what is compiled changes no reading, and no reading waits for it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Protocol

import structlog

from edge.errors import ReaderError

log = structlog.get_logger()

#: Compilations that are kept, and inputs after which one that was not used gives its place away.
MOST_SHAPES = 16
STALE_AFTER = 1000
#: A shape that comes a second time will come again.
_OFTEN = 2
_MOST_COUNTED = 1000

Shape = tuple[int, ...]


class Compiled(Protocol):
    """A network that can be compiled for shapes of its input, and give that back."""

    def fix(self, shapes: Sequence[Sequence[int]]) -> None:
        """Compile it for these, too.

        Raises:
            ReaderError: it cannot be compiled.
        """

    def forget(self, shape: Sequence[int]) -> None:
        """Give back what was compiled for this one."""


class Often:
    """Sees which shapes come, and has the network compiled for those that come often; one thread may ask it."""

    def __init__(self, network: Compiled, *, most: int = MOST_SHAPES, stale_after: int = STALE_AFTER) -> None:
        self._network = network
        self._most, self._stale_after = most, stale_after
        self._num_seen = 0
        self._times: Counter[Shape] = Counter()
        self._last_use: OrderedDict[Shape, int] = OrderedDict()  # the stalest first
        self._compiler = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compiler")
        self._begun: list[Future[None]] = []

    def seen(self, shape: Shape) -> None:
        """An input came in this shape."""
        self._num_seen += 1
        if shape in self._last_use:
            self._last_use[shape] = self._num_seen
            self._last_use.move_to_end(shape)
            return
        if len(self._times) >= _MOST_COUNTED:
            self._times.clear()
        self._times[shape] += 1
        if self._times[shape] >= _OFTEN and self._room():
            self._last_use[shape] = self._num_seen
            self._begun = [one for one in self._begun if not one.done()]
            self._begun.append(self._compiler.submit(self._compile, shape))

    def wait(self) -> None:
        """Wait until what is under way is compiled."""
        wait(self._begun)

    def _room(self) -> bool:
        if len(self._last_use) < self._most:
            return True
        stalest, last = next(iter(self._last_use.items()))
        if self._num_seen - last < self._stale_after:
            return False
        del self._last_use[stalest]
        self._network.forget(stalest)
        return True

    def _compile(self, shape: Shape) -> None:
        try:
            self._network.fix([shape])
        except ReaderError as error:
            log.warning("shape_not_compiled", shape=shape, error=str(error))
