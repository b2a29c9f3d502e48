"""One frame for a person who sets the camera up: ordered of its capture process, while no part needs it.

Promises: a look never takes the place of a part's take, and gives way to one that waits (`Take.is_look`); it changes no
setting of the camera; its silence ends after `LOOK_MS`.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import zmq

from edge.adapters import sockets
from edge.adapters.frames import Frame, FrameFailure, FrameLink
from edge.errors import CameraError

#: How long a look waits for its frame.
LOOK_MS = 2000


class Looker:
    """Looks through one camera; several threads take turns."""

    def __init__(self, runtime_dir: Path, camera: str, *, context: sockets.Context | None = None) -> None:
        self._runtime_dir, self._camera, self._context = runtime_dir, camera, context
        self._turn = threading.Lock()

    def look(self) -> Frame:
        """Take one frame as the camera is set.

        Raises:
            CameraError: there is none: the process does not run, a part needs the camera, or the camera failed.
        """
        with self._turn:
            link = FrameLink(self._runtime_dir, self._camera, timeout_ms=LOOK_MS, context=self._context)
            try:
                answer = self._answer(link)
            finally:
                link.close()
        if answer is None:
            raise CameraError(
                f"the process of camera {self._camera} gave no frame within {LOOK_MS} ms: see whether edge-capture runs"
            )
        if isinstance(answer, FrameFailure):
            raise CameraError(f"camera {self._camera} gave no frame ({answer.cause}): {answer.detail}")
        return answer

    def _answer(self, link: FrameLink) -> Frame | FrameFailure | None:
        link.take("", 0, None, None, None)
        poller = zmq.Poller()
        poller.register(link.socket, zmq.POLLIN)
        end_s = time.monotonic() + LOOK_MS / 1000
        while (left_s := end_s - time.monotonic()) > 0:
            poller.poll(max(1, int(left_s * 1000)))
            if (answer := link.receive()) is not None:
                return answer
        return None
