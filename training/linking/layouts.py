"""Sets keys and values as plates do, as boxes of letters without a pixel: where each stands and what it is part of.

A layout takes rows and a place and gives boxes. Lengths are pixels of text that is 20 px high.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import NamedTuple


class Mark(NamedTuple):
    """Says that a letter belongs to a field's value: to which copy of it, and whether it may be left out."""

    field: str
    copy: int = 0
    optional: bool = False
    damaged: bool = False


class Letter(NamedTuple):
    """One letter and where it stands along its line, px."""

    text: str
    left: float
    right: float
    mark: Mark | None = None


@dataclass(slots=True)
class Box:
    """Letters of one line as a reader would box them; `turn_deg` about its own middle."""

    letters: list[Letter]
    top: float
    height: float
    turn_deg: float = 0.0
    key: str = ""  # the meaning whose key it holds

    @property
    def text(self) -> str:
        """The letters' texts joined."""
        return "".join(letter.text for letter in self.letters)

    @property
    def left(self) -> float:
        """The first letter's left side."""
        return self.letters[0].left

    @property
    def right(self) -> float:
        """The last letter's right side."""
        return self.letters[-1].right

    @property
    def bottom(self) -> float:
        """The lower side."""
        return self.top + self.height


class Part(NamedTuple):
    """A piece of text with what it is part of."""

    text: str
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A key (perhaps in several languages) and its value in parts."""

    keys: tuple[str, ...]
    value: tuple[Part, ...]
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to set, and how: the size of the text, how wide its letters are, and the mark behind a key."""

    left: float
    top: float
    size: float = 20.0
    width: float = 0.55
    colon: str = ":"
    pitch: float = 1.5
    extra: Mapping[str, float] = field(default_factory=dict)


def setting(  # noqa: PLR0917 - five lengths in the order of a box
    parts: Sequence[Part], left: float, top: float, size: float, width: float, key: str = ""
) -> Box:
    """Set parts one behind the other in one box."""
    letters = []
    x = left
    for part in parts:
        for c in part.text:
            wide = size * (
                0.95 if unicodedata.east_asian_width(c) in "WF" else width * (0.6 if c in " .:;il1|'" else 1.0)
            )
            letters.append(Letter(c, x, x + wide, part.mark if not c.isspace() else None))
            x += wide
    return Box(letters, top, size, key=key)


def value_text(row: Row) -> str:
    """Give a row's value as one text."""
    return "".join(part.text for part in row.value)


def _key(row: Row, place: Place, joint: str = " / ") -> str:
    return joint.join(row.keys) + place.colon


def _move(box: Box, right_by: float) -> Box:
    box.letters = [replace_left(letter, right_by) for letter in box.letters]
    return box


def replace_left(letter: Letter, by: float) -> Letter:
    """Give a letter moved along its line."""
    return letter._replace(left=letter.left + by, right=letter.right + by)


