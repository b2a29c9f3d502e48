"""Promises of the search for codes that is begun early."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from edge.readers import frame_codes


def test_a_search_serves_its_own_frame_alone() -> None:
    """A search begun as text was located is used for that very frame; another frame, like it or not, gets its own."""
    frame = np.zeros((40, 60, 3), np.uint8)
    with ThreadPoolExecutor(max_workers=1) as beside:
        early = frame_codes.begun(frame, beside)

        same = frame_codes.begun(frame, beside, early)
        other = frame_codes.begun(frame.copy(), beside, early)
        unkept = frame_codes.begun(frame, beside, "kept by another reader")

    assert same is early
    assert other.image is not frame
    assert unkept is not early
    assert other.found.result()[0] == unkept.found.result()[0] == ()
