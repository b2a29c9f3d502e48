"""Several stations at one reader process: real sockets, and a reader with memory that can be held in the middle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import zmq

from edge.adapters.heartbeat import listen
from edge.adapters.reader_link import Answered, ReaderLink, ReadFailure
from edge.core.fields import Product
from edge.core.reading import Reading
from edge.errors import ReaderError
from edge.products import FieldTable, ProductFile
from edge.readers.reader import Image, Located
from edge.services.reader import ReaderService
from edge.services.reader_batches import BatchWork
from tests.core.parts import field as as_read
from tests.core.parts import product

PATIENCE_S = 60.0
#: A frame whose mean is this is one that the reader cannot prepare, or cannot read in any batch.
UNPREPARED, UNREADABLE = 40, 80


@dataclass(frozen=True)
class Prepared:
    """What the played reader is given for a frame."""

    shade: int
    product: Product


@dataclass
class BatchReader:
    """Reads every field as the frame's shade; remembers its batches; waits in each where it is told to."""

    batches: bool = True
    name: str = "played"
    hash: str = "0" * 64
    sizes: list[int] = field(default_factory=list)
    shades: list[int] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    told: dict[str, str | int] = field(default_factory=dict)
    #: How often it is in the middle of a batch.
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def locate(self, image: Image) -> Located:
        """No box."""
        return Located((), (image.shape[1], image.shape[0]))

    def request(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Prepared:
        """The frame's shade, or a failure."""
        shade = int(image.mean())
        if shade == UNPREPARED:
            raise ReaderError("this frame cannot be prepared")
        return Prepared(shade, product)

    def read_many(self, requests: Sequence[Prepared]) -> list[Reading]:
        """A reading each; one frame that cannot be read fails all that are read with it."""
        self.sizes.append(len(requests))
        self.shades += [one.shade for one in requests]
        self.entered.release()
        self.open.wait(PATIENCE_S)
        if any(one.shade == UNREADABLE for one in requests):
            raise ReaderError("out of memory")
        return [
            Reading({name: as_read(name, str(one.shade)) for name in one.product.fields}, reader="played")
            for one in requests
        ]

    def read(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Reading:
        """One frame alone; the first, which warms the reader, is not counted and waits for nothing."""
        shade = int(image.mean())
        if self.entered is not None and located is not None:
            return self.read_many([Prepared(shade, product)])[0]
        return Reading({}, reader="played")

    def facts(self) -> dict[str, str | int]:
        """What a test says."""
        return self.told


class Hall:
    """A reader process in a thread, and stations that ask it."""

    def __init__(self, folder: Path, reader: BatchReader, max_batch: int = 4) -> None:
        self.folder, self.reader = folder, reader
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.service = ReaderService(folder, reader, product(), max_batch=max_batch, context=self.context)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.service.run, args=(self.over,))
        self.thread.start()
        self.links: list[ReaderLink] = []

    def station(self, product: str = "") -> ReaderLink:
        """A further station, whose link is up."""
        link = ReaderLink(self.folder, product=product, context=self.context)
        self.links.append(link)
        link.ask("read", 0, "first", shaded(1), timeout_us=20_000_000, draft={})
        was_open = self.reader.open.is_set()
        self.reader.open.set()
        assert isinstance(answer(link), Answered)
        if not was_open:
            self.reader.open.clear()
        self.reader.entered.acquire()
        self.reader.sizes.clear()
        self.reader.shades.clear()
        return link

    def close(self) -> None:
        """End all; the context's end proves that no socket is left."""
        self.reader.open.set()
        self.over.set()
        self.thread.join()
        for link in self.links:
            link.close()
        self.context.term()


@pytest.fixture
def hall(tmp_path: Path) -> Iterator[Hall]:
    """A reader process that reads up to four frames together."""
    made = Hall(tmp_path, BatchReader())
    yield made
    made.close()


def shaded(shade: int) -> bytes:
    """A frame of one shade, lossless."""
    return bytes(cv2.imencode(".png", np.full((32, 32, 3), shade, np.uint8))[1])


def ask(link: ReaderLink, shade: int, timeout_s: float = 20.0, task: Any = "read") -> None:
    """Ask about a frame of this shade."""
    link.ask(task, 1, f"f{shade}", shaded(shade), timeout_us=int(timeout_s * 1e6), draft={})


def answer(link: ReaderLink) -> Answered | ReadFailure:
    """The answer to a link's open question."""
    told: Answered | ReadFailure = until(link.receive)
    return told


def until(give: Callable[[], Any]) -> Any:
    """What `give` gives as soon as it gives something."""
    end_s = time.monotonic() + PATIENCE_S
    while (found := give()) is None:
        assert time.monotonic() < end_s, "nothing came"
        time.sleep(0.002)
    return found


def texts(told: Answered | ReadFailure) -> dict[str, str]:
    """What was read, by field."""
    assert isinstance(told, Answered), told
    assert isinstance(told.what, Reading)
    return {name: one.text for name, one in told.what.fields.items()}


def held_by(hall: Hall, link: ReaderLink, shade: int = 200) -> None:
    """Have the reader in the middle of a frame, until it is let go."""
    ask(link, shade)
    assert hall.reader.entered.acquire(timeout=PATIENCE_S)


def waiting(hall: Hall, count: int) -> None:
    """Return when so many questions wait."""
    until(lambda: len(hall.service._queue) == count or None)


def test_what_comes_while_one_is_read_goes_together_the_most_urgent_first(hall: Hall) -> None:
    """Four questions that come while a frame is read are one batch, ordered by deadline; each gets its own answer."""
    links = [hall.station() for _ in range(5)]
    held_by(hall, links[0])
    for link, shade, timeout_s in zip(links[1:], (10, 20, 30, 50), (18, 12, 16, 14), strict=True):
        ask(link, shade, timeout_s)
    waiting(hall, 4)
    hall.reader.open.set()
    answers = [texts(answer(link))["serial"] for link in links]

    assert hall.reader.sizes == [1, 4]
    assert hall.reader.shades == [200, 20, 50, 30, 10]
    assert answers == ["200", "10", "20", "30", "50"]


def test_no_batch_is_larger_than_its_limit(tmp_path: Path) -> None:
    """Six that wait where two go together are three batches; all are answered."""
    hall = Hall(tmp_path, BatchReader(), max_batch=2)
    links = [hall.station() for _ in range(7)]
    held_by(hall, links[0])
    for number, link in enumerate(links[1:]):
        ask(link, number + 2)
    waiting(hall, 6)
    hall.reader.open.set()
    answers = [texts(answer(link))["serial"] for link in links[1:]]
    hall.close()

    assert hall.reader.sizes == [1, 2, 2, 2]
    assert answers == ["2", "3", "4", "5", "6", "7"]


def test_a_reader_without_batches_is_asked_one_by_one(tmp_path: Path) -> None:
    """A reader that cannot read together reads the most urgent first, each alone."""
    hall = Hall(tmp_path, BatchReader(batches=False))
    links = [hall.station() for _ in range(3)]
    held_by(hall, links[0])
    ask(links[1], 10, 15)
    ask(links[2], 20, 10)
    waiting(hall, 2)
    hall.reader.open.set()
    answers = [texts(answer(link))["serial"] for link in links]
    hall.close()

    assert hall.reader.shades == [200, 20, 10]
    assert answers == ["200", "10", "20"]


def test_a_question_whose_time_is_over_is_refused_while_the_reader_works(hall: Hall) -> None:
    """A deadline that passes in the queue is a failure with its reason, at once, though the reader is busy (L12)."""
    first, second = hall.station(), hall.station()
    held_by(hall, first)
    ask(second, 10, 0.05)
    told = answer(second)
    still_held = not hall.reader.open.is_set()
    hall.reader.open.set()

    assert still_held
    assert isinstance(told, ReadFailure)
    assert "other frames to read until the time for this one was over" in told.why
    assert texts(answer(first))["serial"] == "200"
    assert 10 not in hall.reader.shades


@pytest.mark.parametrize("bad", [UNPREPARED, UNREADABLE], ids=["cannot be prepared", "fails the whole batch"])
def test_one_bad_frame_fails_no_other(hall: Hall, bad: int) -> None:
    """A frame that the reader fails on is a failure of its own station; those read with it are read (L3)."""
    links = [hall.station() for _ in range(4)]
    held_by(hall, links[0])
    for link, shade in zip(links[1:], (10, bad, 30), strict=True):
        ask(link, shade)
    waiting(hall, 3)
    hall.reader.open.set()
    good, failed, other = (answer(link) for link in links[1:])

    assert (texts(good)["serial"], texts(other)["serial"]) == ("10", "30")
    assert isinstance(failed, ReadFailure)
    assert failed.why in {"this frame cannot be prepared", "out of memory"}


def test_a_frame_that_is_no_image_fails_no_other(hall: Hall) -> None:
    """Bytes that are no image, and a frame that is only measured, stand in one batch with one that is read."""
    links = [hall.station() for _ in range(4)]
    held_by(hall, links[0])
    links[1].ask("read", 1, "f", b"no image", timeout_us=20_000_000, draft={})
    ask(links[2], 20, task="judge")
    ask(links[3], 30)
    waiting(hall, 3)
    hall.reader.open.set()
    broken, judged, was_read = (answer(link) for link in links[1:])

    assert isinstance(broken, ReadFailure)
    assert isinstance(judged, Answered)
    assert texts(was_read)["serial"] == "30"


def test_each_station_is_read_by_its_own_product(hall: Hall) -> None:
    """Two stations of different products share a reader: each gets the fields that it makes, in one batch."""
    label = ProductFile(version=1, name="label", fields={"lot": FieldTable(pattern="[0-9]+")}).model_dump_json()
    first, lots, plates = hall.station(), hall.station(label), hall.station()
    held_by(hall, first)
    ask(lots, 10)
    ask(plates, 20)
    waiting(hall, 2)
    hall.reader.open.set()

    assert texts(answer(lots)) == {"lot": "10"}
    assert texts(answer(plates)) == {"serial": "20", "model": "20"}
    assert hall.reader.sizes == [1, 2]


def test_a_product_that_is_not_understood_is_a_failure(hall: Hall) -> None:
    """A station of another version is told so; what it makes is never guessed (L3)."""
    hall.reader.open.set()
    link = ReaderLink(hall.folder, product='{"version": 9}', context=hall.context)
    hall.links.append(link)
    ask(link, 10)
    told = answer(link)

    assert isinstance(told, ReadFailure)
    assert "another version" in told.why


def test_a_question_that_is_not_understood_is_a_failure(hall: Hall) -> None:
    """A question with a piece missing is answered as failed at once, never left to its timer (L12)."""
    link = hall.station()
    link.socket.send_multipart([b'{"question_id": "q", "task": "sing"}', b""])
    parts = until(lambda: link.socket.recv_multipart() if link.socket.poll(0) else None)

    assert b"failure" in parts[0]
    assert b"another version" in parts[0]


def test_the_batch_in_work_is_finished_at_the_end(hall: Hall) -> None:
    """A clean stop waits for the frame that is being read, and begins no other."""
    first, second = hall.station(), hall.station()
    held_by(hall, first)
    ask(second, 10)
    waiting(hall, 1)
    hall.over.set()
    ended_early = not hall.thread.is_alive()
    hall.reader.open.set()
    hall.thread.join(PATIENCE_S)

    assert not ended_early
    assert hall.service._counts["read"] == 3
    assert hall.reader.shades == [200]


def test_the_heartbeat_tells_batches_and_what_waits(hall: Hall) -> None:
    """While a batch is in work the process still says how many wait and for how long, and what its server is."""
    hall.reader.told = {"breaker": "open", "cache_hits": 3}
    listener = listen(hall.folder, context=hall.context)
    first, second = hall.station(), hall.station()
    held_by(hall, first)
    ask(second, 10)
    beat = until(
        lambda: next((one for one in [listener.beats().get("reader")] if one and one.facts["waiting"] == 1), None)
    )
    listener.close()
    hall.reader.open.set()

    assert beat.facts["oldest_age_s"] >= 0
    assert beat.facts["batches"] == {"1": 3}
    assert (beat.facts["cache_hits"], beat.facts["problem"]) == (3, "its server fails (open)")


def test_a_batch_that_ran_into_deadlines_is_not_read_further() -> None:
    """Frames whose time ended while those before them were worked on are refused, and cost the reader nothing (L12)."""
    clock = iter([0, 0, 10_000])
    reader = BatchReader()
    reader.open.set()
    questions = [_question(number, expires_us) for number, expires_us in ((1, 5_000), (2, 5_000), (3, 5_000))]
    told: dict[str, Any] = {}
    BatchWork(reader, product(), now_us=lambda: next(clock)).work(
        questions, lambda question, what: told.update({question.question_id: what})
    )

    assert reader.shades == [1, 2]
    assert "until the time for this one was over" in told["q3"].why
    assert isinstance(told["q1"], Reading)


def test_a_reader_that_loses_a_reading_is_found_out() -> None:
    """Two frames and one reading: nobody gets another's; each is asked alone (L3)."""
    reader = BatchReader()
    reader.open.set()
    whole = reader.read_many
    reader.read_many = lambda requests: whole(requests)[:1]  # type: ignore[method-assign]
    told: dict[str, Any] = {}
    BatchWork(reader, product(), now_us=lambda: 0).work(
        [_question(1, 9), _question(2, 9)], lambda question, what: told.update({question.question_id: what})
    )

    assert [told[name].fields["serial"].text for name in ("q1", "q2")] == ["1", "2"]


def _question(number: int, expires_us: int) -> Any:
    from edge.adapters.reader_link import Question

    return Question(f"q{number}", "read", 1, f"f{number}", shaded(number), {}, expires_us, b"p%d" % number)
