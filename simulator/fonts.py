"""Gives the typefaces that plates are printed in: the same pixels on every PC, with no font file needed.

OpenCV 5 carries three typefaces inside its wheel (a sans with a slashed zero, its italic, and a wide Unicode face with
Chinese); `dots` is the needle pattern of a dot-peen marker and `inkjet` the
same pattern in drops that stay apart, both drawn here. A font file of the PC may be added by its path,
for more variety in drawn training frames; scenes never use one, so that they look the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.uint8]

#: Built-in typefaces, by the names that scene files use.
BUILT_IN = ("sans", "uni", "italic", "dots", "inkjet")

#: Radius of a dot by typeface, as a share of the pitch: needles strike into each other, drops of ink leave a gap.
_DOTS = {"dots": 0.50, "inkjet": 0.36}

#: Height of a capital letter as a share of the text's size; the line box below and above is counted from it.
CAP_HEIGHT = 0.71

#: 5 x 7 needle positions, one row a string: what a dot-peen marker's controller holds.
_NEEDLES = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00010 00100 01000 11111",
    "3": "11111 00010 00100 00010 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "B": "11110 10001 10001 11110 10001 10001 11110",
    "C": "01110 10001 10000 10000 10000 10001 01110",
    "D": "11110 10001 10001 10001 10001 10001 11110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "F": "11111 10000 10000 11110 10000 10000 10000",
    "G": "01110 10001 10000 10111 10001 10001 01111",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "J": "00111 00010 00010 00010 00010 10010 01100",
    "K": "10001 10010 10100 11000 10100 10010 10001",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "M": "10001 11011 10101 10101 10001 10001 10001",
    "N": "10001 11001 10101 10011 10001 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "Q": "01110 10001 10001 10001 10101 10010 01101",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "S": "01111 10000 10000 01110 00001 00001 11110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "U": "10001 10001 10001 10001 10001 10001 01110",
    "V": "10001 10001 10001 10001 10001 01010 00100",
    "W": "10001 10001 10001 10101 10101 11011 10001",
    "X": "10001 10001 01010 00100 01010 10001 10001",
    "Y": "10001 10001 01010 00100 00100 00100 00100",
    "Z": "11111 00001 00010 00100 01000 10000 11111",
    "-": "00000 00000 00000 11111 00000 00000 00000",
    "/": "00001 00001 00010 00100 01000 10000 10000",
    ".": "00000 00000 00000 00000 00000 01100 01100",
    ":": "00000 01100 01100 00000 01100 01100 00000",
    " ": "00000 00000 00000 00000 00000 00000 00000",
}


@dataclass(frozen=True, slots=True)
class Box:
    """Where a text stands on the flat plate, in its pixels: left, top, right, bottom."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class Typeface:
    """A typeface by name (or path of a font file) and weight (400 regular, 700 bold)."""

    name: str = "sans"
    weight: int = 500

    def width_px(self, text: str, size_px: int) -> int:
        """How wide the text will be."""
        if self.name in _DOTS:
            return round(len(text) * 6 * size_px * CAP_HEIGHT / 7)
        box = cv2.getTextSize((1 << 14, 1 << 10), text, (0, 512), _face(self.name), size_px, self.weight)
        return int(box[0] + box[2])

    def draw(self, mask: Mask, text: str, left_px: int, baseline_px: int, size_px: int) -> Box:
        """Put the text into the ink mask (255 = full ink) and say where it stands."""
        width = self.width_px(text, size_px)
        if self.name in _DOTS:
            _peen(mask, text, (left_px, baseline_px), size_px, _DOTS[self.name])
        else:
            cv2.putText(mask, text, (left_px, baseline_px), 255, _face(self.name), size_px, self.weight)
        return Box(left_px, baseline_px - round(size_px * CAP_HEIGHT), left_px + width, baseline_px)


#: What is meant where nothing else is said.
PLAIN = Typeface()


@cache
def _face(name: str) -> Any:
    """A loaded typeface; OpenCV 4 has none inside."""
    if not hasattr(cv2, "FontFace"):
        message = (
            f"OpenCV {cv2.__version__} has no typefaces inside; install the extra: pip install 'edge-inspection[demo]'."
        )
        raise ImportError(message)
    if name not in BUILT_IN and not Path(name).is_file():
        message = f"No font {name!r}: give one of {', '.join(BUILT_IN)} or the path of a font file."
        raise ValueError(message)
    return cv2.FontFace(name)


def _peen(mask: Mask, text: str, start: tuple[int, int], size_px: int, share: float) -> None:
    """Strike the needle positions of each character; a character that the marker has not is left out as a gap."""
    left_px, baseline_px = start
    pitch = size_px * CAP_HEIGHT / 7
    radius = max(1, round(pitch * share * 16))
    for index, character in enumerate(text.upper()):
        for row, needles in enumerate(_NEEDLES.get(character, _NEEDLES[" "]).split()):
            for column, needle in enumerate(needles):
                if needle == "1":
                    x = left_px + (index * 6 + column + 0.5) * pitch
                    y = baseline_px - (6.5 - row) * pitch
                    cv2.circle(mask, (round(x * 16), round(y * 16)), radius, 255, -1, cv2.LINE_AA, 4)
