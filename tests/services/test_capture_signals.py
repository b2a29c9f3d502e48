"""What the capture process has to do with signals: lights beside the camera, and plates that appear before it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from edge.adapters.camera import CameraCounts, CameraFacts, CameraFrame, Order, Pixels
from edge.adapters.camera_lights import LineLights, LitCamera
from edge.adapters.lights_link import LightLink, LightRequests
from edge.adapters.signals_link import Appeared, Listening, Teller
from edge.adapters.signals_modbus import ModbusLights, Plc
from edge.core.presence import PresenceRules
from edge.errors import CameraError
from edge.services.capture import Capture, Watching
from edge.services.capture_device import Defaults
from edge.services.signals_desks import LightDesk
from tests.plc import ModbusPlc
from tests.services.test_inspector import wait_for

COILS = {"normal": 32, "off_axis": 33}
ORDER = Order(exposure_us=1000, gain_db=0, light="off_axis", trigger_id=None)


@dataclass
class Stage:
    """A camera with a stage before it; it looks at what stands there, with the noise of a sensor."""

    shown: Pixels
    counts: CameraCounts = field(default_factory=CameraCounts)
    noise: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    orders: list[Order] = field(default_factory=list)

    def open(self) -> CameraFacts:
        """It is there."""
        return CameraFacts("stage", "1", (), None, live=True)

    def check(self) -> None:
        """It answers."""

    def take(self, order: Order) -> CameraFrame:
        """One look, with other noise than any before."""
        self.orders.append(order)
        pixels = np.clip(self.shown + self.noise.normal(0, 2, self.shown.shape), 0, 255).astype(np.uint8)
        now_us = time.monotonic_ns() // 1000
        height, width = pixels.shape[:2]
        return CameraFrame(None, pixels, width, height, None, now_us, now_us, order.exposure_us, 0.0, "as it is")

    def close(self) -> None:
        """For the protocol."""


def empty() -> Pixels:
    """A grey table."""
    return np.full((240, 320, 3), 90, np.uint8)


def plate() -> Pixels:
    """A plate on the table: many short strokes side by side."""
    frame = empty()
    strokes = np.random.default_rng(3).integers(0, 2, (50, 90), dtype=np.uint8) * 200
    frame[70:170, 70:250] = np.kron(strokes, np.ones((2, 2), np.uint8))[..., None]
    return frame


@pytest.fixture
def context() -> Iterator[zmq.Context[Any]]:
    """One context for both ends."""
    made: zmq.Context[Any] = zmq.Context()
    yield made
    made.term()


def test_one_plate_is_one_trigger(tmp_path: Path, context: zmq.Context[Any]) -> None:
    """A plate that is put down appears once, however often it is looked at; put down again, once more (L1)."""
    stage, over = Stage(empty()), threading.Event()
    listening = Listening(tmp_path, context=context)
    watching = Watching("eye", PresenceRules(), Teller(tmp_path, context=context), every_ms=20)
    capture = Capture(tmp_path, "top", stage, Defaults(1000, 0, "normal"), watching=watching, context=context)
    thread = threading.Thread(target=capture.run, args=(over,))
    thread.start()
    appeared: list[int] = []
    for shown in (empty(), plate(), empty(), plate()):
        stage.shown, looks = shown, len(stage.orders)
        wait_for(lambda looks=looks: len(stage.orders) >= looks + 15)  # type: ignore[misc]
        news = list(iter(listening.receive, None))
        assert all(isinstance(one, Appeared) and one.source == "eye" for one in news)
        appeared.append(len(news))
    over.set()
    thread.join()
    listening.close()

    assert appeared == [0, 1, 0, 1]


@dataclass
class Lamp:
    """A switch with memory, which can be broken."""

    on: list[str] = field(default_factory=list)
    broken: bool = False

    def switch(self, light: str) -> None:
        """Switch, or fail."""
        if self.broken:
            raise CameraError(f"light {light} could not be switched: the lamp is broken")
        self.on.append(light)

    def close(self) -> None:
        """For the protocol."""


def test_a_frame_says_the_light_that_was_on() -> None:
    """The light is switched before each frame, and the frame says it, whatever the camera itself would say."""
    lamp, stage = Lamp(), Stage(plate())
    camera = LitCamera(stage, lamp, ["normal", "off_axis"], settle_ms=1)
    facts = camera.open()
    frame = camera.take(ORDER)

    assert (facts.lights, frame.light, lamp.on) == (("normal", "off_axis"), "off_axis", ["off_axis"])


def test_no_light_no_frame() -> None:
    """A light that could not be switched gives no frame: it would be judged as taken in another light (L3)."""
    stage = Stage(plate())
    camera = LitCamera(stage, Lamp(broken=True), ["normal", "off_axis"], settle_ms=0)
    camera.open()
    with pytest.raises(CameraError, match="light off_axis could not be switched"):
        camera.take(ORDER)

    assert stage.orders == []


@dataclass
class Features:
    """The lines of a GenICam camera, by SFNC's names; with memory."""

    has_off: bool = True
    selected: str = ""
    sources: dict[str, str] = field(default_factory=dict)

    def choose(self, name: str, value: str) -> bool:
        """Set an enumeration that the camera has."""
        if name == "LineSelector":
            self.selected = value
            return value in {"Line2", "Line3"}
        if name == "LineSource" and (value != "Off" or self.has_off):
            self.sources[self.selected] = value
            return True
        return name == "UserOutputSelector" and value == "UserOutput1"

    def switch(self, name: str, *, on: bool) -> bool:
        """Switch a feature that it has."""
        return name == "UserOutputValue" and not on


