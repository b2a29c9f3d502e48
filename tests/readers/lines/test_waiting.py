"""Promises of inputs that wait for a stream, and of those under way that bring further ones."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edge.readers.lines.weights import Tensor, _Waiting


def test_an_idle_stream_waits_for_what_another_brings() -> None:
    """While one input is under way, nobody is told that there are no more; what it brings is begun first."""
    waiting = _Waiting([_nothing, _nothing])
    first, second = waiting.begin(), waiting.begin()
    with ThreadPoolExecutor(1) as idle:
        third = idle.submit(waiting.begin)

        waiting.end([(7, _nothing)])

        assert (first, second) == ((0, _nothing), (1, _nothing))
        assert third.result(timeout=10) == (7, _nothing)
    waiting.end(())
    waiting.end(())
    assert waiting.begin() is None


@pytest.mark.parametrize("streams", [2, 3])
def test_every_stream_ends_when_nothing_is_left(streams: int) -> None:
    """However many wait, the end of the last input lets all of them go."""
    waiting = _Waiting([_nothing])
    assert waiting.begin() is not None
    gone = threading.Barrier(streams)

    def stream() -> bool:
        gone.wait()
        return waiting.begin() is None

    with ThreadPoolExecutor(streams) as pool:
        told = [pool.submit(stream) for _ in range(streams)]
        waiting.end(())

        assert all(one.result(timeout=10) for one in told)


def _nothing() -> Tensor:
    return np.zeros(0, np.float32)
