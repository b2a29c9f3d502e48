"""Gives what is printed on plates: key words in seven languages, the values of made-up makers, serials by style."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: What stands beside a value, by language and meaning; the first of several is the usual one.
KEYS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "en": {
            "model": ("Model", "Type", "Model No."),
            "serial": ("Serial No.", "S/N", "Serial Number", "SN"),
            "article": ("P/N", "Part No.", "Order No."),
            "date": ("Date", "Mfg. Date"),
            "voltage": ("Voltage", "Input"),
            "current": ("Current",),
            "power": ("Power", "Output"),
            "speed": ("Speed",),
            "ratio": ("Ratio",),
            "weight": ("Weight",),
        },
        "de": {
            "model": ("Typ", "Modell"),
            "serial": ("Serien-Nr.", "Fabr.-Nr.", "S/N", "Seriennummer"),
            "article": ("Artikel-Nr.", "Best.-Nr.", "Mat.-Nr."),
            "date": ("Baujahr", "Datum"),
            "voltage": ("Spannung",),
            "current": ("Strom",),
            "power": ("Leistung",),
            "speed": ("Drehzahl",),
            "ratio": ("Übersetzung",),
            "weight": ("Gewicht",),
        },
        "fr": {
            "model": ("Modèle", "Type"),
            "serial": ("N° de série", "Numéro de série", "N° série"),
            "article": ("Réf.", "Référence"),
            "date": ("Date", "Année"),
            "voltage": ("Tension",),
            "current": ("Courant",),
            "power": ("Puissance",),
            "speed": ("Vitesse",),
            "ratio": ("Rapport",),
            "weight": ("Poids", "Masse"),
        },
        "it": {
            "model": ("Modello", "Tipo"),
            "serial": ("N. di serie", "Matricola", "Numero di serie"),
            "article": ("Codice", "Articolo"),
            "date": ("Data", "Anno"),
            "voltage": ("Tensione",),
            "current": ("Corrente",),
            "power": ("Potenza",),
            "speed": ("Velocità",),
            "ratio": ("Rapporto",),
            "weight": ("Peso",),
        },
        "es": {
            "model": ("Modelo", "Tipo"),
            "serial": ("N.º de serie", "Número de serie", "Nº serie"),
            "article": ("Referencia", "Código"),
            "date": ("Fecha", "Año"),
            "voltage": ("Tensión",),
            "current": ("Corriente",),
            "power": ("Potencia",),
            "speed": ("Velocidad",),
            "ratio": ("Relación",),
            "weight": ("Peso",),
        },
        "pl": {
            "model": ("Model", "Typ"),
            "serial": ("Nr seryjny", "Numer seryjny", "Nr fabr."),
            "article": ("Nr kat.", "Nr art."),
            "date": ("Data prod.", "Rok prod."),
            "voltage": ("Napięcie",),
            "current": ("Prąd",),
            "power": ("Moc",),
            "speed": ("Obroty",),
            "ratio": ("Przełożenie",),
            "weight": ("Masa",),
        },
        "zh": {
            "model": ("型号", "产品型号"),
            "serial": ("序列号", "出厂编号"),
            "article": ("物料号", "订货号"),
            "date": ("生产日期", "日期"),
            "voltage": ("额定电压",),
            "current": ("额定电流",),
            "power": ("额定功率",),
            "speed": ("额定转速",),
            "ratio": ("速比",),
            "weight": ("重量",),
        },
    }
)

LANGUAGES = tuple(KEYS)

#: No I, O, Q: makers leave them out where digits and letters mix.
_PLAIN_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def _digits(dice: random.Random, count: int) -> str:
    return "".join(dice.choices("0123456789", k=count))


def _letters(dice: random.Random, count: int) -> str:
    return "".join(dice.choices(_PLAIN_LETTERS, k=count))


@dataclass(frozen=True, slots=True)
class Make:
    """A kind of device: whose name is on the plate, how its models and serials look, which other rows it carries."""

    maker: str
    title: str
    model: Callable[[random.Random], str]
    serial: Callable[[random.Random], str]
    rows: tuple[str, ...]


def _gearmotor_model(dice: random.Random) -> str:
    size = dice.choice((63, 71, 80, 90, 100, 112))
    return f"NG{dice.randint(20, 99)}-{size}{dice.choice('LMH')}{dice.choice((2, 4, 6))}"


def _pump_model(dice: random.Random) -> str:
    return f"HYX {dice.choice((32, 40, 50, 65, 80))}-{dice.choice((125, 160, 200, 250))}"


def _device_model(dice: random.Random) -> str:
    return f"IPC-{dice.randint(210, 990)}{_letters(dice, 1)}"


def _drive_model(dice: random.Random) -> str:
    return f"FX{dice.randint(3, 9)}{_digits(dice, 2)}-{_letters(dice, 2)}{dice.randint(10, 99)}"


#: By the name that product files and scenes use.
MAKES: Mapping[str, Make] = MappingProxyType(
    {
        "gearmotor": Make(
            "NORDHELM", "Gearmotor 3~", _gearmotor_model, lambda d: _digits(d, 8) + _letters(d, 2),
            ("power", "speed", "ratio", "voltage", "current", "date", "weight"),
        ),
        "pump": Make(
            "HYDRAX", "Centrifugal pump", _pump_model, lambda d: f"{d.randint(18, 26)}-{_digits(d, 6)}",
            ("article", "power", "speed", "voltage", "date", "weight"),
        ),
        "device": Make(
            "KELVIA", "Industrial PC", _device_model, lambda d: f"{_letters(d, 2)}{_digits(d, 7)}",
            ("article", "voltage", "current", "mac", "date"),
        ),
        "drive": Make(
            "VOLTARA", "Frequency converter", _drive_model, lambda d: _digits(d, 10),
            ("article", "voltage", "current", "power", "weight", "date"),
        ),
    }
)  # fmt: skip


def value_of(meaning: str, dice: random.Random) -> str:
    """A believable value for a row that nobody asks for: the distractors around model and serial."""
    makers: dict[str, Callable[[], str]] = {
        "article": lambda: f"{_digits(dice, 3)}-{_digits(dice, 4)}-{_digits(dice, 2)}",
        "date": lambda: f"{dice.randint(1, 12):02d}/{dice.randint(2019, 2026)}",
        "voltage": lambda: dice.choice(("230/400 V 50 Hz", "400 V 50 Hz", "24 V DC", "100-240 V 50/60 Hz")),
        "current": lambda: f"{dice.randint(1, 19)}.{dice.randint(1, 9)} A",
        "power": lambda: f"{dice.choice((0.37, 0.55, 0.75, 1.1, 1.5, 2.2, 3.0, 4.0))} kW",
        "speed": lambda: f"{dice.randint(18, 290) * 10} 1/min",
        "ratio": lambda: f"i = {dice.randint(5, 99)}.{dice.randint(10, 99)}",
        "weight": lambda: f"{dice.randint(4, 96)}.{dice.randint(0, 9)} kg",
        "mac": lambda: ":".join(f"{dice.randrange(256):02X}" for _ in range(6)),
    }
    return makers[meaning]()


def key_of(meaning: str, language: str, dice: random.Random | None = None) -> str:
    """The word beside a value; the usual one where no dice are given."""
    words = KEYS[language].get(meaning, (meaning.upper(),))
    return dice.choice(words) if dice else words[0]


def small_print(dice: random.Random) -> str:
    """A line of standards that stands at the foot of most plates."""
    parts = [
        "CE",
        f"IP{dice.choice((54, 55, 65))}",
        dice.choice(("EN 60034-1", "IEC 60529", "EN 61800-5-1", "ISO 9906")),
    ]
    parts.append(dice.choice(("Made in Germany", "Made in Italy", "Made in Poland", "Made in EU")))
    return "  ".join(parts)
