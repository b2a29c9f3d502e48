"""The linker's promises: evidence for every value, nothing corrected, nothing hidden, characters kept."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.fields import FieldRule, Product
from edge.core.reading import Character, Quad, TextLine
from edge.readers.linking.linker import WEIGHTS, link
from edge.readers.linking.page.layout import MAX_LINES
from tests.readers.linking.typesetting import CONFIDENCE, typeset

SIZE = (4000, 4000)
NAMEPLATE = Product("nameplate", {"model": FieldRule("model"), "serial": FieldRule("serial")})


def field(name: str, pattern: str, *, keys: tuple[str, ...] = (), confusable: tuple[str, ...] = ()) -> FieldRule:
    """Give a field with a pattern."""
    compiled = re.compile(pattern)
    return FieldRule(name, pattern, lambda text: compiled.fullmatch(text) is not None, keys=keys, confusable=confusable)


GEARMOTOR = Product(
    "gearmotor",
    {
        "model": field("model", "[A-Z]{2}-[0-9]{4}"),
        "serial": field("serial", "[0-9]{8}[A-Z]{2}", keys=("Prod-ID",), confusable=("0O", "1I", "8B")),
    },
)


def test_no_text_gives_empty_fields() -> None:
    """A frame without text has every field of the product, each empty with its reason (L3)."""
    fields = link([], GEARMOTOR, SIZE)

    assert set(fields) == {"model", "serial"}
    assert all(not f.raw and not f.text and not f.characters and f.box is None for f in fields.values())
    assert fields["serial"].why == "no text"


def test_a_serial_without_key_or_pattern_is_not_invented() -> None:
    """A number that nothing calls a serial is none, however much it looks like one."""
    fields = link(typeset("# ACME\nMX-200 B\n84021177AB\n1204-55821-003"), NAMEPLATE, SIZE)

    assert fields["serial"].text == ""
    assert fields["serial"].why == "no key, and nothing of the right form"


@pytest.mark.parametrize(
    "drawing",
    [
        "S/N:\nMAC: 001E8C7D37DE\nP/N: 4410-2231",
        "S/N: S2",
        "Serial No.\nMade in China",
        "Serial No.:\nModel: AX-200",
        "SERIAL DATA\nPOWER DATA",
    ],
)
def test_a_key_without_its_value_gives_nothing(drawing: str) -> None:
    """What stands near a serial's key but is another thing, or a rest of a hidden number, is not taken."""
    assert link(typeset(drawing), NAMEPLATE, SIZE)["serial"].text == ""


@pytest.mark.parametrize("with_boxes", [True, False])
def test_a_value_keeps_its_characters(with_boxes: bool) -> None:
    """Text, characters with confidence and alternatives, and the box are the slice of the line that they were (L7)."""
    lines = typeset("Model: AX-2000\nS/N:12345678AB", with_boxes=with_boxes)

    serial = link(lines, NAMEPLATE, SIZE)["serial"]

    assert serial.raw == serial.text == "12345678AB"
    assert serial.characters == lines[1].characters[4:]
    assert serial.confidence == CONFIDENCE
    assert serial.rule is None
    assert serial.finish_reason == "stop"
    assert serial.box is not None
    assert serial.box[0] == pytest.approx((2000 + 4 * 11, 2030))
    assert serial.box[2] == pytest.approx((2000 + 14 * 11, 2050))
    assert serial.why.startswith('after key "S/N"; score ')


def test_characters_that_a_reader_did_not_give_are_not_believed() -> None:
    """A line without characters is linked, with confidence 0."""
    lines = [TextLine(line.text, line.box) for line in typeset("S/N: 12345678")]

    serial = link(lines, NAMEPLATE, SIZE)["serial"]

    assert serial.text == "12345678"
    assert serial.confidence == 0


def test_a_value_in_two_boxes_is_one() -> None:
    """Neighbouring boxes are joined with a blank, which the pattern may take out by name (L7)."""
    serial = link(typeset("S/N  12345678  AB"), GEARMOTOR, SIZE)["serial"]

    assert serial.raw == "12345678 AB" == "".join(c.text for c in serial.characters)
    assert serial.text == "12345678AB"
    assert serial.rule == "blanks inside"


def test_the_pattern_finds_a_value_without_a_key() -> None:
    """A text of the product's form needs no key, and says that it had none."""
    serial = link(typeset("# ACME\nAX-2000\n24V 3A\n12345678AB"), GEARMOTOR, SIZE)["serial"]

    assert serial.text == "12345678AB"
    assert serial.why.startswith("no key; matches the pattern")


