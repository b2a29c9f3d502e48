"""Promises of the linker's judge: what is said in place of the printed texts has one name, the worst first."""

from __future__ import annotations

import re

import pytest

from edge.core.fields import FieldRule, Product
from edge.core.reading import FieldReading, TextLine
from training.linking.judge import MISSED, missed, product_of
from training.linking.layouts import Mark, Part, setting
from training.linking.pages import Labelled

SERIAL = FieldRule("serial", r"\d{6}", lambda text: re.fullmatch(r"\d{6}", text) is not None)
PRODUCT = Product("form", {"serial": SERIAL})


def plate(serial: str) -> Labelled:
    """A page that prints a serial number only."""
    box = setting([Part(serial, Mark("serial", 0))], 0, 0, 20, 0.5)
    line = TextLine(box.text, ((0.0, 0.0), (80.0, 0.0), (80.0, 20.0), (0.0, 20.0)), ())
    return Labelled((line,), (tuple(letter.mark for letter in box.letters),), (0,), "table", "en", "any")


@pytest.mark.parametrize(
    ("text", "proposals", "name"),
    [
        ("123457", (), "of the right form"),
        ("12345O7", (), "of another form"),
        ("", (), "nothing"),
        ("12345O", (("123450", "O->0 at 6"),), "of another form, the printed text the only proposal"),
        ("1234SO", (("123450", "S->5 at 5"), ("123950", "4->9 at 4")), "of another form"),
    ],
)
def test_what_is_said_in_place_of_a_text_has_its_name(
    text: str, proposals: tuple[tuple[str, str], ...], name: str
) -> None:
    """A text that could pass, one that is held, one that is held with the printed one beside it, and none."""
    said = missed(plate("123450"), PRODUCT, {"serial": FieldReading("serial", text, text, alternatives=proposals)})

    assert said == name
    assert name in MISSED


def test_a_product_file_of_a_page_names_what_readers_mix_up() -> None:
    """The judge's product file is as sites write them: with characters that are proposed for each other."""
    rule = product_of(plate("123450")).fields["serial"]

    assert "0O" in rule.confusable
    assert rule.matches("987650")
    assert not rule.matches("98765O")
