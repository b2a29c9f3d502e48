"""Two machines pushed at each other: an inspection, and a model of everything that may go wrong around it.

The world holds a printed plate, a record and an expectation. It answers orders in any order, late, twice, or never,
with good frames, stale ones, unfit ones and misreads; it kills the station at any step. The station's shell is modelled
by what it promises: timers fire, and an inspection that died is ended as interrupted.
"""

from __future__ import annotations

from collections.abc import Callable

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.core.actions import Action, Commit, StartTimer, TakeFrame
from edge.core.events import (
    Event,
    FrameFailed,
    Interrupted,
    ReadFailed,
    RecordFound,
    RecordMissing,
    RecordUnavailable,
    TimerFired,
    TimerName,
)
from edge.core.inspection import Inspection, State, UnexpectedEvent
from edge.core.outcome import Disposition, Outcome, Reason
from edge.core.reading import Reading
from tests.core.parts import MODEL, SERIAL, both, judged, policy, product, reading, taken, triggered, was_read

OTHER = "77777777QQ"
TRIGGERED_US = 1_000_000
#: What a plate may bear, what ERP and MES may hold.
SERIALS = st.sampled_from([SERIAL, SERIAL, SERIAL, OTHER])
#: Things that end an inspection at once, rare enough that the long ways are walked as well.
LATE = st.sampled_from([1_000, 2_000, 20_000, 50_000, 100_000, 200_000, 400_000, 3_200_000])
RARELY = st.integers(0, 11).map(lambda number: number == 7)


