"""Promises of networks that are compiled by themselves for what comes often, and of inputs that bring further ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ReaderError
from edge.readers.lines.detector import Detector
from edge.readers.lines.often import Often
from edge.readers.lines.weights import Tensor, _Waiting


class Compiling:
    """A network that remembers which shapes it is compiled for."""

    def __init__(self, refuses: bool = False) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self._refuses = refuses

    def fix(self, shapes: Sequence[Sequence[int]]) -> None:
        """Compiled at once, or refused."""
        if self._refuses:
            raise ReaderError("out of memory")
        self.shapes.extend(tuple(shape) for shape in shapes)

    def forget(self, shape: Sequence[int]) -> None:
        """Forgotten at once."""
        self.shapes.remove(tuple(shape))


@given(st.lists(st.integers(1, 6), max_size=60), st.integers(1, 4))
def test_memory_is_bounded_whatever_comes(sizes: list[int], most: int) -> None:
    """Only shapes that came twice are compiled for, each once, and never more than asked."""
    network = Compiling()
    often = Often(network, most=most, stale_after=1000)

    for size in sizes:
        often.seen((size, size))
    often.wait()

    assert len(network.shapes) == len(set(network.shapes)) <= most
    assert all(sizes.count(shape[0]) >= 2 for shape in network.shapes)
    assert len(network.shapes) == min(most, len({size for size in sizes if sizes.count(size) >= 2}))


def test_what_came_long_ago_gives_its_place_away() -> None:
    """When other parts run, the sizes of the last ones make room, the longest unused first."""
    network = Compiling()
    often = Often(network, most=2, stale_after=5)
    for size in (1, 1, 2, 2, 1, 3, 3):
        often.seen((size,))
    often.wait()
    kept = sorted(network.shapes)

    for size in (1, 1, 3):
        often.seen((size,))
    often.wait()

    assert kept == [(1,), (2,)]
    assert sorted(network.shapes) == [(1,), (3,)]


def test_a_compilation_that_fails_stops_no_reading() -> None:
    """Readings go on by the network for any shape."""
    often = Often(Compiling(refuses=True))

    for _ in range(3):
        often.seen((1, 3, 64, 64))

    often.wait()


def test_a_size_of_its_own_finds_the_same() -> None:
    """The detector compiled for one size finds what that for any size finds, bit for bit: a replay decides the same."""
    detector = Detector(threads=2)
    image = np.full((192, 384, 3), 200, np.uint8)
    cv2.putText(image, "S/N 4711-0815", (30, 100), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (30, 30, 30), 2, cv2.LINE_AA)
    first, second = detector.find(image), detector.find(image)
    detector.wait()

    third = detector.find(image)

    assert (1, 3, 192, 384) in detector._network._streams[0].fixed
    assert first
    assert first == second == third


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
