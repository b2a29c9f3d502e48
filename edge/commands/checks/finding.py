"""What a check found: well, well but for something, or not well; in words, and in numbers for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `edge check`: `said` is what was found, `do` what to do about it, where it is not ok."""

    level: Level
    said: str
    do: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """Both in one sentence."""
        return f"{self.said}: {self.do}" if self.do else self.said


def ok(said: str, **facts: Any) -> Finding:
    """All is well."""
    return Finding("ok", said, facts=facts)


def judged(said: str, doubts: list[str], **facts: Any) -> Finding:
    """Well where there is no doubt; else a warning that names every doubt, each with what to do."""
    return Finding("warn", said, "; ".join(doubts), facts) if doubts else ok(said, **facts)


def fail(said: str, do: str, **facts: Any) -> Finding:
    """Not well: the station cannot work so."""
    return Finding("fail", said, do, facts)
