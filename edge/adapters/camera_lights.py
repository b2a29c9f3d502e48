"""A camera whose lights edge switches: before each frame the one that is asked for, and what is said of it is true.

Promise: a frame says the light that was on while it was exposed. A light that could not be switched gives no frame, but
a `CameraError`: a frame in a light that nobody knows would be judged for another.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from edge.adapters.camera import Camera, CameraCounts, CameraFacts, CameraFrame, Order


class Switch(Protocol):
    """Whoever switches the lights; `edge.adapters.lights_link.LightLink` is one."""

    def switch(self, light: str) -> None:
        """This light on, all others off, or `CameraError`."""

    def close(self) -> None:
        """Let it go."""


class LitCamera:
    """A camera with lights beside it."""

    def __init__(self, camera: Camera, switch: Switch, lights: Sequence[str], *, settle_ms: int) -> None:
        self._camera, self._switch = camera, switch
        self._lights, self._settle_s = tuple(lights), settle_ms / 1000
        self._on: str | None = None

    @property
    def counts(self) -> CameraCounts:
        """What the camera did not give so far."""
        return self._camera.counts

    def open(self) -> CameraFacts:
        """Open the camera; its lights are those beside it."""
        self._on = None
        return replace(self._camera.open(), lights=self._lights)

    def check(self) -> None:
        """Make sure that the camera still answers."""
        self._camera.check()

    def take(self, order: Order) -> CameraFrame:
        """Switch the light, let it settle where it was another, expose.

        Raises:
            CameraError: the light could not be switched; or what the camera raises.
        """
        was, self._on = self._on, None
        self._switch.switch(order.light)
        if order.light != was:
            time.sleep(self._settle_s)
        self._on = order.light
        return replace(self._camera.take(order), light=order.light)

    def close(self) -> None:
        """Let the camera go."""
        self._camera.close()
