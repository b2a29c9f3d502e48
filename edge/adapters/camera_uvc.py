"""A USB camera (UVC) or another video device of the kernel (V4L2), by its own name in /dev/v4l/by-id.

`/dev/videoN` changes with the order of plugging; a name in /dev/v4l/by-id holds model and serial number. It is looked
up anew at each opening.

A free-running camera: `StreamCamera` reads it without pause, so that the driver's ring of buffers never holds an old
frame. The driver stamps each buffer with CLOCK_MONOTONIC, which is the host's clock: nothing is to be mapped. What a
stamp means differs: the start of the exposure by the standard, the arrival of the first or the last packet in many
cameras. So `exposed_us` is the stamp less the exposure time and less `latency_ms`; that is never later than the truth
as long as the way from the sensor to the first packet takes no longer than `latency_ms`.

Automatic exposure, gain and focus are switched off, the values set and read back; a camera that refuses says so. V4L2
knows no unit of gain: `gain` is the camera's own number, and `gain_db` of a frame says 0.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.adapters import camera_v4l2 as v4l2
from edge.adapters.camera import CameraFacts, CameraLostError, Order, now_us
from edge.adapters.camera_pixels import to_bgr
from edge.adapters.camera_stream import Applied, StreamFrame
from edge.errors import CameraError

#: Few enough that the memory is small, enough that the driver never waits for one (the kernel's own advice is 3 or 4).
NUM_BUFFERS = 4
#: One wait for a buffer; the reading thread looks at its stop between two.
WAIT_S = 0.5
#: The exposure that is set now is that of the frame after the one under way and the one in the pipeline: 2 to 3 with
#: usual sensors, which latch their registers at the start of a frame.
SETTLE_FRAMES = 3
#: Formats that are understood, the best first: pixels untouched by a compression, then JPEG.
FORMATS = ("BGR3", "YUYV", "UYVY", "GREY", "MJPG")
_PIXEL_FORMATS = {"BGR3": "BGR8", "YUYV": "YUYV", "UYVY": "UYVY", "GREY": "Mono8"}


class UvcSource:
    """The device at `path`. `gain` and `focus` are the camera's own numbers; None leaves them as they are."""

    def __init__(
        self,
        path: Path,
        *,
        width_px: int,
        height_px: int,
        pixel_format: str,
        latency_ms: int,
        gain: int | None = None,
        focus: int | None = None,
        open_device: Callable[[Path], v4l2.VideoDevice] = v4l2.KernelDevice,
    ) -> None:
        self._path = path
        self._size_px = (width_px, height_px)
        self._wanted_format = pixel_format
        self._latency_us = latency_ms * 1000
        self._gain, self._focus = gain, focus
        self._open_device = open_device
        self._device: v4l2.VideoDevice | None = None
        self._buffers: list[Any] = []
        self._format = v4l2.PixFormat()
        self._letters = ""
        self._ranges: dict[int, v4l2.ControlRange] = {}
        self._period_us = 0
        self._exposure_us = 0

    def open(self) -> CameraFacts:
        """Open the device, set it to the wanted size, switch its automatics off, and let it film.

        Raises:
            CameraLostError: there is no such device, or it is used by another.
            CameraError: it is no camera, or cannot be set as the settings say.
        """
        self.close()
        try:
            self._device = self._open_device(self._path)
        except OSError as error:
            raise v4l2.problem(self._path, "be opened", error) from None
        facts = self._facts()
        self._set_format()
        self._set_automatics_off()
        self._start()
        return facts

    def apply(self, order: Order) -> Applied:
        """Set the exposure and read it back.

        Raises:
            CameraError: the camera refuses it.
        """
        changed = False
        if v4l2.EXPOSURE_ABSOLUTE in self._ranges:
            raw = max(1, round(order.exposure_us / v4l2.EXPOSURE_UNIT_US))
            before, now = self._exposure_us, self._set(v4l2.EXPOSURE_ABSOLUTE, raw) * v4l2.EXPOSURE_UNIT_US
            changed, self._exposure_us = now != before, now
        return Applied(
            exposure_us=self._exposure_us or order.exposure_us,
            gain_db=0.0,
            settle_us=SETTLE_FRAMES * self._period_us + self._exposure_us if changed else 0,
        )

    def read(self) -> StreamFrame | None:
        """The next filled buffer of the ring, copied.

        Raises:
            CameraLostError: the device is gone.
            CameraError: the buffer is damaged or no frame.
        """
        if self._device is None:
            raise CameraLostError(f"{self._path} is not open")
        if not self._device.wait(WAIT_S):
            return None
        buffer = v4l2.Buffer(type=v4l2.BUFFER_TYPE_CAPTURE, memory=v4l2.MEMORY_MMAP)
        try:
            self._device.ioctl(v4l2.DQBUF, buffer)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None
            raise v4l2.problem(self._path, "give a frame", error) from None
        received_us = now_us()
        data = bytes(self._buffers[buffer.index][: buffer.bytesused])
        self._ask(v4l2.QBUF, buffer, "take its buffer back")
        if buffer.flags & v4l2.BUFFER_ERROR:
            raise CameraError(f"{self._path} marked a frame as damaged: it is refused")
        if buffer.flags & v4l2.TIMESTAMP_MASK != v4l2.TIMESTAMP_MONOTONIC:
            raise CameraError(f"{self._path} does not stamp its frames by the host's clock: their age is not known")
        return self._frame(data, buffer, received_us)

    def close(self) -> None:
        """Stop filming and close the device."""
        device, self._device = self._device, None
        for mapped in self._buffers:
            if hasattr(mapped, "close"):
                mapped.close()
        self._buffers = []
        if device is not None:
            with contextlib.suppress(OSError):
                device.ioctl(v4l2.STREAMOFF, v4l2.Int(v4l2.BUFFER_TYPE_CAPTURE))
            device.close()

    def _frame(self, data: bytes, buffer: v4l2.Buffer, received_us: int) -> StreamFrame:
        exposed_us = min(buffer.stamp_us, received_us) - self._exposure_us - self._latency_us
        width_px, height_px = int(self._format.width), int(self._format.height)
        encoded, render = None, None
        if self._letters == "MJPG":
            encoded = _whole_jpeg(data, self._path)
        else:
            # Made at once, not when it is taken: a buffer that is too short is refused before it counts as newest.
            pixels = to_bgr(data, _PIXEL_FORMATS[self._letters], width_px, height_px, int(self._format.bytesperline))
            render = lambda: pixels  # noqa: E731
        return StreamFrame(
            encoded=encoded,
            render=render,
            width_px=width_px,
            height_px=height_px,
            camera_us=buffer.stamp_us,
            exposed_us=exposed_us,
            received_us=received_us,
            counter=int(buffer.sequence),
        )

    def _facts(self) -> CameraFacts:
        capability = v4l2.Capability()
        self._ask(v4l2.QUERYCAP, capability, "say what it is")
        own = int(capability.capabilities)
        offers = int(capability.device_caps) if own & v4l2.CAP_DEVICE_CAPS else own
        if offers & (v4l2.CAP_VIDEO_CAPTURE | v4l2.CAP_STREAMING) != v4l2.CAP_VIDEO_CAPTURE | v4l2.CAP_STREAMING:
            raise CameraError(
                f"{self._path} gives no video: a camera has several nodes, choose the one that ends in -video-index0"
            )
        self._ranges = {}
        for control in (v4l2.EXPOSURE_AUTO, v4l2.EXPOSURE_ABSOLUTE, v4l2.EXPOSURE_AUTO_PRIORITY, v4l2.GAIN,
                        v4l2.AUTO_GAIN, v4l2.FOCUS_AUTO, v4l2.FOCUS_ABSOLUTE):  # fmt: skip
            self._query(control)
        exposure = self._ranges.get(v4l2.EXPOSURE_ABSOLUTE)
        limits = exposure and (exposure.minimum * v4l2.EXPOSURE_UNIT_US, exposure.maximum * v4l2.EXPOSURE_UNIT_US)
        return CameraFacts(
            model=capability.card.decode(errors="replace"),
            serial=self._path.name,
            lights=(),
            exposure_range_us=limits or None,
            live=True,
        )

    def _query(self, control: int) -> None:
        asked = v4l2.ControlRange(id=control)
        try:
            self._device.ioctl(v4l2.QUERYCTRL, asked)  # type: ignore[union-attr] # it is open
        except OSError as error:
            if error.errno != errno.EINVAL:  # EINVAL: it has no such control
                raise v4l2.problem(self._path, "say its controls", error) from None
        else:
            if not asked.flags & v4l2.CONTROL_UNUSABLE:
                self._ranges[control] = asked

    def _set_format(self) -> None:
        """Ask for the size in the wanted format, or in the first that it has; a driver answers with what it can."""
        tried = FORMATS if self._wanted_format == "auto" else (self._wanted_format,)
        for letters in tried:
            wanted = v4l2.Format(type=v4l2.BUFFER_TYPE_CAPTURE)
            wanted.fmt.pix.width, wanted.fmt.pix.height = self._size_px
            wanted.fmt.pix.pixelformat = v4l2.fourcc(letters)
            wanted.fmt.pix.field = 1  # V4L2_FIELD_NONE: whole frames
            self._ask(v4l2.S_FMT, wanted, f"be set to {letters}")
            given = wanted.fmt.pix
            if given.pixelformat == v4l2.fourcc(letters) and (given.width, given.height) == self._size_px:
                self._format, self._letters = given, letters
                break
        else:
            width_px, height_px = self._size_px
            raise CameraError(
                f"{self._path} does not film {width_px} x {height_px} px in {' or '.join(tried)}: "
                f"choose one of its sizes, `v4l2-ctl --list-formats-ext -d {self._path}` lists them"
            )
        timing = v4l2.StreamParameters(type=v4l2.BUFFER_TYPE_CAPTURE)
        self._ask(v4l2.G_PARM, timing, "say its frame rate")
        self._period_us = 1_000_000 * int(timing.numerator) // max(1, int(timing.denominator))

    def _set_automatics_off(self) -> None:
        for control, value in (
            (v4l2.EXPOSURE_AUTO, v4l2.EXPOSURE_MANUAL),
            (v4l2.EXPOSURE_AUTO_PRIORITY, 0),
            (v4l2.AUTO_GAIN, 0),
            (v4l2.FOCUS_AUTO, 0),
            (v4l2.GAIN, self._gain),
            (v4l2.FOCUS_ABSOLUTE, self._focus),
        ):
            if value is None or (control not in self._ranges and control not in {v4l2.GAIN, v4l2.FOCUS_ABSOLUTE}):
                continue
            if control not in self._ranges:
                name = "gain" if control == v4l2.GAIN else "focus"
                raise CameraError(f"{self._path} has no {name} that can be set: remove {name} from its settings")
            if (now := self._set(control, value)) != value:
                name = self._ranges[control].name.decode(errors="replace")
                raise CameraError(
                    f"{self._path} was told to set {name} to {value} and says {now}: choose another value"
                )

    def _set(self, control: int, value: int) -> int:
        """Set one control within its range; gives what it is then, by the device's word."""
        known = self._ranges[control]
        told = v4l2.Control(id=control, value=min(max(value, known.minimum), known.maximum))
        name = known.name.decode(errors="replace")
        self._ask(v4l2.S_CTRL, told, f"set {name} to {told.value}")
        said = v4l2.Control(id=control)
        self._ask(v4l2.G_CTRL, said, f"say its {name}")
        return int(said.value)

    def _start(self) -> None:
        ring = v4l2.RequestBuffers(count=NUM_BUFFERS, type=v4l2.BUFFER_TYPE_CAPTURE, memory=v4l2.MEMORY_MMAP)
        self._ask(v4l2.REQBUFS, ring, "give memory for its frames")
        for index in range(ring.count):
            buffer = v4l2.Buffer(index=index, type=v4l2.BUFFER_TYPE_CAPTURE, memory=v4l2.MEMORY_MMAP)
            self._ask(v4l2.QUERYBUF, buffer, "say where its frames lie")
            assert self._device is not None
            self._buffers.append(self._device.map(int(buffer.offset) & 0xFFFFFFFF, int(buffer.length)))
            self._ask(v4l2.QBUF, buffer, "take a buffer")
        self._ask(v4l2.STREAMON, v4l2.Int(v4l2.BUFFER_TYPE_CAPTURE), "begin to film")

    def _ask(self, code: int, structure: ctypes.Structure, doing: str) -> None:
        if self._device is None:
            raise CameraLostError(f"{self._path} is not open")
        try:
            self._device.ioctl(code, structure)
        except OSError as error:
            raise v4l2.problem(self._path, doing, error) from None


def by_id(name: str) -> Path:
    """The device that a setting names: a name in /dev/v4l/by-id, or a whole path."""
    return Path(name) if os.sep in name else Path("/dev/v4l/by-id") / name


def _whole_jpeg(data: bytes, path: Path) -> bytes:
    """The frame as the camera compressed it; what follows its end is the driver's padding.

    A frame that was cut has no end mark, and a decoder would fill it with grey. Cameras leave the Huffman tables out:
    decoders know the standard's (libjpeg-turbo gives the very same pixels without them).
    """
    end = data.rfind(b"\xff\xd9")
    if data[:2] != b"\xff\xd8" or end < 0 or data[end + 2 :].strip(b"\0"):
        raise CameraError(f"{path} gave a JPEG frame of {len(data)} bytes without its end: it is refused")
    return data[: end + 2]
