"""Two readers of different families at one frame: each is a look of its own, and the core weighs them.

Promises: a reading is by both or by none (L4); neither is told which text the other took for a field, and nothing is
mixed here; what both need of the same frame, where its text stands and what OCR reads there, is worked out once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from edge.core.fields import Product
from edge.core.inside import Inside
from edge.core.reading import Quad, Reading, TextLine, joint_hash, joint_name
from edge.errors import ReaderError, UseError
from edge.readers.asking import FREELY, Answer, Asker, How
from edge.readers.inside import seen_into
from edge.readers.ocr import Ocr
from edge.readers.reader import BatchReader, Image, Located, Reader


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
        with _named(self._first):
            first = self._first.read(image, product, located, draft)
        begun = time.perf_counter()
        with _named(self._second):
            second = self._second.read(image, product, located, draft)
        return _joined(first, second, (time.perf_counter() - begun) * 1e3)

    def ask(
        self,
        image: Image,
        question: str,
        *,
        pattern: str | None = None,
        cap: int = 64,
        on_token: Callable[[int, Any], None] | None = None,
        how: How = FREELY,
    ) -> Answer:
        """Answer a free question by the second reader, which takes such questions.

        Raises:
            ReaderError: it could not do its work.
        """
        with _named(self._second):
            return cast("Asker", self._second).ask(
                image, question, pattern=pattern, cap=cap, on_token=on_token, how=how
            )

    @property
    def holds_form(self) -> bool:
        """Whether each token of an answer keeps to the form that is asked for."""
        return bool(getattr(self._second, "holds_form", False))

    @property
    def plates_only(self) -> bool:
        """Whether the second reader's model was trained on plates alone."""
        return bool(getattr(self._second, "plates_only", False))

    def inside(
        self,
        image: Image,
        question: str = "",
        *,
        product: Product | None = None,
        field: str = "",
        cap: int = 64,
        layer: int | None = None,
    ) -> Inside:
        """Answer by the second reader, and tell what its model did.

        Raises:
            ReaderError: it could not do its work.
            UseError: it has no model here, or no such field or layer.
        """
        with _named(self._second):
            second = seen_into(self._second)
            return second.inside(image, question, product=product, field=field, cap=cap, layer=layer)

    @property
    def batches(self) -> bool:
        """Whether the second reader reads several frames faster together than one by one."""
        return bool(getattr(self._second, "batches", False))

    def request(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> PairRequest:
        """Read by the first reader, and prepare for the second; only where it `batches`.

        Raises:
            ReaderError: one of them could not do its work.
        """
        if located is None:
            located = self.locate(image)
        with _named(self._first):
            first = self._first.read(image, product, located, draft)
        begun = time.perf_counter()
        with _named(self._second):
            second = cast("BatchReader", self._second).request(image, product, located, draft)
        return PairRequest(first, second, (time.perf_counter() - begun) * 1e3)

    def read_many(self, requests: Sequence[PairRequest]) -> list[Reading]:
        """Read several frames by the second reader together; a reading each, as `read` gives it.

        Raises:
            ReaderError: the second reader could not do its work, for none of them.
        """
        begun = time.perf_counter()
        with _named(self._second):
            seconds = cast("BatchReader", self._second).read_many([one.second for one in requests])
        ms = (time.perf_counter() - begun) * 1e3
        return [_joined(one.first, second, one.ms + ms) for one, second in zip(requests, seconds, strict=True)]


@dataclass(frozen=True, slots=True)
class PairRequest:
    """One frame as the first reader read it, and as it is prepared for the second, which took `ms`."""

    first: Reading
    second: Any
    ms: float


def _joined(first: Reading, second: Reading, second_ms: float) -> Reading:
    """The first reader's reading, with the second's among its others."""
    ms = {stage: spent for stage, spent in first.ms.items() if stage != "total"}
    total_ms = first.ms.get("total", sum(ms.values()))
    return replace(
        first, others=(*first.others, second), ms={**ms, second.reader: second_ms, "total": total_ms + second_ms}
    )


@contextmanager
def _named(reader: Reader) -> Iterator[None]:
    """A failure says which of the two it was."""
    try:
        yield
    except ReaderError as error:
        raise ReaderError(f"reader {reader.name}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Known:
    """The frame that was asked about last, as far as it was read; `image` is compared as an object."""

    image: Image
    boxes: tuple[Quad, ...] = ()
    lines: tuple[TextLine, ...] | None = None
    product: Product | None = None
    reading: Reading | None = None


class OcrOnce(Ocr):
    """An `Ocr` that two readers share: what it reads on a frame is the same for both, and is read once.

    Without it the lines of each frame would be recognised twice, which is most of what a plate costs (30 to 90 ms of
    two cores, `bench/inspection.py`).
    """

    def __init__(self, *, threads: int = 2, cache_dir: Path | None = None, warm: bool = False) -> None:
        super().__init__(threads=threads, cache_dir=cache_dir, warm=warm)
        self._known: _Known | None = None

    def lines(self, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        """Read the text in every box, as `Ocr.lines`; the same image object and boxes give the same lines."""
        known, asked = self._known, tuple(boxes)
        if known is not None and known.image is image and known.boxes == asked and known.lines is not None:
            return known.lines
        found = super().lines(image, asked)
        self._known = _Known(image, asked, found)
        return found

    def read(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Reading:
        """Read the product's fields, as `Ocr.read`; the same image object, boxes and product give the same reading.

        Raises:
            ReaderError: the reader could not do its work.
        """
        if located is None:
            located = self.locate(image)
        known = self._known
        if (
            known is not None
            and known.image is image
            and known.boxes == located.boxes
            and known.product == product
            and known.reading is not None
        ):
            return known.reading
        reading = super().read(image, product, located, draft)
        self._known = _Known(image, located.boxes, reading.lines, product, reading)
        return reading
