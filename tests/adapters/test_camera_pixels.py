"""Bytes of a sensor as pixels."""

from __future__ import annotations

import numpy as np
import pytest

from edge.adapters.camera_pixels import PFNC_NAMES, to_bgr
from edge.errors import CameraError

RED = (30, 40, 220)  # BGR


def mosaic(order: str) -> bytes:
    """A red wall, 8 x 8 px, through a Bayer mosaic that begins with these two colours."""
    rows = {"RG": ("RG", "GB"), "GR": ("GR", "BG"), "GB": ("GB", "RG"), "BG": ("BG", "GR")}[order]
    return bytes(RED["BGR".index(rows[y % 2][x % 2])] for y in range(8) for x in range(8))


@pytest.mark.parametrize("order", ["RG", "GR", "GB", "BG"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_a_red_wall_is_red_through_every_mosaic(order: str, bits: int) -> None:
    """The four orders of a Bayer sensor are told apart: a red plate is never blue."""
    data = mosaic(order)
    if bits > 8:
        data = (np.frombuffer(data, np.uint8).astype("<u2") << (bits - 8)).tobytes()
    pixels = to_bgr(data, f"Bayer{order}{bits}", 8, 8)

    assert pixels.shape == (8, 8, 3)
    assert tuple(pixels[4, 4]) == RED


@pytest.mark.parametrize(
    ("pixel_format", "data", "bgr"),
    [
        ("Mono8", bytes([90] * 4), (90, 90, 90)),
        ("Mono12", (np.full(4, 90 << 4, "<u2")).tobytes(), (90, 90, 90)),
        ("BGR8", bytes(RED) * 4, RED),
        ("RGB8", bytes(RED[::-1]) * 4, RED),
        ("BGRa8", bytes([*RED, 255]) * 4, RED),
        ("YUYV", bytes([120, 128, 120, 128] * 2), (121, 121, 121)),
        ("UYVY", bytes([128, 120, 128, 120] * 2), (121, 121, 121)),
    ],
)
def test_every_format_becomes_bgr(pixel_format: str, data: bytes, bgr: tuple[int, int, int]) -> None:
    """The colours are the same whatever the order of the bytes."""
    pixels = to_bgr(data, pixel_format, 2, 2)

    assert pixels.shape == (2, 2, 3)
    assert tuple(pixels[1, 1]) == bgr


def test_rows_may_be_padded() -> None:
    """What a camera puts between its rows is no part of the frame; the last row may lack it."""
    pixels = to_bgr(bytes([1, 2, 99, 3, 4]), "Mono8", 2, 2, row_bytes=3)

    assert pixels[:, :, 0].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("pixel_format", "size", "row_bytes", "num_bytes", "says"),
    [
        ("Mono8", (4, 4), 0, 15, "needs 16 bytes, its buffer has 15"),
        ("Mono16", (4, 4), 0, 31, "needs 32 bytes, its buffer has 31"),
        ("Mono8", (4, 4), 3, 99, "it is refused"),
        ("Mono8", (0, 4), 0, 16, "0 x 4 px, which no frame has"),
        ("Mono8", (100_000, 100_000), 0, 16, "which no frame has"),
        ("Mono10p", (4, 4), 0, 99, "pixels as Mono10p, which edge does not know: set its PixelFormat"),
        ("YUYV", (3, 3), 0, 18, "cannot be of the format"),
    ],
)
def test_a_buffer_that_is_no_frame_is_refused_by_its_figures(
    pixel_format: str, size: tuple[int, int], row_bytes: int, num_bytes: int, says: str
) -> None:
    """Too short, of no size or of an unknown format: an error with the figures, never pixels that were made up (L3)."""
    with pytest.raises(CameraError, match=says):
        to_bgr(bytes(num_bytes), pixel_format, *size, row_bytes)


def test_the_numbers_of_formats_say_how_long_a_pixel_is() -> None:
    """PFNC writes the bits of a pixel into its number: each name here has as many."""
    bits = {name: code >> 16 & 0xFF for code, name in PFNC_NAMES.items()}

    assert {name: to_bgr(bytes(bits[name] // 8 * 16), name, 4, 4).shape for name in bits} == dict.fromkeys(
        bits, (4, 4, 3)
    )