def table(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """Keys in one column, values in the next; the gap is sometimes wide."""
    joint = dice.choice((" / ", "/", " "))
    keys = [
        setting([Part(_key(row, place, joint))], place.left, 0, place.size, place.width, row.meaning) for row in rows
    ]
    column = max(key.right for key in keys) + place.size * dice.choice((0.6, 1.0, 1.5, 2.5, 4.0, 8.0, 16.0))
    to_the_right = dice.random() < 0.2
    bigger = dice.choice((1.0, 1.0, 1.0, 1.2, 0.85))
    boxes: list[Box] = []
    top = place.top
    for key, row in zip(keys, rows, strict=True):
        key.top = top
        value = setting(row.value, column, top + (1 - bigger) * place.size / 2, place.size * bigger, place.width)
        boxes += [_move(key, column - place.size * 0.6 - key.right) if to_the_right else key, value]
        top += place.size * place.pitch
    return boxes


def two_tables(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """Two tables side by side."""
    half = (len(rows) + 1) // 2
    left = table(dice, rows[:half], place)
    if half == len(rows):
        return left
    edge = max(box.right for box in left) + place.size * dice.choice((1.2, 2.0, 4.0))
    return left + table(dice, rows[half:], replace(place, left=edge))


def inline(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """Key and value in one box, a line each."""
    mark = dice.choice((" ", "", " ", "  ")) if place.colon else dice.choice((" ", " ", ". ", " .... ", " - "))
    boxes = []
    for number, row in enumerate(rows):
        top = place.top + number * place.size * place.pitch
        boxes.append(
            setting([Part(_key(row, place) + mark), *row.value], place.left, top, place.size, place.width, row.meaning)
        )
    return boxes


def glued(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """Key and value in one box without a blank where the value begins with a digit, else with one."""
    boxes = []
    for number, row in enumerate(rows):
        blank = "" if value_text(row)[:1].isdigit() or dice.random() < 0.1 else " "
        parts = [Part(row.keys[0] + blank), *row.value]
        top = place.top + number * place.size * place.pitch
        boxes.append(setting(parts, place.left, top, place.size, place.width, row.meaning))
    return boxes


def running(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """Two or three keys with their values in one line, as one box or as some."""
    boxes: list[Box] = []
    top, at = place.top, 0
    while at < len(rows):
        x = place.left
        for row in rows[at : at + dice.choice((2, 2, 3))]:
            blank = " " if place.colon or dice.random() < 0.8 else ""
            parts = [Part(_key(row, place) + blank), *row.value]
            box = setting(parts, x, top, place.size, place.width, row.meaning)
            if boxes and boxes[-1].top == top and dice.random() < 0.5:
                joined = setting([Part(" ")], boxes[-1].right, top, place.size, place.width)
                boxes[-1].letters += joined.letters + box.letters
            else:
                boxes.append(box)
            x = box.right + place.size * dice.choice((0.5, 1.0, 3.0))
            at += 1
        top += place.size * place.pitch
    return boxes


def _cells(dice: Random, rows: Sequence[Row], place: Place, *, key_first: bool, across: int) -> list[Box]:
    small = place.size * dice.choice((0.55, 0.7, 0.85, 1.0))
    apart = place.size * dice.choice((0.1, 0.25, 0.4))
    column = 0.0
    cells = []
    for row in rows:
        key = setting([Part(_key(row, place))], 0, 0, small, place.width, row.meaning)
        value = setting(row.value, dice.choice((0.0, 0.0, place.size * 0.5)), 0, place.size, place.width)
        column = max(column, key.right, value.right)
        cells.append((key, value))
    column += place.size * dice.choice((0.8, 1.5, 3.0))
    boxes: list[Box] = []
    for number, (key, value) in enumerate(cells):
        x = place.left + number % across * column
        top = place.top + number // across * (small + apart + place.size + place.size * dice.choice((0.5, 0.8)))
        first, second = (key, value) if key_first else (value, key)
        first.top, second.top = top, top + first.height + apart
        boxes += [_move(key, x), _move(value, x)]
    return boxes


def above(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """Keys above their values, one under the other."""
    return _cells(dice, rows, place, key_first=True, across=1)


def grid(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """Cells in two to four columns, each with its key above its value."""
    return _cells(dice, rows, place, key_first=True, across=dice.choice((2, 3, 4)))


def under(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """Cells with the key below its value, in small print."""
    return _cells(dice, rows, replace(place, colon=""), key_first=False, across=dice.choice((1, 2, 3)))


def columns(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """A head with the keys and one line of values; either may be one box for all."""
    boxes: list[Box] = []
    top = place.top
    at = 0
    while at < len(rows):
        taken = rows[at : at + dice.choice((2, 3, 3, 4))]
        at += len(taken)
        keys, values = [], []
        x = place.left
        for row in taken:
            key = setting([Part(row.keys[0])], x, top, place.size, place.width, row.meaning)
            value = setting(row.value, x, top + place.size * 1.3, place.size, place.width)
            if dice.random() < 0.2 and value.right < key.right:
                _move(value, (key.right - value.right) / 2)
            x = max(key.right, value.right) + place.size * dice.choice((0.4, 0.8, 2.0))
            keys.append(key)
            values.append(value)
        merged = dice.random() < 0.4
        boxes += [*(_one_box(keys) if merged else keys), *(_one_box(values) if merged else values)]
        top += place.size * 3.2
    return boxes


def _one_box(boxes: Sequence[Box]) -> list[Box]:
    """Join boxes of one row to one, with a blank between."""
    joined = boxes[0]
    for box in boxes[1:]:
        joined.letters = [*joined.letters, Letter(" ", joined.right, box.left), *box.letters]
        joined.key = joined.key or box.key
    return [joined]


def stacked(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """A key in two or three languages, one under the other, and the value beside their middle or the first."""
    boxes: list[Box] = []
    top = place.top
    small = place.size * dice.choice((0.6, 0.75, 1.0))
    pitch = small * dice.choice((1.05, 1.2))
    column = (
        place.left
        + max(setting([Part(key)], 0, 0, small, place.width).right for row in rows for key in row.keys)
        + place.size * dice.choice((1.0, 2.0, 5.0))
    )
    middle = dice.random() < 0.6
    for row in rows:
        for number, key in enumerate(row.keys):
            boxes.append(setting([Part(key)], place.left, top + number * pitch, small, place.width, row.meaning))
        deep = pitch * (len(row.keys) - 1) + small
        at = top + ((deep - place.size) / 2 if middle else 0.0)
        boxes.append(setting(row.value, column, at, place.size, place.width))
        top += max(deep, place.size) + place.size * dice.choice((0.4, 0.7))
    return boxes


def next_line(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """A key with its colon, and the value in the next line, set in a little."""
    boxes: list[Box] = []
    top = place.top
    inset = place.size * dice.choice((0.0, 0.0, 1.0, 2.0))
    for row in rows:
        boxes.append(setting([Part(" / ".join(row.keys) + ":")], place.left, top, place.size, place.width, row.meaning))
        top += place.size * place.pitch
        boxes.append(setting(row.value, place.left + inset, top, place.size, place.width))
        top += place.size * place.pitch
    return boxes


def shared_key(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """One key word over two ("Type / Serial No."), both values behind it or below; the rest as a table."""
    asked = [row for row in rows if row.meaning in ("model", "serial")]
    rest = [row for row in rows if row not in asked]
    if len(asked) < 2:
        return table(dice, rows, place)
    one, other = asked[:2]
    keys = setting(
        [Part(f"{one.keys[0]} / {other.keys[0]}{place.colon}")], place.left, place.top, place.size, place.width
    )
    keys.key = "both"
    if dice.random() < 0.5:
        value = setting(
            [*one.value, Part(" / "), *other.value], keys.right + place.size * 0.8, place.top, place.size, place.width
        )
    else:
        value = setting(
            [*one.value, Part(" / "), *other.value], place.left, place.top + place.size * 1.3, place.size, place.width
        )
    below = replace(place, top=place.top + place.size * 3)
    return [keys, value, *(table(dice, rest, below) if rest else [])]


def leaders(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """Keys to the left and values to the right edge, dots between; either box takes some of the dots with it."""
    column = place.left + place.size * dice.choice((12.0, 18.0, 26.0))
    boxes: list[Box] = []
    for number, row in enumerate(rows):
        top = place.top + number * place.size * place.pitch
        key = setting([Part(" / ".join(row.keys) + dice.choice(("", ".", "...", " ....")))], place.left, top,
                      place.size, place.width, row.meaning)  # fmt: skip
        value = setting([Part(dice.choice(("", "", ".", "..", "... "))), *row.value], 0, top, place.size, place.width)
        boxes += [key, _move(value, max(column - value.right, key.right + place.size - value.left))]
    return boxes


def pairs(dice: Random, rows: Sequence[Row], place: Place) -> list[Box]:
    """Key and value in one box, two or three boxes a row in columns."""
    across = dice.choice((2, 2, 3))
    made = [
        setting([Part(_key(row, place) + " "), *row.value], 0, 0, place.size, place.width, row.meaning) for row in rows
    ]
    column = max(box.right for box in made) + place.size * dice.choice((0.6, 1.5, 3.0))
    for number, box in enumerate(made):
        box.top = place.top + number // across * place.size * place.pitch
        _move(box, place.left + number % across * column)
    return made


Layout = Callable[[Random, Sequence[Row], Place], list[Box]]

#: By name; those for judging never are in a page of the training.
SEEN: Mapping[str, Layout] = {
    "table": table,
    "inline": inline,
    "running": running,
    "above": above,
    "columns": columns,
    "stacked": stacked,
    "under": under,
    "leaders": leaders,
    "pairs": pairs,
}
UNSEEN: Mapping[str, Layout] = {
    "grid": grid,
    "two_tables": two_tables,
    "next_line": next_line,
    "glued": glued,
    "shared_key": shared_key,
}


def on_a_ring(boxes: Sequence[Box]) -> None:
    """Turn what stands on the rim about the middle of all, as on a round plate; rows of keys and values stay."""
    left, right = min(box.left for box in boxes), max(box.right for box in boxes)
    top, bottom = min(box.top for box in boxes), max(box.bottom for box in boxes)
    deep = max(bottom - top, 1.0)
    for box in boxes:
        away = ((box.top + box.bottom) / 2 - (top + bottom) / 2) / deep
        if abs(away) > 0.3 and not box.key and not any(letter.mark for letter in box.letters):
            side = ((box.left + box.right) / 2 - (left + right) / 2) / max(right - left, 1.0)
            box.turn_deg = max(-60.0, min(60.0, side * 70.0)) * math.copysign(1.0, -away)
