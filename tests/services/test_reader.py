"""The reader process: warm before ready, failures that are not readings, one decoding a frame."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import pytest
import zmq
from pydantic import ValidationError

from edge.adapters.reader_link import _ANSWERS, Answered, ReaderLink, ReadFailure
from edge.core.fields import Product
from edge.core.quality import Quality
from edge.core.reading import Reading
from edge.errors import ConfigError, ReaderError
from edge.readers import opening
from edge.readers.drawn import drawn_frame
from edge.readers.reader import Image, Located
from edge.services import reader as reader_service
from edge.services.reader import ReaderService
from edge.settings import load
from tests.core.parts import both, product, reading

PATIENCE_S = 60.0


class PlayedReader:
    """A reader with memory that finds the drawn frame's two lines, and fails when told to."""

    name = "played"
    hash = "0" * 64

    def __init__(self) -> None:
        self.num_located = 0
        self.drafts: list[Mapping[str, str] | None] = []
        self.error: Exception | None = None
        self.gives = reading()

    def locate(self, image: Image) -> Located:
        """Two boxes, always."""
        self.num_located += 1
        box = ((150.0, 205.0), (560.0, 205.0), (560.0, 260.0), (150.0, 260.0))
        return Located((box,), (image.shape[1], image.shape[0]))

    def read(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Reading:
        """What the plate says, or the error."""
        if self.error is not None:
            raise self.error
        self.drafts.append(draft)
        return self.gives


class Process:
    """The reader's process in a thread, and a link to it."""

    def __init__(self, folder: Path) -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.reader = PlayedReader()
        self.service = ReaderService(folder, self.reader, product(), context=self.context)
        self.link = ReaderLink(folder, context=self.context)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.service.run, args=(self.over,))
        self.thread.start()

    def ask(self, task: Any, image: bytes, frame_id: str = "f1") -> Answered | ReadFailure:
        """The answer to one question."""
        self.link.ask(task, 1, frame_id, image, timeout_us=20_000_000, draft={"serial": "X"})
        until = time.monotonic() + PATIENCE_S
        while (answer := self.link.receive()) is None:
            assert time.monotonic() < until, "no answer came"
            time.sleep(0.005)
        return answer


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    """A running reader process."""
    made = Process(tmp_path)
    yield made
    made.over.set()
    made.thread.join()
    made.link.close()
    made.context.term()


def jpeg() -> bytes:
    """The drawn frame as a camera gives it."""
    return bytes(cv2.imencode(".jpg", drawn_frame())[1])


def test_a_frame_is_searched_once_for_all_questions(process: Process) -> None:
    """Judging and reading the same frame decodes and searches it once; another frame is another matter."""
    judged = process.ask("judge", jpeg())
    was_read = process.ask("read", jpeg())
    searched = process.reader.num_located
    process.ask("judge", jpeg(), "f2")

    assert isinstance(judged, Answered)
    assert isinstance(judged.what, Quality)
    assert isinstance(was_read, Answered)
    assert was_read.what == reading()
    assert (searched, process.reader.num_located) == (1, 2)


def test_what_several_readers_read_arrives_as_it_was_read(process: Process) -> None:
    """The looks of two families on one frame cross the link whole; a reading without others, as before, as well."""
    frame = both(reading(), reading({"serial": "X1", "model": "M"}, 0.5))
    process.reader.gives = frame
    told = process.ask("read", jpeg())
    old = _ANSWERS[Reading].validate_json(b'{"fields": {}, "reader": "ocr"}')

    assert isinstance(told, Answered)
    assert told.what == frame
    assert old == Reading({}, reader="ocr")


def test_a_reader_that_is_two_looks_is_not_understood() -> None:
    """An answer that counts one reader twice is a failure, not a reading (L3, L4)."""
    whole = _ANSWERS[Reading].dump_python(reading(), mode="json")
    with pytest.raises(ValidationError, match="two looks"):
        _ANSWERS[Reading].validate_python({**whole, "others": [whole]})


def test_the_draft_reaches_the_reader(process: Process) -> None:
    """What is expected travels as a draft, beside the frame (L6)."""
    process.ask("read", jpeg())

    first, *asked = process.reader.drafts
    assert first is None
    # A question asked while the hello is on its way is sent twice.
    assert asked in ([{"serial": "X"}], [{"serial": "X"}] * 2)


@pytest.mark.parametrize("error", [ReaderError("the weights are gone"), RuntimeError("bug")])
def test_a_failure_is_an_answer_of_its_own(process: Process, error: Exception) -> None:
    """Whatever the reader raises, its asker hears of a failure, never of an empty reading (L3)."""
    process.ask("judge", jpeg())
    process.reader.error = error
    answer = process.ask("read", jpeg())

    assert isinstance(answer, ReadFailure)


def test_a_frame_that_is_no_image_is_a_failure(process: Process) -> None:
    """Bytes that cannot be decoded fail by name; the next frame is read."""
    broken = process.ask("judge", b"\xff\xd8\xff not an image")
    sound = process.ask("judge", jpeg(), "f2")

    assert isinstance(broken, ReadFailure)
    assert isinstance(sound, Answered)


def test_the_reader_that_the_settings_name_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kind, model, device and server come from [reader]; a server is waited for no longer than the reading is."""
    config = tmp_path / "edge.toml"
    config.write_text(
        'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "n"\ncamera = "c"\n'
        '[cameras.c]\nkind = "simulated"\naddress = "ipc:///tmp/c"\n'
        '[reader]\nkind = "remote"\ntimeout_ms = 2500\nmodel = "."\ndevice = "cpu"\nthreads = 3\neight_bits = true\n'
        '[reader.remote]\nurl = "http://pool:8000"\nmodel = "m"\n'
    )
    monkeypatch.setattr(opening, "lacking", lambda _kind: "")
    opened: dict[str, Any] = {}

    def open_reader(kind: str, **options: Any) -> PlayedReader:
        opened.update(options, kind=kind)
        return PlayedReader()

    monkeypatch.setattr(opening, "open_reader", open_reader)
    ReaderService(tmp_path, reader_service.open_reader(load(config, {})), product()).run(lambda: True)

    with pytest.raises(ConfigError, match=r"reader\.shared: the reader at /run/a reads for this station"):
        reader_service.build(load(config, {"EDGE_READER__SHARED": "/run/a"}))
    assert (opened["kind"], opened["model"], opened["device"], opened["threads"]) == ("remote", tmp_path, "cpu", 3)
    assert opened["remote"].timeout_s == 2.5
    assert (opened["warm"], opened["eight_bits"]) == (True, True)
