"""What every GenICam camera does, on a link with memory; and what is pylon's and Aravis' own."""

from __future__ import annotations

import sys
from collections import deque
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.adapters import camera_aravis
from edge.adapters.camera import CameraFrame, CameraLostError, FrozenWatch, Order
from edge.adapters.camera_aravis import AravisLink
from edge.adapters.camera_genicam import Feature, GenicamBuffer, GenicamCamera, choose_serial
from edge.adapters.camera_pylon import PylonLink
from edge.errors import CameraError, ConfigError
from tests.camera_rigs.genicam import SERIAL, FakeGigE, PylonRig

ORDER = Order(exposure_us=900, gain_db=3.0, light="normal", trigger_id="t")


@dataclass
class Link:
    """A device with memory: what was set, and what each trigger gives."""

    numbers: dict[str, float] = field(default_factory=lambda: {"ExposureTime": 5000.0, "Gain": 0.0})
    chosen: dict[str, str] = field(default_factory=dict)
    has_software_trigger: bool = True
    ready: bool = True
    buffers: deque[GenicamBuffer] = field(default_factory=deque)
    given: deque[GenicamBuffer] = field(default_factory=deque)
    num_triggers: int = 0
    num_begun: int = 0

    def connect(self) -> tuple[str, str]:
        """Be there."""
        return ("MAKE", "7")

    def has(self, name: str) -> bool:
        """Whether it was given one."""
        return name in self.numbers

    def number(self, name: str) -> float:
        """What was set."""
        return self.numbers[name]

    def bounds(self, name: str) -> tuple[float, float]:
        """20.5 µs to 10 ms, 0 to 24 dB."""
        return (20.5, 10_000.0) if name.startswith("Exposure") else (0.0, 24.0)

    def set_number(self, name: str, value: float) -> None:
        """To the next step of 10, as sensors count lines."""
        self.numbers[name] = value // 10 * 10 if name.startswith("Exposure") else value

    def choose(self, name: str, value: str) -> bool:
        """Note it."""
        self.chosen[name] = value
        return name != "TriggerSource" or self.has_software_trigger

    def switch(self, name: str, *, on: bool) -> bool:
        """It has no chunks; what else it was given is noted."""
        self.chosen |= {name: str(on)} if name in self.numbers else {}
        return name in self.numbers

    def write(self, name: str, value: str) -> None:
        """Note it."""
        self.chosen[name] = value

    def begin(self) -> None:
        """Count the beginnings."""
        self.num_begun += 1

    def end(self) -> None:
        """Everything is dropped."""
        self.given.clear()

    def wait_ready(self, timeout_ms: int) -> bool:
        """As it is told."""
        return self.ready

    def trigger(self) -> None:
        """The next buffer comes."""
        self.num_triggers += 1
        if self.buffers:
            self.given.append(self.buffers.popleft())

    def grab(self, timeout_ms: int) -> GenicamBuffer | None:
        """The oldest one."""
        return self.given.popleft() if self.given else None

    def close(self) -> None:
        """Let go."""


def buffer(frame_id: int, camera_us: int | None = None, problem: str = "", shade: int = 0) -> GenicamBuffer:
    """A frame of 4 x 2 px."""
    stamp_ns = None if camera_us is None else camera_us * 1000
    data = bytes([shade + frame_id % 200, *range(7)])
    return GenicamBuffer(problem, data, "Mono8", 4, 2, frame_id=frame_id, camera_ns=stamp_ns)


def opened(link: Link, take_timeout_ms: int = 20) -> GenicamCamera:
    """The camera on this link."""
    camera = GenicamCamera(link, take_timeout_ms=take_timeout_ms)
    camera.open()
    return camera


def test_a_camera_is_set_to_one_exposure_for_one_trigger() -> None:
    """Automatics are off, the software trigger is on, and the facts are whole µs that the camera can do."""
    link = Link()
    facts = GenicamCamera(link, take_timeout_ms=20).open()

    assert facts.exposure_range_us == (21, 10_000)
    assert link.chosen == {
        "ExposureAuto": "Off",
        "GainAuto": "Off",
        "TriggerSelector": "FrameStart",
        "TriggerMode": "On",
        "TriggerSource": "Software",
        "AcquisitionMode": "Continuous",
    }


def test_features_of_a_site_are_set_before_what_edge_sets() -> None:
    """A text, a number and a switch, in the order of the settings."""
    link = Link(numbers={"PixelFormat": 0.0, "Width": 640.0, "ReverseX": 0.0})
    GenicamCamera(link, take_timeout_ms=20, features={"PixelFormat": "Mono8", "Width": 320, "ReverseX": True}).open()

    assert list(link.chosen)[:3] == ["PixelFormat", "ReverseX", "ExposureAuto"]
    assert (link.chosen["PixelFormat"], link.numbers["Width"], link.chosen["ReverseX"]) == ("Mono8", 320, "True")


