"""Measures of a field's own pixels that no language has a part in: what might tell a misread that says 1.00."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from edge.core.reading import Quad
from edge.readers.reader import Image
from edge.vision.rectify import size_of, strip

_HEIGHT_PX = 32


def measures(image: Image, box: Quad) -> Mapping[str, float]:
    """Measure the strip of a box by name.

    Height in px of the frame; contrast in grey levels; steepness of the steepest edges as a share of the contrast for
    each pixel; and the shares of pixels that are clipped, black, and neither ink nor ground (0 to 1).
    """
    length, height = size_of(box)
    cut = strip(image, box, max(8, round(_HEIGHT_PX * length / max(height, 1.0))), _HEIGHT_PX)
    grey = cv2.cvtColor(cut, cv2.COLOR_BGR2GRAY).astype(np.float32)
    low, high = (float(level) for level in np.percentile(grey, (5, 95)))
    steps = np.abs(np.diff(grey, axis=1))
    between = (grey > low + 0.3 * (high - low)) & (grey < high - 0.3 * (high - low))
    return {
        "height_px": round(height, 2),
        "contrast": round(high - low, 2),
        "steepness": round(float(np.percentile(steps, 98)) / (high - low + 1.0), 4),
        "clipped": round(float((grey >= 250).mean()), 4),
        "dark": round(float((grey <= 12).mean()), 4),
        "between": round(float(between.mean()), 4),
    }
