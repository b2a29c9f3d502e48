"""The linker's promises where keys are damaged, glued or without a value, and where a text is printed twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from edge.core.fields import FieldRule, Product
from edge.core.reading import FieldReading, TextLine
from edge.readers.linking.keys.hidden import hides
from edge.readers.linking.linker import link
from tests.readers.linking.typesetting import typeset

SIZE = (4000, 4000)
NAMEPLATE = Product("nameplate", {"model": FieldRule("model"), "serial": FieldRule("serial")})


def read(drawing: str) -> dict[str, str]:
    """Link a drawing without a product file."""
    return {name: field.text for name, field in link(typeset(drawing), NAMEPLATE, SIZE).items()}


def with_form(lines: Sequence[TextLine], pattern: str) -> FieldReading:
    """Link lines with a product file that gives the serial number's form."""
    compiled = re.compile(pattern)
    rule = FieldRule("serial", pattern, lambda text: compiled.fullmatch(text) is not None)
    return link(lines, Product("x", {"model": FieldRule("model"), "serial": rule}), SIZE)["serial"]


@pytest.mark.parametrize(
    ("line", "model"),
    [
        ("TYPENUMMERWT 137", "WT 137"),
        ("TYPOVÉ OZNAČENÍXX-99.31", "XX-99.31"),
        ("ModclNNAM-195HC-0", "NNAM-195HC-0"),
        ("TypNR9Y4363LN", "NR9Y4363LN"),
        ("Model L50C/639", "L50C/639"),
        ("Type Star-Hydro 2901", "Star-Hydro 2901"),
        ("Type MA55 LNN", "MA55 LNN"),
        ("M0dello: XK-200", "XK-200"),
    ],
)
def test_what_follows_a_damaged_or_glued_key_is_the_value(line: str, model: str) -> None:
    """Capitals glued behind a key are its value's, and a name that resembles a key word is none."""
    assert read(f"KELVIA\n{line}\nS/N: 40123987")["model"] == model


@pytest.mark.parametrize(
    ("line", "serial"),
    [
        ("Nº dc série: 40123987", "40123987"),
        ("N.º DE 6ÉRIE65158508", "65158508"),
        ("MachinerummerL911210672", "L911210672"),
        ("No97563", "97563"),
        ("Serial No.: 0156/02144498", "0156/02144498"),
        ("Serial No.: 88 CE0 7217", "88 CE0 7217"),
        ("Serial No.: 81 V 681", "81 V 681"),
    ],
)
def test_groups_and_damaged_keys_of_serial_numbers(line: str, serial: str) -> None:
    """A serial number is read whole whatever its groups look like, and its key with a letter wrong or none between."""
    assert read(f"KELVIA\nModel: XK-200\n{line}\n230 V")["serial"] == serial


@pytest.mark.parametrize("value", ["KC 802 181", "SF 8544 66", "BSN87730603"])
def test_a_value_that_begins_like_a_key_stays_whole_below_its_key(value: str) -> None:
    """What a few capitals of a value would be the key of is no key where the value's own key stands above."""
    assert read(f"Model\nXK-200\nSerial No.\n{value}\nWeight\n12 kg")["serial"] == value


@pytest.mark.parametrize("told", ["XXXXXX", "***", "see label", "siehe Etikett", "n/a"])
def test_what_holds_the_place_of_a_value_is_all_that_its_key_has(told: str) -> None:
    """A serial number that is hidden, or said to stand elsewhere, is not replaced by another one (never invented)."""
    assert read(f"KELVIA\nModel: XK-200\nSerial No.: {told}\n47108977110\nMade in Italy")["serial"] == ""
    assert read(f"KELVIA\nModel: XK-200\nSerial No.:  {told}\n47108977110\nMade in Italy")["serial"] == ""


@pytest.mark.parametrize("value", ["10/2006", "27/25", "2027-10-09", "11/18"])
def test_a_date_is_no_serial_number(value: str) -> None:
    """Where the number is blacked out the date below its key is not taken for it."""
    assert read(f"Model: XK-200\nSerial No.\n{value}\nMade in Italy")["serial"] == ""


def test_a_value_with_an_empty_part_leaves_its_key_without_one() -> None:
    """Of two keys with one value between them, the one whose part is empty reaches no other number."""
    found = read("KELVIA\nType / Serial No.\nXK-200 /\n442826896")

    assert found["serial"] == ""


