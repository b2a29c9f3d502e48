"""Rigs of cameras whose frames are drawn: a folder of files, and the simulator's camera."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.adapters.camera import CameraFrame
from edge.adapters.camera_file import FileCamera
from edge.adapters.camera_simulated import SimulatedCamera
from tests.camera_rigs.rig import Rig
from tests.cameras import CameraServer


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
