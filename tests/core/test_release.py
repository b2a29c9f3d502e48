"""Which release a station takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.core.release import ReleaseName, is_for, step_to

NAMES = st.builds(ReleaseName, st.integers(1, 9), st.sampled_from("abc"))
LEVELS = st.text(st.characters(exclude_characters="/*"), min_size=1, max_size=5)


@given(st.lists(NAMES))
def test_number_of_a_station_only_grows(offered: list[ReleaseName]) -> None:
    """In whatever order releases are offered, the number never falls, and no number changes its content."""
    present: ReleaseName | None = None
    taken: list[ReleaseName] = []
    for name in offered:
        if step_to(present, name) == "take":
            present = name
            taken.append(name)

    numbers = [name.number for name in taken]
    assert numbers == sorted(set(numbers))


@given(NAMES)
def test_same_release_again_is_a_repeat(name: ReleaseName) -> None:
    """A release that is present is neither taken again nor refused."""
    assert step_to(name, name) == "repeat"


@given(LEVELS, LEVELS, LEVELS)
def test_star_is_any_one_level_and_no_more(site: str, line: str, station: str) -> None:
    """A pattern means the stations that are like it in each level that it names."""
    place = f"{site}/{line}/{station}"

    assert is_for([place], place)
    assert is_for([f"{site}/*/*"], place)
    assert is_for(["*/*/*"], place)
    assert not is_for([f"{site}/*"], place)
    assert not is_for(["*"], place)
    assert not is_for([f"{site}/{line}/{station}x"], place)
