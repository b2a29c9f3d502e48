"""The table `[alarm]` of `edge.toml`: when the station says that something is wrong, and when the line should stop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from edge.core.alarm import AlarmPolicy, StopCause
from edge.core.drift import DriftLimits
from edge.section_types import Number, Table, Whole

_STOP_ON: Mapping[str, frozenset[StopCause]] = {
    "nothing": frozenset(),
    "in_a_row": frozenset({StopCause.IN_A_ROW}),
    "drift": frozenset({StopCause.DRIFT}),
    "both": frozenset(StopCause),
}


class Alarm(Table):
    """When the station tells that too much does not pass, and when that is to stop the line."""

    in_a_row: Whole = Field(
        default=10,
        ge=0,
        le=10_000,
        description="Parts in a row on hold or failed that are an alarm (0 to 10000); 0: none.",
    )
    stop_on: Literal["nothing", "in_a_row", "drift", "both"] = Field(
        default="nothing",
        description="Which alarm stops the line until a person resets it: nothing, in_a_row, drift or both.",
    )
    base_outcomes: Whole = Field(
        default=1000, ge=50, le=1_000_000, description="Outcomes that the base of each rate is made of (50 to 1000000)."
    )
    factor: Number = Field(
        default=2.0,
        ge=1.1,
        le=100,
        description="A rise of a rate that is looked for, as a factor on its odds (1.1 to 100).",
    )
    outcomes_per_false_alarm: Whole = Field(
        default=100_000,
        ge=100,
        le=1_000_000_000,
        description="Outcomes between two false alarms of drift, at least, on average (100 to 1000000000).",
    )

    @property
    def policy(self) -> AlarmPolicy:
        """The limits that the core keeps to."""
        return AlarmPolicy(
            in_a_row=self.in_a_row or None,
            drift=DriftLimits(self.base_outcomes, self.factor, self.outcomes_per_false_alarm),
            stop_on=_STOP_ON[self.stop_on],
        )
