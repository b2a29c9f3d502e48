"""Gives what made-up pages say: key words of 13 languages, values, kinds of product, and what stands around them.

The languages, model names and layouts in `UNSEEN` are for judging only: no page of the training uses them.
"""

# ruff: noqa: E501, RUF001 - tables of words in many alphabets

from __future__ import annotations

import string
from collections.abc import Mapping
from random import Random

from training.small import words

#: model, serial, then other rows by meaning; each with its usual word first.
KEYS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "model": ("Model", "Type", "Model No.", "MODEL", "TYPE", "M/N", "Mod.", "MDL", "Model Number", "Model Name"),
        "serial": ("Serial No.", "S/N", "Serial Number", "SN", "SERIAL NO", "Ser. No.", "Serial", "S/No.", "SER. NO."),
        "article": ("P/N", "Part No.", "Order No.", "Item No.", "Cat. No.", "Product No."),
        "date": ("Date", "Mfg. Date", "Year", "Date Code"),
        "rating": ("Input", "Output", "Power", "Voltage", "Current", "Weight", "Pressure", "Speed"),
    },
    "de": {
        "model": ("Typ", "Modell", "Type", "Baureihe", "Gerätetyp", "Typenbezeichnung", "Modell-Nr."),
        "serial": ("Serien-Nr.", "Fabr.-Nr.", "Seriennummer", "Ser.-Nr.", "Masch.-Nr.", "Fabrik-Nr.", "Geräte-Nr.", "SNr."),
        "article": ("Artikel-Nr.", "Best.-Nr.", "Mat.-Nr.", "Artikelnummer", "Auftrags-Nr."),
        "date": ("Baujahr", "Datum", "Bj."),
        "rating": ("Spannung", "Strom", "Leistung", "Drehzahl", "Gewicht", "Schutzart", "Frequenz"),
    },
    "fr": {
        "model": ("Modèle", "Type", "Désignation", "N° de modèle"),
        "serial": ("N° de série", "Numéro de série", "N° série", "N° de fabrication", "No de série"),
        "article": ("Réf.", "Référence", "Code"),
        "date": ("Date", "Année", "Année de fabrication"),
        "rating": ("Tension", "Courant", "Puissance", "Vitesse", "Poids", "Pression"),
    },
    "it": {
        "model": ("Modello", "Tipo", "Mod."),
        "serial": ("N. di serie", "Matricola", "Numero di serie", "Matr.", "N. matricola"),
        "article": ("Codice", "Articolo", "Cod. art."),
        "date": ("Data", "Anno", "Anno di costruzione"),
        "rating": ("Tensione", "Corrente", "Potenza", "Peso", "Pressione", "Velocità"),
    },
    "es": {
        "model": ("Modelo", "Tipo", "Modelo Nº"),
        "serial": ("N.º de serie", "Número de serie", "Nº serie", "Nº de fabricación", "Nro. de serie"),
        "article": ("Referencia", "Código", "Ref."),
        "date": ("Fecha", "Año", "Año de fabricación"),
        "rating": ("Tensión", "Corriente", "Potencia", "Peso", "Presión", "Velocidad"),
    },
    "nl": {
        "model": ("Type", "Model", "Typenummer", "Modelnummer"),
        "serial": ("Serienummer", "Serienr.", "Fabricagenummer", "Machinenummer"),
        "article": ("Artikelnummer", "Art. nr.", "Bestelnummer"),
        "date": ("Bouwjaar", "Datum", "Jaar"),
        "rating": ("Spanning", "Stroom", "Vermogen", "Gewicht", "Druk"),
    },
    "pl": {
        "model": ("Model", "Typ", "Typ urządzenia"),
        "serial": ("Nr seryjny", "Numer seryjny", "Nr fabr.", "Nr fabryczny"),
        "article": ("Nr kat.", "Nr art.", "Numer katalogowy"),
        "date": ("Data prod.", "Rok prod.", "Rok produkcji"),
        "rating": ("Napięcie", "Prąd", "Moc", "Masa", "Obroty"),
    },
    "cs": {
        "model": ("Typ", "Model", "Typové označení"),
        "serial": ("Výrobní číslo", "Výr. č.", "Sériové číslo", "Sér. č."),
        "article": ("Obj. č.", "Kat. č.", "Kód"),
        "date": ("Rok výroby", "Datum"),
        "rating": ("Napětí", "Proud", "Výkon", "Hmotnost", "Otáčky"),
    },
    "sv": {
        "model": ("Typ", "Modell", "Typbeteckning"),
        "serial": ("Serienummer", "Tillverkningsnummer", "Tillv. nr", "Serie nr"),
        "article": ("Art. nr", "Artikelnr"),
        "date": ("Tillverkningsår", "År"),
        "rating": ("Spänning", "Ström", "Effekt", "Vikt", "Tryck"),
    },
    "pt": {
        "model": ("Modelo", "Tipo"),
        "serial": ("Nº de série", "Número de série", "N.º de série"),
        "article": ("Código", "Referência", "Ref."),
        "date": ("Data", "Ano", "Ano de fabrico"),
        "rating": ("Tensão", "Corrente", "Potência", "Peso"),
    },
    "ru": {
        "model": ("Модель", "Тип", "Марка"),
        "serial": ("Зав. №", "Серийный номер", "Заводской номер", "Сер. №", "Зав. номер"),
        "article": ("Артикул", "Код"),
        "date": ("Дата", "Год выпуска", "Дата изготовления"),
        "rating": ("Напряжение", "Ток", "Мощность", "Масса", "Частота"),
    },
    "zh": {
        "model": ("型号", "产品型号", "型號", "规格型号"),
        "serial": ("序列号", "出厂编号", "产品编号", "编号", "序號"),
        "article": ("物料号", "订货号", "料号"),
        "date": ("生产日期", "日期", "出厂日期"),
        "rating": ("额定电压", "额定电流", "额定功率", "重量", "频率"),
    },
    "ja": {
        "model": ("型式", "形式", "型番", "形名"),
        "serial": ("製造番号", "製番", "機番", "製造No."),
        "article": ("図番", "注文番号"),
        "date": ("製造年月", "製造年"),
        "rating": ("電圧", "電流", "出力", "質量", "周波数"),
    },
}  # fmt: skip

