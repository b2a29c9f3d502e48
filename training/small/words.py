"""Decide what stands on a made-up plate: its lines in reading order, and what the right answers are.

Key words are those of `edge/readers/linking/keys/keywords.toml` and a table of its own. Makers, types, serials and
layouts are made here: none of them is the simulator's, by which the model is judged.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

KEYWORDS = Path(__file__).parents[2] / "edge" / "readers" / "linking" / "keys" / "keywords.toml"

#: Other rows that a question may be about: how it is named in a question -> what plates call it.
ROWS: Mapping[str, tuple[str, ...]] = {
    "part number": ("P/N", "Part No.", "Part Number", "Art. No.", "Artikel-Nr.", "Bestell-Nr.", "Mat.-Nr.", "Réf.",
                    "Référence", "Codice", "Cod. art.", "Referencia", "Código", "Nr kat.", "Nr art.", "Order code",
                    "Item No.", "物料号", "订货号", "料号"),
    "date": ("Date", "Mfg. Date", "Year", "Baujahr", "Datum", "Année", "Anno", "Data", "Fecha", "Año", "Rok prod.",
             "Data prod.", "Bouwjaar", "生产日期", "出厂日期", "日期"),
    "voltage": ("Voltage", "Input", "Volts", "U", "Spannung", "Tension", "Tensione", "Tensión", "Napięcie", "Napětí",
                "额定电压", "电压"),
    "current": ("Current", "Amps", "I", "Strom", "Courant", "Corrente", "Corriente", "Prąd", "Proud", "额定电流",
                "电流"),
    "power": ("Power", "Output", "P", "Leistung", "Puissance", "Potenza", "Potencia", "Moc", "Výkon", "额定功率",
              "功率"),
    "speed": ("Speed", "RPM", "n", "Drehzahl", "Vitesse", "Velocità", "Velocidad", "Obroty", "Otáčky", "额定转速",
              "转速"),
    "weight": ("Weight", "Mass", "Gewicht", "Poids", "Masse", "Peso", "Masa", "Hmotnost", "Waga", "重量"),
    "frequency": ("Frequency", "Freq.", "Frequenz", "Fréquence", "Frequenza", "Frecuencia", "Częstotliwość", "频率"),
    "pressure": ("Pressure", "Pmax", "Druck", "Pression", "Pressione", "Presión", "Ciśnienie", "PN", "压力"),
    "ratio": ("Ratio", "Übersetzung", "Rapport", "Rapporto", "Relación", "Przełożenie", "速比"),
    "batch": ("Lot", "Batch", "Charge", "Lotto", "Lote", "Partia", "批号"),
    "MAC address": ("MAC", "MAC ID", "MAC address", "LAN MAC"),
    "version": ("Rev.", "Version", "HW", "FW", "Firmware", "H/W Ver.", "版本"),
}  # fmt: skip

_ASK_MODEL = (
    "What is the model or type? Answer with its text only.", "What is the model?", "Which model is this?",
    "Read the type designation.", "What is the type? Answer with its text only.", "Model?",
    "What is the model name?", "What is the model? Answer with its text only.",
)  # fmt: skip
_ASK_SERIAL = (
    "What is the serial number? Digits and letters only.", "What is the serial number?", "Serial number?",
    "Read the serial number.", "Which serial number is printed?", "What is the serial? Answer with its text only.",
    "What is the serial number? Answer with its text only.", "What is the S/N?",
)  # fmt: skip
#: Dense: every character of the sheet is an answer.
READ_ALL = "Read all lines."

_HAN = ("\u4e00", "\u9fff")
_CONSONANTS, _VOWELS = "BCDFGHKLMNPRSTVWXZ", "AEIOU"
_WORDS = (
    "Motor", "Pump", "Drive", "Valve", "Sensor", "Gearbox", "Controller", "Inverter", "Compressor", "Fan",
    "Power supply", "Transformer", "Actuator", "Asynchronous motor 3~", "Servo", "Getriebemotor", "Pompe", "Pompa",
    "Moteur", "Motore", "Frequenzumrichter", "Switch", "Gateway", "Meter", "Heater", "Chiller", "Robot", "Camera",
)  # fmt: skip
_PLACES = ("Germany", "Italy", "France", "Spain", "Poland", "China", "Japan", "EU", "USA", "Austria", "Czech Republic",
           "Sweden", "Korea", "Taiwan", "Switzerland", "Turkey", "UK", "Denmark")  # fmt: skip
_STREETS = ("Industriestr.", "Main Street", "Via Roma", "Rue de la Gare", "Hauptstr.", "Fabrikweg", "ul. Polna")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text as printed; `height` against the plate's usual one, `heavy` if bold."""

    text: str
    height: float = 1.0
    heavy: bool = False


