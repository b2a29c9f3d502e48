"""The station's limits that the inspection keeps to. Every number of it can be set; settings carry the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.core.calibration import Calibration


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of one station.

    `deadline_us` counts from the trigger to the decision. `retake_budget_us` counts from the trigger to the order of
    the last retake. One look alone passes only above every threshold that is set, and never where none is:
    `single_look_confidence` is the least certain character that it needs, `single_look_rate` the share of wrong passes
    whose threshold in `calibration` it needs. `false_accept_rate` says, by number of agreeing looks, what the site
    counted on labelled plates of its own; it goes before what `calibration` says. One of them is stated in the outcome.
    Without a look by each of `readers` (names; none: any will do) a part neither passes nor fails by what was read.
    `has_erp` is false where no ERP is configured.
    """

    deadline_us: int = 5_000_000
    frame_timeout_us: int = 1_000_000
    read_timeout_us: int = 3_000_000
    record_timeout_us: int = 1_000_000
    max_attempts: int = 3
    retake_budget_us: int = 2_500_000
    looks: int = 2
    single_look_confidence: float | None = None
    single_look_rate: float | None = None
    calibration: Calibration | None = None
    min_margin: float = 0.20
    false_accept_rate: Mapping[int, float] = field(default_factory=dict)
    readers: frozenset[str] = frozenset()
    has_erp: bool = True
    exposure_us: int = 5_000
    exposure_range_us: tuple[int, int] = (50, 50_000)
    light: str = "normal"
