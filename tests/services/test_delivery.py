"""The order of sending, with a model of the broker: any messages refused, any outages, any losses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.services.delivery import GENERAL_AFTER, LAST_LOSSES, MAX_ATTEMPTS, MAX_LOSSES, Delivery, SetAside


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

    def perform(self, steps: list[SetAside]) -> None:
        """Do as decided."""
        for step in steps:
            self.waiting.remove(step.row_id)
            self.dead.add(step.row_id)

    def turn(self, *, breaks: bool = False) -> bool:
        """One message to the broker and its answer; False where nothing was to be sent."""
        row_id = self.delivery.choose(self.waiting, self.now_us)
        while row_id is None:
            if not self.waiting:
                return False
            self.now_us += max(1, self.delivery.wait_left_us(self.now_us))
            row_id = self.delivery.choose(self.waiting, self.now_us)
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
    model = Model(13, poison)
    for turn in range(1000):
        if not model.turn(breaks=turn in breaks and turn % 3 == 0):
            break

    assert model.taken == [row_id for row_id in range(1, 14) if row_id not in poison]
    assert model.dead == poison


@given(before=st.integers(0, 5), refusals=st.integers(0, 80))
def test_a_broker_that_refuses_all_for_a_time_gets_all_in_the_end(before: int, refusals: int) -> None:
    """After any time of refusing everything, all is taken, none is a dead letter, at most one is early (L11)."""
    model = Model(12)
    for _ in range(before):
        model.turn()
    model.refuses_all = True
    for _ in range(refusals):
        model.turn()
    model.refuses_all = False

    model.run()

    assert model.dead == set()
    assert sorted(model.taken) == list(range(1, 13))
    late = model.taken[before + 1 :]
    assert late == sorted(late)


@given(breaks=st.integers(0, 80))
def test_a_broker_at_which_every_connection_breaks_for_a_time_gets_all_in_the_end(breaks: int) -> None:
    """After any number of lost connections in a row each message is taken, and none is a dead letter (L11)."""
    model = Model(6)
    for _ in range(breaks):
        model.turn(breaks=True)

    model.run()

    assert model.dead == set()
    assert sorted(model.taken) == list(range(1, 7))
    assert model.taken[1:] == sorted(model.taken[1:])


def test_a_message_is_set_aside_once_a_younger_one_was_taken() -> None:
    """A poison message is tried `MAX_ATTEMPTS` times (8 s), then the next; after one more try it is dead (L11)."""
    model = Model(3, {1})

    while not model.taken:
        model.turn()
    begun_us = model.now_us
    model.run()

    assert (model.tries, model.dead, model.taken) == (MAX_ATTEMPTS + 1 + 2, {1}, [2, 3])
    assert 5e6 < begun_us < 10e6


def test_a_message_that_nothing_can_be_compared_with_is_tried_for_ever() -> None:
    """Alone, a refused message is not set aside: the broker may be to blame; tries come every 30 s at most (L11)."""
    model = Model(1, {1})
    for _ in range(100):
        model.turn()
    slowest_us = model.now_us
    model.turn()

    assert (model.waiting, model.dead) == ([1], set())
    assert model.delivery.is_refused_by_all_means
    assert 20e6 < model.now_us - slowest_us <= 30e6


def test_a_younger_message_does_not_wait_for_one_that_is_refused_alone() -> None:
    """A message that comes while the oldest is refused again and again goes at once, as a probe (L11)."""
    model = Model(1, {1})
    for _ in range(20):
        model.turn()
    model.waiting.append(2)
    now_us = model.now_us
    model.turn()

    assert (model.taken, model.now_us) == ([2], now_us)


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
    """After `MAX_LOSSES` connections a younger one goes, and `LAST_LOSSES` later the cause is dead (L11)."""
    model = Model(2)
    for _ in range(MAX_LOSSES):
        model.turn(breaks=True)
    model.turn()
    for _ in range(LAST_LOSSES):
        model.turn(breaks=True)

    model.run()

    assert (model.taken, model.dead) == ([2], {1})
