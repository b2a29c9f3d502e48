"""Rigs of industrial cameras (GenICam): pylon's emulator, and Aravis' fake GigE Vision camera."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.adapters.camera import CameraFrame
from edge.adapters.camera_aravis import AravisLink
from edge.adapters.camera_genicam import GenicamCamera
from edge.adapters.camera_pylon import PylonLink
from tests.camera_rigs.rig import Rig

SERIAL = "EDGE-7"


class GenicamRig(Rig):
    """A camera that is triggered by software, whatever SDK speaks to it."""

    triggered = sets_exposure = True
    camera: GenicamCamera

    def hold(self) -> None:
        """A frame takes longer than anybody waits: pylon's emulator takes 4 ms or more."""
        self.camera._take_timeout_ms = 1

    def release(self) -> None:
        """There is time again."""
        self.camera._take_timeout_ms = 1000


class PylonRig(GenicamRig):
    """Basler's emulator, inside pypylon."""

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
    """Aravis' fake GigE Vision camera in a process of its own. `lost`: packets lost of 1000.

    All of them answer at one port of the loopback, and of two the kernel gives each datagram to either: whoever has
    one keeps others waiting until `close`, those of tests in other processes too.
    """

    def __init__(self, lost: int = 0) -> None:
        self._lost = lost
        self._port = (Path(tempfile.gettempdir()) / f"edge-gige-port-{os.getuid()}").open("w")
        fcntl.flock(self._port, fcntl.LOCK_EX)
        self.switch_on()

    def switch_on(self) -> None:
        """It answers once this returns."""
        command = [sys.executable, "tests/gige_camera.py", SERIAL, str(self._lost)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "."}
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said == "running\n", f"no fake GigE camera ({said!r}): apt-get install libaravis-0.8-0"

    def switch_off(self) -> None:
        """Its power is off; the port stays this one's."""
        self._process.kill()
        self._process.communicate()

    def close(self) -> None:
        """Off for good: another may be switched on."""
        self.switch_off()
        self._port.close()


class AravisRig(GenicamRig):
    """A GigE Vision camera through Aravis."""

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

    def lose(self) -> None:
        """Its power is off."""
        self._device.switch_off()

    def bring_back(self) -> None:
        """Its power is on."""
        self._device.switch_on()
