"""A frame that is drawn, and what it says: what a reader is warmed with, and must read to show that it reads."""

from __future__ import annotations

import cv2
import numpy as np

from edge.readers.reader import Image

#: What the drawn frame says; not all of it must be read, since a small model may miss a character.
DRAWN = ("AX-4711", "12345678AB")


def drawn_frame() -> Image:
    """A frame with two lines of text, 600 x 960 px."""
    frame = np.full((600, 960, 3), 200, np.uint8)
    for row, text in enumerate((f"MODEL {DRAWN[0]}", f"S/N {DRAWN[1]}")):
        cv2.putText(frame, text, (150, 250 + 90 * row), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (30, 30, 30), 3, cv2.LINE_AA)
    return frame


def drawn_png() -> bytes:
    """The same, as a camera's frame comes to a server."""
    return cv2.imencode(".png", drawn_frame())[1].tobytes()


def says_drawn(text: str) -> bool:
    """Whether what was read is what the drawn frame says, as far as must be."""
    return any(part in text for part in DRAWN)
