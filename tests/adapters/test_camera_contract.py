"""What every kind of camera promises, held to by all of them, with the camera or its server really there."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from edge.adapters.camera import CameraFrame, CameraLostError, FrozenWatch, Order, now_us
from edge.errors import CameraError
from tests.camera_rigs.drawn import FileRig, SimulatedRig
from tests.camera_rigs.genicam import AravisRig, PylonRig
from tests.camera_rigs.rig import PATIENCE_S, Rig
from tests.camera_rigs.streams import RtspRig, UvcRig

#: By a thread, since pylon needs the signal that pytest-timeout would take.
pytestmark = pytest.mark.timeout(120, method="thread")


RIGS: dict[str, type[Rig]] = {
    "file": FileRig,
    "simulated": SimulatedRig,
    "rtsp": RtspRig,
    "uvc": UvcRig,
    "pylon": PylonRig,
    "aravis": AravisRig,
}


@pytest.fixture(scope="module")
def everything(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One rig, switched on once, since opening a camera takes a second or two."""
    rig = RIGS[request.param](tmp_path_factory.mktemp(request.param))
    try:
        opened(rig)
        yield rig
    finally:
        rig.camera.close()
        rig.close()


@pytest.fixture
def rig(everything: Rig) -> Rig:
    """The rig with its camera open, whatever the test before did."""
    try:
        everything.camera.check()
    except CameraError:
        opened(everything)
    return everything


def having(fault: str) -> pytest.MarkDecorator:
    """Every kind whose rig has this fault."""
    kinds = [kind for kind, made in RIGS.items() if getattr(made, fault) is not getattr(Rig, fault)]
    return pytest.mark.parametrize("everything", kinds, indirect=True)


def those_that(ability: str) -> pytest.MarkDecorator:
    """Every kind that is so."""
    return pytest.mark.parametrize("everything", [kind for kind in RIGS if getattr(RIGS[kind], ability)], indirect=True)


def opened(rig: Rig) -> None:
    """Open the camera as soon as it can be."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            rig.camera.open()
        except CameraError:
            assert time.monotonic() < end_s
            time.sleep(0.05)
        else:
            return


def take(rig: Rig, exposure_us: int = 1000, trigger_id: str = "t") -> CameraFrame:
    """One frame; a camera that was lost is opened again, as the capture process does."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return rig.camera.take(order(exposure_us, trigger_id))
        except CameraLostError:
            assert time.monotonic() < end_s
            opened(rig)
        except CameraError:
            assert time.monotonic() < end_s


def order(exposure_us: int = 1000, trigger_id: str = "t") -> Order:
    """An exposure."""
    return Order(exposure_us=exposure_us, gain_db=0.0, light="normal", trigger_id=trigger_id)


def is_fresh(rig: Rig, frame: CameraFrame, asked_us: int) -> bool:
    """Whether a frame was exposed after it was asked for, by its own word and by what it shows."""
    shown_us = rig.truth_us(frame)
    said = asked_us <= frame.exposed_us <= frame.received_us
    return said and (shown_us is None or frame.exposed_us <= shown_us <= frame.received_us)


@pytest.mark.parametrize("everything", RIGS, indirect=True)
def test_a_frame_is_never_older_than_its_order(rig: Rig) -> None:
    """Whatever queued up while nobody asked, a frame was exposed after its order, and says no later (L5)."""
    fresh = []
    for pause_s in (0.4, 0.0, 0.2):
        time.sleep(pause_s)
        asked_us = now_us()
        fresh.append(is_fresh(rig, take(rig), asked_us))

    assert fresh == [True] * 3


@those_that("sets_exposure")
def test_exposure_is_set_and_read_back(rig: Rig) -> None:
    """What the frame says of its exposure is what the camera itself says that it is set to."""
    said, set_us = [], []
    for exposure_us in (800, 2400):
        said.append(take(rig, exposure_us).exposure_us)
        set_us.append(rig.exposure_us())

    assert said == set_us == [800, 2400]


@pytest.mark.parametrize("everything", ["rtsp"], indirect=True)
def test_an_exposure_that_cannot_be_set_is_not_claimed(rig: Rig) -> None:
    """A camera whose exposure is set elsewhere says the settings' value, never the wish."""
    frame = take(rig, 800)

    assert (frame.exposure_us, frame.gain_db) == (4000, 3.0)


@having("exposures")
def test_one_order_is_one_exposure(rig: Rig) -> None:
    """A camera that is triggered exposes once for each order, and its frames count on by one."""
    before = rig.exposures()
    counters = [take(rig).counter or 0 for _ in range(3)]

    assert rig.exposures() - before == 3
    assert [after - counters[0] for after in counters] == [0, 1, 2]


@having("hold")
def test_silence_ends_and_what_was_held_never_stands_for_the_next(rig: Rig) -> None:
    """A frame that does not come is an error in time; one that comes late is not the next order's (L5, L3)."""
    rig.hold()
    begun_s = time.monotonic()
    with pytest.raises(CameraError):
        rig.camera.take(order())
    ended_s = time.monotonic()
    rig.release()
    asked_us = now_us()
    frame = take(rig)

    assert ended_s - begun_s < PATIENCE_S
    assert is_fresh(rig, frame, asked_us)


@having("lose")
def test_a_lost_camera_is_said_to_be_lost_and_comes_back(rig: Rig) -> None:
    """A camera that is gone is lost, stays lost while it is, and gives fresh frames when it is back."""
    rig.lose()
    with pytest.raises(CameraLostError):
        wait_for_loss(rig)
    rig.camera.close()
    with pytest.raises(CameraLostError):
        rig.camera.open()
    rig.bring_back()
    opened(rig)
    asked_us = now_us()

    assert is_fresh(rig, take(rig), asked_us)


def wait_for_loss(rig: Rig) -> None:
    """Ask until it is noticed."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        rig.camera.check()
        time.sleep(0.05)


@having("freeze")
def test_a_frozen_camera_is_seen(rig: Rig) -> None:
    """A camera that shows the same picture again is recognised, though its clock and counter go on (L5)."""
    watch = FrozenWatch()
    lively = [watch.is_frozen(take(rig)) for _ in range(3)]
    rig.freeze()
    end_s = time.monotonic() + PATIENCE_S
    while not (seen := watch.is_frozen(take(rig))) and time.monotonic() < end_s:
        pass
    rig.thaw()

    assert lively == [False] * 3
    assert seen


@having("damage")
def test_a_damaged_frame_is_never_a_frame(rig: Rig) -> None:
    """A frame that was damaged on its way is refused and counted; what is given afterwards is whole and fresh (L3)."""
    before = rig.camera.counts.malformed
    rig.damage()
    end_s = time.monotonic() + PATIENCE_S
    shown = []
    while rig.camera.counts.malformed == before and time.monotonic() < end_s:
        asked_us = now_us()
        try:
            shown.append(is_fresh(rig, rig.camera.take(order(trigger_id=str(asked_us))), asked_us))
        except CameraError:
            continue

    assert rig.camera.counts.malformed > before
    assert all(shown)
