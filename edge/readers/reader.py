"""The one protocol of all readers: image in, located text or a reading out, or a named failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edge.core.fields import Product
from edge.core.reading import Quad, Reading, TextLine

#: H x W x 3, uint8, BGR.
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Located:
    """Where text stands on one image: a box a line, in reading order, and what the reader wants to keep for `read`."""

    boxes: tuple[Quad, ...]
    size_px: tuple[int, int]
    ms: float = 0.0
    kept: Any = None


class Reader(Protocol):
    """Turns an image into a reading."""

    @property
    def name(self) -> str:
        """Which reader: "ocr", "vlm", "remote"."""

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over the weights and what else decides what is read."""

    def locate(self, image: Image) -> Located:
        """Find the text lines of an image; an image without text gives no boxes.

        Raises:
            ReaderError: the reader could not do its work.
        """

    def read(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Reading:
        """Read the product's fields; a field that is not on the image has empty text.

        A draft may speed the reading up; it never changes what is read (law L6).

        Raises:
            ReaderError: the reader could not do its work.
        """


class BatchReader(Reader, Protocol):
    """A reader that reads the frames of several stations together."""

    @property
    def batches(self) -> bool:
        """Whether several frames together are faster than one by one."""

    def request(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Any:
        """Prepare what `read` would read, for `read_many`.

        Raises:
            ReaderError: the reader could not do its work.
        """

    def read_many(self, requests: Sequence[Any]) -> list[Reading]:
        """Read what was prepared, a reading each, in order: what `read` would give.

        Raises:
            ReaderError: the reader could not do its work, for none of them.
        """


class LineReader(Reader, Protocol):
    """A reader that also tells what each line of text says."""

    def lines(self, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        """Read the text in every box; a box in which nothing is read gives no line.

        Raises:
            ReaderError: the reader could not do its work.
        """
