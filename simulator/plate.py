"""Designs a plate and draws it flat: the ink that is printed, where each text stands, and what the right answer is.

A plate is decided by its seed alone. Lengths are plate pixels: a plate of 1400 pixels width fills some two thirds of a
frame of 1920 pixels, where the frame's scale is 1.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import zxingcpp

from simulator.fonts import CAP_HEIGHT, PLAIN, Box, Mask, Typeface
from simulator.wording import LANGUAGES, MAKES, key_of, small_print, value_of

#: How rows are set: key left of its value, two such tables side by side, key above, running lines, keys as the heads of
#: columns, and a model that stands as a title with no key at all.
LAYOUTS = ("table", "two_tables", "above", "inline", "columns", "title")
CODES = ("QRCode", "DataMatrix", "Code128")

WIDTH_PX = 1400
_MARGIN_PX = 125


@dataclass(frozen=True, slots=True)
class Design:
    """What is on a plate. `rows` are (meaning, key, value); model and serial are among them unless not printed."""

    make: str
    model: str
    serial: str
    language: str = "en"
    layout: str = "table"
    typeface: Typeface = PLAIN
    size_px: int = 46
    rows: tuple[tuple[str, str, str], ...] = ()
    code: str | None = None
    code_text: str = ""
    foot: str = ""
    title: str = ""

    @property
    def maker(self) -> str:
        """The name at the top."""
        return MAKES[self.make].maker


@dataclass(frozen=True, slots=True)
class FlatPlate:
    """A plate as printed: the ink (255 where it is full), and the box of every value by its meaning."""

    ink: Mask
    boxes: Mapping[str, Box] = field(default_factory=dict)


def design(
    seed: str,
    *,
    make: str = "gearmotor",
    model: str | None = None,
    serial: str | None = None,
    language: str | None = None,
    layout: str | None = None,
    typeface: Typeface | None = None,
    size_px: int | None = None,
    code: str | None = None,
    code_text: str | None = None,
) -> Design:
    """Decide everything that is not given, from the seed. A serial or model given as "" is not printed at all."""
    dice = random.Random(f"plate {seed}")
    kind = MAKES[make]
    language = language or dice.choice(LANGUAGES)
    layout = layout or dice.choice(LAYOUTS)
    model = kind.model(dice) if model is None else model
    serial = kind.serial(dice) if serial is None else serial
    typeface = typeface or Typeface(dice.choice(("sans", "uni", "uni")), dice.choice((450, 550, 650)))
    size_px = size_px or dice.randint(42, 50)
    rows = [(meaning, key_of(meaning, language, dice), value_of(meaning, dice)) for meaning in kind.rows]
    rows = rows[: dice.randint(3, 5)]
    named = [("model", key_of("model", language, dice), model), ("serial", key_of("serial", language, dice), serial)]
    place = dice.choice((0, 0, 1, len(rows)))
    rows[place:place] = [row for row in named if row[2] and not (layout == "title" and row[0] == "model")]
    return Design(
        make,
        model,
        serial,
        language,
        layout,
        typeface,
        size_px,
        tuple(rows),
        code,
        serial if code_text is None else code_text,
        small_print(dice),
        kind.title if language == "en" else "",
    )


def draw(plan: Design) -> FlatPlate:
    """Draw the plate flat: frame line, maker, rows by layout, code, small print."""
    ink = np.zeros((1100, WIDTH_PX), np.uint8)
    boxes: dict[str, Box] = {}
    bold = Typeface(plan.typeface.name, 800)
    bold.draw(ink, plan.maker, _MARGIN_PX, 120, 74)
    if plan.layout == "title" and plan.model:
        head = Typeface(plan.typeface.name, 650)
        boxes["model"] = head.draw(ink, plan.model, _MARGIN_PX, 225, 66)
        top = 275
    else:
        if plan.title:
            plan.typeface.draw(ink, plan.title, WIDTH_PX - _MARGIN_PX - plan.typeface.width_px(plan.title, 44), 118, 44)
        top = 165
    cv2.line(ink, (_MARGIN_PX, top - 14), (WIDTH_PX - _MARGIN_PX, top - 14), 255, 4)
    room = WIDTH_PX - 2 * _MARGIN_PX - (330 if plan.code and plan.code != "Code128" else 0)
    setters = {
        "table": _set_table, "two_tables": _set_two_tables, "above": _set_above,
        "inline": _set_inline, "columns": _set_columns, "title": _set_table,
    }  # fmt: skip
    bottom = setters[plan.layout](ink, plan, boxes, top, room)
    if plan.code:
        bottom = max(bottom, _set_code(ink, plan, top + 20, bottom))
    plan.typeface.draw(ink, plan.foot, _MARGIN_PX, bottom + 50, 34)
    height = bottom + 105
    ink = np.ascontiguousarray(ink[:height])
    cv2.rectangle(ink, (26, 26), (WIDTH_PX - 27, height - 27), 255, 4)
    for x in (56, WIDTH_PX - 57):  # rivets; filled, since rings beside a key are read as a letter of it
        cv2.circle(ink, (x, height // 2), 13, 255, -1, cv2.LINE_AA)
    return FlatPlate(ink, boxes)


def _line_px(plan: Design) -> int:
    return round(plan.size_px * 1.62)


def _baseline(top: int, plan: Design) -> int:
    return top + round(plan.size_px * (1.62 + CAP_HEIGHT) / 2)


def _set_table(ink: Mask, plan: Design, boxes: dict[str, Box], top: int, room: int) -> int:
    """Keys in a left column, values in a right one."""
    return _set_pairs(ink, plan, boxes, plan.rows, left=_MARGIN_PX, top=top, room=room)


def _set_pairs(
    ink: Mask,
    plan: Design,
    boxes: dict[str, Box],
    rows: tuple[tuple[str, str, str], ...],
    *,
    left: int,
    top: int,
    room: int,
) -> int:
    """One key-and-value table; the text shrinks where it would not fit."""
    face = plan.typeface
    size = plan.size_px
    while size > 20:
        key_px = max((face.width_px(key, size) for _, key, _ in rows), default=0)
        value_px = max((face.width_px(value, size) for _, _, value in rows), default=0)
        if key_px + 40 + value_px <= room:
            break
        size -= 2
    for index, (meaning, key, value) in enumerate(rows):
        baseline = _baseline(top + index * _line_px(plan), plan)
        face.draw(ink, key, left, baseline, size)
        boxes[meaning] = face.draw(ink, value, left + key_px + 40, baseline, size)
    return top + len(rows) * _line_px(plan)


def _set_two_tables(ink: Mask, plan: Design, boxes: dict[str, Box], top: int, room: int) -> int:
    """Model and serial over the whole width, the rest in two tables side by side."""
    named = tuple(row for row in plan.rows if row[0] in {"model", "serial"})
    rest = tuple(row for row in plan.rows if row[0] not in {"model", "serial"})
    top = _set_pairs(ink, plan, boxes, named, left=_MARGIN_PX, top=top, room=room)
    half = (room - 50) // 2
    cut = (len(rest) + 1) // 2
    return max(
        _set_pairs(ink, plan, boxes, rest[:cut], left=_MARGIN_PX, top=top, room=half),
        _set_pairs(ink, plan, boxes, rest[cut:], left=_MARGIN_PX + half + 50, top=top, room=half),
    )


def _set_above(ink: Mask, plan: Design, boxes: dict[str, Box], top: int, room: int) -> int:
    """Cells, two beside each other: a small key above its value."""
    face = plan.typeface
    cell_px, cell_height = room // 2, round(plan.size_px * 2.55)
    small = max(28, round(plan.size_px * 0.68))
    for index, (meaning, key, value) in enumerate(plan.rows):
        left = _MARGIN_PX + (index % 2) * cell_px
        y = top + (index // 2) * cell_height
        face.draw(ink, key, left, y + round(small * 1.25), small)
        size = plan.size_px
        while size > 20 and face.width_px(value, size) > cell_px - 30:
            size -= 2
        boxes[meaning] = face.draw(ink, value, left, y + round(small * 1.25) + round(plan.size_px * 1.18), size)
    return top + (len(plan.rows) + 1) // 2 * cell_height


def _set_inline(ink: Mask, plan: Design, boxes: dict[str, Box], top: int, room: int) -> int:
    """Running lines "key: value", as many in a line as fit; model and serial begin a line."""
    face, size = plan.typeface, plan.size_px
    x, line = 0, 0
    for meaning, key, value in plan.rows:
        lead = f"{key}: "
        lead_px = face.width_px(lead, size) + round(size * 0.3)
        width = lead_px + face.width_px(value, size)
        if x and (x + width > room or meaning in {"model", "serial"}):
            x, line = 0, line + 1
        baseline = _baseline(top + line * _line_px(plan), plan)
        face.draw(ink, lead, _MARGIN_PX + x, baseline, size)
        boxes[meaning] = face.draw(ink, value, _MARGIN_PX + x + lead_px, baseline, size)
        x += width + size * 2
    return top + (line + 1) * _line_px(plan)


def _set_columns(ink: Mask, plan: Design, boxes: dict[str, Box], top: int, room: int) -> int:
    """Keys as heads of columns, values in the line below, three columns a band, ruled."""
    face = plan.typeface
    band = round(plan.size_px * 3.1)
    small = max(28, round(plan.size_px * 0.7))
    for start in range(0, len(plan.rows), 3):
        rows = plan.rows[start : start + 3]
        widths = [max(face.width_px(key, small), face.width_px(value, plan.size_px)) + 75 for _, key, value in rows]
        shrink = min(1.0, room / sum(widths))
        x, y = _MARGIN_PX, top + start // 3 * band
        for (meaning, key, value), width in zip(rows, widths, strict=True):
            face.draw(ink, key, x, y + round(small * 1.3), round(small * shrink))
            size = round(plan.size_px * shrink)
            boxes[meaning] = face.draw(ink, value, x, y + round(small * 1.3) + round(plan.size_px * 1.3), size)
            x += round(width * shrink) + max(0, (room - sum(widths)) // len(widths))
        cv2.line(ink, (_MARGIN_PX, y + band - 12), (_MARGIN_PX + room, y + band - 12), 255, 2)
    return top + (len(plan.rows) + 2) // 3 * band


def _set_code(ink: Mask, plan: Design, top: int, bottom: int) -> int:
    """The bar or matrix code: a matrix right of the rows, bars below them. Gives where the next line may begin."""
    bars = plan.code == "Code128"
    barcode = zxingcpp.create_barcode(plan.code_text, getattr(zxingcpp.BarcodeFormat, str(plan.code)))
    modules = 255 - np.asarray(zxingcpp.write_barcode_to_image(barcode, scale=1, add_quiet_zones=False), np.uint8)
    if bars:
        scale = max(2, 900 // modules.shape[1])
        art = np.repeat(modules[:1], 110, axis=0).repeat(scale, axis=1)
        left, y = _MARGIN_PX, bottom + 24
    else:
        scale = max(4, 270 // modules.shape[1])
        art = modules.repeat(scale, axis=0).repeat(scale, axis=1)
        left, y = WIDTH_PX - _MARGIN_PX - 20 - art.shape[1], top
    ink[y : y + art.shape[0], left : left + art.shape[1]] = art
    return int(y + art.shape[0] + 16)
