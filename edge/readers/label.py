"""Small readers of one small label whose place is known: codes alone, or one line of text by the recogniser of `ocr`.

They are for rehearsals of a plant, where a station's share of two processor cores is milliseconds, and for cameras that
see nothing but the label. Nothing is searched for: a matrix code stands left, a bar code right, text above it. What a
matrix code says is the reading; the bar code, another print of another symbology, is the code beside it (law L4).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from functools import partial
from importlib import metadata
from typing import Literal

import cv2
import numpy as np
import zxingcpp

from edge.core.fields import Product
from edge.core.quality import Measure, MeasureName, Quality
from edge.core.reading import Character, Code, FieldReading, Quad, Reading
from edge.errors import ReaderError
from edge.readers.reader import Image, Located
from edge.vision import quality, scores

Kind = Literal["codes", "line"]
#: Where the text stands on a label, in its pixels: see `edge.services.rehearsal_label`, which draws them.
TEXT_BOX: Quad = ((80.0, 4.0), (290.0, 4.0), (290.0, 32.0), (80.0, 32.0))
#: The matrix code stands left of this column, the bar code right of it.
SPLIT_PX = 74
#: What a line of nine or ten digits is as a strip of the recogniser.
LINE_WIDTHS_PX = range(152, 241, 8)
_FIELD = "serial"


class LabelReader:
    """Reads labels: `kind` "codes" decodes both codes, "line" reads the text and decodes the bar code."""

    def __init__(self, kind: Kind, *, full_gate: bool = False) -> None:
        """With `full_gate`, every measure of quality is taken on the text; else the light alone, on both codes.

        Raises:
            ReaderError: the recogniser cannot be loaded.
        """
        self.name = f"label-{kind}"
        self._full_gate = full_gate
        self._recogniser = None
        weights = metadata.version("zxing-cpp").encode()
        if kind == "line":
            from edge.readers.lines.recogniser import Recogniser  # noqa: PLC0415 - openvino takes seconds
            from edge.readers.lines.weights import RECOGNISER, hash_of  # noqa: PLC0415

            self._recogniser = Recogniser(threads=1)
            # Kernels are made when a width first comes: not with a part in place.
            self._recogniser.read([partial(_blank, width) for width in LINE_WIDTHS_PX])
            weights += hash_of([RECOGNISER], "label").encode()
        self.hash = hashlib.sha256(weights + kind.encode()).hexdigest()

    def locate(self, image: Image) -> Located:
        """Its text is where it always is."""
        height, width = image.shape[:2]
        return Located((TEXT_BOX,), (width, height))

    def judge(self, image: Image) -> Quality:
        """Measure a frame."""
        if self._full_gate:
            return quality.measure(image, (TEXT_BOX,))
        # Sorted once: numpy's percentile takes ten times as long for so few.
        levels = np.sort(image[::4, ::4, 1], axis=None)
        last = levels.size - 1
        found: dict[MeasureName, float] = {
            "overexposure": float(np.mean(levels >= quality.CLIPPED_LEVEL)),
            "underexposure": float(levels[last * 95 // 100]),
            "contrast": float(levels[last * 95 // 100]) - float(levels[last * 5 // 100]),
        }
        measures = {name: Measure(round(raw, 4), scores.score(name, raw)) for name, raw in found.items()}
        return Quality({name: measures.get(name, Measure(None, None)) for name in scores.SCORES}, 1)

    def read(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Reading:
        """Read the serial; a field that is not on the label has empty text.

        Raises:
            ReaderError: a decoder failed.
        """
        del located, draft
        begun = time.perf_counter()
        try:
            grey = np.ascontiguousarray(image[:, :, 1])
            bars = _decoded(grey[:, SPLIT_PX:], "Code128", SPLIT_PX)
            serial = self._line(image) if self._recogniser else _field(_decoded(grey[:, :SPLIT_PX], "DataMatrix", 0))
        except ReaderError:
            raise
        except Exception as error:
            raise ReaderError(f"a label could not be decoded ({error}); see the reader's log") from error
        fields = {name: serial if name == _FIELD else FieldReading(name) for name in product.fields}
        total_ms = (time.perf_counter() - begun) * 1e3
        return Reading(fields, (), bars, self.name, self.hash, {"total": total_ms})

    def _line(self, image: Image) -> FieldReading:
        assert self._recogniser is not None
        (left, top), (right, bottom) = TEXT_BOX[0], TEXT_BOX[2]
        strip = image[int(top) : int(bottom), int(left) : int(right)]
        ink = np.flatnonzero((strip[:, :, 1] < strip.mean() - 40).any(axis=0))
        if not ink.size:
            return FieldReading(_FIELD)
        strip = strip[:, max(0, ink[0] - 4) : ink[-1] + 5]
        width = max(16, round(strip.shape[1] * 32 / strip.shape[0] / 8) * 8)
        cut = cv2.resize(strip, (width, 32), interpolation=cv2.INTER_AREA).astype(np.uint8)
        glyphs = self._recogniser.read([lambda: cut])
        characters = tuple(Character(one.text, one.confidence, one.alternatives) for one in glyphs[0])
        text = "".join(one.text for one in characters)
        return FieldReading(_FIELD, text, text, characters=characters, box=TEXT_BOX, why="the label's line")


def _decoded(grey: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], name: str, left: int) -> tuple[Code, ...]:
    found = zxingcpp.read_barcodes(
        np.ascontiguousarray(grey),
        formats=zxingcpp.barcode_formats_from_str(name),
        try_rotate=False,
        try_downscale=False,
        try_invert=False,
    )
    return tuple(Code(name, one.text, _box(one.position, left)) for one in found)


def _blank(width: int) -> Image:
    return np.zeros((32, width, 3), np.uint8)


def _box(position: zxingcpp.Position, left: int) -> Quad:
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    (one, two, three, four) = tuple((float(corner.x + left), float(corner.y)) for corner in corners)
    return one, two, three, four


def _field(codes: tuple[Code, ...]) -> FieldReading:
    """What the one matrix code says; a decoder's error correction makes it all or nothing."""
    if len(codes) != 1:
        return FieldReading(_FIELD)
    text = codes[0].text
    characters = tuple(Character(c, 1.0) for c in text)
    return FieldReading(_FIELD, text, text, characters=characters, box=codes[0].box, why="the label's matrix code")
