"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

# Time never decides a test: a busy PC takes longer than 200 ms for an example now and then.
settings.register_profile("edge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("edge")


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """A test that lets a process's `main` run here leaves no log level behind: others look at what is logged."""
    yield
    structlog.reset_defaults()
