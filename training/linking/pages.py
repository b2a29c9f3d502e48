"""Makes pages: what a reader would see of a plate, and which of its letters are the model and the serial number.

A page is decided by its seed alone. Pages for judging have layouts, languages, model forms and kinds of product that no
page of the training has (`unseen`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from edge.core.reading import Character, Point, Quad, TextLine
from training.linking import layouts, wording
from training.linking.apart import apart
from training.linking.damage import spoil
from training.linking.layouts import SEEN, UNSEEN, Box, Mark, Part, Place, Row
from training.small import words

Segment = tuple[int, int, int]

#: How often plates are set so, against twice for the others.
_OFTEN = {"table": 6, "inline": 6, "above": 3, "columns": 3, "running": 3, "under": 1, "glued": 1, "shared_key": 1}


@dataclass(frozen=True, slots=True)
class Printed:
    """What stands on a page, undamaged and level."""

    boxes: list[Box]
    layout: str
    language: str
    seed: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """Text lines of a page; `marks` says of every letter of every line which field it belongs to.

    `order` gives each line's place in the order of printing: a page's lines are shuffled, a value in pieces is not.
    """

    lines: tuple[TextLine, ...]
    marks: tuple[tuple[Mark | None, ...], ...]
    order: tuple[int, ...]
    layout: str
    language: str
    seed: str

    def has(self, field: str) -> bool:
        """Say whether a value of this field is on the page."""
        return any(mark and mark.field == field for line in self.marks for mark in line)

    def right(self, field: str, segments: Sequence[Segment], *, misread: bool = False) -> bool:
        """Say whether parts of lines are exactly one printed copy of a field's value; blanks and marks do not count.

        `misread` lets a misread copy count beside one that was read as printed: it stands in the right place.
        """
        taken = {
            (line, at) for line, start, end in segments for at in range(start, end)
            if self.lines[line].text[at].isalnum()
        }  # fmt: skip
        return any(needed <= taken <= allowed for needed, allowed in self._copies(field, misread=misread))

    def texts(self, field: str) -> list[str]:
        """Give what stands for the field, each copy with and without what may be left out, blanks as printed."""
        found = []
        for needed, allowed in self._copies(field):
            found += [self._text(allowed), self._text(needed)]
        return sorted(set(found))

    def _text(self, letters: set[tuple[int, int]]) -> str:
        """Join letters in their order of printing, with the marks and blanks between those of one line."""
        parts = []
        for line in sorted({line for line, _ in letters}, key=lambda line: self.order[line]):
            places = [at for where, at in letters if where == line]
            text = self.lines[line].text
            last = max(places) + 1
            # A closing bracket goes with its opening one.
            last += text[last : last + 1] == ")" and "(" in text[min(places) : last]
            parts.append(text[min(places) : last])
        return " ".join(parts)

    def printed(self, field: str) -> list[str]:
        """Give what stands for the field, letters and digits only."""
        return ["".join(c for c in text if c.isalnum()) for text in self.texts(field)]

    def _copies(self, field: str, *, misread: bool = False) -> list[tuple[set[tuple[int, int]], set[tuple[int, int]]]]:
        """Needed and allowed letters of each copy; a misread copy counts only where all are misread."""
        needed: dict[int, set[tuple[int, int]]] = {}
        allowed: dict[int, set[tuple[int, int]]] = {}
        damaged: set[int] = set()
        for line, marks in enumerate(self.marks):
            for at, mark in enumerate(marks):
                if mark is None or mark.field != field or not self.lines[line].text[at].isalnum():
                    continue
                allowed.setdefault(mark.copy, set()).add((line, at))
                if not mark.optional:
                    needed.setdefault(mark.copy, set()).add((line, at))
                if mark.damaged:
                    damaged.add(mark.copy)
        copies = [copy for copy in needed if misread or copy not in damaged] or list(needed)
        return [(needed[copy], allowed[copy]) for copy in copies]


def pages(seed: int, count: int, *, unseen: bool = False) -> Iterator[Labelled]:
    """Give `count` pages; the n-th depends on the seed, on `unseen` and on n only."""
    for number in range(count):
        yield page(f"{seed}-{'unseen' if unseen else 'seen'}-{number}", unseen=unseen)


def page(seed: str, *, unseen: bool = False, layout: str | None = None) -> Labelled:
    """Make one page."""
    dice = Random(f"page {seed}")  # noqa: S311 - repeatable, not secret
    made = _print(dice, seed, unseen, layout)
    spoilt = spoil(dice, made.boxes, strength=dice.choice((0.0, 0.5, 1.0, 1.0, 2.0)))
    order = list(range(len(spoilt.boxes)))
    dice.shuffle(order)
    turn = dice.choice((0.0,) * 6 + (90.0, -90.0, 180.0, dice.gauss(0, 12), dice.gauss(0, 5), dice.gauss(0, 5)))
    shear = dice.gauss(0, 0.03)
    scale = dice.uniform(0.6, 2.0)
    lines = tuple(_line(spoilt.boxes[n], spoilt.sure[n], turn, shear, scale) for n in order)
    marks = tuple(tuple(letter.mark for letter in spoilt.boxes[n].letters) for n in order)
    return Labelled(lines, marks, tuple(order), made.layout, made.language, seed)


def printed(seed: str, *, unseen: bool = False) -> tuple[Printed, Labelled]:
    """Give what `page` prints before any damage, and the same as a reader without fault would see it."""
    made = _print(Random(f"page {seed}"), seed, unseen, None)  # noqa: S311 - repeatable, not secret
    boxes = [box for box in made.boxes if box.text.strip()]
    lines = tuple(_line(box, [1.0] * len(box.letters), 0.0, 0.0, 1.0) for box in boxes)
    marks = tuple(tuple(letter.mark for letter in box.letters) for box in boxes)
    labelled = Labelled(lines, marks, tuple(range(len(boxes))), made.layout, made.language, seed)
    return Printed(boxes, made.layout, made.language, seed), labelled


def _print(dice: Random, seed: str, unseen: bool, layout: str | None) -> Printed:
    language = dice.choice(wording.UNSEEN_LANGUAGES if unseen else wording.SEEN_LANGUAGES)
    known = UNSEEN if unseen else SEEN
    name = layout or dice.choice([one for one in known for _ in range(_OFTEN.get(one, 2))])
    plan = _Plan(dice, language, unseen)
    boxes = plan.boxes({**SEEN, **UNSEEN}[name])
    shape = ""
    if dice.random() < 0.05:
        layouts.on_a_ring(boxes)
        shape = "ring"
    if dice.random() < 0.08:
        boxes += _second_plate(dice, boxes, plan)
        shape = "two plates"
    if dice.random() < 0.06:
        boxes += _beside(dice, boxes)
        shape = shape or "a board's print"
    apart(boxes)
    return Printed(boxes, f"{name}{', ' + shape if shape else ''}{plan.told}", language, seed)


class _Plan:
    """Decides what is on a page."""

    def __init__(self, dice: Random, language: str, unseen: bool) -> None:
        self.dice, self.language, self.unseen = dice, language, unseen
        self.told = ""
        self.named = dice.random() < 0.2
        self.model = wording.named_model(dice) if self.named else wording.model_of(dice, unseen=unseen)
        self.maker = words.name_of(dice)
        self.serial = wording.serial_of(dice)
        # A model with no key stands at the head; now and then it has both.
        draw = dice.random()
        self.keyed = draw < 0.6
        self.titled = (not self.keyed and draw < 0.96) or dice.random() < 0.18
        while self.titled and not any(c.isalpha() for c in self.model):
            # A number alone names nothing where no key stands.
            self.model = wording.model_of(dice, unseen=unseen)
        if self.keyed and not self.titled and dice.random() < 0.06:
            self.model = wording.some(dice, "ABCDEFGHKLMNPRSTVX", 3, 6)
        self.serial_there = dice.random() < 0.7

    def boxes(self, layout: layouts.Layout) -> list[Box]:
        """Set the head, the rows and what stands around."""
        dice = self.dice
        size, width = 20.0, dice.uniform(0.42, 0.68)
        boxes, top = self._head(size, width)
        place = Place(
            0.0, top, size, width,
            colon=dice.choice((":", ":", "", "", ".", " :", "\uff1a" if self.language in ("zh", "ja") else ":")),
            pitch=dice.uniform(1.15, 2.0),
        )  # fmt: skip
        rows = self._rows()
        if rows:
            boxes += layout(dice, rows, place)
        boxes += self._foot(boxes, size, width)
        if not (self.keyed or self.titled):
            self.told += ", no model"
        elif not self.keyed:
            self.told += ", model without key"
        return boxes

    def _model_parts(self, copy: int) -> tuple[Part, ...]:
        dice = self.dice
        parts = [Part(self.model, Mark("model", copy))]
        if dice.random() < 0.08:
            # What may be said with it and may be left out: a colour, a region, a variant in a bracket.
            extra = dice.choice((f" ({wording.some(dice, 'ABCR', 1, 1)}{wording.some(dice, '0123456789', 1, 2)})",
                                 f" {wording.some(dice, 'ABCDEFX', 1, 2)}"))  # fmt: skip
            parts.append(Part(extra, Mark("model", copy, optional=True)))
        elif dice.random() < 0.2:
            parts.append(Part(f" {wording.remark(dice)}"))
            if dice.random() < 0.4:
                parts.append(Part(f" {wording.kind_of(dice, unseen=self.unseen)}"))
        return tuple(parts)

    def _serial_parts(self) -> tuple[Part, ...]:
        dice = self.dice
        value = [Part(self.serial, Mark("serial"))]
        if dice.random() < 0.05:
            value.append(Part(" " + dice.choice(("Rev.C", "V1", "CE", "*"))))
        return tuple(value)

    def _keys(self, meaning: str) -> tuple[str, ...]:
        dice = self.dice
        first = wording.key_of(dice, meaning, self.language)
        if meaning == "serial" and dice.random() < 0.06:
            return (dice.choice(("No.", "Nr.", "N°", "ID", "№", "No")),)
        if dice.random() > 0.2:
            return (first,)
        known = wording.UNSEEN_LANGUAGES if self.unseen else wording.SEEN_LANGUAGES
        others = {wording.key_of(dice, meaning, dice.choice((*known, "en"))) for _ in range(dice.choice((1, 1, 2)))}
        return (first, *sorted(others - {first}))

    def _rows(self) -> list[Row]:
        dice = self.dice
        rows = []
        if self.keyed:
            rows.append(Row(self._keys("model"), self._model_parts(0), "model"))
        if self.serial_there:
            rows.append(Row(self._keys("serial"), self._serial_parts(), "serial"))
        elif dice.random() < 0.5:
            # Blacked out, torn off, or a rest of it.
            rest = dice.choice(("", "", "", wording.some(dice, "ABCDEF0123456789", 1, 2), "XXXXXX", "***", "see label"))
            rows.append(Row(self._keys("serial"), (Part(rest or " "),), "serial"))
            self.told += ", serial hidden"
        else:
            self.told += ", no serial"
        for _ in range(dice.choice((0, 1, 2, 3, 4, 6, 8))):
            key, value = wording.other_row(dice, self.language)
            rows.append(Row((key,), (Part(value),)))
        if self.keyed and dice.random() < 0.06:
            # What it is, at a word that elsewhere names the model.
            rows.append(
                Row(
                    (dice.choice(("Type", "Typ", "Product", "Tipo")),),
                    (Part(wording.kind_of(dice, unseen=self.unseen)),),
                )
            )
        if dice.random() < 0.15 and self.model and not self.named:
            # An order code that begins with the model's name.
            code = f"{self.model}-{wording.some(dice, 'ABCDEFGH0123456789', 2, 6)}"
            rows.append(Row((wording.key_of(dice, "article", self.language),), (Part(code),)))
        if dice.random() < 0.75:
            dice.shuffle(rows)
        return [row for row in rows if row.keys]

    def _head(self, size: float, width: float) -> tuple[list[Box], float]:
        """Set the maker's name, what the product is and, where it has no key, the model."""
        dice = self.dice
        lines: list[tuple[Part, ...]] = []
        scales: list[float] = []
        if dice.random() < 0.75:
            lines.append((Part(self.maker),))
            scales.append(dice.choice((1.0, 1.4, 1.8, 2.5, 3.0)))
        if dice.random() < 0.35:
            lines.append((Part(wording.kind_of(dice, unseen=self.unseen)),))
            scales.append(dice.choice((0.8, 1.0, 1.3)))
        if self.titled:
            parts = self._model_parts(1)
            if dice.random() < 0.28 and not self.named:
                parts = (Part(wording.kind_of(dice, unseen=self.unseen) + " "), *parts)
            elif dice.random() < 0.1:
                parts = (Part(self.maker.split()[0] + " "), *parts)
            at = dice.choice((len(lines), len(lines), dice.randint(0, len(lines))))
            lines.insert(at, parts)
            scales.insert(at, dice.choice((0.9, 1.0, 1.2, 1.5, 2.0)))
        if dice.random() < 0.15:
            lines.append((Part(wording.around(dice)),))
            scales.append(1.0)
        boxes: list[Box] = []
        top = left = bottom = 0.0
        for parts, scale in zip(lines, scales, strict=True):
            box = layouts.setting(parts, left, top, size * scale, width)
            boxes.append(box)
            bottom = max(bottom, box.bottom)
            if dice.random() < 0.12:
                left = box.right + size * dice.choice((1.0, 4.0))
            else:
                left, top = 0.0, bottom + size * dice.choice((0.2, 0.5, 1.0))
        top = max((box.bottom for box in boxes), default=0.0) + size * dice.choice((0.3, 0.8, 2.0))
        return boxes, top

    def _foot(self, boxes: Sequence[Box], size: float, width: float) -> list[Box]:
        """Set small print below and beside; now and then the serial once more under its bar code, without a key."""
        dice = self.dice
        bottom = max((box.bottom for box in boxes), default=0.0)
        right = max((box.right for box in boxes), default=0.0)
        top = min((box.top for box in boxes), default=0.0)
        feet: list[Box] = []
        at = bottom + size * dice.choice((0.3, 0.6, 1.5))
        for _ in range(dice.choice((0, 1, 2, 2, 3, 4, 6))):
            small = size * dice.choice((0.6, 0.8, 1.0))
            line = layouts.setting([Part(wording.around(dice))], dice.choice((0.0, 0.0, size * 3)), at, small, width)
            if dice.random() < 0.2:
                layouts_left = right + size * dice.choice((1.0, 3.0))
                line = layouts.setting(
                    [Part(wording.around(dice))], layouts_left, dice.uniform(top, bottom), small, width
                )
            else:
                at = line.bottom + small * dice.choice((0.3, 0.6))
            feet.append(line)
        if self.serial_there and dice.random() < 0.15:
            feet.append(layouts.setting([Part(self.serial, Mark("serial", 1))], 0.0, at + size, size, width))
        return feet


