"""How much of a picture is covered by edges as dense as text's: a plate in the camera's view, told in a millisecond.

No network runs, and nothing is read: a thumbnail, its edges, and how dense they lie. A plate is many short strokes side
by side; a table, a conveyor or a housing has few edges, far apart. Real plates that fill their picture: 7 to 69 % (31
photographs), drawn ones: 14 % and more, empty machines: 0; 0.7 ms a look on one core (tests/vision/test_presence.py).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

#: Longer side of the thumbnail; at 320 px the text of a plate that fills a third of the picture is still strokes.
THUMBNAIL_PX = 320
#: An edge is a difference to the neighbour of more than this, of 255: above the noise of a thumbnail, which averages.
_EDGE = 20
#: A place is dense where this share of the 9 x 9 px round it are edges.
_DENSE = 0.30
#: A picture that changed by more than this on average, of 255, since the last look moves; noise alone: 0.3.
_MOVES = 3.0


def thumbnail(pixels: Pixels | None, encoded: bytes | None) -> Pixels | None:
    """A small grey picture; None where the bytes are no image."""
    if pixels is None:
        pixels = _decoded(encoded or b"")
        if pixels is None:
            return None
    rows, columns = pixels.shape[:2]
    shrink = max(1.0, max(rows, columns) / THUMBNAIL_PX)
    size = (max(1, round(columns / shrink)), max(1, round(rows / shrink)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if shrink > 1 else pixels
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY) if small.ndim == 3 else small, np.uint8)


def text_share(small: Pixels) -> float:
    """The share of a thumbnail (0 to 100) that has edges as dense as text's."""
    edges = cv2.morphologyEx(small, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8)) > _EDGE
    density = cv2.boxFilter(edges.astype(np.float32), -1, (9, 9))
    return float((density > _DENSE).mean() * 100)


def moves(before: Pixels | None, now: Pixels) -> bool:
    """Whether the picture changed since the thumbnail before; a first one is taken to move."""
    if before is None or before.shape != now.shape:
        return True
    return float(cv2.absdiff(before, now).mean()) > _MOVES


def _decoded(encoded: bytes) -> Pixels | None:
    # A JPEG is decoded at a quarter of its size, which costs a fraction of the whole.
    data = np.frombuffer(encoded, np.uint8)
    small = cv2.imdecode(data, cv2.IMREAD_REDUCED_GRAYSCALE_4) if data.size else None
    return None if small is None else np.asarray(small, np.uint8)
