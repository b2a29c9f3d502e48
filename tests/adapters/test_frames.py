"""The link between inspector and capture: one answer for each take, whoever dies between."""

from __future__ import annotations

import hashlib
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import zmq

from edge.adapters import sockets
from edge.adapters.frames import Frame, FrameFailure, FrameLink, FramePublisher, Take
from edge.errors import ConfigError

PATIENCE_S = 60.0


@pytest.fixture
def context() -> Iterator[sockets.Context]:
    """A context of this test's own; ending it proves that every socket was closed."""
    made = zmq.Context()
    yield made
    made.term()


@pytest.fixture
def publisher(tmp_path: Path, context: sockets.Context) -> Iterator[FramePublisher]:
    """A capture process's end of the link."""
    made = FramePublisher(tmp_path, "top", context=context)
    yield made
    made.close()


@pytest.fixture
def link(tmp_path: Path, context: sockets.Context) -> Iterator[FrameLink]:
    """An inspector's end of the link."""
    made = FrameLink(tmp_path, "top", context=context)
    yield made
    made.close()


def frame_for(take: Take, image: bytes = b"\xff\xd8 a plate") -> Frame:
    """A frame as a capture process would answer the take with."""
    return Frame(
        frame_id=f"f-{take.attempt}",
        image=image,
        sha256=hashlib.sha256(image).hexdigest(),
        camera_us=17,
        exposed_us=1_000,
        received_us=1_200,
        exposure_us=take.exposure_us or 0,
        gain_db=0.0,
        light=take.light or "normal",
        trigger_id=take.trigger_id,
        attempt=take.attempt,
        width_px=1920,
        height_px=1200,
        frozen=False,
        inspection_id=take.inspection_id,
    )


T = TypeVar("T")


def until(give: Callable[[], T]) -> T:
    """What `give` gives as soon as it gives something."""
    end = time.monotonic() + PATIENCE_S
    while not (found := give()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.001)
    return found


def pump(publisher: FramePublisher, link: FrameLink) -> list[Take]:
    """Takes that arrived, while both ends are being served."""
    takes: list[Take] = []

    def arrived() -> list[Take]:
        takes.extend(publisher.receive())
        assert link.receive() is None
        return takes

    return until(arrived)


def received(link: FrameLink) -> Frame | FrameFailure:
    """The answer to the link's open take."""
    answer = until(link.receive)
    assert answer is not None
    return answer


def order(link: FrameLink, attempt: int = 1) -> None:
    """Order a frame with distinct values."""
    link.take("inspection-7", attempt, 800, "off_axis", "trigger-7", gain_db=1.5)


def test_a_take_arrives_as_it_was_ordered(publisher: FramePublisher, link: FrameLink) -> None:
    """Exposure, gain, light, trigger and attempt of a take reach the capture process unchanged."""
    order(link)
    (take,) = pump(publisher, link)

    assert (take.inspection_id, take.attempt, take.trigger_id) == ("inspection-7", 1, "trigger-7")
    assert (take.exposure_us, take.gain_db, take.light) == (800, 1.5, "off_axis")


def test_the_frame_arrives_byte_for_byte(publisher: FramePublisher, link: FrameLink) -> None:
    """The inspector gets the very bytes and metadata that capture sent (L8)."""
    order(link)
    (take,) = pump(publisher, link)
    sent = frame_for(take, image=bytes(range(256)) * 4000)

    assert publisher.answer(take, sent)
    assert received(link) == sent


def test_a_failure_is_an_answer_and_no_frame(publisher: FramePublisher, link: FrameLink) -> None:
    """A take without a frame is answered with its cause; it is never an empty frame (L3)."""
    order(link)
    (take,) = pump(publisher, link)
    publisher.answer(take, take.failure("camera_lost", "the cable is out"))

    assert received(link) == FrameFailure("inspection-7", 1, "trigger-7", "camera_lost", "the cable is out")


def test_an_answer_to_an_earlier_attempt_is_dropped_and_counted(publisher: FramePublisher, link: FrameLink) -> None:
    """A frame of an earlier attempt never stands for the present one (L5, L12)."""
    order(link, attempt=1)
    first = pump(publisher, link)[-1]
    order(link, attempt=2)
    second = first
    while second.attempt == 1:  # the hello of a new process may repeat the first take before it
        second = pump(publisher, link)[-1]
    publisher.answer(first, frame_for(first))
    publisher.answer(second, frame_for(second))

    assert received(link) == frame_for(second)
    assert link.num_dropped == 1
    assert link.receive() is None