def test_a_feature_that_the_camera_lacks_is_named() -> None:
    """A camera that cannot be set as its site says is not used: its frames would be other ones."""
    with pytest.raises(CameraError, match="the camera has no feature Widht that can be set now"):
        GenicamCamera(Link(), take_timeout_ms=20, features={"Widht": 320}).open()


@pytest.mark.timeout(120, method="thread")
def test_pylon_sets_the_features_of_its_camera(tmp_path: Path) -> None:
    """Pylon's emulator shows an image file, once its features say so."""
    rig = PylonRig(tmp_path)
    picture = tmp_path / "plate.png"
    drawn = np.arange(64 * 48, dtype=np.uint8).reshape(48, 64)
    cv2.imwrite(str(picture), drawn)
    shown: dict[str, Feature] = {
        "ImageFilename": str(picture),
        "TestImageSelector": "Off",
        "ImageFileMode": "On",
        "Width": 64,
    }
    camera = GenicamCamera(PylonLink(None), take_timeout_ms=1000, features={**shown, "Height": 48})
    camera.open()
    frame = camera.take(ORDER)
    camera.close()
    rig.close()

    assert frame.pixels is not None
    assert np.array_equal(frame.pixels[:, :, 0], drawn)


@pytest.mark.timeout(120, method="thread")
def test_aravis_sets_the_features_of_its_camera() -> None:
    """The fake GigE camera gives frames of the size that its features say, and names what it refuses."""
    camera = GenicamCamera(
        AravisLink(SERIAL), take_timeout_ms=1000, features={"PixelFormat": "Mono8", "Width": 256, "Height": 128}
    )
    wrong = GenicamCamera(AravisLink(SERIAL), take_timeout_ms=1000, features={"PixelFormat": "Mono9"})
    with closing(FakeGigE()):
        camera.open()
        frame = camera.take(ORDER)
        camera.close()
        with pytest.raises(CameraError, match="set PixelFormat to Mono9"):
            wrong.open()
        wrong.close()

    assert (frame.width_px, frame.height_px) == (256, 128)


def test_a_camera_without_a_software_trigger_is_refused() -> None:
    """A camera that would film by itself is not used: its frames could be from before."""
    with pytest.raises(CameraError, match="MAKE 7 has no software trigger"):
        opened(Link(has_software_trigger=False))


def test_what_the_camera_made_of_a_wish_is_told() -> None:
    """The frame says the exposure that the camera says, and a gain within its bounds."""
    camera = opened(Link(buffers=deque([buffer(1), buffer(2)])))
    first = camera.take(Order(exposure_us=907, gain_db=99.0, light="normal", trigger_id=None))
    second = camera.take(Order(exposure_us=10**6, gain_db=0.0, light="normal", trigger_id=None))

    assert (first.exposure_us, first.gain_db) == (900, 24.0)
    assert second.exposure_us == 10_000


def test_what_the_frame_itself_says_of_its_exposure_goes_before() -> None:
    """Chunk data were measured with the frame; what the camera is set to may have changed since."""
    told = replace(buffer(1), exposure_us=1234.4, gain_db=1.5)
    frame = opened(Link(buffers=deque([told]))).take(ORDER)

    assert (frame.exposure_us, frame.gain_db) == (1234, 1.5)


def test_a_trigger_that_the_camera_cannot_take_is_not_sent() -> None:
    """A camera that is not ready is over-triggered: an error and a count, and no trigger."""
    link = Link(ready=False)
    camera = opened(link)
    with pytest.raises(CameraError, match="was not ready for a trigger"):
        camera.take(ORDER)

    assert (link.num_triggers, camera.counts.over_triggered) == (0, 1)


def test_a_trigger_without_a_frame_is_missed_and_begins_anew() -> None:
    """No frame in time is an error and a count; the acquisition begins anew, so that a late frame is nobody's (L5)."""
    link = Link()
    camera = opened(link)
    with pytest.raises(CameraError, match="no frame came within 20 ms of its trigger"):
        camera.take(ORDER)

    assert (camera.counts.missed, link.num_begun) == (1, 2)


def test_a_frame_left_over_is_thrown_away() -> None:
    """What lay in the buffers before the trigger is not its frame (L5)."""
    link = Link(buffers=deque([buffer(2, shade=50)]))
    camera = opened(link)
    link.given.append(buffer(1))
    frame = camera.take(ORDER)

    assert frame.pixels is not None
    assert frame.pixels[0, 0, 0] == 52