def test_the_key_below_a_value_does_not_take_it_from_the_key_above() -> None:
    """A number below the key of an order is not the serial number whose key follows."""
    assert read("Model: XK-200\nOrder code:\n555503\nSerial No.:\nMade in Italy")["serial"] == ""


@pytest.mark.parametrize(("number", "said"), [("AB-123-4567", "AB-123-4567"), ("286998", "")])
def test_a_number_that_may_fit_by_chance_needs_a_neighbour(number: str, said: str) -> None:
    """Without a key a form that many numbers have says nothing; one with changes of kind does."""
    pattern = "[A-Z]{2}-[0-9]{3}-[0-9]{4}" if "-" in number else "[0-9]{6}"
    page = (
        f"KELVIA\nModel: XK-200\nVoltage: 230 V\nPower: 3 kW\nWeight: 12 kg\nYear: 2019\nCurrent: 3 A\n\n\n\n{number}"
    )

    assert with_form(typeset(page), pattern).text == said


def test_a_number_that_may_fit_by_chance_is_told_beside_the_model() -> None:
    """Right below the model the number of the product's form is told, though its key was lost."""
    assert with_form(typeset("Model: XK-200\n286998\n230 V"), "[0-9]{6}").text == "286998"


def test_two_other_prints_outvote_the_one_at_the_key() -> None:
    """Where a title and an order code say the same other letter the title's whole print is told (L7)."""
    found = link(typeset("PU2K7305ZL\n\nModel: PY2K7305ZL\nOrder code: PU2K7305ZL-GA\nS/N: 40123987"), NAMEPLATE, SIZE)

    assert found["model"].text == "PU2K7305ZL"
    assert "printed again" in found["model"].why


def test_one_other_print_outvotes_nothing() -> None:
    """Two equal prints that differ in a letter leave the one at the key, as it was read (L7)."""
    assert read("PU2K7305ZL\n\nModel: PY2K7305ZL\nS/N: 40123987")["model"] == "PY2K7305ZL"


def test_a_key_with_its_value_reaches_no_other_plate() -> None:
    """The model on the plate of the serial number is told, and not that of a second plate beside it."""
    page = "Type                                      Model: ZX-900\nXK-200\nSerial No.\n40123987"

    assert read(page) == {"model": "XK-200", "serial": "40123987"}


def test_the_model_on_the_plate_of_the_serial_number_needs_no_key() -> None:
    """A key on a second plate holds that plate's model, which is told only where nothing else would do."""
    second = "                                            Model: KV 315/EN4"
    ours = f"# KELVIA\n{{}}{second}\nS/N: 40123987"

    models = [read(ours.format(model))["model"] for model in ("Vitatec 1000", "40 V        ")]

    assert models == ["Vitatec 1000", "KV 315/EN4"]


def test_letters_glued_to_a_number_are_no_key_of_another_language() -> None:
    """The "VC038" is the print of a board, and no "V. č." with its number."""
    assert read("Model: XK-200\n230 V\nVC038 Ver. 0.14")["serial"] == ""


@pytest.mark.parametrize("text", ["Serial", "Type 2", "A see", "XK-200", "XX", "Seerose Nord"])
def test_words_that_hide_nothing(text: str) -> None:
    """Only a placeholder or words that point elsewhere hold the place of a value."""
    assert not hides(text)


def test_a_form_is_told_from_prints_that_differ_by_one_letter() -> None:
    """With a pattern another whole print, a letter from the one at the key, is told in its stead (L7)."""
    found = with_form(typeset("Model: XK-200\nS/N: 4O123987\n\n40123987"), "[0-9]{8}")

    assert found.text == "40123987"


@pytest.mark.parametrize(
    ("rows", "serial"),
    [
        ("Tun: XK-200\n3aB. Nº: 40123987", "40123987"),
        ("MAPKA  XK-200\n3AB. HOMEP.  40123987", "40123987"),
        ("Mapka: XK-200\nCep. HoMep: 40123987", "40123987"),
        ("Ma\u03c1\u03baa: XK-200\n3aB. HoMe\u03c1: 40123987", "40123987"),
        ("Type/Tn: XK-200\nSerienummer/3aB. N: 40123987", "40123987"),
        ("Model/Moeb: XK-200\nS/N / 3aB. Homep: 40123987", "40123987"),
    ],
)
def test_cyrillic_keys_are_known_as_a_reader_without_those_letters_sees_them(rows: str, serial: str) -> None:
    """Russian keys for a serial number, a make and a type are keys in Latin letters that look like theirs, too."""
    found = read(f"# KELVIA\n{rows}\n230 V")

    assert found == {"model": "XK-200", "serial": serial}


