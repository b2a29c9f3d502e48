"""From the level of an input to triggers: debounce, storms, and what is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.core.trigger_input import MAX_TRIGGER_RATE, InputRules, TriggerInput

#: Changes as they come: a level, and the time since the one before, µs.
CHANGES = st.lists(st.tuples(st.booleans(), st.integers(0, 30_000)), max_size=300)


def told(one: TriggerInput, *changes: tuple[bool, int]) -> list[int]:
    """The times of the triggers that these changes, at these times, show."""
    found = [one.change(active=active, at_us=at_us) for active, at_us in changes]
    return [at_us for at_us in found if at_us is not None]


def test_a_rise_that_stays_is_a_trigger_at_its_own_time() -> None:
    """Once the rise has lasted for the debounce time it counts, and its time is when it rose, not when it was sure."""
    one = TriggerInput(InputRules(debounce_us=5_000))
    early = one.change(active=True, at_us=1_000)
    not_yet = one.ripe(5_999)

    assert (early, not_yet, one.due_us) == (None, None, 6_000)
    assert one.ripe(6_000) == 1_000
    assert one.ripe(7_000) is None


def test_a_contact_that_bounces_triggers_once() -> None:
    """Three short closings and one that stays are one trigger; the three are counted as bounced."""
    one = TriggerInput(InputRules(debounce_us=5_000))
    bouncing = [(number % 2 == 0, number * 500) for number in range(7)]

    assert told(one, *bouncing) == []
    assert one.ripe(10_000) == 3_000
    assert one.counts["bounced"] == 3
    assert one.counts["accepted"] == 1


def test_a_storm_is_bounded_and_counted_by_name() -> None:
    """At 10,000 changes in a second no more than `max_per_s` are triggers; the rest are `max_trigger_rate` (L12)."""
    one = TriggerInput(InputRules(max_per_s=20))
    found = told(one, *((number % 2 == 0, number * 100) for number in range(10_000)))

    assert len(found) == 20
    assert one.counts[MAX_TRIGGER_RATE] == 5_000 - 20
    assert len(one._recent) == 20


def test_after_a_storm_triggers_are_taken_again() -> None:
    """A second after the last one that was taken the input is listened to as ever."""
    one = TriggerInput(InputRules(max_per_s=2))
    told(one, *((number % 2 == 0, number * 1_000) for number in range(20)))

    assert told(one, (True, 1_500_000)) == [1_500_000]


def test_a_level_that_is_there_when_the_input_is_opened_is_no_trigger() -> None:
    """Whether the part that stands there was inspected is not known: it takes a fall and a rise."""
    one = TriggerInput(InputRules())
    one.begin(active=True)

    assert told(one, (True, 10), (False, 20)) == []
    assert told(one, (True, 30)) == [30]


@given(changes=CHANGES, debounce_us=st.integers(0, 20_000), max_per_s=st.integers(1, 5))
def test_whatever_the_input_does_every_steady_rise_is_accepted_or_counted(
    changes: list[tuple[bool, int]], debounce_us: int, max_per_s: int
) -> None:
    """Triggers and `max_trigger_rate` together are the rises that stayed; no second has more than the limit (L12)."""
    one = TriggerInput(InputRules(debounce_us, max_per_s))
    at_us, level, since_us, steady, rises = 0, False, 0, False, 0
    found: list[int] = []
    for active, pause_us in [*changes, (False, 10**6)]:
        at_us += pause_us
        if level != steady and at_us - since_us >= debounce_us:
            steady, rises = level, rises + level
        if active != level:
            level, since_us = active, at_us
            if not debounce_us:
                steady, rises = level, rises + level
        trigger = one.change(active=active, at_us=at_us)
        found += [] if trigger is None else [trigger]

    assert len(found) + one.counts[MAX_TRIGGER_RATE] == rises
    assert one.counts["accepted"] == len(found)
    assert all(later - earlier >= 10**6 for earlier, later in zip(found, found[max_per_s:], strict=False))
