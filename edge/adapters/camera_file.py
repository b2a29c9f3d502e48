"""A camera that shows a folder of image files, one image file, or a video.

Image files are passed as they are, byte for byte: the reader decodes, and the evidence keeps, what lies in the folder.
They come in the order of their names (numbers by value), one for each trigger; a retake of the same trigger sees the
same file again, since the part before the camera has not changed. A video gives its next picture for each take.

Files are not a live camera: equal pictures are no sign of freezing. Exposure, gain and light cannot be changed; the
frame says what was asked.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from edge.adapters.camera import CameraCounts, CameraFacts, CameraFrame, CameraLostError, Order, now_us
from edge.errors import CameraError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEO_SUFFIXES = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg")
#: A larger file is not read: a 50-megapixel raw BGR bitmap has 150 MB.
MAX_FILE_BYTES = 256 * 1024 * 1024


class FileCamera:
    """Frames from `path`: a folder, an image file or a video. `loop`: begin again after the last one."""

    def __init__(self, path: Path, *, loop: bool = True) -> None:
        self.counts = CameraCounts()
        self._path = path
        self._loop = loop
        self._video: cv2.VideoCapture | None = None
        self._last_name: str | None = None
        self._last_trigger: str | None = None

    def open(self) -> CameraFacts:
        """Look at what lies there.

        Raises:
            CameraLostError: when there is nothing to show.
        """
        self.close()
        if self._is_video():
            self._video = self._open_video()
        elif not self._files():
            raise CameraLostError(f"no image file in {self._path}: put some there ({', '.join(IMAGE_SUFFIXES)})")
        return CameraFacts(model="file", serial=str(self._path), lights=(), exposure_range_us=None, live=False)

    def check(self) -> None:
        """Make sure that the folder or file is still there."""
        if not self._path.exists():
            raise CameraLostError(f"{self._path} is gone: put it back, or set [cameras] path to another")

    def take(self, order: Order) -> CameraFrame:
        """The next file, or the same one for a retake of the same trigger.

        Raises:
            CameraError: when the next file cannot be used, or all were shown and `loop` is off.
        """
        exposed_us = now_us()
        if self._is_video():
            return self._take_from_video(order, exposed_us)
        path = self._next_file(order.trigger_id)
        try:
            encoded = _read(path)
            width_px, height_px = _size(path, encoded)
        except CameraError:
            self.counts.malformed += 1
            raise
        return CameraFrame(
            encoded=encoded,
            pixels=None,
            width_px=width_px,
            height_px=height_px,
            camera_us=None,
            exposed_us=exposed_us,
            received_us=now_us(),
            exposure_us=order.exposure_us,
            gain_db=order.gain_db,
            light=order.light,
        )

    def close(self) -> None:
        """Close the video, where it is one."""
        if self._video is not None:
            self._video.release()
            self._video = None

    def _is_video(self) -> bool:
        return self._path.suffix.lower() in VIDEO_SUFFIXES

    def _files(self) -> list[Path]:
        """The image files, in order; read anew, so that files may be added while it runs."""
        try:
            if self._path.is_file():
                return [self._path]
            found = [path for path in self._path.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
        except OSError as error:
            raise CameraLostError(f"cannot look into {self._path} ({error.strerror}): set [cameras] path") from None
        return sorted(found, key=lambda path: _by_number(path.name))

    def _next_file(self, trigger_id: str | None) -> Path:
        files = self._files()
        if not files:
            raise CameraLostError(f"no image file in {self._path}: put some there ({', '.join(IMAGE_SUFFIXES)})")
        last = self._last_name
        same_part = trigger_id is not None and trigger_id == self._last_trigger
        if same_part and (shown := next((path for path in files if path.name == last), None)) is not None:
            return shown
        after = (path for path in files if last is None or _by_number(path.name) > _by_number(last))
        path = next(after, files[0] if self._loop else None)
        if path is None:
            raise CameraError(f"all {len(files)} files of {self._path} were shown: add files, or set loop = true")
        self._last_name = path.name
        self._last_trigger = trigger_id
        return path

    def _open_video(self) -> cv2.VideoCapture:
        if not self._path.is_file():
            raise CameraLostError(f"there is no video {self._path}: set [cameras] path to one")
        video = cv2.VideoCapture(str(self._path))
        if not video.isOpened():
            video.release()
            raise CameraLostError(f"cannot open the video {self._path}: it is damaged, or its codec is not known here")
        return video

    def _take_from_video(self, order: Order, exposed_us: int) -> CameraFrame:
        if self._video is None:
            raise CameraLostError(f"the video {self._path} is not open")
        found, pixels = self._video.read()
        if not found and self._loop:
            self.close()
            self._video = self._open_video()
            found, pixels = self._video.read()
        if not found:
            raise CameraError(f"the video {self._path} has ended: set loop = true to begin again")
        camera_us = int(self._video.get(cv2.CAP_PROP_POS_MSEC) * 1000)
        return CameraFrame(
            encoded=None,
            pixels=np.asarray(pixels, dtype=np.uint8),
            width_px=int(pixels.shape[1]),
            height_px=int(pixels.shape[0]),
            camera_us=camera_us,
            exposed_us=exposed_us,
            received_us=now_us(),
            exposure_us=order.exposure_us,
            gain_db=order.gain_db,
            light=order.light,
        )


def _by_number(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key that puts part2 before part10."""
    parts = re.split(r"(\d{1,18})", name)
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part)


def _read(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size == 0:
            raise CameraError(f"{path} is empty: it holds no frame")
        if size > MAX_FILE_BYTES:
            raise CameraError(f"{path} has {size} bytes, the limit is {MAX_FILE_BYTES}: it is no frame")
        return path.read_bytes()
    except OSError as error:
        raise CameraError(f"cannot read {path} ({error.strerror}): check its permissions") from None


def _size(path: Path, encoded: bytes) -> tuple[int, int]:
    """Width and height from the file's head; (0, 0) where it does not tell: the reader decodes, and judges, it all.

    A file that is none of the known formats is refused here, by name.
    """
    if encoded[:8] == b"\x89PNG\r\n\x1a\n":
        return (int.from_bytes(encoded[16:20], "big"), int.from_bytes(encoded[20:24], "big"))
    if encoded[:2] == b"\xff\xd8":
        return _jpeg_size(encoded)
    if encoded[:2] == b"BM":
        width, height = (int.from_bytes(encoded[at : at + 4], "little", signed=True) for at in (18, 22))
        return (width, abs(height))
    if (encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP") or encoded[:4] in {b"II*\0", b"MM\0*"}:
        return (0, 0)
    raise CameraError(f"{path} is not an image file, whatever its name says: remove it")


def _jpeg_size(encoded: bytes) -> tuple[int, int]:
    """Walk the segments to the start of frame (SOF0 to SOF15, of which C4, C8 and CC are none)."""
    at = 2
    while at + 9 < len(encoded) and encoded[at] == 0xFF:
        marker = encoded[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            return (int.from_bytes(encoded[at + 7 : at + 9], "big"), int.from_bytes(encoded[at + 5 : at + 7], "big"))
        at += 1 if marker == 0xFF else 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return (0, 0)
