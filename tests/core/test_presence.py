"""From looks to triggers: one plate, one trigger."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.core.presence import Presence, PresenceRules

RULES = PresenceRules(appears_at=5, vanishes_at=2, settle_looks=2)


def triggers(*looks: float, still: bool = True) -> int:
    """How many plates appear in a row of looks."""
    place = Presence(RULES)
    return sum(place.look(share, still=still) for share in looks)


def test_a_plate_that_comes_stays_and_goes_is_one_trigger() -> None:
    """However long it stays, a plate triggers once; after an empty place the next one does."""
    assert triggers(0, 0, 20, 20, 20, 20, 20) == 1
    assert triggers(0, 0, 20, 20, 20, 0, 0, 20, 20, 20) == 2


def test_a_hand_over_the_plate_is_no_second_plate() -> None:
    """A share that wavers, and one empty look, leave the same plate in place."""
    assert triggers(0, 0, 20, 20, 3, 4, 20, 0, 20, 20) == 1


def test_a_plate_that_still_moves_has_not_come() -> None:
    """While the picture moves nothing triggers; the first still looks do."""
    place = Presence(RULES)
    moving = [place.look(share, still=share == 0) for share in (0, 0, 20, 20, 20)]
    still = [place.look(20, still=True) for _ in range(3)]

    assert (sum(moving), still) == (0, [False, True, False])


def test_a_plate_that_is_there_at_the_first_look_has_not_appeared() -> None:
    """Whether it was inspected before is not known: no trigger until the place was empty."""
    assert triggers(20, 20, 20) == 0
    assert triggers(20, 20, 0, 0, 20, 20) == 1


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=100))
def test_between_two_triggers_the_place_was_empty(looks: list[tuple[float, bool]]) -> None:
    """Whatever is seen, between two triggers are `settle_looks` empty looks: no plate triggers twice (L1)."""
    place = Presence(RULES)
    empty, emptied, told = 0, False, []
    for share, still in looks:
        empty = empty + 1 if share < RULES.vanishes_at else 0
        emptied = emptied or empty >= RULES.settle_looks
        if place.look(share, still=still):
            told.append(emptied)
            emptied = False

    assert all(told)
