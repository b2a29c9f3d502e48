"""The sheet of lines that a vision-language model sees."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.vision import sheet
from edge.vision.rectify import Pixels


def line(width_px: int, value: int) -> Pixels:
    """A line of one grey value."""
    return np.full((sheet.ROW_PX, width_px, 3), value, np.uint8)


@given(st.lists(st.integers(14, 336), max_size=40))
def test_every_line_stands_on_the_sheet_whole_or_is_counted_as_left_out(widths: list[int]) -> None:
    """No line disappears: each is on the sheet with all of its pixels, over no other line, or counted."""
    lines = [line(width, 1 + number) for number, width in enumerate(widths)]

    made = sheet.pack(lines)

    on_it = {place.line for place in made.places}
    assert len(on_it) + made.left_out == len(lines)
    for number in on_it:
        assert int((made.image[..., 0] == 1 + number).sum()) >= sheet.ROW_PX * widths[number]


@given(st.lists(st.integers(14, 1200), max_size=60))
def test_a_sheet_has_one_of_few_shapes(widths: list[int]) -> None:
    """Whatever the lines, the picture is 336 px wide and one of the prepared heights."""
    made = sheet.pack([line(width, 9) for width in widths])

    assert made.image.shape[1:] == (sheet.WIDTH_PX, 3)
    assert made.image.shape[0] // sheet.ROW_PX in sheet.ROWS
    assert made.tokens == made.image.shape[0] // sheet.ROW_PX * sheet.COLUMNS


def test_a_long_line_is_broken_with_its_break_shown_twice() -> None:
    """A line wider than the sheet goes on in the next row, and what stands at the break is on both rows."""
    long = np.tile(np.arange(1200, dtype=np.uint16)[None, :, None] // 5, (sheet.ROW_PX, 1, 3)).astype(np.uint8)

    made = sheet.pack([long])

    first, second = made.places[:2]
    end = made.image[5, first.left_px + first.width_px - 1, 0]
    begin = made.image[sheet.ROW_PX + 5, second.left_px, 0]
    assert begin < end
    assert len(made.places) == 3


def test_the_thumbnail_stands_only_where_no_line_does() -> None:
    """The frame's thumbnail never covers text."""
    small = np.full((56, 84, 3), 255, np.uint8)

    free = sheet.pack([line(100, 1)], small)
    full = sheet.pack([line(336, 1)] * 4, small)

    assert (free.image[-1, -1] == 255).all()
    assert not (full.image == 255).any()
