"""Text lines set by hand: a drawing in plain text becomes the boxes that a reader would give."""

from __future__ import annotations

import math
import unicodedata

from edge.core.reading import Character, Point, Quad, TextLine

COLUMN_PX = 11.0
ROW_PX = 30.0
HEIGHT_PX = 20.0
CONFIDENCE = 0.99


def typeset(drawing: str, *, angle_deg: float = 0.0, with_boxes: bool = True) -> list[TextLine]:
    """Give the text lines of a drawing: two blanks part boxes, a row that begins with "# " is twice as large."""
    lines = []
    y = 0.0
    for row in drawing.strip("\n").split("\n"):
        scale = 2.0 if row.startswith("# ") else 1.0
        for text, left, right in _boxes(row.removeprefix("# "), COLUMN_PX * scale):
            step = (right - left) / len(text)
            characters = tuple(
                Character(
                    letter,
                    CONFIDENCE,
                    (("?", 0.01),),
                    _quad(left + i * step, left + (i + 1) * step, y, scale, angle_deg) if with_boxes else None,
                )
                for i, letter in enumerate(text)
            )
            lines.append(TextLine(text, _quad(left, right, y, scale, angle_deg), characters))
        y += ROW_PX * scale
    return lines


def _boxes(row: str, column_px: float) -> list[tuple[str, float, float]]:
    """Give each text of a row with its left and right end; wide letters take two columns."""
    boxes = []
    text, left, column = "", 0.0, 0.0
    for index, letter in enumerate(row):
        if letter != " " and not text:
            left = column
        column += column_px * (2 if unicodedata.east_asian_width(letter) in "WF" else 1)
        if letter != " " or text:
            text += letter
        if text and row[index + 1 : index + 3].strip() == "" and (row[index + 1 : index + 3] != " "):
            boxes.append((text.rstrip(), left, column))
            text = ""
    return boxes


def _quad(left: float, right: float, y: float, scale: float, angle_deg: float) -> Quad:
    bottom = y + HEIGHT_PX * scale
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))

    def turned(x: float, y: float) -> Point:
        return (x * cosine - y * sine + 2000, x * sine + y * cosine + 2000)

    return (turned(left, y), turned(right, y), turned(right, bottom), turned(left, bottom))
