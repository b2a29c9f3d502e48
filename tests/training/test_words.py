"""What stands on made-up plates, and what is asked about them."""

from random import Random

import pytest

from training.small import words


@pytest.mark.parametrize("seed", range(40))
def test_that_a_seed_decides_a_plate(seed: int) -> None:
    """The same seed gives the same lines, fields and questions."""
    one, other = Random(seed), Random(seed)
    plates = words.plate(one), words.plate(other)

    assert plates[0] == plates[1]
    assert words.questions(one, plates[0]) == words.questions(other, plates[1])


@pytest.mark.parametrize("seed", range(200))
def test_that_every_field_is_printed(seed: int) -> None:
    """A field's text stands on one of the plate's lines, so that its answer can be seen."""
    plate = words.plate(Random(seed))

    assert all(any(text in line.text for line in plate.lines) for text in plate.fields.values())


@pytest.mark.parametrize("seed", range(60))
def test_that_what_is_not_printed_is_answered_none(seed: int) -> None:
    """A question about a field that a plate has not is answered `none`, and about one that it has, by its text."""
    dice = Random(seed)
    plate = words.plate(dice)
    answers = {answer for question, answer in words.questions(dice, plate) if "yes or no" not in question}

    printed = {*plate.fields.values(), "none"}
    assert all(answer in printed or answer.isdecimal() for answer in answers)


@pytest.mark.parametrize("seed", range(60))
def test_that_a_hint_can_be_wrong_by_one_character(seed: int) -> None:
    """A wrong hint differs in exactly one character, by one that is like it."""
    wrong = words.taken_for(Random(seed), "8B1065SZ")

    assert sum(a != b for a, b in zip(wrong, "8B1065SZ", strict=True)) == 1
