"""A camera whose lights edge switches: before each frame the one that is asked for, and what is said of it is true.

Promise: a frame says the light that was on while it was exposed. A light that could not be switched gives no frame, but
a `CameraError`: a frame in a light that nobody knows would be judged for another.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from edge.adapters.camera import Camera, CameraCounts, CameraFacts, CameraFrame, Order
from edge.errors import CameraError


class Switch(Protocol):
    """Whoever switches the lights; `edge.adapters.lights_link.LightLink` is one."""

    def switch(self, light: str) -> None:
        """This light on, all others off, or `CameraError`."""

    def close(self) -> None:
        """Let it go."""


class Features(Protocol):
    """What a GenICam camera is asked for; `edge.adapters.camera_genicam.GenicamLink` has it."""

    def choose(self, name: str, value: str) -> bool:
        """Set an enumeration; False where the device has no such feature or no such entry."""

    def switch(self, name: str, *, on: bool) -> bool:
        """Switch a feature on or off; False where the device has none."""


class LineLights:
    """Lights at a camera's own output lines, by the names of SFNC: each is on while the camera exposes, or dark."""

    def __init__(self, link: Features, lines: Mapping[str, str]) -> None:
        self._link, self._lines = link, lines

    def switch(self, light: str) -> None:
        """Let this light flash with the next exposure, and no other.

        Raises:
            CameraError: the camera has no such line, or cannot do that with it.
        """
        for name, line in sorted(self._lines.items(), key=lambda one: one[0] == light):
            if not self._link.choose("LineSelector", line):
                raise CameraError(f"the camera has no line {line} for light {name}: see [lights] lines and its manual")
            self._link.choose("LineMode", "Output")  # a line that is an output by its making has no such feature
            done = self._link.choose("LineSource", "ExposureActive") if name == light else self._darken()
            if not done:
                raise CameraError(
                    f"line {line} of the camera cannot be a light (LineSource = ExposureActive, and Off): "
                    f"wire light {name} to another line, or to a digital output"
                )

    def close(self) -> None:
        """The camera's own link is closed by its camera."""

    def _darken(self) -> bool:
        """A source that is never active: Off, or an output of the user's that is switched off."""
        if self._link.choose("LineSource", "Off"):
            return True
        for output in ("UserOutput0", "UserOutput1"):
            if self._link.choose("UserOutputSelector", output) and self._link.switch("UserOutputValue", on=False):
                return self._link.choose("LineSource", output)
        return False


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
