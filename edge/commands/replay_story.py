"""One kept inspection, played again: the frames of then, the reader and limits of now, decided by the core itself.

Promises: what then came from outside (frames, what MES expected, ERP's records, failures, times) is taken from its
course, never made up: where the new inspection asks for what was never taken or never asked, that is said, and no
outcome is claimed. An outcome of an edge that kept no course is played by what the outcome itself tells of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge.adapters import images
from edge.adapters.payload import outcome_payload
from edge.commands.one_inspection import inspect
from edge.core.actions import LookUp, TakeFrame
from edge.core.course import Course
from edge.core.events import (
    FrameFailed,
    FrameTaken,
    Interrupted,
    RecordFound,
    RecordMissing,
    RecordUnavailable,
    Triggered,
)
from edge.core.fields import Product
from edge.core.match import same
from edge.core.outcome import Evidence, Outcome
from edge.core.policy import Policy
from edge.core.release import ReleaseName
from edge.errors import ImageError
from edge.readers.reader import Image, Reader

#: Reasons that no frame decided: without a course there is nothing to play again.
NOT_PLAYED = frozenset({"camera_failed", "stale_frame", "deadline", "overrun", "interrupted", "reader_failed"})
#: When every part comes, on the clock of a replay: later than the exposure of any frame that was from before it.
_TRIGGERED_US = 10**15


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of an inspection.

    `payload` is its outcome as published, `outcome` the same as an object, `expected` what MES said of the part,
    `frame` gives the bytes of an attempt (or raises ImageError), `hashes` their SHA-256 by attempt.
    """

    payload: bytes
    outcome: Mapping[str, Any]
    expected: Mapping[str, str] | None
    hashes: Mapping[int, str]
    frame: Callable[[int], bytes]
    course: Course | None = None

    @property
    def playable(self) -> bool:
        """Whether enough is kept to play it."""
        return self.course is not None or (self.outcome["reason"] not in NOT_PLAYED and bool(self.hashes))


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
    """What came of playing it again: another or the same decision, or `open`, why there is none.

    `identical`: the very bytes of the outcome came again; None where no course is kept, so that times cannot.
    """

    then: Decision
    now: Decision | None = None
    open: str = ""
    identical: bool | None = None

    @property
    def changed(self) -> bool:
        """Whether another outcome would be published."""
        return self.now is not None and self.now.key != self.then.key


class _NeverTaken(Exception):  # noqa: N818 - no error: the new inspection goes a way that the old one did not
    """Raised where the new inspection needs what the old one did not see."""


def play(kept: Kept, reader: Reader, product: Product, policy: Policy, config_hash: str = "") -> Played:
    """Play an inspection again.

    `config_hash` is that of the configuration which product and policy are of.

    Raises:
        ImageError: a frame is gone, or is not what its hash says.
        ReaderError: the reader could not do its work.
    """
    then = of_message(kept.outcome)
    try:
        outcome = inspect(_begun(kept), product, policy, reader, _Then(kept), course=kept.course)
    except _NeverTaken as why:
        return Played(then, open=str(why))
    identical = None if kept.course is None else _payload(kept, outcome, config_hash) == kept.payload
    return Played(then, _of_outcome(outcome), identical=identical)


def _begun(kept: Kept) -> Triggered | Interrupted:
    inspection_id, trigger_id = str(kept.outcome["inspection_id"]), str(kept.outcome["trigger_id"])
    if kept.course is not None and kept.course.begun == "interrupted":
        return Interrupted(_TRIGGERED_US, inspection_id, trigger_id)
    busy = kept.course is not None and kept.course.begun == "busy"
    return Triggered(_TRIGGERED_US, inspection_id, trigger_id, kept.expected, busy)


def _payload(kept: Kept, outcome: Outcome, config_hash: str) -> bytes:
    """The message of the new outcome: ids, wall time and the places of its frames are given by whoever writes it."""
    then = kept.outcome
    evidence = tuple(Evidence(one["path"], one["sha256"], one["attempt"]) for one in then["evidence"])
    return outcome_payload(
        replace(outcome, evidence=evidence),
        seq=then["seq"],
        station=then["station"],
        at=then["at"],
        config_hash=config_hash,
        release=ReleaseName(**then["config"]["release"]) if "release" in then["config"] else None,
    )


@dataclass(frozen=True, slots=True)
class _Then:
    """What came from outside then, as far as it is kept."""

    kept: Kept

    def take(self, order: TakeFrame, now_us: int) -> FrameTaken | FrameFailed:
        """The frame of then: its exposure and light are told as they were, whatever is asked for now."""
        attempt, kept = order.attempt, self.kept
        if kept.course is not None:
            step = kept.course.step("capturing", attempt)
            if step is None or not isinstance(step.event, FrameTaken | FrameFailed):
                raise _NeverTaken(f"it would take frame {attempt}, which was not taken then")
            if isinstance(step.event, FrameFailed):
                return replace(step.event, at_us=now_us)
            return replace(step.event, at_us=now_us, exposed_us=_TRIGGERED_US + step.event.exposed_us)
        told = next((one for one in kept.outcome["attempts"] if one["number"] == attempt), None)
        if told is not None and told["frame_id"] is None and told["failure"]:
            return FrameFailed(now_us, attempt, str(told["failure"]))
        if told is None or attempt not in kept.hashes:
            raise _NeverTaken(f"it would take frame {attempt}, and {len(kept.hashes)} are kept")
        exposure_us, light = int(told["exposure_us"] or 0), str(told["light"] or "")
        return FrameTaken(
            now_us, attempt, str(told["frame_id"]), kept.hashes[attempt], now_us, exposure_us, light, frozen=False
        )

    def frame(self, attempt: int) -> Image:
        """The frame as it was read then."""
        content = self.kept.frame(attempt)
        if hashlib.sha256(content).hexdigest() != self.kept.hashes.get(attempt):
            raise ImageError(
                f"the frame of attempt {attempt} of inspection {self.kept.outcome['inspection_id']} is not the one "
                "that was read: its SHA-256 is not that of the outcome"
            )
        return images.decode(content, f"frame {attempt} of {self.kept.outcome['inspection_id']}")

    def look_up(self, order: LookUp, now_us: int) -> RecordFound | RecordMissing | RecordUnavailable:
        """ERP's answer of then, where it was asked for this part."""
        if self.kept.course is None:
            return self._of_outcome(order, now_us)
        step = self.kept.course.record_of(order.serial, order.attempt)
        if step is None or not isinstance(step.event, RecordFound | RecordMissing | RecordUnavailable):
            raise _NeverTaken(f"it would ask ERP about {order.serial!r}, which got no answer then")
        return replace(step.event, at_us=now_us, attempt=order.attempt)

    def _of_outcome(self, order: LookUp, now_us: int) -> RecordFound | RecordMissing | RecordUnavailable:
        """The answer as far as the outcome tells it: an earlier edge kept no course."""
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


def of_message(outcome: Mapping[str, Any]) -> Decision:
    """The decision that a published outcome tells."""
    texts = {name: str(one["text"]) for name, one in outcome["fields"].items()}
    return Decision(str(outcome["disposition"]), str(outcome["reason"]), texts, tuple(outcome["defects"]))


def _of_outcome(outcome: Outcome) -> Decision:
    texts = {name: one.reading.text for name, one in outcome.fields.items()}
    return Decision(str(outcome.disposition), str(outcome.reason), texts, tuple(map(str, outcome.defects)))
