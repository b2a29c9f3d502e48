"""What a camera is to edge: open, check, take, close; and the two facts that make its frames trustworthy.

A camera may block, vanish and come back. It is used from one thread, which the capture process can give up on. It never
returns a frame that it doubts: it raises.

`CameraClock` maps the camera's clock to the host's CLOCK_MONOTONIC and never answers later than the truth, so that a
frame exposed before its trigger cannot look fresh (law L5). `FrozenWatch` recognises a live camera that shows the very
same picture again (law L5).
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.errors import CameraError

Pixels = NDArray[np.uint8]

#: A crystal is within 100 ppm of its frequency over the industrial range; two clocks differ by twice that.
MAX_DRIFT = 200e-6
#: Looks whose fingerprint is remembered: a driver's ring of buffers is far smaller.
NUM_FINGERPRINTS = 64


class CameraLostError(CameraError):
    """Raised when the camera does not answer, or answers what no camera says; it must be opened again."""


@dataclass(slots=True)
class CameraCounts:
    """What a camera did not give, counted since its process started; each one is a fact that nobody else would see.

    `missed`: exposures that gave no frame (lost packets, a gap in the frame counter, no frame after a trigger).
    `over_triggered`: triggers that the camera could not take, since it was not ready.
    `malformed`: frames refused, since their buffer was incomplete or damaged.
    """

    missed: int = 0
    over_triggered: int = 0
    malformed: int = 0


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What a camera says of itself. `live`: it looks at the world, so two equal pictures mean that it is frozen."""

    model: str
    serial: str
    lights: tuple[str, ...]
    exposure_range_us: tuple[int, int] | None
    live: bool


@dataclass(frozen=True, slots=True)
class Order:
    """One exposure as it is asked of the camera."""

    exposure_us: int
    gain_db: float
    light: str
    trigger_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class CameraFrame:
    """One exposure as the camera gave it: `encoded` where it gives an image file, else `pixels` (H x W x 3, BGR).

    `exposed_us` is host CLOCK_MONOTONIC at the start of exposure, or earlier by the uncertainty of the clocks.
    `counter` counts the camera's exposures where it does.
    """

    encoded: bytes | None
    pixels: Pixels | None
    width_px: int
    height_px: int
    camera_us: int | None
    exposed_us: int
    received_us: int
    exposure_us: int
    gain_db: float
    light: str
    counter: int | None = None


class Camera(Protocol):
    """One camera. Every method may block and may raise `CameraError`; `CameraLostError` asks for `open` again."""

    @property
    def counts(self) -> CameraCounts:
        """What it did not give so far."""

    def open(self) -> CameraFacts:
        """Connect and say what the camera is; also after it was lost."""

    def check(self) -> None:
        """Make sure that the camera still answers; called about once a second while nothing is taken."""

    def take(self, order: Order) -> CameraFrame:
        """Expose one frame."""

    def close(self) -> None:
        """Let the camera go; never raises, may be called twice."""


def now_us() -> int:
    """Host CLOCK_MONOTONIC in µs, the same for all processes of a PC."""
    return time.monotonic_ns() // 1000


@dataclass(frozen=True, slots=True)
class _RoundTrip:
    sent_us: int
    camera_us: int
    came_us: int


class CameraClock:
    """The camera's clock on the host's time line, from round trips that ask the camera for its time.

    At the camera's time c the host's clock stood between the sending of the question and the coming of the answer.
    Each round trip so bounds every other camera time from both sides; the tightest bound of the last ones counts.
    """

    def __init__(self, *, num_kept: int = 16) -> None:
        self._trips: deque[_RoundTrip] = deque(maxlen=num_kept)

    def add(self, sent_us: int, camera_us: int, came_us: int) -> bool:
        """Note one round trip. False when it contradicts the earlier ones: the camera's clock was set or restarted.

        After a contradiction only the new round trip counts.
        """
        agrees = not self._trips or (self.earliest_us(camera_us) <= came_us and sent_us <= self._latest_us(camera_us))
        if not agrees:
            self._trips.clear()
        self._trips.append(_RoundTrip(sent_us, camera_us, came_us))
        return agrees

    def earliest_us(self, camera_us: int) -> int:
        """The earliest host time that the camera's time can mean: never later than the truth.

        Raises:
            CameraLostError: before the first round trip.
        """
        return max(trip.sent_us + self._since(trip, camera_us, -MAX_DRIFT) for trip in self._known())

    def uncertainty_us(self, camera_us: int) -> int:
        """How much later than `earliest_us` the truth may be."""
        return self._latest_us(camera_us) - self.earliest_us(camera_us)

    def forget(self) -> None:
        """Drop every round trip, as after the camera was lost."""
        self._trips.clear()

    def _latest_us(self, camera_us: int) -> int:
        return min(trip.came_us + self._since(trip, camera_us, MAX_DRIFT) for trip in self._known())

    def _known(self) -> deque[_RoundTrip]:
        if not self._trips:
            raise CameraLostError("the camera's clock was never asked for: open the camera first")
        return self._trips

    @staticmethod
    def _since(trip: _RoundTrip, camera_us: int, drift: float) -> int:
        """Host time from the round trip to `camera_us`, stretched or shrunk by the drift; outward by 1 µs."""
        passed_us = camera_us - trip.camera_us
        slack = abs(passed_us) * abs(drift) + 1
        return passed_us + int(slack if drift > 0 else -slack)


class FrozenWatch:
    """Recognise a live camera that stopped looking: equal pixels, or a counter or clock that does not advance.

    Two exposures of a real sensor differ in their noise. Only a frame of one single value (dark, or clipped
    everywhere) may repeat: that says nothing of freezing, and the gate judges it.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._counter: int | None = None
        self._camera_us: int | None = None

    def reopened(self) -> None:
        """The camera was opened again: its counter and clock may have begun anew, its pictures may not repeat."""
        self._counter = None
        self._camera_us = None

    def is_frozen(self, frame: CameraFrame) -> bool:
        """Whether this frame shows that the camera is frozen; notes the frame for the next ones."""
        stands = _stands(self._counter, frame.counter) or _stands(self._camera_us, frame.camera_us)
        self._counter = frame.counter
        self._camera_us = frame.camera_us
        return self._seen_before(frame) or stands

    def _seen_before(self, frame: CameraFrame) -> bool:
        if frame.pixels is not None and frame.pixels.size and frame.pixels.min() == frame.pixels.max():
            return False
        data = memoryview(frame.encoded or b"") if frame.pixels is None else np.ascontiguousarray(frame.pixels).data
        fingerprint = hashlib.sha256(data).digest()
        known = fingerprint in self._seen
        self._seen[fingerprint] = None
        self._seen.move_to_end(fingerprint)
        while len(self._seen) > NUM_FINGERPRINTS:
            self._seen.popitem(last=False)
        return known


def _stands(before: int | None, now: int | None) -> bool:
    return before is not None and now is not None and now <= before
