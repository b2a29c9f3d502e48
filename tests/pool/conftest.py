"""What the pool's tests share: an ocr reader, and frames that it reads."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import cv2
import pytest

from edge.core.fields import Product
from edge.products import load_product
from edge.readers import opening
from edge.readers.drawn import drawn_frame
from edge.readers.reader import Image, Reader


@cache
def ocr() -> Reader:
    """The ocr reader, opened once a process: that takes seconds."""
    return opening.open_reader("ocr", threads=1)


@pytest.fixture
def reader() -> Reader:
    """The ocr reader."""
    return ocr()


@pytest.fixture
def product() -> Product:
    """A product with a pattern, confusable characters and key words of its own."""
    return load_product("gearmotor", Path(__file__).resolve().parents[2] / "config" / "products")


@pytest.fixture
def frame() -> Image:
    """A frame that says MODEL AX-4711 and S/N 12345678AB."""
    return drawn_frame()


@pytest.fixture
def encoded(frame: Image) -> bytes:
    """The frame as a camera's file."""
    return cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
