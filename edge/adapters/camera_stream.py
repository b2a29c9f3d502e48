"""A camera that films all the time and cannot be triggered: the newest frame exposed after the order counts.

A thread of its own reads without pause, whether or not anybody wants a frame, so that nothing queues up in a driver, a
decoder or a socket: what is taken is what is seen now, and there is never a wait for the next key frame. `take` waits
for the first frame whose exposure began after the order, by `exposed_us`; and after a change of exposure or gain for
the first one that can show it.

A source that is silent, or whose thread ended, is lost. A thread that does not even end when its source is closed is
waited for without limit by the next `open`: only the end of this process frees what it holds, and the capture process
ends itself when its camera does not return.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge.adapters.camera import (
    MAX_DRIFT,
    CameraCounts,
    CameraFacts,
    CameraFrame,
    CameraLostError,
    Order,
    Pixels,
    now_us,
)
from edge.errors import CameraError

#: A stream of which nothing came for this long has ended, whatever its connection says. The slowest usual cameras
#: give 1 frame a second.
SILENT_AFTER_S = 3.0
#: `close` waits this long for the thread.
CLOSE_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class StreamFrame:
    """One frame of a stream. `render` makes its pixels, which costs only those that are taken."""

    encoded: bytes | None
    render: Callable[[], Pixels] | None
    width_px: int
    height_px: int
    camera_us: int | None
    exposed_us: int
    received_us: int
    counter: int | None


@dataclass(frozen=True, slots=True)
class Applied:
    """What is set in the camera, read back. `settle_us`: frames exposed this long after the change still lack it."""

    exposure_us: int
    gain_db: float
    settle_us: int = 0


class Source(Protocol):
    """Where the frames come from. `read` is called from the reading thread, the others from the camera's."""

    def open(self) -> CameraFacts:
        """Connect; frames may be read afterwards."""

    def apply(self, order: Order) -> Applied:
        """Set what can be set, and read back what is set."""

    def read(self) -> StreamFrame | None:
        """The next frame, or None when there was none for a while; must return within about a second.

        Raises:
            CameraLostError: the source must be opened again.
            CameraError: this one frame is damaged.
        """

    def close(self) -> None:
        """Let go; never raises."""


class StreamClock:
    """When a frame of a stream was exposed, never later than the truth, from its time stamp and its arrival.

    A frame arrives after its exposure, by a delay that is not known and changes: sensor, encoder, network, decoder. Of
    the fastest frame of the last minute it is known that it took no longer than `latency_us`: that is what the site
    measured and set. Every other frame is placed by its time stamp relative to that one. So a frame that was held up on
    its way (a buffer, a stalled network) is as old as it is, though it arrives now.

    The rule: exposed = time stamp + min(arrival - time stamp) of the last minute - `latency_us`, less what two crystals
    may drift apart meanwhile; and never later than arrival - `latency_us`.
    """

    WINDOW_US = 60_000_000

    def __init__(self, latency_us: int) -> None:
        self._latency_us = latency_us
        #: (arrival, offset + drift up to then), growing from left to right: all offsets age alike, so the order holds.
        self._fastest: deque[tuple[int, float]] = deque()

    def exposed_us(self, stamp_us: int, arrived_us: int) -> int:
        """Note one frame and place it."""
        offset = arrived_us - stamp_us + arrived_us * MAX_DRIFT
        while self._fastest and self._fastest[-1][1] >= offset:
            self._fastest.pop()
        self._fastest.append((arrived_us, offset))
        while self._fastest[0][0] < arrived_us - self.WINDOW_US:
            self._fastest.popleft()
        least_us = int(self._fastest[0][1] - arrived_us * MAX_DRIFT) - 1
        return min(stamp_us + least_us, arrived_us) - self._latency_us


class StreamCamera:
    """The newest frame of `source`; see the module."""

    def __init__(self, source: Source, *, take_timeout_ms: int, silent_after_s: float = SILENT_AFTER_S) -> None:
        self.counts = CameraCounts()
        self._source = source
        self._take_timeout_ms = take_timeout_ms
        self._silent_after_s = silent_after_s
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._newest: StreamFrame | None = None
        self._heard_s = 0.0
        self._problem: CameraLostError | None = None

    def open(self) -> CameraFacts:
        """Connect and begin to read.

        Raises:
            CameraLostError: the source cannot be opened.
        """
        self.close()
        if self._thread is not None:
            self._thread.join()  # never returns where the driver does not: the process ends then, see the module
        facts = self._source.open()
        self._newest, self._problem, self._stop = None, None, threading.Event()
        self._heard_s = time.monotonic()
        self._thread = threading.Thread(target=self._read, args=(self._stop,), name="camera stream", daemon=True)
        self._thread.start()
        return facts

    def check(self) -> None:
        """Make sure that frames come.

        Raises:
            CameraLostError: the stream ended, or is silent.
        """
        with self._changed:
            self._fail_if_lost()

    def take(self, order: Order) -> CameraFrame:
        """The first frame whose exposure began after this call, with what was asked for set.

        Raises:
            CameraLostError: the stream ended, or is silent.
            CameraError: no such frame came in time.
        """
        applied = self._source.apply(order)
        asked_us = now_us() + applied.settle_us
        until_s = time.monotonic() + self._take_timeout_ms / 1000 + applied.settle_us / 1e6
        with self._changed:
            while self._newest is None or self._newest.exposed_us < asked_us:
                self._fail_if_lost()
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    self.counts.missed += 1
                    raise CameraError(
                        f"no frame exposed after the order came within {self._take_timeout_ms} ms: "
                        "look at the camera's frame rate, its latency_ms and its network"
                    )
                self._changed.wait(left_s)
            found = self._newest
        return CameraFrame(
            encoded=found.encoded,
            pixels=None if found.render is None else found.render(),
            width_px=found.width_px,
            height_px=found.height_px,
            camera_us=found.camera_us,
            exposed_us=found.exposed_us,
            received_us=found.received_us,
            exposure_us=applied.exposure_us,
            gain_db=applied.gain_db,
            light=order.light,
            counter=found.counter,
        )

    def close(self) -> None:
        """Stop reading and let the source go; its thread may stay behind, see `open`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(CLOSE_PATIENCE_S)
            if self._thread.is_alive():
                return
            self._thread = None
        self._source.close()

    def _fail_if_lost(self) -> None:
        if self._problem is not None:
            raise self._problem
        silent_s = time.monotonic() - self._heard_s
        if silent_s > self._silent_after_s:
            raise CameraLostError(f"nothing came from the camera for {silent_s:.1f} s: check its power and cable")

    def _read(self, stop: threading.Event) -> None:
        """The reading thread: read all the time, keep the newest."""
        while not stop.is_set():
            try:
                frame = self._source.read()
            except CameraLostError as error:
                self._end(error)
                return
            except CameraError:
                self.counts.malformed += 1
                continue
            except Exception as error:  # noqa: BLE001 - whatever a driver raises is told to whoever takes
                self._end(CameraLostError(f"the camera's stream failed with {type(error).__name__}: {error}"))
                return
            if frame is not None:
                with self._changed:
                    self._newest, self._heard_s = frame, time.monotonic()
                    self._changed.notify_all()

    def _end(self, problem: CameraLostError) -> None:
        with self._changed:
            self._problem = problem
            self._changed.notify_all()
