"""Basler cameras, and others that pylon knows, through pypylon (the extra `genicam`): GigE, USB3, and pylon's emulator.

Only the link: what a frame is worth is decided in `camera_genicam`. pypylon is driven by its plain calls from one
thread; no grab-loop thread, no callbacks.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from edge.adapters.camera import CameraLostError
from edge.adapters.camera_genicam import GenicamBuffer, choose_serial
from edge.adapters.camera_pixels import PFNC_NAMES
from edge.errors import CameraError, ConfigError

#: Enough for a frame under way and one that came late; `GenicamCamera` takes one at a time.
NUM_BUFFERS = 3
#: Chunk features of one frame by what they tell; the first that is there counts.
_CHUNK_EXPOSURE = ("ChunkExposureTime",)
_CHUNK_GAIN = ("ChunkGain",)
_CHUNK_ID = ("ChunkFrameID", "ChunkFramecounter", "ChunkCounterValue")
_CHUNK_STAMP = ("ChunkTimestamp",)


class PylonLink:
    """The camera of this serial number; without one, the only camera that pylon finds.

    Raises:
        ConfigError: pypylon is not installed.
    """

    def __init__(self, serial: str | None) -> None:
        self._serial = serial
        self._camera: Any = None
        self._pylon: Any = _import_pylon()

    def connect(self) -> tuple[str, str]:
        """Find the device and open it.

        Raises:
            CameraLostError: it is not found, or used by another program.
        """
        factory = self._pylon.TlFactory.GetInstance()
        with self._told("be found"):
            found = {str(one.GetSerialNumber()): one for one in factory.EnumerateDevices()}
        serial = choose_serial(self._serial, sorted(found), "pylon")
        with self._told("be opened"):
            self._camera = self._pylon.InstantCamera(factory.CreateDevice(found[serial]))
            self._camera.Open()
        return str(found[serial].GetModelName()), serial

    def has(self, name: str) -> bool:
        """Whether the feature can be read and set now."""
        return self._node(name, "RW") is not None

    def number(self, name: str) -> float:
        """A feature's number."""
        with self._told(f"say its {name}"):
            return float(self._needed(name).GetValue())

    def bounds(self, name: str) -> tuple[float, float]:
        """Least and most of a feature."""
        with self._told(f"say the bounds of {name}"):
            node = self._needed(name)
            return float(node.GetMin()), float(node.GetMax())

    def set_number(self, name: str, value: float) -> None:
        """Set a feature; a whole one to the nearest whole number."""
        with self._told(f"set {name} to {value:g}"):
            node = self._needed(name)
            is_whole = isinstance(node, self._pylon.genicam.IInteger)
            node.SetValue(round(value) if is_whole else float(value))

    def choose(self, name: str, value: str) -> bool:
        """Set an enumeration, where it has this entry."""
        with self._told(f"set {name} to {value}"):
            node = self._node(name, "RW")
            if node is None or value not in node.GetSymbolics():
                return False
            node.FromString(value)
            return True

    def switch(self, name: str, *, on: bool) -> bool:
        """Switch a feature on or off."""
        with self._told(f"switch {name} {'on' if on else 'off'}"):
            node = self._node(name, "RW")
            if node is not None:
                node.SetValue(on)
            return node is not None

    def write(self, name: str, value: str) -> None:
        """Set a feature from its text."""
        with self._told(f"set {name} to {value}"):
            self._needed(name).FromString(value)

    def begin(self) -> None:
        """Begin the acquisition, oldest buffer first."""
        with self._told("begin to expose"):
            self._camera.MaxNumBuffer.SetValue(NUM_BUFFERS)
            self._camera.StartGrabbing(self._pylon.GrabStrategy_OneByOne)

    def end(self) -> None:
        """End the acquisition; pylon drops its buffers."""
        with self._told("stop exposing"):
            self._camera.StopGrabbing()

    def wait_ready(self, timeout_ms: int) -> bool:
        """Ask the camera whether a trigger would be taken; True where it cannot say."""
        with self._told("say whether it is ready"):
            if not self._camera.CanWaitForFrameTriggerReady():
                return True
            return bool(self._camera.WaitForFrameTriggerReady(timeout_ms, self._pylon.TimeoutHandling_Return))

    def trigger(self) -> None:
        """Order one exposure."""
        with self._told("take a trigger"):
            self._camera.ExecuteSoftwareTrigger()

    def grab(self, timeout_ms: int) -> GenicamBuffer | None:
        """The oldest buffer, copied."""
        with self._told("give a frame"):
            result = self._camera.RetrieveResult(timeout_ms, self._pylon.TimeoutHandling_Return)
            if not result.IsValid():
                return None
            try:
                return self._buffer(result)
            finally:
                result.Release()

    def close(self) -> None:
        """Close the device."""
        camera, self._camera = self._camera, None
        if camera is not None:
            with contextlib.suppress(Exception):  # the driver of a device that is gone may raise anything
                camera.Close()
            with contextlib.suppress(Exception):
                camera.DestroyDevice()

    def _buffer(self, result: Any) -> GenicamBuffer:
        stamp = self._chunk(result, _CHUNK_STAMP)
        counter = self._chunk(result, _CHUNK_ID)
        if not result.GrabSucceeded():
            description = str(result.GetErrorDescription()).rstrip(".") or f"error {result.GetErrorCode():#x}"
            return GenicamBuffer(description, b"", "", 0, 0, frame_id=int(result.GetBlockID()))
        width_px, height_px, code = int(result.GetWidth()), int(result.GetHeight()), int(result.GetPixelType())
        has_stride, stride = result.GetStride()
        return GenicamBuffer(
            problem="",
            data=bytes(result.GetBuffer()),
            pixel_format=PFNC_NAMES.get(code, f"{code:#010x}"),
            width_px=width_px,
            height_px=height_px,
            row_bytes=int(stride) if has_stride else 0,
            frame_id=int(result.GetBlockID() if counter is None else counter),
            camera_ns=int(stamp) if stamp is not None else int(result.GetTimeStamp()) or None,
            exposure_us=self._chunk(result, _CHUNK_EXPOSURE),
            gain_db=self._chunk(result, _CHUNK_GAIN),
        )

    @staticmethod
    def _chunk(result: Any, names: tuple[str, ...]) -> float | None:
        if not result.IsChunkDataAvailable():
            return None
        for name in names:
            node = result.GetChunkNode(name)
            if node is not None and node.IsReadable():
                return float(node.GetValue())
        return None

    def _node(self, name: str, needs: str) -> Any | None:
        """A feature of the device, where it can be used so: R to read, W to set."""
        if self._camera is None:
            raise CameraLostError(f"{self._name()} is not open")
        node = self._camera.GetNodeMap().GetNode(name)
        if node is None or ("R" in needs and not node.IsReadable()) or ("W" in needs and not node.IsWritable()):
            return None
        return node

    def _needed(self, name: str) -> Any:
        node = self._node(name, "R")
        if node is None:
            raise CameraError(f"{self._name()} has no {name}")
        return node

    @contextlib.contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """What pylon raises as this camera's failure: lost where the device is gone, else its refusal."""
        try:
            yield
        except self._pylon.genicam.GenericException as error:
            said = " ".join(str(error).split(" : ")[0].split())[:200]
            sentence = f"{self._name()} cannot {doing} ({said})"
            if self._is_gone():
                raise CameraLostError(
                    f"{sentence}: check its power and cable, and that no other program uses it"
                ) from None
            raise CameraError(sentence) from None

    def _is_gone(self) -> bool:
        try:
            return self._camera is None or not self._camera.IsOpen() or bool(self._camera.IsCameraDeviceRemoved())
        except self._pylon.genicam.GenericException:
            return True

    def _name(self) -> str:
        return f"camera {self._serial}" if self._serial else "the camera"


def _import_pylon() -> Any:
    try:
        with warnings.catch_warnings():
            # From Python 3.12 on, SWIG's own types are deprecated, in every module that it makes.
            warnings.simplefilter("ignore", DeprecationWarning)
            from pypylon import genicam, pylon  # noqa: PLC0415 - an SDK is imported where it is opened
    except ImportError:
        raise ConfigError(
            "a camera of kind pylon needs the extra genicam: pip install 'edge-inspection[genicam]'"
        ) from None
    pylon.genicam = genicam
    return pylon