@pytest.mark.parametrize("key", ["製造No. / SERIAL NO. / CepHbl HoMep:", "Fabricagenummer / 3aoo ep:"])
def test_a_key_in_several_languages_may_hold_one_that_is_not_known(key: str) -> None:
    """Where the other languages of a key are sure, one that a reader made nothing of does not undo it."""
    assert read(f"# KELVIA\n{key}\n40123987\n230 V")["serial"] == "40123987"


@pytest.mark.parametrize("key", ["Serial No. / Xyzzyq", "Model / Xyzzyq:"])
def test_one_sure_word_and_one_that_is_not_known_are_no_key_by_themselves(key: str) -> None:
    """A word that nobody knows may name another field: only a separator behind a long key's last language joins it."""
    assert read(f"# KELVIA\n{key}\nAX-1 / 40123987\n230 V")["model"] != "AX-1 / 40123987"


@pytest.mark.parametrize("key", ["3AB-4711", "Tun 300 X"])
def test_what_only_begins_like_a_cyrillic_key_is_none(key: str) -> None:
    """Three letters that could be a key are none where they go on: nothing is called a serial number for them."""
    assert read(f"# KELVIA\n{key}\n230 V")["serial"] == ""


@pytest.mark.parametrize(
    ("keys", "values"),
    [
        ("Type / Serial No.:", "XK-200 / 40123987"),
        ("Type / Serial No.:", "XK-200/40123987"),
        ("型番\uff0f機番", "XK-200\uff0f40123987"),
        ("Type/Serienr.", "XK-200/40123987"),
    ],
)
def test_a_slash_of_any_width_parts_the_values_of_two_keys(keys: str, values: str) -> None:
    """Two keys with a slash between have a part each of a value with one, below them, with blanks or without."""
    assert read(f"# KELVIA\n{keys}\n{values}\n230 V") == {"model": "XK-200", "serial": "40123987"}


def test_a_slash_within_a_value_parts_nothing() -> None:
    """A rating with a slash below two keys that none parts is one value, and the number before it whole."""
    assert read("# KELVIA\nSerial No.  Voltage\n40123987    220/440V~")["serial"] == "40123987"


def test_no_value_stands_above_a_colon() -> None:
    """What stands above a key with its colon is not that key's value: a maker's name is no model for it."""
    assert read("VEBA\nType:\nPower: 230 W")["model"] == ""


def test_a_third_print_tells_which_letter_is_right() -> None:
    """A model read with a doubted letter is told as it stands beside another key where a third print says the same."""
    lines = typeset("KELVIA\nHX2500YS\nMDL:HX2500Y8-01SHB1\nP/N:HX2500YS-01SHB1\nS/N: KCANY4216354")
    doubted = [
        replace(line, characters=tuple(
            replace(c, confidence=0.81, alternatives=(("S", 0.15),)) if c.text == "8" and "Y8" in line.text else c
            for c in line.characters
        ))
        for line in lines
    ]  # fmt: skip

    model = link(doubted, NAMEPLATE, SIZE)["model"]

    assert model.text == "HX2500YS-01SHB1"
    assert "read less surely" in model.why


def test_a_unit_is_no_model() -> None:
    """A unit with a raised figure has no figure of a name, large as it may stand."""
    assert read("# m³\nKELVIA")["model"] == ""


def test_a_patents_number_is_no_serial_of_the_key_above() -> None:
    """Where a serial number is hidden below its key, the number of a patent that stands there is not told for it."""
    assert read("KELVIA\nModel: XK-200\nSerial No.\nPatent 0042509\n230 V")["serial"] == ""


@pytest.mark.parametrize("rating", ["115V3~", "60 HZCE"])
def test_a_rating_with_a_sign_glued_to_it_is_no_serial(rating: str) -> None:
    """Below the key of a hidden serial number, volts with phases and hertz with a sign are not told for it."""
    assert read(f"KELVIA\nModel: XK-200\nSerial No.\n{rating}\nMade in France")["serial"] == ""
