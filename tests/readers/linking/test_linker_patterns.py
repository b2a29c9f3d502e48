"""The linker's promises with a product's pattern: every span that can match is found, and nothing is mended."""

from __future__ import annotations

import re

import pytest

from edge.core.fields import FieldRule, Product
from edge.core.reading import FieldReading
from edge.readers.linking.linker import link
from tests.readers.linking.typesetting import typeset

SIZE = (4000, 4000)


def serial_of(drawing: str, pattern: str, *confusable: str) -> FieldReading:
    """Link a drawing with a product file that gives the serial number's form."""
    compiled = re.compile(pattern)
    rule = FieldRule("serial", pattern, lambda text: compiled.fullmatch(text) is not None, confusable=confusable)
    return link(typeset(drawing), Product("x", {"model": FieldRule("model"), "serial": rule}), SIZE)["serial"]


@pytest.mark.parametrize("key", ["S/N:  ", ""])
def test_a_value_over_four_boxes_of_a_row_is_one(key: str) -> None:
    """A text of the product's form is found over four boxes, at its key and without one."""
    serial = serial_of(f"# KELVIA\nModel: XK-200\n{key}AB  12  3456  789C", "[A-Z]{2}[0-9]{9}[A-Z]")

    assert serial.raw == "AB 12 3456 789C"
    assert (serial.text, serial.rule) == ("AB123456789C", "blanks inside")


@pytest.mark.parametrize(
    "drawing", ["Serial No.  AB1234\n            56789C\nMade in Italy", "Serial No.\nAB1234\n56789C\n230 V"]
)
def test_a_value_over_two_lines_beside_or_below_its_key_is_one(drawing: str) -> None:
    """A text of the product's form is found where it goes on in the next line."""
    serial = serial_of(f"Model: XK-200\n{drawing}", "[A-Z]{2}[0-9]{9}[A-Z]")

    assert (serial.text, serial.raw) == ("AB123456789C", "AB1234 56789C")


@pytest.mark.parametrize(
    ("drawing", "left_out"),
    [
        ("SN12345678REV2", "REV2"),
        ("Motor12345678Made in Italy", "Motor … Made in Italy"),
        ("NR12345678CHINA", "CHINA"),
    ],
)
def test_words_glued_to_a_value_are_left_out_and_told(drawing: str, left_out: str) -> None:
    """A text of the product's form is found between known words that no blank parts from it (L7)."""
    serial = serial_of(f"Model: XK-200\n{drawing}", "[0-9]{8}")

    assert serial.text == "12345678"
    assert f'left out "{left_out}"' in serial.why


@pytest.mark.parametrize(("drawing", "told"), [("S/N: XA12345678", "XA12345678"), ("XA12345678QF", "")])
def test_letters_that_are_no_words_are_never_cut_off(drawing: str, told: str) -> None:
    """Letters that may belong to a longer number are not hidden to make it fit (L7)."""
    assert serial_of(f"Model: XK-200\n{drawing}", "[0-9]{8}").text == told


def test_a_text_without_a_key_one_like_letter_off_is_told_with_its_proposal() -> None:
    """Text that no key holds and one like letter parts from the form stays as printed; the other is proposed (L7)."""
    serial = serial_of("# KELVIA\nModel: XK-200\nAB123456O89C", "[A-Z]{2}[0-9]{9}[A-Z]", "0O", "1I")

    assert serial.text == serial.raw == "AB123456O89C"
    assert serial.alternatives == (("AB123456089C", "O->0 at 9"),)
    assert "does not match the pattern" in serial.why
    assert serial.measures == {"link": 0.0}


@pytest.mark.parametrize(
    ("drawing", "pattern", "confusable"),
    [
        ("AB12345OO89C", "[A-Z]{2}[0-9]{9}[A-Z]", ("0O",)),
        ("AB123456O89C", "[A-Z]{2}[0-9]{9}[A-Z]", ()),
        ("12345O78", "[0-9]{8}", ("0O",)),
        ("AB123456O89C\nAB123456O77C", "[A-Z]{2}[0-9]{9}[A-Z]", ("0O",)),
        ("P/N: AB123456O89C", "[A-Z]{2}[0-9]{9}[A-Z]", ("0O",)),
    ],
    ids=["two letters off", "no confusable letters", "a form met by chance", "two such texts", "another key's"],
)
def test_what_may_as_well_be_something_else_is_not_proposed(
    drawing: str, pattern: str, confusable: tuple[str, ...]
) -> None:
    """Nothing is invented from a text that is far from the form, common, one of several, or another key's."""
    serial = serial_of(f"Model: XK-200\n{drawing}", pattern, *confusable)

    assert (serial.text, serial.alternatives) == ("", ())


def test_a_number_of_an_approval_is_none_though_it_has_the_form() -> None:
    """Without a key a text that plainly is another thing is not a serial number, whatever its form."""
    assert serial_of("Model: XK-200\nE59315", "[A-Z][0-9]{5}").text == ""


def test_a_number_met_by_chance_is_not_the_one_that_is_hidden_at_its_key() -> None:
    """Beside a key without its number a plain number elsewhere is none, though it has the form."""
    assert serial_of("Model: XK-200\nSerial No.:\nMade in Italy\n\n\n\n17729033", "[0-9]{8}").text == ""
