"""Promises of light and camera: each effect answers to exposure and light as a real one would."""

from __future__ import annotations

import numpy as np
import pytest

from simulator.material import Picture, surface
from simulator.optics import LIGHTS, Conditions, Pose, Sensor, Settings, expose, plate_share
from simulator.plate import design, draw

SENSOR = Sensor(640, 400)
PLATE: Picture = surface(draw(design("optics", layout="table", language="en")).ink, "label_white")


def shot(conditions: Conditions, exposure_us: int = 5000, light: str = "normal", gain_db: float = 0.0) -> Picture:
    """A frame of the plate under these conditions."""
    return expose(PLATE, Pose(), conditions, Settings(exposure_us, gain_db, light), SENSOR)


def clipped(frame: Picture) -> float:
    """Share of pixels at the sensor's limit."""
    return float(np.mean(frame.min(axis=2) >= 255))


def edges(frame: Picture) -> float:
    """How much neighbouring pixels differ along a row, against how bright the frame is."""
    grey = frame[:, :, 1].astype(np.float32)
    return float(np.abs(np.diff(grey, axis=1)).mean() / grey.mean())


def test_a_frame_is_decided_by_its_numbers() -> None:
    """The same numbers give the same bytes; another frame counter gives other noise, as in a live camera."""
    still = Conditions()
    frames = [expose(PLATE, Pose(), still, Settings(), SENSOR, counter=counter) for counter in (1, 1, 2)]

    assert np.array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[0], frames[2])


def test_glare_shrinks_with_exposure_and_goes_with_the_light() -> None:
    """A highlight's clipped share falls with each shorter exposure, and is gone with the lamp at the side."""
    mirrored = Conditions(glare=4.0, glare_y=0.25)

    shares = [clipped(shot(mirrored, exposure_us)) for exposure_us in (5000, 2500, 1500, 800)]

    assert shares[0] > 0.02
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < shares[0] / 4
    assert clipped(shot(mirrored, light="off_axis")) < 0.001
    assert clipped(shot(mirrored, light="diffuse")) < shares[0]


def test_fixed_glare_stays_under_every_light() -> None:
    """A highlight that is declared fixed is there under every light."""
    window = Conditions(glare=6.0, glare_y=0.25, fixed_glare=1.0)

    assert all(clipped(shot(window, light=light)) > 0.02 for light in LIGHTS)


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0])
def test_motion_blur_grows_with_exposure(degrees: float) -> None:
    """A moving plate is the sharper the shorter the exposure; a still one does not care."""
    moving = Conditions(speed_px_per_ms=6.0, motion_degrees=degrees, noise=0)
    still = Conditions(noise=0)

    sharp = [edges(shot(moving, exposure_us)) for exposure_us in (5000, 2000, 400)]

    assert sharp == sorted(sharp)
    assert sharp[-1] > 1.2 * sharp[0]
    assert edges(shot(still, 5000)) == pytest.approx(edges(shot(still, 2000)), rel=0.1)


def test_defocus_does_not_answer_to_exposure() -> None:
    """A frame out of focus stays so at any exposure."""
    blurred = Conditions(defocus_px=12, noise=0)

    assert edges(shot(blurred)) < 0.6 * edges(shot(Conditions(noise=0)))
    assert edges(shot(blurred, 2000)) == pytest.approx(edges(shot(blurred)), rel=0.15)


def test_exposure_and_gain_brighten_in_proportion() -> None:
    """Half the exposure gives half the grey, 6 dB of gain twice; a longer exposure makes up for a weak lamp."""
    dim = Conditions(0.3, noise=0)

    mean = shot(dim).mean()

    assert shot(dim, 2500).mean() == pytest.approx(mean / 2, rel=0.05)
    assert shot(dim, gain_db=6.02).mean() == pytest.approx(mean * 2, rel=0.05)
    assert shot(Conditions(0.1, noise=0), 50_000).mean() == pytest.approx(shot(Conditions(noise=0)).mean(), rel=0.05)


def test_haze_takes_contrast_under_its_light_only() -> None:
    """A veil that is declared for one light leaves the others clear."""
    veiled = Conditions(haze={"normal": 0.9}, noise=0)

    assert edges(shot(veiled)) < 0.4 * edges(shot(Conditions(noise=0)))
    assert edges(shot(veiled, light="diffuse")) == edges(shot(Conditions(noise=0), light="diffuse"))


def test_pose_puts_the_plate_where_it_says() -> None:
    """A plate out of the frame is cut off, a distant one is small, one turned by 180 degrees is upside down."""
    size = (PLATE.shape[1], PLATE.shape[0])

    whole = plate_share(size, Pose(), SENSOR)
    level = expose(PLATE, Pose(), Conditions(noise=0), Settings(light="diffuse"), SENSOR)
    turned = expose(PLATE, Pose(degrees=180), Conditions(noise=0), Settings(light="diffuse"), SENSOR)

    assert plate_share(size, Pose(x=0.0), SENSOR) == pytest.approx(whole * 0.5, rel=0.05)
    assert plate_share(size, Pose(width=0.375), SENSOR) == pytest.approx(whole / 4, rel=0.01)
    middle = np.s_[140:260, 120:520]
    assert np.abs(level[middle].astype(int) - turned[::-1, ::-1][middle].astype(int)).mean() < 12


def test_a_part_without_a_plate_shows_the_machine_only() -> None:
    """Without a plate there is nothing as bright as a label in the frame's middle."""
    bare = expose(None, Pose(), Conditions(), Settings(), SENSOR)

    assert bare[100:300, 160:480].max() < 190