def test_a_misprint_at_its_key_is_told() -> None:
    """A printed text that breaks the pattern is the reading, with proposals beside it, never in its place (L7)."""
    serial = link(typeset("Model: AX-2000\nS/N: 12345O78AB"), GEARMOTOR, SIZE)["serial"]

    assert serial.raw == serial.text == "12345O78AB"
    assert serial.rule is None
    assert "does not match the pattern" in serial.why
    assert serial.alternatives == (("12345078AB", "O->0 at 6"),)


def test_a_fitting_text_elsewhere_does_not_hide_a_misprint() -> None:
    """A number of the right form somewhere else does not win over what stands at the key, and is named (L7)."""
    serial = link(typeset("Model: AX-2000\nS/N: 1234567AB\n# ACME\n87654321ZZ"), GEARMOTOR, SIZE)["serial"]

    assert serial.text == "1234567AB"
    assert 'runner-up "87654321ZZ"' in serial.why


def test_a_longer_printed_text_is_not_cut_to_fit() -> None:
    """A token is never cut inside to match the pattern: the additional character is told (L7)."""
    serial = link(typeset("Model: AX-2000\nS/N: 12345678ABX"), GEARMOTOR, SIZE)["serial"]

    assert serial.text == "12345678ABX"


def test_what_is_left_out_beside_a_fitting_part_is_told() -> None:
    """A part of a value that fits is taken, and what stood beside it is named (L7)."""
    serial = link(typeset("S/N: 12345678AB Rev.C"), GEARMOTOR, SIZE)["serial"]

    assert serial.text == "12345678AB"
    assert 'left out "Rev.C"' in serial.why


def test_a_misprint_is_told_without_its_neighbours() -> None:
    """What breaks the pattern at a key is told as it would be without one: not with the rating behind it (L7)."""
    serial = link(typeset("S/N: 1234567AB 230V"), GEARMOTOR, SIZE)["serial"]

    assert serial.text == "1234567AB"
    assert 'left out "230V"' in serial.why


def test_another_key_s_number_is_not_taken_for_the_form_alone() -> None:
    """A number of the right form that belongs to another key is not this field's."""
    fields = link(typeset("Model: AX-2000\nOrder No.: 12345678AB\nS/N:"), GEARMOTOR, SIZE)

    assert fields["serial"].text == ""


def test_a_product_s_own_key_counts() -> None:
    """Keys of the product file are key words like the built-in ones, damaged ones too."""
    product = Product("x", {"serial": FieldRule("serial", keys=("Prüfling-Kennung",))})

    for key in ("Prüfling-Kennung", "PRUFLING KENNUNG", "Prufling-Kennunq"):
        assert link(typeset(f"{key}: 4711-0815"), product, SIZE)["serial"].text == "4711-0815", key


def test_any_field_can_be_read() -> None:
    """A field of any name is found by its name, its keys or its pattern."""
    product = Product(
        "x",
        {
            "voltage": FieldRule("voltage"),
            "batch": FieldRule("batch"),
            "customer": FieldRule("customer", keys=("Kunde",)),
        },
    )

    fields = link(typeset("Voltage: 230 V\nLot No. 21-4471\nKunde  Stadtwerke Neustadt"), product, SIZE)

    assert {name: f.text for name, f in fields.items()} == {
        "voltage": "230 V",
        "batch": "21-4471",
        "customer": "Stadtwerke Neustadt",
    }


def test_a_text_over_its_cap_is_cut_and_said_so() -> None:
    """A text longer than the field's cap ends there with finish reason "length": never a value."""
    product = Product("x", {"serial": FieldRule("serial", max_new_tokens=8)})

    serial = link(typeset("S/N: 1234567890"), product, SIZE)["serial"]

    assert serial.finish_reason == "length"
    assert serial.raw == serial.text == "12345678"
    assert len(serial.characters) == 8


def test_full_width_print_is_written_plainly_and_named() -> None:
    """Full-width forms and odd dashes are normalised under the rule's name; raw stays as printed (L7)."""
    serial = link(typeset("出厂编号：１２３４５６–７８"), NAMEPLATE, SIZE)["serial"]  # noqa: RUF001

    assert serial.raw == "１２３４５６–７８"  # noqa: RUF001
    assert serial.text == "123456-78"
    assert serial.rule == "full-width forms, dash variants"


