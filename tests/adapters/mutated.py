"""Image files that are almost right: JPEG, PNG and WebP of every kind, changed by a seed.

`python -m tests.adapters.mutated BEGIN END` decodes those of these numbers in a process of its own, and prints lines
of JSON: each file before it is decoded, and what came of it. A process that dies names it by its last line.
"""

from __future__ import annotations

import io
import json
import random
import resource
import struct
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import PngImagePlugin

from edge.adapters import images
from edge.errors import ImageError

#: A file that makes the decoder ask for more than this is a fault of the decoder's. Address space: torch is not here.
MAX_ADDRESS_SPACE = 6 * 2**30

Change = Callable[[bytes, random.Random], bytes]


def originals() -> list[bytes]:
    """A file of each kind that cameras, phones and browsers write."""
    rng = np.random.default_rng(7)
    pixels = rng.integers(0, 255, (60, 90, 3), np.uint8)
    pixels[10:50, 10:80] = 200
    colour = Pillow.fromarray(pixels)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 400, zip=True)
    return [
        saved(colour, "JPEG", quality=90),
        saved(colour, "JPEG", quality=70, progressive=True, exif=exif, icc_profile=bytes(400)),
        saved(colour, "JPEG", quality=70, subsampling=0, restart_marker_blocks=2),
        saved(colour.convert("L"), "JPEG"),
        saved(colour.convert("CMYK"), "JPEG"),
        saved(colour, "PNG", pnginfo=text, exif=exif),
        saved(colour.convert("RGBA"), "PNG"),
        saved(colour.convert("P"), "PNG", transparency=3),
        saved(Pillow.fromarray(rng.integers(0, 65535, (40, 50)).astype(np.uint16)), "PNG"),
        saved(colour.convert("1"), "PNG"),
        saved(colour, "WEBP", quality=60, exif=exif),
        saved(colour.convert("RGBA"), "WEBP", lossless=True),
        saved(colour.convert("RGBA"), "WEBP", quality=40),
        saved(colour, "WEBP", save_all=True, append_images=[colour.rotate(90)]),
    ]


