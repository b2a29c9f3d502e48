"""What holds for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """A test that lets a process's `main` run here leaves no log level behind: others look at what is logged."""
    yield
    structlog.reset_defaults()
