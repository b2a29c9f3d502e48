"""Lines that are read before anybody asks: the gate that stands between finding and reading leaves a core idle.

Promises: what is read ahead is what would have been read, an error included; it is used for its own frame and boxes
alone; and it gives way to the next frame within a line (some 10 ms), so that a frame the gate refuses delays none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from edge.core.reading import Quad, TextLine
from edge.readers.giving_way import GaveWay, gives_way, handed_on
from edge.readers.reader import Image

Lines = tuple[TextLine, ...]


@dataclass(frozen=True, slots=True)
class _Begun:
    """The reading of one frame's boxes, and what ends it early."""

    image: Image
    boxes: tuple[Quad, ...]
    stopped: threading.Event
    lines: Future[Lines]


class Ahead:
    """One reading at a time, of the frame that was located last; may be called from many threads."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead")
        self._lock = threading.Lock()
        self._begun: _Begun | None = None

    def begin(self, image: Image, boxes: Sequence[Quad], read: Callable[[], Lines]) -> None:
        """Let `read` work in a thread of its own, instead of what was begun before."""
        stopped, give_way = threading.Event(), handed_on()

        def asked() -> bool:
            give_way()
            return stopped.is_set()

        def work() -> Lines:
            with gives_way(asked):
                return read()

        with self._lock:
            self._stop()
            self._begun = _Begun(image, tuple(boxes), stopped, self._worker.submit(work))

    def stop(self) -> None:
        """Break off what was begun."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._begun is not None:
            self._begun.stopped.set()
            self._begun = None

    def lines(self, image: Image, boxes: Sequence[Quad]) -> Lines | None:
        """What was read of these boxes of this very frame; None where that was not begun, or was broken off.

        Raises:
            ReaderError: the reading failed.
        """
        begun = self._begun
        if begun is None or begun.image is not image or begun.boxes != tuple(boxes):
            return None
        try:
            return begun.lines.result()
        except GaveWay:
            if not begun.stopped.is_set():
                raise
            return None
