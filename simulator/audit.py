"""Checks what a station says against what it promises: one outcome a trigger, ids unique, `seq` gapless, repeats equal.

Every message of any kind is held against the contract's schemas, too. Written for the simulated line alone, with none
of the station's code, so that it cannot share its mistakes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulator.contract import Properties, violations

MAX_PROBLEMS = 50
"""Problems kept in words; further ones are only counted."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One outcome message as it arrived. `properties` are its user properties."""

    outcome: Mapping[str, Any]
    raw: bytes
    properties: Sequence[tuple[str, str]]
    at_s: float
    repeat: bool = False


@dataclass(slots=True)
class Audit:
    """Hears every outcome message of one station, in the order of arrival."""

    messages: int = 0
    repeats: int = 0
    outcomes: dict[str, Heard] = field(default_factory=dict)
    by_trigger: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    num_problems: int = 0
    num_checked: int = 0
    num_violations: int = 0
    _seqs: dict[int, str] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)
    _last_seq: int = 0

    def hear(self, raw: bytes, properties: Sequence[tuple[str, str]], at_s: float) -> Heard | None:
        """Check one message; give it where it can be understood."""
        self.messages += 1
        try:
            outcome = json.loads(raw)
            inspection_id, seq, trigger_id = outcome["inspection_id"], outcome["seq"], outcome["trigger_id"]
        except (ValueError, KeyError, TypeError) as error:
            self._report(f"message {self.messages} is no outcome: {error!r}")
            return None
        self._check_properties(outcome, dict(properties))
        digest = hashlib.sha256(raw).hexdigest()
        known = self._digests.get(inspection_id)
        if known is not None:
            self.repeats += 1
            if known != digest:
                self._report(f"inspection {inspection_id} was told twice with different contents")
            return Heard(outcome, raw, properties, at_s, repeat=True)
        self._digests[inspection_id] = digest
        if trigger_id in self.by_trigger:
            self._report(f"trigger {trigger_id} has two outcomes: {self.by_trigger[trigger_id]} and {inspection_id}")
        self.by_trigger[trigger_id] = inspection_id
        self._check_seq(seq, inspection_id)
        heard = Heard(outcome, raw, properties, at_s)
        self.outcomes[inspection_id] = heard
        return heard

    def check_contract(self, name: str, raw: bytes, properties: Properties | None = None) -> None:
        """Check one message of any kind ("outcome", "state", "answer" …) against its schema."""
        self.num_checked += 1
        for violation in violations(name, raw, properties):
            self.num_violations += 1
            self._report(violation)

    def of_trigger(self, trigger_id: str) -> Heard | None:
        """The outcome of a trigger, where it has come."""
        return self.outcomes.get(self.by_trigger.get(trigger_id, ""))

    def missing(self, trigger_ids: Sequence[str]) -> list[str]:
        """Triggers without an outcome."""
        return [trigger_id for trigger_id in trigger_ids if trigger_id not in self.by_trigger]

    @property
    def is_gapless(self) -> bool:
        """Whether every `seq` from the first to the last came, each once."""
        return not self._seqs or len(self._seqs) == max(self._seqs) - min(self._seqs) + 1

    def _check_seq(self, seq: Any, inspection_id: str) -> None:
        if not isinstance(seq, int) or isinstance(seq, bool):
            self._report(f"inspection {inspection_id} has the seq {seq!r}, which is no whole number")
            return
        if seq in self._seqs:
            self._report(f"seq {seq} belongs to two inspections: {self._seqs[seq]} and {inspection_id}")
        elif self._last_seq and seq != self._last_seq + 1:
            self._report(f"seq {seq} came after {self._last_seq}")
        self._seqs[seq] = inspection_id
        self._last_seq = max(self._last_seq, seq)

    def _check_properties(self, outcome: Mapping[str, Any], properties: Mapping[str, str]) -> None:
        for name in ("inspection_id", "seq", "schema"):
            if properties.get(name) != str(outcome.get(name)):
                told, held = properties.get(name), outcome.get(name)
                self._report(f"user property {name} is {told!r} and the message says {held!r}")
        if properties.get("historical") not in ("true", "false"):
            self._report(f"user property historical is {properties.get('historical')!r}, not true or false")

    def _report(self, problem: str) -> None:
        self.num_problems += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)
