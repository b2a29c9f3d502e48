"""Promises of the detector's boxes, on maps made by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.readers.lines.detector import boxes_of
from edge.readers.lines.weights import Tensor
from edge.vision.rectify import size_of


def core(angle_deg: float, length: float = 120.0, height: float = 10.0) -> Tensor:
    """A probability map with one line's core at an angle."""
    probability = np.zeros((256, 256), np.float32)
    corners = cv2.boxPoints(((128.0, 128.0), (length, height), angle_deg))
    cv2.fillPoly(probability, [corners.astype(np.int32)], (0.9,))
    return probability


@given(st.floats(-40, 40))
@settings(max_examples=30, deadline=None)
def test_a_box_follows_its_line(angle_deg: float) -> None:
    """A line tilted up to 40 degrees gets one box along it, first corner at its beginning, higher than its core."""
    (box,) = boxes_of(core(angle_deg))

    (x0, y0), (x1, y1), _, _ = box.quad
    length, height = size_of(box.quad)
    assert np.degrees(np.arctan2(y1 - y0, x1 - x0)) == pytest.approx(angle_deg, abs=3.0)
    assert length > 120
    assert 1.5 * 10 < height < 2.5 * 10


def test_a_standing_line_reads_downwards() -> None:
    """A line that stands is boxed along its length, to be read from its top until the recogniser says otherwise."""
    (box,) = boxes_of(core(90.0))

    length, height = size_of(box.quad)
    assert length > 3 * height
    assert box.quad[1][1] > box.quad[0][1]


def beside(length: float, height: float, *, standing: bool) -> Tensor:
    """A map with a long line, and a core of this size beside it."""
    probability = np.zeros((256, 256), np.float32)
    long = ((40.0, 128.0), (10.0, 150.0), 0.0) if standing else ((128.0, 40.0), (150.0, 10.0), 0.0)
    for rectangle in (long, ((160.0, 160.0), (length, height), 0.0)):
        cv2.fillPoly(probability, [cv2.boxPoints(rectangle).astype(np.int32)], (0.9,))
    return probability


@pytest.mark.parametrize("standing", [True, False])
@pytest.mark.parametrize(("along", "across"), [(14.0, 10.0), (7.0, 12.0)])
def test_a_short_line_runs_as_the_long_ones_do(along: float, across: float, standing: bool) -> None:
    """A sign for number, or one narrow figure, is read in the direction of the lines beside it."""
    length, height = (across, along) if standing else (along, across)
    boxes = boxes_of(beside(length, height, standing=standing))

    (x0, y0), (x1, y1), _, _ = min((box.quad for box in boxes), key=lambda quad: max(size_of(quad)))
    down, right = y1 - y0, x1 - x0
    assert (down > abs(right)) if standing else (right > abs(down))


@pytest.mark.parametrize("probability", [np.zeros((64, 64)), np.full((64, 64), 0.29), np.eye(64) * 0.4])
def test_faint_maps_hold_no_line(probability: Tensor) -> None:
    """What the network hardly believes in is no line."""
    assert boxes_of(probability.astype(np.float32)) == []
