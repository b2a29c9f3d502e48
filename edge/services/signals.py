"""The signals process: wires between station and line. Triggers come in, results and a heartbeat go out, lights switch.

What it promises:

1. A trigger that an input shows is on the disk before anything follows from it, and then has exactly one outcome (L1).
   One that cannot be taken is counted under its limit's name, and the PLC is shown `hold` for it (L4, L12).
2. The lines show what is on the disk (L2), `pass` only without doubt (`edge.core.result_lines`), and are clear before
   the next part.
3. A PLC that is away is a named state, is tried again with growing pauses, and delays no outcome: the inspector tells
   this process and waits for nothing.
4. The heartbeat to the PLC stands still when the station cannot inspect, and when this process does not run.
"""

from __future__ import annotations

import queue
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog
import zmq

from edge.adapters import sockets, systemd
from edge.adapters.database import monotonic_us, wall_time
from edge.adapters.heartbeat import Heartbeat, Listener
from edge.adapters.lights_link import LightRequests
from edge.adapters.rows import InspectionIds
from edge.adapters.signals import LightSwitch, ResultOutput
from edge.adapters.signals_link import Appeared, Begun, Listening
from edge.adapters.store import LimitError, Store
from edge.adapters.wake import Wake
from edge.core.result_lines import Decided, ResultLines, ResultRules
from edge.core.trigger_input import MAX_TRIGGER_RATE, InputRules, TriggerInput
from edge.errors import ConfigError, DiskFullError, StoreError
from edge.services.signals_desks import (
    MAX_UNSTORED_TRIGGERS,
    Arrived,
    Desk,
    InputDesk,
    LightDesk,
    ResultDesk,
)
from edge.services.signals_fitness import unfit
from edge.services.signals_wires import input_rules, open_input, open_lights, open_result
from edge.services.stop import Stop, asked_by
from edge.settings import Settings

log = structlog.get_logger()

#: The loop looks at everything at least this often.
TURN_MS = 100
#: Fitness is looked at this often.
FIT_EVERY_US = 200_000
#: A store that failed is asked again after this long.
STORE_PAUSE_US = 500_000
#: Limits that were reached are written to the store's counters this often: not once for each of 10,000 in a second.
TELL_LIMITS_EVERY_US = 1_000_000
#: Names of counts that say that a trigger was not taken.
LIMITS = (MAX_TRIGGER_RATE, "max_unstored_triggers", "max_waiting_triggers", "disk_full", "lost")


