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
