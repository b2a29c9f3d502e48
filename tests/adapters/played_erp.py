"""ERP from memory, and clocks that go as a test wants, for the tests of ERP's snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from edge.adapters.database import Clock
from edge.adapters.erp import Erp, ErpAwayError, Everything, Record
from edge.adapters.erp_snapshot import Snapshot
from edge.errors import ErpError

PARTS = [
    Record({"serial": "12345678AB", "model": "AX-1"}),
    Record({"serial": "87654321BA", "model": "AX-2"}, used="INSPECTED: yes"),
]
AWAY = ErpAwayError("ERP is away; see its server")


@dataclass
class Time:
    """Clocks that go as the test wants, and a PC that can restart."""

    now_us: int = 10_000_000_000
    wall: str = "2026-01-01T00:00:00.000Z"
    boot: str = "one"

    @property
    def clock(self) -> Clock:
        """The same as the snapshot takes it."""
        return Clock(lambda: self.now_us, lambda: self.wall, self.boot)


@dataclass
class PlayedErp:
    """ERP from memory: its records, how old they are, their tag; it can be away or speak of a wrong record."""

    records: Iterable[Record | None] = field(default_factory=lambda: list(PARTS))
    age_s: float = 0.0
    tag: str = ""
    trouble: ErpError | None = None
    asked: list[str] = field(default_factory=list)

    def lookup(self, serial: str) -> Record:
        """One record, or the trouble."""
        self.asked.append(serial)
        if self.trouble is not None:
            raise self.trouble
        return next((one for one in self.records if one and one.fields["serial"] == serial), Record())

    def close(self) -> None:
        """For the protocol."""

    def everything(self, tag: str = "") -> Everything | None:
        """All records, or None where they have that tag."""
        if self.trouble is not None:
            raise self.trouble
        return None if tag and tag == self.tag else Everything(self.records, "played", self.age_s, self.tag)


def failure(erp: Snapshot | Erp, serial: str = "12345678AB") -> str:
    """Why nothing was answered."""
    with pytest.raises(ErpAwayError) as raised:
        erp.lookup(serial)
    return str(raised.value)
