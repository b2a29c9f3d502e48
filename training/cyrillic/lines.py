"""Made-up lines of text, drawn and cut as the reader would cut them: some with Cyrillic words, some with none."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from edge.core.reading import Quad
from edge.readers import ocr
from edge.readers.lines.cyrillic import CYRILLIC
from edge.vision.rectify import turned
from training.cyrillic import faces

Pixels = npt.NDArray[np.uint8]
Grey = npt.NDArray[np.floating]

#: What the lines have that hold Cyrillic words, of all; the others teach what is none.
_CYRILLIC = 0.62
_UPSIDE_DOWN = 0.3
_LATIN = """
Model Type Serial Input Output Power Voltage Frequency Made in Germany Motor Pump Weight Date Class Leistung Modell
Spannung Baujahr Numéro Série Modèle Tension Puissance Courant Tipo Matricola Modello Velocità Peso Číslo Výrobní Numer
Seryjny Gewicht Fabricagenummer Tillverknings Potência Tensão Fecha Año Presión Hersteller
""".split()  # noqa: SIM905 - a text of words is easier to read
_HAN = "型号出厂编号製造番号品番定格電圧周波数重量日本製機種名形式产品功率频率电流年月生产许可证消費電力モデルコード"
_LETTERS = [letter for letter in CYRILLIC if letter.islower()]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A strip 32 px high, and what it says: None where all that matters is that nothing is Cyrillic."""

    strip: Pixels
    text: str | None


class Source:
    """Draws lines in the faces that were fetched."""

    def __init__(self) -> None:
        self._faces, self._han_faces = faces.faces(faces.FACES), faces.faces(faces.HAN_FACES)
        self._words = faces.words()

    def lines(self, seed: int, count: int, others: Sequence[Path] = ()) -> list[Drawn]:
        """So many lines, the same for the same seed; `others` are faces to draw with instead."""
        dice = Random(seed)  # noqa: S311 - repeatable, not secret
        drawn: list[Drawn] = []
        while len(drawn) < count:
            one = self._line(dice, others or self._faces)
            if one is not None:
                drawn.append(one)
        return drawn

    def _line(self, dice: Random, among: Sequence[Path]) -> Drawn | None:
        cyrillic = dice.random() < _CYRILLIC
        han = not cyrillic and dice.random() < 0.15
        text = self._cyrillic(dice) if cyrillic else _without(dice, han=han)
        placed = _draw(dice, text, dice.choice(self._han_faces if han else among))
        if placed is None:
            return None
        image, quad = placed
        if upside_down := dice.random() < (0.08 if cyrillic else _UPSIDE_DOWN):
            quad = turned(quad)
        # As the reader cuts lines first, and those in doubt.
        strip = (ocr.narrow_strip if dice.random() < 0.6 else ocr.wide_strip)(image, quad)
        return Drawn(strip, text if cyrillic and not upside_down else None)

    def _cyrillic(self, dice: Random) -> str:
        words = [self._word(dice) for _ in range(dice.choice((1, 1, 1, 2, 2, 3)))]
        if dice.random() < 0.2:
            words.append("№")
        text = " ".join(words) + dice.choice((":", " :", ".", ",", "", "", "", ""))
        return f"{text} {_value(dice)}" if dice.random() < 0.35 else text

    def _word(self, dice: Random) -> str:
        made_up = "".join(dice.choice(_LETTERS) for _ in range(dice.randint(2, 8)))
        word = made_up if dice.random() < 0.1 else dice.choice(self._words)
        if dice.random() < 0.25:
            word = word[: dice.randint(2, max(2, min(6, len(word))))] + "."
        kind = dice.random()
        return word.upper() if kind < 0.3 else word.capitalize() if kind < 0.75 else word.lower()


def _without(dice: Random, *, han: bool) -> str:
    """A line in which nothing is Cyrillic."""
    if han:
        start = dice.randrange(len(_HAN) - 6)
        return _HAN[start : start + dice.randint(2, 6)] + dice.choice(("", ":", f" {_value(dice)}"))
    if dice.random() < 0.55:
        return _value(dice)
    words = [dice.choice(_LATIN) for _ in range(dice.randint(1, 3))]
    text = " ".join(word.upper() if dice.random() < 0.3 else word for word in words)
    return text + dice.choice(("", ":", f": {_value(dice)}"))


def _value(dice: Random) -> str:
    if dice.random() < 0.2:
        return f"{dice.choice(_LATIN)} {dice.randint(1, 9999)}"
    letters = string.ascii_uppercase + string.digits * 2
    if dice.random() < 0.15:
        letters = string.ascii_letters
    parts = ["".join(dice.choice(letters) for _ in range(dice.randint(2, 7))) for _ in range(dice.randint(1, 2))]
    return dice.choice("- /.").join(parts)


def _draw(dice: Random, text: str, path: Path) -> tuple[Pixels, Quad] | None:
    """A line on a ground, H x W x 3, uint8, BGR, and the box that the detector would draw round it."""
    em_px = dice.randint(16, 56)
    font = ImageFont.truetype(str(path), em_px)
    _, top, right, bottom = font.getbbox(text, anchor="ls")
    capital = -font.getbbox("H", anchor="ls")[1]
    if right < 3 or capital < 5:
        return None
    ink = Image.new("L", (int(right) + 2 * em_px, 3 * em_px))
    ImageDraw.Draw(ink).text((em_px, 2 * em_px), text, fill=255, font=font, anchor="ls")
    mask: Grey = np.asarray(ink, np.float32) / 255
    if dice.random() < 0.4:
        wide = max(8, int(mask.shape[1] * dice.uniform(0.8, 1.15)))
        mask = np.asarray(cv2.resize(mask, (wide, mask.shape[0]), interpolation=cv2.INTER_AREA), np.float32)
    along = mask.shape[1] / ink.width
    image = _lit(dice, mask, em_px)
    height = bottom - top
    box_height = max(1.25 * capital, height * dice.gauss(1.32, 0.08))
    middle = 2 * em_px + (top + bottom) / 2 + dice.gauss(0, 0.03) * box_height
    first = em_px * along - dice.uniform(0.15, 0.45) * height
    last = (em_px + right) * along + dice.uniform(0.15, 0.45) * height
    slope = dice.gauss(0, 0.01) * (last - first)
    above, below = middle - box_height / 2, middle + box_height / 2
    return image, ((first, above), (last, above + slope), (last, below + slope), (first, below))


def _lit(dice: Random, mask: Grey, em_px: int) -> Pixels:
    """Ink on a ground, with uneven light, blur, noise and compression."""
    ground, colour = dice.uniform(120, 245), dice.uniform(5, 90)
    if dice.random() < 0.25:
        ground, colour = dice.uniform(10, 80), dice.uniform(140, 250)
    grey: Grey = ground + (colour - ground) * mask * dice.uniform(0.75, 1.0)
    grey = grey + np.linspace(-1, 1, grey.shape[1], dtype=np.float32) * dice.uniform(-15, 15)
    if (blur_px := dice.uniform(0, 0.027) * em_px) > 0.4:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), blur_px), np.float32)
    grey = grey + np.random.default_rng(dice.randrange(1 << 30)).normal(0, dice.uniform(0, 7), grey.shape)
    image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, 2)
    if dice.random() < 0.5:
        packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, dice.randint(50, 95)])[1]
        return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return image
