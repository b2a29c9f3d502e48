"""A promise of the reader process whose reader is elsewhere."""

from __future__ import annotations

from typing import Any

from edge.adapters.reader_link import Question
from edge.core.fields import Product
from edge.core.reading import Reading
from edge.readers.reader import Image, Located
from edge.services.reader_batches import BatchWork
from tests.core.parts import product, reading


class Elsewhere:
    """A reader that is sent frames; remembers what was asked of it."""

    name, hash = "pool", "0" * 64

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, float]] = []

    def locate(self, image: Image) -> Located:
        """No box."""
        return Located((), (image.shape[1], image.shape[0]))

    def read(self, image: Image, product: Product, located: Any = None, draft: Any = None) -> Reading:
        """Never for a frame of a station."""
        raise AssertionError

    def read_frame(self, encoded: bytes, *_what: object, within_s: float) -> Reading:
        """The plate."""
        self.asked.append((encoded, within_s))
        return reading()


def test_a_reader_elsewhere_gets_the_frames_own_bytes_and_the_time_that_is_left(encoded: bytes) -> None:
    """What the pool reads is what is kept as evidence, not a copy of its pixels (L8), within what is left (L10)."""
    elsewhere, told = Elsewhere(), []
    work = BatchWork(elsewhere, product(), now_us=lambda: 1_000_000)
    question = Question("q1", "read", 1, "frame-1", encoded, {}, expires_us=1_250_000)
    work.work([question], lambda _question, what: told.append(what))

    assert (elsewhere.asked, told) == ([(encoded, 0.25)], [reading()])
