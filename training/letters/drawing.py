"""Draws a line of text and cuts it as the reader would: any face and size, uneven light, blur, noise, compression."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from random import Random

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from edge.core.reading import Quad
from edge.readers import ocr
from edge.readers.lines.recogniser import Cut
from edge.vision.rectify import turned

Pixels = npt.NDArray[np.uint8]
Grey = npt.NDArray[np.floating]

#: Lines that the reader cuts first, of all; the others as it cuts those in doubt.
_NARROW = 0.6


def strip_of(dice: Random, text: str, path: Path, *, upside_down: bool = False) -> Pixels | None:
    """The strip of a text in a face, 32 px high; None where the face leaves nothing to see of it."""
    placed = _draw(dice, text, path)
    if placed is None:
        return None
    image, quad = placed
    cut = ocr.narrow_strip if dice.random() < _NARROW else ocr.wide_strip
    return cut(image, turned(quad) if upside_down else quad)


def cuts_of(strips: Iterable[Pixels]) -> list[Cut]:
    """Strips that are there already, as the recogniser takes them."""

    def given(strip: Pixels) -> Pixels:
        return strip

    return [partial(given, strip) for strip in strips]


def _draw(dice: Random, text: str, path: Path) -> tuple[Pixels, Quad] | None:
    """A line on a ground, H x W x 3, uint8, BGR, and the box that the detector would draw round it."""
    em_px = dice.randint(16, 56)
    font = ImageFont.truetype(str(path), em_px)
    _, top, right, bottom = font.getbbox(text, anchor="ls")
    capital = -font.getbbox("H", anchor="ls")[1]
    if right < 3 or capital < 5:
        return None
    ink = Image.new("L", (int(right) + 2 * em_px, 3 * em_px))
    ImageDraw.Draw(ink).text((em_px, 2 * em_px), text, fill=255, font=font, anchor="ls")
    mask: Grey = np.asarray(ink, np.float32) / 255
    if dice.random() < 0.4:
        wide = max(8, int(mask.shape[1] * dice.uniform(0.8, 1.15)))
        mask = np.asarray(cv2.resize(mask, (wide, mask.shape[0]), interpolation=cv2.INTER_AREA), np.float32)
    along = mask.shape[1] / ink.width
    image = _lit(dice, mask, em_px)
    height = bottom - top
    box_height = max(1.25 * capital, height * dice.gauss(1.32, 0.08))
    middle = 2 * em_px + (top + bottom) / 2 + dice.gauss(0, 0.03) * box_height
    first = em_px * along - dice.uniform(0.15, 0.45) * height
    last = (em_px + right) * along + dice.uniform(0.15, 0.45) * height
    slope = dice.gauss(0, 0.01) * (last - first)
    above, below = middle - box_height / 2, middle + box_height / 2
    return image, ((first, above), (last, above + slope), (last, below + slope), (first, below))


def _lit(dice: Random, mask: Grey, em_px: int) -> Pixels:
    """Ink on a ground, with uneven light, blur, noise and compression."""
    ground, colour = dice.uniform(120, 245), dice.uniform(5, 90)
    if dice.random() < 0.25:
        ground, colour = dice.uniform(10, 80), dice.uniform(140, 250)
    grey: Grey = ground + (colour - ground) * mask * dice.uniform(0.75, 1.0)
    grey = grey + np.linspace(-1, 1, grey.shape[1], dtype=np.float32) * dice.uniform(-15, 15)
    if (blur_px := dice.uniform(0, 0.027) * em_px) > 0.4:
        grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), blur_px), np.float32)
    grey = grey + np.random.default_rng(dice.randrange(1 << 30)).normal(0, dice.uniform(0, 7), grey.shape)
    image = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, 2)
    return as_jpeg(image, dice.randint(50, 95)) if dice.random() < 0.5 else image


def as_jpeg(image: Pixels, quality: int) -> Pixels:
    """An image as it comes out of a JPEG of some quality, 0 to 100."""
    packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
