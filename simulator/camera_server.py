"""Plays the camera: answers over ZeroMQ what a real one would, and fails in the ways that real ones do.

One REP socket. Requests are JSON: {"op": "open"}, {"op": "clock"}, {"op": "take", "exposure_us", "gain_db", "light",
"trigger_id"}; a take is answered with a JSON head and the raw BGR bytes, anything wrong with {"error": sentence}.
The camera has its own clock, which began at another time than the PC's and runs a little fast, as real ones do.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

import zmq

from simulator.material import Picture
from simulator.optics import LIGHTS, Sensor, Settings
from simulator.scenes import TakeScript

EXPOSURE_RANGE_US = (50, 50_000)
_CLOCK_START_US = 5_000_000
#: 20 parts in a million: a good crystal.
_CLOCK_RATE = 1.00002

#: Told of each take that was asked for, before it is answered: (trigger id, take number of this view).
OnTake = Callable[[str, int], None]


class Shown(Protocol):
    """What stands in front of the camera: a part of a scene, or of a recording."""

    num_takes: int

    def script(self, number: int) -> TakeScript:
        """How the camera behaves in this take."""

    def hold_ms(self, number: int) -> int:
        """How long the camera waits in this take."""

    def take(self, settings: Settings, counter: int) -> tuple[Picture, TakeScript]:
        """Expose the next take; the frame, and how the camera behaves."""


class CameraServer:
    """A camera at an address; `show` puts a part in front of it. Runs as a thread of its own."""

    def __init__(self, address: str, sensor: Sensor | None = None, on_take: OnTake | None = None) -> None:
        self.address = address
        self.sensor = sensor or Sensor(1280, 800)
        self.num_frames = 0
        self._on_take = on_take
        self._view: Shown | None = None
        self._last: Picture | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._born_us = time.monotonic_ns() // 1000
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bind and serve until `stop`."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), name="camera", daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise OSError(f"The simulated camera could not bind {self.address}; is another one running there?")

    def stop(self) -> None:
        """Stop serving and free the address."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(10)

    def show(self, view: Shown | None) -> None:
        """Put this part in front of the camera; with None it refuses to take frames."""
        with self._lock:
            self._view = view

    @property
    def now_us(self) -> int:
        """The camera's own time."""
        return _CLOCK_START_US + round((time.monotonic_ns() // 1000 - self._born_us) * _CLOCK_RATE)

    def _serve(self, ready: threading.Event) -> None:
        context = zmq.Context()
        socket = context.socket(zmq.REP)
        socket.setsockopt(zmq.LINGER, 0)
        try:
            socket.bind(self.address)
            ready.set()
            while not self._stopping.is_set():
                if not socket.poll(50):
                    continue
                answer = self._answer(socket.recv())
                if answer is None:
                    # A dead camera: the question is never answered. A REP socket must be made anew to forget it.
                    socket.close()
                    socket = context.socket(zmq.REP)
                    socket.setsockopt(zmq.LINGER, 0)
                    socket.bind(self.address)
                else:
                    socket.send_multipart(answer)
        finally:
            socket.close()
            context.term()

    def _answer(self, request: bytes) -> list[bytes] | None:
        """The frames of the answer; None where the camera is dead."""
        with self._lock:
            view = self._view
        if view is not None and view.script(view.num_takes + 1).camera == "dead":
            return None
        try:
            asked = json.loads(request)
            op = asked["op"]
            if op == "open":
                return [_json(self._facts())]
            if op == "clock":
                return [_json({"camera_us": self.now_us})]
            if op == "take":
                settings = Settings(int(asked["exposure_us"]), float(asked.get("gain_db", 0.0)), str(asked["light"]))
                return self._take(view, settings, str(asked.get("trigger_id", "")))
        except (ValueError, KeyError, TypeError) as error:
            return [_json({"error": f"the request is not understood: {error!r}"})]
        return [_json({"error": f"unknown op {op!r}; known are open, clock, take"})]

    def _facts(self) -> dict[str, Any]:
        return {
            "camera_us": self.now_us,
            "model": "SIM-CAM 1",
            "serial": "0001",
            "lights": list(LIGHTS),
            "exposure_us": list(EXPOSURE_RANGE_US),
        }

    def _take(self, view: Shown | None, settings: Settings, trigger_id: str) -> list[bytes]:
        """Expose, or do what the scene says instead."""
        least, most = EXPOSURE_RANGE_US
        if not least <= settings.exposure_us <= most:
            return [_json({"error": f"exposure {settings.exposure_us} us is outside of {least} to {most}"})]
        if settings.light not in LIGHTS:
            return [_json({"error": f"no light {settings.light!r}; there are {', '.join(LIGHTS)}"})]
        if view is None:
            return [_json({"error": "the lens cap is on: no part was ever put in front of the camera"})]
        if self._on_take is not None:
            self._on_take(trigger_id, view.num_takes + 1)
        exposed_us = self.now_us
        self.num_frames += 1
        frame, script = view.take(settings, self.num_frames)
        if script.camera == "refusing":
            return [_json({"error": "the sensor is too hot"})]
        if script.camera == "frozen" and self._last is not None:
            frame = self._last
        if script.camera == "late":
            exposed_us -= script.late_ms * 1000
        wait_ms = script.delay_ms + view.hold_ms(view.num_takes)
        self._stopping.wait(settings.exposure_us / 1e6 + wait_ms / 1000)
        self._last = frame
        head = {
            "camera_us": exposed_us,
            "exposure_us": settings.exposure_us,
            "gain_db": settings.gain_db,
            "light": settings.light,
            "width": frame.shape[1],
            "height": frame.shape[0],
            "frame_counter": self.num_frames,
        }
        return [_json(head), frame.tobytes()]


def _json(head: dict[str, Any]) -> bytes:
    return json.dumps(head).encode()
