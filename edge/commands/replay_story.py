"""One kept inspection, played again: the frames of then, the reader and limits of now, decided by the core itself.

Promises: what then came from outside (frames, what MES expected, ERP's record) is taken from the outcome, never made
up: where the new inspection asks for what was never taken or never asked, that is said, and no outcome is claimed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.adapters import images
from edge.commands.one_inspection import inspect
from edge.core.actions import LookUp, TakeFrame
from edge.core.events import FrameFailed, FrameTaken, RecordFound, RecordMissing, RecordUnavailable, Triggered
from edge.core.fields import Product
from edge.core.match import same
from edge.core.outcome import Outcome
from edge.core.policy import Policy
from edge.errors import ImageError
from edge.readers.reader import Image, Reader

#: Reasons that no frame decided: there is nothing to play again.
NOT_PLAYED = frozenset({"camera_failed", "stale_frame", "deadline", "overrun", "interrupted", "reader_failed"})


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an inspection: its published outcome, what MES expected, and its frames by attempt."""

    outcome: Mapping[str, Any]
    expected: Mapping[str, str] | None
    frames: Mapping[int, Path]
    hashes: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Decision:
    """What people and MES see of an outcome."""

    disposition: str
    reason: str
    texts: Mapping[str, str]
    defects: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What has to be the same for the outcome to be the same."""
        return self.disposition, self.reason, tuple(sorted(self.texts.items()))


@dataclass(frozen=True, slots=True)
class Played:
    """What came of playing it again: another or the same decision, or `open`, why there is none."""

    then: Decision
    now: Decision | None = None
    open: str = ""

    @property
    def changed(self) -> bool:
        """Whether another outcome would be published."""
        return self.now is not None and self.now.key != self.then.key


class _NeverTaken(Exception):  # noqa: N818 - no error: the new inspection goes a way that the old one did not
    """Raised where the new inspection needs what the old one did not see."""


def play(kept: Kept, reader: Reader, product: Product, policy: Policy) -> Played:
    """Play an inspection again.

    Raises:
        ImageError: a frame is gone, or is not what its hash says.
        ReaderError: the reader could not do its work.
    """
    then = of_message(kept.outcome)
    trigger = Triggered(1_000, str(kept.outcome["inspection_id"]), "replay", kept.expected)
    try:
        return Played(then, _of_outcome(inspect(trigger, product, policy, reader, _Then(kept))))
    except _NeverTaken as why:
        return Played(then, open=str(why))


@dataclass(frozen=True, slots=True)
class _Then:
    """What came from outside then, as far as it is kept."""

    kept: Kept

    def take(self, order: TakeFrame, now_us: int) -> FrameTaken | FrameFailed:
        """The frame of then: its exposure and light are told as they were, whatever is asked for now."""
        attempt, kept = order.attempt, self.kept
        told = next((one for one in kept.outcome["attempts"] if one["number"] == attempt), None)
        if told is not None and told["frame_id"] is None and told["failure"]:
            return FrameFailed(now_us, attempt, str(told["failure"]))
        if told is None or attempt not in kept.frames:
            raise _NeverTaken(f"it would take frame {attempt}, and {len(kept.frames)} are kept")
        exposure_us, light = int(told["exposure_us"] or 0), str(told["light"] or "")
        return FrameTaken(
            now_us, attempt, str(told["frame_id"]), kept.hashes[attempt], now_us, exposure_us, light, frozen=False
        )

    def frame(self, attempt: int) -> Image:
        """The frame as it was read then."""
        path = self.kept.frames[attempt]
        return images.decode(_bytes(path, self.kept.hashes[attempt]), str(path))

    def look_up(self, order: LookUp, now_us: int) -> RecordFound | RecordMissing | RecordUnavailable:
        """ERP's answer of then, where it was asked for this part."""
        attempt, serial, outcome, wanted = order.attempt, order.serial, self.kept.outcome, self.kept.expected or {}
        then = str(outcome["fields"].get("serial", {}).get("text", ""))
        source, age_s = outcome["erp"]["source"] or "", outcome["erp"]["age"] or 0.0
        if not same(serial, then) and not same(serial, wanted.get("serial", "")):
            raise _NeverTaken(f"it would ask ERP about {serial!r}, which was never asked (then {then!r})")
        if outcome["reason"] == "erp_unavailable":
            return RecordUnavailable(now_us, attempt, str(outcome["detail"]))
        if outcome["reason"] == "record_missing":
            return RecordMissing(now_us, attempt, source, age_s)
        if not source:
            raise _NeverTaken(f"it would ask ERP about {serial!r}, and ERP was not asked then")
        before = "then" if outcome["reason"] == "duplicate_serial" else None
        return RecordFound(now_us, attempt, _record(self.kept, of_read=same(serial, then)), source, age_s, before)


def _record(kept: Kept, *, of_read: bool) -> dict[str, str]:
    """What ERP said then of the part that was read, or of the one that MES expected.

    It is what the outcome names as expected; of the part that was read, where that is MES's word, it is what was read.
    """
    wanted = kept.expected or {}
    return {
        name: str(one["text"] if of_read and one["expected"] == wanted.get(name) else one["expected"])
        for name, one in kept.outcome["fields"].items()
        if one["expected"] is not None
    }


def _bytes(path: Path, sha256: str) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ImageError(f"the frame {path} cannot be read ({error.strerror}): it was pruned or moved") from None
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise ImageError(f"the frame {path} is not the one that was read: its SHA-256 is not that of the outcome")
    return raw


def of_message(outcome: Mapping[str, Any]) -> Decision:
    """The decision that a published outcome tells."""
    texts = {name: str(one["text"]) for name, one in outcome["fields"].items()}
    return Decision(str(outcome["disposition"]), str(outcome["reason"]), texts, tuple(outcome["defects"]))


def _of_outcome(outcome: Outcome) -> Decision:
    texts = {name: one.reading.text for name, one in outcome.fields.items()}
    return Decision(str(outcome.disposition), str(outcome.reason), texts, tuple(map(str, outcome.defects)))
