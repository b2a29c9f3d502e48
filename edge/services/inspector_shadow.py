"""Has a sample of the frames that the gate rejected read all the same, to estimate how many it rejects wrongly.

Promises: the inspection knows nothing of it, and no outcome depends on it: a frame is sent only after the outcome of
its part is durable, and its answer goes into counters alone. A part that comes meanwhile replaces a frame that still
waits for the reader, and one is sent only at a station whose pauses are known to be long enough for a reading. Each
frame that was chosen ends in exactly one counter.

`agreed` and `sure` are rejects that were not needed; of all that were read, their share estimates the false rejects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import structlog

from edge.adapters.frames import Frame
from edge.adapters.reader_link import Answered, ReadFailure
from edge.core.assess import assess
from edge.core.fields import Product
from edge.core.match import same
from edge.core.outcome import Disposition, Outcome
from edge.core.policy import Policy
from edge.core.reading import Reading
from edge.errors import StoreError

log = structlog.get_logger()

#: The attempt of a question that belongs to no inspection.
SHADOW = -1
#: The counters: read as the part's pass says; read otherwise than it says; surely read, where no look passed; not
#: surely read; not answered; given up because the station had no time.
COUNTERS = ("agreed", "otherwise", "sure", "unsure", "failed", "dropped")
#: The shortest of so many pauses must hold this many times the longest of as many readings.
RECENT = 20
READINGS_A_PAUSE = 2


class ShadowReads:
    """Chooses rejected frames, says when one may be read, and counts what was read."""

    def __init__(
        self,
        share: float,
        product: Product,
        policy: Policy,
        count: Callable[[str], None],
        *,
        least_pauses: int = 3,
    ) -> None:
        """`share` of the rejected frames is chosen; none before so many pauses between two parts are known."""
        self._share, self._product, self._policy, self._count = share, product, policy, count
        self._least_pauses = least_pauses
        self._pauses: deque[int] = deque(maxlen=RECENT)
        self._readings_us: deque[float] = deque(maxlen=RECENT)
        self._waiting: Frame | None = None
        self._asked = False
        self._outcome: Outcome | None = None
        self._committed_us: int | None = None

    def judges(self, product: Product, policy: Policy) -> None:
        """From now on, judge by these; what waits was of others."""
        self._drop()
        self._product, self._policy = product, policy

    def rejected(self, frame: Frame) -> None:
        """The gate rejected a frame. It is chosen by its own hash: the same frame always is, or never."""
        if int(frame.sha256[:8], 16) < self._share * 2**32:
            self._drop()
            self._waiting, self._asked = frame, False

    def committed(self, outcome: Outcome, now_us: int) -> None:
        """The outcome of the part is durable."""
        if self._asked:
            self._drop()  # of an earlier part, and a question of this one has replaced it
        self._outcome, self._committed_us = outcome, now_us
        self._readings_us.extend(one.ms["read"] * 1000 for one in outcome.attempts if "read" in one.ms)

    def begun(self, now_us: int) -> None:
        """The next part is there: what has not been asked by now is not asked any more."""
        if self._committed_us is not None:
            self._pauses.append(now_us - self._committed_us)
        self._committed_us = None
        if not self._asked:
            self._drop()

    def due(self) -> Frame | None:
        """The frame to be read now, once; None where there is none, or no time for it."""
        if self._waiting is None or self._asked or self._committed_us is None or not self._has_time():
            return None
        self._asked = True
        return self._waiting

    def told(self, answer: Answered | ReadFailure) -> None:
        """What the reader says of the frame."""
        if not self._asked:
            return
        self._waiting, self._asked = None, False
        what = answer.what if isinstance(answer, Answered) else None
        self._tell(self._verdict(what) if isinstance(what, Reading) else "failed")

    def _has_time(self) -> bool:
        if len(self._pauses) < self._least_pauses:
            return False
        return min(self._pauses, default=0) >= READINGS_A_PAUSE * max(self._readings_us, default=0.0)

    def _verdict(self, reading: Reading) -> str:
        outcome = self._outcome
        if outcome is not None and outcome.disposition is Disposition.PASS:
            passed = {name: one.reading.text for name, one in outcome.fields.items()}
            read = {name: one.text for name, one in reading.fields.items()}
            required = [name for name, rule in self._product.fields.items() if rule.required]
            return "agreed" if all(same(read.get(name, ""), passed.get(name, "")) for name in required) else "otherwise"
        found = assess(reading.looks, self._product, self._policy)
        # A look that wants another to confirm it was read well; one that found a field empty was not.
        well = found.reason is None or (found.confirm and "nothing_there" not in found.verdicts.values())
        return "sure" if well else "unsure"

    def _drop(self) -> None:
        if self._waiting is not None:
            self._tell("dropped")
        self._waiting, self._asked = None, False

    def _tell(self, counter: str) -> None:
        try:
            self._count(f"shadow_{counter}")
        except StoreError as error:  # a statistic is not worth a station
            log.warning("a shadow reading is not counted", counter=counter, problem=str(error))
