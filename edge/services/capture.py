"""The capture process: one camera, one loop. Orders come in, the newest frame goes out, and silence never lasts.

What it promises:

1. Every take that arrives is answered: by its frame, or by a `FrameFailure` that names the cause, at the latest when
   the take's time is over, also while the camera's driver does not return.
2. A driver that does not return even then ends this process (exit 1); the service manager starts it anew. Until then
   the watchdog gets no sign of progress.
3. A camera that is lost is opened again with growing pauses, and at once when a take asks for it.
4. A late frame (exposed before its trigger) and a frozen camera are passed on with the truth; the core judges (L5).
5. Between takes it looks through the camera where a plate that appears is a trigger; a take never waits for more than
   one look.
6. No frames and no takes queue up here: the newest take waits while the camera is busy, older ones are `superseded`.
"""

from __future__ import annotations

import faulthandler
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
import zmq

from edge import sections_cameras, sections_signals
from edge.adapters import sockets, systemd
from edge.adapters.camera import Camera, now_us
from edge.adapters.camera_aravis import AravisLink
from edge.adapters.camera_file import FileCamera
from edge.adapters.camera_genicam import GenicamCamera
from edge.adapters.camera_lights import LineLights, LitCamera
from edge.adapters.camera_pylon import PylonLink
from edge.adapters.camera_rtsp import RtspSource
from edge.adapters.camera_simulated import SimulatedCamera
from edge.adapters.camera_stream import StreamCamera
from edge.adapters.camera_uvc import UvcSource, by_id
from edge.adapters.frames import Frame, FrameFailure, FramePublisher, Take
from edge.adapters.heartbeat import Heartbeat
from edge.adapters.lights_link import LightLink
from edge.adapters.signals_link import Teller
from edge.core.presence import Presence, PresenceRules
from edge.errors import CameraError, ConfigError
from edge.sections_cameras import Camera as CameraSettings
from edge.services.capture_device import CaptureDevice, Defaults, Done, EvidenceFormat, Limits
from edge.services.stop import Stop, asked_by
from edge.settings import Settings

log = structlog.get_logger()

#: The loop looks at everything at least this often.
TURN_MS = 200
#: While nothing is taken, the camera is asked for a sign of life this often.
CHECK_EVERY_S = 1.0
#: After a take there is no look for so long: the inspection may want the next frame, in another light.
NO_LOOK_AFTER_TAKE_S = 0.5
#: Pauses between two tries to open a lost camera: the first, and the longest.
REOPEN_FIRST_S, REOPEN_LONGEST_S = 0.1, 5.0
#: A driver that has not given its frame so long after the take's time will not: end the process. A lost GigE camera
#: takes 2.5 s to be noticed (Aravis), with a take's time of 1 s. It all ends in a new process within 5 s: 1 + 2, and 1
#: for the start.
WEDGED_AFTER_TAKE_S = 2.0
#: Where even the interpreter stands still (a driver that blocks and holds its lock), the process ends after this long.
STUCK_AFTER_S = 4.0
#: A clean stop waits this long for the driver.
STOP_PATIENCE_S = 1.0


class Watching:
    """A trigger that is a plate in the camera's picture: its name, how often is looked, and who is told."""

    def __init__(self, source: str, rules: PresenceRules, teller: Teller, *, every_ms: int) -> None:
        self._source, self._teller = source, teller
        self._presence = Presence(rules)
        self.every_s = every_ms / 1000

    def note(self, look: tuple[float, bool]) -> bool:
        """Note one look; tell where a plate has appeared."""
        share, still = look
        appeared = self._presence.look(share, still=still)
        if appeared:
            self._teller.appeared(self._source, now_us())
        return appeared

    def close(self) -> None:
        """Fall silent."""
        self._teller.close()