@dataclass(frozen=True, slots=True)
class Plate:
    """Lines in reading order, and the fields (name as in questions -> text as printed)."""

    lines: tuple[Line, ...]
    fields: Mapping[str, str]


@cache
def keys(name: str) -> tuple[str, ...]:
    """The words for "model" or "serial", strong ones twice; Latin script and Chinese only."""
    table = tomllib.loads(KEYWORDS.read_text(encoding="utf-8"))[name]
    words = [*table["strong"], *table["strong"], *table["good"]]
    return tuple(word for word in words if all(_drawn(character) for character in word))


@cache
def _fillers() -> tuple[str, ...]:
    table = tomllib.loads(KEYWORDS.read_text(encoding="utf-8"))["other"]
    words = [word for kind in ("approval", "rating", "revision", "network") for word in table[kind]]
    return tuple(word for word in words if all(_drawn(character) for character in word))


def _drawn(character: str) -> bool:
    return ord(character) < 0x250 or is_han(character) or character == "№"


def is_han(text: str) -> bool:
    """Whether any character is a Chinese one."""
    return any(_HAN[0] <= character <= _HAN[1] for character in text)


def _some(dice: Random, alphabet: str, least: int, most: int) -> str:
    return "".join(dice.choices(alphabet, k=dice.randint(least, most)))


_DIGITS, _LETTERS = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def name_of(dice: Random) -> str:
    """A maker's name, or a word that no dictionary has."""
    text = "".join(dice.choice(_CONSONANTS) + dice.choice(_VOWELS) for _ in range(dice.randint(2, 3)))
    text += dice.choice(("", "", "N", "X", "R", "L", "S", "TEC", "MAT", "TRON", " GmbH", " AG", " S.p.A.", " Ltd."))
    return dice.choice((text, text, text.title()))


def model_of(dice: Random) -> str:
    """A type designation: letters, digits and marks in one to four groups."""
    alphabet = dice.choice((_LETTERS, "ABCDEFGHJKLMNPRSTUVWXYZ"))
    text = dice.choice((_some(dice, alphabet, 1, 4), _some(dice, alphabet, 2, 3), _some(dice, _DIGITS, 1, 4)))
    for _ in range(dice.choice((1, 1, 2, 2, 3))):
        text += dice.choice(("-", "-", "-", "", "", " ", "/", "."))
        text += dice.choice((
            _some(dice, _DIGITS, 1, 4), _some(dice, _DIGITS, 2, 3), _some(dice, alphabet, 1, 2),
            _some(dice, _DIGITS, 1, 3) + _some(dice, alphabet, 1, 1),
            _some(dice, alphabet, 1, 2) + _some(dice, _DIGITS, 1, 3),
            _some(dice, _DIGITS, 2, 3) + _some(dice, alphabet, 1, 1) + _some(dice, _DIGITS, 1, 1),
        ))  # fmt: skip
    if len(text) < 4:
        text += _some(dice, _DIGITS, 2, 3)
    return text


