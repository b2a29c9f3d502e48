"""What the lines to the PLC show, and when: result, busy, and a heartbeat, for one part after the other.

A line has no name of a part on it: the PLC takes what it sees for the part in place. Hence the laws of this file:

1. `pass` is shown for an outcome that passed, of the one inspection that was begun and not disturbed. Where a trigger
   came meanwhile (overrun, storm, a full disk), where the beginning was not heard, where the outcome is old or the
   station is not fit, `hold` stands in its place (L4). The outcome on the disk stays what it is.
2. A result goes out when the next part is triggered, and before any other result: the lines are clear between two.
3. At most one result waits for its turn; of two that would wait, the worse one does. Nothing grows.
4. The heartbeat changes only while the station is fit. What the PLC did not get is not shown later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edge.core.outcome import Disposition

Style = Literal["pulse", "level"]

_WORSE: Mapping[Disposition, int] = {Disposition.PASS: 0, Disposition.FAIL: 1, Disposition.HOLD: 2}


@dataclass(frozen=True, slots=True)
class ResultRules:
    """How results are shown. A result older than `stale_us` when it is heard of is no longer believed to be a pass."""

    style: Style = "pulse"
    pulse_us: int = 200_000
    #: Lines are clear for so long between two results: longer than a PLC's cycle, 10 to 50 ms as a rule.
    gap_us: int = 50_000
    heartbeat_us: int = 500_000
    stale_us: int = 1_000_000


@dataclass(frozen=True, slots=True)
class Lines:
    """All that the PLC is shown at one moment. `number` is the outcome's `seq`, 0 where no result is shown."""

    result: Disposition | None = None
    number: int = 0
    inspection_id: str = ""
    busy: bool = False
    heartbeat: bool = False
    fit: bool = False

    @property
    def cleared(self) -> Lines:
        """The same with no result."""
        return Lines(busy=self.busy, heartbeat=self.heartbeat, fit=self.fit)


@dataclass(frozen=True, slots=True)
class Decided:
    """An outcome that is on the disk."""

    at_us: int
    inspection_id: str
    disposition: Disposition
    seq: int


def between(before: Lines, after: Lines) -> tuple[Lines, ...]:
    """What is written one after the other so that two results never follow each other without a clear moment."""
    if before.result is not None and after.result is not None and before.number != after.number:
        return (after.cleared, after)
    return (after,)


class ResultLines:
    """The lines of one station. Tell it what happens; `lines` is what they show now."""

    def __init__(self, rules: ResultRules) -> None:
        self.counts: Counter[str] = Counter()
        self._rules = rules
        self._running = ""
        self._doubtful = False
        self._shown: Decided | None = None
        self._until_us: int | None = None
        self._clear_from_us: int | None = None
        self._next: Decided | None = None
        self._fit = False
        self._beat = False
        self._beat_us = 0

    def triggered(self, now_us: int) -> None:
        """A trigger came, and will be an inspection: what is shown was of an earlier part."""
        self._doubtful = self._doubtful or self._running != ""
        self._clear(now_us)
        self._next = None

    def begun(self, inspection_id: str, now_us: int) -> None:
        """This inspection was begun: its part is in place."""
        self._clear(now_us)
        self._next = None
        self._running, self._doubtful = inspection_id, False

    def refused(self, now_us: int) -> None:
        """A trigger came that is no inspection: whoever passes now was not looked at."""
        self.counts["refused"] += 1
        self.triggered(now_us)
        self._offer(Decided(now_us, "", Disposition.HOLD, 0), now_us)

    def decided(self, outcome: Decided, now_us: int) -> None:
        """An outcome is on the disk."""
        sure = outcome.inspection_id == self._running and not self._doubtful and self._fit
        fresh = now_us - outcome.at_us <= self._rules.stale_us
        if outcome.inspection_id == self._running:
            self._running, self._doubtful = "", False
        elif self._running:
            self._doubtful = True
        if outcome.disposition is Disposition.PASS and not (sure and fresh):
            self.counts["pass_held"] += 1
            outcome = Decided(outcome.at_us, outcome.inspection_id, Disposition.HOLD, outcome.seq)
        self._offer(outcome, now_us)

    def be_fit(self, now_us: int, *, fit: bool) -> None:
        """The station can inspect, or cannot: then no pass stays on the lines, and the heart stands still."""
        if self._fit and not fit and self._shown is not None and self._shown.disposition is Disposition.PASS:
            self._clear(now_us)
        if not fit and self._next is not None and self._next.disposition is Disposition.PASS:
            self._next = None
        self._fit = fit

    def lost(self, now_us: int) -> None:
        """The PLC did not get what was shown: it is not shown later, when it may be another part's."""
        if self._shown is not None or self._next is not None:
            self.counts["not_told"] += 1
        self._clear(now_us)
        self._next = None
        self._doubtful = self._doubtful or self._running != ""

    def lines(self, now_us: int) -> Lines:
        """What the lines show now."""
        if self._until_us is not None and now_us >= self._until_us:
            self._clear(self._until_us)
        if self._next is not None and self._is_clear(now_us):
            self._show(self._next, now_us)
        if self._fit and now_us >= self._beat_us:
            self._beat, self._beat_us = not self._beat, now_us + self._rules.heartbeat_us
        shown = self._shown
        return Lines(
            result=None if shown is None else shown.disposition,
            number=0 if shown is None else shown.seq,
            inspection_id="" if shown is None else shown.inspection_id,
            busy=self._running != "",
            heartbeat=self._beat,
            fit=self._fit,
        )

    def due_us(self, now_us: int) -> int | None:
        """When the lines change by themselves next; None where only an event changes them."""
        times = [self._until_us, self._beat_us if self._fit else None]
        if self._next is not None and self._clear_from_us is not None:
            times.append(self._clear_from_us + self._rules.gap_us)
        return min((max(time, now_us) for time in times if time is not None), default=None)

    def _offer(self, outcome: Decided, now_us: int) -> None:
        if self._shown is None and self._next is None and self._is_clear(now_us):
            self._show(outcome, now_us)
            return
        if self._next is not None:
            self.counts["merged"] += 1
            outcome = max(self._next, outcome, key=lambda one: _WORSE[one.disposition])
        self._next = outcome
        if self._rules.style == "level":
            self._clear(now_us)

    def _show(self, outcome: Decided, now_us: int) -> None:
        self._shown, self._next = outcome, None
        self._until_us = now_us + self._rules.pulse_us if self._rules.style == "pulse" else None
        self.counts[f"shown_{outcome.disposition.value}"] += 1

    def _clear(self, at_us: int) -> None:
        if self._shown is not None:
            self._shown, self._until_us, self._clear_from_us = None, None, at_us

    def _is_clear(self, now_us: int) -> bool:
        if self._shown is not None:
            return False
        return self._clear_from_us is None or now_us - self._clear_from_us >= self._rules.gap_us
