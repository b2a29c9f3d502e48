"""The made-up pages' promises: repeatable, labelled letter by letter, and nothing of the judge's in the training."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.linking import wording
from training.linking.damage import spoil
from training.linking.layouts import SEEN, UNSEEN, Mark, Part, setting
from training.linking.pages import Labelled, page, pages

SEEDS = st.integers(0, 10_000).map(str)


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.booleans())
def test_a_page_is_its_seed(seed: str, unseen: bool) -> None:
    """The same seed gives the same page, letter by letter."""
    assert page(seed, unseen=unseen) == page(seed, unseen=unseen)


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.booleans())
def test_every_letter_has_its_mark_and_its_box(seed: str, unseen: bool) -> None:
    """A line's characters and marks are its letters, one each, and no mark says anything but model or serial."""
    made = page(seed, unseen=unseen)

    for line, marks in zip(made.lines, made.marks, strict=True):
        assert [c.text for c in line.characters] == list(line.text)
        assert len(marks) == len(line.text)
        assert all(c.box is not None for c in line.characters)
        assert {mark.field for mark in marks if mark} <= {"model", "serial"}


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_a_hidden_serial_is_not_on_the_page(seed: str) -> None:
    """A page whose serial is hidden or absent has no letter of one, and one with a serial says so."""
    made = page(seed)

    assert made.has("serial") != ("serial hidden" in made.layout or "no serial" in made.layout)


def test_no_layout_language_or_name_form_of_the_judge_is_taught() -> None:
    """Pages of the training use the seen layouts and languages only, those of the judge the others only."""
    taught, judged = list(pages(3, 60)), list(pages(3, 60, unseen=True))

    assert {one.layout.split(",")[0] for one in taught} <= set(SEEN)
    assert {one.layout.split(",")[0] for one in judged} <= set(UNSEEN)
    assert not set(SEEN) & set(UNSEEN)
    assert {one.language for one in taught} <= set(wording.SEEN_LANGUAGES)
    assert {one.language for one in judged} <= set(wording.UNSEEN_LANGUAGES)


@pytest.mark.parametrize("layout", [*SEEN, *UNSEEN])
def test_every_layout_prints_each_row_s_value(layout: str) -> None:
    """Of twenty undamaged or damaged pages of a layout most hold the model that the page is about."""
    made = [page(f"{layout} {n}", layout=layout) for n in range(20)]

    assert sum(one.has("model") for one in made) > 10


def test_a_copy_that_was_misread_counts_only_where_no_other_is_right() -> None:
    """The value is the copy that was read as printed; a misread one only where there is no other."""
    box = setting(
        [Part("AX1", Mark("model", 0, damaged=True)), Part(" "), Part("AX7", Mark("model", 1))], 0, 0, 20, 0.5
    )
    made = page("any")
    line = replace(made.lines[0], text=box.text, characters=())
    both = Labelled((line,), (tuple(letter.mark for letter in box.letters),), (0,), "table", "en", "any")

    assert both.right("model", ((0, 4, 7),))
    assert not both.right("model", ((0, 0, 3),))


def test_without_strength_nothing_is_spoilt() -> None:
    """Damage of strength 0 leaves every text as it was printed."""
    from random import Random

    boxes = [setting([Part("Serial No.: 123456")], 0, 40 * n, 20, 0.5, "serial") for n in range(20)]

    assert [box.text for box in spoil(Random(1), boxes, strength=0.0).boxes] == ["Serial No.: 123456"] * 20