def serial_of(dice: Random) -> str:
    """A serial: mostly digits, letters before, behind or among them, sometimes in groups."""
    alphabet = dice.choice((_LETTERS, "ABCDEFGHJKLMNPRSTUVWXYZ"))
    form: Callable[[], str] = dice.choice((
        lambda: _some(dice, _DIGITS, 5, 13),
        lambda: _some(dice, _DIGITS, 8, 10),
        lambda: _some(dice, alphabet, 1, 3) + _some(dice, _DIGITS, 5, 9),
        lambda: _some(dice, _DIGITS, 5, 9) + _some(dice, alphabet, 1, 3),
        lambda: _some(dice, _DIGITS, 2, 4) + dice.choice("-/. ") + _some(dice, _DIGITS, 4, 8),
        lambda: _some(dice, alphabet + _DIGITS, 8, 13),
        lambda: _some(dice, alphabet, 1, 2) + "-" + _some(dice, _DIGITS, 2, 4) + "-" + _some(dice, _DIGITS, 3, 6),
        lambda: _some(dice, alphabet, 1, 2) + _some(dice, _DIGITS, 2, 4) + _some(dice, alphabet, 1, 2)
        + _some(dice, _DIGITS, 3, 6),
    ))  # fmt: skip
    return form()


def value_of(name: str, dice: Random) -> str:
    """A believable value of another row."""
    number = dice.choice((f"{dice.randint(1, 999)}", f"{dice.randint(0, 99)}.{dice.randint(0, 9)}",
                          f"{dice.randint(0, 99)},{dice.randint(0, 99):02d}"))  # fmt: skip
    mark = dice.choice(("-", ".", " ", ""))
    makers: Mapping[str, Callable[[], str]] = {
        "part number": lambda: mark.join(_some(dice, _DIGITS, 2, 5) for _ in range(dice.randint(2, 4))),
        "date": lambda: dice.choice((
            f"{dice.randint(1, 12):02d}/{dice.randint(2005, 2029)}", f"{dice.randint(2005, 2029)}",
            f"{dice.randint(2005, 2029)}-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}",
            f"{dice.randint(1, 28):02d}.{dice.randint(1, 12):02d}.{dice.randint(2005, 2029)}",
            f"{dice.randint(1, 52)}/{dice.randint(10, 29)}")),
        "voltage": lambda: dice.choice((
            f"{dice.choice((12, 24, 48, 110, 115, 230, 400, 480, 690))} V" + dice.choice((" DC", " AC", "", " 3~")),
            (f"{dice.choice((100, 110, 200, 380))}-{dice.choice((240, 415, 480))} V "
             f"{dice.choice(('50/60', '50', '60'))} Hz"),
            f"{dice.choice((220, 230, 380))}/{dice.choice((400, 440, 660))}V~")),
        "current": lambda: f"{number} {dice.choice(('A', 'mA', 'A'))}",
        "power": lambda: f"{number} {dice.choice(('kW', 'W', 'VA', 'kVA', 'HP'))}",
        "speed": lambda: f"{dice.randint(10, 9999)} {dice.choice(('1/min', 'rpm', 'min-1', 'U/min', 'r/min'))}",
        "weight": lambda: f"{number} {dice.choice(('kg', 'kg', 'g', 'lbs'))}",
        "frequency": lambda: f"{dice.choice(('50', '60', '50/60', '50-60', '400'))} Hz",
        "pressure": lambda: f"{number} {dice.choice(('bar', 'MPa', 'kPa', 'PSI'))}",
        "ratio": lambda: dice.choice(("", "i = ", "i=", "1:")) + number,
        "batch": lambda: _some(dice, _LETTERS, 0, 2) + _some(dice, _DIGITS, 3, 7),
        "MAC address": lambda: dice.choice((":", "-", "")).join(f"{dice.randrange(256):02X}" for _ in range(6)),
        "version": lambda: dice.choice(("", "V", "v")) + f"{dice.randint(0, 9)}.{dice.randint(0, 20)}",
    }  # fmt: skip
    return makers[name]() if name in makers else dice.choice((number, model_of(dice), _some(dice, _DIGITS, 2, 6)))


