"""Image files and encoded frames become pixels here, or one `ImageError` that names the file, the limit and the fact.

`load` and `decode` give H x W x 3 uint8 BGR, already turned by EXIF and flattened on white. What they promise:

- The size is read from the header and compared with the limits *before* a pixel is decoded, so a decompression bomb
  costs nothing.
- A picture that ends early is an error. OpenCV fills the missing rest of a JPEG with grey and says nothing.
- 16-bit pictures are scaled, CMYK and palettes are converted; a file with several frames or pages (animated GIF or
  WebP, multi-page TIFF) is refused, since nobody can say which of them shows the part.
- Only regular files are opened: a pipe or a device would never end.

Plain 8-bit JPEG, PNG and BMP (what cameras give) go through OpenCV at its own speed; everything else through Pillow.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from edge.errors import ImageError

Image = npt.NDArray[np.uint8]

#: Longest side. Area cameras end at about 14,200 px; WebP's own limit is 16,383.
MAX_SIDE_PX = 16_384
#: Most pixels: 240 MB once decoded, which a station PC with 8 GB can hold.
MAX_PIXELS = 80_000_000
#: Largest file: a BMP of `MAX_PIXELS`.
MAX_FILE_BYTES = 256 * 1024 * 1024

#: Pillow's names of what it may open here; others (EPS, PSD, fonts …) would only widen what a bad file can reach.
FORMATS = ("JPEG", "PNG", "BMP", "DIB", "WEBP", "TIFF", "GIF", "PPM")
_SPOKEN_FORMATS = "JPEG, PNG, BMP, WebP, TIFF, GIF or PPM"

_JPEG, _PNG, _BMP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM"
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})
_PLAIN_PROCESSES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: what libjpeg reads
#: Cameras of 10 and 12 bits store their values unscaled in 16-bit files.
_SENSOR_BITS = (10, 12)


@dataclass(frozen=True, slots=True)
class _Header:
    """Size of a picture as its header states it, and whether OpenCV alone reads it right."""

    width: int
    height: int
    plain: bool


def shown(name: str) -> str:
    """A file name that can be printed anywhere, on one line: control characters and stray bytes are escaped."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def load(path: str | Path) -> Image:
    """Read an image file.

    Raises:
        ImageError: the file cannot be opened, is no image, is damaged, or is past a limit.
    """
    name = os.fspath(path)
    return decode(_read(name), name)


def decode(encoded: bytes, name: str = "frame") -> Image:
    """Turn an encoded image into pixels; `name` is what an error calls it.

    Raises:
        ImageError: the bytes are no image, are damaged, or are past a limit.
    """
    label = shown(name)
    if not encoded:
        raise ImageError(f"{label} is empty (0 bytes); give an image file")
    _check_bytes(len(encoded), label)
    header = _header(encoded, label)
    if header is not None:
        _check_size(header.width, header.height, label)
        if header.plain:
            return _decode_plain(encoded, label)
    return _decode_any(encoded, label)


def _read(name: str) -> bytes:
    """All bytes of a regular file."""
    label = shown(name)
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
        handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ImageError(f"{label} cannot be opened ({why}); check the name and its permissions") from error
    try:
        facts = os.fstat(handle)
        if stat.S_ISDIR(facts.st_mode):
            raise ImageError(f"{label} is a folder; name the image files in it")
        if not stat.S_ISREG(facts.st_mode):
            raise ImageError(f"{label} is a pipe, socket or device, not a regular file; save the image to a file first")
        _check_bytes(facts.st_size, label)
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ImageError(f"{label} cannot be read ({error.strerror}); check the disk") from error
    finally:
        os.close(handle)


def _check_bytes(count: int, label: str) -> None:
    """Refuse a file past `MAX_FILE_BYTES`."""
    if count > MAX_FILE_BYTES:
        raise ImageError(f"{label} has {count:,} bytes, more than the limit of {MAX_FILE_BYTES:,}; store it smaller")


def _check_size(width: int, height: int, label: str) -> None:
    """Refuse a picture whose header states more pixels than the limits allow, or none."""
    if width < 1 or height < 1:
        raise ImageError(f"{label} is {width} x {height} px by its header, which shows nothing; give a whole image")
    if max(width, height) > MAX_SIDE_PX:
        raise ImageError(
            f"{label} is {width:,} x {height:,} px, past the limit of {MAX_SIDE_PX:,} px a side; scale it down"
        )
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{label} is {width:,} x {height:,} px, past the limit of {MAX_PIXELS:,} pixels; scale it down"
        )


def _header(encoded: bytes, label: str) -> _Header | None:
    """What the header of a JPEG, PNG or BMP says; None for other formats, which Pillow looks at."""
    try:
        if encoded.startswith(_JPEG):
            return _jpeg_header(encoded, label)
        if encoded.startswith(_PNG):
            return _png_header(encoded, label)
        if encoded.startswith(_BMP):
            return _bmp_header(encoded, label)
    except (struct.error, IndexError) as error:
        raise _cut_off(label) from error
    return None


def _cut_off(label: str) -> ImageError:
    return ImageError(f"{label} ends before its picture is complete; copy or store it again")


