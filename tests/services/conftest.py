"""Stations and failing brokers for the messenger's tests, gone at a test's end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.services import delivery
from tests.brokers import FaultBroker
from tests.services.station import Start, Station


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts stations that are closed at the end."""
    made: list[Station] = []

    def station(port: int, **more: Any) -> Station:
        made.append(Station(tmp_path / "station", port, **more))
        return made[-1]

    yield station
    for each in made:
        each.close()


@pytest.fixture
def faulty() -> Iterator[FaultBroker]:
    """A broker that fails as told."""
    broker = FaultBroker()
    yield broker
    broker.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short; their order and number are as ever."""
    monkeypatch.setattr(delivery, "FIRST_WAIT_US", 2_000)
    monkeypatch.setattr(delivery, "LONGEST_WAIT_US", 20_000)