#: Marks that pages print and no key holds.
MARKS = "：・®□回①№～"

#: Never in a page of the training.
UNSEEN_LANGUAGES = ("nl", "cs", "pt", "ja", "ru")
SEEN_LANGUAGES = tuple(language for language in KEYS if language not in UNSEEN_LANGUAGES)

#: What a product is, as the line above or below its name says it; the second half is for judging only.
_KINDS = (
    "Asynchronous motor", "Centrifugal pump", "Power supply", "Switching adapter", "Gas meter", "Wireless router",
    "Gearmotor", "Frequenzumrichter", "Drehstrommotor", "Netzteil", "Pompe centrifuge", "Moteur asynchrone",
    "Alimentatore", "Motore elettrico", "Bomba", "Pompa", "Air compressor", "Hard disk drive", "Access Point",
    "Luftentfeuchter", "3~Mot.", "Mot. 3~", "3~ MOTOR", "Gaszähler", "AC SERVO MOTOR", "SWITCHING POWER SUPPLY", "3-PHASE INDUCTION MOTOR", "Kompressor",
)  # fmt: skip
_UNSEEN_KINDS = (
    "Wasserzähler", "Heat pump", "Soft starter", "Print server", "Cordless drill", "Circulateur", "Ventilatore",
    "Elektromotor", "Waterpomp", "Čerpadlo", "Насос", "Media converter", "VACUUM PUMP", "Wechselrichter", "Estufa",
)  # fmt: skip
_FAMILIES = (
    "Air",
    "Home",
    "Pro",
    "Eco",
    "Smart",
    "Ultra",
    "Flex",
    "Vita",
    "Star",
    "Line",
    "Net",
    "Hydro",
    "Therm",
)
_REMARKS = (
    "Rev A",
    "Rev.B",
    "R1.2",
    "V1.1",
    "V2",
    "WIFI",
    "PLUS",
    "&",
    "& ①",
    "CE",
    "®",
    "TM",
    "IP54",
    "24V",
    "50Hz",
    "Ver.2",
)
_SLOGANS = (
    "Do not open", "Keep dry", "For indoor use only", "Read the manual before use", "Nur für Innenräume", "WARNING",
    "Refer servicing to qualified personnel", "No user serviceable parts inside", "Warranty void if removed",
    "This device complies with part 15 of the FCC Rules", "Hotline", "Recycle properly", "Keep away from children",
    "Eigentum des Betreibers", "Caution hot surface", "Designed in California", "QUALITY FIRST", "LISTED", "PASSED",
    "Assembled in Mexico", "Ne pas ouvrir", "No abrir", "ON", "OFF", "RESET", "POWER", "LAN", "DC IN", "USB", "12V 1A",
)  # fmt: skip
_SIGNS = ("CE", "UL", "TÜV", "GS", "VDE", "RoHS", "EAC", "UKCA", "PSE", "KC", "FCC", "WEEE", "X", "i", "®", "□", "回")

