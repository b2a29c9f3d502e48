"""Promises of characters that look alike: told apart by shape in codes, and never in words."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.reading import TextLine
from edge.readers.lines.glyphs import Glyph, Glyphs
from edge.readers.lines.rounds import on_a_plate
from edge.readers.lines.twins import GROUP, codes, told_apart
from edge.readers.ocr import Ocr
from simulator.fonts import Typeface


def glyphs(text: str, confidence: float = 0.95, leaning: float = 0.0) -> Glyphs:
    """The glyphs of a text, evenly spread."""
    step = 1 / max(len(text), 1)
    return tuple(Glyph(one, confidence, (), n * step, (n + 1) * step, leaning) for n, one in enumerate(text))


def leaning(line: Glyphs, *amounts: float) -> Glyphs:
    """The glyphs with these leanings, one for each 0 and O in their order."""
    left = list(amounts)
    return tuple(replace(one, leaning=left.pop(0)) if one.text in "0O" else one for one in line)


def text_of(some: Glyphs) -> str:
    """What glyphs say."""
    return "".join(glyph.text for glyph in some)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("AB-1O5", "1O5"),
        ("MODEL", ""),
        ("Tool", ""),
        ("Eco l", "l"),
        ("Model5", "5"),
        ("SerialO1", "O1"),
        ("OIL 5", "5"),
        ("SN:B8Z2", "B8Z2"),
    ],
)
def test_only_codes_are_asked(text: str, asked: str) -> None:
    """Twins beside a figure and those that stand alone are in doubt; letters of words never."""
    line = glyphs(text)

    assert "".join(line[n].text for n in codes(line)) == asked


def doubted(line: Glyphs) -> Glyphs:
    """The glyphs with an O as what each 0 may also be."""
    return tuple(replace(one, alternatives=(("O", 0.05),)) if one.text == "0" else one for one in line)


def test_an_o_among_zeros_is_told_by_what_the_plates_zeros_look_like() -> None:
    """In a face whose zeros are round a round one is a 0; where they are narrow it is an O."""
    code = doubted(leaning(glyphs("AB0451", 0.9), 3.0))
    round_face = [leaning(glyphs("2005 110"), 2.6, 2.9, 2.7), code]
    narrow_face = [leaning(glyphs("2005 110"), -5.0, -4.5, -5.5), code]

    assert text_of(on_a_plate(round_face)[1]) == "AB0451"
    assert text_of(on_a_plate(narrow_face)[1]) == "ABO451"


def test_what_it_was_not_is_an_alternative() -> None:
    """An O in the place of a 0 keeps the 0 as an alternative, and both are no surer than the recogniser was of them."""
    plate = [
        leaning(glyphs("2005 110"), -5.0, -4.5, -5.5), doubted(leaning(glyphs("AB0451", 0.9), 3.0))
    ]  # fmt: skip

    told = on_a_plate(plate)[1][2]

    assert told.text == "O"
    assert "0" in dict(told.alternatives)
    assert told.confidence + sum(one for _, one in told.alternatives) <= 0.95 + 1e-3


@given(
    st.lists(st.text("AB0O8-. o1Il", max_size=10), min_size=1, max_size=4),
    st.lists(st.floats(-40, 40), min_size=1, max_size=9),
)
def test_only_a_twin_takes_a_characters_place(lines: list[str], amounts: list[float]) -> None:
    """Whatever leans how, lines keep their length, their places, and all that has no twin."""
    plate = [
        tuple(replace(one, leaning=amounts[n % len(amounts)]) for n, one in enumerate(glyphs(text))) for text in lines
    ]

    told = on_a_plate(plate)

    for was, now in zip(plate, told, strict=True):
        assert [(one.start, one.end) for one in was] == [(one.start, one.end) for one in now]
        assert all(a.text == b.text or GROUP[a.text] == GROUP[b.text] for a, b in zip(was, now, strict=True))
        assert all(0 <= one.confidence <= 1 for one in now)


@pytest.fixture(scope="module")
def read() -> list[TextLine]:
    """Four lines of a drawn plate as they are read."""
    plate = np.full((420, 900, 3), 225, np.uint8)
    for n, text in enumerate(("S/N 4I7I58O", "DATE 10.05.2018 230 V", "B8S5Z2 G6", "MODEL OBSIDIO")):
        mask = np.zeros(plate.shape[:2], np.uint8)
        Typeface("sans").draw(mask, text, 60, 100 + 90 * n, 44)
        plate[mask > 127] = 30
    plate = np.asarray(cv2.GaussianBlur(plate, (0, 0), 0.8), np.uint8)
    reader = Ocr(threads=1)
    return list(reader.lines(plate, reader.locate(plate).boxes))


def test_twins_are_read_as_printed(read: list[TextLine]) -> None:
    """What stands around a character does not make it its twin: letters among figures, figures among letters, words."""
    assert [line.text[:10] for line in read] == ["S/N 4I7I58", "DATE 10.05", "B8S5Z2 G6", "MODEL OBSI"]


def test_an_o_that_looks_like_no_zero_of_its_plate_is_never_a_sure_zero(read: list[TextLine]) -> None:
    """The recogniser said 0 with 0.9999 of an O behind figures; whoever takes it is told of the O."""
    last = read[0].characters[-1]

    assert last.text == "O" or (last.confidence < 0.9 and "O" in dict(last.alternatives))


def test_a_strip_without_twins_is_left() -> None:
    """Nothing is asked about a line that has no twin."""
    line = glyphs("EXPERT")
    features = np.zeros((12, 120), np.float32)

    assert told_apart(line, features) == line