class Capture:
    """One camera's process; `run` is its loop."""

    def __init__(
        self,
        runtime_dir: Path,
        name: str,
        camera: Camera,
        defaults: Defaults,
        *,
        evidence_format: EvidenceFormat = "jpeg",
        limits: Limits | None = None,
        stuck_after_s: float | None = None,
        watching: Watching | None = None,
        context: sockets.Context | None = None,
    ) -> None:
        self._name = name
        self._watching = watching
        self._look_at_s = 0.0
        self._stuck_after_s = stuck_after_s
        self._publisher = FramePublisher(runtime_dir, name, context=context)
        self._heartbeat = Heartbeat(runtime_dir, f"capture-{name}", context=context)
        self._device = CaptureDevice(camera, defaults, evidence_format, limits=limits)
        self._camera_counts: Mapping[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._current: Take | None = None
        self._next: Take | None = None
        self._camera_facts: dict[str, Any] = {}
        self._camera_state = "starting"
        self._problem = ""
        self._pause_s = REOPEN_FIRST_S
        self._check_at_s = 0.0
        self._last_frame_us: int | None = None

    def run(self, stop: Stop) -> None:
        """Serve takes until `stop`.

        Raises:
            CameraError: when the camera's driver does not return.
        """
        stopped = asked_by(stop)
        poller = zmq.Poller()
        poller.register(self._publisher.socket, zmq.POLLIN)
        poller.register(self._device.wake.fd, zmq.POLLIN)
        try:
            while not stopped():
                self._turn()
                poller.poll(self._wait_ms())
            systemd.notify_stopping()
        finally:
            self._close()

    def _turn(self) -> None:
        """Look once at everything: what the camera did, what is asked, whose time is over, who wants to know."""
        while (done := self._device.finished()) is not None:
            self._note(done)
        self._accept(self._publisher.receive())
        self._expire()
        if not self._device.busy:
            self._start_next()
        wedged_share = self._device.wedged_share()
        if wedged_share > 1:
            raise CameraError(
                f"the driver of camera {self._name} has not returned for {self._device.busy_for_s():.1f} s: "
                "ending this process, so that it is started anew"
            )
        if self._heartbeat.due():
            self._beat()
        if wedged_share < 0.5:
            systemd.notify_progress()
        if self._stuck_after_s is not None:
            # A timer of C, set anew by each turn: it ends the process also where no line of Python is run any more.
            faulthandler.dump_traceback_later(self._stuck_after_s, exit=True)

    def _accept(self, takes: list[Take]) -> None:
        for take in takes:
            if self._current is not None and take.take_id == self._current.take_id:
                self._current = take  # the same order again, after a reconnect: the answer goes to the new connection
                continue
            if self._next is not None and take.take_id != self._next.take_id:
                if take.is_look and not self._next.is_look:
                    self._answer(take, take.failure("superseded", "a part waits for its frame"))
                    continue
                self._answer(self._next, self._next.failure("superseded", "a newer take came before this one began"))
            self._next = take

    def _expire(self) -> None:
        now = now_us()
        if self._current is not None and now >= self._current.expires_us:
            waited = f"camera {self._name} gave no frame in time"
            self._answer(self._current, self._current.failure("camera_timeout", waited))
            self._current = None
        if self._next is not None and now >= self._next.expires_us:
            if self._device.busy:
                busy = f"camera {self._name} has been busy for {self._device.busy_for_s():.1f} s with something else"
                self._answer(self._next, self._next.failure("camera_timeout", busy))
            else:
                self._answer(self._next, self._next.failure("expired", "the take came after its time was over"))
            self._next = None

    def _start_next(self) -> None:
        if self._next is not None:
            self._current, self._next = self._next, None
            self._look_at_s = time.monotonic() + NO_LOOK_AFTER_TAKE_S
            self._device.start(self._current)
        elif self._watching is not None and self._camera_state == "open" and time.monotonic() >= self._look_at_s:
            self._look_at_s = time.monotonic() + self._watching.every_s
            self._device.start("look")
        elif time.monotonic() >= self._check_at_s:
            self._device.start("check")

    def _note(self, done: Done) -> None:
        """The camera did something: pass its frame on, and remember how the camera is."""
        self._camera_counts = done.counts
        if done.facts is None:
            self._note_lost(done.problem)
        else:
            self._check_at_s = time.monotonic() + CHECK_EVERY_S
            if self._camera_state != "open":
                self._camera_facts = {"model": done.facts.model, "serial": done.facts.serial}
                log.info("camera open", camera=self._name, live=done.facts.live, **self._camera_facts)
                self._camera_state, self._problem, self._pause_s = "open", "", REOPEN_FIRST_S
                systemd.notify_ready(f"camera {self._name} is open")
                self._beat()
        if done.look is not None and self._watching is not None:
            self._counts["looks"] += 1
            self._counts["appeared"] += self._watching.note(done.look)
        if done.take is None or done.answer is None:
            return
        if self._current is None or self._current.take_id != done.take.take_id:
            self._counts["late"] += 1
            log.warning("answer of the camera came after the take's time", camera=self._name)
            return
        take, self._current = self._current, None
        self._answer(take, done.answer)

    def _note_lost(self, problem: str) -> None:
        if self._camera_state != "lost":
            log.warning("camera lost", camera=self._name, problem=problem)
            self._counts["lost"] += 1
        starting = self._camera_state in {"starting", "waiting"}
        # Before its first opening the process is not ready; the manager is told why, and asked for more time.
        self._camera_state, self._problem = ("waiting" if starting else "lost"), problem
        if starting:
            systemd.notify_starting(problem, extend_s=REOPEN_LONGEST_S + 10)
        else:
            systemd.notify_status(problem)
        self._check_at_s = time.monotonic() + self._pause_s
        self._pause_s = min(self._pause_s * 2, REOPEN_LONGEST_S)

    def _answer(self, take: Take, answer: Frame | FrameFailure) -> None:
        if isinstance(answer, Frame):
            self._counts["frames"] += 1
            self._counts["frozen"] += answer.frozen
            self._last_frame_us = answer.received_us
        else:
            self._counts[answer.cause] += 1
            log.warning("no frame", camera=self._name, cause=answer.cause, detail=answer.detail, attempt=take.attempt)
        if not self._publisher.answer(take, answer):
            log.warning("nobody heard the answer", camera=self._name, inspection_id=take.inspection_id)

    def _wait_ms(self) -> int:
        """Until the next thing is due, but no longer than one turn."""
        now = now_us()
        due_us = [take.expires_us - now for take in (self._current, self._next) if take is not None]
        if not self._device.busy:
            due_us.append(int((self._check_at_s - time.monotonic()) * 1_000_000))
            if self._watching is not None and self._camera_state == "open":
                due_us.append(int((self._look_at_s - time.monotonic()) * 1_000_000))
        return max(0, min([TURN_MS, *(due // 1000 + 1 for due in due_us)]))

    def _beat(self) -> None:
        frame_age_s = None if self._last_frame_us is None else round((now_us() - self._last_frame_us) / 1e6, 3)
        self._heartbeat.beat(
            state="ready" if self._camera_state == "open" else self._camera_state,
            problem=self._problem,
            camera=self._camera_facts,
            frame_age_s=frame_age_s,
            busy_s=round(self._device.busy_for_s(), 3),
            bad_commands=self._publisher.num_bad_commands,
            unheard=self._publisher.num_unheard,
            **self._camera_counts,
            **self._counts,
        )

    def _close(self) -> None:
        if not self._device.close(patience_s=STOP_PATIENCE_S):
            # The timer of the last turn stays set: what the driver left behind may block the end of the process too.
            log.warning("the camera's driver does not return; leaving it behind", camera=self._name)
        elif self._stuck_after_s is not None:
            faulthandler.cancel_dump_traceback_later()
        if self._watching is not None:
            self._watching.close()
        self._publisher.close()
        self._heartbeat.close()


def open_camera(config: CameraSettings) -> Camera:
    """The camera that one `[cameras.NAME]` table describes; nothing is connected yet.

    Raises:
        ConfigError: what this kind of camera needs is not installed, or its password cannot be read.
    """
    # The camera's silence is told, with its cause, before the inspector's own timer ends the wait for the frame.
    timeout_ms = max(1, config.take_timeout_ms * 4 // 5)
    match config:
        case sections_cameras.FileCamera():
            return FileCamera(config.path, loop=config.loop)
        case sections_cameras.SimulatedCamera():
            return SimulatedCamera(config.address, take_timeout_ms=timeout_ms)
        case sections_cameras.RtspCamera():
            stream = RtspSource(
                config.url,
                transport=config.transport,
                username=config.username,
                password=config.password,
                latency_ms=config.latency_ms,
                exposure_us=config.exposure_us,
                gain_db=config.gain_db,
            )
            return StreamCamera(stream, take_timeout_ms=timeout_ms)
        case sections_cameras.UvcCamera():
            device = UvcSource(
                by_id(config.device),
                width_px=config.width_px,
                height_px=config.height_px,
                pixel_format=config.pixel_format,
                latency_ms=config.latency_ms,
                gain=config.gain,
                focus=config.focus,
            )
            return StreamCamera(device, take_timeout_ms=timeout_ms)
        case sections_cameras.PylonCamera():
            return GenicamCamera(PylonLink(config.serial), take_timeout_ms=timeout_ms, features=config.features)
        case sections_cameras.AravisCamera():
            return GenicamCamera(AravisLink(config.serial), take_timeout_ms=timeout_ms, features=config.features)


def with_lights(camera: Camera, settings: Settings) -> Camera:
    """The station's camera with the lights that `[lights]` names beside it."""
    lights, runtime_dir = settings.lights, settings.paths.runtime
    match lights:
        case sections_signals.NoLights():
            return camera
        case sections_signals.CameraLights():
            assert isinstance(camera, GenicamCamera), "the settings were checked"
            return LitCamera(
                camera, LineLights(camera.link, lights.lines), list(lights.lines), settle_ms=lights.settle_ms
            )
        case sections_signals.GpioLights():
            names = list(lights.lines)
        case sections_signals.ModbusLights():
            names = list(lights.coils)
    # Light and frame together keep to the take's time: a fifth for the one, four for the other.
    timeout_ms = max(20, settings.cameras[settings.station.camera].take_timeout_ms // 5)
    return LitCamera(camera, LightLink(runtime_dir, timeout_ms=timeout_ms), names, settle_ms=lights.settle_ms)


def watching(settings: Settings) -> Watching | None:
    """What looks for plates through the station's camera; None where no trigger is of kind free."""
    if settings.free_trigger is None:
        return None
    name, free = settings.free_trigger
    rules = PresenceRules(free.appears_at, free.vanishes_at, free.settle_looks)
    return Watching(name, rules, Teller(settings.paths.runtime), every_ms=free.look_every_ms)


def build(settings: Settings, name: str) -> Capture:
    """The capture process of the camera `name`, ready to `run`.

    Raises:
        ConfigError: when no camera of that name is configured, or the runtime folder cannot be used.
    """
    if name not in settings.cameras:
        known = ", ".join(sorted(settings.cameras))
        raise ConfigError(f"[cameras.{name}] is not configured: choose one of {known}, or add it")
    config = settings.cameras[name]
    camera, is_stations = open_camera(config), name == settings.station.camera
    return Capture(
        settings.paths.runtime,
        name,
        with_lights(camera, settings) if is_stations else camera,
        Defaults(config.exposure_us, config.gain_db, config.light),
        evidence_format=settings.evidence.format,
        limits=Limits(frame_s=(config.take_timeout_ms / 1000 + config.exposure_max_us / 1e6) + WEDGED_AFTER_TAKE_S),
        stuck_after_s=STUCK_AFTER_S,
        watching=watching(settings) if is_stations else None,
    )
