"""Draw what questions are asked about beside plates: charts, filled-in forms and shelf labels, with the right answers.

Each is decided by its seed and number alone. `labels.jsonl` has one object a picture: file, kind, and `questions`, each
with its `profile` (`config/profiles`), the `question` ("" where the profile asks its own) and the right `answer`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from simulator.fonts import Typeface
from simulator.material import Picture

KINDS = ("charts", "forms", "shelves")
_PRINT, _BOLD, _PEN = Typeface("sans", 500), Typeface("sans", 700), Typeface("italic", 500)
_SERIES = ("North", "South", "East", "West", "Line A", "Line B")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun")
_COLOURS = ((180, 110, 40), (60, 140, 60), (40, 60, 190))
#: How forms call each field of the profile `medical_form`.
_CALLED: Mapping[str, tuple[str, ...]] = {
    "patient": ("Patient name", "Patient", "Name"),
    "record": ("Record No.", "Record number", "MRN"),
    "birth_date": ("Date of birth", "Born", "DOB"),
    "visit_date": ("Date of visit", "Visit", "Seen on"),
    "weight": ("Weight", "Body weight"),
    "pressure": ("Blood pressure", "BP"),
    "pulse": ("Pulse", "Heart rate"),
    "diagnosis": ("Diagnosis", "ICD-10"),
}
#: Share of the fields that nobody must fill in that are left empty.
_EMPTY = 0.25
_GOODS = ("Olive oil", "Green tea", "Coffee beans", "Rye bread", "Apple juice", "Sea salt", "Dark chocolate", "Rice")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture, and the questions that it answers."""

    frame: Picture
    questions: tuple[Mapping[str, Any], ...]


def one(kind: str, seed: int, number: int) -> Drawn:
    """Draw one picture of a kind."""
    dice = random.Random(f"{kind} {seed}-{number}")
    return _DRAWN[kind](dice)


