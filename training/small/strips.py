"""Draw lines of text as the strips that the reader cuts out of a frame, and set them on sheets.

A strip holds ink only (0 none, 253 full): colours, light, blur and noise are given to whole batches on the GPU
(`light.py`). On a sheet 255 means outside of every strip. Text is 14 to 24 px high in the strip's 28, as the detector's
boxes leave it: they are 1.2 to 1.65 times as high as their text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from edge.vision import sheet
from training.small.fonts import Face
from training.small.words import Line, is_han, name_of

Ink = npt.NDArray[np.uint8]
ROW_PX, WIDTH_PX = sheet.ROW_PX, sheet.WIDTH_PX
FULL, OUTSIDE = 253, 255


@dataclass(frozen=True, slots=True)
class Style:
    """How one plate's text looks. `source_px`: height of a capital before it is scaled to the strip."""

    face: Face
    heavy: Face
    han: Face
    source_px: float
    cap_px: float
    stretch: float
    spacing: float
    tilt: float
    slant: float
    dots: bool
    crowded: float
    ruled: float


def style(dice: Random, faces: Sequence[Face], han_faces: Sequence[Face]) -> Style:
    """Decide a plate's look."""
    face = dice.choice(faces)
    source = dice.uniform(20, 36) if dice.random() < 0.6 else dice.uniform(8.5, 20)
    return Style(
        face=face,
        heavy=dice.choice(faces) if dice.random() < 0.5 else face,
        han=dice.choice(han_faces),
        source_px=source,
        cap_px=min(23.0, max(14.0, dice.gauss(18.8, 1.8))),
        stretch=dice.choice((1.0, 1.0, dice.uniform(0.78, 1.25))),
        spacing=dice.choice((0.0, 0.0, 0.0, dice.uniform(0.0, 0.18))),
        tilt=dice.gauss(0, 0.012),
        slant=dice.gauss(0, 0.03),
        dots=face.fixed and dice.random() < 0.2,
        crowded=dice.choice((0.0, 0.1, 0.35)),
        ruled=dice.choice((0.0, 0.05, 0.3)),
    )


def _font(face: Face, cap_px: float) -> Any:
    """The face at a size whose capitals are about `cap_px` high."""
    font = ImageFont.truetype(str(face.path), 40)
    _, top, _, bottom = font.getbbox("H")
    return font.font_variant(size=max(6.0, 40 * cap_px / max(1, bottom - top)))