def test_takes_for_an_absent_process_do_not_queue(tmp_path: Path, link: FrameLink, context: sockets.Context) -> None:
    """A capture process that comes late gets the newest take and none of those given up before (L12)."""
    for attempt in range(1, 50):
        order(link, attempt)
    publisher = FramePublisher(tmp_path, "top", context=context)
    takes = pump(publisher, link)

    assert [take.attempt for take in takes] == [49]
    publisher.close()


def test_a_take_outlives_the_process_that_it_was_sent_to(
    tmp_path: Path, link: FrameLink, context: sockets.Context
) -> None:
    """A capture process that dies in the middle of a take does not take it with it: the next one gets it (L1)."""
    first = FramePublisher(tmp_path, "top", context=context)
    order(link)
    (lost,) = pump(first, link)
    first.close()
    second = FramePublisher(tmp_path, "top", context=context)
    (again,) = pump(second, link)
    second.answer(again, frame_for(again))

    assert again.take_id == lost.take_id
    assert received(link) == frame_for(again)
    second.close()


def test_a_take_whose_time_is_over_is_not_sent_again(tmp_path: Path, context: sockets.Context) -> None:
    """Nobody exposes for a take that nobody waits for any more."""
    link = FrameLink(tmp_path, "top", timeout_ms=0, context=context)
    order(link)
    publisher = FramePublisher(tmp_path, "top", context=context)
    until(lambda: (publisher.receive(), link.receive(), link.connected)[2])

    assert publisher.receive() == []
    link.close()
    publisher.close()


def test_an_answered_take_is_not_given_twice(publisher: FramePublisher, link: FrameLink) -> None:
    """A repeat of an answered take is recognised by its id."""
    order(link)
    (take,) = pump(publisher, link)
    publisher.answer(take, frame_for(take))
    link._send(replace(take))
    assert received(link)
    link.take("inspection-8", 1, None, None, None)

    assert [seen.inspection_id for seen in pump(publisher, link)] == ["inspection-8"]


def test_an_inspector_that_is_gone_does_not_stop_capture(
    tmp_path: Path, publisher: FramePublisher, context: sockets.Context
) -> None:
    """An answer that nobody can hear is counted, and the next inspector is served (L12)."""
    gone = FrameLink(tmp_path, "top", context=context)
    order(gone)
    (take,) = pump(publisher, gone)
    gone.close()
    until(lambda: not publisher.answer(take, frame_for(take)))
    link = FrameLink(tmp_path, "top", context=context)
    order(link, attempt=3)
    (take,) = pump(publisher, link)

    assert take.attempt == 3
    assert publisher.num_unheard >= 1
    link.close()


@pytest.mark.parametrize(
    "command",
    [
        b"no JSON",
        b"[]",
        b"{}",
        b'{"take_id": 1}',
        (
            b'{"take_id": "a", "inspection_id": "b", "attempt": "one", "exposure_us": null, "gain_db": null,'
            b' "light": null, "trigger_id": null, "expires_us": 1}'
        ),
    ],
)
def test_a_malformed_command_is_counted_and_never_fatal(
    tmp_path: Path, publisher: FramePublisher, link: FrameLink, context: sockets.Context, command: bytes
) -> None:
    """Whatever arrives on the socket, the next take is served."""
    stranger = sockets.open_socket(context, zmq.DEALER)
    stranger.connect(sockets.address(tmp_path, "capture-top"))
    stranger.send(command)
    until(lambda: (publisher.receive(), publisher.num_bad_commands)[1])
    stranger.close()
    order(link)

    assert len(pump(publisher, link)) == 1
    assert publisher.num_bad_commands == 1


def test_only_this_user_may_open_the_socket(tmp_path: Path, context: sockets.Context) -> None:
    """The runtime folder is 0700 and a socket 0600: nobody else can hand in frames."""
    publisher = FramePublisher(tmp_path / "run", "top", context=context)
    modes = [stat.S_IMODE((tmp_path / where).stat().st_mode) for where in ("run", "run/capture-top.sock")]
    publisher.close()

    assert modes == [0o700, 0o600]


def test_a_socket_path_beyond_the_limit_is_a_named_error(tmp_path: Path, context: sockets.Context) -> None:
    """A runtime folder whose socket paths do not fit says the length, the limit and what to do (L13)."""
    deep = tmp_path / ("d" * 100)

    with pytest.raises(ConfigError, match=r"\[paths\] runtime: .* bytes long, Linux allows 107: choose"):
        FramePublisher(deep, "top", context=context)


def test_a_runtime_folder_that_cannot_be_written_is_a_named_error(tmp_path: Path, context: sockets.Context) -> None:
    """A runtime folder below a file is refused in one sentence (L13)."""
    (tmp_path / "file").write_text("not a folder")

    with pytest.raises(ConfigError, match=r"\[paths\] runtime: cannot make the socket"):
        FramePublisher(tmp_path / "file" / "run", "top", context=context)
