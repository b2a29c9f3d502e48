"""The capture process: every take is answered, whatever the camera does."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
import zmq

from edge.adapters import sockets
from edge.adapters.camera import Camera, CameraLostError, Order, Pixels, now_us
from edge.adapters.frames import Frame, FrameFailure, FrameLink
from edge.adapters.heartbeat import listen
from edge.errors import CameraError, ConfigError
from edge.sections_cameras import SimulatedCamera
from edge.services.capture import Capture, build, open_camera
from edge.services.capture_device import Defaults, EvidenceFormat, Limits
from edge.settings import Settings
from tests.cameras import CameraServer, FakeCamera

PATIENCE_S = 60.0
T = TypeVar("T")


class Station:
    """One capture process running in a thread, and the inspector's end of its link."""

    def __init__(self, runtime_dir: Path) -> None:
        self.context: sockets.Context = zmq.Context()
        self.runtime_dir = runtime_dir
        self.problem: Exception | None = None
        self.links: list[FrameLink] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, camera: Camera, *, wedged_after_s: float = 10.0, evidence_format: EvidenceFormat = "jpeg") -> None:
        """Run the process until `close`, or until it ends itself."""
        capture = Capture(
            self.runtime_dir,
            "top",
            camera,
            Defaults(exposure_us=900, gain_db=0.5, light="normal"),
            evidence_format=evidence_format,
            limits=Limits(open_s=wedged_after_s, frame_s=wedged_after_s),
            context=self.context,
        )

        def run() -> None:
            try:
                capture.run(self._stop)
            except CameraError as error:
                self.problem = error

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def link(self, *, timeout_ms: int = 10_000) -> FrameLink:
        """An inspector's end."""
        self.links.append(FrameLink(self.runtime_dir, "top", timeout_ms=timeout_ms, context=self.context))
        return self.links[-1]

    def take(
        self, link: FrameLink, attempt: int = 1, exposure_us: int | None = None, light: str | None = None
    ) -> Frame | FrameFailure:
        """Order a frame and wait for the answer."""
        link.take("inspection-1", attempt, exposure_us, light, "trigger-1")
        return answer(link)

    def join(self) -> None:
        """Wait until the process has ended by itself."""
        assert self._thread is not None
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def close(self) -> None:
        """Stop the process; the context's end proves that no socket is left."""
        self._stop.set()
        if self._thread is not None:
            self.join()
        for link in self.links:
            link.close()
        self.context.term()


def answer(link: FrameLink) -> Frame | FrameFailure:
    """The next answer that counts."""
    found = until(link.receive)
    assert isinstance(found, Frame | FrameFailure)
    return found


def pixels(image: bytes) -> Pixels:
    """What a reader decodes."""
    return np.asarray(cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR), dtype=np.uint8)


def until(give: Callable[[], T | None]) -> T:
    """What `give` gives as soon as it gives something."""
    end = time.monotonic() + PATIENCE_S
    while not (found := give()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.002)
    return found


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    """A station without a camera so far."""
    made = Station(tmp_path / "run")
    yield made
    made.close()


def test_a_frame_is_encoded_once_and_says_all_about_itself(station: Station) -> None:
    """The answer to a take is a JPEG with its hash, trigger, attempt, exposure, gain, light and times (L8)."""
    camera = FakeCamera()
    station.start(camera)
    asked_us = now_us()
    frame = station.take(station.link(), attempt=2, exposure_us=400, light="diffuse")

    assert isinstance(frame, Frame)
    assert frame.sha256 == hashlib.sha256(frame.image).hexdigest()
    assert pixels(frame.image).shape == (24, 40, 3)
    assert (frame.exposure_us, frame.gain_db, frame.light) == (400, 0.5, "diffuse")
    assert (frame.inspection_id, frame.trigger_id, frame.attempt) == ("inspection-1", "trigger-1", 2)
    assert (frame.width_px, frame.height_px, frame.frozen) == (40, 24, False)
    assert asked_us <= frame.exposed_us <= frame.received_us


@pytest.mark.parametrize(("evidence_format", "magic"), [("jpeg", b"\xff\xd8"), ("png", b"\x89PNG"), ("bmp", b"BM")])
def test_raw_pixels_are_encoded_as_the_settings_say(
    station: Station, evidence_format: EvidenceFormat, magic: bytes
) -> None:
    """`[evidence] format` decides how raw pixels are kept; png and bmp keep every pixel."""
    camera = FakeCamera()
    station.start(camera, evidence_format=evidence_format)
    frame = station.take(station.link())

    assert isinstance(frame, Frame)
    assert frame.image.startswith(magic)
    if evidence_format != "jpeg":
        assert np.array_equal(pixels(frame.image), camera.pixels)