def _jpeg_header(encoded: bytes, label: str) -> _Header:
    """Walk a JPEG's segments to its frame header, and check that its data has an end."""
    header, at = None, 2
    while True:
        if encoded[at] != 0xFF:
            raise ImageError(f"{label} is a damaged JPEG (no marker at byte {at}); copy or store it again")
        marker = encoded[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in _BARE_MARKERS:
            at += 2
            continue
        if marker == 0xD9:
            raise _cut_off(label)
        (length,) = struct.unpack_from(">H", encoded, at + 2)
        if marker in _FRAME_MARKERS:
            bits, height, width, parts = struct.unpack_from(">BHHB", encoded, at + 4)
            header = _Header(width, height, marker in _PLAIN_PROCESSES and bits == 8 and parts in (1, 3))
        at += 2 + length
        if marker == 0xDA:
            break
    # Inside the picture's data 0xFF is always followed by 0 or a restart marker, so this finds the end or nothing;
    # a thumbnail's end lies before the data begins.
    if header is None or encoded.rfind(b"\xff\xd9", at) < 0:
        raise _cut_off(label)
    return header


def _png_header(encoded: bytes, label: str) -> _Header:
    """Walk a PNG's chunks to the end, and check each one's sum."""
    at, plain, width, height = len(_PNG), True, 0, 0
    view = memoryview(encoded)
    while True:
        length, kind = struct.unpack_from(">I4s", encoded, at)
        end = at + 8 + length
        if kind == b"IHDR":
            width, height, bits, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", encoded, at + 8)
            _check_size(width, height, label)
            plain = bits == 8 and colour in (0, 2) and not interlaced
        elif kind in (b"tRNS", b"acTL", b"eXIf"):  # transparency, animation, orientation: Pillow's work
            plain = False
        (stated,) = struct.unpack_from(">I", encoded, end)
        if zlib.crc32(view[at + 4 : end]) != stated:
            raise ImageError(f"{label} is a damaged PNG (chunk at byte {at} has a wrong sum); copy or store it again")
        if kind == b"IEND":
            return _Header(width, height, plain)
        at = end + 4


def _bmp_header(encoded: bytes, label: str) -> _Header | None:
    """Read a BMP's header; only uncompressed 24-bit ones are plain."""
    start, size = struct.unpack_from("<II", encoded, 10)
    if size < 40:
        return None
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", encoded, 18)
    height = abs(height)
    _check_size(width, height, label)
    plain = bits == 24 and compression == 0
    if plain and len(encoded) < start + (width * 3 + 3) // 4 * 4 * height:
        raise _cut_off(label)
    return _Header(width, height, plain)


def _decode_plain(encoded: bytes, label: str) -> Image:
    """Decode with OpenCV, which also turns a JPEG by its EXIF orientation."""
    try:
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f"{label} cannot be decoded ({error.err}); copy or store it again") from error
    if pixels is None:
        raise ImageError(f"{label} cannot be decoded although its header is sound; copy or store it again")
    return pixels.astype(np.uint8, copy=False)


def _decode_any(encoded: bytes, label: str) -> Image:
    """Decode with Pillow: every format and mode that is not plain."""
    try:
        with warnings.catch_warnings():
            # Odd EXIF or a strange profile does not make the pixels wrong; a bomb warning is a limit.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            with Pillow.open(io.BytesIO(encoded), formats=FORMATS) as picture:
                _check_size(*picture.size, label)
                _check_still(picture, label)
                picture.load()
                return _to_bgr(ImageOps.exif_transpose(picture), label)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{label} ({len(encoded):,} bytes) is not an image that edge reads; give {_SPOKEN_FORMATS}"
        ) from error
    except (Pillow.DecompressionBombWarning, Pillow.DecompressionBombError) as error:
        raise ImageError(f"{label} is past the limit of {MAX_PIXELS:,} pixels; scale it down") from error
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged bytes; all of it means this.
        raise ImageError(f"{label} is damaged or incomplete ({error}); copy or store it again") from error


def _check_still(picture: Pillow.Image, label: str) -> None:
    """Refuse a file of several frames or pages; an MPO's second frame is only a preview of the first."""
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format != "MPO":
        raise ImageError(f"{label} holds {frames} frames, and one still image is the limit; store the one frame alone")


def _to_bgr(picture: Pillow.Image, label: str) -> Image:
    """Bring any mode that Pillow knows to 8-bit BGR on a white ground."""
    if picture.mode.startswith("I"):
        grey = _to_eight_bits(np.asarray(picture), label)
        return np.ascontiguousarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    if picture.mode == "F":
        raise ImageError(f"{label} has floating-point pixels, and 16 bits is the limit; store it with 8 or 16 bits")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        ground = Pillow.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Pillow.alpha_composite(ground, picture)
    return np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])


def _to_eight_bits(values: npt.NDArray[np.generic], label: str) -> Image:
    """Scale grey values of 16 bits (or of the 10 or 12 that a sensor gave) to 8."""
    wide = values.astype(np.int64)
    least, most = int(wide.min()), int(wide.max())
    if least < 0 or most > 0xFFFF:
        raise ImageError(f"{label} has grey values from {least} to {most}, and 16 bits is the limit; store it smaller")
    top = next((2**bits - 1 for bits in _SENSOR_BITS if most < 2**bits), 0xFFFF)
    return (wide * 255 // top).astype(np.uint8)
