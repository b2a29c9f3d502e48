"""A disk without room is shown to people and to Prometheus by the panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics import parser

from edge.adapters.database import monotonic_us
from edge.adapters.heartbeat import Beat
from edge.adapters.store import Store
from edge.services.metrics import openmetrics
from edge.services.panel_health import Place, StationHealth
from edge.web.stored import Stored

families_of: Any = parser.text_string_to_metric_families
MORE_THAN_ANY_DISK = 10**18


@pytest.mark.parametrize("reserve_bytes", [0, MORE_THAN_ANY_DISK])
def test_the_panel_says_that_triggers_are_refused_for_want_of_room(reserve_bytes: int, tmp_path: Path) -> None:
    """`/health` is down with the messenger's named state, and `/metrics` has free space, reserve and whether full."""
    Store.open(tmp_path / "data", "st").close()
    is_full = reserve_bytes > 0
    stored = Stored(tmp_path / "data", "st", correction_topic="", reserve_bytes=reserve_bytes)
    station = StationHealth(Place("s", "l", "st", "nameplate", ("messenger",)), stored)
    now_us = monotonic_us()
    facts = {"state": "disk_full" if is_full else "ready"}
    station.hear({"messenger": Beat("messenger", 1, now_us, now_us, facts)}, {})

    health = station.told()

    text = openmetrics(health, "1")
    told = {sample.name: sample.value for family in families_of(text) for sample in family.samples}
    assert health["disk"]["full"] is is_full
    assert health["state"] == ("down" if is_full else "ok")
    assert not is_full or "messenger is disk_full" in health["problems"]
    assert told["edge_disk_full"] == int(is_full)
    assert told["edge_disk_reserve_bytes"] == reserve_bytes
    assert told["edge_disk_free_bytes"] > 0
    stored.close()
