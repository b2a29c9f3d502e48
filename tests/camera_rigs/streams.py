"""Rigs of cameras that film all the time: a network camera, and a USB camera."""

from __future__ import annotations

from pathlib import Path

from edge.adapters import camera_v4l2 as v4l2
from edge.adapters.camera import CameraFrame
from edge.adapters.camera_rtsp import RtspSource
from edge.adapters.camera_stream import StreamCamera
from edge.adapters.camera_uvc import UvcSource
from tests.camera_rigs.rig import Rig
from tests.camera_rigs.rtsp import Proxy, RtspServer, shown_us
from tests.video_device import VideoCamera


class RtspRig(Rig):
    """A network camera behind a proxy. `latency_ms` is far above what was measured here, 140 ms."""

    def __init__(self, _folder: Path) -> None:
        self._server = RtspServer()
        self.proxy = Proxy(self._server.port)
        source = RtspSource(f"rtsp://127.0.0.1:{self.proxy.port}/live", latency_ms=500, exposure_us=4000, gain_db=3.0)
        self.camera = StreamCamera(source, take_timeout_ms=3000, silent_after_s=1.5)

    def close(self) -> None:
        """End server and proxy."""
        self.proxy.cut()
        self._server.close()

    def truth_us(self, frame: CameraFrame) -> int | None:
        """When it was drawn stands in the frame."""
        return shown_us(frame)

    def hold(self) -> None:
        """The network stalls."""
        self.proxy.hold()

    def release(self) -> None:
        """And gives everything at once."""
        self.proxy.release()

    def lose(self) -> None:
        """Its cable is out."""
        self.proxy.cut()

    def bring_back(self) -> None:
        """It is in again."""
        self.proxy.listen(self.proxy.port)

    def freeze(self) -> None:
        """Its sensor stands, its encoder goes on."""
        self._server.tell("freeze")

    def thaw(self) -> None:
        """It looks again."""
        self._server.tell("go")

    def damage(self) -> None:
        """Packets are damaged."""
        self.proxy.num_garbled = 4


class UvcRig(Rig):
    """A USB camera, a fake below the kernel's interface."""

    sets_exposure = True

    def __init__(self, _folder: Path) -> None:
        self.device = VideoCamera()
        source = UvcSource(
            Path("/dev/v4l/by-id/usb-Maker_Plate_Camera_7-video-index0"),
            width_px=64,
            height_px=48,
            pixel_format="auto",
            latency_ms=10,
            gain=3,
            focus=120,
            open_device=self.device.open,
        )
        self.camera = StreamCamera(source, take_timeout_ms=1000, silent_after_s=1.0)

    def truth_us(self, frame: CameraFrame) -> int | None:
        """When it was exposed stands in its first bytes."""
        assert frame.pixels is not None
        return int.from_bytes(frame.pixels.tobytes()[:8], "little")

    def exposure_us(self) -> int:
        """What its register says."""
        return int(self.device.controls[v4l2.EXPOSURE_ABSOLUTE]) * v4l2.EXPOSURE_UNIT_US

    def hold(self) -> None:
        """Its sensor stops."""
        self.device.silent = True

    def release(self) -> None:
        """It goes on, with what it did not send first."""
        self.device.silent = False

    def lose(self) -> None:
        """Unplug it."""
        self.device.plugged = False

    def bring_back(self) -> None:
        """Plug it in."""
        self.device.plugged = True

    def freeze(self) -> None:
        """The same bytes again."""
        self.device.frozen = True

    def thaw(self) -> None:
        """It looks again."""
        self.device.frozen, self.device.pixels = False, b""

    def damage(self) -> None:
        """The driver marks frames as damaged."""
        self.device.num_damaged = 5
