"""One rig for each kind of camera: the camera, and the hand that unplugs, freezes and damages it.

A rig has what its camera can do; `tests/adapters/test_camera_contract.py` holds all of them to the same promises.
Servers are real (GStreamer's RTSP server, Aravis' fake GigE camera, pylon's emulator); the USB camera is a fake.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.adapters import camera_v4l2 as v4l2
from edge.adapters.camera import Camera, CameraFrame
from edge.adapters.camera_aravis import AravisLink
from edge.adapters.camera_file import FileCamera
from edge.adapters.camera_genicam import GenicamCamera
from edge.adapters.camera_pylon import PylonLink
from edge.adapters.camera_rtsp import RtspSource
from edge.adapters.camera_simulated import SimulatedCamera
from edge.adapters.camera_stream import StreamCamera
from edge.adapters.camera_uvc import UvcSource
from tests.cameras import CameraServer
from tests.video_device import VideoCamera

PATIENCE_S = 30.0
SERIAL = "EDGE-7"


class Rig:
    """What every rig has; one that lacks a fault does not override it, and is not asked for it."""

    #: Whether the camera exposes only when it is told, and how often it did.
    triggered = False
    sets_exposure = False
    camera: Camera

    def __init__(self, folder: Path) -> None:
        """Switch everything on; `folder` is empty and the rig's own."""

    def close(self) -> None:
        """Switch everything off."""

    def truth_us(self, frame: CameraFrame) -> int | None:
        """When what the frame shows was exposed, by the host's clock; None where nothing shows it."""
        return None

    def exposure_us(self) -> int:
        """What the camera itself is set to."""
        raise NotImplementedError

    def exposures(self) -> int:
        """How often it exposed."""
        raise NotImplementedError

    def hold(self) -> None:
        """From now on no frame comes, though the camera is there."""
        raise NotImplementedError

    def release(self) -> None:
        """Frames come again, those that were held first."""

    def lose(self) -> None:
        """Pull the plug."""
        raise NotImplementedError

    def bring_back(self) -> None:
        """Plug it in again."""

    def freeze(self) -> None:
        """The same picture again and again."""
        raise NotImplementedError

    def thaw(self) -> None:
        """Look again."""

    def damage(self) -> None:
        """The next frame is damaged on its way."""
        raise NotImplementedError