_CAPITALS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def some(dice: Random, alphabet: str, least: int, most: int) -> str:
    """Give a random text of an alphabet."""
    return "".join(dice.choices(alphabet, k=dice.randint(least, most)))


def key_of(dice: Random, meaning: str, language: str) -> str:
    """Give a key word; the usual ones more often, now and then in capitals."""
    known = KEYS[language][meaning]
    word = known[0] if dice.random() < 0.35 else dice.choice(known)
    return word.upper() if dice.random() < 0.2 else word


def model_of(dice: Random, *, unseen: bool) -> str:
    """Give a type designation; those for judging have forms of their own."""
    if unseen:
        pattern = dice.choice((
            "AAA00-0A0", "AA 000", "A00A/000", "AAAA-000AA-0", "000A00-AAA", "AA-00.00", "AAA 00/00-0", "AA0A0000AA",
            "00AA00-0A", "AAA000AA A", "AA00 AAA", "A-000-AA-00",
        ))  # fmt: skip
        return "".join(
            dice.choice(_CAPITALS) if c == "A" else dice.choice(string.digits) if c == "0" else c for c in pattern
        )
    draw = dice.random()
    if draw < 0.12:
        # With a variant behind a blank.
        return f"{words.model_of(dice)} {some(dice, _CAPITALS, 1, 3)}"
    if draw < 0.6:
        return words.model_of(dice)
    if draw < 0.68:
        # Long ones, as parts of computers have.
        text = some(dice, _CAPITALS, 2, 4) + some(dice, string.digits, 2, 4) + some(dice, _CAPITALS, 1, 2)
        text += some(dice, string.digits, 1, 3) + some(dice, _CAPITALS, 0, 3)
        return f"{text}-{some(dice, _CAPITALS, 0, 1)}{some(dice, string.digits, 1, 2)}"
    if draw < 0.78:
        return f"{some(dice, _CAPITALS, 2, 4)} {dice.choice((25, 32, 40, 50, 65, 80, 100))}-{dice.randint(4, 250)}"
    if draw < 0.86:
        return " ".join(
            some(dice, _CAPITALS, 1, 3) + some(dice, string.digits, 1, 3) for _ in range(dice.randint(2, 3))
        )
    if draw < 0.93:
        return some(dice, string.digits, 3, 5)
    return f"{some(dice, string.digits, 3, 5)}{dice.choice(('', '', some(dice, _CAPITALS, 1, 2)))}"


def serial_of(dice: Random) -> str:
    """Give a serial number: as `words` has them, a short number, or groups with blanks between.

    One without a digit is not told from a word, and not made.
    """
    draw = dice.random()
    if draw < 0.7:
        text = words.serial_of(dice)
        while not any(c.isdigit() for c in text):
            text = words.serial_of(dice)
        return text
    if draw < 0.85:
        return some(dice, string.digits, 4, 8)
    groups = [some(dice, string.digits, 2, 4) for _ in range(dice.randint(2, 4))]
    if dice.random() < 0.5:
        groups.insert(dice.randint(0, 1), some(dice, _CAPITALS, 1, 3) + some(dice, string.digits, 0, 2))
    return " ".join(groups)


