"""One inspection, from trigger to outcome, as a state machine without I/O.

Laws of this file:
1. Everything that decides about a part happens here or in what is called from here; the shell only performs actions.
2. Transitions are data: `Inspection.TABLE` names, for each state, the events it takes and the step for each. What is
   not in the table is not expected (`expects`), and `handle` refuses it and leaves the inspection unchanged.
3. `handle` returns exactly one `Commit` in the life of an inspection, as its last action (L1), and the deadline timer
   is running from the first action on, so that it comes in time (L10).
4. Only `Reason.MATCHED` passes, and only `_decide` gives it, after everything was read and compared (L4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, ClassVar

from edge.core import gate
from edge.core.actions import Action, AnnounceRetake, Commit, Judge, LookUp, Read, StartTimer, TakeFrame
from edge.core.assess import Assessment, assess
from edge.core.events import (
    Event,
    FieldsRead,
    FrameFailed,
    FrameJudged,
    FrameTaken,
    Interrupted,
    ReadFailed,
    RecordFound,
    RecordMissing,
    RecordUnavailable,
    TimerFired,
    Triggered,
)
from edge.core.fields import Product
from edge.core.match import differing, near_miss
from edge.core.outcome import Attempt, Defect, FieldOutcome, Looked, Outcome, Reason
from edge.core.policy import Policy
from edge.core.reading import Reading, joint_hash, joint_name
from edge.core.retake import Take, changed, helped, next_take


class State(Enum):
    """Where an inspection stands."""

    WAITING = "waiting"  #: no trigger yet
    CAPTURING = "capturing"  #: a frame was ordered
    JUDGING = "judging"  #: the frame's quality is being measured
    READING = "reading"  #: the frame is being read
    CHECKING = "checking"  #: the record was asked for
    DONE = "done"  #: the outcome was given


class UnexpectedEvent(Exception):  # noqa: N818 - it is the event that is wrong, and it is named
    """Raised when an event cannot be handled in the inspection's state; the inspection is unchanged."""

    def __init__(self, event: Event, state: State) -> None:
        super().__init__(f"{type(event).__name__} cannot be handled in state {state.value}: drop it and log it.")


@dataclass(frozen=True, slots=True)
class _Facts:
    """All that an inspection knows; replaced as a whole by each step."""

    state: State = State.WAITING
    inspection_id: str = ""
    trigger_id: str = ""
    triggered_us: int = 0
    ordered_us: int = 0
    expected: Mapping[str, str] | None = None
    attempts: tuple[Attempt, ...] = ()
    looks: tuple[Reading, ...] = ()
    reading: Reading | None = None
    assessment: Assessment | None = None
    asked_us: int = 0


_Step = tuple[_Facts, tuple[Action, ...]]


