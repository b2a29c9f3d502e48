"""What every rig of a camera has: the camera, and the hand that unplugs, freezes and damages it.

There is one rig for each kind of camera, which has what its camera can do; `tests/adapters/test_camera_contract.py`
holds all of them to the same promises. Servers are real (GStreamer's RTSP server, Aravis' fake GigE camera, pylon's
emulator); the USB camera is a fake.
"""

from __future__ import annotations

from pathlib import Path

from edge.adapters.camera import Camera, CameraFrame

PATIENCE_S = 30.0


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
