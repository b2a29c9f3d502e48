"""The two facts that make a camera's frames trustworthy: whose clock says what, and whether it still looks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.adapters.camera import CameraClock, CameraFrame, CameraLostError, FrozenWatch, Pixels

NOISE = np.random.default_rng(8)


def looked(counter: int | None, camera_us: int | None, pixels: Pixels | None = None) -> CameraFrame:
    """A frame with its own noise, unless pixels are given."""
    return CameraFrame(
        encoded=None,
        pixels=NOISE.integers(0, 255, (12, 16, 3), dtype=np.uint8) if pixels is None else pixels,
        width_px=16,
        height_px=12,
        camera_us=camera_us,
        exposed_us=0,
        received_us=0,
        exposure_us=500,
        gain_db=0.0,
        light="normal",
        counter=counter,
    )


@given(
    offset_us=st.integers(-(10**12), 10**12),
    drift_ppm=st.integers(-90, 90),
    trips=st.lists(st.tuples(st.integers(0, 50_000), st.integers(0, 50_000), st.integers(1, 5_000_000)), min_size=1),
    exposed_after_us=st.integers(-1_000_000, 60_000_000),
)
def test_an_exposure_is_never_mapped_later_than_it_was(
    offset_us: int, drift_ppm: int, trips: list[tuple[int, int, int]], exposed_after_us: int
) -> None:
    """Whatever the delays of the round trips and the drift, a frame never looks fresher than it is (L5)."""
    true_us = 5_000_000_000

    def camera_time(host_us: int) -> int:
        return offset_us + host_us + (host_us - 5_000_000_000) * drift_ppm // 1_000_000

    clock = CameraClock()
    for there_us, back_us, pause_us in trips:
        agreed = clock.add(true_us, camera_time(true_us + there_us), true_us + there_us + back_us)
        true_us += there_us + back_us + pause_us

        assert agreed
    exposed_us = true_us + exposed_after_us
    mapped_us = clock.earliest_us(camera_time(exposed_us))

    assert mapped_us <= exposed_us
    assert exposed_us <= mapped_us + clock.uncertainty_us(camera_time(exposed_us))


def test_the_tightest_round_trip_counts() -> None:
    """One quick round trip among slow ones gives the mapping its precision."""
    clock = CameraClock()
    for number, (there_us, back_us) in enumerate([(9000, 9000), (100, 100), (4000, 9000)]):
        sent_us = 1_000_000 + number * 20_000
        clock.add(sent_us, sent_us + there_us - 400_000, sent_us + there_us + back_us)
    uncertainty_us = clock.uncertainty_us(700_000)

    assert 200 <= uncertainty_us <= 260


def test_a_clock_that_jumped_is_noticed_and_believed_anew() -> None:
    """A camera that began anew contradicts its earlier clock; afterwards only the new one counts."""
    clock = CameraClock()
    agreed = [clock.add(1_000, 501_000, 1_200), clock.add(2_000, 502_100, 2_200), clock.add(3_000, 7, 3_200)]

    assert agreed == [True, True, False]
    assert 2_990 <= clock.earliest_us(7) <= 3_000


def test_a_clock_that_was_never_asked_maps_nothing() -> None:
    """Without a round trip there is no exposure time, and so no frame."""
    with pytest.raises(CameraLostError, match="never asked"):
        CameraClock().earliest_us(1)


def test_a_camera_that_looks_is_not_frozen() -> None:
    """Frames that differ by their noise alone are live."""
    watch = FrozenWatch()

    assert not any(watch.is_frozen(looked(number, number * 1000)) for number in range(100))


@pytest.mark.parametrize("earlier", [1, 5, 40])
def test_the_very_same_picture_again_is_frozen(earlier: int) -> None:
    """Equal pixels show a frozen camera, also when its counter and clock go on and other frames lay between (L5)."""
    watch = FrozenWatch()
    first = looked(0, 0)
    watch.is_frozen(first)
    for number in range(1, earlier):
        watch.is_frozen(looked(number, number * 1000))

    assert watch.is_frozen(replace(first, counter=earlier, camera_us=earlier * 1000))


@pytest.mark.parametrize(("counter", "camera_us"), [(7, 9000), (6, 9000), (9, 7000), (None, 7000), (7, None)])
def test_a_counter_or_clock_that_does_not_advance_is_frozen(counter: int | None, camera_us: int | None) -> None:
    """A frame counter or camera clock that stands, or runs back, shows a frozen camera whatever the pixels (L5)."""
    watch = FrozenWatch()
    watch.is_frozen(looked(7, 7000))

    assert watch.is_frozen(looked(counter, camera_us))


def test_darkness_is_not_freezing() -> None:
    """Frames of one single value (lens cap, clipped everywhere) may repeat; the gate judges them."""
    watch = FrozenWatch()
    dark = np.zeros((12, 16, 3), dtype=np.uint8)

    assert not any(watch.is_frozen(looked(number, number * 1000, dark)) for number in range(5))


def test_a_reopened_camera_may_count_anew_but_not_show_old_pictures() -> None:
    """After a reconnect counter and clock begin again; an old picture still shows a frozen camera (L5)."""
    watch = FrozenWatch()
    first = looked(90, 90_000)
    watch.is_frozen(first)
    watch.reopened()

    assert not watch.is_frozen(looked(0, 10))
    assert watch.is_frozen(replace(first, counter=1, camera_us=20))