class Inspection:
    """Decides about one part. Give it every event; perform every action it returns, in order."""

    def __init__(self, product: Product, policy: Policy) -> None:
        self._product = product
        self._policy = policy
        self._facts = _Facts()

    @property
    def state(self) -> State:
        """Where this inspection stands."""
        return self._facts.state

    @property
    def inspection_id(self) -> str:
        """The id made at the trigger; empty before it."""
        return self._facts.inspection_id

    @property
    def trigger_id(self) -> str:
        """The trigger's own id, as the site gave it; empty before it."""
        return self._facts.trigger_id

    @property
    def num_attempts(self) -> int:
        """How many frames were ordered so far."""
        return len(self._facts.attempts)

    def expects(self, event: Event) -> bool:
        """Whether `handle` takes this event now; a late frame of an earlier attempt, say, is not expected."""
        attempt = getattr(event, "attempt", 0)
        return _key(event) in self.TABLE[self.state] and attempt in (0, len(self._facts.attempts))

    def handle(self, event: Event) -> tuple[Action, ...]:
        """Take one event; return what is to be done.

        Raises:
            UnexpectedEvent: the event does not belong to this state; nothing was changed.
        """
        if not self.expects(event):
            raise UnexpectedEvent(event, self.state)
        step = self.TABLE[self.state][_key(event)]
        self._facts, actions = step(self, self._facts, event)
        return actions

    # Steps. Each takes the facts and an event, and gives the new facts and the actions.

    def _on_trigger(self, facts: _Facts, event: Triggered) -> _Step:
        facts = replace(
            facts,
            inspection_id=event.inspection_id,
            trigger_id=event.trigger_id,
            triggered_us=event.at_us,
            expected=event.expected,
        )
        if event.busy:
            return self._commit(facts, event.at_us, Reason.OVERRUN, detail="the station was still at an earlier part")
        take = Take("first", (), self._policy.exposure_us, self._policy.light)
        deadline = StartTimer("deadline", event.at_us + self._policy.deadline_us)
        facts, actions = self._order(facts, take, event.at_us)
        return facts, (deadline, *actions)

    def _on_interrupted(self, facts: _Facts, event: Interrupted) -> _Step:
        facts = replace(facts, inspection_id=event.inspection_id, trigger_id=event.trigger_id, triggered_us=event.at_us)
        return self._commit(facts, event.at_us, Reason.INTERRUPTED, detail="the inspector stopped while it was at it")

    def _on_frame(self, facts: _Facts, event: FrameTaken) -> _Step:
        facts = _with_attempt(
            facts,
            frame_id=event.frame_id,
            exposure_us=event.exposure_us,
            light=event.light,
            ms=_since(facts, "capture", event.at_us),
        )
        not_before_us = facts.triggered_us if len(facts.attempts) == 1 else facts.ordered_us
        if event.frozen or event.exposed_us < not_before_us:
            why = "frozen camera" if event.frozen else f"exposed {not_before_us - event.exposed_us} us too early"
            return self._fail_attempt(facts, event.at_us, Reason.STALE_FRAME, why)
        timer = StartTimer("judge", event.at_us + self._policy.read_timeout_us, len(facts.attempts))
        facts = replace(facts, state=State.JUDGING, asked_us=event.at_us)
        return facts, (Judge(len(facts.attempts), event.frame_id), timer)

    def _on_no_frame(self, facts: _Facts, event: FrameFailed | TimerFired) -> _Step:
        why = event.why if isinstance(event, FrameFailed) else "no frame in time"
        return self._fail_attempt(facts, event.at_us, Reason.CAMERA_FAILED, why)

    def _on_judged(self, facts: _Facts, event: FrameJudged) -> _Step:
        verdict = gate.judge(event.quality, self._product.limits)
        facts = _with_attempt(
            facts, quality=event.quality, defects=verdict.defects, ms=_since(facts, "judge", event.at_us)
        )
        if verdict.fit:
            timer = StartTimer("read", event.at_us + self._policy.read_timeout_us, len(facts.attempts))
            facts = replace(facts, state=State.READING, asked_us=event.at_us)
            frame_id = facts.attempts[-1].frame_id or ""
            return facts, (Read(len(facts.attempts), frame_id, facts.expected or {}), timer)
        facts = _finish_attempt(facts)
        return self._retake_or(facts, event.at_us, verdict.defects, Reason.UNREADABLE, verdict.defects)

    def _on_read(self, facts: _Facts, event: FieldsRead) -> _Step:
        looks = event.reading.looks  # one a reader: of one frame there may be looks of several families
        facts = replace(facts, looks=(*facts.looks, *looks), reading=event.reading)
        found = assess(facts.looks, self._product, self._policy)
        facts = _with_attempt(
            replace(facts, assessment=found),
            defects=() if found.confirm else found.defects,
            texts={name: reading.text for name, reading in event.reading.fields.items()},
            readings=tuple(map(Looked.at, looks)),
            confidence=found.confidence,
            ms=_since(facts, "read", event.at_us),
        )
        facts = _finish_attempt(facts)
        if found.reason is None:
            serial = (facts.expected or {}).get("serial") or found.texts.get("serial", "")
            timer = StartTimer("record", event.at_us + self._policy.record_timeout_us, len(facts.attempts))
            look_up = LookUp(len(facts.attempts), serial)
            return replace(facts, state=State.CHECKING, asked_us=event.at_us), (look_up, timer)
        if found.final:
            return self._commit(facts, event.at_us, found.reason, found.defects)
        return self._retake_or(facts, event.at_us, found.defects, found.reason, found.defects, confirm=found.confirm)

    def _on_read_failed(self, facts: _Facts, event: ReadFailed | TimerFired) -> _Step:
        why = event.why if isinstance(event, ReadFailed) else "the reader did not answer in time"
        facts = _finish_attempt(_with_attempt(facts, failure=why))
        return self._commit(facts, event.at_us, Reason.READER_FAILED, detail=why)

    def _on_record(self, facts: _Facts, event: RecordFound) -> _Step:
        facts = _with_attempt(facts, ms=_since(facts, "record", event.at_us))
        return self._decide(facts, event)

    def _on_no_record(self, facts: _Facts, event: RecordMissing) -> _Step:
        return self._commit(facts, event.at_us, Reason.RECORD_MISSING, record=event)

    def _on_no_erp(self, facts: _Facts, event: RecordUnavailable | TimerFired) -> _Step:
        why = event.why if isinstance(event, RecordUnavailable) else "ERP did not answer in time"
        return self._commit(facts, event.at_us, Reason.ERP_UNAVAILABLE, detail=why)

    def _on_deadline(self, facts: _Facts, event: TimerFired) -> _Step:
        return self._commit(
            facts, event.at_us, Reason.DEADLINE, detail=f"the deadline came in state {facts.state.value}"
        )

    def _decide(self, facts: _Facts, record: RecordFound) -> _Step:
        """The only place that passes a part: everything read, compared with the record, and not seen before."""
        found = facts.assessment
        if found is None or found.reason is not None:  # unreachable by the table; in doubt, hold
            return self._commit(facts, record.at_us, Reason.UNREADABLE, record=record)
        if self._product.mode == "verify" and not facts.expected:
            why = "MES named no part that is expected"
            return self._commit(facts, record.at_us, Reason.RECORD_MISSING, record=record, detail=why)
        texts = found.texts
        claims = (record.fields, facts.expected or {})
        wrong = [(name, claim[name]) for claim in claims for name in differing(texts, claim)]
        if wrong:
            likely_misread = found.looks < self._policy.looks and all(
                near_miss(texts[name], text, self._product.fields[name].confusable) for name, text in wrong
            )
            why = f"differs: {', '.join(sorted({name for name, _ in wrong}))}"
            cause = (Defect.LOW_CONFIDENCE,)
            if likely_misread:
                return self._retake_or(facts, record.at_us, cause, Reason.MISMATCH, (), confirm=True, record=record)
            return self._commit(facts, record.at_us, Reason.MISMATCH, record=record, detail=why)
        compared = "serial" if "serial" in self._product.fields else next(iter(texts), "")
        if not any(claim.get(compared) for claim in claims):
            why = "the record holds nothing to compare with"
            return self._commit(facts, record.at_us, Reason.ERP_UNAVAILABLE, record=record, detail=why)
        if record.passed_before is not None:
            why = f"passed before: {record.passed_before}"
            return self._commit(facts, record.at_us, Reason.DUPLICATE_SERIAL, record=record, detail=why)
        return self._commit(facts, record.at_us, Reason.MATCHED, record=record)

    # What several steps have in common.

    def _order(self, facts: _Facts, take: Take, at_us: int) -> _Step:
        number = len(facts.attempts) + 1
        attempt = Attempt(number, take.action, take.cause, exposure_us=take.exposure_us, light=take.light)
        facts = replace(
            facts,
            state=State.CAPTURING,
            attempts=(*facts.attempts, attempt),
            ordered_us=at_us,
            asked_us=at_us,
        )
        timer = StartTimer("frame", at_us + self._policy.frame_timeout_us, number)
        return facts, (TakeFrame(number, take.exposure_us, take.light), timer)

    def _fail_attempt(self, facts: _Facts, at_us: int, reason: Reason, why: str) -> _Step:
        facts = _finish_attempt(_with_attempt(facts, failure=why))
        return self._retake_or(facts, at_us, (), reason, (), detail=why)

    def _retake_or(
        self,
        facts: _Facts,
        at_us: int,
        cause: tuple[Defect, ...],
        reason: Reason,
        defects: tuple[Defect, ...],
        *,
        confirm: bool = False,
        detail: str = "",
        record: RecordFound | None = None,
    ) -> _Step:
        """Order another frame where that is worth it; else end with this reason."""
        take = next_take(facts.attempts, cause, self._policy, at_us - facts.triggered_us, confirm=confirm)
        if take is None:
            return self._commit(facts, at_us, reason, defects, record=record, detail=detail)
        told = AnnounceRetake(facts.inspection_id, len(facts.attempts), take.cause, take.action)
        if take.ask:
            facts, actions = self._commit(facts, at_us, reason, defects, detail=f"asked for: {take.action}")
        else:
            facts, actions = self._order(facts, take, at_us)
        return facts, (told, *actions)

    def _commit(
        self,
        facts: _Facts,
        at_us: int,
        reason: Reason,
        defects: tuple[Defect, ...] = (),
        *,
        record: RecordFound | RecordMissing | None = None,
        detail: str = "",
    ) -> _Step:
        found = facts.assessment
        expected = {**(record.fields if isinstance(record, RecordFound) else {}), **(facts.expected or {})}
        last = () if facts.reading is None else facts.reading.looks
        outcome = Outcome(
            inspection_id=facts.inspection_id,
            trigger_id=facts.trigger_id,
            reason=reason,
            defects=defects,
            fields={} if found is None else _fields(found, expected),
            codes=() if facts.reading is None else facts.reading.codes,
            attempts=facts.attempts,
            erp_source=record.source if record else None,
            erp_age_s=record.age_s if record else None,
            false_accept=None if found is None else found.false_accept,
            reader=joint_name([look.reader for look in last]) if last else None,
            reader_hash=joint_hash([look.reader_hash for look in last]) if last else None,
            detail=detail,
            ms=_total(facts, at_us),
        )
        return replace(facts, state=State.DONE), (Commit(outcome),)

    #: The whole machine: for each state, the events that it takes (timers by name), and the step for each.
    TABLE: ClassVar[Mapping[State, Mapping[type | str, Callable[..., _Step]]]] = {
        State.WAITING: {Triggered: _on_trigger, Interrupted: _on_interrupted},
        State.CAPTURING: {
            FrameTaken: _on_frame,
            FrameFailed: _on_no_frame,
            "frame": _on_no_frame,
            "deadline": _on_deadline,
        },
        State.JUDGING: {
            FrameJudged: _on_judged,
            ReadFailed: _on_read_failed,
            "judge": _on_read_failed,
            "deadline": _on_deadline,
        },
        State.READING: {
            FieldsRead: _on_read,
            ReadFailed: _on_read_failed,
            "read": _on_read_failed,
            "deadline": _on_deadline,
        },
        State.CHECKING: {
            RecordFound: _on_record,
            RecordMissing: _on_no_record,
            RecordUnavailable: _on_no_erp,
            "record": _on_no_erp,
            "deadline": _on_deadline,
        },
        State.DONE: {},
    }


