"""What an answer says of a field, whoever gave it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.fields import FieldRule, normalise
from edge.core.reading import Character
from edge.errors import ReaderError
from edge.readers.decoding.answers import aligned, seen_whole


def characters(raw: str) -> tuple[Character, ...]:
    """A raw text with a confidence of its own at each place, and something else that it might be."""
    return tuple(Character(c, 0.5 + n / 100, (("#", 0.1),)) for n, c in enumerate(raw))


@given(st.text(alphabet="A1 -\u2013\uff21\u3000", max_size=12))
def test_every_character_of_a_normalised_text_keeps_a_doubt_of_its_own(raw: str) -> None:
    """What normalising changed or left out never makes the text surer: one character for each of its letters (L7)."""
    text, _ = normalise(raw, FieldRule("serial"))

    found = aligned(text, characters(raw))

    assert "".join(one.text for one in found) == text
    given_ = [one.confidence for one in characters(raw)]
    assert [one.confidence for one in found] == sorted(one.confidence for one in found)
    assert {one.confidence for one in found} <= set(given_)


def test_a_changed_dash_keeps_what_else_it_may_be() -> None:
    """A dash written in its plain form is as doubtful as the one that was read."""
    (found,) = aligned("-", characters("\u2013"))

    assert (found.text, found.confidence, found.alternatives) == ("-", 0.5, (("#", 0.1),))


def test_a_letter_without_a_character_is_not_believed() -> None:
    """A text longer than its characters has no confidence where none is known."""
    assert [one.confidence for one in aligned("AB", characters("A"))] == [0.5, 0.0]


def test_absent_needs_all_lines() -> None:
    """Lines that the model was not shown make "not there" a failure, with their number and the field (L3)."""
    seen_whole("serial", 0)

    with pytest.raises(ReaderError, match=r"3 lines .* 'serial'"):
        seen_whole("serial", 3)