def small_print(dice: Random) -> str:
    """A line that nobody asks about."""
    return dice.choice((
        f"Made in {dice.choice(_PLACES)}",
        f"CE  IP{dice.randint(20, 69)}  EN {dice.randint(50000, 63000)}-{dice.randint(1, 7)}",
        f"{dice.choice(('ISO', 'IEC', 'DIN', 'EN', 'UL'))} {dice.randint(100, 62000)}  Made in {dice.choice(_PLACES)}",
        f"www.{name_of(dice).split()[0].lower()}.{dice.choice(('com', 'de', 'it', 'eu'))}",
        f"{dice.choice(_STREETS)} {dice.randint(1, 199)}, {_some(dice, _DIGITS, 5, 5)} {name_of(dice).title()}",
        f"IP{dice.randint(20, 69)}", "CE", f"Ins. Cl. {dice.choice('BFH')}",
        f"Cl. {dice.choice('BFH')}  S1  cos phi 0.8{dice.randint(0, 9)}",
        f"Tel. +{dice.randint(1, 99)} {_some(dice, _DIGITS, 6, 9)}", f"Patent {_some(dice, _DIGITS, 6, 8)}",
    ))  # fmt: skip


def plate(dice: Random, least: int = 2, most: int = 7) -> Plate:
    """Decide a plate with `least` to `most` rows of key and value besides its titles and small print."""
    fields: dict[str, str] = {}
    rows: list[tuple[str, str]] = []
    titled = dice.random() < 0.18
    if dice.random() < 0.93:
        fields["model"] = model_of(dice)
        if not titled:
            rows.append((dice.choice(keys("model")), fields["model"]))
    if dice.random() < 0.93:
        fields["serial"] = serial_of(dice)
        rows.append((dice.choice(keys("serial")), fields["serial"]))
    dice.shuffle(rows)
    others = dice.sample(list(ROWS), min(len(ROWS), max(0, dice.randint(least, most) - len(rows))))
    chinese = dice.random() < 0.15
    for name in others:
        words = [word for word in ROWS[name] if is_han(word) == chinese] or ROWS[name]
        fields[name] = value_of(name, dice)
        rows.insert(dice.randint(0, len(rows)), (dice.choice(words), fields[name]))
    if dice.random() < 0.3:
        rows.insert(dice.randint(0, len(rows)), (dice.choice(_fillers()), value_of("", dice)))
    if chinese:
        rows = [(_in_chinese(key, dice), value) for key, value in rows]
    lines = [*_head(dice, fields, titled=titled), *_set(dice, rows)]
    if dice.random() < 0.75:
        lines.append(Line(small_print(dice), dice.uniform(0.7, 1.0)))
    if dice.random() < 0.15 and len(lines) > 3:  # a tilted plate: neighbours change places
        place = dice.randrange(len(lines) - 1)
        lines[place], lines[place + 1] = lines[place + 1], lines[place]
    return Plate(tuple(lines), fields)


def _in_chinese(key: str, dice: Random) -> str:
    for name in ("model", "serial"):
        if key in keys(name):
            return dice.choice([word for word in keys(name) if is_han(word)])
    return key


def _head(dice: Random, fields: Mapping[str, str], *, titled: bool) -> list[Line]:
    lines = []
    if dice.random() < 0.85:
        lines.append(Line(name_of(dice), 1.1, heavy=True))
    if titled and "model" in fields:
        lines.append(Line(fields["model"], 1.1, heavy=dice.random() < 0.5))
    if dice.random() < 0.35:
        lines.insert(dice.randint(0, len(lines)), Line(dice.choice(_WORDS)))
    return lines


