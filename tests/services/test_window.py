"""Several messages on their way, with a model of outbox, broker and subscriber: any refusals, any lost connections."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.services.delivery import MAX_ATTEMPTS, MAX_LOSSES, Delivery
from edge.services.window import Window

#: What the broker does next: answers the oldest on its way, refuses it, or breaks the connection after it has worked
#: on some that it does not answer any more.
Act = tuple[str, int]


class World:
    """An outbox, a connection in order, a broker and a subscriber, all in memory."""

    def __init__(self, count: int, limit: int, poison: frozenset[int] = frozenset(), *, is_mild: bool = False) -> None:
        self.window = Window(Delivery(lambda: 0.5))
        self.limit = limit
        self.poison = poison
        #: It refuses no message, and breaks no connections, as often as it takes to be passed over.
        self.is_mild = is_mild
        self.num_breaks = 0
        self.waiting = list(range(1, count + 1))
        self.wire: deque[int] = deque()
        self.heard: list[int] = []
        self.dead: set[int] = set()
        self.refusals: dict[int, int] = {}
        self.most_on_their_way = 0
        self.now_us = 0

    def send(self) -> bool:
        """All that may be sent now; False where nothing is on its way after it."""
        while True:
            free = [row_id for row_id in self.waiting if row_id not in self.window.on_their_way]
            row_id = self.window.choose(free, self.now_us, self.limit)
            if row_id is None:
                break
            self.wire.append(row_id)
            self.most_on_their_way = max(self.most_on_their_way, len(self.window.on_their_way))
        assert list(self.window.on_their_way) == list(self.wire)
        return bool(self.wire)

    def act(self, act: Act) -> None:
        """One thing that the broker does; time passes where nothing is on its way."""
        while not self.send():
            if not self.waiting:
                return
            self.now_us += max(1, self.window.wait_left_us(self.now_us))
        kind, number = act
        if kind == "break" and not (self.is_mild and self.num_breaks == MAX_LOSSES - 1):
            self.num_breaks += 1
            for row_id in list(self.wire)[:number]:
                if row_id not in self.poison:
                    self.heard.append(row_id)
            self.wire.clear()
            self._set_aside([step.row_id for step in self.window.lost(self.now_us)])
            return
        row_id = self.wire.popleft()
        tries = self.refusals.get(row_id, 0)
        if (kind == "refuse" and not (self.is_mild and tries == MAX_ATTEMPTS - 1)) or row_id in self.poison:
            self.refusals[row_id] = tries + 1
            self._set_aside([step.row_id for step in self.window.refused(row_id, self.now_us)])
        else:
            self.heard.append(row_id)
            self.window.taken(row_id)
            self.waiting.remove(row_id)

    def drain(self) -> None:
        """Let the broker take whatever comes, until nothing waits."""
        for _ in range(5000):
            if not self.waiting:
                return
            self.act(("take", 0))
        pytest.fail(f"{self.waiting} still wait")

    @property
    def first_heard(self) -> list[int]:
        """What a subscriber hears that drops repeats."""
        return list(dict.fromkeys(self.heard))

    def _set_aside(self, rows: list[int]) -> None:
        for row_id in rows:
            self.waiting.remove(row_id)
            self.dead.add(row_id)


takes, refuses = st.just(("take", 0)), st.just(("refuse", 0))
breaks = st.tuples(st.just("break"), st.integers(0, 10))


@given(count=st.integers(1, 40), limit=st.integers(1, 10), acts=st.lists(st.one_of(takes, breaks), max_size=80))
def test_lost_connections_cost_no_order(count: int, limit: int, acts: list[Act]) -> None:
    """Whatever connections are lost, a subscriber that drops repeats hears all, in the station's order (L11)."""
    world = World(count, limit, is_mild=True)
    for act in acts:
        world.act(act)

    world.drain()

    assert world.first_heard == list(range(1, count + 1))
    assert world.dead == set()
    assert world.most_on_their_way <= limit


@given(limit=st.integers(1, 10), acts=st.lists(st.one_of(takes, takes, refuses, breaks), max_size=80))
def test_a_refusal_costs_the_order_of_those_alone_that_were_on_their_way_with_it(limit: int, acts: list[Act]) -> None:
    """Refused fewer times than make a poison message, one may be passed by a window of others, and no more (L11)."""
    world = World(40, limit, is_mild=True)
    for act in acts:
        world.act(act)

    world.drain()

    heard = world.first_heard
    assert sorted(heard) == list(range(1, 41))
    for place, row_id in enumerate(heard):
        younger = [other for other in heard[:place] if other > row_id]
        assert len(younger) <= limit - 1
        assert not younger or row_id in world.refusals
    assert world.dead == set()


@given(acts=st.lists(st.one_of(takes, refuses, breaks), max_size=80))
def test_one_at_a_time_costs_no_order_at_all(acts: list[Act]) -> None:
    """With a limit of one, as live messages have it, each is heard after all older ones that are not poison (L11)."""
    world = World(20, 1, is_mild=True)
    for act in acts:
        world.act(act)

    world.drain()

    assert world.first_heard == list(range(1, 21))


@given(limit=st.integers(1, 10), poison=st.sets(st.integers(1, 30), max_size=6).map(frozenset))
def test_poison_among_many_never_blocks_the_rest(limit: int, poison: frozenset[int]) -> None:
    """Messages that are always refused end aside or wait; every other one is taken exactly once (L11)."""
    world = World(30, limit, poison)
    for _ in range(3000):
        if set(range(1, 31)) - poison <= set(world.heard):
            break
        world.act(("take", 0))

    assert sorted(world.heard) == sorted(set(range(1, 31)) - poison)
    assert sorted([*world.heard, *world.waiting, *world.dead]) == list(range(1, 31))


def test_the_window_grows_with_each_taken_and_is_one_again_after_trouble() -> None:
    """A broker in trouble gets one message at a time, and more again as it takes them (L11)."""
    world = World(100, 8)
    sizes = []
    for turn in range(40):
        world.send()
        sizes.append(len(world.window.on_their_way))
        world.act(("refuse", 0) if turn == 20 else ("take", 0))

    assert sizes[:9] == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert 1 in sizes[21:32]
    assert sizes[-1] == 8


def test_a_message_at_which_every_connection_breaks_does_not_block_a_backlog() -> None:
    """Deep in a backlog, the one message at which connections break is found, set aside, and the rest flow (L11)."""
    world = World(60, 8)
    for _ in range(600):
        if not world.waiting:
            break
        world.send()
        places = list(world.wire)
        if 30 in places:
            world.act(("break", places.index(30)))
        else:
            world.act(("take", 0))

    assert world.dead == {30}
    assert world.first_heard[:29] == list(range(1, 30))
    assert sorted(world.first_heard) == [row_id for row_id in range(1, 61) if row_id != 30]
