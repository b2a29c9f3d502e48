"""The camera's line of `edge check`, on a camera with memory and every fault, and on a real heartbeat."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.adapters.camera import CameraFrame, CameraLostError, Order
from edge.adapters.heartbeat import Heartbeat
from edge.commands.checks import camera, running
from edge.sections_cameras import FileCamera as Config
from tests.cameras import FakeCamera

GOOD = Config(kind="file", path=Path("/"), exposure_us=1000, exposure_min_us=200, exposure_max_us=4000)


class Told(FakeCamera):
    """A camera whose frames are changed before they are given."""

    def __init__(self, **changes: object) -> None:
        super().__init__()
        self._changes = changes

    def take(self, order: Order) -> CameraFrame:
        """The frame, changed."""
        return replace(super().take(order), **self._changes)  # type: ignore[arg-type] # a test names the fields


def test_a_camera_gives_two_real_frames_and_is_let_go() -> None:
    """A good camera is named, with its frame's size and age and its exposures; it is closed afterwards."""
    fake = FakeCamera()
    finding = camera.look(fake, GOOD)

    assert finding.level == "ok"
    assert "FAKE OMINOUS-1, 40 x 24 px" in finding.said
    assert "exposed 1000 µs of 100 to 5000" in finding.said
    assert (len(fake.orders), fake.closed) == (2, 1)
    assert finding.facts["age_ms"] >= 0


def test_a_frozen_camera_fails() -> None:
    """A live camera that gives one picture twice is frozen."""
    finding = camera.look(FakeCamera(frozen=True), GOOD)

    assert (finding.level, "frozen" in finding.do) == ("fail", True)


def test_a_frame_from_before_it_was_asked_for_fails() -> None:
    """A camera that hands out old frames is not triggered (L5)."""
    finding = camera.look(FakeCamera(late_us=5_000_000), GOOD)

    assert (finding.level, finding.do) == ("fail", "set the camera to trigger")


def test_a_camera_whose_clock_goes_ahead_fails() -> None:
    """A frame that was exposed in the future shows that the two clocks do not go together (L5)."""
    finding = camera.look(Told(exposed_us=2**62), GOOD)

    assert (finding.level, "clock" in finding.said) == ("fail", True)


def test_a_camera_that_is_lost_is_an_error_and_is_let_go() -> None:
    """A camera that gives no frame raises its own sentence, and is closed."""
    fake = FakeCamera(problem=CameraLostError("the cable is out"))
    with pytest.raises(CameraLostError, match="cable"):
        camera.look(fake, GOOD)

    assert fake.closed == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"exposure_max_us": 50_000}, "exposure_max_us is 50000, which it cannot do; set 100 to 5000"),
        ({"light": "ring"}, "light is ring, which it has not; set one of normal, diffuse"),
    ],
)
def test_what_the_camera_cannot_do_is_a_warning(change: dict[str, object], said: str) -> None:
    """A setting outside of what the camera can do is named, with what it can."""
    finding = camera.look(FakeCamera(), GOOD.model_copy(update=change))

    assert (finding.level, said in finding.do) == ("warn", True)


def test_an_exposure_that_was_not_done_is_a_warning() -> None:
    """A camera that exposes as it likes is told of."""
    finding = camera.look(Told(exposure_us=4000), GOOD)

    assert "exposure_us is 1000, and it did 4000" in finding.do


def test_a_black_frame_is_a_warning() -> None:
    """A cap on the lens is seen."""
    finding = camera.look(Told(pixels=np.zeros((24, 40, 3), np.uint8), encoded=None), GOOD)

    assert (finding.level, "black" in finding.do) == ("warn", True)


@pytest.mark.parametrize(
    ("facts", "level", "said"),
    [
        ({"state": "ready", "camera": {"model": "A"}, "frame_age_s": 2.5}, "ok", "last frame 2.5 s ago"),
        ({"state": "ready", "camera": {"model": "A"}, "frame_age_s": None}, "ok", "no frame taken yet"),
        ({"state": "lost", "problem": "no answer: see its cable"}, "fail", "runs and is lost"),
    ],
)
def test_a_camera_whose_process_runs_stays_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, object], level: str, said: str
) -> None:
    """Where the capture process runs, what it says counts, and the camera is not opened a second time."""
    monkeypatch.setattr(running, "HEAR_S", 20.0)
    heart, over = Heartbeat(tmp_path, "capture-front"), threading.Event()

    def beat() -> None:
        while not over.wait(0.01):
            heart.beat(**facts)

    thread = threading.Thread(target=beat)
    thread.start()
    # A camera that cannot be opened: the file is not there.
    try:
        finding = camera.check("front", GOOD.model_copy(update={"path": tmp_path / "absent"}), tmp_path)
    finally:
        over.set()
        thread.join()
        heart.close()

    assert (finding.level, said in finding.said) == (level, True)