def test_what_a_take_does_not_name_is_the_settings(station: Station) -> None:
    """Exposure, gain and light that a take leaves open are the camera's configured ones."""
    camera = FakeCamera()
    station.start(camera)
    station.take(station.link())

    assert camera.orders == [Order(exposure_us=900, gain_db=0.5, light="normal", trigger_id="trigger-1")]


def test_a_wish_beyond_the_camera_is_bounded_and_the_frame_tells_the_truth(station: Station) -> None:
    """Exposure is kept within the camera's range and an unknown light replaced; the frame says what was used."""
    station.start(FakeCamera())
    link = station.link()
    longest = station.take(link, exposure_us=10**9, light="ultraviolet")
    shortest = station.take(link, exposure_us=1)

    assert isinstance(longest, Frame)
    assert isinstance(shortest, Frame)
    assert (longest.exposure_us, longest.light, shortest.exposure_us) == (5_000, "normal", 100)


def test_a_frozen_camera_is_said_to_be_frozen(station: Station) -> None:
    """The second look at the very same pixels is marked, the first is not (L5)."""
    camera = FakeCamera()
    station.start(camera)
    link = station.link()
    first = station.take(link)
    camera.frozen = True
    second = station.take(link, attempt=2)
    camera.frozen = False
    third = station.take(link, attempt=3)

    assert [isinstance(frame, Frame) and frame.frozen for frame in (first, second, third)] == [False, True, False]


def test_files_are_never_frozen(station: Station) -> None:
    """A camera that is not live may show the same picture for every part."""
    station.start(FakeCamera(live=False, frozen=True))
    link = station.link()
    frames = [station.take(link, attempt) for attempt in (1, 2)]

    assert [isinstance(frame, Frame) and frame.frozen for frame in frames] == [False, False]


def test_a_late_frame_is_passed_on_with_its_true_time(station: Station) -> None:
    """A frame exposed before its trigger arrives with that time: the core, not capture, refuses it (L5)."""
    station.start(FakeCamera(late_us=3_000_000))
    asked_us = now_us()
    frame = station.take(station.link())

    assert isinstance(frame, Frame)
    assert frame.exposed_us < asked_us - 2_000_000


def test_a_driver_that_does_not_return_does_not_hold_the_answer(station: Station) -> None:
    """A blocked driver costs a named failure at the end of the take's time; its late frame is nobody's (L3, L10)."""
    camera = FakeCamera()
    camera.gate.clear()
    station.start(camera)
    link = station.link(timeout_ms=150)
    blocked = station.take(link, attempt=1)
    waiting = station.take(link, attempt=2)
    camera.gate.set()
    patient = station.link()
    frame = station.take(patient, attempt=3)

    assert isinstance(blocked, FrameFailure)
    assert isinstance(waiting, FrameFailure)
    assert (blocked.cause, waiting.cause) == ("camera_timeout", "camera_timeout")
    assert isinstance(frame, Frame)
    assert frame.attempt == 3


def test_a_driver_that_never_returns_ends_the_process(station: Station) -> None:
    """The loop gives up on a driver that is blocked for good, so that the process is started anew."""
    camera = FakeCamera()
    camera.gate.clear()
    station.start(camera, wedged_after_s=0.3)
    blocked = station.take(station.link(timeout_ms=100))
    station.join()

    assert isinstance(blocked, FrameFailure)
    assert "has not returned" in str(station.problem)
    camera.gate.set()


def test_only_the_newest_take_waits_for_a_busy_camera(station: Station) -> None:
    """Takes do not queue behind a busy camera: all but the newest are answered `superseded` (L12)."""
    camera = FakeCamera()
    camera.gate.clear()
    station.start(camera)
    links = [station.link() for _ in range(3)]
    for link in links:
        until(lambda link=link: (link.receive(), link.connected)[1])  # type: ignore[misc]
    links[0].take("inspection-0", 1, None, None, None)
    assert camera.entered.wait(PATIENCE_S)
    links[1].take("inspection-1", 1, None, None, None)
    time.sleep(0.3)  # lets the second arrive before the third; the other order would only swap their names
    links[2].take("inspection-2", 1, None, None, None)
    replaced = until(lambda: links[1].receive() or links[2].receive())
    camera.gate.set()
    first = answer(links[0])

    assert isinstance(replaced, FrameFailure)
    assert replaced.cause == "superseded"
    assert isinstance(first, Frame)
    until(lambda: len(camera.orders) == 2)


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        (CameraLostError("the cable is out"), "camera_lost"),
        (CameraError("the sensor is too hot"), "camera_error"),
        (RuntimeError("segment 7 of the driver"), "camera_lost"),
    ],
)
def test_a_camera_that_fails_is_a_cause_and_never_a_frame(station: Station, problem: Exception, cause: str) -> None:
    """Whatever a driver raises becomes a failure with a cause and its own words, and the next take works (L3)."""
    camera = FakeCamera()
    station.start(camera)
    link = station.link()
    station.take(link)
    camera.problem = problem
    failure = station.take(link, attempt=2)
    camera.problem = None
    frame = station.take(link, attempt=3)

    assert isinstance(failure, FrameFailure)
    assert failure.cause == cause
    assert str(problem) in failure.detail
    assert isinstance(frame, Frame)


