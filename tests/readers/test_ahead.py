"""Promises of lines that are read before anybody asks."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from edge.core.reading import Quad, TextLine
from edge.errors import ReaderError
from edge.readers.ahead import Ahead
from edge.readers.giving_way import GaveWay, give_way, gives_way
from edge.readers.reader import Image

BOX: Quad = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))
LINE = TextLine("AX-4711", BOX, ())


def frame() -> Image:
    """A frame like any other, and itself."""
    return np.zeros((4, 4, 3), np.uint8)


def test_what_was_begun_for_a_frame_is_given_for_that_frame_alone() -> None:
    """Another frame, though its pixels are the same, or other boxes get nothing of it (L3)."""
    ahead, image = Ahead(), frame()
    ahead.begin(image, [BOX], lambda: (LINE,))

    assert ahead.lines(frame(), [BOX]) is None
    assert ahead.lines(image, []) is None
    assert ahead.lines(image, [BOX]) == (LINE,)


def test_a_failure_ahead_is_the_failure_of_the_reading() -> None:
    """An error on the way surfaces where the lines are asked for, never as an empty reading (L3)."""
    ahead, image = Ahead(), frame()

    def fails() -> tuple[TextLine, ...]:
        raise ReaderError("the network did not run")

    ahead.begin(image, [BOX], fails)

    with pytest.raises(ReaderError, match="did not run"):
        ahead.lines(image, [BOX])


def test_the_next_frame_ends_what_was_begun() -> None:
    """A frame that nobody asks about gives way to the next one between two lines (L1)."""
    ahead, image, other = Ahead(), frame(), frame()
    under_way, ended = threading.Event(), threading.Event()

    def endless() -> tuple[TextLine, ...]:
        under_way.set()
        try:
            while True:
                give_way()
        finally:
            ended.set()

    ahead.begin(image, [BOX], endless)
    assert under_way.wait(30.0)
    ahead.begin(other, [BOX], lambda: (LINE,))

    assert ahead.lines(other, [BOX]) == (LINE,)
    assert ended.is_set()
    assert ahead.lines(image, [BOX]) is None


def test_a_guest_gives_way_to_a_station_in_what_was_begun_for_him() -> None:
    """Lines read ahead for a guest are broken off as his whole question is, as soon as a station asks (L1)."""
    ahead, image, station = Ahead(), frame(), threading.Event()

    def endless() -> tuple[TextLine, ...]:
        while True:
            give_way()

    with gives_way(station.is_set):
        ahead.begin(image, [BOX], endless)
    station.set()

    with pytest.raises(GaveWay):
        ahead.lines(image, [BOX])
