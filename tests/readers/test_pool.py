"""Promises of the reader `pool` at the station, with a pool whose answers are given."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from edge.core.fields import Product
from edge.core.reading import Reading
from edge.errors import ReaderError
from edge.readers import read_form
from edge.readers.chat.breaker import Breaker
from edge.readers.pool import MOST_ASKED, Pool, WhenLate
from edge.readers.pool_client import PoolRefusedError
from edge.readers.reader import Image, Located
from tests.core.parts import both, product, reading

FRAME: Image = np.zeros((8, 8, 3), np.uint8)
OURS, THEIRS = reading(), replace(reading(), reader_hash="f" * 64)


class Local:
    """The reader beside the camera; counts what it read."""

    name, hash = "ocr", OURS.reader_hash

    def __init__(self) -> None:
        self.read_here = 0

    def locate(self, image: Image) -> Located:
        """One line, wherever it stands."""
        return Located((((0.0, 0.0), (8.0, 0.0), (8.0, 2.0), (0.0, 2.0)),), (image.shape[1], image.shape[0]))

    def read(self, image: Image, product: Product, located: object = None, draft: object = None) -> Reading:
        """The plate."""
        del image, product, located, draft
        self.read_here += 1
        return OURS


class Far:
    """A pool that answers as the test says."""

    url = "http://pool:8000"

    def __init__(self, answer: Callable[[], Reading]) -> None:
        self.answer = answer
        self.asked: list[tuple[read_form.Wanted, bytes, float]] = []

    def read(self, wanted: read_form.Wanted, image: bytes, within_s: float) -> Reading:
        """Answer, and remember what was asked."""
        self.asked.append((wanted, image, within_s))
        return self.answer()

    def close(self) -> None:
        """There is nothing to close."""


class Station:
    """A pool reader with both its ends, asked for a reading as the reader process does."""

    def __init__(
        self, answer: Callable[[], Reading], late: WhenLate = "hold", kind: str = "ocr", **more: float
    ) -> None:
        self.local, self.far, self.now_s = Local(), Far(answer), 0.0
        breaker = Breaker(failures=3, pause_s=10.0, jitter=0.0, clock=lambda: self.now_s, who="the pool")
        how = {"hedge_s": 30.0, "timeout_s": 60.0, **more}
        self.pool = Pool(self.far, kind, self.local, late=late, breaker=breaker, **how)

    def read(self, within_s: float = 60.0) -> Reading:
        """Read one frame."""
        return self.pool.read_frame(b"the frame", FRAME, product(), None, {"serial": "1"}, within_s=within_s)

    def counted(self) -> dict[str, int]:
        """By whom, as far as it happened."""
        facts = self.pool.facts().items()
        return {name.removeprefix("pool_"): int(n) for name, n in facts if name.startswith("pool_") and n}


def fails() -> Reading:
    """A pool that is away."""
    raise ReaderError("the pool takes no connection")


def refuses() -> Reading:
    """A pool that has no time."""
    raise PoolRefusedError("cannot_make_deadline", "the pool refuses the question")


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """What a late pool waits for; set at the end, so that no thread stays."""
    event = threading.Event()
    yield event
    event.set()


def test_the_pools_reading_is_the_stations() -> None:
    """What the pool read is the reading, with that reader's hash; the frame's own bytes and boxes were sent."""
    station = Station(lambda: THEIRS)
    told = station.read()

    (wanted, image, within_s) = station.far.asked[0]
    assert (told, station.pool.hash, station.counted()) == (THEIRS, "f" * 64, {"pool": 1})
    assert (image, wanted.draft, len(wanted.boxes or ())) == (b"the frame", {"serial": "1"}, 1)
    assert 0 < within_s <= 60


@pytest.mark.parametrize(("answer", "how"), [(fails, "here_failed"), (refuses, "here_refused")])
def test_what_the_pool_does_not_read_is_read_here(answer: Callable[[], Reading], how: str) -> None:
    """A pool that is away, or has no time, costs the part nothing: the local reader reads at once, and says so."""
    station = Station(answer)
    told = station.read()

    assert (told.reader_hash, station.counted()) == (OURS.reader_hash, {how: 1})


def test_a_late_pool_is_hedged(held: threading.Event) -> None:
    """Where the pool has not answered in its time, the local reader reads, and its reading counts."""

    def late() -> Reading:
        held.wait(60)
        return THEIRS

    station = Station(late, hedge_s=0.01)
    told = station.read()

    assert (told, station.counted()) == (OURS, {"here_late": 1})


def test_the_pool_counts_if_it_is_there_first() -> None:
    """An answer that comes while the local reader works is taken: it is the one that the station is set to."""
    station = Station(lambda: THEIRS, hedge_s=0.01)
    go, read = threading.Event(), station.local.read

    def late() -> Reading:
        go.wait(60)
        return THEIRS

    def slow(*what: object) -> Reading:
        go.set()
        while not station.pool.facts()["breaker_opened"] and not _all_answered(station):
            time.sleep(0.01)
        return read(*what)  # type: ignore[arg-type]

    station.far.answer = late
    station.local.read = slow  # type: ignore[method-assign, assignment]
    told = station.read()

    assert (told, station.counted()) == (THEIRS, {"pool_after_hedge": 1})


def _all_answered(station: Station) -> bool:
    """Whether no question is on its way any more."""
    room = station.pool._room
    taken = 0
    while room.acquire(blocking=False):
        taken += 1
    for _ in range(taken):
        room.release()
    return taken == MOST_ASKED


def test_a_pool_that_fails_is_left_alone_and_found_again() -> None:
    """After three failures no part waits for the pool; after the pause one asks it, and its answer brings it back."""
    station = Station(fails)
    for _ in range(4):
        station.read()
    asked, state = len(station.far.asked), station.pool.facts()["breaker"]
    station.now_s, station.far.answer = 10.0, lambda: THEIRS
    told = station.read()

    assert (asked, state) == (3, "open")
    assert (told, station.pool.facts()["breaker"]) == (THEIRS, "closed")
    assert station.counted() == {"here_failed": 3, "here_left_alone": 1, "pool": 1}


def test_a_pool_that_refuses_is_not_broken() -> None:
    """A refusal is an answer of a pool that works: it never opens the circuit."""
    station = Station(refuses)
    for _ in range(6):
        station.read()

    assert (station.pool.facts()["breaker"], station.counted()) == ("closed", {"here_refused": 6})


def test_another_kind_of_reader_is_no_answer() -> None:
    """One family in the place of two would pass parts alone: such an answer is a failure, and names both (L4)."""
    station = Station(lambda: THEIRS, kind="ocr+vlm", late="off")

    with pytest.raises(ReaderError, match=r"reads with ocr, and reader\.pool\.kind is ocr\+vlm"):
        station.read()


def test_both_families_are_one_answer() -> None:
    """A reading by both readers of the pool is taken whole, as a local pair gives it."""
    station = Station(lambda: both(THEIRS, THEIRS), kind="ocr+vlm")

    assert [look.reader for look in station.read().looks] == ["ocr", "vlm"]


@pytest.mark.parametrize("answer", [fails, refuses])
def test_without_a_local_reading_a_failure_is_one(answer: Callable[[], Reading]) -> None:
    """`late` off: what the pool did not read is an error, never an empty reading (L3)."""
    station = Station(answer, late="off")

    with pytest.raises(ReaderError, match="the pool"):
        station.read()
    assert (station.local.read_here, station.counted()) == (0, {"none": 1})


def test_an_answer_after_the_deadline_decides_nothing(held: threading.Event) -> None:
    """A pool that answers when nobody waits any more has failed: the part's time is kept (L10)."""

    def late() -> Reading:
        held.wait(60)
        return THEIRS

    station = Station(late, late="off", hedge_s=0.01)

    with pytest.raises(ReaderError, match="did not answer in time"):
        station.read(within_s=0.1)
    held.set()
    while not _all_answered(station):
        time.sleep(0.01)
    assert station.pool.facts()["breaker"] == "closed"
    assert station.pool._breaker._circuit.in_a_row == 1


def test_questions_on_their_way_have_a_limit(held: threading.Event) -> None:
    """A pool that swallows questions holds up so many and no more; the next frame is read here at once (L12)."""

    def swallow() -> Reading:
        held.wait(60)
        return THEIRS

    station = Station(swallow, hedge_s=0.01)
    for _ in range(MOST_ASKED + 1):
        station.read()

    assert station.counted() == {"here_late": MOST_ASKED, "here_failed": 1}
    assert len(station.far.asked) == MOST_ASKED
