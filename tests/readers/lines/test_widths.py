"""Promises of how strips are sized, what the networks say of them, and how the detector's scores are laid out."""

from __future__ import annotations

from itertools import chain

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.readers.lines.detector import _probability
from edge.readers.lines.recogniser import HEIGHT_PX, RARE_WIDTHS_PX, WIDTHS_PX, Recogniser
from edge.readers.lines.weights import blob_of
from edge.readers.ocr import _STRETCHED, _compiled


@given(st.integers(2, 200).map(lambda steps: 8 * steps))
def test_a_width_never_takes_frames_away(wanted: int) -> None:
    """A strip gets the width it wants or a little more, never less, whatever other lines stand on the frame."""
    given_px = _compiled(wanted)

    assert wanted <= given_px <= wanted / _STRETCHED
    assert given_px in (*WIDTHS_PX, *RARE_WIDTHS_PX)


def test_a_network_for_one_width_says_what_that_for_any_says() -> None:
    """A reader that was warmed reads as one that was not, bit for bit: a replay decides as the line did."""
    recogniser, width = Recogniser(threads=2), WIDTHS_PX[3]
    strip = np.full((HEIGHT_PX, width, 3), 220, np.uint8)
    cv2.putText(strip, "AX-47", (4, 25), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (30, 30, 30), 2, cv2.LINE_AA)
    before = recogniser._network.run(1, blob_of(strip))[0].copy()

    recogniser._network.fix([(1, 3, HEIGHT_PX, width)])

    after = recogniser._network.run(1, blob_of(strip))[0]
    assert (1, 3, HEIGHT_PX, width) in recogniser._network._streams[1].fixed
    assert before.any()
    assert np.array_equal(before, after)


def test_what_the_head_says_of_a_frame_is_the_same_in_any_company() -> None:
    """How many frames go into the head together is chance, and changes no score."""
    recogniser = Recogniser(threads=1)
    features = np.random.default_rng(1).normal(0.0, 5.0, (150, 120)).astype(np.float32)
    together = recogniser._head.frames(0, features)

    starts = (0, 7, 20, 61, 62)
    apart = [recogniser._head.frames(0, part) for part in np.split(features, starts[1:])]

    assert any(frame.text for frame in together[0])
    assert together[0] == list(chain.from_iterable(frames for frames, _ in apart))
    assert together[1] == {
        start + at: frame for start, (_, letters) in zip(starts, apart, strict=True) for at, frame in letters.items()
    }


def test_a_square_of_scores_lies_where_it_was_seen() -> None:
    """Score 4 r + c of a square stands in its row r and column c, as a probability; far below zero it is 0."""
    scores = np.full((16, 2, 3), -1000.0, np.float32)
    scores[4 * 2 + 1, 1, 2] = 0.0

    laid = _probability(scores)

    assert laid.shape == (8, 12)
    assert laid[4 + 2, 8 + 1] == 0.5
    assert laid.sum() == np.float32(0.5)
