"""A circuit breaker as a table: leave a server alone that failed several times in a row, and try it again by one.

`closed`: requests go out. `open`: none does until the pause is over. `half_open`: the pause is over, and one may go.
`trying`: that one is on its way; its success closes the circuit, its failure opens it again.

Promises: while a server is down at most one request a pause reaches it, and the pauses of many stations are apart
(each is longer by a random share), so that a server that comes back is not met by all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

State = Literal["closed", "open", "half_open", "trying"]
Event = Literal["asked", "paused", "succeeded", "failed"]


@dataclass(frozen=True, slots=True)
class Rule:
    """So many failures in a row open the circuit, for `pause_us`, longer by up to `jitter` of it."""

    failures: int
    pause_us: int
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """One server's circuit. `until_us`: the end of the pause; `opened`: how often it opened."""

    state: State = "closed"
    in_a_row: int = 0
    until_us: int = 0
    opened: int = 0


def _stay(circuit: Circuit) -> Circuit:
    return circuit


def _close(circuit: Circuit) -> Circuit:
    return replace(circuit, state="closed", in_a_row=0)


def _try(circuit: Circuit) -> Circuit:
    return replace(circuit, state="trying")


def _end_pause(circuit: Circuit) -> Circuit:
    return replace(circuit, state="half_open")


def _count(circuit: Circuit) -> Circuit:
    return replace(circuit, in_a_row=circuit.in_a_row + 1)


def _open(circuit: Circuit) -> Circuit:
    return replace(_count(circuit), state="open")


#: What each event makes of each state. A success in any state shows that the server works, whoever asked it when.
TABLE: Mapping[State, Mapping[Event, Callable[[Circuit], Circuit]]] = {
    "closed": {"asked": _stay, "paused": _stay, "succeeded": _close, "failed": _count},
    "open": {"asked": _stay, "paused": _end_pause, "succeeded": _close, "failed": _open},
    "half_open": {"asked": _try, "paused": _stay, "succeeded": _close, "failed": _open},
    "trying": {"asked": _stay, "paused": _stay, "succeeded": _close, "failed": _open},
}


def enter(circuit: Circuit, now_us: int) -> tuple[Circuit, bool]:
    """Ask to send one request: the circuit after it, and whether it may go. Each that goes ends in one `ended`."""
    circuit = at(circuit, now_us)
    return TABLE[circuit.state]["asked"](circuit), circuit.state in {"closed", "half_open"}


def at(circuit: Circuit, now_us: int) -> Circuit:
    """The circuit as it is now: a pause ends by itself."""
    over = circuit.state == "open" and now_us >= circuit.until_us
    return TABLE[circuit.state]["paused"](circuit) if over else circuit


def ended(circuit: Circuit, rule: Rule, now_us: int, chance: float, *, well: bool) -> Circuit:
    """After a request's end; `chance` (0 to 1) spreads the pause, should one begin."""
    before = at(circuit, now_us)
    after = TABLE[before.state]["succeeded" if well else "failed"](before)
    if after.state == "closed" and after.in_a_row >= rule.failures:
        after = replace(after, state="open")
    if after.state != "open":
        return after
    until_us = now_us + round(rule.pause_us * (1 + rule.jitter * chance))
    return replace(after, until_us=until_us, opened=after.opened + (before.state == "closed"))
