"""Bytes of a sensor in the formats that cameras name (PFNC of GenICam, four letters of V4L2) as H x W x 3 BGR pixels.

A buffer that is too short for its size is refused by its figures; it is never filled up. Of more than 8 bits the upper
8 are kept: a nameplate's contrast is far above what the lower bits hold.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.adapters.camera import Pixels
from edge.errors import CameraError

#: No sensor of a nameplate station is larger.
MAX_PIXELS = 100_000_000

#: Bits that a pixel has beyond 8, in formats that give each pixel two bytes (PFNC 2.4, table of formats).
_MORE_BITS = {"Mono10": 2, "Mono12": 4, "Mono14": 6, "Mono16": 8} | {
    f"Bayer{order}{bits}": bits - 8 for order in ("RG", "GR", "GB", "BG") for bits in (10, 12, 16)
}
#: OpenCV's older names of the Bayer orders are shifted by one pixel; these are the true ones.
_TO_BGR = {
    "Mono": cv2.COLOR_GRAY2BGR,
    "BayerRG": cv2.COLOR_BAYER_RGGB2BGR,
    "BayerGR": cv2.COLOR_BAYER_GRBG2BGR,
    "BayerGB": cv2.COLOR_BAYER_GBRG2BGR,
    "BayerBG": cv2.COLOR_BAYER_BGGR2BGR,
    "RGB": cv2.COLOR_RGB2BGR,
    "BGRa": cv2.COLOR_BGRA2BGR,
    "YUYV": cv2.COLOR_YUV2BGR_YUYV,
    "UYVY": cv2.COLOR_YUV2BGR_UYVY,
}
#: Bytes of one pixel as the buffer has them.
_BYTES = {"BGR8": 3, "RGB8": 3, "BGRa8": 4, "YUYV": 2, "UYVY": 2} | dict.fromkeys(_MORE_BITS, 2)

#: The numbers by which GigE Vision and USB3 Vision name the formats (PFNC 32-bit values).
PFNC_NAMES = {
    0x01080001: "Mono8",
    0x01100003: "Mono10",
    0x01100005: "Mono12",
    0x01100025: "Mono14",
    0x01100007: "Mono16",
    0x01080008: "BayerGR8",
    0x01080009: "BayerRG8",
    0x0108000A: "BayerGB8",
    0x0108000B: "BayerBG8",
    0x0110000C: "BayerGR10",
    0x0110000D: "BayerRG10",
    0x0110000E: "BayerGB10",
    0x0110000F: "BayerBG10",
    0x01100010: "BayerGR12",
    0x01100011: "BayerRG12",
    0x01100012: "BayerGB12",
    0x01100013: "BayerBG12",
    0x02180014: "RGB8",
    0x02180015: "BGR8",
    0x02200017: "BGRa8",
    0x0210001F: "UYVY",
    0x02100032: "YUYV",
}


def to_bgr(data: bytes | memoryview, pixel_format: str, width_px: int, height_px: int, row_bytes: int = 0) -> Pixels:
    """The pixels of one buffer; `row_bytes` is 0 where its rows follow each other without padding.

    Raises:
        CameraError: the format is not known here, or the buffer is no frame of that size.
    """
    family = pixel_format.rstrip("0123456789")
    if pixel_format != "BGR8" and family not in _TO_BGR:
        raise CameraError(
            f"the camera gives pixels as {pixel_format}, which edge does not know: set its PixelFormat to Mono8, "
            "BayerRG8 or BGR8"
        )
    if min(width_px, height_px) <= 0 or width_px * height_px > MAX_PIXELS:
        raise CameraError(f"the camera says that its frame has {width_px} x {height_px} px, which no frame has")
    each = _BYTES.get(pixel_format, 1)
    row_bytes = row_bytes or width_px * each
    needed = row_bytes * (height_px - 1) + width_px * each
    if row_bytes < width_px * each or len(data) < needed:
        raise CameraError(
            f"a frame of {width_px} x {height_px} px in {pixel_format} needs {needed} bytes, its buffer has "
            f"{len(data)}: it is refused"
        )
    rows = np.lib.stride_tricks.as_strided(
        np.frombuffer(data, dtype=np.uint8), (height_px, width_px * each), (row_bytes, 1), writeable=False
    )
    if pixel_format == "BGR8":
        return np.ascontiguousarray(rows).reshape(height_px, width_px, 3)
    if pixel_format in _MORE_BITS:
        wide: NDArray[np.uint16] = np.ascontiguousarray(rows).view("<u2")
        return _converted((wide >> _MORE_BITS[pixel_format]).astype(np.uint8), _TO_BGR[family])
    plane = np.ascontiguousarray(rows)
    return _converted(plane if each == 1 else plane.reshape(height_px, width_px, each), _TO_BGR[family])


def _converted(plane: Pixels, code: int) -> Pixels:
    try:
        return np.asarray(cv2.cvtColor(plane, code), dtype=np.uint8)
    except cv2.error:
        size = f"{plane.shape[1]} x {plane.shape[0]} px"
        raise CameraError(f"a frame of {size} cannot be of the format that the camera says: it is refused") from None
