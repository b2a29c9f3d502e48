"""What every GenICam camera does, whatever SDK speaks to it: one exposure for one order, by software trigger.

`camera_pylon` (Basler's pylon) and `camera_aravis` (Aravis) are links: they speak to a device by the names of SFNC, the
standard of feature names, and give buffers. What those mean is decided here, once:

1. The camera exposes only when it is told. So a frame that came after its trigger, with nothing left over from before,
   was exposed after the trigger was sent: that moment is `exposed_us`, never later than the truth. A camera that tells
   its clock is not believed to be fresher than that; its time stamp only shows a frame that is older.
2. Before each trigger what lies in the buffers is thrown away, and after a trigger without a frame the acquisition
   begins anew: a late frame never stands for the next trigger.
3. A trigger that the camera is not ready for is not sent: `over_triggered`. A trigger without a frame, and each gap in
   the frame counter, is `missed`. A buffer that the SDK marks incomplete is refused: `malformed`.
4. Exposure and gain are read back from the frame's own chunk data where the camera adds it, else from the camera.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from edge.adapters.camera import CameraCounts, CameraFacts, CameraFrame, CameraLostError, Order, Pixels, now_us
from edge.adapters.camera_pixels import to_bgr
from edge.errors import CameraError

#: The value of a feature in a site's settings.
Feature = bool | float | str
#: SFNC's name first, then those of cameras made before it.
EXPOSURE_NAMES = ("ExposureTime", "ExposureTimeAbs")
#: Only a gain in dB is set; the older GainRaw has no unit.
GAIN_NAMES = ("Gain", "GainAbs")
#: A camera is ready for the next trigger one readout after its last frame; 200 ms is a 5-frames-a-second sensor.
READY_TIMEOUT_MS = 200
#: What a camera adds to each frame where it can (SFNC names of chunks).
CHUNKS = ("Timestamp", "FrameID", "Framecounter", "ExposureTime", "Gain")
#: Block ids of GigE Vision 1 count from 1 to 65535 and begin again at 1.
_MAX_BLOCK_ID = 65535
#: A frame counter that jumps further did not lose so many frames, it began anew.
_MAX_GAP = 100


@dataclass(frozen=True, slots=True, eq=False)
class GenicamBuffer:
    """One buffer as an SDK gives it, copied. `problem`: why it is no frame, or empty.

    `frame_id` counts the exposures of one acquisition; `camera_ns` is the device's clock; both None where it has none.
    """

    problem: str
    data: bytes
    pixel_format: str
    width_px: int
    height_px: int
    row_bytes: int = 0
    frame_id: int | None = None
    camera_ns: int | None = None
    exposure_us: float | None = None
    gain_db: float | None = None


class GenicamLink(Protocol):
    """One device through one SDK. Raises `CameraLostError` when it is gone, `CameraError` when it refuses."""

    def connect(self) -> tuple[str, str]:
        """Open the device; gives its model and serial number."""

    def has(self, name: str) -> bool:
        """Whether the feature can be used now."""

    def number(self, name: str) -> float:
        """A feature's number."""

    def bounds(self, name: str) -> tuple[float, float]:
        """Least and most of a feature."""

    def set_number(self, name: str, value: float) -> None:
        """Set a feature with a number."""

    def choose(self, name: str, value: str) -> bool:
        """Set an enumeration; False where the device has no such feature or no such entry."""

    def switch(self, name: str, *, on: bool) -> bool:
        """Switch a feature on or off; False where the device has none."""

    def write(self, name: str, value: str) -> None:
        """Set a feature with a text: an enumeration's entry, or any other value as it is written."""

    def begin(self) -> None:
        """Begin the acquisition: from now on each trigger gives one buffer."""

    def end(self) -> None:
        """End the acquisition, and drop every buffer of it."""

    def wait_ready(self, timeout_ms: int) -> bool:
        """Whether the device can take a trigger within this time; True where it does not tell."""

    def trigger(self) -> None:
        """Order one exposure."""

    def grab(self, timeout_ms: int) -> GenicamBuffer | None:
        """The oldest buffer; None when none came."""

    def close(self) -> None:
        """Let the device go; never raises."""


