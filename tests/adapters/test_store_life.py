"""The store through any life: triggers, outcomes, answers and crashes in any order, against a model of it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from edge.errors import UseError

AT = "2026-01-01T00:00:00.000Z"


class Life(RuleBasedStateMachine):
    """Any order of triggers, commits, acknowledgements and crashes, against a model in plain lists."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store.open(self.folder, "st")
        self.triggers: dict[str, str] = {}
        self.begun: list[str] = []
        self.outcomes: dict[str, bytes] = {}
        self.waiting: list[str] = []
        self.dead: list[str] = []

    @rule(number=st.integers(0, 8))
    def add_trigger(self, number: int) -> None:
        """A new trigger, or the repeat of one."""
        inspection_id, new = self.store.add_trigger(f"t{number}", expected=None, source="x", at=AT, at_us=1)
        assert new == (f"t{number}" not in self.triggers)
        assert self.triggers.setdefault(f"t{number}", inspection_id) == inspection_id

    @rule()
    def next_trigger(self) -> None:
        """The inspector takes the oldest one."""
        row = self.store.next_trigger()
        open_ids = [each for each in self.triggers.values() if each not in self.begun and each not in self.outcomes]
        assert (row.inspection_id if row else None) == (open_ids[0] if open_ids else None)
        if row:
            self.begun.append(row.inspection_id)

    @precondition(lambda self: self.triggers)
    @rule(data=st.data(), reason=st.sampled_from(Reason))
    def commit(self, data: st.DataObject, reason: Reason) -> None:
        """An outcome for any trigger, begun or not, also a second one."""
        trigger_id, inspection_id = data.draw(st.sampled_from(sorted(self.triggers.items())))
        outcome = Outcome(inspection_id, trigger_id, reason)
        try:
            seq = self.store.commit(outcome, topic="outcome", config_hash="c", at=AT)
        except UseError:
            assert inspection_id in self.outcomes
            return
        row = self.store.outcome(inspection_id)
        assert row is not None
        assert row.seq == seq
        if inspection_id in self.outcomes:
            assert row.payload == self.outcomes[inspection_id]
            return
        assert seq == len(self.outcomes) + 1
        self.outcomes[inspection_id] = row.payload
        self.waiting.append(inspection_id)

    @precondition(lambda self: self.waiting)
    @rule(taken=st.booleans())
    def answer_the_oldest(self, taken: bool) -> None:
        """The broker takes the oldest message, or it is set aside."""
        message = self.store.outbox.pending(1)[0]
        assert message.inspection_id == self.waiting.pop(0)
        if taken:
            self.store.outbox.acknowledge(message.row_id)
        else:
            self.store.outbox.refuse(message.row_id, "quota_exceeded")
            self.store.outbox.set_aside(message.row_id)
            self.dead.append(message.inspection_id)

    @rule()
    def retry(self) -> None:
        """A person sends all dead letters again."""
        self.store.outbox.retry()
        order = list(self.outcomes)
        self.waiting = sorted([*self.waiting, *self.dead], key=order.index)
        self.dead = []

    @rule()
    def crash(self) -> None:
        """The process dies, and another one opens what is left."""
        # What a kill leaves: the files as they are, without a clean close; the copy is opened by the next start.
        left = Path(tempfile.mkdtemp())
        for file in self.folder.glob("edge.db*"):
            shutil.copy(file, left / file.name)
        self.store.close()
        shutil.rmtree(self.folder)
        self.folder = left
        self.store = Store.open(self.folder, "st")

    @invariant()
    def nothing_is_lost_and_nothing_is_twice(self) -> None:
        """The store agrees with the model."""
        counts = self.store.counts()
        open_ids = {row.inspection_id for row in [*self.store.waiting_triggers(), *self.store.interrupted()]}
        assert counts["triggers"] == len(self.triggers) == counts["outcomes"] + len(open_ids)
        assert [row.seq for row in self.store.outcomes(limit=100)] == list(range(len(self.outcomes), 0, -1))
        assert {row.inspection_id: row.payload for row in self.store.outcomes(limit=100)} == self.outcomes
        pending = self.store.outbox.pending(100)
        assert [message.inspection_id for message in pending] == self.waiting
        assert all(message.payload == self.outcomes[str(message.inspection_id)] for message in pending)
        assert {message.inspection_id for message in self.store.outbox.dead_letters()} == set(self.dead)
        assert (self.store.outbox.num_waiting(), self.store.outbox.num_dead()) == (len(self.waiting), len(self.dead))

    def teardown(self) -> None:
        """Remove the folder."""
        self.store.close()
        shutil.rmtree(self.folder)


def test_any_order_and_any_crash_keep_triggers_outcomes_and_bytes() -> None:
    """Triggers == outcomes + open, `seq` gapless, payloads constant, for any order and any crash (L1, L2, L11)."""
    run_state_machine_as_test(Life, settings=settings(max_examples=30, stateful_step_count=30, deadline=None))
