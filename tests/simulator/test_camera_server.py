"""Promises of the played camera: it speaks the protocol, keeps its own clock, and fails as its scene says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from simulator import scenes
from simulator.camera_server import CameraServer
from simulator.optics import Sensor
from simulator.staging import View, stage

ALL = scenes.load_all()
TAKE = {"op": "take", "exposure_us": 5000, "gain_db": 0.0, "light": "normal", "trigger_id": "t-1"}
Ask = Callable[[dict[str, Any]], list[bytes]]


@pytest.fixture
def camera(tmp_path: Path) -> Iterator[CameraServer]:
    """A camera that serves at a socket in the test's own folder."""
    server = CameraServer(f"ipc://{tmp_path}/camera.sock", Sensor(320, 200))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def ask(camera: CameraServer) -> Iterator[Ask]:
    """Puts one request, and gives the answer's frames; none where no answer comes within half a second."""
    context = zmq.Context()

    def put(request: dict[str, Any]) -> list[bytes]:
        socket = context.socket(zmq.REQ)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(camera.address)
        socket.send_json(request)
        answer = socket.recv_multipart() if socket.poll(3000) else []
        socket.close()
        return answer

    yield put
    context.term()


def head(answer: list[bytes]) -> dict[str, Any]:
    """The JSON head of an answer."""
    found = json.loads(answer[0])
    assert isinstance(found, dict)
    return found


def show(camera: CameraServer, scene: str) -> View:
    """Put a scene's part in front of the camera."""
    view = View(stage(ALL[scene], "1"), camera.sensor)
    camera.show(view)
    return view


def test_it_says_what_it_is_and_what_time_it_has(ask: Ask) -> None:
    """Opening tells model, lights and exposure range; the camera's clock runs."""
    facts = head(ask({"op": "open"}))
    times = [head(ask({"op": "clock"}))["camera_us"] for _ in range(2)]

    assert {"model", "serial", "camera_us"} <= set(facts)
    assert facts["lights"] == ["normal", "off_axis", "diffuse"]
    assert facts["exposure_us"] == [50, 50_000]
    assert times[0] < times[1]


def test_a_take_gives_pixels_and_their_facts(camera: CameraServer, ask: Ask) -> None:
    """A take answers with as many bytes as its size says, what was asked for, and a counter that goes up."""
    show(camera, "matched_label")

    first, second = ask(TAKE), ask({**TAKE, "light": "diffuse", "exposure_us": 2000})

    facts = [head(first), head(second)]
    assert len(first[1]) == 320 * 200 * 3
    assert (facts[0]["width"], facts[0]["height"]) == (320, 200)
    assert (facts[1]["light"], facts[1]["exposure_us"]) == ("diffuse", 2000)
    assert facts[1]["frame_counter"] == facts[0]["frame_counter"] + 1
    assert facts[0]["camera_us"] < facts[1]["camera_us"]
    assert first[1] != second[1]


@pytest.mark.parametrize(
    "request_", [{"op": "dance"}, {"light": "normal"}, {**TAKE, "exposure_us": 1}, {**TAKE, "light": "x"}, TAKE]
)
def test_what_it_cannot_do_is_said(ask: Ask, request_: dict[str, Any]) -> None:
    """An unknown request, a value out of range, and a take with nothing in front of the lens: an error each."""
    answer = ask(request_)

    assert "error" in head(answer)
    assert len(answer) == 1


def test_a_frozen_camera_repeats_its_picture(camera: CameraServer, ask: Ask) -> None:
    """Frozen: the last part's picture comes again, byte for byte, with a fresh time and counter."""
    show(camera, "matched_label")
    last = ask(TAKE)
    show(camera, "stale_frame_frozen")

    again = ask(TAKE)

    assert again[1] == last[1]
    assert head(again)["camera_us"] > head(last)["camera_us"]
    assert head(again)["frame_counter"] > head(last)["frame_counter"]


def test_a_late_frame_bears_an_early_time(camera: CameraServer, ask: Ask) -> None:
    """Late: the frame's time lies before the request, by what the scene says."""
    show(camera, "stale_frame_late")
    before_us = head(ask({"op": "clock"}))["camera_us"]

    frame = ask(TAKE)

    assert head(frame)["camera_us"] < before_us - 2_000_000


def test_a_refusing_camera_says_so(camera: CameraServer, ask: Ask) -> None:
    """Refusing: an error in words, and the next take may work again."""
    show(camera, "camera_recovers")

    refused, taken = ask(TAKE), ask(TAKE)

    assert "error" in head(refused)
    assert len(taken) == 2


@pytest.mark.timeout(60)
def test_a_dead_camera_is_silent_and_comes_back(camera: CameraServer, ask: Ask) -> None:
    """Dead: nothing is answered, not even the time; with another part in front of it the camera lives again."""
    show(camera, "camera_failed")
    silence = ask({"op": "clock"})
    show(camera, "matched_label")

    taken = ask(TAKE)

    assert silence == []
    assert len(taken) == 2


def test_the_runner_hears_of_a_take_before_it_is_answered(tmp_path: Path) -> None:
    """The callback gets trigger id and number of each take while the camera still exposes."""
    heard: list[tuple[str, int]] = []
    server = CameraServer(
        f"ipc://{tmp_path}/heard.sock", Sensor(64, 40), lambda name, number: heard.append((name, number))
    )
    show(server, "matched_label")

    for _ in range(2):
        server._answer(json.dumps(TAKE).encode())

    assert heard == [("t-1", 1), ("t-1", 2)]


def test_frames_have_no_state_of_their_own(tmp_path: Path) -> None:
    """Two cameras in front of the same part give the same frames: a run can be repeated byte for byte."""
    frames = []
    for name in ("one", "two"):
        server = CameraServer(f"ipc://{tmp_path}/{name}.sock", Sensor(320, 200))
        show(server, "glare_other_light")
        answer = server._answer(json.dumps(TAKE).encode())
        assert answer is not None
        frames.append(np.frombuffer(answer[1], np.uint8))

    assert np.array_equal(frames[0], frames[1])