def named_model(dice: Random) -> str:
    """Give a model name that is a word and a number, as consumer products have them."""
    word = dice.choice(_FAMILIES) + dice.choice(("", "", dice.choice(_FAMILIES).lower(), f"-{dice.choice(_FAMILIES)}"))
    if dice.random() < 0.3:
        word = words.name_of(dice).split()[0].title()
    return f"{word} {dice.choice((dice.randint(1, 9), dice.randint(10, 9900), dice.randint(1, 99) * 100))}"


def kind_of(dice: Random, *, unseen: bool) -> str:
    """Give what a product is."""
    return dice.choice(_UNSEEN_KINDS if unseen else _KINDS)


def board_print(dice: Random) -> str:
    """Give what a circuit board or a moulded part says of itself: its own code and revision, nothing of the product."""
    code = f"{some(dice, _CAPITALS, 2, 4)}{dice.choice(('-', '', ' '))}{some(dice, string.digits, 2, 5)}{some(dice, _CAPITALS, 0, 1)}"
    revision = dice.choice(("REV", "Rev.", "R", "V", "Ver."))
    return f"{code} {revision}{dice.choice(('', ' ')) if len(revision) > 1 else ''}{dice.randint(0, 3)}.{dice.randint(0, 20)}"


def remark(dice: Random) -> str:
    """Give what stands behind a model and is no part of it."""
    return dice.choice(_REMARKS)


def other_row(dice: Random, language: str) -> tuple[str, str]:
    """Give a key and its value of what nobody asks for."""
    draw = dice.random()
    if draw < 0.2:
        value = dice.choice((
            words.value_of("part number", dice), words.model_of(dice), some(dice, string.digits, 6, 10), words.serial_of(dice),
        ))  # fmt: skip
        return key_of(dice, "article", language), value
    if draw < 0.35:
        return key_of(dice, "date", language), words.value_of("date", dice)
    if draw < 0.65:
        meaning = dice.choice(("voltage", "current", "power", "weight", "frequency", "pressure", "speed"))
        return key_of(dice, "rating", language), words.value_of(meaning, dice)
    name = dice.choice(list(words.ROWS))
    return dice.choice(words.ROWS[name]), words.value_of(name, dice)


def around(dice: Random) -> str:
    """Give a line that has no key: small print, approvals, signs, slogans, codes, addresses."""
    draw = dice.random()
    if draw < 0.35:
        return words.small_print(dice)
    if draw < 0.52:
        text = dice.choice(_SLOGANS)
        return words.mistaken(dice, text) if dice.random() < 0.15 else text
    if draw < 0.56:
        # A word and a number that are no name.
        word = dice.choice(("Korea", "China", "CLASS", "Class", "Box", "Part", "Taper", "Slot", "Size", "Grade"))
        return f"{word} {dice.choice((some(dice, string.digits, 1, 2), some(dice, 'ABC', 1, 1)))}"
    if draw < 0.65:
        return dice.choice(_SIGNS)
    if draw < 0.8:
        # Numbers of the label's own print, of approvals and of parts: what looks like a name and is none.
        return dice.choice((
            f"E{some(dice, string.digits, 5, 6)}", f"N{some(dice, string.digits, 3, 5)}",
            f"CE{some(dice, string.digits, 4, 4)}", f"{some(dice, _CAPITALS, 2, 4)}{some(dice, string.digits, 5, 9)}",
            f"{some(dice, string.digits, 4, 12)}", f"M{dice.randint(10, 29)} {some(dice, string.digits, 4, 4)}",
            f"{some(dice, string.digits, 2, 4)}-{some(dice, string.digits, 4, 6)}-{some(dice, string.digits, 1, 3)}",
            f"IP{dice.randint(20, 69)}", f"{dice.randint(1, 9)}.{dice.randint(0, 9)}G",
        ))  # fmt: skip
    meaning = dice.choice(("voltage", "current", "power", "weight", "frequency", "pressure", "speed", "date"))
    return words.value_of(meaning, dice)