def _set(dice: Random, rows: Sequence[tuple[str, str]]) -> list[Line]:
    """Set the rows: beside each other, in one line, in cells of two, or in columns of three with heads."""
    form = dice.choice(("pairs", "pairs", "inline", "cells", "columns"))
    if form == "pairs":
        mark = dice.choice(("", "", ":", " :"))
        return [line for key, value in rows for line in (Line(key + mark), Line(value))]
    if form == "inline":
        mark = dice.choice((": ", ": ", ":", " ", ". ", ":  "))
        lines: list[Line] = []
        for key, value in rows:
            text = f"{key}{mark}{value}"
            if lines and dice.random() < 0.2 and len(lines[-1].text) + len(text) < 30:
                lines[-1] = Line(f"{lines[-1].text}  {text}")
            else:
                lines.append(Line(text))
        return lines
    across = 2 if form == "cells" else 3
    small = dice.uniform(0.75, 1.0)
    lines = []
    for start in range(0, len(rows), across):
        band = rows[start : start + across]
        lines += [Line(key, small) for key, _ in band] + [Line(value) for _, value in band]
    return lines


def questions(dice: Random, one: Plate) -> list[tuple[str, str]]:
    """What is asked about a plate, and the right answers; model and serial always, in the words of product files."""
    asked = []
    for name, ways in (("model", _ASK_MODEL), ("serial", _ASK_SERIAL)):
        question = ways[0] if dice.random() < 0.6 else dice.choice(ways)
        asked.append((question, one.fields.get(name, "none")))
    name = dice.choice([*ROWS, *one.fields])
    if name not in {"model", "serial"}:
        asked.append((f"What is the {name}? Answer with its text only.", one.fields.get(name, "none")))
    if dice.random() < 0.25:
        asked.append(_free(dice, one))
    dice.shuffle(asked)
    return asked


def _free(dice: Random, one: Plate) -> tuple[str, str]:
    """Yes or no, digits only, how many."""
    name = dice.choice(("model", "serial"))
    printed = one.fields.get(name)
    said = "serial number" if name == "serial" else "model"
    if printed is None:
        return f"Is there a {said}? Answer yes or no.", "no"
    kind = dice.randrange(3)
    if kind == 0:
        return f"Is there a {said}? Answer yes or no.", "yes"
    if kind == 1:
        told = printed if dice.random() < 0.5 else mistaken(dice, printed)
        return f"Is the {said} {told}? Answer yes or no.", "yes" if told == printed else "no"
    digits = "".join(character for character in printed if character.isdecimal())
    return f"Which digits are in the {said}? Digits only.", digits or "none"


#: Characters that readers take for one another.
CONFUSABLE = (
    "0OQD", "1Il|7", "8B36", "5S6", "2Z7", "6G8", "4A", "UVY", "MNWH", "KXR", "CGO", "EF", "PRF", "9g4", "3589", "TI7Y",
    "JI", "LI1", ".,", "-_", "0869", "17", "38", "56", "mn", "ec", "rn",
)  # fmt: skip


@cache
def _likes(character: str) -> str:
    return "".join(sorted({other for group in CONFUSABLE if character in group for other in group} - {character}))


def mistaken(dice: Random, text: str, count: int = 1) -> str:
    """The text with `count` characters taken for like ones; now and then one lost or doubled."""
    characters = list(text)
    for _ in range(count):
        places = [n for n, character in enumerate(characters) if character.isalnum() and _likes(character)]
        if not places:
            break
        place = dice.choice(places)
        if dice.random() < 0.1 and len(characters) > 3:
            characters[place : place + 1] = [] if dice.random() < 0.5 else [characters[place]] * 2
        else:
            characters[place] = dice.choice(_likes(characters[place]))
    return "".join(characters)


def taken_for(dice: Random, text: str) -> str:
    """The text with one character taken for a like one; the same text where none has its like."""
    places = [n for n, character in enumerate(text) if character.isalnum() and _likes(character)]
    if not places:
        return text
    place = dice.choice(places)
    return text[:place] + dice.choice(_likes(text[place])) + text[place + 1 :]