def _beside(dice: Random, boxes: Sequence[Box]) -> list[Box]:
    """Set the print of what the plate is stuck on beside it, on its side: no part of the plate."""
    left, right = min(box.left for box in boxes), max(box.right for box in boxes)
    top, bottom = min(box.top for box in boxes), max(box.bottom for box in boxes)
    size = 20.0 * dice.choice((0.8, 1.0, 1.5, 2.5))
    box = layouts.setting([Part(wording.board_print(dice))], 0, dice.uniform(top, bottom), size, 0.55)
    away = (box.right - box.left) / 2 + 2 * size
    x = right + 2 * size if dice.random() < 0.5 else left - away
    box.letters = [layouts.replace_left(letter, x) for letter in box.letters]
    box.turn_deg = dice.choice((90.0, -90.0)) + dice.gauss(0, 6)
    return [box]


def _second_plate(dice: Random, boxes: Sequence[Box], plan: _Plan) -> list[Box]:
    """Set a plate of another thing beside or below: its ratings, often its model, never a serial number."""
    size, width = 20.0 * dice.choice((0.7, 1.0, 1.3)), dice.uniform(0.45, 0.65)
    rows = [Row((key,), (Part(value),)) for key, value in (wording.other_row(dice, plan.language) for _ in range(3))]
    if plan.keyed and plan.serial_there and dice.random() < 0.6:
        rows.insert(0, Row((wording.key_of(dice, "model", plan.language),), (Part(words.model_of(dice)),)))
    aside = dice.random() < 0.5
    left = max((box.right for box in boxes), default=-300.0) + 300.0 if aside else 0.0
    top = 0.0 if aside else max((box.bottom for box in boxes), default=-300.0) + 300.0
    return layouts.inline(dice, rows, Place(left, top, size, width))


def _line(box: Box, sure: Sequence[float], turn: float, shear: float, scale: float) -> TextLine:
    """Give a box as a reader's line: turned about its middle, then with the page."""
    middle = ((box.left + box.right) / 2, (box.top + box.bottom) / 2)
    own = (math.cos(math.radians(box.turn_deg)), math.sin(math.radians(box.turn_deg)))
    whole = (math.cos(math.radians(turn)) * scale, math.sin(math.radians(turn)) * scale)

    def at(x: float, y: float) -> Point:
        dx, dy = x - middle[0], y - middle[1]
        x, y = middle[0] + dx * own[0] - dy * own[1], middle[1] + dx * own[1] + dy * own[0]
        y += shear * x
        return (x * whole[0] - y * whole[1] + 3000, x * whole[1] + y * whole[0] + 3000)

    def quad(left: float, right: float) -> Quad:
        return (at(left, box.top), at(right, box.top), at(right, box.bottom), at(left, box.bottom))

    characters = tuple(
        Character(letter.text, one, (), quad(letter.left, letter.right))
        for letter, one in zip(box.letters, sure, strict=True)
    )
    return TextLine(box.text, quad(box.left, box.right), characters)
