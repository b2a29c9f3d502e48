"""Rehearses a scene without processes: the real core, gate and reader look at the simulator's frames.

Time stands still but for what the camera is asked to expose, so that nothing here depends on the machine's load.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge.core.actions import Action, Commit, Judge, LookUp, Read, TakeFrame
from edge.core.events import (
    Event,
    FieldsRead,
    FrameFailed,
    FrameJudged,
    FrameTaken,
    RecordFound,
    RecordMissing,
    RecordUnavailable,
    Triggered,
)
from edge.core.inspection import Inspection
from edge.core.outcome import Outcome
from edge.core.policy import Policy
from edge.products import load_product
from edge.readers.reader import Located, Reader
from edge.vision import quality
from simulator import products
from simulator.material import Picture
from simulator.optics import Settings
from simulator.staging import Part, View


class Rehearsal:
    """One inspection of one part, played through; `outcome` is what the core decided on `frames`, by attempt."""

    def __init__(self, part: Part, reader: Reader, folder: Path, last: Picture | None = None) -> None:
        products.write(folder)
        self._part = part
        self._reader = reader
        self._product = load_product(part.scene.product, folder)
        self._view = View(part)
        self._inspection = Inspection(self._product, replace(Policy(), frame_timeout_us=10_000_000))
        self._frame: Picture = np.zeros((1, 1, 3), np.uint8)
        self._located: Located | None = None
        self._last = last
        self._now_us = 0
        self.frames: dict[int, bytes] = {}
        self.outcome: Outcome | None = None

    def play(self) -> Outcome:
        """Trigger, and perform every action until the outcome."""
        events: deque[Event] = deque([Triggered(1_000, "inspection", "trigger", self._part.expected)])
        while events and self.outcome is None:
            self._now_us += 1_000
            for action in self._inspection.handle(events.popleft()):
                events.extend(self._perform(action))
        assert self.outcome is not None
        return self.outcome

    def _perform(self, action: Action) -> list[Event]:
        match action:
            case TakeFrame(attempt, exposure_us, light):
                return [self._take(attempt, exposure_us, light)]
            case Judge(attempt):
                self._located = self._reader.locate(self._frame)
                return [FrameJudged(self._now_us, attempt, quality.measure(self._frame, self._located.boxes))]
            case Read(attempt, _, draft):
                return [
                    FieldsRead(
                        self._now_us, attempt, self._reader.read(self._frame, self._product, self._located, draft)
                    )
                ]
            case LookUp(attempt, serial):
                return [self._look_up(attempt, serial)]
            case Commit(outcome):
                self.outcome = outcome
        return []

    def _take(self, attempt: int, exposure_us: int, light: str) -> Event:
        picture, script = self._view.take(Settings(exposure_us, 0.0, light), attempt)
        if script.camera in {"dead", "refusing"}:
            return FrameFailed(self._now_us, attempt, script.camera)
        # JPEG as capture encodes it: the reader sees what is kept as evidence.
        _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
        self.frames[attempt] = encoded.tobytes()
        sha256 = hashlib.sha256(self.frames[attempt]).hexdigest()
        decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        assert decoded is not None
        self._frame = np.asarray(decoded, np.uint8)
        exposed_us = self._now_us - (script.late_ms * 1000 if script.camera == "late" else 0)
        frozen = script.camera == "frozen"
        return FrameTaken(self._now_us, attempt, f"frame-{attempt}", sha256, exposed_us, exposure_us, light, frozen)

    def _look_up(self, attempt: int, serial: str) -> Event:
        if self._part.scene.erp.state != "up":
            return RecordUnavailable(self._now_us, attempt, self._part.scene.erp.state)
        found = [record for record in self._part.records if record["serial"] == serial]
        if len(found) > 1:
            return RecordUnavailable(self._now_us, attempt, "two records")
        if not found:
            return RecordMissing(self._now_us, attempt, "rehearsal", 0.0)
        before = "earlier" if self._part.scene.before.same_serial else None
        return RecordFound(self._now_us, attempt, found[0], "rehearsal", 0.0, before)


def published(outcome: Outcome) -> dict[str, Any]:
    """The part of a published outcome that scenes speak of."""
    return {
        "disposition": str(outcome.disposition),
        "reason": str(outcome.reason),
        "defects": [str(defect) for defect in outcome.defects],
        "detail": outcome.detail,
        "attempts": [asdict(attempt) for attempt in outcome.attempts],
    }
