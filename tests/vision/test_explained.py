"""Promises of what counts as unread text: what looks like characters and stands in no line."""

from __future__ import annotations

import pytest

from edge.core.reading import Quad
from edge.vision.explained import explained, unexplained
from edge.vision.locate import Subject

LINE: Quad = ((0.0, 0.0), (300.0, 0.0), (300.0, 20.0), (0.0, 20.0))
READ = [(10.0 + 14 * n, 10.0) for n in range(20)]


def seen(*left: tuple[float, float], height_px: float = 15.0, strength: float = 100.0) -> Subject:
    """A subject with twenty characters in `LINE`, and others elsewhere."""
    strengths = (*[100.0] * len(READ), *[strength] * len(left))
    heights = (*[15.0] * len(READ), *[height_px] * len(left))
    return Subject(0, 0, 800, 600, 15.0, (*READ, *left), strengths, heights)


def row(x: float, y: float, count: int = 6, pitch: float = 14.0) -> list[tuple[float, float]]:
    """Characters beside each other."""
    return [(x + pitch * n, y) for n in range(count)]


def test_lines_explain_the_characters_that_they_hold() -> None:
    """The share of characters inside found lines tells whether the rest of a frame must be searched again."""
    found = seen(*row(500, 300))

    assert explained(found, [LINE]) == pytest.approx(20 / 26)
    assert explained(found, [LINE, ((480.0, 280.0), (600.0, 280.0), (600.0, 320.0), (480.0, 320.0))]) == 1.0
    assert explained(found, []) == 0.0
    assert explained(Subject(0, 0, 300, 300, None), [LINE]) == 0.0


@pytest.mark.parametrize(("strength", "share"), [(100.0, 0.5), (45.0, 0.5), (15.0, 1.0)])
def test_noise_beside_a_rule_is_no_unread_character(strength: float, share: float) -> None:
    """What stands out of its ground far less than the characters in lines do asks for no second search."""
    told = explained(seen(*row(300, 400, 20), strength=strength), [LINE])

    assert told == share


def test_each_group_is_told_with_room_and_its_own_height() -> None:
    """Two rows apart are two groups, the larger one first; each has room round it, and the height of its characters."""
    small, large = unexplained(seen(*row(500, 300), *row(200, 550, 4), height_px=10.0), [LINE], (800, 600))

    assert small.text_height_px == large.text_height_px == 10.0
    assert small.left <= 460
    assert small.right >= 610
    assert small.top <= 260
    assert small.bottom >= 340
    assert large.bottom == 600


def test_nothing_is_left_where_lines_hold_all() -> None:
    """A plate whose characters all stand in lines is searched once."""
    assert unexplained(seen(), [LINE], (800, 600)) == []


def test_specks_and_texture_are_no_text() -> None:
    """Two characters, noise that is faint, and a field of marks are left alone."""
    two = unexplained(seen(*row(500, 300, 2)), [LINE], (800, 600))
    faint = unexplained(seen(*row(500, 300), strength=20.0), [LINE], (800, 600))
    field = unexplained(seen(*[at for y in range(200, 500, 15) for at in row(100, y, 20)]), [LINE], (800, 600))

    assert two == faint == field == []


def test_marks_of_many_heights_are_no_text() -> None:
    """Letters of one text are about as high as each other; specks are not."""
    heights = (*[15.0] * len(READ), 4.0, 7.0, 12.0, 20.0, 33.0)
    specks = Subject(0, 0, 800, 600, 15.0, (*READ, *row(400, 400, 5)), (100.0,) * 25, heights)

    assert unexplained(specks, [LINE], (800, 600)) == []
