"""The linker's promises where a serial number's key was not read at all, or a sign or another cell is in the way."""

# ruff: noqa: RUF001 - keys in many alphabets

from __future__ import annotations

import re

import pytest

from edge.core.fields import FieldRule, Product
from edge.readers.linking.linker import link
from tests.readers.linking.typesetting import typeset

SIZE = (4000, 4000)
NAMEPLATE = Product("nameplate", {"model": FieldRule("model"), "serial": FieldRule("serial")})


def read(drawing: str) -> dict[str, str]:
    """Link a drawing without a product file."""
    return {name: field.text for name, field in link(typeset(drawing), NAMEPLATE, SIZE).items()}


def table(*rows: str) -> str:
    """Give a plate of rows."""
    return "\n".join(("# KELVIA", *rows))


@pytest.mark.parametrize("left", ["N", "N石", ":oN", "Výr. ..", "Ne"])
def test_a_value_at_what_is_left_of_its_key_is_the_serial_number(left: str) -> None:
    """The sign for "number", or an abbreviation, is enough where the value stands as the plate's other values do."""
    drawing = table("Typ:      XK-200", f"{left:8}  40123987A", "Výkon:    2,2 kW", "Napětí:   230 V")

    fields = link(typeset(drawing), NAMEPLATE, SIZE)

    assert fields["serial"].text == "40123987A"
    assert "key" in fields["serial"].why


@pytest.mark.parametrize("left", [":", "o", "区", "USB", "0bj.", "KoA"])
def test_what_may_be_left_of_another_key_invents_no_serial_number(left: str) -> None:
    """A colon or a letter may as well be left of a key of what is not asked for."""
    drawing = table("Typ:      XK-200", f"{left:8}  40123987A", "Výkon:    2,2 kW", "Napětí:   230 V")

    assert read(drawing)["serial"] == ""


def test_the_one_code_that_is_printed_twice_is_the_serial_number() -> None:
    """Plates repeat the serial number under its bar code, and an order code begins with the model."""
    code = "\n\n40123987A\n\n\nXK-200-7\n\n\nXK-200-7\n\n\n40123987A"

    twice = read(table("Typ: XK-200", "Výkon: 2,2 kW") + code)
    once = read(table("Typ: XK-200", "Výkon: 2,2 kW") + code.replace("40123987A", "", 1))

    assert (twice["serial"], once["serial"]) == ("40123987A", "")


def test_two_codes_that_are_printed_twice_are_no_serial_number() -> None:
    """Where two would do, none is told."""
    codes = "\n\n40123987A\n\n\n5512-77B\n\n\n5512-77B\n\n\n40123987A"

    assert read(table("Typ: XK-200", "Výkon: 2,2 kW") + codes)["serial"] == ""


def test_a_sign_beside_a_value_does_not_hide_it_from_its_key() -> None:
    """What is drawn is read as a Chinese letter and is no value."""
    drawing = "MODELO:\n  XK-200\nN.°de série:\n近  503820XUF\nPESO:\n  5 kg"

    assert read(drawing)["serial"] == "503820XUF"


def test_a_hardware_address_below_its_key_is_no_model() -> None:
    """A key of an address has its value in the next box, also without a colon."""
    assert read("# KELVIA\nMAC ID\nC0207B9E4B05\nS/N: 40123987\n230 V")["model"] == ""


def test_where_a_thing_is_made_is_no_key() -> None:
    """The two words of "Made in", cut in two, are no misread "Model"."""
    assert read("# ZE 693\nS/N: 40123987\nMadei  in Korea")["model"] == "ZE 693"
    assert read("Soft starter\nS/N: 40123987\nMode in EU")["model"] == ""


@pytest.mark.parametrize("text", ["Model: S\n# XK-200", "Model:\nS\n  XK-200", "Typ.  5  XK-200"])
def test_one_letter_or_figure_is_no_model(text: str) -> None:
    """A speck of dirt read as a letter or figure is no model, and does not hide the one behind it."""
    assert read(f"# KELVIA\n{text}\nS/N: 40123987")["model"] == "XK-200"


def test_the_sign_of_an_approval_is_no_model() -> None:
    """No key makes a model of the mark below it."""
    assert read("Model\nTÜV\nSerial No.  40123987")["model"] == ""


