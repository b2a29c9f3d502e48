"""The reader's line of `edge check`: what it reads, how fast, and whose it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.commands.checks import reader
from edge.core.reading import Reading, TextLine
from edge.errors import WorldError
from edge.pool.http import PoolApi
from edge.pool.replica import Replica
from edge.readers import opening
from edge.sections import PoolReader
from edge.services.reader import ReaderService
from edge.settings import Settings
from tests.commands.checks.stations import station
from tests.pool.served import served
from tests.services.test_reader import PlayedReader

_BOX = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def read_as(text: str, wait_s: float = 0.0) -> Callable[[], Reading]:
    """A reading that takes its time."""

    def read() -> Reading:
        time.sleep(wait_s)
        return Reading({}, (TextLine(text, _BOX),))

    return read


def test_a_reader_that_reads_is_ok(tmp_path: Path) -> None:
    """What is drawn is read: the line says in how much time."""
    finding = reader.judge("ocr abc", read_as("S/N 12345678AB"), station(tmp_path))

    assert (finding.level, finding.facts["ms"] >= 0) == ("ok", True)


def test_a_reader_that_reads_something_else_fails(tmp_path: Path) -> None:
    """The canary: a reader that loads and reads wrongly is no reader."""
    finding = reader.judge("ocr abc", read_as("l0rem"), station(tmp_path))

    assert finding.level == "fail"
    assert "it reads 'l0rem'" in finding.said


def test_a_reader_slower_than_the_takt_is_a_warning(tmp_path: Path) -> None:
    """Two looks that take longer than the line gives for a part are told of."""
    settings = station(tmp_path, EDGE_STATION__TAKT_MS="100", EDGE_READER__TIMEOUT_MS="3000")
    finding = reader.judge("ocr abc", read_as("12345678AB", 0.1), settings)

    assert (finding.level, "station.takt_ms is 100" in finding.do) == ("warn", True)


def test_a_reader_slower_than_its_limit_fails(tmp_path: Path) -> None:
    """Such a reader fails every part."""
    finding = reader.judge("ocr abc", read_as("12345678AB", 0.05), station(tmp_path, EDGE_READER__TIMEOUT_MS="10"))

    assert (finding.level, "reader.timeout_ms, 10" in finding.said) == ("fail", True)


def test_a_shared_reader_must_be_heard(tmp_path: Path) -> None:
    """Another station's reader is not loaded here; where it is not heard, what to start is said."""
    own = station(tmp_path)
    shared = own.model_copy(update={"reader": own.reader.model_copy(update={"shared": tmp_path / "other"})})

    with pytest.raises(WorldError, match=r"no reader is heard in .*other; start that station's"):
        reader.check(shared)


def test_a_reader_that_runs_is_asked_as_a_guest(tmp_path: Path) -> None:
    """A reader process that runs reads the drawn frame; no second one is loaded."""
    settings = station(tmp_path)
    played = PlayedReader()
    played.gives = read_as("12345678AB")()
    service = ReaderService(settings.paths.runtime, played, settings.product)
    stop = threading.Event()
    thread = threading.Thread(target=service.run, args=(stop,))
    thread.start()
    try:
        finding = reader.check(settings)
    finally:
        stop.set()
        thread.join()

    assert (finding.level, "played 000000000000, runs" in finding.said) == ("ok", True)


def of_pool(folder: Path, url: str) -> Settings:
    """A station of a pool at that address."""
    own = station(folder)
    asked = PoolReader(url=url, kind="ocr")
    return own.model_copy(update={"reader": own.reader.model_copy(update={"kind": "pool", "pool": asked})})


def test_a_pool_is_asked_itself(tmp_path: Path) -> None:
    """The line says what the pool's own reader reads of the drawn frame, and whose weights it has."""
    replica = Replica(opening.open_reader("ocr", threads=1))
    with served(PoolApi(replica, deadline_ms=60_000)) as url:
        settings = of_pool(tmp_path, url)
        well, other = reader.check(settings), reader.pool(settings, PoolReader(url=url, kind="vlm"))
    replica.close()

    assert f"the pool at {url}, ocr {replica.reader.hash[:12]}" in well.said
    assert (well.level, other.level) == ("ok", "fail")
    assert "is not of kind vlm" in other.said


def test_a_pool_that_does_not_answer_fails(tmp_path: Path) -> None:
    """A station whose pool is away is told so, and what becomes of its parts; the local reader hides nothing."""
    finding = reader.check(of_pool(tmp_path, "http://127.0.0.1:9"))

    assert finding.level == "fail"
    assert "takes no connection" in finding.said
    assert "meanwhile every part is held" in finding.said
    assert "edge pool up" in finding.do