def test_a_print_of_two_plates_keeps_model_and_serial_together() -> None:
    """Of two plates on one frame the model is that of the plate with the serial number."""
    drawing = "MODEL: PA-77  \nSERIAL: 5512093\n\n\n\n\n\n\n\n\n\n\n\n\nBATTERY\nMODEL: 10HR-4/3"

    fields = link(typeset(drawing), NAMEPLATE, SIZE)

    assert (fields["model"].text, fields["serial"].text) == ("PA-77", "5512093")


def test_order_of_lines_does_not_matter() -> None:
    """Lines may come in any order: the plate's geometry decides."""
    lines = typeset("# ACME\nMODEL    SERIAL NO.    YEAR\nHM-132S  87-22913    2019")

    assert link(lines, NAMEPLATE, SIZE) == link(lines[::-1], NAMEPLATE, SIZE)


def test_lines_over_the_limit_are_said() -> None:
    """More lines than any plate has are not searched, and every field says so (L12)."""
    lines = typeset("S/N: 12345678") + typeset("\n".join(["x"] * MAX_LINES))

    serial = link(lines, NAMEPLATE, SIZE)["serial"]

    assert serial.text == "12345678"
    assert serial.why.endswith("; 1 lines over the limit were not looked at")


def test_a_key_with_its_translation_is_one_key() -> None:
    """A key and its translation in brackets are one key, and what follows is its value."""
    serial = link(typeset("MODEL(型號):DPX-510AB A\nS/N(序號):BDVD0836002293"), NAMEPLATE, SIZE)["serial"]

    assert serial.text == "BDVD0836002293"
    assert 'key "S/N(序號)"' in serial.why


@pytest.mark.parametrize("drawing", ["Type UPS 25-40 180 No.", "YPE UPS 25-40 180", "TYPE: UPS 25-40 180"])
def test_a_model_stands_without_keys_around_it(drawing: str) -> None:
    """A key at the end of a line is no part of the value before it, and a key without its first letter is one."""
    assert link(typeset(drawing), NAMEPLATE, SIZE)["model"].text == "UPS 25-40 180"


def test_every_feature_has_a_weight() -> None:
    """All fields weigh the same features, so that a table can be trained in place of the one by hand."""
    assert len({frozenset(weights) for kinds in WEIGHTS.values() for weights in kinds.values()}) == 1


_COORDINATES = st.floats(-50, 4000)
_POINTS = st.tuples(_COORDINATES, _COORDINATES)
_TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["S/N", "Model:", "Serial No.: 12345678AB", "TYPE AX-2000", "12345678", "AB", "230V", "型号", "№ 7"]
    ),
)


@st.composite
def any_line(draw: st.DrawFn) -> TextLine:
    """Give a line with any text at any place, even a box without area, even characters that are not the text's."""
    text = draw(_TEXTS)
    box: Quad = draw(st.tuples(_POINTS, _POINTS, _POINTS, _POINTS))
    given = text if draw(st.booleans()) else draw(st.text(max_size=5))
    return TextLine(text, box, tuple(Character(c, draw(st.floats(0, 1))) for c in given))


@settings(deadline=None)
@given(st.lists(any_line(), max_size=12), st.sampled_from([NAMEPLATE, GEARMOTOR]))
def test_whatever_was_read_is_answered_and_nothing_else(lines: list[TextLine], product: Product) -> None:
    """Any lines at any place give every field, and every value is made of printed text, letter by letter (L3, L7)."""
    fields = link(lines, product, SIZE)

    assert set(fields) == set(product.fields)
    for reading in fields.values():
        assert "".join(c.text for c in reading.characters) == reading.raw
        assert bool(reading.raw) == (reading.box is not None)
        assert all(any(part in line.text for line in lines) for part in reading.raw.split())
        assert reading.rule is not None or reading.text == reading.raw
        assert reading.why


@pytest.mark.parametrize("serial", ["SN0089061", "CY6272027", "DC2994753", "BS0780752", "54037427KG"])
@pytest.mark.parametrize("key", ["Serial No.", "S/N", "Nr seryjny"])
def test_a_serial_that_begins_or_ends_like_something_else_is_kept_whole(key: str, serial: str) -> None:
    """Beside a key of its own, letters that look like a key, a standard or a unit belong to the serial (L7)."""
    page = f"KELVIA\nModel      IPC-528K\n{key}    {serial}"

    assert link(typeset(page), NAMEPLATE, (1000, 600))["serial"].text == serial
