"""How long a batch takes, from those that were read: what decides whether a question can still make its deadline.

Promises: an estimate is a time that was measured of a batch of this size or, where there is none, made from the next
sizes; it never shrinks as a batch grows; one batch that took far longer than the others does not change it, and of two
it remembers `REMEMBERED` batches; before the first batch it is 0, so that nothing is refused on a guess.
"""

from __future__ import annotations

from collections import deque

#: Newest batches of each size that count. The second longest of 16 is near the 90th percentile: one question in ten of
#: those at the edge of their deadline is late, and a pause of the machine (2 s once in a while) refuses nobody.
REMEMBERED = 16


class BatchTimes:
    """The measured times of batches, by size."""

    def __init__(self) -> None:
        self._spent: dict[int, deque[int]] = {}
        self._most: dict[int, int] = {}

    def took(self, size: int, spent_us: int) -> None:
        """A batch of so many frames took so long."""
        known = self._spent.setdefault(size, deque(maxlen=REMEMBERED))
        known.append(spent_us)
        # Of fewer than three the longest: two say nothing of which is the odd one.
        self._most[size] = sorted(known)[-2 if len(known) > 2 else -1]

    def forget(self) -> None:
        """Begin anew, after batches that say nothing of later ones: the first prepare the reader."""
        self._spent.clear()
        self._most.clear()

    def estimate_us(self, size: int) -> int:
        """How long a batch of so many frames takes at most, as a rule; 0 where none of any size was read."""
        smaller = [n for n in self._most if n <= size]
        larger = [n for n in self._most if n > size]
        least = max((self._most[n] for n in smaller), default=0)
        if size in self._most or not self._most:
            return least
        if larger:
            # A batch of less takes no longer than the next that was measured.
            return max(least, self._most[min(larger)])
        # Larger than any so far: as if each frame more took as long as those before, which batching never does.
        return max(least, self._most[max(smaller)] * size // max(smaller))

    def facts(self) -> dict[str, float]:
        """The estimate by size, ms."""
        return {str(size): round(self.estimate_us(size) / 1000, 1) for size in sorted(self._most)}