class FileRig(Rig):
    """A folder of drawn files."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._away = folder / "frames", folder / "away"
        self._folder.mkdir()
        for number in range(3):
            cv2.imwrite(str(self._folder / f"{number}.png"), np.full((24, 40, 3), 60 + number, dtype=np.uint8))
        self.camera = FileCamera(self._folder)

    def lose(self) -> None:
        """The folder is gone."""
        self._folder.rename(self._away)

    def bring_back(self) -> None:
        """The folder is there again."""
        self._away.rename(self._folder)

    def damage(self) -> None:
        """The next file is none."""
        for path in self._folder.iterdir():
            path.write_bytes(b"not a frame")


class SimulatedRig(Rig):
    """The simulator's camera."""

    triggered = sets_exposure = True

    def __init__(self, folder: Path) -> None:
        self._address = f"ipc://{folder}/camera.sock"
        self._server = CameraServer(self._address)
        self.camera = SimulatedCamera(self._address, take_timeout_ms=500)

    def close(self) -> None:
        """Switch the server off."""
        self._server.close()

    def truth_us(self, frame: CameraFrame) -> int | None:
        """Its clock is the host's with an offset."""
        assert frame.camera_us is not None
        return frame.camera_us - self._server.clock_offset_us

    def exposure_us(self) -> int:
        """What it was asked for last."""
        return int([asked for asked in self._server.asked if asked["op"] == "take"][-1]["exposure_us"])

    def exposures(self) -> int:
        """Its own count."""
        return self._server.counter

    def hold(self) -> None:
        """It never answers a take."""
        self._server.fault = lambda request, head: None if request["op"] == "take" else head

    def release(self) -> None:
        """It answers."""
        self._server.fault = lambda _request, head: head

    def lose(self) -> None:
        """Switch it off."""
        self._server.close()

    def bring_back(self) -> None:
        """Switch it on."""
        self._server = CameraServer(self._address, seed=time.monotonic_ns() % 10_000)

    def freeze(self) -> None:
        """Its noise stands."""
        self._server.frozen = True

    def thaw(self) -> None:
        """Its noise goes on."""
        self._server.frozen = False

    def damage(self) -> None:
        """It says a size that its bytes do not have."""
        left = [1]

        def fault(request: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
            if request["op"] != "take" or not left:
                return head
            left.pop()
            return head | {"width": 65}

        self._server.fault = fault


class Proxy:
    """A TCP connection through which a test can reach: hold it, cut it, damage or drop its RTP packets."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        self.num_garbled = self.num_dropped = 0
        self.listen()

    def listen(self, port: int = 0) -> None:
        """Accept clients."""
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def hold(self) -> None:
        """What the server sends stays here."""
        self._open.clear()

    def release(self) -> None:
        """And goes on, the oldest first."""
        self._open.set()

    def cut(self) -> None:
        """Close everything; nobody listens."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._sockets = []
        self.release()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to_port))
                self._sockets += [client, server]
                for work in ((self._up, client, server), (self._down, server, client)):
                    threading.Thread(target=work[0], args=work[1:], daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for part in _parts(server):
                self._open.wait()
                if part[:1] == b"$" and len(part) > 400 and self.num_dropped > 0:
                    self.num_dropped -= 1
                    continue
                garble = part[:1] == b"$" and len(part) > 400 and self.num_garbled > 0
                self.num_garbled -= garble
                client.sendall(part[:60] + os.urandom(len(part) - 60) if garble else part)


def _parts(server: socket.socket) -> Iterator[bytes]:
    """RTSP answers and interleaved packets, each whole."""
    data = b""
    while more := server.recv(65536):
        data += more
        while len(data) >= 4:
            if data[:1] == b"$":
                size = 4 + int.from_bytes(data[2:4], "big")
            else:
                head = data.partition(b"\r\n\r\n")[0]
                lengths = [
                    line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-len")
                ]
                size = len(head) + 4 + (int(lengths[0]) if lengths else 0)
            if len(data) < size:
                break
            yield data[:size]
            data = data[size:]


class RtspServer:
    """GStreamer's server in a process of its own."""

    def __init__(self, *credentials: str) -> None:
        command = ["/usr/bin/python3", "tests/rtsp_server.py", *credentials]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "no RTSP server: apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-ugly"
        self.port = int(line)

    def tell(self, word: str) -> None:
        """One word to its film."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)
        self._process.stdout.close()


def shown_us(frame: CameraFrame) -> int:
    """When a frame of `tests/rtsp_server.py` was drawn: 48 squares of 16 px, black or white."""
    assert frame.pixels is not None
    bits = [
        frame.pixels[row * 16 + 4 : row * 16 + 12, column * 16 + 4 : column * 16 + 12].mean() > 128
        for row in range(3)
        for column in range(16)
    ]
    return sum(int(bit) << at for at, bit in enumerate(bits))


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


class PylonRig(Rig):
    """Basler's emulator, inside pypylon."""

    triggered = sets_exposure = True

    def __init__(self, folder: Path) -> None:
        os.environ["PYLON_CAMEMU"] = "1"
        # pylon wakes its threads by SIGALRM (its own handler, unless somebody sets another, as pytest-timeout does).
        signal.signal(signal.SIGALRM, lambda *_: None)
        self._folder = folder
        self._link = PylonLink(None)
        self.camera = GenicamCamera(self._link, take_timeout_ms=1000)

    @property
    def device(self) -> Any:
        """Pylon's own object."""
        return self._link._camera

    def exposure_us(self) -> int:
        """The feature's value."""
        return int(self.device.ExposureTime.GetValue())

    def exposures(self) -> int:
        """Buffers that came, by pylon's count."""
        return int(self.device.GetStreamGrabberNodeMap().GetNode("Statistic_Total_Buffer_Count").GetValue())

    def hold(self) -> None:
        """A frame takes longer than anybody waits: the emulator's takes 4 ms or more."""
        self.camera._take_timeout_ms = 1  # type: ignore[attr-defined]

    def release(self) -> None:
        """There is time again."""
        self.camera._take_timeout_ms = 1000  # type: ignore[attr-defined]

    def lose(self) -> None:
        """The device is destroyed, and none can be found."""
        self.device.DestroyDevice()
        os.environ["PYLON_CAMEMU"] = "0"

    def bring_back(self) -> None:
        """It can be found again."""
        os.environ["PYLON_CAMEMU"] = "1"

    def freeze(self) -> None:
        """One image file in the place of the moving test image."""
        picture = self._folder / "still.png"
        noise = np.random.default_rng(2).integers(0, 255, (1040, 1024), dtype=np.uint8)
        cv2.imwrite(str(picture), noise)
        self._link.end()
        self.device.ImageFilename.SetValue(str(picture))
        self.device.TestImageSelector.SetValue("Off")
        self.device.ImageFileMode.SetValue("On")
        self._link.begin()

    def thaw(self) -> None:
        """The moving test image."""
        self._link.end()
        self.device.ImageFileMode.SetValue("Off")
        self.device.TestImageSelector.SetValue("Testimage2")
        self._link.begin()

    def damage(self) -> None:
        """The emulator fails one buffer."""
        self.device.ForceFailedBufferCount.SetValue(1)
        self.device.ForceFailedBuffer.Execute()


class FakeGigE:
    """Aravis' fake GigE Vision camera in a process of its own. `lost`: packets lost of 1000."""

    def __init__(self, lost: int = 0) -> None:
        command = [sys.executable, "tests/gige_camera.py", SERIAL, str(lost)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "."}
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said == "running\n", f"no fake GigE camera ({said!r}): apt-get install libaravis-0.8-0"

    def close(self) -> None:
        """Switch it off."""
        self._process.kill()
        self._process.communicate()


class AravisRig(Rig):
    """A GigE Vision camera through Aravis."""

    triggered = sets_exposure = True

    def __init__(self, _folder: Path) -> None:
        self._device = FakeGigE()
        self._link = AravisLink(SERIAL)
        self.camera = GenicamCamera(self._link, take_timeout_ms=1000)

    def close(self) -> None:
        """Switch it off."""
        self._device.close()

    def truth_us(self, frame: CameraFrame) -> int | None:
        """Its clock is the host's CLOCK_REALTIME."""
        assert frame.camera_us is not None
        return frame.camera_us - (time.time_ns() - time.monotonic_ns()) // 1000

    def exposure_us(self) -> int:
        """The feature's value, asked for over the network."""
        return round(self._link.number("ExposureTimeAbs"))

    def hold(self) -> None:
        """A frame takes longer than anybody waits."""
        self.camera._take_timeout_ms = 1  # type: ignore[attr-defined]

    def release(self) -> None:
        """There is time again."""
        self.camera._take_timeout_ms = 1000  # type: ignore[attr-defined]

    def lose(self) -> None:
        """Its power is off."""
        self._device.close()

    def bring_back(self) -> None:
        """Its power is on."""
        self._device = FakeGigE()


RIGS: dict[str, type[Rig]] = {
    "file": FileRig,
    "simulated": SimulatedRig,
    "rtsp": RtspRig,
    "uvc": UvcRig,
    "pylon": PylonRig,
    "aravis": AravisRig,
}
