"""A camera behind a socket: ZeroMQ request and answer, one JSON head, raw BGR pixels behind it.

The other end may be slow, dead, frozen or late; none of it blocks longer than the time-out, and none of it is believed:
an answer is checked field by field, its clock is mapped by `CameraClock`, and a clock that jumped means that the camera
began anew. After a time-out the socket is thrown away, so that a late answer never stands for the next question.

Requests: `{"op": "open"}`, `{"op": "clock"}`, `{"op": "take", "exposure_us", "gain_db", "light", "trigger_id"}`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import zmq

from edge.adapters import sockets
from edge.adapters.camera import CameraClock, CameraCounts, CameraFacts, CameraFrame, CameraLostError, Order, now_us
from edge.errors import CameraError

#: A camera that is there answers its own time at once.
CLOCK_TIMEOUT_MS = 500
OPEN_TIMEOUT_MS = 500
TAKE_TIMEOUT_MS = 2000
#: Round trips at the opening; the tightest of them counts.
NUM_CLOCK_TRIPS = 8
#: No sensor of a nameplate station is larger.
MAX_PIXELS = 100_000_000


class SimulatedCamera:
    """A client of the camera at `address`. The exposure time itself is added to `take_timeout_ms`."""

    def __init__(
        self, address: str, *, take_timeout_ms: int = TAKE_TIMEOUT_MS, context: sockets.Context | None = None
    ) -> None:
        self.counts = CameraCounts()
        self._address = address
        self._take_timeout_ms = take_timeout_ms
        self._context = context
        self._socket: sockets.Socket | None = None
        self._clock = CameraClock()

    def open(self) -> CameraFacts:
        """Connect, ask what it is, and set its clock against ours.

        Raises:
            CameraLostError: when it does not answer, or not as a camera does.
        """
        self.close()
        self._clock.forget()
        head, _ = self._ask({"op": "open"}, OPEN_TIMEOUT_MS)
        for _ in range(NUM_CLOCK_TRIPS):
            self._ask_clock()
        lights = head.get("lights", [])
        return CameraFacts(
            model=str(head.get("model", "")),
            serial=str(head.get("serial", "")),
            lights=tuple(str(light) for light in lights) if isinstance(lights, list) else (),
            exposure_range_us=_range(head.get("exposure_us")),
            live=True,
        )

    def check(self) -> None:
        """Ask for its clock: shows that it lives, and keeps the mapping fresh.

        Raises:
            CameraLostError: when it does not answer, or its clock jumped.
        """
        if not self._ask_clock():
            self.close()
            raise CameraLostError(f"the clock of the camera at {self._address} jumped: it began anew, opening it again")

    def take(self, order: Order) -> CameraFrame:
        """Expose one frame.

        Raises:
            CameraLostError: when it does not answer in time, not as a camera does, or began anew.
            CameraError: when it says that it cannot.
        """
        self.check()
        request = {
            "op": "take",
            "exposure_us": order.exposure_us,
            "gain_db": order.gain_db,
            "light": order.light,
            "trigger_id": order.trigger_id or "",
        }
        head, data = self._ask(request, self._take_timeout_ms + order.exposure_us // 1000)
        received_us = now_us()
        try:
            width_px, height_px, camera_us = int(head["width"]), int(head["height"]), int(head["camera_us"])
            exposure_us, gain_db = int(head["exposure_us"]), float(head["gain_db"])
            light, counter = str(head["light"]), int(head["frame_counter"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._nonsense(f"its frame lacks or garbles {error}") from None
        if min(width_px, height_px) <= 0 or width_px * height_px > MAX_PIXELS:
            raise self._nonsense(f"its frame has {width_px} x {height_px} px, the limit is {MAX_PIXELS} px in all")
        if data is None or len(data) != width_px * height_px * 3:
            has = 0 if data is None else len(data)
            raise self._nonsense(f"its frame of {width_px} x {height_px} px has {has} bytes")
        return CameraFrame(
            encoded=None,
            pixels=np.frombuffer(data, dtype=np.uint8).reshape(height_px, width_px, 3),
            width_px=width_px,
            height_px=height_px,
            camera_us=camera_us,
            exposed_us=self._clock.earliest_us(camera_us),
            received_us=received_us,
            exposure_us=exposure_us,
            gain_db=gain_db,
            light=light,
            counter=counter,
        )

    def close(self) -> None:
        """Throw the connection away."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask_clock(self) -> bool:
        """One round trip for the camera's time; False when its clock jumped."""
        sent_us = now_us()
        head, _ = self._ask({"op": "clock"}, CLOCK_TIMEOUT_MS)
        came_us = now_us()
        try:
            return self._clock.add(sent_us, int(head["camera_us"]), came_us)
        except (KeyError, TypeError, ValueError):
            raise self._nonsense("it does not tell its time") from None

    def _ask(self, request: Mapping[str, Any], timeout_ms: int) -> tuple[dict[str, Any], bytes | None]:
        if self._socket is None:
            self._socket = sockets.open_socket(self._context, zmq.REQ)
            self._socket.connect(self._address)
        try:
            self._socket.send(json.dumps(request).encode(), zmq.NOBLOCK)
            if not self._socket.poll(timeout_ms):
                raise zmq.Again
            head_bytes, *data = self._socket.recv_multipart(zmq.NOBLOCK)
        except zmq.ZMQError:
            self.close()
            raise CameraLostError(
                f"the camera at {self._address} did not answer {request['op']!r} within {timeout_ms} ms: "
                "check its power and cable"
            ) from None
        try:
            head = json.loads(head_bytes)
        except ValueError:
            head = None
        if not isinstance(head, dict):
            raise self._nonsense("its answer is not JSON")
        if "error" in head:
            raise CameraError(f"the camera at {self._address} refused {request['op']!r}: {str(head['error'])[:200]}")
        return head, data[0] if len(data) == 1 else None

    def _nonsense(self, what: str) -> CameraLostError:
        self.close()
        self.counts.malformed += 1
        return CameraLostError(f"the camera at {self._address} does not speak as one: {what}")


def _range(said: object) -> tuple[int, int] | None:
    match said:
        case [int(least), int(most)] if 0 < least <= most:
            return (least, most)
        case _:
            return None