def test_a_lost_camera_is_opened_again_as_soon_as_a_take_asks(station: Station) -> None:
    """While it is away each take is answered `camera_lost`; the take after its return gets a frame."""
    camera = FakeCamera(open_problem=CameraLostError("no power"))
    station.start(camera)
    link = station.link()
    away = [station.take(link, attempt) for attempt in range(1, 4)]
    camera.open_problem = None
    back = station.take(link, attempt=4)

    assert [isinstance(one, FrameFailure) and one.cause for one in away] == ["camera_lost"] * 3
    assert isinstance(back, Frame)


def test_a_lost_camera_comes_back_without_being_asked(station: Station) -> None:
    """The process looks for its camera by itself, and its heartbeat tells both states."""
    camera = FakeCamera(open_problem=CameraLostError("no power"))
    station.start(camera)
    listener = listen(station.runtime_dir, context=station.context)

    def state() -> tuple[str, str]:
        beat = listener.beats().get("capture-top")
        return ("", "") if beat is None else (beat.facts["state"], beat.facts["problem"])

    until(lambda: state() == ("waiting", "no power"))
    camera.open_problem = None
    until(lambda: state() == ("ready", ""))
    listener.close()

    assert camera.opened >= 2


def test_readiness_and_progress_are_told_when_they_are_true(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """READY comes after the camera is open; before that more time is asked for; giving up is never called stopping."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        camera = FakeCamera(open_problem=CameraLostError("no power"))
        station.start(camera, wedged_after_s=1.0)
        said: list[str] = []

        def hear(word: str) -> None:
            while not said or word not in said[-1]:
                said.append(manager.recv(4000).decode())

        hear("EXTEND_TIMEOUT_USEC=")
        assert not any("READY=1" in line for line in said)
        camera.open_problem = None
        hear("READY=1")
        hear("WATCHDOG=1")
        camera.gate.clear()
        link = station.link()
        link.take("inspection-1", 1, None, None, None)
        until(lambda: (link.receive(), camera.entered.is_set())[1])
        station.join()
        manager.setblocking(False)
        rest = []
        while True:
            try:
                rest.append(manager.recv(4000).decode())
            except BlockingIOError:
                break
        camera.gate.set()

    assert "STOPPING=1" not in rest
    assert "has not returned" in str(station.problem)


def test_a_simulated_camera_is_served_through_its_socket(station: Station, tmp_path: Path) -> None:
    """The real client, a camera in another thread: frame, camera lost, camera back, all by the same link."""
    address = f"ipc://{tmp_path}/camera.sock"
    server = CameraServer(address)
    config = SimulatedCamera(kind="simulated", address=address, take_timeout_ms=400)
    station.start(open_camera(config))
    link = station.link()
    first = station.take(link)
    server.close()
    lost = station.take(link, attempt=2)
    server = CameraServer(address, seed=6)
    back = station.take(link, attempt=3)
    server.close()

    assert isinstance(first, Frame)
    assert isinstance(lost, FrameFailure)
    assert lost.cause == "camera_lost"
    assert isinstance(back, Frame)
    assert not back.frozen


def settings_for(folder: Path) -> Settings:
    """The settings of a station whose camera is this folder."""
    station = {"site": "ulm", "line": "l1", "name": "st7", "camera": "top"}
    cameras = {"top": {"kind": "file", "path": str(folder), "loop": True}}
    paths = {"runtime": str(folder / "run"), "data": str(folder / "data")}
    return Settings.model_validate({"version": 1, "station": station, "cameras": cameras, "paths": paths})


def test_build_makes_the_process_of_a_configured_camera(tmp_path: Path) -> None:
    """The composition root needs nothing but the settings and the camera's name."""
    cv2.imwrite(str(tmp_path / "plate.png"), np.zeros((8, 8, 3), np.uint8))
    turns = iter([False, True])
    build(settings_for(tmp_path), "top").run(lambda: next(turns))


def test_build_names_the_cameras_there_are(tmp_path: Path) -> None:
    """A camera that is not configured is refused with the choices (L13)."""
    with pytest.raises(ConfigError, match=r"\[cameras\.left\] is not configured: choose one of top"):
        build(settings_for(tmp_path), "left")
