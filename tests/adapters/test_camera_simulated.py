"""The client of a camera behind a socket: none of its faults blocks, and none of its nonsense becomes a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from edge.adapters import sockets
from edge.adapters.camera import CameraLostError, Order, now_us
from edge.adapters.camera_simulated import SimulatedCamera
from edge.errors import CameraError
from tests.cameras import CameraServer

ORDER = Order(exposure_us=800, gain_db=1.5, light="off_axis", trigger_id="t1")


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Where this test's camera listens."""
    return f"ipc://{tmp_path}/camera.sock"


@pytest.fixture
def server(address: str) -> Iterator[CameraServer]:
    """A camera that works until a test gives it a fault."""
    made = CameraServer(address)
    yield made
    made.close()


@pytest.fixture
def camera(address: str) -> Iterator[SimulatedCamera]:
    """Our client; its context ending proves that it leaves no socket behind."""
    context: sockets.Context = zmq.Context()
    made = SimulatedCamera(address, take_timeout_ms=300, context=context)
    yield made
    made.close()
    context.term()


def test_opening_tells_what_the_camera_is(server: CameraServer, camera: SimulatedCamera) -> None:
    """Model, serial, lights and range come from the camera itself; it is live."""
    facts = camera.open()

    assert (facts.model, facts.serial, facts.live) == ("SIM-2300", "OMINOUS-7", True)
    assert facts.lights == ("normal", "off_axis", "diffuse")
    assert facts.exposure_range_us == (50, 20_000)


def test_a_frame_says_when_and_how_it_was_exposed(server: CameraServer, camera: SimulatedCamera) -> None:
    """Pixels, camera clock, counter, exposure, gain and light are the camera's; the host time is mapped (L5)."""
    camera.open()
    before_us = now_us()
    frame = camera.take(ORDER)

    assert frame.pixels is not None
    assert frame.pixels.shape == (48, 64, 3)
    assert (frame.exposure_us, frame.gain_db, frame.light, frame.counter) == (800, 1.5, "off_axis", 1)
    assert frame.camera_us is not None
    true_us = frame.camera_us - server.clock_offset_us
    assert frame.exposed_us <= true_us <= frame.received_us
    assert before_us <= true_us
    assert server.asked[-1] == {
        "op": "take",
        "exposure_us": 800,
        "gain_db": 1.5,
        "light": "off_axis",
        "trigger_id": "t1",
    }


def test_a_late_frame_keeps_its_true_time(server: CameraServer, camera: SimulatedCamera) -> None:
    """A frame that was exposed before it was asked for says so, so that the core can refuse it (L5)."""
    camera.open()
    server.fault = lambda request, head: (
        head | ({"camera_us": head["camera_us"] - 2_000_000} if request["op"] == "take" else {})
    )
    asked_us = now_us()
    frame = camera.take(ORDER)

    assert frame.exposed_us < asked_us - 1_000_000


def test_a_camera_that_is_not_there_is_lost_within_its_time(camera: SimulatedCamera) -> None:
    """Nobody at the address is a lost camera with a sentence that says what to check."""
    with pytest.raises(CameraLostError, match=r"did not answer 'open' within 500 ms: check its power and cable"):
        camera.open()


@pytest.mark.parametrize("op", ["open", "clock", "take"])
def test_silence_ends_and_the_next_answer_is_the_next_questions(
    server: CameraServer, camera: SimulatedCamera, op: str
) -> None:
    """A question without an answer is given up in time, and the camera can be opened and used again."""
    camera.open()
    server.fault = lambda request, head: None if request["op"] == op else head
    with pytest.raises(CameraLostError, match=f"did not answer '{op}' within"):
        (camera.open if op == "open" else lambda: camera.take(ORDER))()
    server.fault = lambda _request, head: head
    camera.open()

    assert camera.take(ORDER).counter is not None


def test_a_refusal_is_the_cameras_own_sentence(server: CameraServer, camera: SimulatedCamera) -> None:
    """A camera that says that it cannot is quoted, and stays open."""
    camera.open()
    server.fault = lambda request, head: {"error": "sensor too hot"} if request["op"] == "take" else head
    with pytest.raises(CameraError, match="refused 'take': sensor too hot") as caught:
        camera.take(ORDER)

    assert not isinstance(caught.value, CameraLostError)


def test_a_camera_that_began_anew_is_opened_again(server: CameraServer, camera: SimulatedCamera) -> None:
    """A clock that jumped is a camera that restarted: no frame is mapped by the old clock (L5)."""
    camera.open()
    server.clock_offset_us = -5_000_000
    with pytest.raises(CameraLostError, match="jumped"):
        camera.take(ORDER)
    camera.open()
    before_us = now_us()
    frame = camera.take(ORDER)

    assert before_us - 100_000 <= frame.exposed_us <= frame.received_us


NONSENSE: list[tuple[str, Callable[[dict[str, Any]], Any]]] = [
    ("not JSON", lambda _head: b"\xff\xfe"),
    ("not JSON", lambda _head: b"[1]"),
    ("lacks or garbles 'camera_us'", lambda head: {key: head[key] for key in head if key != "camera_us"}),
    ("lacks or garbles", lambda head: head | {"exposure_us": "long"}),
    ("lacks or garbles", lambda head: head | {"frame_counter": None}),
    ("has 9216 bytes", lambda head: head | {"width": 65}),
    ("-64 x 48 px", lambda head: head | {"width": -64}),
    ("the limit is", lambda head: head | {"width": 10**6, "height": 10**6}),
]


@pytest.mark.parametrize(("says", "garble"), NONSENSE)
def test_nonsense_is_never_a_frame(
    server: CameraServer, camera: SimulatedCamera, says: str, garble: Callable[[dict[str, Any]], Any]
) -> None:
    """An answer that is not what a camera says loses the camera, with the fact named (L3)."""
    camera.open()
    server.fault = lambda request, head: garble(head) if request["op"] == "take" else head

    with pytest.raises(CameraLostError, match=says):
        camera.take(ORDER)


@pytest.mark.parametrize("clock", [{}, {"camera_us": "noon"}, {"camera_us": None}])
def test_a_camera_without_a_clock_is_lost(
    server: CameraServer, camera: SimulatedCamera, clock: dict[str, object]
) -> None:
    """Without the camera's time there is no freshness, and so no frame (L5)."""
    server.fault = lambda request, head: clock if request["op"] == "clock" else head

    with pytest.raises(CameraLostError, match="does not tell its time"):
        camera.open()


def test_a_camera_that_says_little_of_itself_is_still_used(server: CameraServer, camera: SimulatedCamera) -> None:
    """Lights and range are optional: what the camera does not say does not limit it."""
    server.fault = lambda request, _head: {"camera_us": server.now_us()} | ({"lights": 3, "exposure_us": [9, 1]})
    facts = camera.open()

    assert (facts.model, facts.lights, facts.exposure_range_us) == ("", (), None)
