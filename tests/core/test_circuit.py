"""Promises of the circuit breaker, by its table and over any order of events."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from edge.core import circuit
from edge.core.circuit import TABLE, Circuit, Rule

RULE = Rule(failures=3, pause_us=1000, jitter=0.5)


def test_every_state_knows_every_event() -> None:
    """The table has no hole: each state says what each event makes of it."""
    events = {"asked", "paused", "succeeded", "failed"}

    assert set(TABLE) == {"closed", "open", "half_open", "trying"}
    assert all(set(row) == events for row in TABLE.values())


def test_a_server_that_fails_is_left_alone_and_tried_by_one() -> None:
    """After its failures in a row nothing goes out; after the pause one request does, and its success lets all out."""
    tried = Circuit()
    for _ in range(3):
        tried, went = circuit.enter(tried, 0)
        assert went
        tried = circuit.ended(tried, RULE, 0, 0.0, well=False)

    opened, refused = circuit.enter(tried, 999)
    trying, first = circuit.enter(opened, 1000)
    _, second = circuit.enter(trying, 1000)
    closed = circuit.ended(trying, RULE, 1001, 0.0, well=True)
    assert (refused, first, second, closed.state, closed.opened) == (False, True, False, "closed", 1)


@given(st.floats(0, 1))
def test_pauses_of_stations_are_apart(chance: float) -> None:
    """A pause is longer by the station's own chance, up to the jitter: many do not come back at one moment."""
    until_us = circuit.ended(Circuit("closed", 2), RULE, 0, chance, well=False).until_us

    assert until_us == round(1000 * (1 + 0.5 * chance))


@given(st.lists(st.tuples(st.sampled_from(["enter", "well", "ill"]), st.integers(0, 700)), max_size=60))
def test_one_request_a_pause_reaches_a_dead_server(events: list[tuple[str, int]]) -> None:
    """From the moment it opens until something succeeds, no two requests go out within a pause."""
    now_us, state, went_at = 0, Circuit(), None
    for what, later_us in events:
        now_us += later_us
        if what == "enter":
            was_closed = state.state == "closed"
            state, went = circuit.enter(state, now_us)
            if went and not was_closed:
                assert went_at is None or now_us - went_at >= 1000
                went_at = now_us
        else:
            state = circuit.ended(state, RULE, now_us, 0.0, well=what == "well")
            went_at = None if what == "well" else went_at

    assert state.state in TABLE