class GenicamCamera:
    """A camera behind a GenICam link, triggered by software. The exposure time is added to `take_timeout_ms`.

    `features`: what a site sets besides, by SFNC name, in this order, each time the camera is opened.
    """

    def __init__(
        self, link: GenicamLink, *, take_timeout_ms: int, features: Mapping[str, Feature] = MappingProxyType({})
    ) -> None:
        self.counts = CameraCounts()
        self.link = link
        self._take_timeout_ms = take_timeout_ms
        self._features = features
        self._exposure_name: str | None = None
        self._gain_name: str | None = None
        self._counter = 0
        self._last_id: int | None = None
        self._last_ns: int | None = None

    def open(self) -> CameraFacts:
        """Connect, set the features, switch the automatics off and the software trigger on, begin the acquisition.

        Raises:
            CameraLostError: there is no such device.
            CameraError: it has no software trigger, or does not take one of the site's features.
        """
        self.close()
        link = self.link
        model, serial = link.connect()
        for name, value in self._features.items():
            self._set_feature(name, value)
        for automatic in ("ExposureAuto", "GainAuto"):
            link.choose(automatic, "Off")
        link.choose("TriggerSelector", "FrameStart")
        if not (link.choose("TriggerMode", "On") and link.choose("TriggerSource", "Software")):
            raise CameraError(f"{model} {serial} has no software trigger (TriggerSource = Software): edge needs one")
        link.choose("AcquisitionMode", "Continuous")
        chunks = self._enable_chunks()
        self._exposure_name = next((name for name in EXPOSURE_NAMES if link.has(name)), None)
        self._gain_name = next((name for name in GAIN_NAMES if link.has(name)), None)
        limits = None if self._exposure_name is None else link.bounds(self._exposure_name)
        try:
            self._begin()
        except CameraLostError:
            raise
        except CameraError:
            if not chunks:
                raise
            # Some devices offer chunks and cannot do them (pylon's emulator is one): go without.
            link.switch("ChunkModeActive", on=False)
            self._begin()
        return CameraFacts(
            model=model,
            serial=serial,
            lights=(),
            exposure_range_us=None if limits is None else (int(-(-limits[0] // 1)), int(limits[1])),
            live=True,
        )

    def check(self) -> None:
        """Ask the device for a value, over its cable.

        Raises:
            CameraLostError: it does not answer.
        """
        if self._exposure_name is not None:
            self.link.number(self._exposure_name)

    def take(self, order: Order) -> CameraFrame:
        """Set what is asked for, trigger, and wait for that trigger's frame.

        Raises:
            CameraLostError: the device is gone.
            CameraError: it refuses, is not ready, or its frame is missing or damaged.
        """
        exposure_us, gain_db = self._set(order)
        if not self.link.wait_ready(READY_TIMEOUT_MS):
            self.counts.over_triggered += 1
            raise CameraError(
                f"the camera was not ready for a trigger within {READY_TIMEOUT_MS} ms of the last one: "
                "trigger more slowly, or raise its frame rate"
            )
        self._drop_old()
        sent_us = now_us()
        self.link.trigger()
        buffer = self._wait(self._take_timeout_ms + order.exposure_us // 1000)
        received_us = now_us()
        pixels = self._pixels(buffer)
        return CameraFrame(
            encoded=None,
            pixels=pixels,
            width_px=buffer.width_px,
            height_px=buffer.height_px,
            camera_us=None if buffer.camera_ns is None else buffer.camera_ns // 1000,
            exposed_us=sent_us,
            received_us=received_us,
            exposure_us=round(exposure_us if buffer.exposure_us is None else buffer.exposure_us),
            gain_db=gain_db if buffer.gain_db is None else buffer.gain_db,
            light=order.light,
            counter=self._counter,
        )

    def close(self) -> None:
        """End the acquisition and let the device go."""
        self.link.close()
        self._last_id = self._last_ns = None

    def _set_feature(self, name: str, value: Feature) -> None:
        if not self.link.has(name):
            raise CameraError(f"the camera has no feature {name} that can be set now: correct the camera's features")
        if isinstance(value, bool):
            self.link.switch(name, on=value)
        elif isinstance(value, str):
            self.link.write(name, value)
        else:
            self.link.set_number(name, value)

    def _enable_chunks(self) -> bool:
        """Let the camera add to each frame what it was exposed with; False where it cannot."""
        if not self.link.switch("ChunkModeActive", on=True):
            return False
        for chunk in CHUNKS:
            if self.link.choose("ChunkSelector", chunk):
                self.link.switch("ChunkEnable", on=True)
        return True

    def _set(self, order: Order) -> tuple[float, float]:
        """Set exposure and gain within the camera's bounds, and read them back."""
        exposure_us, gain_db = float(order.exposure_us), 0.0
        if self._exposure_name is not None:
            exposure_us = self._set_number(self._exposure_name, order.exposure_us)
        if self._gain_name is not None:
            gain_db = self._set_number(self._gain_name, order.gain_db)
        return exposure_us, gain_db

    def _set_number(self, name: str, value: float) -> float:
        least, most = self.link.bounds(name)
        self.link.set_number(name, min(max(value, least), most))
        return self.link.number(name)

    def _drop_old(self) -> None:
        """Throw away what came without being waited for; there is none unless a frame came late."""
        while (old := self.link.grab(0)) is not None:
            self._count(old)

    def _wait(self, timeout_ms: int) -> GenicamBuffer:
        until_s = time.monotonic() + timeout_ms / 1000
        newest_ns = self._last_ns
        while (left_s := until_s - time.monotonic()) > 0:
            buffer = self.link.grab(max(1, int(left_s * 1000)))
            if buffer is None:
                continue
            self._count(buffer)
            if newest_ns is not None and buffer.camera_ns is not None and buffer.camera_ns <= newest_ns:
                continue  # by its own clock it is older than the frame before: it is not this trigger's
            return buffer
        self.counts.missed += 1
        self.link.end()
        self._begin()
        raise CameraError(
            f"no frame came within {timeout_ms} ms of its trigger: packets were lost (look at the network's MTU and "
            "load), or the camera did not take the trigger"
        )

    def _pixels(self, buffer: GenicamBuffer) -> Pixels:
        if buffer.problem:
            self.counts.malformed += 1
            raise CameraError(f"the camera's frame is damaged ({buffer.problem}): it is refused")
        try:
            return to_bgr(buffer.data, buffer.pixel_format, buffer.width_px, buffer.height_px, buffer.row_bytes)
        except CameraError:
            self.counts.malformed += 1
            raise

    def _begin(self) -> None:
        self.link.begin()
        self._last_id = self._last_ns = None

    def _count(self, buffer: GenicamBuffer) -> None:
        """Go on counting over the beginnings of acquisitions, and note what the counter jumped over."""
        step = 1
        if buffer.frame_id is not None and self._last_id is not None:
            step = buffer.frame_id - self._last_id
            if step < -_MAX_BLOCK_ID // 2 and self._last_id <= _MAX_BLOCK_ID:
                step += _MAX_BLOCK_ID
        # A counter that stands or runs back does so in the frame too: FrozenWatch sees it.
        self._counter += step
        self.counts.missed += step - 1 if 1 < step <= _MAX_GAP else 0
        self._last_id = buffer.frame_id
        if buffer.camera_ns is not None:
            self._last_ns = buffer.camera_ns


def choose_serial(wanted: str | None, found: list[str], sdk: str) -> str:
    """The serial number to open.

    Raises:
        CameraLostError: it is not among those that were found, or several were found and none is named.
    """
    there = ", ".join(found) or "none"
    if wanted is None and not found:
        raise CameraLostError(f"{sdk} finds no camera: check its power, cable and address")
    if wanted is not None and wanted not in found:
        raise CameraLostError(f"{sdk} finds no camera {wanted}: check its power, cable and address; found: {there}")
    if wanted is None and len(found) != 1:
        raise CameraLostError(f"{sdk} finds {len(found)} cameras ({there}): set serial to the one that is meant")
    return found[0] if wanted is None else wanted