def saved(picture: Pillow.Image, form: str, **options: object) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def flip_bits(data: bytes, rng: random.Random) -> bytes:
    """Some bits are the other way round."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flip_bits_of_the_head(data: bytes, rng: random.Random) -> bytes:
    """Some bits of the first hundred bytes, where sizes and tables are."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 4))):
        changed[rng.randrange(min(100, len(changed)))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(data: bytes, rng: random.Random) -> bytes:
    """The end is missing; the mark of the end may have stayed."""
    end = {b"\xff\xd8": b"\xff\xd9", b"\x89P": data[-12:]}.get(data[:2], b"")
    return data[: rng.randrange(len(data))] + (end if rng.random() < 0.5 else b"")


def lie_about_a_length(data: bytes, rng: random.Random) -> bytes:
    """A length field says something else."""
    parts = split(data)
    at = rng.randrange(len(parts))
    head, body = parts[at][:8], parts[at][8:]
    length = rng.choice((0, 1, 2, 0x7F, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, rng.randrange(2**32)))
    if data[:2] == b"\xff\xd8":
        parts[at] = head[:2] + struct.pack(">H", length & 0xFFFF) + head[4:] + body
    elif data[:2] == b"\x89P":
        parts[at] = struct.pack(">I", length) + head[4:] + body
    else:
        parts[at] = head[:4] + struct.pack("<I", length) + body
    return join(data, parts)


def shuffle(data: bytes, rng: random.Random) -> bytes:
    """Chunks stand in another order, twice, or not at all; each one is whole."""
    parts = split(data)
    for _ in range(rng.choice((1, 1, 3))):
        one, other = rng.randrange(len(parts)), rng.randrange(len(parts))
        kind = rng.randrange(3)
        if kind == 0:
            parts[one], parts[other] = parts[other], parts[one]
        elif kind == 1:
            parts.insert(one, parts[other])
        elif len(parts) > 1:
            del parts[one]
    return join(data, parts)


def change_a_chunk(data: bytes, rng: random.Random) -> bytes:
    """Bytes inside a chunk are others, and its sum is right again: only what they mean is wrong."""
    parts = split(data)
    at = rng.randrange(len(parts))
    part = bytearray(parts[at])
    for _ in range(rng.choice((1, 2, 8))):
        if len(part) > 8:
            part[rng.randrange(8, len(part))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    if data[:2] == b"\x89P" and len(part) >= 12:
        part[-4:] = struct.pack(">I", zlib.crc32(bytes(part[4:-4])))
    parts[at] = bytes(part)
    return join(data, parts)


def state_another_size(data: bytes, rng: random.Random) -> bytes:
    """The header states another size, up to the limit and past it."""
    side = (0, 1, 7, 90, 4000, 16_000, 16_385, 65_535)
    width, height = rng.choice(side), rng.choice(side)
    if data[:2] == b"\x89P":
        head = bytearray(data)
        head[16:24] = struct.pack(">II", width, height)
        head[29:33] = struct.pack(">I", zlib.crc32(bytes(head[12:29])))
        return bytes(head)
    if data[:2] == b"\xff\xd8":
        at = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]
    at = data.find(b"VP8X")
    size = struct.pack("<I", max(0, width - 1))[:3] + struct.pack("<I", max(0, height - 1))[:3]
    at = at + 12 if at > 0 else 26
    return data[:at] + size + data[at + 6 :]


def put_in_noise(data: bytes, rng: random.Random) -> bytes:
    """Bytes by chance stand somewhere, in addition or in the place of others."""
    at, count = rng.randrange(len(data)), rng.choice((1, 4, 64, 1024))
    return data[:at] + rng.randbytes(count) + data[at + rng.choice((0, count)) :]


def splice(data: bytes, rng: random.Random) -> bytes:
    """The head of one file before the end of another, of another form perhaps."""
    other = rng.choice(ORIGINALS)
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


CHANGES: tuple[Change, ...] = (
    flip_bits,
    flip_bits_of_the_head,
    truncate,
    lie_about_a_length,
    shuffle,
    change_a_chunk,
    state_another_size,
    put_in_noise,
    splice,
)
ORIGINALS = originals()


def split(data: bytes) -> list[bytes]:
    """The segments of a JPEG, the chunks of a PNG or of a RIFF, each with its head."""
    if data[:2] == b"\xff\xd8":
        parts, at = [], 2
        while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
            parts.append(data[at:end])
            at = end
        return [*parts, data[at:]]
    step = 12 if data[:2] == b"\x89P" else 8
    order = "big" if data[:2] == b"\x89P" else "little"
    parts, at = [], 8 if order == "big" else 12
    while at < len(data):
        length = int.from_bytes(data[at : at + 4] if order == "big" else data[at + 4 : at + 8], order)  # type: ignore[arg-type]
        end = at + step + length + (length % 2 if order == "little" else 0)
        parts.append(data[at:end])
        at = end
    return parts or [b""]


def join(data: bytes, parts: list[bytes]) -> bytes:
    """The parts behind the file's own first bytes."""
    return data[: {b"\xff\xd8": 2, b"\x89P": 8}.get(data[:2], 12)] + b"".join(parts)


def mutated(number: int) -> tuple[str, bytes]:
    """File number so and so, and what was done to it: the same one each time."""
    rng = random.Random(number)
    data = ORIGINALS[number % len(ORIGINALS)]
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = rng.choice(CHANGES)
        if data:
            data = change(data, rng)
            done.append(change.__name__)
    return " ".join(done), data


def main() -> None:
    """Decode those of the numbers from BEGIN up to END."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE, MAX_ADDRESS_SPACE))
    begin, end = int(sys.argv[1]), int(sys.argv[2])
    for number in range(begin, end):
        done, data = mutated(number)
        print(json.dumps({"number": number, "done": done}), flush=True)
        begun_s = time.process_time()
        try:
            pixels = images.decode(data, "the file")
            told = f"{pixels.shape[2]} channels" if pixels.dtype == np.uint8 and pixels.ndim == 3 else "no pixels"
        except ImageError as error:
            told = str(error)
        except Exception as error:  # noqa: BLE001 - what is counted
            told = f"unnamed: {type(error).__name__}"
        spent_s = time.process_time() - begun_s
        most_mb = _most_mb()
        print(json.dumps({"number": number, "told": told, "s": spent_s, "mb": most_mb}), flush=True)


def _most_mb() -> float:
    """The most memory that this process has had; `ru_maxrss` would begin at that of whoever started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    main()
