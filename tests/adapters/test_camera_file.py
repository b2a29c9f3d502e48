"""A camera that shows files: the bytes as they lie, in order, one file for each trigger."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.adapters.camera import CameraLostError, Order
from edge.adapters.camera_file import FileCamera
from edge.errors import CameraError

GREY = np.full((24, 40, 3), 90, dtype=np.uint8)


def order(trigger_id: str | None) -> Order:
    """An exposure for one trigger."""
    return Order(exposure_us=700, gain_db=2.0, light="diffuse", trigger_id=trigger_id)


def put(path: Path, shade: int = 90) -> bytes:
    """Write an image file of the format that the name says, and give its bytes."""
    cv2.imwrite(str(path), np.full((24, 40, 3), shade, dtype=np.uint8))
    return path.read_bytes()


def opened(path: Path, *, loop: bool = True) -> FileCamera:
    """A camera that looks at the path."""
    camera = FileCamera(path, loop=loop)
    camera.open()
    return camera


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_the_bytes_of_a_file_are_passed_untouched(tmp_path: Path, suffix: str) -> None:
    """What lies in the folder is what the reader decodes and what is kept (L8); its size is told from its head."""
    bytes_on_disk = put(tmp_path / f"plate{suffix}")
    frame = opened(tmp_path).take(order("t1"))

    assert frame.encoded == bytes_on_disk
    assert (frame.width_px, frame.height_px) == (40, 24)
    assert (frame.exposure_us, frame.gain_db, frame.light) == (700, 2.0, "diffuse")


@pytest.mark.parametrize("suffix", [".webp", ".tiff"])
def test_a_format_whose_size_only_a_decoder_tells_is_passed_too(tmp_path: Path, suffix: str) -> None:
    """A frame whose head does not tell its size says 0 x 0 rather than a guess."""
    bytes_on_disk = put(tmp_path / f"plate{suffix}")
    frame = opened(tmp_path).take(order("t1"))

    assert frame.encoded == bytes_on_disk
    assert (frame.width_px, frame.height_px) == (0, 0)


def test_files_come_in_the_order_of_their_numbers_and_begin_again(tmp_path: Path) -> None:
    """part2 comes before part10, other files are passed over, and after the last comes the first."""
    shown = {number: put(tmp_path / f"part{number}.png", shade=number) for number in (10, 2, 1)}
    (tmp_path / "labels.csv").write_text("not a frame")
    camera = opened(tmp_path)
    frames = [camera.take(order(f"t{number}")).encoded for number in range(4)]

    assert frames == [shown[1], shown[2], shown[10], shown[1]]


def test_a_retake_sees_the_same_part(tmp_path: Path) -> None:
    """A second take of the same trigger shows the same file: the part has not changed."""
    put(tmp_path / "a.png", 1)
    put(tmp_path / "b.png", 2)
    camera = opened(tmp_path)
    first, again, other = (camera.take(order(trigger)).encoded for trigger in ("t1", "t1", "t2"))

    assert first == again
    assert first != other


def test_without_loop_the_end_is_an_error_and_a_new_file_goes_on(tmp_path: Path) -> None:
    """After the last file a take says that all were shown; a file that is added then is shown next."""
    put(tmp_path / "a.png")
    camera = opened(tmp_path, loop=False)
    camera.take(order("t1"))
    with pytest.raises(CameraError, match=r"all 1 files of .* were shown"):
        camera.take(order("t2"))
    added = put(tmp_path / "b.png", 3)

    assert camera.take(order("t3")).encoded == added


def test_one_image_file_is_a_camera_too(tmp_path: Path) -> None:
    """A path to one file shows that file for every trigger."""
    bytes_on_disk = put(tmp_path / "plate.jpg")
    camera = opened(tmp_path / "plate.jpg")

    assert [camera.take(order(trigger)).encoded for trigger in ("t1", "t2")] == [bytes_on_disk] * 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jpg", b"", "is empty"),
        ("a.png", b"just text", "is not an image file"),
        ("a.jpg", b"\xff", "is not an image"),
    ],
)
def test_a_file_that_is_no_image_is_named_and_the_next_is_shown(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    """A useless file costs its own trigger and no other (L3)."""
    (tmp_path / name).write_bytes(content)
    good = put(tmp_path / "b.png")
    camera = opened(tmp_path)
    with pytest.raises(CameraError, match=says):
        camera.take(order("t1"))

    assert camera.take(order("t2")).encoded == good


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    """A file that may not be read is an error that says so."""
    put(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)

    with pytest.raises(CameraError, match="cannot read"):
        opened(tmp_path).take(order("t1"))


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["absent", "empty"])
def test_a_folder_with_nothing_in_it_cannot_be_opened(tmp_path: Path, make: object) -> None:
    """An absent or empty folder is a lost camera with a sentence, not a crash."""
    folder = tmp_path / "frames"
    assert callable(make)
    make(folder)

    with pytest.raises(CameraLostError, match="frames"):
        opened(folder)


def test_a_folder_that_vanishes_is_a_lost_camera(tmp_path: Path) -> None:
    """The check sees that the folder is gone, and that it is back."""
    folder = tmp_path / "frames"
    folder.mkdir()
    put(folder / "a.png")
    camera = opened(folder)
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(CameraLostError, match="is gone"):
        camera.check()
    (tmp_path / "elsewhere").rename(folder)

    camera.check()


def test_a_video_gives_its_next_picture(tmp_path: Path) -> None:
    """A video is decoded picture by picture, with its own clock, and begins again at its end."""
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (40, 24))
    for shade in (40, 200):
        writer.write(np.full((24, 40, 3), shade, dtype=np.uint8))
    writer.release()
    camera = opened(path)
    frames = [camera.take(order("t1")) for _ in range(3)]
    camera.close()
    shades = [0 if frame.pixels is None else round(float(frame.pixels.mean()), -1) for frame in frames]

    assert shades == [40, 200, 40]
    assert (frames[0].width_px, frames[0].height_px) == (40, 24)


def test_a_video_without_loop_ends(tmp_path: Path) -> None:
    """After its last picture a video says that it has ended."""
    path = tmp_path / "line.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (40, 24))
    writer.write(GREY)
    writer.release()
    camera = opened(path, loop=False)
    camera.take(order("t1"))

    with pytest.raises(CameraError, match="has ended"):
        camera.take(order("t2"))


@pytest.mark.parametrize("content", [None, b"no video"])
def test_a_video_that_cannot_be_opened_is_a_lost_camera(tmp_path: Path, content: bytes | None) -> None:
    """An absent or damaged video is named."""
    if content is not None:
        (tmp_path / "line.mp4").write_bytes(content)

    with pytest.raises(CameraLostError, match=r"line\.mp4"):
        opened(tmp_path / "line.mp4")
