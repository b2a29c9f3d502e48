"""Whether a plate is there, told from a thumbnail: plates as drawn by the simulator against empty machines."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.core.presence import PresenceRules
from edge.vision.presence import moves, text_share, thumbnail
from simulator.drawing import Order, frames
from simulator.optics import Conditions, Pose, Settings, expose

RULES = PresenceRules()


def test_plates_are_told_from_empty_machines() -> None:
    """Every drawn plate is twice above the share that is a plate; every empty machine below that of an empty place."""
    plates = [text_share(_small(drawn.frame)) for drawn in frames(Order(seed=3), 12)]
    machines = [text_share(_small(_empty(str(seed), 0))) for seed in range(5)]

    assert min(plates) > 2 * RULES.appears_at
    assert max(machines) < RULES.vanishes_at / 2


def test_noise_is_no_movement_and_another_part_is() -> None:
    """Two frames of one scene stand still; a part that comes, or another one, moves; so does the first picture."""
    first, second = (_small(_empty("1", counter)) for counter in (1, 2))
    one, other = (_small(drawn.frame) for drawn in frames(Order(seed=3), 2))

    assert not moves(first, second)
    assert moves(first, one)
    assert moves(one, other)
    assert moves(None, one)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_an_image_file_is_looked_at_as_its_pixels_are(suffix: str) -> None:
    """A camera that gives image files is looked at as well; what is no image shows nothing."""
    (drawn,) = frames(Order(seed=3), 1)
    _, encoded = cv2.imencode(suffix, drawn.frame)
    small = thumbnail(None, encoded.tobytes())

    assert small is not None
    assert text_share(small) > 2 * RULES.appears_at
    assert thumbnail(None, b"no image") is None


def _small(frame: np.ndarray) -> np.ndarray:
    found = thumbnail(frame, None)
    assert found is not None
    return found


def _empty(seed: str, counter: int) -> np.ndarray:
    return expose(None, Pose(), Conditions(), Settings(), seed=seed, counter=counter)
