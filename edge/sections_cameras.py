"""The tables `[cameras.NAME]` of `edge.toml`, one for each kind of camera."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field, SecretStr, StrictBool, StrictFloat, StrictInt

from edge import secrets
from edge.section_types import FilePath, LongName, Name, Number, Table, Whole, camera_address

#: What `adapters.camera_genicam` sets.
_OWN_FEATURES = frozenset(
    {"AcquisitionMode", "ChunkEnable", "ChunkModeActive", "ChunkSelector"}
    | {"ExposureAuto", "ExposureTime", "ExposureTimeAbs", "Gain", "GainAbs", "GainAuto"}
    | {"TriggerMode", "TriggerSelector", "TriggerSource"}
)
Feature = StrictBool | StrictInt | StrictFloat | LongName
_KIND = "Kind of the camera: file, simulated, rtsp, uvc, pylon or aravis."


def _rtsp_url(text: str) -> str:
    """Pass the address of a stream on; refuse one that holds a secret."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in {"rtsp", "rtsps"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        secret = "@" in parts.netloc or any(
            word in name.lower() for name, _ in parse_qsl(parts.query) for word in ("pass", "pwd", "token", "user")
        )
    except ValueError:
        sound, secret = False, False
    if not sound or any(c.isspace() for c in text):
        raise ValueError("is no address of a stream; write rtsp://HOST:PORT/PATH")
    if secret:
        raise ValueError("holds a user or a password; write them as username and password_file")
    return text


def _feature_name(text: str) -> str:
    """Pass the name of a feature on; refuse what is none, and what edge sets itself."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", text):
        raise ValueError("is no name of a feature; write it as the camera's manual does, as PixelFormat")
    if text in _OWN_FEATURES:
        raise ValueError("is set by edge itself: leave it out")
    return text


class _Camera(Table):
    exposure_us: Whole = Field(
        default=5000, ge=1, le=10_000_000, description="Exposure of the first frame, µs (1 to 10000000)."
    )
    exposure_min_us: Whole = Field(
        default=50, ge=1, le=10_000_000, description="Shortest exposure that a retake may ask for, µs (1 to 10000000)."
    )
    exposure_max_us: Whole = Field(
        default=50_000,
        ge=1,
        le=10_000_000,
        description="Longest exposure that a retake may ask for, µs (1 to 10000000).",
    )
    gain_db: Number = Field(default=0.0, ge=0, le=60, description="Gain, dB (0 to 60).")
    light: Name = Field(
        default="normal", description="Light of the first frame; a simulated camera has normal, off_axis and diffuse."
    )
    take_timeout_ms: Whole = Field(
        default=1000, ge=10, le=60_000, description="Longest wait for a frame, ms (10 to 60000)."
    )

    @property
    def exposure_range_us(self) -> tuple[int, int]:
        """Shortest and longest exposure that a retake may ask for."""
        return (self.exposure_min_us, self.exposure_max_us)


class FileCamera(_Camera):
    """A folder of image files, or one file, in the place of a camera."""

    kind: Literal["file"] = Field(description=_KIND)
    path: FilePath = Field(description="Folder of image files, or one image or video file.")
    loop: bool = Field(default=False, description="Whether to begin anew after the last frame; true or false.")


class SimulatedCamera(_Camera):
    """The simulator's camera."""

    kind: Literal["simulated"] = Field(description=_KIND)
    address: Annotated[str, AfterValidator(camera_address)] = Field(
        description="Where it answers: ipc://PATH or tcp://HOST:PORT."
    )


class RtspCamera(_Camera):
    """A network camera by RTSP; its exposure and gain are set on its own page, and only said here."""

    kind: Literal["rtsp"] = Field(description=_KIND)
    url: Annotated[str, Field(max_length=2048), AfterValidator(_rtsp_url)] = Field(
        description="Address of the stream, without user and password: rtsp://HOST:PORT/PATH."
    )
    transport: Literal["tcp", "udp"] = Field(
        default="tcp", description="How packets come: tcp (none is lost) or udp (less delay on a bad network)."
    )
    username: LongName | None = Field(default=None, description="User name at the camera; unset: none.")
    password_file: FilePath | None = Field(
        default=None,
        description="File that holds the camera's password; unset: the credential camera_password, or none.",
    )
    latency_ms: Whole = Field(
        default=400,
        ge=0,
        le=5000,
        description="Time from exposure to arrival at most, ms (0 to 5000): a stopwatch before the camera shows it.",
    )

    @property
    def exposure_range_us(self) -> tuple[int, int]:
        """Its one exposure: a retake that asks for another would be spent in vain."""
        return (self.exposure_us, self.exposure_us)

    @property
    def password(self) -> SecretStr | None:
        """The password, read anew at each use; None where there is none.

        Raises:
            ConfigError: `password_file` cannot be read.
        """
        return secrets.find(self.password_file, "camera_password", "cameras password_file")


class UvcCamera(_Camera):
    """A USB camera of the kernel (UVC, V4L2)."""

    kind: Literal["uvc"] = Field(description=_KIND)
    device: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        description="Name in /dev/v4l/by-id, which holds model and serial number, or a whole path."
    )
    width_px: Whole = Field(default=1920, ge=16, le=32_768, description="Width of the frames, px (16 to 32768).")
    height_px: Whole = Field(default=1080, ge=16, le=32_768, description="Height of the frames, px (16 to 32768).")
    pixel_format: Literal["auto", "BGR3", "YUYV", "UYVY", "GREY", "MJPG"] = Field(
        default="auto", description="How pixels come: BGR3, YUYV, UYVY, GREY, MJPG, or auto (the first that it has)."
    )
    gain: Whole | None = Field(
        default=None, ge=0, le=65_535, description="Gain in the camera's own unit (0 to 65535); unset: as it is."
    )
    focus: Whole | None = Field(
        default=None, ge=0, le=65_535, description="Focus in the camera's own unit (0 to 65535); unset: as it is."
    )
    latency_ms: Whole = Field(
        default=100,
        ge=0,
        le=5000,
        description="Time from the end of exposure to its time stamp at most, ms (0 to 5000).",
    )


class _GenicamCamera(_Camera):
    serial: Name | None = Field(default=None, description="Serial number of the camera; unset: the only one there is.")
    features: dict[Annotated[str, AfterValidator(_feature_name)], Feature] = Field(
        default={},
        max_length=64,
        description="Further features by SFNC name, set in this order as it is opened; not exposure, gain, trigger.",
    )


class PylonCamera(_GenicamCamera):
    """An industrial camera (GenICam) through Basler's pylon."""

    kind: Literal["pylon"] = Field(description=_KIND)


class AravisCamera(_GenicamCamera):
    """An industrial camera (GenICam) of any maker through Aravis."""

    kind: Literal["aravis"] = Field(description=_KIND)


Camera = Annotated[
    FileCamera | SimulatedCamera | RtspCamera | UvcCamera | PylonCamera | AravisCamera, Field(discriminator="kind")
]