@pytest.mark.parametrize("sign", ["CE", "GS"])
def test_the_sign_of_an_approval_is_no_variant(sign: str) -> None:
    """A product file's form that allows two letters behind a model takes none from the box beside or below it."""
    pattern = r"Pixus \d|Pixus \d [A-Z]{2}"
    rule = FieldRule("model", pattern, lambda text: re.fullmatch(pattern, text) is not None)
    drawing = f"KELVIA\nTipo:\nPixus 5 {sign}\n24806525"

    beside = link(typeset(drawing.replace(f" {sign}", f"  {sign}")), Product("x", {"model": rule}), SIZE)
    below = link(typeset(f"KELVIA\nTipo\nPixus 5\n# {sign} IP55\n24806525"), Product("x", {"model": rule}), SIZE)

    assert (beside["model"].text, below["model"].text) == ("Pixus 5", "Pixus 5")


def test_a_rating_behind_a_serial_number_is_no_group_of_it() -> None:
    """A number with its unit at the end of a value is the next cell's."""
    assert read("TYPE / SERIAL NUMBER\nXK-200 / 3328-0072705 8755 rpm\nKELVIA")["serial"] == "3328-0072705"


def test_volts_with_hertz_glued_to_them_are_no_serial_number() -> None:
    """A lost blank makes no code of a rating."""
    assert read("Model: XK-200\nSerial No.:\n100-480V50HZ")["serial"] == ""


def test_a_key_behind_a_model_is_the_next_cells() -> None:
    """Where a detector takes a value and the next column's key for one, the model ends before it."""
    assert read("KELVIA\nModelo W12Y/122 Weight  26.5 kg\nSerial No. 40123987")["model"] == "W12Y/122"


def test_a_key_that_lost_its_end_is_known_by_its_beginning() -> None:
    """A key is known where no key of another kind begins so."""
    assert read("TYPE: XK-200\nFabricage  40123987\nSpanning: 230 V")["serial"] == "40123987"


@pytest.mark.parametrize("keys", ["Serial No. /", "Serial No./"])
def test_a_value_behind_a_slash_is_not_its_keys_where_the_other_key_is_lost(keys: str) -> None:
    """The part behind the slash belongs to the key behind the slash, though that was not read."""
    fields = read(f"KELVIA\n{keys}   / XK-200\nVoltage   230 V\nWeight   5 kg")

    assert fields == {"model": "XK-200", "serial": ""}


def test_two_values_tell_that_a_mark_behind_a_slash_was_a_key() -> None:
    """What is left of the second key, and a second value, make that the serial number."""
    fields = read("KELVIA\nМодель / 3a. XK-200 / 45638016\n230 V")

    assert fields == {"model": "XK-200", "serial": "45638016"}


def form(name: str, pattern: str) -> Product:
    """Give a product file with one field's form."""
    rule = FieldRule(name, pattern, lambda text: re.fullmatch(pattern, text) is not None)
    return Product("x", {**NAMEPLATE.fields, name: rule})


def test_the_only_text_of_a_models_form_is_the_model() -> None:
    """A model that begins like a key is found by its form, and a code at another key is not taken for one."""
    alone = link(typeset("KELVIA\nPN 407\nSerienr.  40123987\nKód  8812"), form("model", r"[A-Z]{2} \d{3}"), SIZE)
    held = link(typeset("KELVIA\nREF AX-40-7\nSerienr.  40123987"), form("model", r"[A-Z]{2}-\d\d-\d"), SIZE)

    assert (alone["model"].text, held["model"].text) == ("PN 407", "")


def test_a_text_of_the_right_form_that_is_printed_twice_is_not_there_by_chance() -> None:
    """A serial number without a key far from the model is told where the plate repeats it."""
    drawing = table("Typ: XK-200", "Výkon: 2,2 kW") + "\n" * 8 + "J8082239"

    once = link(typeset(drawing), form("serial", r"[A-Z]\d{7}"), SIZE)
    twice = link(typeset(drawing + "\n" * 8 + "J8082239"), form("serial", r"[A-Z]\d{7}"), SIZE)

    assert (once["serial"].text, twice["serial"].text) == ("", "J8082239")
