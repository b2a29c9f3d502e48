"""The kernel's interface to video devices (V4L2), as much of it as a camera needs: structures, numbers, one device.

Layouts and numbers are those of <linux/videodev2.h> on 64-bit machines (`tests/adapters/test_camera_v4l2.py` compares
them with the header, by a C compiler). The structures are written by hand rather than by a binding: they are eight, and
the kernel never changes them.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import select
from ctypes import Structure, Union, c_char, c_int32, c_int64, c_uint8, c_uint32
from pathlib import Path
from typing import Any, Protocol

from edge.adapters.camera import CameraLostError
from edge.errors import CameraError

BUFFER_TYPE_CAPTURE = 1
MEMORY_MMAP = 1
CAP_VIDEO_CAPTURE, CAP_STREAMING, CAP_DEVICE_CAPS = 0x1, 0x4000000, 0x80000000
BUFFER_ERROR = 0x40
TIMESTAMP_MASK, TIMESTAMP_MONOTONIC = 0xE000, 0x2000
STAMP_SOURCE_MASK, STAMP_AT_START = 0x70000, 0x10000
CONTROL_UNUSABLE = 0x1  # V4L2_CTRL_FLAG_DISABLED

EXPOSURE_AUTO, EXPOSURE_MANUAL = 0x9A0901, 1
EXPOSURE_ABSOLUTE = 0x9A0902
#: In the unit of EXPOSURE_ABSOLUTE.
EXPOSURE_UNIT_US = 100
EXPOSURE_AUTO_PRIORITY = 0x9A0903
AUTO_GAIN, GAIN = 0x980912, 0x980913
FOCUS_AUTO, FOCUS_ABSOLUTE = 0x9A090C, 0x9A090A


class Capability(Structure):
    """What a device is."""

    _fields_ = (
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus_info", c_char * 32),
        ("version", c_uint32),
        ("capabilities", c_uint32),
        ("device_caps", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class PixFormat(Structure):
    """Size and form of the frames."""

    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("pixelformat", c_uint32),
        ("field", c_uint32),
        ("bytesperline", c_uint32),
        ("sizeimage", c_uint32),
        ("colorspace", c_uint32),
        ("rest", c_uint32 * 5),
    )


class _Fmt(Union):
    # A pointer stands in another member of the kernel's union: it is aligned to 8 bytes.
    _fields_ = (("pix", PixFormat), ("raw", c_uint8 * 200), ("_align", c_int64))


class Format(Structure):
    """A format of one kind of buffers."""

    _fields_ = (("type", c_uint32), ("fmt", _Fmt))


class StreamParameters(Structure):
    """The time between two frames."""

    _fields_ = (
        ("type", c_uint32),
        ("capability", c_uint32),
        ("capturemode", c_uint32),
        ("numerator", c_uint32),
        ("denominator", c_uint32),
        ("rest", c_uint8 * 184),
    )


class RequestBuffers(Structure):
    """How many buffers are wanted, and then, how many there are."""

    _fields_ = (
        ("count", c_uint32),
        ("type", c_uint32),
        ("memory", c_uint32),
        ("capabilities", c_uint32),
        ("flags", c_uint32),
    )


class _Timeval(Structure):
    _fields_ = (("sec", c_int64), ("usec", c_int64))


class Buffer(Structure):
    """One buffer of the ring, and what the driver says of the frame in it."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("bytesused", c_uint32),
        ("flags", c_uint32),
        ("field", c_uint32),
        ("timestamp", _Timeval),
        ("timecode", c_uint8 * 16),
        ("sequence", c_uint32),
        ("memory", c_uint32),
        ("offset", c_int64),
        ("length", c_uint32),
        ("reserved", c_uint32 * 2),
    )

    @property
    def stamp_us(self) -> int:
        """The driver's time stamp."""
        return int(self.timestamp.sec) * 1_000_000 + int(self.timestamp.usec)


class ControlRange(Structure):
    """What one control can be set to."""

    _fields_ = (
        ("id", c_uint32),
        ("type", c_uint32),
        ("name", c_char * 32),
        ("minimum", c_int32),
        ("maximum", c_int32),
        ("step", c_int32),
        ("default_value", c_int32),
        ("flags", c_uint32),
        ("reserved", c_uint32 * 2),
    )


class Control(Structure):
    """One control and its value."""

    _fields_ = (("id", c_uint32), ("value", c_int32))


class Int(Structure):
    """One number, such as the kind of buffers to begin with."""

    _fields_ = (("value", c_int32),)


def _code(direction: int, number: int, structure: type[Structure]) -> int:
    return direction << 30 | ctypes.sizeof(structure) << 16 | ord("V") << 8 | number


QUERYCAP = _code(2, 0, Capability)
G_FMT, S_FMT = _code(3, 4, Format), _code(3, 5, Format)
REQBUFS = _code(3, 8, RequestBuffers)
QUERYBUF, QBUF, DQBUF = _code(3, 9, Buffer), _code(3, 15, Buffer), _code(3, 17, Buffer)
STREAMON, STREAMOFF = _code(1, 18, Int), _code(1, 19, Int)
G_PARM = _code(3, 21, StreamParameters)
QUERYCTRL, G_CTRL, S_CTRL = _code(3, 36, ControlRange), _code(3, 27, Control), _code(3, 28, Control)


def fourcc(text: str) -> int:
    """The number of a format's four letters."""
    return int.from_bytes(text.encode("ascii"), "little")


class VideoDevice(Protocol):
    """An open device: what the kernel does for it. Raises `OSError` as the kernel says."""

    def ioctl(self, code: int, structure: Structure) -> None:
        """One request; the structure is read and written."""

    def wait(self, timeout_s: float) -> bool:
        """Whether a filled buffer is there within this time. An unplugged device is `True`: its DQBUF says so."""

    def map(self, offset: int, length: int) -> Any:
        """The memory of one buffer, to be read as bytes."""

    def close(self) -> None:
        """Let it go."""


class KernelDevice:
    """A device node."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def ioctl(self, code: int, structure: Structure) -> None:
        """One request."""
        fcntl.ioctl(self._fd, code, structure)

    def wait(self, timeout_s: float) -> bool:
        """Wait for a buffer, never without limit: DQBUF can block for ever after an unplugging."""
        return bool(self._poll.poll(timeout_s * 1000))

    def map(self, offset: int, length: int) -> mmap.mmap:
        """Map one buffer, to be read."""
        return mmap.mmap(self._fd, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset)

    def close(self) -> None:
        """Close the node."""
        os.close(self._fd)


def problem(path: Path, doing: str, error: OSError) -> CameraError:
    """The kernel's refusal as a sentence; a device that is gone is a lost camera."""
    text = f"{path} cannot {doing} ({error.strerror})"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return CameraLostError(f"{text}: the user of edge must be in the group video")
    if error.errno == errno.EBUSY:
        return CameraLostError(f"{text}: another program uses the camera; end it")
    if error.errno in {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO, errno.EPROTO, errno.EPIPE}:
        return CameraLostError(f"{text}: check the camera's cable; `ls /dev/v4l/by-id` shows which cameras are there")
    return CameraError(text)
