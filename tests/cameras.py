"""Cameras for tests, with memory: one that is called, one behind a socket; each with every fault it may have."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zmq

from edge.adapters import sockets
from edge.adapters.camera import CameraCounts, CameraFacts, CameraFrame, CameraLostError, Order, Pixels, now_us

Head = dict[str, Any]


@dataclass
class FakeCamera:
    """A camera with memory: what it was ordered; it raises, blocks or repeats as it is told."""

    live: bool = True
    orders: list[Order] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    open_problem: Exception | None = None
    problem: Exception | None = None
    frozen: bool = False
    late_us: int = 0
    counts: CameraCounts = field(default_factory=CameraCounts)
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        self.noise = np.random.default_rng(3)
        self.pixels = self._look()

    def open(self) -> CameraFacts:
        """Say what it is, or raise the open problem."""
        self.opened += 1
        if self.open_problem is not None:
            raise self.open_problem
        return CameraFacts("FAKE", "OMINOUS-1", ("normal", "diffuse"), (100, 5_000), self.live)

    def check(self) -> None:
        """Raise when it is lost."""
        if isinstance(self.problem, CameraLostError):
            raise self.problem

    def take(self, order: Order) -> CameraFrame:
        """Look, as soon as the gate is open."""
        self.orders.append(order)
        exposed_us = now_us() - self.late_us
        self.entered.set()
        self.gate.wait()
        if self.problem is not None:
            raise self.problem
        if not self.frozen:
            self.pixels = self._look()
        return CameraFrame(
            encoded=None,
            pixels=self.pixels,
            width_px=40,
            height_px=24,
            camera_us=exposed_us,
            exposed_us=exposed_us,
            received_us=now_us(),
            exposure_us=order.exposure_us,
            gain_db=order.gain_db,
            light=order.light,
            counter=len(self.orders),
        )

    def close(self) -> None:
        """Count the closings."""
        self.closed += 1

    def _look(self) -> Pixels:
        return self.noise.integers(0, 255, (24, 40, 3), dtype=np.uint8)


class CameraServer:
    """Answers on `address` until closed. `fault` may change or swallow (None) any answer: (request, head) -> head."""

    def __init__(self, address: str, *, width_px: int = 64, height_px: int = 48, seed: int = 5) -> None:
        self.asked: list[Head] = []
        self.fault: Callable[[Head, Head], Head | bytes | None] = lambda _request, head: head
        self.frozen = False
        self.clock_offset_us = 77_000_000
        self.counter = 0
        self._width_px, self._height_px = width_px, height_px
        self._noise = np.random.default_rng(seed)
        self._pixels = b""
        self._address = address
        self._stop = threading.Event()
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._bound.wait(10)

    def now_us(self) -> int:
        """The camera's own clock."""
        return time.monotonic_ns() // 1000 + self.clock_offset_us

    def close(self) -> None:
        """Switch it off."""
        self._stop.set()
        self._thread.join(10)

    def _serve(self) -> None:
        context = zmq.Context()
        socket = self._bind(context)
        self._bound.set()
        while not self._stop.is_set():
            if not socket.poll(20):
                continue
            request = json.loads(socket.recv())
            self.asked.append(request)
            head = self.fault(request, self._head(request))
            if head is None:  # it never answers this one; a new socket listens to the next
                socket.close()
                socket = self._bind(context)
            elif isinstance(head, bytes):
                socket.send(head)
            else:
                with_pixels = request["op"] == "take" and "error" not in head
                socket.send_multipart([json.dumps(head).encode()] + ([self._pixels] if with_pixels else []))
        socket.close()
        context.term()

    def _bind(self, context: sockets.Context) -> sockets.Socket:
        socket = sockets.open_socket(context, zmq.REP)
        for _ in range(500):
            try:
                socket.bind(self._address)
            except zmq.ZMQError:
                time.sleep(0.01)
            else:
                break
        return socket

    def _head(self, request: Head) -> Head:
        if request["op"] == "open":
            return {
                "camera_us": self.now_us(),
                "model": "SIM-2300",
                "serial": "OMINOUS-7",
                "lights": ["normal", "off_axis", "diffuse"],
                "exposure_us": [50, 20_000],
            }
        if request["op"] == "clock":
            return {"camera_us": self.now_us()}
        if not self.frozen or not self._pixels:
            shape = (self._height_px, self._width_px, 3)
            self._pixels = self._noise.integers(0, 255, shape, dtype=np.uint8).tobytes()
        self.counter += 1
        return {
            "camera_us": self.now_us(),
            "exposure_us": request["exposure_us"],
            "gain_db": request["gain_db"],
            "light": request["light"],
            "width": self._width_px,
            "height": self._height_px,
            "frame_counter": self.counter,
        }
