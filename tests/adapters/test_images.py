"""Image files: the right pixels or one named error, whatever the file."""

from __future__ import annotations

import io
import os
import socket
import struct
import threading
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from edge.adapters import images
from edge.errors import ImageError


def picture(width: int = 64, height: int = 40) -> images.Image:
    """BGR: red on the left, blue on the right, a white row at the top."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = (30, 20, 200)
    pixels[:, width // 2 :] = (200, 40, 20)
    pixels[: height // 8] = 255
    return pixels


def encoded(pixels: npt.NDArray[np.unsignedinteger], ending: str) -> bytes:
    """The picture as OpenCV encodes it."""
    done, data = cv2.imencode(ending, pixels)
    assert done
    return data.tobytes()


def saved(form: str, mode: str = "RGB", **options: object) -> bytes:
    """The picture as Pillow saves it in a mode."""
    file = io.BytesIO()
    Pillow.fromarray(picture()[:, :, ::-1]).convert(mode).save(file, form, **options)
    return file.getvalue()


def png(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG that states a size, whatever its data says."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def close(one: images.Image, other: images.Image, levels: float) -> bool:
    """Whether two pictures are the same but for the losses of a JPEG."""
    return one.shape == other.shape and float(np.abs(one.astype(int) - other.astype(int)).mean()) <= levels


@pytest.mark.parametrize(("ending", "levels"), [(".jpg", 6), (".png", 0), (".bmp", 0), (".webp", 0), (".tiff", 0)])
def test_what_was_stored_is_what_is_loaded(tmp_path: Path, ending: str, levels: float) -> None:
    """Every common format gives H x W x 3 uint8 BGR in the stored colours."""
    path = tmp_path / f"frame{ending}"
    path.write_bytes(encoded(picture(), ending))

    pixels = images.load(path)

    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert close(pixels, picture(), levels)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM"])
def test_grey_pictures_become_three_equal_channels(form: str) -> None:
    """A grey picture of any format has three channels that agree."""
    pixels = images.decode(saved(form, "L"))

    assert pixels.shape == picture().shape
    assert int(np.ptp(pixels.astype(int), axis=2).max()) <= 2


@pytest.mark.parametrize(
    ("form", "mode"), [("PNG", "P"), ("GIF", "P"), ("JPEG", "CMYK"), ("TIFF", "CMYK"), ("PNG", "1")]
)
def test_palettes_and_print_colours_are_converted(form: str, mode: str) -> None:
    """Palette, CMYK and one-bit pictures look as they look elsewhere."""
    wanted = np.asarray(Pillow.fromarray(picture()[:, :, ::-1]).convert(mode).convert("RGB"))[:, :, ::-1]

    pixels = images.decode(saved(form, mode))

    assert close(pixels, np.ascontiguousarray(wanted), 12)


@pytest.mark.parametrize("top", [0xFFFF, 0x0FFF, 0x03FF])
def test_sixteen_bits_are_scaled_to_eight(top: int) -> None:
    """16-bit grey, and what 12-bit and 10-bit sensors store in it, keeps its light and dark."""
    ramp = np.tile(np.linspace(0, top, 256).astype(np.uint16), (32, 1))

    pixels = images.decode(encoded(ramp, ".png"))

    assert pixels.dtype == np.uint8
    assert close(pixels[:, :, :1], np.tile(np.arange(256, dtype=np.uint8), (32, 1))[:, :, None], 1)


def test_sixteen_bit_colour_keeps_its_colours() -> None:
    """16 bits a channel become 8 bits a channel."""
    pixels = images.decode(encoded(picture().astype(np.uint16) * 257, ".png"))

    assert close(pixels, picture(), 1)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
def test_what_is_transparent_becomes_white(form: str) -> None:
    """Alpha is flattened on white: dark text on nothing stays dark text on a light ground."""
    colours = np.zeros((20, 30, 4), np.uint8)
    colours[5:10, 5:10] = (10, 10, 10, 255)
    file = io.BytesIO()
    Pillow.fromarray(colours, "RGBA").save(file, form, **({"lossless": True} if form == "WEBP" else {}))

    pixels = images.decode(file.getvalue())

    assert (pixels[0, 0] == 255).all()
    assert (pixels[7, 7] == 10).all()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_exif_says(form: str, orientation: int) -> None:
    """All eight EXIF orientations give the same picture that a viewer shows."""
    shown = Pillow.fromarray(picture()[:, :, ::-1])
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = shown.transpose(Pillow.Transpose(undo[orientation])) if orientation in undo else shown
    exif = stored.getexif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, form, exif=exif, **({"lossless": True} if form == "WEBP" else {}))

    pixels = images.decode(file.getvalue())

    assert close(pixels, picture(), 6)


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"", "is empty (0 bytes)"),
        (b"\xff", "is not an image"),
        (b"\x89", "is not an image"),
        (b"serial number 4711\n" * 20, "is not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image"),
        (png(50_000, 10), "50,000 x 10 px, past the limit of 16,384 px a side"),
        (png(16_000, 16_000), "past the limit of 80,000,000 pixels"),
        (png(0, 10), "0 x 10 px"),
        (png(20, 20, b"\0" * 10), "cannot be decoded"),
        (encoded(picture(), ".png")[:-30], "ends before its picture is complete"),
        (encoded(picture(), ".bmp")[:-30], "ends before its picture is complete"),
        (saved("TIFF")[:3000], "is damaged or incomplete"),
        (saved("TIFF", "F"), "floating-point"),
    ],
)
def test_a_file_that_is_no_whole_image_is_an_error_that_says_so(data: bytes, fact: str) -> None:
    """Each kind of bad file is named with its limit and the fact."""
    with pytest.raises(ImageError) as caught:
        images.decode(data, "bad.png")

    assert str(caught.value).startswith("bad.png ")
    assert fact in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("progressive", [0, 1])
def test_a_truncated_jpeg_is_an_error_and_never_half_a_picture(share: float, progressive: int) -> None:
    """OpenCV would fill the missing part with grey and say nothing."""
    noise = np.random.default_rng(4).integers(0, 255, (200, 300, 3), np.uint8)
    done, data = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])
    assert done

    with pytest.raises(ImageError, match="ends before its picture is complete"):
        images.decode(data.tobytes()[: int(data.size * share)])


def test_a_truncated_jpeg_with_a_whole_thumbnail_is_still_an_error() -> None:
    """The end of a thumbnail is not the end of the picture."""
    thumbnail = encoded(picture(16, 10), ".jpg")
    whole = encoded(picture(200, 100), ".jpg")
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail
    with_thumbnail = whole[:2] + segment + whole[2:]

    assert images.decode(with_thumbnail).shape == (100, 200, 3)
    with pytest.raises(ImageError, match="ends before"):
        images.decode(with_thumbnail[:-40])


def test_a_damaged_png_is_an_error() -> None:
    """One flipped bit in the data is found by the chunk's sum."""
    data = bytearray(encoded(picture(), ".png"))
    data[len(data) // 2] ^= 1

    with pytest.raises(ImageError, match="wrong sum"):
        images.decode(bytes(data))


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_several_frames_are_refused(form: str) -> None:
    """Nobody can say which frame of an animation shows the part, so none is taken."""
    first = Pillow.fromarray(picture()[:, :, ::-1])
    file = io.BytesIO()
    first.save(file, form, save_all=True, append_images=[first.transpose(Pillow.Transpose.ROTATE_180)])

    with pytest.raises(ImageError, match="holds 2 frames"):
        images.decode(file.getvalue())


@pytest.mark.parametrize("form", ["GIF", "WEBP", "TIFF", "BMP", "PPM"])
def test_the_size_is_checked_before_any_pixel_is_decoded(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """A picture past the limit is refused by its header alone, in every format."""
    data = saved(form)
    monkeypatch.setattr(images, "MAX_SIDE_PX", 63)
    monkeypatch.setattr(Pillow.Image, "load", lambda _self: pytest.fail("decoded"))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))

    with pytest.raises(ImageError, match="64 x 40 px, past the limit of 63 px a side"):
        images.decode(data)


