"""Made-up lines of text, drawn and cut as the reader would cut them: some with Cyrillic words, some with none."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from edge.readers.lines.cyrillic import CYRILLIC
from training.letters import faces
from training.letters.drawing import Pixels, strip_of

#: What the lines have that hold Cyrillic words, of all; the others teach what is none.
_CYRILLIC = 0.62
_UPSIDE_DOWN = 0.3
LATIN_WORDS = """
Model Type Serial Input Output Power Voltage Frequency Made in Germany Motor Pump Weight Date Class Leistung Modell
Spannung Baujahr Numéro Série Modèle Tension Puissance Courant Tipo Matricola Modello Velocità Peso Číslo Výrobní Numer
Seryjny Gewicht Fabricagenummer Tillverknings Potência Tensão Fecha Año Presión Hersteller
""".split()  # noqa: SIM905 - a text of words is easier to read
_HAN = "型号出厂编号製造番号品番定格電圧周波数重量日本製機種名形式产品功率频率电流年月生产许可证消費電力モデルコード"
#: Faces with these have Cyrillic letters as wide as those.
_WIDE = "型가"
_LETTERS = [letter for letter in CYRILLIC if letter.islower()]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A strip 32 px high, and what it says: None where all that matters is that nothing is Cyrillic."""

    strip: Pixels
    text: str | None


class Source:
    """Draws lines in the faces that were fetched."""

    def __init__(self) -> None:
        self._faces, self._han_faces = faces.faces(CYRILLIC, without=_WIDE), faces.files(faces.HAN_FACES)
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
        upside_down = dice.random() < (0.08 if cyrillic else _UPSIDE_DOWN)
        strip = strip_of(dice, text, dice.choice(self._han_faces if han else among), upside_down=upside_down)
        return None if strip is None else Drawn(strip, text if cyrillic and not upside_down else None)

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
    words = [dice.choice(LATIN_WORDS) for _ in range(dice.randint(1, 3))]
    text = " ".join(word.upper() if dice.random() < 0.3 else word for word in words)
    return text + dice.choice(("", ":", f": {_value(dice)}"))


def _value(dice: Random) -> str:
    if dice.random() < 0.2:
        return f"{dice.choice(LATIN_WORDS)} {dice.randint(1, 9999)}"
    letters = string.ascii_uppercase + string.digits * 2
    if dice.random() < 0.15:
        letters = string.ascii_letters
    parts = ["".join(dice.choice(letters) for _ in range(dice.randint(2, 7))) for _ in range(dice.randint(1, 2))]
    return dice.choice("- /.").join(parts)
