"""A station's panel with its reader process, both real, in threads; the reader behind them is the test's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge.adapters.reader_link import ReaderLink
from edge.core.fields import Product
from edge.readers.reader import Reader
from edge.services.reader import ReaderService
from edge.web.guests import PATIENCE_S
from tests.web.site import PROCESSES, site

WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class House:
    """The base address of the API, and a station beside it that asks the same reader."""

    url: str
    runtime_dir: Path

    def station(self) -> ReaderLink:
        """A station's link; the test closes it."""
        return ReaderLink(self.runtime_dir)


@contextmanager
def guest_house(
    folder: Path, reader: Reader, product: Product, *, reading_too: bool = True, patience_s: float = PATIENCE_S
) -> Iterator[House]:
    """Both running (or the panel alone, with another limit of time); gone afterwards."""
    others = tuple(name for name in PROCESSES if name != "reader")
    with site(folder, processes=others, product=product, patience_s=patience_s) as panel:
        over = threading.Event()
        working = threading.Thread(target=lambda: None)
        if reading_too:
            working = threading.Thread(target=ReaderService(panel.runtime_dir, reader, product).run, args=(over,))
        working.start()
        try:
            yield House(panel.url, panel.runtime_dir)
        finally:
            over.set()
            working.join(WAIT_S)