def test_a_file_past_the_limit_is_not_read(tmp_path: Path) -> None:
    """A huge file is refused by its size; its bytes stay on disk."""
    path = tmp_path / "huge.bmp"
    with path.open("wb") as file:
        file.truncate(images.MAX_FILE_BYTES + 1)

    with pytest.raises(ImageError, match=r"has 268,435,457 bytes, more than the limit of 268,435,456"):
        images.load(path)


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A folder, a pipe that nobody writes to, a device, a socket or a missing file is an error at once."""
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket.png"))
        found: dict[str, str] = {}

        def load_all() -> None:
            for name in (tmp_path, tmp_path / "pipe.png", tmp_path / "socket.png", "/dev/zero", tmp_path / "none.png"):
                with pytest.raises(ImageError) as caught:
                    images.load(name)
                found[Path(name).name] = str(caught.value)

        thread = threading.Thread(target=load_all, daemon=True)
        thread.start()
        thread.join(20)

    assert "is a folder" in found[tmp_path.name]
    assert "is a pipe, socket or device" in found["pipe.png"]
    assert "cannot be opened" in found["socket.png"]
    assert "is a pipe, socket or device" in found["zero"]
    assert "No such file" in found["none.png"]


def test_a_file_without_permission_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says that permission is missing; as root, to whom nothing is forbidden, the refusal is played."""
    path = tmp_path / "locked.png"
    path.write_bytes(encoded(picture(), ".png"))
    path.chmod(0)
    if os.geteuid() == 0:

        def refuse(*_: object) -> int:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)

    with pytest.raises(ImageError, match=r"cannot be opened \(Permission denied\)"):
        images.load(path)


def test_any_name_loads_and_any_name_prints(tmp_path: Path) -> None:
    """A name with a newline and bytes that are no UTF-8 works, and in an error it is one printable line."""
    name = os.fsdecode(os.fsencode(tmp_path) + b"/new\nline \xff\x1b[31m.png")
    Path(name).write_bytes(encoded(picture(), ".png"))
    assert images.load(name).shape == picture().shape
    Path(name).write_bytes(b"text")

    with pytest.raises(ImageError) as caught:
        images.load(name)

    sentence = str(caught.value)
    assert sentence.isprintable()
    assert sentence.encode()
    assert r"new\nline \xff\x1b[31m.png is not" not in sentence  # the number of bytes stands between
    assert r"/new\nline \xff\x1b[31m.png (4 bytes) is not an image" in sentence


def test_a_name_with_a_null_byte_is_an_error() -> None:
    """A name that no file can have is an error like any other."""
    with pytest.raises(ImageError, match="cannot be opened"):
        images.load("a\0b.png")


@settings(max_examples=150, deadline=None)
@given(
    which=st.sampled_from([".jpg", ".png", ".bmp", ".webp", ".tiff"]),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8),
    keep=st.floats(0, 1),
)
def test_damaged_bytes_give_pixels_or_a_named_error(which: str, changes: list[tuple[int, int]], keep: float) -> None:
    """Whatever happens to a file's bytes, the answer is a picture within the limits or an `ImageError`."""
    data = bytearray(encoded(picture(), which))
    for at, value in changes:
        data[at % len(data)] = value
    data = data[: round(len(data) * keep)]

    try:
        pixels = images.decode(bytes(data))
    except ImageError:
        return

    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.size <= images.MAX_PIXELS * 3
