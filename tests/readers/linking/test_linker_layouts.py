"""The linker's promises for layouts that fool key-word rules: shared and glued keys, merged columns, no key at all."""

from __future__ import annotations

import pytest

from edge.core.fields import FieldRule, Product
from edge.core.reading import Character, TextLine
from edge.readers.linking.linker import link
from tests.readers.linking.typesetting import typeset

NAMEPLATE = Product("nameplate", {"model": FieldRule("model"), "serial": FieldRule("serial")})
SIZE = (4000, 4000)

#: Name: drawing, model, serial number.
LAYOUTS: dict[str, tuple[str, str, str]] = {
    "one key over two values": ("# KELVIA\nType / Serial No.\nKV 40-2 / 5512093\n230 V 50 Hz", "KV 40-2", "5512093"),
    "one box over the columns": ("MODEL SERIAL DATE\nHM132 8722913 05/2019", "HM132", "8722913"),
    "a head in two words, one of them short": ("Modelo / N° de serie:\nHK948 / JY575498", "HK948", "JY575498"),
    "the next key glued to the value": ("Type KPS 25-40 180No.\n98.2763", "KPS 25-40 180", ""),
    "a key of words glued to its number": ("Modelo TY-26.14\nNº de série2262065", "TY-26.14", "2262065"),
    "a key that runs into capitals": ("Modelo TY-26.14\nNº de sérieEB-9575-1581", "TY-26.14", "EB-9575-1581"),
    "the value below its key, set in": ("Typ:\n    AZT 49/42-6\nS/N:\n    274337", "AZT 49/42-6", "274337"),
    "keys in two languages, one damaged": ("型号 / Typenbezcichnung: MC2155D3\nS/N: 551209", "MC2155D3", "551209"),
    "the next cell's value close by": ("Typ         S/N\nK-325-YT55 1993803", "K-325-YT55", "1993803"),
    "a value that begins with a unit's letter": ("Typ: A-811-JB-34\nS/N: 5512091", "A-811-JB-34", "5512091"),
    "a name of a word and a number below the maker's": (
        "# Nordwind Telekom\nKabel-Router 3\nSNr.: 5512093",
        "Kabel-Router 3",
        "5512093",
    ),
    "a key in two boxes": ("Typ  KV-40\nVýrobní  číslo:  5512093", "KV-40", "5512093"),
    "a key in two boxes, the value in the second": ("Typ: KV-40\nVýrobní  číslo 5512093", "KV-40", "5512093"),
    "keys with a slash between, values behind them": (
        "Typ / Sér. č. KV 40-2 / YF-011-1159",
        "KV 40-2",
        "YF-011-1159",
    ),
    "keys with a slash in two boxes": (
        "型式 /  製造番号:  CMR119HR V / 152 82 21 5686",
        "CMR119HR V",
        "152 82 21 5686",
    ),
    "a short key damaged beside another": ("YYPE / Serienummer:  KV 40-2 / 5512093", "KV 40-2", "5512093"),
    "the second value of a key of two blacked out": ("Type / Serial No.\nKV 40-2 /", "KV 40-2", ""),
    "a value that somebody crossed out": ("Model: KV-40\nS/N: ****\n5512093", "KV-40", ""),
    "a damaged key glued to its number": ("Typ: KV-40\nNúmero de sénie2262065", "KV-40", "2262065"),
    "a word of a key is no part of a serial": ("Artikelnummer66218\nTyp91MV31-0J\nTyp:  637-1", "91MV31-0J", ""),
    "a code that begins like the rest of a key": ("Model L-153-SF\nS/N YC-91.70", "L-153-SF", "YC-91.70"),
    "a year among the groups of a number": ("Typ: KV-40\nS/N: 39 WT84 1964 731", "KV-40", "39 WT84 1964 731"),
    "a rating behind a name of letters": ("Typ: KPNN IP54\nS/N: 5512093", "KPNN", "5512093"),
    "a sign as a key": ("Typ  KV-40\n№  N5257W268", "KV-40", "N5257W268"),
    "what is counted on a device": ("# KELVIA\nSlot 43\nS/N: 5512093", "", "5512093"),
    "all groups of a number below its key": (
        "Type         Serial No.\nKV40-2 Rev.B 0075 PH4 92 4697",
        "KV40-2",
        "0075 PH4 92 4697",
    ),
    "a sign behind the groups of a number": (
        "Type         Serial No.\nKV40-2 Rev.B LK04 82 0363 74 PSE",
        "KV40-2",
        "LK04 82 0363 74",
    ),
    "a rating behind a number below its key": (
        "Type         Serial No.\nKV40-2 Rev.B 47848974 6022 rpm",
        "KV40-2",
        "47848974",
    ),
    "a revision behind a plain number": ("Model: KV-40\nS/N:\n12654 Rev.C", "KV-40", "12654"),
    "a number that begins like a rating": ("Model: KV-40\nS/N:\n2X3VGGD25", "KV-40", "2X3VGGD25"),
    "a number that ends like a rating": ("# KELVIA\nModel  KV-40\nS/N:   99605L Rev.C", "KV-40", "99605L"),
    "a number that begins like a standard": ("Model: KV-40\nS/N:\nUL-8433-751473", "KV-40", "UL-8433-751473"),
    "signs behind a name": ("# KELVIA\nKDS238-2 & ①\n230 V 50 Hz\nS/N: 5512093", "KDS238-2", "5512093"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout(name: str) -> None:
    """Model and serial are found where a person finds them."""
    drawing, model, serial = LAYOUTS[name]

    fields = link(typeset(drawing), NAMEPLATE, SIZE)

    assert (fields["model"].text, fields["serial"].text) == (model, serial), [f.why for f in fields.values()]


def with_confidence(line: TextLine, letter: str, confidence: float) -> TextLine:
    """Give a line of which the reader was less sure of one letter."""
    characters = tuple(
        Character(c.text, confidence if c.text == letter else c.confidence, c.alternatives, c.box)
        for c in line.characters
    )
    return TextLine(line.text, line.box, characters)


def test_a_misread_letter_is_not_corrected_from_elsewhere() -> None:
    """Another print of a number may cost a text its place, but no printed letter is ever changed for another's (L7)."""
    lines = typeset("# KELVIA\nMDL: KD2500Y8-01\nP/N: KD2500YS-01\nS/N: 5512093")
    lines = [with_confidence(line, "8", 0.6) if line.text.startswith("MDL") else line for line in lines]

    model = link(lines, NAMEPLATE, SIZE)["model"]

    assert model.text == model.raw
    assert any(model.text in line.text for line in lines)


def read_twice(*, elsewhere: float, seen: str) -> list[TextLine]:
    """Give a plate whose serial number was read with a "9" at its key and a "0" under its bar code."""
    at_key, other = (typeset(f"Model: KV-40\nS/N: 50400852{digit}1\n\n\n{'50400852' + '01'}") for digit in "90")

    def unsure(line: TextLine, letter: str, confidence: float, also: str) -> TextLine:
        last = len(line.text) - 2
        characters = [
            Character(letter, confidence, ((also, 0.3),), c.box) if n == last else c
            for n, c in enumerate(line.characters)
        ]
        return TextLine(line.text, line.box, tuple(characters))

    return [at_key[0], unsure(at_key[1], "9", 0.6, seen), unsure(other[2], "0", elsewhere, "9")]


def test_a_number_printed_twice_is_taken_where_it_is_read_surely() -> None:
    """Of two prints of one number that a reader took for two, the surer one is told, whole, and that it was (L7)."""
    serial = link(read_twice(elsewhere=0.99, seen="0"), NAMEPLATE, SIZE)["serial"]

    assert serial.text == serial.raw == "5040085201"
    assert 'printed again without a key; "5040085291" after key "S/N" is read less surely' in serial.why


@pytest.mark.parametrize(("elsewhere", "seen"), [(0.6, "0"), (0.99, "8")])
def test_another_number_is_not_taken_for_the_one_at_the_key(elsewhere: float, seen: str) -> None:
    """A text elsewhere that is no surer, or holds a letter that was not seen at the key, is another number (L7)."""
    assert link(read_twice(elsewhere=elsewhere, seen=seen), NAMEPLATE, SIZE)["serial"].text == "5040085291"


def test_the_print_of_what_a_plate_is_stuck_on_is_no_model() -> None:
    """A board's own code and revision, on its side beside a label without a model, name nothing."""
    label = typeset("MAC 001E8C7D37DE\nMade in Taiwan\nFCC ID: ABC123")
    board = typeset("KL-159 R1.12", angle_deg=80)

    assert link([*label, *board], NAMEPLATE, SIZE)["model"].text == ""
