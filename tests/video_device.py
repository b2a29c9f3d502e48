"""A USB camera behind the kernel's interface, with memory: no machine of a test has one, and few kernels `vivid`.

It does what a driver does with a ring of buffers: a frame that is complete goes into the oldest empty buffer, and is
lost when there is none; so who does not read all the time gets old frames. Each frame holds in its first bytes when it
was exposed and for how long, which no driver tells. The structures are the kernel's, compared with its header.
"""

from __future__ import annotations

import errno
import os
import time
from collections import deque
from ctypes import Structure
from pathlib import Path

import numpy as np

from edge.adapters import camera_v4l2 as v4l2

READOUT_US = 5_000
#: A change of exposure is seen from this many frames later on.
PIPELINE = 2


def now_us() -> int:
    """CLOCK_MONOTONIC, by which drivers stamp."""
    return time.monotonic_ns() // 1000


class VideoCamera:
    """The camera in its USB socket: what stays when it is opened again. `offers`: size and formats that it films in."""

    def __init__(self, *, width_px: int = 64, height_px: int = 48, offers: tuple[str, ...] = ("BGR3",)) -> None:
        self.size_px = (width_px, height_px)
        self.offers = offers
        self.plugged = True
        self.silent = False
        self.frozen = False
        self.damage: bytes | None = None
        self.num_damaged = 0
        self.period_us = 20_000
        self.stamp_flags = v4l2.TIMESTAMP_MONOTONIC | v4l2.STAMP_AT_START
        self.controls = {
            v4l2.EXPOSURE_AUTO: 3,
            v4l2.EXPOSURE_ABSOLUTE: 50,
            v4l2.AUTO_GAIN: 1,
            v4l2.GAIN: 7,
            v4l2.FOCUS_AUTO: 1,
            v4l2.FOCUS_ABSOLUTE: 30,
        }
        self.stubborn: set[int] = set()
        self.opened: list[Path] = []
        self.noise = np.random.default_rng(11)
        self.pixels = b""

    def open(self, path: Path) -> VideoNode:
        """What opening the device node does."""
        if not self.plugged:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        self.opened.append(path)
        return VideoNode(self)

    def look(self, exposed_us: int, exposure_us: int) -> bytes:
        """One frame: when, how long, noise."""
        if not self.frozen or not self.pixels:
            head = exposed_us.to_bytes(8, "little") + exposure_us.to_bytes(8, "little")
            size = self.size_px[0] * self.size_px[1] * 3 - len(head)
            self.pixels = head + self.noise.integers(0, 255, size, dtype=np.uint8).tobytes()
        return self.pixels


class VideoNode:
    """The camera, opened once; a `VideoDevice`."""

    def __init__(self, camera: VideoCamera) -> None:
        self._camera = camera
        self._letters = b"BGR3"
        self._memory: list[bytearray] = []
        self._empty: deque[int] = deque()
        self._full: deque[v4l2.Buffer] = deque()
        self._next_us: int | None = None
        self._sequence = 0
        self._exposures: deque[int] = deque([self._exposure_us()] * PIPELINE)
        self.closed = False

    def ioctl(self, code: int, structure: Structure) -> None:
        """One request, answered as the kernel does."""
        if not self._camera.plugged:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        match structure:
            case v4l2.Capability():
                structure.driver, structure.card = b"uvcvideo", b"Plate Camera"
                structure.capabilities = v4l2.CAP_DEVICE_CAPS
                structure.device_caps = v4l2.CAP_VIDEO_CAPTURE | v4l2.CAP_STREAMING
            case v4l2.Format():
                self._set_format(structure.fmt.pix)
            case v4l2.StreamParameters():
                structure.numerator, structure.denominator = self._camera.period_us, 1_000_000
            case v4l2.ControlRange():
                self._range(structure)
            case v4l2.Control():
                self._control(code, structure)
            case v4l2.RequestBuffers():
                self._memory = [bytearray(len(self._camera.look(0, 0))) for _ in range(structure.count)]
            case v4l2.Buffer():
                self._buffer(code, structure)
            case v4l2.Int():
                self._next_us = now_us() if code == v4l2.STREAMON else None

    def wait(self, timeout_s: float) -> bool:
        """Wait as poll(2) does: a device that is gone is ready."""
        until_us = now_us() + int(timeout_s * 1e6)
        while self._camera.plugged and now_us() < until_us:
            self._film()
            if self._full:
                return True
            time.sleep(0.001)
        return not self._camera.plugged

    def map(self, offset: int, length: int) -> bytearray:
        """The memory of a buffer."""
        return self._memory[offset]

    def close(self) -> None:
        """Close the node."""
        self.closed = True

    def _exposure_us(self) -> int:
        return self._camera.controls[v4l2.EXPOSURE_ABSOLUTE] * v4l2.EXPOSURE_UNIT_US

    def _film(self) -> None:
        """Everything that the sensor did since last time."""
        while self._next_us is not None and not self._camera.silent:
            exposure_us = self._exposures[0]
            sent_us = self._next_us + exposure_us + READOUT_US  # its first packet; this is what it stamps
            if sent_us + READOUT_US > now_us():
                return
            self._exposures.popleft()
            self._exposures.append(self._exposure_us())
            if self._empty:
                self._fill(self._camera.look(self._next_us, exposure_us), sent_us)
            self._sequence += 1
            self._next_us += max(self._camera.period_us, exposure_us + READOUT_US)

    def _fill(self, data: bytes, sent_us: int) -> None:
        camera, flags = self._camera, self._camera.stamp_flags
        if camera.num_damaged > 0:
            camera.num_damaged -= 1
            data, flags = (data, flags | v4l2.BUFFER_ERROR) if camera.damage is None else (camera.damage, flags)
        index = self._empty.popleft()
        self._memory[index][: len(data)] = data
        filled = v4l2.Buffer(index=index, bytesused=len(data), flags=flags, sequence=self._sequence)
        filled.timestamp.sec, filled.timestamp.usec = divmod(sent_us, 1_000_000)
        self._full.append(filled)

    def _buffer(self, code: int, buffer: v4l2.Buffer) -> None:
        if code == v4l2.QUERYBUF:
            buffer.length, buffer.offset = len(self._memory[buffer.index]), buffer.index
        elif code == v4l2.QBUF:
            self._empty.append(int(buffer.index))
        elif not self._full:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        else:
            done = self._full.popleft()
            for name in ("index", "bytesused", "flags", "sequence", "timestamp"):
                setattr(buffer, name, getattr(done, name))

    def _set_format(self, pix: v4l2.PixFormat) -> None:
        letters = int(pix.pixelformat).to_bytes(4, "little").decode()
        given = letters if letters in self._camera.offers else self._camera.offers[0]
        pix.pixelformat, pix.bytesperline = v4l2.fourcc(given), 0
        pix.width, pix.height = self._camera.size_px

    def _range(self, asked: v4l2.ControlRange) -> None:
        if asked.id not in self._camera.controls:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        asked.name = f"control {asked.id:#x}".encode()
        asked.minimum, asked.maximum, asked.step = (1 if asked.id == v4l2.EXPOSURE_ABSOLUTE else 0), 250, 1

    def _control(self, code: int, control: v4l2.Control) -> None:
        if code == v4l2.S_CTRL and control.id not in self._camera.stubborn:
            self._camera.controls[control.id] = int(control.value)
        control.value = self._camera.controls[control.id]
