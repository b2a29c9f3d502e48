"""A PostgreSQL for the plant's tests, and stations that are closed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import Postgres
from tests.services.station import Start, Station


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A running server; a test that stops it starts it again."""
    with closing(Postgres()) as server:
        yield server


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
