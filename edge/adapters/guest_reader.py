"""The station's running reader as a `Reader` of this process: for commands that must not load a second model.

Promises: each frame is asked about once, as a guest, so that parts of the line go first; the frame's pixels reach the
reader unchanged (PNG); what the reader cannot do is a `ReaderError`, never an empty reading (L3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2

from edge.adapters.guest_link import GuestError, GuestLink
from edge.adapters.reader_link import Judged
from edge.core.fields import Product
from edge.core.quality import Quality
from edge.core.reading import Reading
from edge.errors import ReaderError


class GuestReader:
    """Reads by the reader process of a runtime folder; `product` is the product file as JSON that is read by."""

    name, hash = "running", ""

    def __init__(self, runtime_dir: Path, product: str, *, timeout_s: float = 20.0) -> None:
        self._runner = asyncio.Runner()
        self._timeout_s = timeout_s
        self._link = self._runner.run(_opened(runtime_dir, product))
        self._known: tuple[Any, Judged] | None = None

    def locate(self, image: Any) -> Any:
        """Nothing: the reader process locates by itself."""
        del image

    def measure(self, image: Any) -> Quality:
        """The frame's quality, as the reader process measures it.

        Raises:
            ReaderError: there is no answer.
        """
        return self._judged(image).quality

    def read(
        self, image: Any, product: Product, located: Any = None, draft: Mapping[str, str] | None = None
    ) -> Reading:
        """The frame's reading; the fields are those of the product that was given at the start.

        Raises:
            ReaderError: there is no answer.
        """
        del product, located, draft
        return self._judged(image).reading

    def close(self) -> None:
        """End the link."""
        self._runner.run(self._link.close())
        self._runner.close()

    def _judged(self, image: Any) -> Judged:
        if self._known is not None and self._known[0] is image:
            return self._known[1]
        encoded = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()
        try:
            judged = self._runner.run(self._link.read(encoded, timeout_s=self._timeout_s))
        except GuestError as error:
            raise ReaderError(str(error)) from None
        self._known = image, judged
        return judged


async def _opened(runtime_dir: Path, product: str) -> GuestLink:
    return GuestLink(runtime_dir, product=product)
