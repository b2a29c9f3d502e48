"""What several tests of ERP are given: a web API that plays it, and a snapshot with clocks of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters.erp_snapshot import Snapshot
from tests.adapters.played_erp import Time
from tests.adapters.rest_site import Site
from tests.certificates import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that the site's ERPs trust."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def site(tmp_path: Path, authority: Authority) -> Iterator[Site]:
    """A server that holds two parts."""
    site = Site(tmp_path, authority.ca)
    yield site
    site.close()


@pytest.fixture
def clocks() -> Time:
    """Clocks of the test's own."""
    return Time()


@pytest.fixture
def snapshot(tmp_path: Path, clocks: Time) -> Snapshot:
    """A snapshot that is not made yet."""
    return Snapshot(tmp_path / "snapshot.db", "erp 1", max_age_s=3600, clock=clocks.clock)
