"""A light for a frame: the capture process asks, the signals process switches, the answer comes when it is on.

Promise: every request ends in an answer, or in a `CameraError` when its time is over; an old answer never stands for a
new request. The light is asked for before each frame: who switches it may have been started anew.
"""

from __future__ import annotations

import itertools
import json
import time
from contextlib import suppress
from pathlib import Path

import zmq

from edge.adapters import sockets
from edge.errors import CameraError

SOCKET = "lights"


class LightLink:
    """The capture process's end, for the one thread that touches the camera."""

    def __init__(self, runtime_dir: Path, *, timeout_ms: int, context: sockets.Context | None = None) -> None:
        self._timeout_ms = timeout_ms
        self._numbers = itertools.count(1)
        self._socket = sockets.open_socket(context, zmq.DEALER)
        # A send waits for a signals process that is being started, and no longer.
        self._socket.setsockopt(zmq.SNDTIMEO, timeout_ms)
        sockets.connect(self._socket, runtime_dir, SOCKET, greets=False)

    def switch(self, light: str) -> None:
        """Have this light on, all others off.

        Raises:
            CameraError: it was not switched in time, or could not be.
        """
        number = next(self._numbers)
        until_s = time.monotonic() + self._timeout_ms / 1000
        with suppress(zmq.Again):  # nobody is there
            self._socket.send(json.dumps({"number": number, "light": light}).encode())
            while (left_ms := int((until_s - time.monotonic()) * 1000)) > 0 and self._socket.poll(left_ms):
                answer = json.loads(self._socket.recv())
                if answer["number"] != number:
                    continue  # to a request whose time was over
                if answer["problem"]:
                    raise CameraError(f"light {light} could not be switched: {answer['problem']}")
                return
        raise CameraError(f"light {light} was not switched within {self._timeout_ms} ms: see the log of `edge signals`")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class LightRequests:
    """The signals process's end; give each request of `receive` its `answer`."""

    def __init__(self, runtime_dir: Path, *, context: sockets.Context | None = None) -> None:
        self.socket = sockets.open_socket(context, zmq.ROUTER)
        self.socket.setsockopt(zmq.MAXMSGSIZE, 4096)
        sockets.bind(self.socket, runtime_dir, SOCKET)

    def receive(self, timeout_ms: int) -> tuple[bytes, int, str] | None:
        """Who asks, the number of their request, and the light; None when nobody did."""
        if not self.socket.poll(timeout_ms):
            return None
        peer, *parts = self.socket.recv_multipart()
        try:
            asked = json.loads(parts[-1])
            return peer, int(asked["number"]), str(asked["light"])
        except (ValueError, KeyError, TypeError, IndexError):
            return None

    def answer(self, peer: bytes, number: int, problem: str) -> None:
        """Say that it is on, or why not; dropped where the asker has gone."""
        self.socket.send_multipart([peer, json.dumps({"number": number, "problem": problem}).encode()])

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
