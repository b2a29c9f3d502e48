"""Two readers of different families at one frame: each is a look of its own, and the core weighs them.

Promises: a reading is by both or by none (L4); neither is told which text the other took for a field, and nothing is
mixed here; what both need of the same frame, where its text stands and what OCR reads there, is worked out once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edge.core.fields import Product
from edge.core.reading import Quad, Reading, TextLine, joint_hash, joint_name
from edge.errors import ReaderError, UseError
from edge.readers.ocr import Ocr
from edge.readers.reader import Image, Located, Reader


class Pair:
    """A reader made of two; the first one's reading holds the second's as another look."""

    def __init__(self, first: Reader, second: Reader) -> None:
        if first.name == second.name:
            raise UseError(f"two looks at one frame need readers of two families, and both are {first.name}")
        self._first, self._second = first, second

    @property
    def name(self) -> str:
        """Both names: "ocr+vlm"."""
        return joint_name([self._first.name, self._second.name])

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over both readers' hashes."""
        return joint_hash([self._first.hash, self._second.hash])

    def locate(self, image: Image) -> Located:
        """Find the text lines of an image, as the first reader does.

        Raises:
            ReaderError: the reader could not do its work.
        """
        return self._first.locate(image)

    def read(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Reading:
        """Read the product's fields by both; the reading is the first one's, with the second's among its `others`.

        Raises:
            ReaderError: one of them could not do its work. The other one's reading is then not given either: a station
                set to two families would pass parts on one for as long as the other is away, and only a count would
                tell (L4). The failure has a name, the part is held as `reader_failed`, and the next one is read.
        """
        if located is None:
            located = self.locate(image)
        first = _by(self._first, image, product, located, draft)
        begun = time.perf_counter()
        second = _by(self._second, image, product, located, draft)
        ms = {stage: spent for stage, spent in first.ms.items() if stage != "total"}
        ms[self._second.name] = (time.perf_counter() - begun) * 1e3
        ms["total"] = first.ms.get("total", sum(ms.values()) - ms[self._second.name]) + ms[self._second.name]
        return replace(first, others=(*first.others, second), ms=ms)


def _by(reader: Reader, image: Image, product: Product, located: Located, draft: Mapping[str, str] | None) -> Reading:
    try:
        return reader.read(image, product, located, draft)
    except ReaderError as error:
        raise ReaderError(f"reader {reader.name}: {error}") from error


class OcrOnce(Ocr):
    """An `Ocr` that two readers share: the lines of the frame that was asked about last are read once.

    Recognising a plate's lines is most of what it costs (30 to 90 ms of two cores, `bench/inspection.py`).
    """

    def __init__(self, *, threads: int = 2, cache_dir: Path | None = None, warm: bool = False) -> None:
        super().__init__(threads=threads, cache_dir=cache_dir, warm=warm)
        self._last: tuple[Image, tuple[Quad, ...], tuple[TextLine, ...]] | None = None
        self._asking = threading.Lock()

    def lines(self, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        """Read the text in every box, as `Ocr.lines`; the same image object and boxes give the same lines."""
        with self._asking:
            last, asked = self._last, tuple(boxes)
            if last is not None and last[0] is image and last[1] == asked:
                return last[2]
            found = super().lines(image, asked)
            self._last = image, asked, found
            return found
