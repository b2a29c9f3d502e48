"""The order of sending, with a model of the broker: any messages refused, any outages, any losses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.services.delivery import GENERAL_AFTER, MAX_ATTEMPTS, MAX_LOSSES, Delivery, Restore, SetAside, Step


class Model:
    """An outbox and a broker in memory: what waits, what was set aside, what was taken in which order."""

    def __init__(self, count: int, poison: set[int] | None = None) -> None:
        self.delivery = Delivery(lambda: 0.5)
        self.waiting = list(range(1, count + 1))
        self.dead: set[int] = set()
        self.taken: list[int] = []
        self.poison = poison or set()
        self.refuses_all = False
        self.now_us = 0
        self.tries = 0

    def perform(self, steps: list[Step]) -> None:
        """Do as decided."""
        for step in steps:
            if isinstance(step, SetAside):
                self.waiting.remove(step.row_id)
                self.dead.add(step.row_id)
            else:
                self.dead.remove(step.row_id)
                self.waiting = sorted([*self.waiting, step.row_id])

    def turn(self, *, breaks: bool = False) -> bool:
        """One message to the broker and its answer; False where nothing was to be sent."""
        self.now_us += self.delivery.wait_left_us(self.now_us)
        row_id = self.delivery.choose(self.waiting, self.now_us)
        if row_id is None:
            return False
        self.tries += 1
        assert row_id in self.waiting
        if breaks:
            self.perform(self.delivery.lost(self.now_us))
        elif self.refuses_all or row_id in self.poison:
            self.perform(self.delivery.refused(row_id, self.now_us))
        else:
            self.delivery.taken(row_id)
            self.waiting.remove(row_id)
            self.taken.append(row_id)
        return True

    def run(self, turns: int = 10_000) -> None:
        """Until nothing is left to send."""
        for _ in range(turns):
            if not self.turn():
                return
        pytest.fail(f"{self.waiting} still wait after {turns} turns")


@given(count=st.integers(1, 25), poison=st.sets(st.integers(1, 25)))
def test_every_good_message_is_taken_once_whatever_the_others_are(count: int, poison: set[int]) -> None:
    """Poison messages end as dead letters or wait; every other message is taken, exactly once (L11)."""
    model = Model(count, poison)
    for _ in range(5000):
        if set(range(1, count + 1)) - poison <= set(model.taken) or not model.turn():
            break

    assert sorted(model.taken) == sorted(set(range(1, count + 1)) - poison)
    assert sorted([*model.taken, *model.waiting, *model.dead]) == list(range(1, count + 1))


@given(poison=st.sets(st.integers(1, 12), max_size=GENERAL_AFTER - 1), breaks=st.sets(st.integers(0, 60)))
def test_order_is_kept_among_all_that_are_taken(poison: set[int], breaks: set[int]) -> None:
    """With fewer poison messages than make a wall, and any lost connections, the taken ones are in order (L11)."""
    model = Model(12, poison)
    turn = 0
    while model.turn(breaks=turn in breaks and turn % 3 == 0):
        turn += 1

    assert model.taken == [row_id for row_id in range(1, 13) if row_id not in poison]
    assert model.dead == poison & set(range(1, 13))


@given(before=st.integers(0, 5), refusals=st.integers(0, 80))
def test_a_broker_that_refuses_all_for_a_time_gets_all_in_the_end(before: int, refusals: int) -> None:
    """After any time of refusing everything, each message is taken or at worst a dead letter; at most two are (L11)."""
    model = Model(12)
    for _ in range(before):
        model.turn()
    model.refuses_all = True
    for _ in range(refusals):
        model.turn()
    model.refuses_all = False

    model.run()

    assert len(model.dead) < GENERAL_AFTER
    assert sorted([*model.taken, *model.dead]) == list(range(1, 13))
    if refusals > GENERAL_AFTER * MAX_ATTEMPTS:
        # A probe may have come through first; all others are in their order, and none is set aside.
        assert model.dead == set()
        late = [row_id for index, row_id in enumerate(model.taken[before:]) if index > 0]
        assert late == sorted(late)


def test_a_message_is_set_aside_after_its_attempts() -> None:
    """One poison message alone is tried `MAX_ATTEMPTS` times, about 8 s, then set aside (L11, L12)."""
    model = Model(1, {1})

    model.run()

    assert (model.tries, model.dead) == (MAX_ATTEMPTS, {1})
    assert 5e6 < model.now_us < 10e6


def test_set_aside_messages_return_when_all_are_refused() -> None:
    """What was set aside before it showed that all is refused goes back to its place (L11)."""
    model = Model(4)
    model.refuses_all = True
    steps: list[Step] = []
    while not any(isinstance(step, Restore) for step in steps):
        model.now_us += model.delivery.wait_left_us(model.now_us)
        row_id = model.delivery.choose(model.waiting, model.now_us)
        assert row_id is not None
        steps = model.delivery.refused(row_id, model.now_us)
        model.perform(steps)

    assert model.delivery.is_refused_by_all_means
    assert model.waiting == [1, 2, 3, 4]


def test_nothing_is_chosen_while_a_message_is_on_its_way() -> None:
    """There is one message on its way at a time, so that order cannot break (L11)."""
    delivery = Delivery(lambda: 0.0)

    assert delivery.choose([4, 5], 0) == 4
    assert delivery.choose([4, 5], 0) is None
    delivery.taken(4)
    assert delivery.choose([5], 0) == 5


def test_a_message_that_can_never_be_taken_is_set_aside_at_once() -> None:
    """A refusal for good needs no second try."""
    delivery = Delivery(lambda: 0.0)
    delivery.choose([1, 2], 0)

    assert delivery.refused(1, 0, for_good=True) == [SetAside(1)]
    assert delivery.choose([2], 0) == 2


def test_a_message_at_which_every_connection_breaks_is_set_aside() -> None:
    """After `MAX_LOSSES` connections in a row that broke with it on its way, a message is taken for their cause."""
    model = Model(2)
    for _ in range(MAX_LOSSES):
        model.turn(breaks=True)

    model.run()

    assert (model.taken, model.dead) == ([2], {1})
