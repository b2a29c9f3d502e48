"""Brokers that fail as told, and a station at one of them, gone at a test's end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import FaultBroker
from tests.delivery.hostile import HostileBroker
from tests.delivery.station import Station
from tests.delivery.table import hasty


@pytest.fixture
def broker() -> Iterator[HostileBroker]:
    """A broker that does as a fault says."""
    broker = HostileBroker()
    yield broker
    broker.close()


@pytest.fixture
def station(tmp_path: Path, broker: HostileBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    """A station whose waits are thousandths of the usual ones; their order and number are as ever."""
    hasty(monkeypatch.setattr)
    station = Station(tmp_path, broker.port)
    yield station
    station.close()


@pytest.fixture
def faulty() -> Iterator[FaultBroker]:
    """A broker that answers each publish as it is told."""
    broker = FaultBroker()
    yield broker
    broker.close()
