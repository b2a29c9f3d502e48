"""Promises of the estimate of where text stands, and of the strips cut from it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.reading import Quad
from edge.vision.locate import Pixels, subject
from edge.vision.rectify import between, estimated_characters, moved, resized, size_of, strip, turned

TEXTS = ("MODEL AX-4711", "S/N 48151623", "400 V 50 Hz 3", "P 1.5 kW IP55")


def frame(scale: float, at: tuple[int, int], size: tuple[int, int] = (1200, 1920)) -> Pixels:
    """A frame with a block of text; capitals are 21 px high at scale 1."""
    image = np.full((*size, 3), 190, np.uint8)
    for row, text in enumerate(TEXTS):
        place = (at[0], at[1] + round(55 * scale * (row + 1)))
        cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (30, 30, 30), round(2 * scale), cv2.LINE_AA)
    return image


@given(st.sampled_from([1.0, 1.5, 2.0]), st.integers(60, 900), st.integers(40, 700))
@settings(max_examples=15, deadline=None)
def test_the_text_is_inside_and_its_height_is_told(scale: float, left: int, top: int) -> None:
    """The region holds the whole block of text, and the height of its capitals is right within a third."""
    found = subject(frame(scale, (left, top)))

    assert found.left <= left
    assert found.right >= left + round(200 * scale)
    assert found.top <= top + round(32 * scale)
    assert found.bottom >= top + round(220 * scale)
    assert found.text_height_px == pytest.approx(21 * scale, rel=0.35)


def test_a_small_block_leaves_the_rest_out() -> None:
    """What has no text round it is left out: that is where the time goes."""
    found = subject(frame(1.0, (700, 500)))

    assert (found.right - found.left) * (found.bottom - found.top) < 0.15 * 1920 * 1200


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (3000, 1), (480, 640)])
def test_without_text_the_whole_frame_is_the_subject(size: tuple[int, int]) -> None:
    """Nothing that looks like text leaves the choice open: the whole frame, no height."""
    found = subject(np.full((*size, 3), 77, np.uint8))

    assert (found.left, found.top, found.right, found.bottom) == (0, 0, size[1], size[0])
    assert found.text_height_px is None


def test_marks_are_as_strong_as_their_ink() -> None:
    """How far a character stands out of its ground is told in levels, faint print less than bold."""
    image = frame(1.5, (300, 300))
    cv2.putText(image, "FAINT PRINT", (300, 900), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (160, 160, 160), 3, cv2.LINE_AA)

    found = subject(image)

    of_faint = [strength for (_, y), strength in zip(found.middles, found.strengths, strict=True) if y > 800]
    of_bold = [strength for (_, y), strength in zip(found.middles, found.strengths, strict=True) if y < 700]
    assert np.median(of_bold) == pytest.approx(150, abs=30)
    assert np.median(of_faint) == pytest.approx(27, abs=8)


def test_a_strip_is_upright_whatever_the_box() -> None:
    """A strip cut along a turned box equals the one cut from the frame before it was turned."""
    image = frame(1.5, (300, 300))
    box: Quad = ((300.0, 330.0), (720.0, 330.0), (720.0, 395.0), (300.0, 395.0))
    height = image.shape[0]
    quarter = np.asarray(cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), np.uint8)
    first, second, third, fourth = ((height - 1 - y, x) for x, y in box)

    straight, cut = strip(image, box, 200, 32), strip(quarter, (first, second, third, fourth), 200, 32)

    assert np.abs(straight.astype(int) - cut.astype(int)).mean() < 4.0
    assert np.array_equal(strip(image, turned(turned(box)), 200, 32), straight)


def test_a_box_outside_the_frame_is_cut_without_error() -> None:
    """A box that lies outside gives a blank strip, one that hangs over the edge a whole one."""
    image = frame(1.0, (10, 10), (200, 300))

    outside = strip(image, ((400.0, 10.0), (500.0, 10.0), (500.0, 40.0), (400.0, 40.0)), 64, 32)
    over = strip(image, ((-20.0, 10.0), (150.0, 10.0), (150.0, 70.0), (-20.0, 70.0)), 64, 32)

    assert outside.shape == over.shape == (32, 64, 3)
    assert not outside.any()


def test_more_characters_are_estimated_as_more() -> None:
    """Twice the text is estimated at about twice the characters, and a plain strip at hardly any."""
    short, long = frame(1.0, (10, 10), (200, 900)), frame(1.0, (10, 10), (200, 900))
    cv2.putText(long, TEXTS[0], (270, 65), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (30, 30, 30), 2, cv2.LINE_AA)
    one = estimated_characters(strip(short, ((8.0, 38.0), (255.0, 38.0), (255.0, 72.0), (8.0, 72.0)), 232, 32))
    two = estimated_characters(strip(long, ((8.0, 38.0), (520.0, 38.0), (520.0, 72.0), (8.0, 72.0)), 480, 32))

    assert one == pytest.approx(13, rel=0.4)
    assert 1.6 < two / one < 2.4
    assert estimated_characters(np.full((32, 160, 3), 99, np.uint8)) < 2


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_part_of_a_box_lies_on_it(one: float, other: float) -> None:
    """A part of a box has its height and its share of the length, and moving keeps shares."""
    start, end = sorted((one, other))
    box: Quad = ((0.0, 0.0), (100.0, 0.0), (100.0, 20.0), (0.0, 20.0))

    length, height = size_of(moved(between(box, start, end), 2.0, 2.0, 5.0, 5.0))

    assert length == pytest.approx(200 * (end - start), abs=1e-6)
    assert height == pytest.approx(40.0)


def test_shrinking_keeps_the_mean() -> None:
    """A frame made smaller keeps its mean brightness: every pixel counts."""
    noise = np.random.default_rng(5).integers(0, 255, (600, 960, 3), np.uint8)

    small = resized(noise, 100, 60)

    assert small.shape == (60, 100, 3)
    assert small.mean() == pytest.approx(noise.mean(), abs=1.0)