@pytest.mark.parametrize(("has_off", "dark"), [(True, "Off"), (False, "UserOutput1")])
def test_a_cameras_own_lines_flash_with_the_exposure(has_off: bool, dark: str) -> None:
    """The light's line follows the exposure, the others are dark: by Off, or by a user output that is not set."""
    features = Features(has_off)
    lights = LineLights(features, {"normal": "Line2", "off_axis": "Line3"})
    lights.switch("off_axis")
    first = dict(features.sources)
    lights.switch("normal")

    assert first == {"Line2": dark, "Line3": "ExposureActive"}
    assert features.sources == {"Line2": "ExposureActive", "Line3": dark}
    with pytest.raises(CameraError, match="no line Line9"):
        LineLights(features, {"normal": "Line9"}).switch("normal")


@pytest.fixture
def lit(tmp_path: Path, context: zmq.Context[Any]) -> Iterator[tuple[LightLink, ModbusPlc, LightDesk]]:
    """The way from the capture process to a lamp at a coil of a PLC."""
    plc = ModbusPlc()
    desk = LightDesk(
        ModbusLights(Plc("127.0.0.1", plc.port, timeout_ms=300), COILS), LightRequests(tmp_path, context=context)
    )
    desk.start()
    link = LightLink(tmp_path, timeout_ms=5000, context=context)
    yield link, plc, desk
    link.close()
    desk.close(patience_s=20)
    plc.close()


def test_a_light_at_the_plc_is_on_when_the_capture_process_goes_on(lit: tuple[LightLink, ModbusPlc, LightDesk]) -> None:
    """From one process through the other to the coil: when the answer is there, so is the light."""
    link, plc, desk = lit
    shown = []
    for light in ("off_axis", "off_axis", "normal"):
        link.switch(light)
        shown.append(plc.coils(32, 2))

    assert shown == [[False, True], [False, True], [True, False]]
    assert desk.counts["switched"] == 2


def test_a_light_whose_plc_is_away_is_told_in_time(lit: tuple[LightLink, ModbusPlc, LightDesk]) -> None:
    """Without its PLC a light is a CameraError with the PLC's own sentence, and works again once the PLC is back."""
    link, plc, desk = lit
    link.switch("normal")
    plc.stop()
    with pytest.raises(CameraError, match="light off_axis could not be switched: the PLC at"):
        link.switch("off_axis")
    plc.start()
    wait_for(lambda: desk.counts["away"] and desk.state == "open")
    link.switch("off_axis")

    assert plc.coils(32, 2) == [False, True]


def test_without_a_signals_process_a_light_is_refused_in_its_time(tmp_path: Path, context: zmq.Context[Any]) -> None:
    """Nobody there: the answer is a CameraError that says where to look, and it comes."""
    link = LightLink(tmp_path, timeout_ms=50, context=context)
    with pytest.raises(CameraError, match="not switched within 50 ms: see the log of `edge signals`"):
        link.switch("normal")
    link.close()
