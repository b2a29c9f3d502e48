"""The linker's promises where a key is misread, cut off, glued to another cell, or has lost its sign or separator."""

# ruff: noqa: RUF001 - keys in many alphabets

from __future__ import annotations

import math
import re
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


def model_of(drawing: str, pattern: str, *, of: str = "model") -> FieldReading:
    """Link a drawing with a product file that gives one field's form."""
    compiled = re.compile(pattern)
    rule = FieldRule(of, pattern, lambda text: compiled.fullmatch(text) is not None)
    return link(typeset(drawing), Product("x", {**NAMEPLATE.fields, of: rule}), SIZE)[of]


@pytest.mark.parametrize("mark", ["，", "．", "、"])
def test_a_wide_mark_behind_a_key_is_no_value_of_it(mark: str) -> None:
    """A colon read as a wide comma or full stop ends its key, and the value below is the key's."""
    assert read(f"KELVIA\n型式{mark}\nXK-200\n製造番号{mark}\n40123987\n230 V") == {
        "model": "XK-200",
        "serial": "40123987",
    }


@pytest.mark.parametrize("key", ["MoΔe∧b:", "МодеΛb:", "MOAEΛb:", "MogeAb:", "TNΠ:"])
def test_a_cyrillic_key_read_in_three_alphabets_is_known_by_its_outline(key: str) -> None:
    """Letters of one outline in the Cyrillic, Greek and Latin alphabets are one in a key."""
    assert read(f"KELVIA\n{key}\nXK-200\n230 V")["model"] == "XK-200"


@pytest.mark.parametrize("key", ["Зав.Me:", "3AB.Ng:", "CEP. N²:", "Зав. NP:", "Зав. :", "Cep.胖:", "3AB.N?:"])
def test_an_abbreviation_is_a_key_however_its_number_sign_was_read(key: str) -> None:
    """What stands between such an abbreviation and a separator is the sign for "number"."""
    assert read(f"KELVIA\nМодель: XK-200\n{key} 40123987\n230 V")["serial"] == "40123987"


@pytest.mark.parametrize("key", ["3AB.N?:", "33AB. N:", "Ззав. N:"])
def test_an_abbreviation_is_a_key_with_a_letter_read_twice_or_a_question_mark_for_its_sign(key: str) -> None:
    """The mark is no value that stands behind the key: that one is below."""
    assert read(f"KELVIA\nМодель:\nXK-200\n{key}\n40123987\nMacca:\n5 kg")["serial"] == "40123987"


@pytest.mark.parametrize("text", ["Cene 5213", "Sery 40123987", "3AB-4711"])
def test_a_word_near_a_misread_number_sign_is_no_key(text: str) -> None:
    """A sign read otherwise and a letter wrong besides would make keys of names: no serial number is invented so."""
    assert read(f"# KELVIA\n{text}\n230 V")["serial"] == ""


@pytest.mark.parametrize(
    "keys",
    ["3AB. / Модель", "3AB. HOMEP /Моде", "Cep. e / Модель:", "Výr. / Typ:", "N / Modelo", "Ne/ 形名"],
)
def test_keys_with_a_slash_share_a_value_though_one_is_damaged(keys: str) -> None:
    """Of two keys with a slash between, one may be abbreviated, cut off, or a number sign alone or misread."""
    fields = read(f"KELVIA\n{keys}\n40123987 / XK-200\n230 V")

    assert fields == {"model": "XK-200", "serial": "40123987"}


@pytest.mark.parametrize("value", ["A4012398/C70K/066", "A4012398 /C70K/066"])
def test_a_value_with_more_slashes_than_keys_is_parted_where_its_parts_look_right(value: str) -> None:
    """A model of a form with a slash is told from the serial number beside it."""
    assert read(f"KELVIA\n製番／形名. {value}\n230 V") == {"model": "C70K/066", "serial": "A4012398"}