def write(kind: str, count: int, folder: Path, seed: int = 0) -> Path:
    """Write pictures and their labels into a folder; gives the path of labels.jsonl."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = folder / "labels.jsonl"
    with labels.open("w", encoding="utf-8") as lines:
        for number in range(count):
            drawn = one(kind, seed, number)
            name = f"{kind}-{number:04d}.png"
            (folder / name).write_bytes(cv2.imencode(".png", drawn.frame)[1].tobytes())
            label = {"file": name, "kind": kind, "questions": list(drawn.questions)}
            lines.write(json.dumps(label, ensure_ascii=False) + "\n")
    return labels


class _Paper:
    """A white sheet that is written on."""

    def __init__(self, width: int, height: int) -> None:
        self.pixels: Picture = np.full((height, width, 3), 250, np.uint8)

    def write(self, text: str, left: int, baseline: int, size: int, face: Typeface = _PRINT) -> None:
        """Put a text on it in black."""
        ink = np.zeros(self.pixels.shape[:2], np.uint8)
        face.draw(ink, text, left, baseline, size)
        # Only where the ink is: a form has thirty texts, and blending the whole sheet for each is most of the work.
        rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
        place = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        share = ink[place][:, :, None].astype(np.float32) / 255
        self.pixels[place] = np.asarray(self.pixels[place] * (1 - share) + 30 * share, np.uint8)

    def photographed(self, dice: random.Random) -> Picture:
        """The sheet with the noise of a camera."""
        noise = np.random.default_rng(dice.getrandbits(32)).normal(0, 3, self.pixels.shape)
        return np.asarray(np.clip(self.pixels + noise, 0, 255), np.uint8)


def _chart(dice: random.Random) -> Drawn:
    """Bars or lines of two or three series over some months; half of them with their values printed."""
    paper, top, step = _Paper(1120, 760), 640, dice.choice((10, 20, 50))
    names, months = dice.sample(_SERIES, dice.choice((2, 3))), _MONTHS[: dice.randint(4, 6)]
    values = {name: [dice.randint(2, 10) * step // 2 for _ in months] for name in names}
    is_bars, is_printed = dice.random() < 0.5, dice.random() < 0.5
    scale = 500 / (5 * step)
    paper.write("Parts per month", 120, 60, 34, _BOLD)
    for tick in range(6):
        y = int(top - tick * step * scale)
        cv2.line(paper.pixels, (120, y), (1000, y), (205, 205, 205), 1)
        paper.write(str(tick * step), 50, y + 8, 24)
    wide = 860 // len(months)
    for place, month in enumerate(months):
        paper.write(month, 130 + place * wide + wide // 3, top + 38, 26)
    for number, name in enumerate(names):
        colour = _COLOURS[number]
        points = []
        for place, value in enumerate(values[name]):
            left = 130 + place * wide + (number * wide // (len(names) + 1) if is_bars else wide // 3)
            y = int(top - value * scale)
            points.append((left + 12, y))
            if is_bars:
                cv2.rectangle(paper.pixels, (left, y), (left + wide // (len(names) + 1) - 4, top), colour, -1)
            if is_printed:
                paper.write(str(value), left, y - 8, 20)
        if not is_bars:
            cv2.polylines(paper.pixels, [np.array(points, np.int32)], isClosed=False, color=colour, thickness=4)
        cv2.rectangle(paper.pixels, (1010, 120 + number * 50), (1030, 140 + number * 50), colour, -1)
        paper.write(name, 1036, 140 + number * 50, 22)
    name, place = dice.choice(names), dice.randrange(len(months))
    question = f"What is the value of {name} in {months[place]}?"
    asked = {"profile": "chart_value", "question": question, "answer": str(values[name][place])}
    return Drawn(paper.photographed(dice), ({**asked, "printed": is_printed, "step": step},))


def _form(dice: random.Random) -> Drawn:
    """A patient's form: labels in print and what was filled in slanted, in one column or two."""
    paper = _Paper(1240, 860)
    day = f"{dice.randint(1940, 2009)}-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}"
    seen = f"2026-{dice.randint(1, 11):02}-{dice.randint(1, 28):02}"
    first, last = (
        dice.choice(("Ada", "Alan", "Grace", "Emmy", "Max")),
        dice.choice(("Byron", "Holt", "Noether", "Born")),
    )
    filled: dict[str, str | None] = {
        "patient": f"{first} {last}",
        "record": f"MR-{dice.randint(100000, 999999)}",
        "birth_date": day,
        "visit_date": seen,
        "weight": f"{dice.randint(45, 110)}.{dice.randint(0, 9)} kg",
        "pressure": f"{dice.randint(95, 180)}/{dice.randint(55, 110)}",
        "pulse": str(dice.randint(48, 120)),
        "diagnosis": f"{dice.choice('EIJKMR')}{dice.randint(10, 99)}.{dice.randint(0, 9)}",
    }
    for name in list(filled)[2:]:
        if dice.random() < _EMPTY:
            filled[name] = None
    paper.write("Patient record", 80, 90, 48, _BOLD)
    in_two = dice.random() < 0.5
    for number, (name, value) in enumerate(filled.items()):
        left = 80 + (590 if in_two and number % 2 else 0)
        y = 190 + (number // 2 * 150 if in_two else number * 78)
        paper.write(f"{dice.choice(_CALLED[name])}:", left, y, 30)
        cv2.line(paper.pixels, (left + 240, y + 8), (left + 540, y + 8), (150, 150, 150), 1)
        if value is not None:
            paper.write(value, left + 250, y, 32, _PEN)
    return Drawn(paper.photographed(dice), ({"profile": "medical_form", "question": "", "answer": filled},))


def _shelf(dice: random.Random) -> Drawn:
    """Three price labels on a shelf, and a claim about one price that is true or not."""
    paper = _Paper(1200, 520)
    prices = [f"{dice.randint(0, 19)}.{dice.randint(0, 9)}9" for _ in range(3)]
    for number, (goods, price) in enumerate(zip(dice.sample(_GOODS, 3), prices, strict=True)):
        left = 40 + number * 385
        cv2.rectangle(paper.pixels, (left, 120), (left + 350, 400), (90, 90, 90), 3)
        paper.write(goods, left + 24, 190, 36)
        paper.write(price, left + 24, 330, 96, _BOLD)
    is_true = dice.random() < 0.5
    claimed = dice.choice(prices) if is_true else f"{dice.randint(20, 39)}.{dice.randint(0, 9)}9"
    asked = {
        "profile": "shop_yes_no",
        "question": f"Is there a price of {claimed}?",
        "answer": "yes" if is_true else "no",
    }
    return Drawn(paper.photographed(dice), (asked,))


_DRAWN: Mapping[str, Callable[[random.Random], Drawn]] = {"charts": _chart, "forms": _form, "shelves": _shelf}
