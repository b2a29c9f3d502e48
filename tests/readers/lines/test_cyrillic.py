"""Promises of Cyrillic words: read where they stand, and never in the place of a value."""
# ruff: noqa: RUF001 - Cyrillic letters are meant

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.readers.lines.cyrillic import CYRILLIC, merged
from edge.readers.lines.glyphs import Glyph, Glyphs
from edge.readers.ocr import Ocr
from simulator import drawing
from simulator.fonts import Typeface


def glyphs(text: str, confidence: float = 0.95) -> Glyphs:
    """The glyphs of a text, evenly spread; `~` is nothing."""
    step = 1 / len(text)
    return tuple(Glyph(one, confidence, (), n * step, (n + 1) * step) for n, one in enumerate(text) if one != "~")


@pytest.fixture(scope="module")
def ocr() -> Ocr:
    """One reader for all."""
    return Ocr(threads=1)


def text_of(some: Glyphs) -> str:
    """What glyphs say."""
    return "".join(glyph.text for glyph in some)


@pytest.mark.parametrize(
    ("plain", "mixed", "says"),
    [
        ("~oe~~: AB-1234", "Модель: АВ-1234", "Модель: AB-1234"),
        ("~a~. Nº 08 41", "Зав. №~ 08 41", "Зав. № 08 41"),
        ("3~~~~~~~~ ~~~~~: 5", "Заводской номер: 5", "Заводской номер: 5"),
        ("UC8MGI", "UС8МГЫ", "UC8MGI"),
        ("TB-78", "ТБ-78", "TB-78"),
        ("HTER7", "НТЕЯ7", "HTER7"),
        ("MaρaAH-34", "МаркаАH-34", "МаркаAH-34"),
        ("~~~~~~: ~X-47", "Модель: АХ-47", "Модель: AX-47"),
        ("~~~~~~~~~ ~O~~~:", "ЗАВОДСКОЙ НОМЕР:", "ЗАВОДСКОЙ HOMEP:"),
        ("~~~~~~~17.07", "выпуска17.07", "выпуска17.07"),
        ("A~~80A4", "АИР80А4", "A80A4"),
        ("MACCA", "МАССА", "MACCA"),
        ("Type: oe~", "Type: где", "Type: где"),
        ("T~~ G~~ 84", "Тип GЕк 84", "Тип GEK 84"),
        ("~oe~~ ~W 24", "Модель вW 24", "Модель BW 24"),
        ("~oe~~ 15 ~~", "Модель 15 кг", "Модель 15 "),
    ],
)
def test_whole_words_take_the_place_of_what_was_read(plain: str, mixed: str, says: str) -> None:
    """A word with letters that only Cyrillic has is taken, with its marks; words with figures or beside them never."""
    line = merged(glyphs(plain, confidence=0.8), glyphs(mixed))

    assert text_of(line) == says


def test_a_word_that_is_not_sure_is_left() -> None:
    """Letters that hardly won say nothing."""
    line = merged(glyphs("~oe~~:"), glyphs("Модель", confidence=0.5))

    assert text_of(line) == "oe:"


@given(st.text("AB8-. :", max_size=12), st.text("AB8-. :абгдяМ", max_size=12))
def test_places_stay_in_order_and_figures_stay(plain: str, mixed: str) -> None:
    """Whatever both say, the line runs from left to right, and no figure is of the other reading."""
    line = merged(glyphs(plain or "~"), glyphs(mixed or "~"))

    assert all(one.start <= other.start for one, other in pairwise(line))
    assert {glyph for glyph in line if glyph.text.isdigit()} <= set(glyphs(plain or "~"))


def test_russian_keys_are_read(ocr: Ocr) -> None:
    """Keys that a line PC in Russia meets come out as printed, and the value beside one too."""
    said = ["Модель: AX-47", "Заводской номер: 4711", "Дата выпуска", "Мощность: 750 W"]
    plate = np.full((420, 900, 3), 225, np.uint8)
    for n, text in enumerate(said):
        mask = np.zeros(plate.shape[:2], np.uint8)
        Typeface("sans").draw(mask, text, 60, 100 + 90 * n, 44)
        plate[mask > 127] = 30

    plate = np.asarray(cv2.GaussianBlur(plate, (0, 0), 0.8), np.uint8)

    read = [line.text for line in ocr.lines(plate, ocr.locate(plate).boxes)]

    assert read == said


def test_other_plates_hold_no_cyrillic_letter(ocr: Ocr) -> None:
    """Plates in Latin letters are read without one."""
    plates = [drawn.frame for drawn in drawing.frames(drawing.Order(seed=31), 8)]

    read = "".join(line.text for plate in plates for line in ocr.lines(plate, ocr.locate(plate).boxes))

    assert len(read) > 500
    assert not set(read) & set(CYRILLIC)
