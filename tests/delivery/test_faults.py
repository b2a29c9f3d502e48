"""Every fault of a broker against every promise of delivery, judged from the broker's side."""

from __future__ import annotations

import random

import pytest

from tests.brokers import wait_for
from tests.delivery.faults import FAULTS, play
from tests.delivery.hostile import HostileBroker
from tests.delivery.station import Station


@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_of_a_broker_costs_an_outcome(name: str, station: Station, broker: HostileBroker) -> None:
    """Same id, same bytes, in order, nothing lost, dead letters only of poison, connections not in a storm (L11)."""
    chance = random.Random(name)

    verdict = play(name, station, broker, chance, wait_for)

    assert verdict.holds, verdict


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", FAULTS)
def test_no_fault_of_a_broker_costs_an_outcome_in_many_rounds(
    name: str, station: Station, broker: HostileBroker
) -> None:
    """The same, in fifty rounds each (L11)."""
    chance = random.Random(f"slow {name}")

    verdicts = [play(name, station, broker, chance, wait_for) for _ in range(50)]

    assert all(verdict.holds for verdict in verdicts), [verdict for verdict in verdicts if not verdict.holds]