@pytest.mark.parametrize(
    ("row", "serial"),
    [
        ("50-60 Hz 製造番号  40123987", "40123987"),
        ("351901465 Serial Number  40123987", "40123987"),
        ("94.0 kWSériové číslo: 40123987", "40123987"),
        ("LK 440FABRICAGENUMMER 40123987", "40123987"),
        ("Serial No.: JY2 99 940bj.Č.: 8847", "JY2 99 94"),
        ("Serial No.: 149 3918 083  0broty", "149 3918 083"),
    ],
)
def test_a_key_in_the_midst_of_a_line_or_at_its_end_is_the_next_cells(row: str, serial: str) -> None:
    """Where a detector takes two cells for one, the key of the second ends the value of the first and has its own."""
    assert read(f"KELVIA\nModel: XK-200\n{row}\n230 V")["serial"] == serial


@pytest.mark.parametrize(
    "keys", ["Modelo Model Typové označení.", "Modelo 型式 型番", "Modelo MODELO TΠ:", "MODEL / M/N"]
)
def test_a_key_in_several_languages_with_nothing_between_is_one(keys: str) -> None:
    """Languages of one key need no slash between them, and the last may be too damaged to be known."""
    assert read(f"KELVIA\n{keys} XK-200\nSerial No.: 40123987")["model"] == "XK-200"


@pytest.mark.parametrize(
    "key", ["СЕРИЙны H0MEP", "Серийны номер", "СЕРИЙНЫЙ HoMEP", "ЗАВОДСКОЙ OMEP", "Зав. N", "VÝR0BNÍ ČÍSL0 : "]
)
def test_a_key_with_figures_for_letters_ends_where_its_number_begins(key: str) -> None:
    """A key glued to its number ends behind its last letter, whichever of its letters were read as figures."""
    assert read(f"KELVIA\nModel: XK-200\n{key}6812 9173")["serial"] == "6812 9173"


@pytest.mark.parametrize("sign", ["Ne:", "N:"])
def test_a_number_sign_read_as_letters_is_a_weak_key(sign: str) -> None:
    """A number sign read as "Ne:" or "N:" has a long number behind it; a short one is a speed or a count."""
    assert read(f"KELVIA\nModel: XK-200\n{sign} 40123987\n230 V")["serial"] == "40123987"
    assert read("KELVIA\nModel: XK-200\nN: 1450\n230 V")["serial"] == ""


def test_what_hides_a_value_is_neither_field() -> None:
    """Crosses are no model either, and one of them may be read as a figure."""
    fields = read("KELVIA\n# XK-200\nTyp:  XXXXXX\nSerial No.:  X00XXX")

    assert hides("X00XXX")
    assert (fields["model"], fields["serial"]) == ("XK-200", "")


@pytest.mark.parametrize("key", ["VÝROBNÍ ČÍSL0", "VÝROBNÍ ČÍsLO", "NÚMER0 DE SÉRIE"])
def test_a_key_in_capitals_ends_where_its_word_does(key: str) -> None:
    """A 0 or a small letter among a key's capitals is a capital, and no beginning of the value."""
    fields = read(f"Typ AX 29\n{key} 3924262248\nU220/440V~")

    assert fields["serial"] == "3924262248"


def test_a_date_with_its_key_glued_to_it_is_no_serial_number() -> None:
    """Where the number itself is hidden, the date below its key is not taken for it."""
    fields = read("Typ AX 29\nSerial No.\n∆ATA12.01.2018\nUSB")

    assert fields["serial"] == ""


@pytest.mark.parametrize("text", ["MAC05-26-EF-2B-D9-0E", "2F.98B4 S1 cos phi 0.89"])
def test_an_address_or_a_line_of_ratings_is_no_serial_number(text: str) -> None:
    """A hardware address glued to its key and ratings beside a power factor stand at no serial number's key."""
    assert read(f"Typ AX 29\n{text}\nVýr.č.\nU220/440V~")["serial"] == ""
    assert read(f"Typ AX 29\nVýr.č.:  {text}\nU220/440V~")["serial"] == ""
    assert read("Typ AX 29\nVýr.č. LR-97-172028 Cl. H S1 cos phi 0.89\nU220/440V~")["serial"] == "LR-97-172028"


