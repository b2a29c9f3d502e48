"""Whether the line should stop: too many parts in a row that did not pass, or a rate that drifted from its base.

Laws of this file: a stop is decided with the outcome that causes it, from outcomes alone; it stays until a person ends
it, whatever is decided meanwhile; it changes no disposition and refuses no trigger (the station goes on inspecting).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from edge.core.drift import Drift, DriftLimits, signs_of
from edge.core.outcome import Disposition, Outcome


class StopCause(StrEnum):
    """What may stop the line."""

    IN_A_ROW = "in_a_row"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class AlarmPolicy:
    """The station's limits. `in_a_row`: None, no alarm; `stop_on`: which alarms also stop the line."""

    in_a_row: int | None = 10
    drift: DriftLimits = field(default_factory=DriftLimits)
    stop_on: frozenset[StopCause] = frozenset()


#: What a station has that sets nothing.
USUAL = AlarmPolicy()


@dataclass(frozen=True, slots=True)
class LineStop:
    """The line is to stand still since the outcome `seq`. `signs`: what drifted; none for parts in a row."""

    cause: StopCause
    signs: tuple[str, ...]
    seq: int
    at: str


@dataclass(frozen=True, slots=True)
class Watch:
    """What the station's outcomes so far add up to."""

    in_a_row: int = 0
    drift: Drift = field(default_factory=Drift)
    line_stop: LineStop | None = None

    def after(self, outcome: Outcome, policy: AlarmPolicy, *, seq: int, at: str) -> Watch:
        """The watch with one more outcome."""
        in_a_row = 0 if outcome.disposition is Disposition.PASS else self.in_a_row + 1
        drift = self.drift.after(signs_of(outcome), seq, policy.drift)
        seen = replace(self, in_a_row=in_a_row, drift=drift)
        began = tuple(sorted(set(drift.since) - set(self.drift.since)))
        if self.line_stop is not None:
            return seen
        if StopCause.IN_A_ROW in policy.stop_on and in_a_row_alarm(seen, policy):
            return replace(seen, line_stop=LineStop(StopCause.IN_A_ROW, (), seq, at))
        if StopCause.DRIFT in policy.stop_on and began:
            return replace(seen, line_stop=LineStop(StopCause.DRIFT, began, seq, at))
        return seen

    def reset(self) -> Watch:
        """Somebody has seen to it: the line may run, the counting begins at 0, the base stays."""
        return Watch(drift=self.drift.rested())

    def learn(self) -> Watch:
        """The rates are others for a good reason: a new base is made of the outcomes that come. A stop stays."""
        return replace(self, drift=Drift())


def in_a_row_alarm(watch: Watch, policy: AlarmPolicy) -> bool:
    """Whether as many parts in a row did not pass as the station allows."""
    return policy.in_a_row is not None and watch.in_a_row >= policy.in_a_row


def outcomes_to_run(share: float, length: int) -> float:
    """Outcomes until so many in a row did not pass, on average, where each does not with this probability.

    W. Feller, An Introduction to Probability Theory and Its Applications, vol. 1, 3rd ed. (1968), XIII.7: of success
    runs. It is the mean distance of false alarms of `in_a_row`.
    """
    if not 0 < share < 1:
        return float("inf") if share <= 0 else float(length)
    return float((share**-length - 1) / (1 - share))
