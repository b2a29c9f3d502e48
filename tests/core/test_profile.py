"""From examples to a rule: it says what they show, and every example has it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.fields import CHECKS, FieldRule, normalise
from edge.core.profile import MOST_CHARACTERS, generalise

EXAMPLES = st.lists(st.text("ABZabz0189 -/.+(|^]é#", min_size=1, max_size=14).filter(str.strip), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("examples", "pattern"),
    [
        (["20418873KF"], "[0-9]{8}[A-Z]{2}"),
        (["20418873KF", "2041887KF"], "[0-9]{7,8}[A-Z]{2}"),
        (["GM-1001", "GM-1002"], "[A-Z]{2}-[0-9]{4}"),
        (["GM-1001", "GM-1002", "GM-2003"], "GM-[0-9]{4}"),
        (["GM-1001", "GM-1001", "GM-1001"], "[A-Z]{2}-[0-9]{4}"),
        (["GM-1001", "GM-1002", "GX-2003"], "[A-Z]{2}-[0-9]{4}"),
        (["AB12", "12-3"], "(?:[A-Z]{2}[0-9]{2}|[0-9]{2}-[0-9])"),
        (["HX 4.7(b)"], r"[A-Z]{2} [0-9]\.[0-9]\([a-z]\)"),
        (["AB\u201312"], "[A-Z]{2}-[0-9]{2}"),
    ],
)
def test_a_pattern_says_what_its_examples_show(examples: list[str], pattern: str) -> None:
    """Lengths seen, separators kept, and a beginning fixed only where three different examples share it."""
    assert generalise(examples).pattern == pattern


@given(EXAMPLES)
def test_every_example_has_the_pattern(examples: list[str]) -> None:
    """Whatever the examples are, each matches as a whole in its plain form."""
    found = generalise(examples)

    assert len(found.pattern) <= MOST_CHARACTERS
    for example in examples:
        assert re.fullmatch(found.pattern, normalise(example, FieldRule(""))[0])


@given(EXAMPLES)
def test_the_order_of_examples_does_not_count(examples: list[str]) -> None:
    """A text that one order lets through is let through by the other."""
    one, other = generalise(examples), generalise(examples[::-1])

    assert all(re.fullmatch(other.pattern, normalise(text, FieldRule(""))[0]) for text in examples)
    assert (one.check, one.confusable) == (other.check, other.confusable)


@given(st.lists(st.integers(10**7, 10**8 - 1), min_size=3, max_size=5, unique=True))
def test_a_check_digit_is_found_where_all_have_it(numbers: list[int]) -> None:
    """Numbers with a right Luhn digit are seen to have a check, and it holds for each."""
    examples = [f"{n}{next(d for d in '0123456789' if CHECKS['luhn'](f'{n}{d}'))}" for n in numbers]

    check = generalise(examples).check
    assert check is not None
    assert all(CHECKS[check](text) for text in examples)


def test_two_examples_show_no_check_digit() -> None:
    """Two right check digits are chance too often; and a model is never said to have one."""
    examples = ["79927398713", "49927398716", "1234567812345670"]

    assert generalise(examples[:2]).check is None
    assert generalise(examples).check == "luhn"
    assert generalise(examples, checked=False).check is None


def test_confusable_groups_are_those_with_room() -> None:
    """A group counts where the pattern has room for one of its characters."""
    assert generalise(["a-b"]).confusable == ()
    assert generalise(["OX"]).confusable == ("0O", "1I", "2Z", "5S", "6G", "8B")


def test_no_example_is_an_error() -> None:
    """Blanks show nothing."""
    with pytest.raises(ValueError, match="at least one"):
        generalise([" "])
