"""A USB camera below the kernel's interface (a fake: see `tests/video_device.py`)."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.adapters import camera_v4l2 as v4l2
from edge.adapters.camera import CameraLostError, Order
from edge.adapters.camera_stream import StreamCamera
from edge.adapters.camera_uvc import UvcSource, by_id
from edge.errors import CameraError
from tests.video_device import VideoCamera

PATH = Path("/dev/v4l/by-id/usb-Maker_Plate_Camera_7-video-index0")


def camera_of(device: VideoCamera, **settings: Any) -> StreamCamera:
    """A client of the device."""
    wanted: dict[str, Any] = {"width_px": 64, "height_px": 48, "pixel_format": "auto", "latency_ms": 10} | settings
    return StreamCamera(UvcSource(PATH, open_device=device.open, **wanted), take_timeout_ms=1000)


def order(exposure_us: int) -> Order:
    """An exposure."""
    return Order(exposure_us=exposure_us, gain_db=0.0, light="normal", trigger_id="t")


def test_a_camera_is_named_by_its_own_name() -> None:
    """A setting names the link that holds model and serial number; a whole path is taken as it is."""
    assert by_id("usb-Maker_7-video-index0") == Path("/dev/v4l/by-id/usb-Maker_7-video-index0")
    assert by_id("/dev/video3") == Path("/dev/video3")


def test_its_automatics_are_off_and_what_is_set_stays_set() -> None:
    """Automatic exposure, gain and focus are switched off, gain and focus set, and the facts say what it can do."""
    device = VideoCamera()
    camera = camera_of(device, gain=12, focus=77)
    facts = camera.open()
    camera.close()

    assert device.opened == [PATH]
    assert (facts.model, facts.serial, facts.exposure_range_us) == ("Plate Camera", PATH.name, (100, 25_000))
    assert device.controls == {
        v4l2.EXPOSURE_AUTO: v4l2.EXPOSURE_MANUAL,
        v4l2.EXPOSURE_ABSOLUTE: 50,
        v4l2.AUTO_GAIN: 0,
        v4l2.GAIN: 12,
        v4l2.FOCUS_AUTO: 0,
        v4l2.FOCUS_ABSOLUTE: 77,
    }


def test_a_frame_after_a_change_was_really_exposed_so() -> None:
    """A new exposure takes some frames to be seen; none of those is given as if it had it."""
    camera = camera_of(VideoCamera())
    camera.open()
    told, done = [], []
    for exposure_us in (1000, 9000, 2000):
        frame = camera.take(order(exposure_us))
        assert frame.pixels is not None
        told.append(frame.exposure_us)
        done.append(int.from_bytes(frame.pixels.tobytes()[8:16], "little"))
    camera.close()

    assert told == done == [1000, 9000, 2000]


def test_a_control_that_does_not_obey_is_named() -> None:
    """A camera that answers well to a setting and does not do it is not used with it."""
    device = VideoCamera()
    device.stubborn.add(v4l2.FOCUS_ABSOLUTE)

    with pytest.raises(CameraError, match="was told to set control 0x9a090a to 77 and says 30: choose another value"):
        camera_of(device, focus=77).open()


@pytest.mark.parametrize("name", ["gain", "focus"])
def test_a_control_that_it_does_not_have_is_named(name: str) -> None:
    """A setting for what the camera lacks is a mistake that is told."""
    device = VideoCamera()
    device.controls.pop(v4l2.GAIN if name == "gain" else v4l2.FOCUS_ABSOLUTE)

    with pytest.raises(CameraError, match=f"has no {name} that can be set: remove {name} from its settings"):
        camera_of(device, **{name: 3}).open()


@pytest.mark.parametrize("letters", ["YUYV", "GREY", "UYVY"])
def test_other_formats_become_pixels(letters: str) -> None:
    """What a sensor gives in two bytes or one a pixel is pixels of three, of the same size."""
    device = VideoCamera(offers=(letters,))
    camera = camera_of(device)
    camera.open()
    frame = camera.take(order(1000))
    camera.close()

    assert frame.pixels is not None
    assert frame.pixels.shape == (48, 64, 3)


def jpeg() -> bytes:
    """A frame as a camera compresses it."""
    return bytes(cv2.imencode(".jpg", np.random.default_rng(4).integers(0, 255, (48, 64, 3), dtype=np.uint8))[1])


def test_a_jpeg_frame_is_passed_on_as_it_came() -> None:
    """The camera's own bytes are what is read and kept (L8), without the driver's padding."""
    device = VideoCamera(offers=("MJPG",))
    device.damage, device.num_damaged = jpeg() + bytes(50), 10**6
    camera = camera_of(device)
    camera.open()
    frame = camera.take(order(1000))
    camera.close()

    assert frame.encoded == jpeg()
    assert frame.pixels is None


def num_refused(device: VideoCamera) -> int:
    """How many frames were refused until an order's time was over; none was given."""
    camera = camera_of(device)
    camera.open()
    with pytest.raises(CameraError, match="no frame exposed after the order"):
        camera.take(order(1000))
    camera.close()
    return camera.counts.malformed


@pytest.mark.parametrize("damage", [jpeg()[:-40], b"\x00" * 400, jpeg() + b"\x07" * 9])
def test_a_jpeg_frame_that_was_cut_is_refused(damage: bytes) -> None:
    """A compressed frame without its end, or with something behind it, is no frame: decoders fill up with grey (L3)."""
    device = VideoCamera(offers=("MJPG",))
    device.damage, device.num_damaged = damage, 10**6

    assert num_refused(device) > 0


def test_stamps_of_another_clock_are_refused() -> None:
    """A driver that does not stamp by the host's clock gives no frame, since nobody knows how old it is (L5)."""
    device = VideoCamera()
    device.stamp_flags = 0

    assert num_refused(device) > 0


def test_a_size_that_it_does_not_film_is_named() -> None:
    """A driver that answers with another size than was asked for is not used with it."""
    with pytest.raises(CameraError, match=r"does not film 640 x 480 px in BGR3 or .*v4l2-ctl --list-formats-ext"):
        camera_of(VideoCamera(), width_px=640, height_px=480).open()


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EACCES, "the user of edge must be in the group video"),
        (errno.EBUSY, "another program uses the camera"),
        (errno.ENOENT, "/dev/v4l/by-id"),
    ],
)
def test_a_device_that_cannot_be_opened_says_what_to_do(number: int, says: str) -> None:
    """What the kernel refuses is a lost camera, with the remedy."""

    def refuse(_path: Path) -> v4l2.VideoDevice:
        raise OSError(number, os.strerror(number))

    source = UvcSource(PATH, width_px=64, height_px=48, pixel_format="auto", latency_ms=10, open_device=refuse)

    with pytest.raises(CameraLostError, match=says):
        source.open()


def test_the_real_device_opens_nodes_and_waits_with_a_limit(tmp_path: Path) -> None:
    """The kernel's part works on a node: it waits for a limited time, and what is no video device refuses."""
    os.mkfifo(tmp_path / "node")
    device = v4l2.KernelDevice(tmp_path / "node")
    waited = device.wait(0.01)
    with pytest.raises(OSError, match="ioctl"):
        device.ioctl(v4l2.QUERYCAP, v4l2.Capability())
    device.close()

    assert waited is False
