"""What the reader's thread does with a batch of questions: frames are decoded, measured, and read together.

Promises: every question of a batch is told exactly one answer, as soon as it is known, or a failure (L3); a frame that
is broken, or a reader that fails on one of them, fails no other; a frame is decoded and searched for text once, however
many questions a station asks about it in a row.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import ValidationError

from edge.adapters import images
from edge.adapters.reader_link import Question
from edge.core.fields import Product
from edge.core.quality import Quality
from edge.core.reading import Reading
from edge.errors import ReaderError, WorldError
from edge.products import ProductFile, to_product
from edge.readers.reader import Image, Located, Reader
from edge.vision import quality

log = structlog.get_logger()

#: The newest frame of so many stations is kept decoded; one of 5 megapixels takes 15 MB.
MAX_KNOWN_FRAMES = 16
MAX_KNOWN_PRODUCTS = 32


@dataclass(frozen=True, slots=True)
class Failed:
    """A question could not be answered; `why` is one sentence."""

    why: str


Told = Quality | Reading | Failed
Tell = Callable[[Question, Told], None]


@dataclass(frozen=True, slots=True)
class _Known:
    """The frame that a station asked about last, as far as it is worked out."""

    frame_id: str
    image: Image
    located: Located


class BatchWork:
    """Answers batches by one reader; one thread calls it."""

    def __init__(
        self, reader: Reader, product: Product, *, now_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000
    ) -> None:
        self._reader: Any = reader
        # A reader elsewhere is sent the frame's own bytes, and told how long its answer is waited for.
        self._read_frame: Any = getattr(reader, "read_frame", None)
        self._product = product
        self._now_us = now_us
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._products: OrderedDict[str, Product] = OrderedDict()

    @property
    def batches(self) -> bool:
        """Whether the reader reads several frames faster together than one by one."""
        return bool(getattr(self._reader, "batches", False))

    def work(self, batch: Sequence[Question], tell: Tell) -> None:
        """Answer every question of a batch, each once."""
        reads: list[tuple[Question, Any]] = []
        for question in batch:
            told = _attempt(question, lambda question=question: self._begun(question))  # type: ignore[misc]
            if isinstance(told, Quality | Reading | Failed):
                tell(question, told)
            else:
                reads.append((question, told))
        if reads:
            self._read_many(reads, tell)

    def _begun(self, question: Question) -> Any:
        """An answer, or what the reader wants to be given for the frame in a batch."""
        if self._late(question):
            return _LATE
        known = self._frame(question)
        if question.task == "judge":
            return quality.measure(known.image, known.located.boxes)
        what = known.image, self.product_of(question), known.located, question.draft
        if self._read_frame is not None:
            within_s = (question.expires_us - self._now_us()) / 1e6
            return self._read_frame(question.image, *what, within_s=within_s)
        return self._reader.request(*what) if self.batches else self._reader.read(*what)

    def _read_many(self, reads: Sequence[tuple[Question, Any]], tell: Tell) -> None:
        """Read together; where that fails, each alone, so that none suffers for another."""
        told = _attempt(reads[0][0], lambda: _as_many(self._reader.read_many([one for _, one in reads]), len(reads)))
        if not isinstance(told, Failed):
            for (question, _), reading in zip(reads, told, strict=True):
                tell(question, reading)
            return
        if len(reads) == 1:
            tell(reads[0][0], told)
            return
        log.warning("a batch could not be read; its frames are read one by one", frames=len(reads), why=told.why)
        for question, one in reads:
            alone = _LATE if self._late(question) else _attempt(question, lambda one=one: self._alone(one))  # type: ignore[misc]
            tell(question, alone)

    def _alone(self, request: Any) -> Reading:
        return _as_many(self._reader.read_many([request]), 1)[0]

    def _late(self, question: Question) -> bool:
        return self._now_us() >= question.expires_us

    def _frame(self, question: Question) -> _Known:
        known = self._known.get(question.peer)
        if known is None or known.frame_id != question.frame_id:
            image = images.decode(question.image, question.frame_id)
            known = _Known(question.frame_id, image, self._reader.locate(image))
            self._known[question.peer] = known
        self._known.move_to_end(question.peer)
        while len(self._known) > MAX_KNOWN_FRAMES:
            self._known.popitem(last=False)
        return known

    def product_of(self, question: Question) -> Product:
        """What the question's station makes; the reader's own product where the question does not say.

        Raises:
            ReaderError: it is not understood.
        """
        if not question.product:
            return self._product
        product = self._products.get(question.product)
        if product is None:
            try:
                product = to_product(ProductFile.model_validate_json(question.product))
            except ValidationError as error:
                raise ReaderError(
                    f"the station's product is not understood ({error.error_count()} mistakes): the reader is of "
                    "another version of edge; restart it, and the station"
                ) from None
            self._products[question.product] = product
            while len(self._products) > MAX_KNOWN_PRODUCTS:
                self._products.popitem(last=False)
        return product


_LATE = Failed("the frames before it took the reader until the time for this one was over")


def _as_many(readings: Sequence[Reading], count: int) -> Sequence[Reading]:
    if len(readings) != count:
        raise ReaderError(
            f"the reader gave {len(readings)} readings of {count} frames: that is a mistake in the reader"
        )
    return readings


def _attempt(question: Question, act: Callable[[], Any]) -> Any:
    """What `act` gives; whatever it raises is a failure, never an empty reading (L3)."""
    try:
        return act()
    except WorldError as error:
        log.warning("could not read", frame_id=question.frame_id, task=question.task, why=str(error))
        return Failed(str(error))
    except Exception as error:
        log.exception("the reader raised an error that it should have named", frame_id=question.frame_id)
        return Failed(f"{type(error).__name__} in the reader: see its log")