def test_a_frame_that_is_older_by_its_own_clock_is_not_the_triggers() -> None:
    """A frame that comes after the trigger with a stamp from before the last frame is passed over (L5)."""
    link = Link(buffers=deque([buffer(1, camera_us=5_000)]))
    camera = opened(link)
    camera.take(ORDER)
    link.buffers.append(buffer(2, camera_us=4_000))
    with pytest.raises(CameraError, match="no frame came"):
        camera.take(ORDER)


@pytest.mark.parametrize(
    ("ids", "counters", "missed"),
    [
        ([0, 1, 2], [1, 2, 3], 0),
        ([7, 9, 13], [1, 3, 7], 4),
        ([65534, 65535, 1, 3], [1, 2, 3, 5], 1),
        ([0, 65401, 65402], [1, 65402, 65403], 0),
    ],
)
def test_gaps_in_the_frame_counter_are_counted(ids: list[int], counters: list[int], missed: int) -> None:
    """Frames that the camera made and nobody saw are missed; a counter of 16 bits goes on, one that jumps is none."""
    camera = opened(Link(buffers=deque(buffer(frame_id) for frame_id in ids)))
    frames = [camera.take(ORDER) for _ in ids]

    assert [frame.counter for frame in frames] == counters
    assert camera.counts.missed == missed


def test_a_counter_that_stands_shows_a_frozen_camera() -> None:
    """A device that counts no further is frozen, though the acquisition began anew in between (L5)."""
    camera = opened(Link(buffers=deque([buffer(5, shade=1), buffer(5, shade=2)])))
    watch = FrozenWatch()

    assert [watch.is_frozen(camera.take(ORDER)) for _ in range(2)] == [False, True]


@pytest.mark.parametrize(
    "damaged",
    [
        buffer(1, problem="packets are missing"),
        GenicamBuffer("", bytes(7), "Mono8", 4, 2, frame_id=1),
        GenicamBuffer("", bytes(8), "Mono8", -4, 2, frame_id=1),
        GenicamBuffer("", bytes(8), "0x01234567", 4, 2, frame_id=1),
    ],
)
def test_a_buffer_that_is_no_frame_is_refused_and_counted(damaged: GenicamBuffer) -> None:
    """Marked by its SDK, too short, of no size or of no known format: an error, never a frame (L3)."""
    camera = opened(Link(buffers=deque([damaged, buffer(2)])))
    with pytest.raises(CameraError):
        camera.take(ORDER)
    after = camera.take(ORDER)

    assert camera.counts.malformed == 1
    assert isinstance(after, CameraFrame)


@pytest.mark.parametrize(
    ("wanted", "found", "says"),
    [
        (None, [], "pylon finds no camera: check its power"),
        (None, ["1", "2"], r"pylon finds 2 cameras \(1, 2\): set serial"),
        ("3", ["1", "2"], "pylon finds no camera 3: .* found: 1, 2"),
    ],
)
def test_the_wrong_camera_is_never_taken(wanted: str | None, found: list[str], says: str) -> None:
    """Without a serial number the only camera is meant; among several, none is guessed."""
    with pytest.raises(CameraLostError, match=says):
        choose_serial(wanted, found, "pylon")


def test_packets_that_were_lost_are_no_frame() -> None:
    """A GigE camera that loses 5 packets of 1000 gives whole frames and errors, and each error is counted (L3)."""
    camera = GenicamCamera(AravisLink(SERIAL), take_timeout_ms=1000)
    given, refused, shapes = 0, 0, set()
    with closing(FakeGigE(lost=5)):
        camera.open()
        while min(given, refused) == 0 and given + refused < 200:
            try:
                frame = camera.take(ORDER)
            except CameraError:
                refused += 1
            else:
                given += 1
                shapes.add(None if frame.pixels is None else frame.pixels.shape)
        camera.close()

    assert shapes == {(512, 512, 3)}
    assert min(given, refused) > 0
    assert camera.counts.malformed + camera.counts.missed >= refused


def test_a_missing_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pypylon or Aravis one sentence says what to install."""
    monkeypatch.setitem(sys.modules, "pypylon", None)
    monkeypatch.setattr(camera_aravis, "LIBRARY", "libaravis-of-another-time.so")
    with pytest.raises(ConfigError, match=r"pip install 'edge-inspection\[genicam\]'"):
        PylonLink(None)
    with pytest.raises(ConfigError, match=r"apt-get install libaravis-0\.8-0"):
        AravisLink(None)
