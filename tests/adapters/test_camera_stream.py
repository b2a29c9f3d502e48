"""When a frame of a stream was exposed, and what a stream that ends or never returns does."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.adapters.camera import CameraFacts, CameraLostError, Order, now_us
from edge.adapters.camera_stream import Applied, StreamCamera, StreamClock, StreamFrame
from edge.errors import CameraError

ORDER = Order(exposure_us=900, gain_db=0.0, light="normal", trigger_id="t")
LATENCY_US = 150_000


@given(
    offset_us=st.integers(-(10**12), 10**12),
    drift_ppm=st.integers(-90, 90),
    frames=st.lists(st.tuples(st.integers(10_000, 5_000_000), st.integers(0, 8_000_000)), min_size=1, max_size=60),
    fastest_us=st.integers(0, LATENCY_US),
)
def test_a_frame_of_a_stream_never_looks_fresher_than_it_is(
    offset_us: int, drift_ppm: int, frames: list[tuple[int, int]], fastest_us: int
) -> None:
    """Whatever delays, stalls and drift there are, no frame is placed after its exposure, if one is quick (L5)."""
    clock = StreamClock(LATENCY_US)
    true_us, arrived_us = 5_000_000_000, 0
    arrivals: list[tuple[int, int]] = []
    for number, (pause_us, delay_us) in enumerate(frames):
        true_us += pause_us
        arrived_us = max(arrived_us, true_us + (fastest_us if number % 4 == 0 else delay_us))
        arrivals.append((arrived_us, arrived_us - true_us))
        placed_us = clock.exposed_us(true_us + offset_us + true_us * drift_ppm // 1_000_000, arrived_us)
        within = [delay for at, delay in arrivals if at >= arrived_us - StreamClock.WINDOW_US]

        assert placed_us <= true_us or min(within) > LATENCY_US


def test_a_frame_that_was_held_up_is_as_old_as_it_is() -> None:
    """After a stall everything arrives at once, and only the newest is new (L5)."""
    clock = StreamClock(LATENCY_US)
    for at_us in range(0, 1_000_000, 40_000):
        clock.exposed_us(at_us, at_us + 100_000)
    stalled = [clock.exposed_us(at_us, 3_000_000) for at_us in range(1_000_000, 3_000_000, 500_000)]

    assert stalled == pytest.approx([950_000, 1_450_000, 1_950_000, 2_450_000], abs=1000)


class Film:
    """A source with memory: it gives what is put in, ends, raises or hangs as it is told."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        self.hang = threading.Event()
        self.hang.set()
        self.number = 0
        self.opened = 0
        self.closed = 0

    def open(self) -> CameraFacts:
        """Be there."""
        self.opened += 1
        return CameraFacts("FILM", "1", (), None, live=True)

    def apply(self, order: Order) -> Applied:
        """Take the wish for the deed."""
        return Applied(order.exposure_us, order.gain_db)

    def read(self) -> StreamFrame | None:
        """A frame each millisecond."""
        threading.Event().wait(0.001)
        self.hang.wait()
        if self.problem is not None:
            raise self.problem
        self.number += 1
        at_us = now_us()
        return StreamFrame(None, lambda: np.zeros((2, 2, 3), dtype=np.uint8), 2, 2, at_us, at_us, at_us, self.number)

    def close(self) -> None:
        """Let go."""
        self.closed += 1


def test_a_stream_that_ends_is_lost_and_opened_again() -> None:
    """What ended the stream is told to whoever takes, and after an opening frames come again."""
    film = Film()
    camera = StreamCamera(film, take_timeout_ms=2000)
    camera.open()
    film.problem = CameraLostError("the stream ended")
    with pytest.raises(CameraLostError, match="the stream ended"):
        camera.take(ORDER)
    film.problem = None
    camera.open()
    frame = camera.take(ORDER)
    camera.close()

    assert frame.pixels is not None
    assert film.opened == 2


@pytest.mark.parametrize("problem", [ValueError("no such plane"), MemoryError("frame")])
def test_whatever_a_driver_raises_is_a_lost_camera(problem: Exception) -> None:
    """An error that no driver should raise ends the stream by its name, and is never a frame (L3)."""
    film = Film()
    film.problem = problem
    camera = StreamCamera(film, take_timeout_ms=2000)
    camera.open()
    with pytest.raises(CameraLostError, match=f"failed with {type(problem).__name__}"):
        camera.take(ORDER)
    camera.close()


def test_silence_is_a_missed_frame_and_then_a_lost_camera() -> None:
    """No frame in time is an error and counted; a stream that is silent for longer is lost."""
    film = Film()
    camera = StreamCamera(film, take_timeout_ms=50, silent_after_s=0.5)
    camera.open()
    camera.take(ORDER)
    film.hang.clear()
    with pytest.raises(CameraError, match="no frame exposed after the order") as missed:
        camera.take(ORDER)
    threading.Event().wait(0.6)
    with pytest.raises(CameraLostError, match="nothing came from the camera"):
        camera.check()
    film.hang.set()
    camera.close()

    assert not isinstance(missed.value, CameraLostError)
    assert camera.counts.missed == 1


def test_a_reading_thread_that_never_returns_is_never_passed_by() -> None:
    """Opening again waits for the thread that hangs in the driver, so that the process ends and frees what it holds."""
    film = Film()
    camera = StreamCamera(film, take_timeout_ms=50)
    camera.open()
    film.hang.clear()
    camera.close()
    again = threading.Thread(target=camera.open, daemon=True)
    again.start()
    again.join(0.3)
    waits = again.is_alive()
    film.hang.set()
    again.join(20)
    camera.close()

    assert waits
    assert film.opened == 2