class StationAndWorld(RuleBasedStateMachine):
    """One trigger, and everything that the world may do to it."""

    @initialize(
        printed=SERIALS,
        expected=st.none() | SERIALS,
        mode=st.sampled_from(["verify", "identify"]),
        single=st.none() | st.sampled_from([0.9, 0.985]),
        max_attempts=st.integers(1, 4),
        families=st.sampled_from([1, 1, 2]),
        busy=RARELY,
    )
    def trigger(
        self,
        printed: str,
        expected: str | None,
        mode: str,
        single: float | None,
        max_attempts: int,
        *,
        families: int,
        busy: bool,
    ) -> None:
        """A part arrives at a station with one reader, or with two of different families."""
        self.families = families
        self.given: dict[str, list[str]] = {"ocr": [], "vlm": []}
        self.policy = policy(single_look_confidence=single, max_attempts=max_attempts)
        self.product = product(mode)
        self.printed = {"serial": printed, "model": MODEL}
        self.expected = None if expected is None else {"serial": expected, "model": MODEL}
        self.mode = mode
        self.now_us = TRIGGERED_US
        self.outcomes: list[Outcome] = []
        self.decided_us: list[int] = []
        self.pending: list[Event] = []
        self.timers: list[StartTimer] = []
        self.misread = False
        self.records: list[str] = []
        self.num_takes = 0
        self.crashed = False
        self.inspection = Inspection(self.product, self.policy)
        self.feed(triggered(TRIGGERED_US, self.expected, busy=busy))

    def feed(self, event: Event) -> None:
        """What the shell does: refuse what is not expected, else handle and perform."""
        before = self.inspection.state
        if not self.inspection.expects(event):
            try:
                self.inspection.handle(event)
            except UnexpectedEvent:
                assert self.inspection.state is before
                return
            raise AssertionError("an event that is not expected was handled")
        for action in self.inspection.handle(event):
            self.perform(action)

    def perform(self, action: Action) -> None:
        """Note an order; the rules decide what becomes of it."""
        assert not self.outcomes, "nothing is ordered after the outcome"
        if isinstance(action, Commit):
            self.outcomes.append(action.outcome)
            self.decided_us.append(self.now_us)
        elif isinstance(action, StartTimer):
            self.timers.append(action)
        elif isinstance(action, TakeFrame):
            self.num_takes += 1

    def alive(self) -> bool:
        """Whether the station has something to wait for."""
        return self.inspection.state not in (State.WAITING, State.DONE)

    @precondition(alive)
    @rule(late_us=LATE, data=st.data())
    def the_world_answers(self, late_us: int, data: st.DataObject) -> None:
        """Whoever was asked last answers, after a while: right, wrong, or with a failure."""
        self.pass_time(late_us)
        answers: dict[State, tuple[Callable[[str], None], list[str]]] = {
            State.CAPTURING: (self.camera_answers, ["fresh"] * 9 + ["stale", "frozen", "none"]),
            State.JUDGING: (self.quality_is_measured, ["fit"] * 5 + ["glare", "sharpness", "cut_off"]),
            State.READING: (self.reader_answers, ["right"] * 6 + ["doubtful", "wrong", "nothing", "partly", "failed"]),
            State.CHECKING: (self.erp_answers, ["found"] * 6 + ["other", "missing", "away", "seen", "empty"]),
        }
        if self.alive():
            answer, kinds = answers[self.inspection.state]
            two = self.inspection.state is State.READING and self.families == 2
            kind = data.draw(st.sampled_from(kinds))
            answer(f"{kind} {data.draw(st.sampled_from(kinds))}" if two else kind)

    def camera_answers(self, kind: str) -> None:
        """A frame arrives for the latest attempt: fresh, stale, frozen, or not at all."""
        attempt = self.num_takes
        if kind == "none":
            self.feed(FrameFailed(self.now_us, attempt, "unplugged"))
        else:
            exposed_us = TRIGGERED_US - 1 if kind == "stale" else self.now_us
            self.feed(taken(self.now_us, attempt, exposed_us=exposed_us, frozen=kind == "frozen"))
            assert (self.inspection.state is State.JUDGING) == (kind == "fresh")

    def quality_is_measured(self, kind: str) -> None:
        """The frame turns out fit, or not."""
        scores = {} if kind == "fit" else {kind: 10}
        self.feed(judged(self.now_us, self.num_takes, **scores))

    def reader_answers(self, kind: str) -> None:
        """Each reader reads right, wrong, nothing, one field only, or fails, which fails all of them."""
        kinds = kind.split()
        if "failed" in kinds:
            self.feed(ReadFailed(self.now_us, self.num_takes, "cuda"))
            return
        first, *others = (self.read_as(one) for one in kinds)
        self.misread = self.misread or all(one == "wrong" for one in kinds)
        for reader, look in zip(self.given, (first, *others), strict=False):
            self.given[reader].append(look.fields["serial"].text)
        self.feed(was_read(self.now_us, self.num_takes, both(first, *others) if others else first))

    def read_as(self, kind: str) -> Reading:
        """What one reader makes of the plate."""
        texts = {
            "wrong": {**self.printed, "serial": "20481351KX"},
            "nothing": {"serial": "", "model": ""},
            "partly": {"serial": "", "model": MODEL},
        }.get(kind, self.printed)
        return reading(texts, 0.6 if kind == "doubtful" else 0.97)

    def erp_answers(self, kind: str) -> None:
        """ERP has the record of some serial, has none, is away, or the serial has passed before."""
        attempt, now_us = self.num_takes, self.now_us
        if kind == "missing":
            self.feed(RecordMissing(now_us, attempt, "csv", 0.0))
        elif kind == "away":
            self.feed(RecordUnavailable(now_us, attempt, "away"))
        else:
            serial = OTHER if kind == "other" else self.printed["serial"]
            fields = {} if kind == "empty" else {"serial": serial, "model": MODEL}
            before = "0180-old" if kind == "seen" else None
            self.last_record = (fields, before)
            self.feed(RecordFound(now_us, attempt, fields, "csv", 0.0, before))

    @rule(attempt=st.integers(1, 5), at=st.sampled_from(["frame", "judge", "read", "record"]), really=RARELY)
    def a_stray_timer_fires(self, attempt: int, at: TimerName, *, really: bool) -> None:
        """A timer fires that does not count any more; rarely, too early, the one that does."""
        if attempt != self.num_takes or really:
            self.feed(TimerFired(self.now_us, at, attempt))

    @rule(attempt=st.integers(1, 5), late_us=st.integers(0, 50_000))
    def something_comes_twice_or_late(self, attempt: int, late_us: int) -> None:
        """Frames and readings of other attempts come in, also after the outcome."""
        self.pass_time(late_us)
        if attempt != self.num_takes or not self.alive():
            self.feed(taken(self.now_us, attempt))
            self.feed(judged(self.now_us, attempt))
            self.feed(was_read(self.now_us, attempt))

    @precondition(alive)
    @rule(really=RARELY)
    def station_is_killed(self, *, really: bool) -> None:
        """The process dies at whatever step; its successor ends what it finds begun."""
        if not really:
            return
        self.crashed = True
        self.inspection = Inspection(self.product, self.policy)
        self.timers.clear()
        event = Interrupted(self.now_us, "0190-insp", "trigger-7")
        for action in self.inspection.handle(event):
            self.perform(action)

    def pass_time(self, by_us: int) -> None:
        """Let time pass; the shell fires every timer that is due on the way, in order."""
        until_us = self.now_us + by_us
        while self.alive():
            due = sorted((timer for timer in self.timers if timer.at_us <= until_us), key=lambda timer: timer.at_us)
            if not due:
                break
            self.timers.remove(due[0])
            self.now_us = max(self.now_us, due[0].at_us)
            self.feed(TimerFired(self.now_us, due[0].timer, due[0].attempt))
        self.now_us = max(self.now_us, until_us)

    @invariant()
    def never_more_than_one_outcome(self) -> None:
        """At most one outcome, and it is there exactly when the inspection is done (L1)."""
        if hasattr(self, "outcomes"):
            assert len(self.outcomes) == (self.inspection.state is State.DONE)

    @invariant()
    def nothing_passes_in_doubt(self) -> None:
        """A part passes only for what is printed, expected and on record, on evidence enough (L4, L5, L6, L7)."""
        if not getattr(self, "outcomes", None) or self.outcomes[0].disposition is not Disposition.PASS:
            return
        outcome = self.outcomes[0]
        fields, before = self.last_record
        serial = outcome.fields["serial"]
        assert outcome.reason is Reason.MATCHED
        assert before is None
        assert not self.crashed
        assert self.mode == "identify" or self.expected is not None
        for claim in (fields, self.expected or {}):
            assert claim.get("serial", serial.reading.text) == serial.reading.text
        assert self.misread or serial.reading.text == self.printed["serial"]
        assert serial.looks >= self.policy.looks or serial.reading.confidence >= (
            self.policy.single_look_confidence or 2
        )
        assert serial.reading.confidence >= self.product.fields["serial"].min_confidence
        for given in list(self.given.values())[: self.families]:
            assert serial.reading.text in given
        assert all(
            attempt.failure is None or attempt.frame_id is None or attempt.number < len(outcome.attempts)
            for attempt in outcome.attempts
        )

    @invariant()
    def the_retakes_have_a_budget(self) -> None:
        """Never more frames than allowed, none ordered after the time budget, each with its cause (L9)."""
        if hasattr(self, "num_takes"):
            assert self.num_takes <= self.policy.max_attempts
            for outcome in self.outcomes:
                assert len(outcome.attempts) in (0, self.num_takes)
                assert all(attempt.action for attempt in outcome.attempts)

    def teardown(self) -> None:
        """Nothing more comes: the timers alone bring the outcome, before the deadline (L1, L10)."""
        if not hasattr(self, "outcomes"):
            return
        self.pass_time(self.policy.deadline_us)
        assert len(self.outcomes) == 1
        if not self.crashed:
            assert self.decided_us[0] <= TRIGGERED_US + self.policy.deadline_us
        assert self.outcomes[0].inspection_id == "0190-insp"
        assert self.outcomes[0].trigger_id == "trigger-7"


TestStationAndWorld = StationAndWorld.TestCase
TestStationAndWorld.settings = settings(max_examples=600, stateful_step_count=25, deadline=None)
TestStationAndWorld.__doc__ = (
    "Any events, any order, any loss, any crash: one outcome, in time, no pass in doubt "
    "(L1, L3, L4, L5, L6, L7, L9, L10)."
)