def _with_attempt(facts: _Facts, **changes: Any) -> _Facts:
    """The facts with their last attempt changed; `ms` is added to what the attempt has."""
    last = facts.attempts[-1]
    changes["ms"] = {**last.ms, **changes.get("ms", {})}
    return replace(facts, attempts=(*facts.attempts[:-1], replace(last, **changes)))


def _finish_attempt(facts: _Facts) -> _Facts:
    """The facts with the verdict on whether the last attempt's action helped."""
    if len(facts.attempts) < 2:
        return facts
    last_two = facts.attempts[-2:]
    return _with_attempt(facts, helped=helped(*last_two), changed=changed(*last_two))


def _since(facts: _Facts, stage: str, at_us: int) -> dict[str, float]:
    return {stage: (at_us - facts.asked_us) / 1000}


def _total(facts: _Facts, at_us: int) -> dict[str, float]:
    """Time of each stage over all attempts, and from the trigger to the decision."""
    total: dict[str, float] = {}
    for attempt in facts.attempts:
        for stage, ms in attempt.ms.items():
            total[stage] = total.get(stage, 0.0) + ms
    return {**total, "total": (at_us - facts.triggered_us) / 1000}


def _fields(found: Assessment, expected: Mapping[str, str]) -> dict[str, FieldOutcome]:
    return {
        name: FieldOutcome(one.reading, expected.get(name), one.agreeing, found.verdicts[name])
        for name, one in found.evidence.items()
    }


def _key(event: Event) -> type | str:
    """What the table knows an event by: its type; a timer by its name."""
    return event.timer if isinstance(event, TimerFired) else type(event)
