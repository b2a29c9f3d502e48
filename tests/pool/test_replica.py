"""What a replica knows of its reader before anybody asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from edge.core.reading import Reading
from edge.pool import replica
from edge.pool.replica import ReadFrame, Replica
from edge.products import NAMEPLATE, to_product

FRAME = ReadFrame(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes(), to_product(NAMEPLATE))


class Together:
    """A reader that reads nothing and batches; it remembers how many frames went together."""

    name, hash, batches = "together", "0" * 64, True

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def request(self, image: Any, *_: Any) -> Any:
        """Nothing is prepared."""
        return image

    def read_many(self, requests: Sequence[Any]) -> list[Reading]:
        """A reading for each, with no field."""
        self.sizes.append(len(requests))
        return [Reading({}, ()) for _ in requests]


def test_a_replica_knows_how_long_batches_take_before_it_is_asked() -> None:
    """Batches of every size are read at the start, so that none is refused for a guess; the first of each prepares."""
    reader = Together()
    pool = Replica(reader, max_batch=6)

    pool.measure([FRAME])

    assert reader.sizes == [1, 1, 2, 2, 4, 4]
    assert [*pool.facts()["batch_ms"]] == ["1", "2", "4"]
    pool.close()


def test_batches_too_long_for_any_line_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a batch takes too long, larger ones keep nobody waiting for the start."""
    monkeypatch.setattr(replica, "LONG_US", 0)
    reader = Together()
    pool = Replica(reader, max_batch=64)

    pool.measure([FRAME])

    assert reader.sizes == [1, 1]
    pool.close()
