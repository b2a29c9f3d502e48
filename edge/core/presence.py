"""From looks at a place to triggers: one plate, one trigger.

Laws of this file:
1. A plate is there when `settle_looks` looks in a row, one after the other still, show at least `appears_at` of it.
2. After its trigger nothing triggers until `settle_looks` looks in a row show less than `vanishes_at`: what wavers
   between the two, as a hand or another light does, is the same plate still.
3. What is there at the first look is no appearance: whether it was inspected is not known.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PresenceRules:
    """Shares of the picture, 0 to 100, and how many looks must agree. Sources: tests/vision/test_presence.py."""

    appears_at: float = 5.0
    vanishes_at: float = 2.0
    settle_looks: int = 2


class Presence:
    """One place. Tell it every look."""

    def __init__(self, rules: PresenceRules) -> None:
        self._rules = rules
        self._there: bool | None = None
        self._last: bool | None = None
        self._agreeing = 0

    def look(self, share: float, *, still: bool) -> bool:
        """Note one look; gives whether a plate has appeared with it."""
        rules = self._rules
        shows = False if share < rules.vanishes_at else True if share >= rules.appears_at and still else None
        self._agreeing = self._agreeing + 1 if shows == self._last else 1
        self._last = shows
        if shows is None or shows == self._there or self._agreeing < rules.settle_looks:
            return False
        before, self._there = self._there, shows
        return before is False and shows
