"""The one thread that touches the camera, so that a read that never returns blocks this thread and nothing else.

A job goes in by `start`, its answer comes out by `finished`, and `wake` calls when there is one. One job
at a time. Whatever happens inside becomes an answer with a named cause; only a call that never returns gives none, and
then the owner sees `wedged_share` and ends the process. What a call may take depends on what it does: an opening waits
for networks and key frames, a frame is there in its time or never.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import cv2
import structlog

from edge.adapters.camera import Camera, CameraFacts, CameraFrame, CameraLostError, FrozenWatch, Order, Pixels
from edge.adapters.frames import Frame, FrameFailure, Take
from edge.adapters.wake import Wake
from edge.errors import CameraError
from edge.vision import presence

log = structlog.get_logger()

EvidenceFormat = Literal["jpeg", "png", "bmp"]

_ENCODINGS: dict[EvidenceFormat, tuple[str, list[int]]] = {
    # 4:4:4: colour edges of a printed plate stay where they are; 95: below what the reader can tell from raw pixels.
    "jpeg": (
        ".jpg",
        [
            cv2.IMWRITE_JPEG_QUALITY,
            95,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ],
    ),
    "png": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 1]),
    "bmp": (".bmp", []),
}


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a take that names none of them uses."""

    exposure_us: int
    gain_db: float
    light: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call into the driver may take until it is wedged, s: `open_s` for opening and closing.

    Opening an RTSP stream waits up to 4 s for the server and 6 s for a key frame and 1 s more; the others are quicker.
    """

    open_s: float = 12.0
    frame_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Done:
    """One job finished: `answer` where it was a take; `facts` None and `problem` said where the camera is lost.

    `look` is what a look showed: the share of the picture with text-like edges, 0 to 100, and whether it was still;
    None where it was no look, or one that shows nothing (a frozen camera).
    """

    take: Take | None
    answer: Frame | FrameFailure | None
    facts: CameraFacts | None
    counts: Mapping[str, int]
    problem: str = ""
    look: tuple[float, bool] | None = None


class CaptureDevice:
    """The camera and its thread."""

    def __init__(
        self,
        camera: Camera,
        defaults: Defaults,
        evidence_format: EvidenceFormat = "jpeg",
        *,
        limits: Limits | None = None,
    ) -> None:
        self.wake = Wake()
        self._camera = camera
        self._limits = limits or Limits()
        self._doing: tuple[float, float] = (0.0, 1.0)  # since when, and how long it may take
        self._defaults = defaults
        self._suffix, self._parameters = _ENCODINGS[evidence_format]
        self._watch = FrozenWatch()
        self._facts: CameraFacts | None = None
        self._ids = (f"{os.getpid():x}-{time.time_ns() // 1000:x}-{number}" for number in itertools.count(1))
        self._jobs: queue.SimpleQueue[Take | Literal["check", "look", "end"]] = queue.SimpleQueue()
        self._seen: Pixels | None = None
        self._done: queue.SimpleQueue[Done] = queue.SimpleQueue()
        self._busy_since_s: float | None = None
        self._thread = threading.Thread(target=self._work, name="camera", daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._busy_since_s is not None

    def busy_for_s(self) -> float:
        """How long the job under way has lasted; 0 when there is none."""
        return 0.0 if self._busy_since_s is None else time.monotonic() - self._busy_since_s

    def wedged_share(self) -> float:
        """How much of its time the call under way has used; from 1 on it will not return."""
        since_s, limit_s = self._doing
        return 0.0 if self._busy_since_s is None else (time.monotonic() - since_s) / limit_s

    def start(self, job: Take | Literal["check", "look"]) -> None:
        """Do one job: a take, a check whether the camera still answers, or a look at what it sees.

        Each opens it where it is not open.
        """
        self._begin(self._limits.open_s)  # until the thread has begun and knows better
        self._busy_since_s = time.monotonic()
        self._jobs.put(job)

    def finished(self) -> Done | None:
        """The finished job, once; None when there is none."""
        try:
            done = self._done.get_nowait()
        except queue.Empty:
            return None
        self._busy_since_s = None
        self.wake.clear()
        return done

    def close(self, *, patience_s: float) -> bool:
        """Let the camera go; False when its thread did not come back within `patience_s`."""
        self._jobs.put("end")
        self._thread.join(patience_s)
        if self._thread.is_alive():
            return False
        self.wake.close()
        return True

    def _work(self) -> None:
        while (job := self._jobs.get()) != "end":
            self._done.put(self._do(job))
            self.wake()
        self._camera.close()

    def _do(self, job: Take | Literal["check", "look"]) -> Done:
        take = None if isinstance(job, str) else job
        try:
            if self._facts is None:
                self._begin(self._limits.open_s)
                self._facts = self._camera.open()
                self._watch.reopened()
            elif job == "check":
                self._begin(self._limits.frame_s)
                self._camera.check()
            look = self._look(self._facts) if job == "look" else None
            return self._done_with(take, None if take is None else self._expose(take, self._facts), look=look)
        except CameraLostError as error:
            return self._lost(take, str(error))
        except CameraError as error:
            if job == "look":  # a light that is not there shows nothing; that is no news of the camera
                return self._done_with(None, None)
            if take is None:  # a camera that refuses to be opened or checked is as good as lost
                return self._lost(take, str(error))
            return self._done_with(take, take.failure("camera_error", str(error)))
        except Exception as error:
            # A driver may raise anything. It is this camera's failure, and never a frame.
            log.exception("camera driver failed")
            return self._lost(take, f"the camera driver failed with {type(error).__name__}: {error}")

    def _lost(self, take: Take | None, problem: str) -> Done:
        self._facts = None
        self._begin(self._limits.open_s)
        self._camera.close()
        return self._done_with(take, None if take is None else take.failure("camera_lost", problem), problem)

    def _done_with(
        self,
        take: Take | None,
        answer: Frame | FrameFailure | None,
        problem: str = "",
        look: tuple[float, bool] | None = None,
    ) -> Done:
        return Done(take, answer, self._facts, asdict(self._camera.counts), problem, look)

    def _begin(self, limit_s: float) -> None:
        """A call into the driver begins now, and may take so long."""
        self._doing = (time.monotonic(), limit_s)

    def _look(self, facts: CameraFacts) -> tuple[float, bool] | None:
        """What the camera sees, in its first light and exposure; nothing is kept or sent."""
        self._begin(self._limits.frame_s)
        frame = self._camera.take(self._order(Take("", "", 0, None, None, None, None, 0), facts))
        small = presence.thumbnail(frame.pixels, frame.encoded)
        if small is None or (facts.live and self._watch.is_frozen(frame)):
            return None
        before, self._seen = self._seen, small
        return presence.text_share(small), not presence.moves(before, small)

    def _expose(self, take: Take, facts: CameraFacts) -> Frame:
        self._begin(self._limits.frame_s)
        frame = self._camera.take(self._order(take, facts))
        frozen = facts.live and self._watch.is_frozen(frame)
        image = self._encode(frame)
        return Frame(
            frame_id=next(self._ids),
            image=image,
            sha256=hashlib.sha256(image).hexdigest(),
            camera_us=frame.camera_us,
            exposed_us=frame.exposed_us,
            received_us=frame.received_us,
            exposure_us=frame.exposure_us,
            gain_db=frame.gain_db,
            light=frame.light,
            trigger_id=take.trigger_id,
            attempt=take.attempt,
            width_px=frame.width_px,
            height_px=frame.height_px,
            frozen=frozen,
            inspection_id=take.inspection_id,
        )

    def _order(self, take: Take, facts: CameraFacts) -> Order:
        """What is asked of the camera: the take's wishes within what it can do. The frame says what was done."""
        exposure_us = take.exposure_us or self._defaults.exposure_us
        if facts.exposure_range_us is not None:
            least, most = facts.exposure_range_us
            exposure_us = min(max(exposure_us, least), most)
        light = take.light or self._defaults.light
        if facts.lights and light not in facts.lights:
            fallback = self._defaults.light if self._defaults.light in facts.lights else facts.lights[0]
            log.warning("camera has no such light", light=light, lights=facts.lights, used=fallback)
            light = fallback
        gain_db = self._defaults.gain_db if take.gain_db is None else take.gain_db
        return Order(exposure_us=exposure_us, gain_db=gain_db, light=light, trigger_id=take.trigger_id)

    def _encode(self, frame: CameraFrame) -> bytes:
        if frame.encoded is not None:
            return frame.encoded
        pixels: Pixels | None = frame.pixels
        if pixels is None:
            raise CameraError("the camera gave a frame without pixels")
        done, encoded = cv2.imencode(self._suffix, pixels, self._parameters)
        if not done:
            raise CameraError(f"a frame of {frame.width_px} x {frame.height_px} px cannot be encoded: {self._suffix}")
        return encoded.tobytes()
