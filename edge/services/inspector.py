"""The inspector process: performs what `edge.core.inspection` orders, one part at a time.

The loop waits for anything, turns it into an event, hands it to the inspection, and performs each action. It holds no
inspection policy: what decides about a part is in `edge.core`.

Promises: whatever was begun when the last inspector died ends as hold/interrupted before anything else begins (L1);
a trigger while busy is an inspection of its own, hold/overrun, at once; an outcome that cannot be written stops the
station with a named state and is tried again until it can: nothing is dropped (L2, L12).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
import zmq

from edge.adapters import sockets, systemd
from edge.adapters.database import monotonic_us, wall_time
from edge.adapters.erp import open_erp
from edge.adapters.evidence import EvidenceFolder
from edge.adapters.frames import Frame, FrameLink
from edge.adapters.heartbeat import Heartbeat
from edge.adapters.payload import retake_payload
from edge.adapters.reader_link import ReaderLink
from edge.adapters.signals_link import Teller
from edge.adapters.store import Store, TriggerRow
from edge.core.actions import AnnounceRetake, Commit, Judge, LookUp, Read, StartTimer, TakeFrame
from edge.core.events import (
    Event,
    FrameFailed,
    FrameJudged,
    FrameTaken,
    Interrupted,
    TimerFired,
    TimerName,
    Triggered,
)
from edge.core.fields import Product
from edge.core.inspection import Inspection, State
from edge.core.outcome import SCHEMA, Evidence, Outcome
from edge.core.policy import Policy
from edge.core.release import ReleaseName
from edge.errors import StoreError
from edge.services.inspector_course import CourseNotes, log_outcome
from edge.services.inspector_desks import EvidenceDesk, RecordDesk, reader_event
from edge.services.inspector_release import ReleaseDesk
from edge.services.inspector_shadow import SHADOW, ShadowReads
from edge.services.inspector_sync import open_sync
from edge.services.stop import Stop, asked_by
from edge.settings import Settings

log = structlog.get_logger()

#: The loop looks at everything at least this often; a trigger is heard of by its poke, this is for a lost poke.
TURN_MS = 100
#: Pause between two tries to write an outcome that could not be written.
STORE_RETRY_S = 0.5


class Inspector:
    """One station's process; `run` is its loop."""

    def __init__(
        self,
        *,
        runtime_dir: Path,
        camera: str,
        product: Product,
        policy: Policy,
        store: Store,
        records: RecordDesk,
        evidence: EvidenceDesk,
        topic: Callable[[str], str],
        config_hash: str,
        reader_dir: Path | None = None,
        product_text: str = "",
        shadow: ShadowReads | None = None,
        calibration_hash: str = "",
        signals: Teller | None = None,
        release: ReleaseName | None = None,
        releases: ReleaseDesk | None = None,
        context: sockets.Context | None = None,
    ) -> None:
        self._signals = signals or Teller(None)
        self._shadow = shadow or ShadowReads(0.0, product, policy, store.count)
        self._product, self._policy = product, policy
        self._store, self._records, self._evidence = store, records, evidence
        self._topic, self._config_hash = topic, config_hash
        self._release, self._releases = release, releases
        self._frames = FrameLink(runtime_dir, camera, timeout_ms=policy.frame_timeout_us // 1000, context=context)
        self._reader = ReaderLink(reader_dir or runtime_dir, product=product_text, context=context)
        self._poked = sockets.open_socket(context, zmq.PULL)
        sockets.bind(self._poked, runtime_dir, "inspector")
        self._messenger = sockets.open_socket(context, zmq.PUSH)
        self._messenger.setsockopt(zmq.SNDHWM, 1)
        self._messenger.connect(sockets.address(runtime_dir, "messenger"))
        self._heartbeat = Heartbeat(runtime_dir, "inspector", context=context)
        self._inspection = Inspection(product, policy)
        self._course = CourseNotes(calibration_hash)
        self._timers: dict[tuple[TimerName, int], int] = {}
        self._frame: Frame | None = None
        self._counts: Counter[str] = Counter()
        self._problem = ""
        self._perform_by_type: Mapping[type, Callable[[Any], None]] = {
            TakeFrame: self._take_frame,
            Judge: self._judge,
            Read: self._read,
            LookUp: self._look_up,
            StartTimer: self._start_timer,
            AnnounceRetake: self._announce_retake,
            Commit: self._commit,
        }

    def run(self, stop: Stop) -> None:
        """Inspect part after part until `stop`; an inspection that has begun is brought to its end first."""
        stopped = asked_by(stop)
        self._stopped = stopped
        poller = zmq.Poller()
        for source in (self._poked, self._frames.socket, self._reader.socket, self._records.wake.fd):
            poller.register(source, zmq.POLLIN)
        try:
            for row in self._store.interrupted():
                self._run_aside(Interrupted(monotonic_us(), row.inspection_id, row.trigger_id))
            systemd.notify_ready("waiting for a trigger")
            while not stopped() or self._busy:
                self._turn()
                poller.poll(self._wait_ms())
            systemd.notify_stopping()
        finally:
            self._close()

    @property
    def _busy(self) -> bool:
        return self._inspection.state not in (State.WAITING, State.DONE)

    def _turn(self) -> None:
        """Look once at everything that may have happened."""
        while self._poked.poll(0):
            self._poked.recv()
        while (answer := self._frames.receive()) is not None:
            self._on_frame(answer) if isinstance(answer, Frame) else self._feed(
                FrameFailed(monotonic_us(), answer.attempt, answer.detail)
            )
        while (told := self._reader.receive()) is not None:
            if told.attempt == SHADOW:
                self._shadow.told(told)
            else:
                self._feed(reader_event(told))
        for event in self._records.finished(self._inspection.inspection_id):
            self._feed(event)
        self._fire_timers()
        if not self._stopped():
            if not self._busy:
                self._take_over()
            self._begin_waiting()
            self._read_in_shadow()
        if self._heartbeat.due():
            self._beat()
        systemd.notify_progress()

    def _take_over(self) -> None:
        """Between two inspections: decide by the release that the station has taken, where there is a new one."""
        settings = None if self._releases is None else self._releases.due()
        if settings is None or self._releases is None:
            return
        try:
            kept = self._store.recorded.keep_configuration(settings.config_text, settings.calibration_text)
        except StoreError as error:
            self._tell_problem(str(error))
            return
        self._releases.taken_over()
        self._product, self._policy, self._release = settings.product, settings.policy, settings.under
        self._config_hash, self._course = settings.config_hash, CourseNotes(kept)
        self._reader.reads(settings.product_file.model_dump_json())
        self._shadow.judges(self._product, self._policy)
        log.info("decides by another release", release=settings.under, config_hash=self._config_hash)

    def _begin_waiting(self) -> None:
        """Begin every trigger that waits: the first free one is inspected, those that come while busy are overruns."""
        while (row := self._next_trigger()) is not None:
            now_us = monotonic_us()
            if not row.this_boot or now_us - row.at_us > self._policy.deadline_us:
                self._run_aside(Interrupted(now_us, row.inspection_id, row.trigger_id))
            elif self._busy:
                self._run_aside(Triggered(row.at_us, row.inspection_id, row.trigger_id, row.expected, busy=True))
            else:
                self._shadow.begun(now_us)
                self._inspection = Inspection(self._product, self._policy)
                self._timers.clear()
                self._frame = None
                structlog.contextvars.bind_contextvars(inspection_id=row.inspection_id)
                self._signals.begun(row.inspection_id)
                self._feed(Triggered(row.at_us, row.inspection_id, row.trigger_id, row.expected))

    def _next_trigger(self) -> TriggerRow | None:
        try:
            return self._store.next_trigger()
        except StoreError as error:
            self._tell_problem(str(error))
            return None

    def _run_aside(self, event: Triggered | Interrupted) -> None:
        """Bring a trigger that needs no frame to its outcome, beside the inspection that may be running."""
        for action in Inspection(self._product, self._policy).handle(event):
            if isinstance(action, Commit):
                self._write(action.outcome, self._course.text_of(event))

    def _feed(self, event: Event) -> None:
        if not self._inspection.expects(event):
            log.info("stale event dropped", event_type=type(event).__name__, state=self._inspection.state.value)
            self._counts["stale_events"] += 1
            return
        self._course.note(self._inspection, event)
        actions = self._inspection.handle(event)
        if isinstance(event, FrameJudged) and self._frame and not any(isinstance(one, Read) for one in actions):
            self._shadow.rejected(self._frame)
        for action in actions:
            self._perform_by_type[type(action)](action)

    def _read_in_shadow(self) -> None:
        """Between two parts, let a frame that the gate rejected be read for the statistics."""
        if not self._busy and (frame := self._shadow.due()) is not None:
            timeout_us = self._policy.read_timeout_us
            self._reader.ask("read", SHADOW, frame.frame_id, frame.image, timeout_us=timeout_us, draft={})

    # Events.

    def _on_frame(self, frame: Frame) -> None:
        event = FrameTaken(
            at_us=monotonic_us(),
            attempt=frame.attempt,
            frame_id=frame.frame_id,
            sha256=frame.sha256,
            exposed_us=frame.exposed_us,
            exposure_us=frame.exposure_us,
            light=frame.light,
            frozen=frame.frozen,
        )
        if frame.inspection_id == self._inspection.inspection_id and self._inspection.expects(event):
            self._frame = frame
            self._evidence.keep(frame)
        self._feed(event)

    def _fire_timers(self) -> None:
        now_us = monotonic_us()
        for key, at_us in sorted(self._timers.items(), key=lambda item: item[1]):
            if at_us <= now_us and self._timers.pop(key, None) is not None:
                event = TimerFired(now_us, *key)
                if self._inspection.expects(event):
                    self._feed(event)

    # Actions.

    def _take_frame(self, action: TakeFrame) -> None:
        inspection = self._inspection
        self._frames.take(
            inspection.inspection_id, action.attempt, action.exposure_us, action.light, inspection.trigger_id
        )

    def _judge(self, action: Judge) -> None:
        self._ask_reader("judge", action.attempt, {})

    def _read(self, action: Read) -> None:
        self._ask_reader("read", action.attempt, action.draft)

    def _ask_reader(self, task: Any, attempt: int, draft: Mapping[str, str]) -> None:
        if self._frame is not None:
            timeout_us = self._policy.read_timeout_us
            self._reader.ask(task, attempt, self._frame.frame_id, self._frame.image, timeout_us=timeout_us, draft=draft)

    def _look_up(self, action: LookUp) -> None:
        self._course.asked(action.serial)
        self._records.ask(action, self._inspection.inspection_id)

    def _start_timer(self, action: StartTimer) -> None:
        self._timers[action.timer, action.attempt] = action.at_us

    def _announce_retake(self, action: AnnounceRetake) -> None:
        properties = {"inspection_id": action.inspection_id, "schema": SCHEMA}
        try:
            self._store.add_message(
                self._topic("retake"),
                retake_payload(action, station=self._store.station, at=wall_time()),
                properties,
                kind="retake",
                inspection_id=action.inspection_id,
            )
        except StoreError as error:
            self._tell_problem(str(error))  # the outcome tells the retake as well; the inspection goes on
        self._poke_messenger()

    def _commit(self, action: Commit) -> None:
        self._timers.clear()
        self._write(action.outcome, self._course.text(), self._evidence.finish)
        self._evidence.clear()
        self._shadow.committed(action.outcome, monotonic_us())
        structlog.contextvars.unbind_contextvars("inspection_id")

    def _write(self, outcome: Outcome, course: str, evidence: Callable[[], tuple[Evidence, ...]] = tuple) -> None:
        """Make the outcome durable; if the disk refuses, the station stops here, says so, and tries again."""
        while True:
            try:
                outcome = replace(outcome, evidence=evidence())
                seq = self._store.commit(
                    outcome,
                    topic=self._topic("outcome"),
                    config_hash=self._config_hash,
                    at=wall_time(),
                    course=course,
                    release=self._release,
                )
            except StoreError as error:
                self._tell_problem(str(error))
                self._beat()
                systemd.notify_progress()
                time.sleep(STORE_RETRY_S)
            else:
                break
        self._problem = ""
        self._signals.decided(outcome, seq)
        self._counts[outcome.reason.value] += 1
        self._poke_messenger()
        log_outcome(outcome, seq)

    def _poke_messenger(self) -> None:
        try:
            self._messenger.send(b"outbox", zmq.NOBLOCK)
        except zmq.Again:
            return  # it is away, or has a poke waiting: it looks by itself

    def _tell_problem(self, problem: str) -> None:
        if problem != self._problem:
            log.error("the store refuses", problem=problem)
            systemd.notify_status(problem)
        self._problem = problem

    def _wait_ms(self) -> int:
        if not self._timers:
            return TURN_MS
        due_ms = (min(self._timers.values()) - monotonic_us()) // 1000 + 1
        return int(max(0, min(TURN_MS, due_ms)))

    def _beat(self) -> None:
        frame_age_s = None if self._frame is None else round((monotonic_us() - self._frame.exposed_us) / 1e6, 3)
        state = "store_refuses" if self._problem else self._inspection.state.value if self._busy else "ready"
        ages = {f"erp_{name}": age for name, age in self._records.ages_s().items()}
        under = (
            {} if self._release is None else {"release": self._release.number, "release_sha256": self._release.sha256}
        )
        facts = {**ages, **under, **self._counts}
        self._heartbeat.beat(state=state, problem=self._problem, frame_age_s=frame_age_s, **facts)

    def _close(self) -> None:
        for socket in (self._poked, self._messenger):
            socket.close()
        parts = (self._frames, self._reader, self._signals, self._heartbeat, self._records, self._evidence, self._store)
        for part in parts if self._releases is None else (*parts, self._releases):
            part.close()


def build(settings: Settings) -> Inspector:
    """The inspector of this station, ready to `run`."""
    store = Store.open(settings.paths.data, settings.station.name, alarm=settings.alarm.policy)
    folder = EvidenceFolder(settings.paths.data)
    calibration_hash = store.recorded.keep_configuration(settings.config_text, settings.calibration_text)

    def keep(frame: Frame) -> Evidence:
        return folder.write(frame.image, inspection_id=frame.inspection_id, attempt=frame.attempt, at=wall_time())

    return Inspector(
        runtime_dir=settings.paths.runtime,
        camera=settings.station.camera,
        product=settings.product,
        policy=settings.policy,
        store=store,
        records=RecordDesk(open_erp(settings.erp, settings.erp_snapshot), store.earlier_pass, sync=open_sync(settings)),
        evidence=EvidenceDesk(keep),
        topic=settings.topic,
        config_hash=settings.config_hash,
        reader_dir=settings.reader.shared,
        shadow=ShadowReads(settings.reader.shadow_share, settings.product, settings.policy, store.count),
        product_text=settings.product_file.model_dump_json(),
        calibration_hash=calibration_hash,
        signals=Teller(settings.paths.runtime if settings.has_signals else None),
        release=settings.under,
        releases=ReleaseDesk(settings) if settings.release.trusted_keys else None,
    )
