"""What several tests of ERP behind a web API are given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