@pytest.mark.parametrize(
    "behind", ["50Hz Print server", "50HzCirculateur", "® Hacoc", "& ①", "Rev A Circulateur", "Reν A", "Vi.1 Heat pump"]
)
def test_what_stands_behind_a_model_is_no_part_of_it(behind: str) -> None:
    """Ratings, signs, revisions and kinds of product behind a model are left out, also where they are glued."""
    assert read(f"# KELVIA\nModel: XK-575-18 {behind}\nSerial No.: 40123987")["model"] == "XK-575-18"


@pytest.mark.parametrize("text", ["VACUUM PUMP Vitatec 1482", "B0PETRON GmbH BOPETRON Vitatec 1482"])
def test_capitals_before_a_name_in_small_letters_are_no_part_of_it(text: str) -> None:
    """A maker or a kind of thing in capitals before the name of the thing is left out."""
    assert read(f"# {text}\nSerial No.: 40123987")["model"] == "Vitatec 1482"


def test_a_variant_in_square_brackets_is_part_of_a_name() -> None:
    """Round brackets are read as square ones now and then: the name before them is told with them."""
    assert read("# KELVIA\nVitatec 1445 [C8]\nSerial No.: 40123987")["model"] == "Vitatec 1445 [C8]"


def test_a_makers_name_with_figures_for_letters_is_no_part_of_a_model() -> None:
    """A maker's name above tells its other print, whose letters were read as figures."""
    assert read("# BOPETRON\nB0PETR0N XYP40-6A9\nSerial No.: 40123987")["model"] == "XYP40-6A9"


def test_what_stands_above_the_head_of_a_table_is_no_value_of_it() -> None:
    """Where values stand below their keys, a name above the keys is the maker's."""
    fields = read("Vifudi\nModel / Serial No.\nEATCRD / 41536103\n230 V")

    assert fields == {"model": "EATCRD", "serial": "41536103"}


def test_a_lost_blank_is_proposed_and_not_put_in() -> None:
    """A text that only a lost blank parts from the product's form is told as read, the right one proposed (L7)."""
    model = model_of("# KELVIA\nNMV381ZLH\nSerial No.: 40123987", r"[A-Z]{3}[0-9]{3}[A-Z]{2}\ [A-Z]")

    assert (model.text, model.rule) == ("NMV381ZLH", None)
    assert [text for text, _ in model.alternatives] == ["NMV381ZL H"]


def test_figures_that_a_blank_would_make_fit_are_no_serial_number() -> None:
    """What many texts would fit is no evidence: nothing is proposed for it."""
    assert model_of("# KELVIA\nModel: XK-200\n9157", r"[0-9]{2}\ [0-9]{2}", of="serial").text == ""


def sloping(line: TextLine, degrees: float) -> TextLine:
    """Give a line whose box leans by some degrees although its text does not."""
    (left, top), (right, _), *_ = line.box
    low = max(y for _, y in line.box)
    rise = math.tan(math.radians(degrees)) * (right - left)
    box = ((left, top), (right, top + rise), (right, low + rise), (left, low))
    return replace(line, box=box, characters=tuple(replace(one, box=None) for one in line.characters))


def test_a_short_keys_own_slope_does_not_lead_to_the_next_row() -> None:
    """A row goes on along the slope of the long lines round it, and not along that of a short key's box."""
    lines = typeset(
        "KELVIA manufacturing and trade\nSerial No.                                        40123987\n"
        "Weight of all                                     77 kg and more\nModel                     XK-200\n"
        "Keep away from children and do not open"
    )
    leaning = [sloping(line, 3.0) if line.text == "Serial No." else line for line in lines]

    assert link(leaning, NAMEPLATE, SIZE)["serial"].text == "40123987"
