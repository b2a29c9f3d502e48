"""Promises of how strips are sized and how the detector's scores are laid out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.readers.lines.detector import _probability
from edge.readers.ocr import _ALIKE, _shared


@given(st.lists(st.integers(2, 200).map(lambda steps: 8 * steps), max_size=30))
def test_a_shared_width_never_takes_frames_away(widths: list[int]) -> None:
    """A strip gets the width it wants or a little more, never less, and never a width that no strip wants."""
    shared = _shared(widths)

    for wanted, given_px in zip(widths, shared, strict=True):
        assert wanted <= given_px <= wanted / _ALIKE
        assert given_px in widths


def test_a_square_of_scores_lies_where_it_was_seen() -> None:
    """Score 4 r + c of a square stands in its row r and column c, as a probability; far below zero it is 0."""
    scores = np.full((16, 2, 3), -1000.0, np.float32)
    scores[4 * 2 + 1, 1, 2] = 0.0

    laid = _probability(scores)

    assert laid.shape == (8, 12)
    assert laid[4 + 2, 8 + 1] == 0.5
    assert laid.sum() == np.float32(0.5)
