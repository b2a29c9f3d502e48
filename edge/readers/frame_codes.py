"""The codes of a frame, sought beside the reading of its lines."""

from __future__ import annotations

import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any

from edge.core.reading import Code
from edge.errors import ReaderError
from edge.readers.reader import Image
from edge.vision import codes


def sought(image: Image) -> tuple[tuple[Code, ...], float]:
    """The codes on a frame, and the milliseconds that it took to find them.

    Raises:
        ReaderError: the search failed.
    """
    begun = time.perf_counter()
    try:
        found = codes.find(image)
    except Exception as error:
        raise ReaderError(f"the search for codes on a frame failed: {error}; see the reader's log") from error
    return found, (time.perf_counter() - begun) * 1e3


@dataclass(frozen=True, slots=True)
class Search:
    """A search that was begun as the frame's text was located."""

    image: Image
    found: Future[tuple[tuple[Code, ...], float]]


def begun(image: Image, beside: Executor, kept: Any = None) -> Search:
    """The search for a frame's codes: `kept`, where that is the search of this very frame, or one begun now."""
    if isinstance(kept, Search) and kept.image is image:
        return kept
    return Search(image, beside.submit(sought, image))
