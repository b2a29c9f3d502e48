"""Labels for a rehearsal: what each part's label shows, what the station is told to expect, and what must come of it.

A few parts in a hundred are wrong in one of six ways, so that a rehearsal also shows what is refused, and why.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import zxingcpp

from edge.core.outcome import Reason
from edge.readers.reader import Image

Flaw = Literal["none", "other_part", "form", "codes_differ", "dark", "blank", "unknown", "again"]
#: Parts in a thousand.
SHARES: dict[Flaw, int] = {
    "other_part": 10,
    "form": 5,
    "codes_differ": 5,
    "dark": 10,
    "blank": 5,
    "unknown": 5,
    "again": 5,
}
#: What each must end as; nothing else may come but a hold, where reader or deadline are at their end.
EXPECTED: dict[Flaw, Reason] = {
    "none": Reason.MATCHED,
    "other_part": Reason.MISMATCH,
    "form": Reason.FORMAT_VIOLATION,
    "codes_differ": Reason.CODE_CONFLICT,
    "dark": Reason.UNREADABLE,
    "blank": Reason.UNREADABLE,
    "unknown": Reason.RECORD_MISSING,
    "again": Reason.DUPLICATE_SERIAL,
}
#: Ten digits: station and part.
PATTERN = "[0-9]{10}"
HEIGHT_PX, WIDTH_PX = 72, 300
_GROUND, _INK = 205, 30
#: Levels of noise, as a sensor has in good light; a few patterns, since drawing one takes longer than reading a label.
_NOISE = [np.random.default_rng(seed).normal(0, 3, (HEIGHT_PX, WIDTH_PX, 3)).astype(np.int8) for seed in range(8)]


@dataclass(frozen=True, slots=True)
class Part:
    """One part: the serial that MES announced, what its label says, and what is wrong with it."""

    serial: str
    printed: str
    bars: str
    flaw: Flaw

    @property
    def expected(self) -> Reason:
        """What its inspection must end as."""
        return EXPECTED[self.flaw]


def next_part(station: int, number: int, earlier: str | None, chance: random.Random) -> Part:
    """The next part of a station; `earlier` is the serial of one that passed there, None where there is none yet."""
    serial = f"{station:04d}{number:06d}"
    other = f"{station:04d}{number + 500_000:06d}"
    flaw: Flaw = chance.choices(["none", *SHARES], [1000 - sum(SHARES.values()), *SHARES.values()])[0]
    if flaw == "again" and earlier is None:
        flaw = "none"
    match flaw:
        case "other_part":
            return Part(serial, other, other, flaw)
        case "form":
            return Part(serial, serial[:-1], serial[:-1], flaw)
        case "codes_differ":
            return Part(serial, serial, other, flaw)
        case "again":
            assert earlier is not None
            return Part(earlier, earlier, earlier, flaw)
    return Part(serial, serial, serial, flaw)


def draw(part: Part, exposure: float = 1.0) -> Image:
    """The frame that a camera takes of its label."""
    label = np.full((HEIGHT_PX, WIDTH_PX, 3), _GROUND, np.uint8)
    if part.flaw != "blank":
        _set(label, zxingcpp.create_barcode(part.printed, zxingcpp.BarcodeFormat.DataMatrix).to_image(scale=3), 10, 8)
        _set(label, zxingcpp.create_barcode(part.bars, zxingcpp.BarcodeFormat.Code128).to_image(scale=2), 38, 78)
        place, face = (88, 27), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(label, part.printed, place, face, 0.85, (_INK, _INK, _INK), 2, cv2.LINE_AA)
    if part.flaw == "dark":
        label = (label * 0.03).astype(np.uint8)
    noise = _NOISE[int(part.serial[-3:]) % len(_NOISE)]
    noisy = cv2.add(label, noise, dtype=cv2.CV_8U)
    return np.asarray(noisy if exposure == 1.0 else np.clip(noisy * exposure, 0, 255), np.uint8)


def _set(label: Image, code: object, top: int, left: int) -> None:
    drawn = np.asarray(code)[: HEIGHT_PX - top - 2, : WIDTH_PX - left - 2]
    place = label[top : top + drawn.shape[0], left : left + drawn.shape[1]]
    place[:] = np.where(drawn[:, :, None] > 127, _GROUND, _INK)
