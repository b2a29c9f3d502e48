"""Rehearses a scene without processes: the real core, gate and reader look at the simulator's frames.

Time goes on by steps alone, so that nothing here depends on the machine's load.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2

from edge.adapters import images
from edge.commands.one_inspection import inspect
from edge.core.actions import LookUp, TakeFrame
from edge.core.events import FrameFailed, FrameTaken, RecordFound, RecordMissing, RecordUnavailable, Triggered
from edge.core.outcome import Outcome
from edge.core.policy import Policy
from edge.products import load_product
from edge.readers.reader import Image, Reader
from simulator import products
from simulator.optics import Settings
from simulator.staging import Part, View


class Rehearsal:
    """One inspection of one part, played through; `frames` are what the core decided on, by attempt."""

    def __init__(self, part: Part, reader: Reader, folder: Path) -> None:
        products.write(folder)
        self._part = part
        self._reader = reader
        self._product = load_product(part.scene.product, folder)
        self._view = View(part)
        self.frames: dict[int, bytes] = {}

    def play(self) -> Outcome:
        """Trigger, and inspect until the outcome."""
        trigger = Triggered(1_000, "inspection", "trigger", self._part.expected)
        policy = replace(Policy(), frame_timeout_us=10_000_000)
        return inspect(trigger, self._product, policy, self._reader, self)

    def take(self, order: TakeFrame, now_us: int) -> FrameTaken | FrameFailed:
        """What the simulated camera gives."""
        attempt = order.attempt
        picture, script = self._view.take(Settings(order.exposure_us, 0.0, order.light), attempt)
        if script.camera in {"dead", "refusing"}:
            return FrameFailed(now_us, attempt, script.camera)
        # JPEG as capture encodes it: the reader sees what is kept as evidence.
        _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
        self.frames[attempt] = encoded.tobytes()
        sha256 = hashlib.sha256(self.frames[attempt]).hexdigest()
        exposed_us = now_us - (script.late_ms * 1000 if script.camera == "late" else 0)
        frozen = script.camera == "frozen"
        return FrameTaken(
            now_us, attempt, f"frame-{attempt}", sha256, exposed_us, order.exposure_us, order.light, frozen
        )

    def frame(self, attempt: int) -> Image:
        """A frame that was taken."""
        return images.decode(self.frames[attempt], f"frame {attempt}")

    def look_up(self, order: LookUp, now_us: int) -> RecordFound | RecordMissing | RecordUnavailable:
        """What the scene's ERP says."""
        if self._part.scene.erp.state != "up":
            return RecordUnavailable(now_us, order.attempt, self._part.scene.erp.state)
        found = [record for record in self._part.records if record["serial"] == order.serial]
        if len(found) > 1:
            return RecordUnavailable(now_us, order.attempt, "two records")
        if not found:
            return RecordMissing(now_us, order.attempt, "rehearsal", 0.0)
        before = "earlier" if self._part.scene.before.same_serial else None
        return RecordFound(now_us, order.attempt, found[0], "rehearsal", 0.0, before)


def published(outcome: Outcome) -> dict[str, Any]:
    """The part of a published outcome that scenes speak of."""
    return {
        "disposition": str(outcome.disposition),
        "reason": str(outcome.reason),
        "defects": [str(defect) for defect in outcome.defects],
        "detail": outcome.detail,
        "attempts": [asdict(attempt) for attempt in outcome.attempts],
    }