class Pen:
    """A style's fonts, opened once a plate."""

    def __init__(self, how: Style) -> None:
        self.how = how
        self._fonts: dict[tuple[Any, float], Any] = {}

    def _open(self, face: Face, cap_px: float) -> Any:
        size = round(cap_px, 1)
        if (face.path, size) not in self._fonts:
            self._fonts[face.path, size] = _font(face, size)
        return self._fonts[face.path, size]

    def can(self, line: Line) -> bool:
        """Whether the faces have all characters of the line."""
        return self._face(line).can(line.text)

    def _face(self, line: Line) -> Face:
        if is_han(line.text):
            return self.how.han
        return self.how.heavy if line.heavy else self.how.face

    def write(self, line: Line) -> tuple[Ink, int, int]:
        """The bare text in ink with a margin, its capitals' top and their foot in it, px."""
        face = self._face(line)
        cap = max(8.0, self.how.source_px * line.height)
        if self.how.dots and not is_han(line.text):
            return _dotted(self._open(face, 7.4), line.text, cap)
        font = self._open(face, cap)
        margin = round(cap)
        gap = self.how.spacing * cap
        left, top, right, bottom = font.getbbox(line.text, anchor="ls")
        width = round(right - min(0, left) + gap * len(line.text)) + 2 * margin
        picture = Image.new("L", (width, round(cap) + 2 * margin))
        pen = ImageDraw.Draw(picture)
        base = margin + round(cap)
        if gap:
            x = float(margin)
            for character in line.text:
                pen.text((x, base), character, fill=255, font=font, anchor="ls")
                x += font.getlength(character) + gap
        else:
            pen.text((margin - min(0, left), base), line.text, fill=255, font=font, anchor="ls")
        del top, bottom
        return np.asarray(picture), margin, base

    def strip(self, line: Line, dice: Random, beside: str) -> Ink:
        """One line as the detector's box would cut it, 28 px high; at times with bits of its neighbours or a rule."""
        how = self.how
        ink, top, foot = self.write(line)
        cap = min(24.0, max(13.0, how.cap_px + dice.gauss(0, 0.8)))
        scale = cap / max(1, foot - top)
        if scale < 0.62:  # a warp looks at four pixels each
            half = cv2.resize(ink, (ink.shape[1] // 2, ink.shape[0] // 2), interpolation=cv2.INTER_AREA)
            ink, top, foot, scale = np.asarray(half, np.uint8), top // 2, foot // 2, scale * 2
        across = scale * how.stretch
        columns = np.flatnonzero(ink.max(axis=0) > 64)
        first, last = (int(columns[0]), int(columns[-1]) + 1) if columns.size else (0, ink.shape[1])
        # The box is longer than its text by 0.4 cores (6 px) at each end, give or take.
        before, behind = max(0.0, dice.gauss(6, 2.0)), max(0.0, dice.gauss(6, 2.0))
        width = max(sheet.GAP_PX, round((last - first) * across + before + behind))
        tilt, slant = how.tilt + dice.gauss(0, 0.006), how.slant
        tilt = max(-3.0 / width, min(3.0 / width, tilt)) if abs(tilt) * width > 6 else tilt
        middle = (ROW_PX + cap) / 2 + dice.gauss(0, 1.1) - tilt * width / 2
        warp = np.array(
            [[across, -slant * scale, before - first * across + slant * scale * foot],
             [tilt * across, scale, middle - foot * scale - tilt * across * first]], np.float32,
        )  # fmt: skip
        out = np.asarray(cv2.warpAffine(ink, warp, (width, ROW_PX), flags=cv2.INTER_LINEAR), np.uint8)
        if beside and dice.random() < how.crowded:
            self._intrude(out, dice, beside, cap)
        if dice.random() < how.ruled:
            _rule(out, dice)
        return np.minimum(out, FULL)

    def _intrude(self, out: Ink, dice: Random, beside: str, cap: float) -> None:
        """The feet or heads of the next line, at the strip's edge."""
        line = Line(beside)
        if not self.can(line):
            return
        ink, top, foot = self.write(line)
        scale = cap / max(1, foot - top)
        shown = dice.uniform(1, 5)
        y = shown - foot * scale if dice.random() < 0.5 else ROW_PX - shown - top * scale
        warp = np.array([[scale, 0, dice.uniform(-30, out.shape[1] * 0.7)], [0, scale, y]], np.float32)
        np.maximum(out, cv2.warpAffine(ink, warp, (out.shape[1], ROW_PX), flags=cv2.INTER_LINEAR), out=out)


def _dotted(font: Any, text: str, cap_px: float) -> tuple[Ink, int, int]:
    """The text as a needle marker strikes it: a face of seven dots' height, a round dot for each."""
    left, _, right, _ = font.getbbox(text, anchor="ls")
    picture = Image.new("1", (int(right - min(0, left)) + 4, 12))
    ImageDraw.Draw(picture).text((1 - min(0, left), 9), text, fill=1, font=font, anchor="ls")
    pitch = cap_px / 7
    rows, columns = np.nonzero(np.asarray(picture))
    ink = np.zeros((round(12 * pitch), round(picture.width * pitch)), np.uint8)
    radius = max(8, round(pitch * 0.48 * 16))
    for row, column in zip(rows, columns, strict=True):
        cv2.circle(
            ink, (round((column + 0.5) * pitch * 16), round((row + 0.5) * pitch * 16)), radius, 255, -1, cv2.LINE_AA, 4
        )
    return ink, round(2 * pitch), round(9 * pitch)


def _rule(out: Ink, dice: Random) -> None:
    """A frame line or a scratch."""
    if dice.random() < 0.6:
        y = dice.choice((0, 1, 2, ROW_PX - 3, ROW_PX - 2, ROW_PX - 1))
        cv2.line(
            out,
            (0, y),
            (out.shape[1], y + dice.randint(-1, 1)),
            dice.randint(90, 253),
            dice.choice((1, 1, 2)),
            cv2.LINE_AA,
        )
    else:
        ends = [(dice.randint(0, out.shape[1]), dice.randint(0, ROW_PX)) for _ in range(2)]
        cv2.line(out, ends[0], ends[1], dice.randint(0, 200), 1, cv2.LINE_AA)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A sheet of ink (28 x rows, 336) and, by row, what is written there ("" nothing, None: a broken line)."""

    ink: Ink
    rows: tuple[str | None, ...]


def drawn(cut: Sequence[Ink], texts: Sequence[str], dice: Random, rows: Sequence[int]) -> Drawn | None:
    """Set strips on a sheet as the reader does, with a thumbnail where it would have one; None if they do not fit."""
    packed = sheet.pack([np.dstack((one, one, np.zeros_like(one))) for one in cut], _thumbnail(dice), rows)
    if packed.left_out:
        return None
    picture = packed.image
    height = picture.shape[0] // ROW_PX
    ink = np.where((picture[..., 0] == 127) & (picture[..., 2] == 127), np.uint8(OUTSIDE), picture[..., 0])
    pieces: dict[int, int] = {}
    for place in packed.places:
        pieces[place.line] = pieces.get(place.line, 0) + 1
    told: list[str | None] = [""] * height
    for place in packed.places:
        before = told[place.row]
        text = None if pieces[place.line] > 1 or before is None else texts[place.line]
        told[place.row] = text if not before or text is None else f"{before} {text}"
    return Drawn(np.ascontiguousarray(ink), tuple(told))


def _thumbnail(dice: Random) -> npt.NDArray[np.uint8] | None:
    """A grey picture of a plate on a machine; only its place matters, there is nothing to read on it."""
    if dice.random() < 0.1:
        return None
    height, width = sheet.THUMBNAIL_ROWS * ROW_PX, sheet.THUMBNAIL_COLUMNS * ROW_PX
    small = np.full((height, width, 3), dice.randint(20, 150), np.uint8)
    w, h = dice.randint(10, width), dice.randint(8, height)
    x, y = dice.randint(0, width - w), dice.randint(0, height - h)
    small[y : y + h, x : x + w] = dice.randint(20, 240)
    for row in range(y + 3, y + h - 3, 4):
        cv2.line(
            small, (x + 3, row), (x + max(4, round(w * dice.uniform(0.3, 0.9))), row), (dice.randint(0, 253),) * 3, 1
        )
    small[..., 2] = 0
    return np.minimum(small, FULL)


def beside(dice: Random) -> str:
    """Text of which a neighbouring line's edge shows."""
    return dice.choice(
        (name_of(dice), "".join(dice.choices("0123456789ABCDEFGHKLMNPRSTXgpqyj", k=dice.randint(4, 14))))
    )
