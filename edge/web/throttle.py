"""Wrong passwords and tokens are listened to slowly: a person's typing errors, and no search.

Promises: an address that was wrong `MAX_WRONG` times within `WRONG_S` is not listened to; others are, until all of them
were wrong `MAX_WRONG_OF_ALL` times, so that guessing from many addresses costs the line some seconds of a core at most.
What is remembered has a limit.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from edge.web.refusals import NotAllowedError

MAX_WRONG = 5
#: 30 of argon2's 60 ms: 3 % of two cores.
MAX_WRONG_OF_ALL = 30
WRONG_S = 60.0
#: Addresses that are remembered; the one that was wrong longest ago is forgotten for a new one.
MAX_ADDRESSES = 1000


class Throttle:
    """Who was wrong, and when. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: deque[float] = deque(maxlen=MAX_WRONG_OF_ALL)
        self._of: OrderedDict[str, deque[float]] = OrderedDict()

    def listen(self, address: str) -> None:
        """Say whether this address may try.

        Raises:
            NotAllowedError: it must wait; says how long.
        """
        for wrong, who in ((self._of.get(address), "from this address"), (self._all, "from all addresses")):
            wait_s = 0.0 if wrong is None or len(wrong) < (wrong.maxlen or 0) else wrong[0] + WRONG_S - self._clock()
            if wrong is not None and wait_s > 0:
                sentence = f"{len(wrong)} wrong passwords or tokens in {WRONG_S:g} s {who}: wait a minute"
                raise NotAllowedError(429, sentence, retry_after_s=max(1, round(wait_s)))

    def wrong(self, address: str) -> None:
        """This address was wrong, now."""
        of = self._of.setdefault(address, deque(maxlen=MAX_WRONG))
        self._of.move_to_end(address)
        if len(self._of) > MAX_ADDRESSES:
            self._of.popitem(last=False)
        of.append(self._clock())
        self._all.append(self._clock())