class Signals:
    """One station's signals process; `run` is its loop."""

    def __init__(
        self,
        store: Store,
        runtime_dir: Path,
        *,
        needed: Sequence[str],
        inputs: Callable[[queue.Queue[Arrived], Callable[[], None]], Sequence[InputDesk]] = lambda _queue, _wake: (),
        seen: Mapping[str, InputRules] | None = None,
        result: ResultOutput | None = None,
        rules: ResultRules | None = None,
        lights: LightSwitch | None = None,
        reader_dir: Path | None = None,
        context: sockets.Context | None = None,
    ) -> None:
        self._store, self._needed = store, needed
        self._ids = InspectionIds()
        self._wake = Wake()
        self._arrived: queue.Queue[Arrived] = queue.Queue(MAX_UNSTORED_TRIGGERS)
        self._waiting: deque[Arrived] = deque()
        self._store_pause_us = 0
        self._inputs = {desk.source: desk for desk in inputs(self._arrived, self._wake)}
        self._seen = {name: TriggerInput(one) for name, one in (seen or {}).items()}
        self._lines = ResultLines(rules or ResultRules())
        self._result = None if result is None else ResultDesk(result)
        self._lights = None if lights is None else LightDesk(lights, LightRequests(runtime_dir, context=context))
        self._started_us = monotonic_us()
        self._unfit = "nothing was heard yet"
        self._fit_due_us = 0
        self._refused: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._tell_due_us = 0
        self._num_refused = 0
        self._listening = Listening(runtime_dir, context=context)
        self._heartbeat = Heartbeat(runtime_dir, "signals", context=context)
        elsewhere = {} if reader_dir is None else {"reader": reader_dir}
        self._listener = Listener(runtime_dir, elsewhere=elsewhere, context=context)
        self._inspector = sockets.open_poke(runtime_dir, context=context)

    def run(self, stop: Stop) -> None:
        """Serve the wires until `stop`; then clear the lines."""
        stopped = asked_by(stop)
        poller = zmq.Poller()
        poller.register(self._listening.socket, zmq.POLLIN)
        poller.register(self._wake.fd, zmq.POLLIN)
        for desk in self._desks():
            desk.start()
        systemd.notify_ready("listening for triggers")
        try:
            while not stopped():
                self._turn()
                poller.poll(self._wait_ms())
            systemd.notify_stopping()
        finally:
            self._close()

    def _desks(self) -> list[Desk]:
        optional = [desk for desk in (self._result, self._lights) if desk is not None]
        return [*self._inputs.values(), *optional]

    def _turn(self) -> None:
        """Look once at everything that may have happened."""
        self._wake.clear()
        while (news := self._listening.receive()) is not None:
            self._note(news)
        with suppress(queue.Empty):
            while True:
                self._take(self._arrived.get_nowait())
        self._store_waiting()
        self._look_for_refusals()
        self._look_at_fitness()
        self._show()
        self._tell_limits()
        if self._heartbeat.due():
            self._beat()
        systemd.notify_progress()

    # What comes in.

    def _note(self, news: Begun | Decided | Appeared) -> None:
        now = monotonic_us()
        match news:
            case Begun():
                self._lines.begun(news.inspection_id, now)
            case Decided() if news.at_us >= self._started_us:
                self._lines.decided(news, now)
            case Appeared() if (seen := self._seen.get(news.source)) is not None:
                if seen.change(active=True, at_us=news.at_us) is not None:
                    self._take(Arrived(news.source, news.at_us))
                seen.change(active=False, at_us=news.at_us)

    def _take(self, arrived: Arrived) -> None:
        self._lines.triggered(monotonic_us())
        if len(self._waiting) >= MAX_UNSTORED_TRIGGERS:
            self._refused["max_unstored_triggers"] += 1
        else:
            self._waiting.append(arrived)

    def _store_waiting(self) -> None:
        """Put what waits on the disk, oldest first; a store that fails is asked again, and told of."""
        while self._waiting and monotonic_us() >= self._store_pause_us:
            try:
                self._put(self._waiting[0])
            except LimitError as full:
                self._refused[full.limit] += 1
            except DiskFullError:
                self._refused["disk_full"] += 1
            except StoreError as error:
                self._note_store_failure(error)
                return
            self._waiting.popleft()

    def _note_store_failure(self, error: StoreError) -> None:
        self._store_pause_us = monotonic_us() + STORE_PAUSE_US
        log.error("store failed", detail=str(error), waiting=len(self._waiting))

    def _put(self, arrived: Arrived) -> None:
        trigger_id = f"{arrived.source}-{self._ids()}"
        inspection_id, _ = self._store.add_trigger(
            trigger_id, expected=None, source=arrived.source, at=wall_time(), at_us=arrived.at_us
        )
        with suppress(zmq.Again):  # it looks by itself, too
            self._inspector.send(b"trigger", zmq.NOBLOCK)
        if arrived.source in self._inputs:
            self._inputs[arrived.source].stored()
        log.info("trigger", trigger_id=trigger_id, inspection_id=inspection_id, source=arrived.source)

    def _look_for_refusals(self) -> None:
        """Parts that nobody inspects: the PLC is shown `hold`, once for all that came since the last look."""
        num_refused = sum(self._limits().values())
        if num_refused > self._num_refused:
            self._lines.refused(monotonic_us())
        self._num_refused = num_refused

    def _limits(self) -> Counter[str]:
        """How many triggers were not taken, by the limit's name."""
        total = Counter(self._refused)
        for counts in self._source_counts().values():
            total.update({name: counts[name] for name in LIMITS if counts[name]})
        return total

    def _source_counts(self) -> dict[str, Counter[str]]:
        wired = {name: desk.counts for name, desk in self._inputs.items()}
        return wired | {name: one.counts for name, one in self._seen.items()}

    def _tell_limits(self) -> None:
        if monotonic_us() < self._tell_due_us:
            return
        self._tell_due_us = monotonic_us() + TELL_LIMITS_EVERY_US
        limits = self._limits()
        for name, number in (limits - self._told).items():
            log.warning("triggers not taken", limit=name, number=number)
            with suppress(StoreError):  # it is counted here and told with the next
                self._store.count(f"trigger_{name}", number)
                self._told[name] += number

    # What goes out.

    def _look_at_fitness(self) -> None:
        if monotonic_us() < self._fit_due_us:
            return
        self._fit_due_us = monotonic_us() + FIT_EVERY_US
        why = unfit(self._listener.beats(), self._needed, monotonic_us())
        why = why or self._store_refuses()
        if why != self._unfit:
            log.info("fit" if not why else "not fit", why=why)
            systemd.notify_status(f"the heartbeat stands still: {why}" if why else "the station is fit")
        self._unfit = why
        self._lines.be_fit(monotonic_us(), fit=not why)

    def _store_refuses(self) -> str:
        if self._store.disk.is_full:
            return "the disk is full: triggers are refused"
        if self._waiting:
            return "the store takes no triggers"
        try:
            stopped = self._store.alarms.watch().line_stop
        except StoreError as error:
            return str(error)
        return "" if stopped is None else f"the line is to stand still ({stopped.cause.value}): `edge alarm reset`"

    def _show(self) -> None:
        desk = self._result
        if desk is None:
            return
        if desk.take_lost() or desk.state != "open":
            self._lines.lost(monotonic_us())
        desk.show(self._lines.lines(monotonic_us()))

    def _wait_ms(self) -> int:
        due_us = self._lines.due_us(monotonic_us()) if self._result is not None else None
        return TURN_MS if due_us is None else int(max(0, min(TURN_MS, (due_us - monotonic_us()) // 1000 + 1)))

    def _beat(self) -> None:
        desks = self._desks()
        away = [f"{desk.name} is away: {desk.problem}" for desk in desks if desk.state == "away"]
        self._heartbeat.beat(
            state="ready",
            problem="; ".join(away),
            unfit=self._unfit,
            wires={desk.name: desk.state for desk in desks},
            triggers={name: dict(counts) for name, counts in self._source_counts().items()},
            result={**self._lines.counts, **(self._result.counts if self._result else {})},
        )

    def _close(self) -> None:
        for desk in self._desks():
            desk.close()
        for part in (self._listening, self._heartbeat, self._listener, self._inspector, self._store, self._wake):
            part.close()


def build(settings: Settings) -> Signals:
    """The signals process of the configured station, ready to `run`.

    Raises:
        ConfigError: no wire is configured, a library is missing, or the runtime folder cannot be used.
    """
    if not settings.has_signals:
        raise ConfigError(
            "there are no signals: add [triggers.NAME], [result] or [lights], or leave `edge signals` out"
        )
    station, result = settings.station, settings.result
    free = settings.free_trigger

    def inputs(arrived: queue.Queue[Arrived], wake: Callable[[], None]) -> list[InputDesk]:
        return [
            InputDesk(name, open_input(config, monotonic_us), input_rules(config), arrived=arrived, wake=wake)
            for name, config in settings.triggers.items()
            if config.kind != "free"
        ]

    return Signals(
        Store.open(settings.paths.data, station.name, reserve_bytes=settings.keep.reserve_bytes),
        settings.paths.runtime,
        needed=(f"capture-{station.camera}", "reader", "inspector"),
        inputs=inputs,
        seen={} if free is None else {free[0]: input_rules(free[1])},
        result=open_result(result),
        rules=ResultRules(
            style=result.style,
            pulse_us=result.pulse_ms * 1000,
            gap_us=result.gap_ms * 1000,
            heartbeat_us=result.heartbeat_ms * 1000,
        ),
        lights=open_lights(settings.lights),
        reader_dir=settings.reader.shared,
    )
