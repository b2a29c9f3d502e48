"""Strips of made-up pages: drawn, worn, lit and exposed like the judge's, in other faces, layouts and languages.

Where a page says something that looks like a code, most of its characters are changed for others: nothing is to be
learnt of what codes say, only what their characters look like.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.core.reading import Point, Quad
from edge.readers.lines.recogniser import FRAME_PX, HEIGHT_PX, STEP_PX, WIDTHS_PX
from edge.readers.ocr import narrow_strip, wide_strip
from edge.vision.rectify import resized, size_of, turned
from training.letters import faces
from training.letters.cyrillic_lines import Source
from training.letters.drawing import Pixels, as_jpeg, strip_of
from training.letters.twins import code
from training.linking import drawn
from training.linking.layouts import Box, Letter
from training.linking.pages import printed
from training.small.fonts import Face

#: Lines beside each page's: codes in any face; Cyrillic words and others; Chinese and Japanese signs.
_CODES_A_PAGE, _MIXED_A_PAGE, _HAN_A_PAGE = 2, 4, 2
#: What is spoilt until hardly anybody reads it, of all.
_SPOILT = 0.25
_NARROW = 0.6
_UPSIDE_DOWN = 0.05
_SQUEEZED = 0.35
_CHANGED = 0.6
_CODE = re.compile(r"[^\W_]{2,}")


class Line(NamedTuple):
    """A strip 32 px high, and what it says: None where it is to be read as it was before."""

    strip: Pixels
    text: str | None


def lines_of(seed: str, among: list[Face], source: Source, han: str) -> list[Line]:
    """The lines of one page, and others by themselves; the same for the same seed. `han` are signs to draw."""
    dice = Random(f"strips {seed}")  # noqa: S311 - repeatable, not secret
    found = list(_of_page(dice, seed, among))
    paths, signs = [face.path for face in among if not face.han], faces.files(faces.HAN_FACES)
    made = [(code(dice), dice.choice(paths)) for _ in range(_CODES_A_PAGE)]
    made += [("".join(dice.choices(han, k=dice.randint(1, 7))), dice.choice(signs)) for _ in range(_HAN_A_PAGE)]
    for text, path in made:
        strip = strip_of(dice, text, path)
        if strip is not None:
            found.append(Line(strip, text))
    found += [Line(one.strip, one.text) for one in source.lines(dice.randrange(1 << 30), _MIXED_A_PAGE)]
    return [_squeezed(dice, _spoilt(dice, one) if dice.random() < _SPOILT else one) for one in found]


def _spoilt(dice: Random, line: Line) -> Line:
    """A line that is hard to read, by any means: it is to be read as before."""
    strip, kind = line.strip, dice.randrange(5)
    height, width = strip.shape[:2]
    if kind == 0:
        small = dice.uniform(0.22, 0.5)
        strip = resized(resized(strip, max(8, int(width * small)), int(height * small)), width, height)
    elif kind == 1:
        strip = np.asarray(
            cv2.GaussianBlur(strip, (0, 0), dice.uniform(1, 2.6), sigmaY=dice.uniform(0.3, 2.6)), np.uint8
        )
    elif kind == 2:
        faint = strip.mean() + (strip - strip.mean()) * dice.uniform(0.1, 0.4)
        noise = np.random.default_rng(dice.randrange(1 << 30)).normal(0, dice.uniform(1, 12), strip.shape)
        strip = np.clip(faint + noise, 0, 255).astype(np.uint8)
    elif kind == 3:
        strip = strip.copy()
        for _ in range(dice.randint(1, 4)):
            ends = [(dice.randint(-9, width + 9), dice.randint(-9, height + 9)) for _ in range(2)]
            cv2.line(strip, ends[0], ends[1], [dice.randrange(256)] * 3, dice.randint(1, 5), cv2.LINE_AA)
    else:
        strip = as_jpeg(strip, dice.randint(6, 25))
    return Line(strip, None)


def _of_page(dice: Random, seed: str, among: list[Face]) -> Iterator[Line]:
    page, _ = printed(seed)
    if not page.boxes:
        return
    page = replace(page, boxes=[changed(dice, box) for box in page.boxes])
    frame, quads = drawn.frame_of(page, among, dice.choice((1, 1, 2)))
    if dice.random() < 0.3:
        frame = as_jpeg(frame, dice.randint(55, 92))
    for box, quad in zip(page.boxes, quads, strict=True):
        if quad is None or size_of(quad)[1] < 1:
            continue
        place = _detected(dice, quad)
        upside_down = dice.random() < _UPSIDE_DOWN
        cut = narrow_strip if dice.random() < _NARROW else wide_strip
        text = " ".join(box.text.split())
        yield Line(cut(frame, turned(place) if upside_down else place), None if upside_down else text)


def changed(dice: Random, box: Box) -> Box:
    """A box whose codes say something else."""
    letters = list(box.letters)
    for one in _CODE.finditer(box.text):
        if one[0].isascii() and any(map(str.isdigit, one[0])) and dice.random() < _CHANGED:
            begin, end = one.span()
            letters[begin:end] = _other(dice, letters[begin:end])
    return replace(box, letters=letters)


def _other(dice: Random, letters: list[Letter]) -> list[Letter]:
    """Other characters in the places of a code's; now and then one twice in a row."""
    kind = dice.choice(
        (string.digits, string.digits, string.ascii_uppercase + string.digits * 2, string.ascii_uppercase)
    )
    made: list[Letter] = []
    for letter in letters:
        again = made and dice.random() < 0.15
        made.append(letter._replace(text=made[-1].text if again else dice.choice(kind)))
    return made


def _detected(dice: Random, quad: Quad) -> Quad:
    """The box that the detector would draw round ink.

    Of 561 lines, by the ink's height: 1.43 high, 0.39 longer at each end, its middle 0.02 above the ink's.
    """
    first, second, _, fourth = (np.array(corner) for corner in quad)
    length, height = size_of(quad)
    along, down = (second - first) / max(length, 1.0), (fourth - first) / max(height, 1.0)
    high = height * min(2.1, max(1.0, dice.gauss(1.43, 0.2)))
    middle = dice.gauss(-0.02, 0.05) * height
    lift, ends = middle - (high - height) / 2, (dice.uniform(0.15, 0.65) * height, dice.uniform(0.15, 0.65) * height)
    tilt = dice.gauss(0, 0.006) * length

    def corner(at: npt.NDArray[np.float64], out: float, by: float) -> Point:
        x, y = at + along * out + down * by
        return float(x), float(y)

    return (
        corner(first, -ends[0], lift), corner(second, ends[1], lift + tilt),
        corner(second, ends[1], lift + tilt + high), corner(first, -ends[0], lift + high),
    )  # fmt: skip


def _squeezed(dice: Random, line: Line) -> Line:
    """The strip in another width, as long as it keeps a frame for each of its characters and between like ones."""
    strip, text = line
    if dice.random() > _SQUEEZED:
        return line
    wanted = strip.shape[1] * dice.uniform(0.72, 1.3)
    least = FRAME_PX * 1.35 * len(text or "")
    width = math.ceil(max(wanted, least) / STEP_PX) * STEP_PX
    width = min(WIDTHS_PX[-1], next((one for one in WIDTHS_PX if one >= width), width))
    return Line(resized(strip, width, HEIGHT_PX), text)
