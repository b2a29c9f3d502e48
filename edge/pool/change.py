"""Bring the pool up, or change a running one over to other settings."""

from __future__ import annotations

from collections.abc import Iterator

from edge.pool import serving
from edge.pool.settings import PoolSettings


def change_over(settings: PoolSettings) -> Iterator[str]:
    """Serve by these settings; says what was done, sentence by sentence."""
    served = serving.serve_as(settings)
    yield f"the pool serves reader {settings.reader.kind} at {served.url}"
