"""Many small stations in one process, to load a broker, a collector and a reader before a plant has its PCs.

Promise: every station gives exactly as many triggers as were asked for, and the process ends when each has its outcome
and the broker has taken all; what it counts is written into a report. One loop waits for all links, the readers'
answers, timers and triggers; it decides nothing.
"""

from __future__ import annotations

import heapq
import itertools
import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import structlog
import zmq

from edge.adapters import systemd
from edge.adapters.database import Clock, Database, monotonic_us
from edge.adapters.disk import Disk
from edge.adapters.mqtt import Link
from edge.adapters.mqtt_facts import Broker, Presence
from edge.adapters.rows import InspectionIds
from edge.adapters.store import Store
from edge.core.events import TimerName
from edge.core.policy import Policy
from edge.products import ProductFile, to_product
from edge.services.health import StateTopic
from edge.services.rehearsal_label import PATTERN
from edge.services.rehearsal_reader import LabelDesk
from edge.services.rehearsal_station import RehearsalStation
from edge.services.stop import Stop, asked_by

log = structlog.get_logger()
#: The product of every station: ten digits, as MES announced them, of which ERP knows.
PRODUCT = to_product(
    ProductFile.model_validate({
        "version": 1,
        "name": "label",
        "fields": {"serial": {"pattern": PATTERN}},
        "gate": {"text_height": 0, "subject_area": 0, "cut_off": 0},
        "erp": {"mode": "verify"},
    })
)  # fmt: skip
#: Triggers begin this long after the last station has its broker, so that none is late from the start.
LEAD_US = 1_000_000
#: Stations that connect at a time: a broker's queue of connections to accept is 100 long.
CONNECT_AT_ONCE = 20
#: After the last trigger, so long for what is still under way.
FINISH_S = 60.0
TURN_MS = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What is rehearsed. Stations are numbered from `first`; triggers come at `rate_hz` each, `triggers` a station."""

    site: str
    first: int
    stations: int
    rate_hz: float
    triggers: int
    readers: int = 1
    arrivals: str = "takt"
    health_every_s: float = 10.0
    read_timeout_ms: int = 1000
    deadline_ms: int = 2000


class Rehearsal:
    """The stations of one process; `run` is its loop."""

    def __init__(self, plan: Plan, broker: Broker, data_dir: Path, runtime_dir: Path) -> None:
        self._plan = plan
        self.counts: Counter[str] = Counter()
        self.waited_us: list[int] = []
        self.took_us: list[int] = []
        self._database = Database.open(data_dir, Clock())
        self._desk = LabelDesk(runtime_dir, plan.readers)
        self._disk = Disk(data_dir)
        self._timers: list[tuple[int, int, RehearsalStation, TimerName, int, str]] = []
        self._triggers: list[tuple[int, int]] = []
        self._order = itertools.count()
        self._health_due_us = self._next_health = 0
        self._chance = random.Random(plan.first)  # noqa: S311 - a rehearsal is to be the same each time
        self.stations = [self._station(plan.first + number, broker) for number in range(plan.stations)]

    def run(self, stop: Stop) -> None:
        """Rehearse until every trigger has its outcome at the broker, or `stop`."""
        stopped = asked_by(stop)
        cv2.setNumThreads(1)
        poller = zmq.Poller()
        poller.register(self._desk.socket, zmq.POLLIN)
        by_fd = {station.link.fileno(): station for station in self.stations}
        for fd in by_fd:
            poller.register(fd, zmq.POLLIN)
        self._connect(by_fd)
        systemd.notify_ready("rehearsing")
        self._schedule(monotonic_us() + LEAD_US)
        finish_us = 0
        while not stopped():
            for source, _ in poller.poll(self._wait_ms()):
                if source in by_fd:
                    by_fd[source].take()
            self._turn()
            if not self._triggers:
                finish_us = finish_us or monotonic_us() + round(FINISH_S * 1e6)
                if monotonic_us() > finish_us or all(not one.is_busy and one.is_sent for one in self.stations):
                    break
        self._close()

    def report(self) -> dict[str, Any]:
        """What was counted, and the times that it took, by station."""
        return {
            "counts": dict(sorted(self.counts.items())),
            "total_ms": {str(station.number): station.total_ms for station in self.stations},
            "waited_us": self.waited_us,
            "took_us": self.took_us,
        }

    def _station(self, number: int, broker: Broker) -> RehearsalStation:
        name = f"s{number:05d}"
        line = f"line{number // 20:03d}"

        def topic(suffix: str) -> str:
            return f"edge/v1/{self._plan.site}/{line}/{name}/{suffix}"

        state = StateTopic(topic("state"), name, self._disk)
        own = replace(broker, client_id=f"edge-{self._plan.site}-{name}", keepalive_s=60)
        return RehearsalStation(
            number,
            Store(self._database, name, self._disk),
            Link(own, Presence(state.topic, state.message, topic("cmd/+")), new_session_id=InspectionIds()),
            self._desk,
            product=PRODUCT,
            policy=Policy(
                deadline_us=self._plan.deadline_ms * 1000,
                read_timeout_us=self._plan.read_timeout_ms * 1000,
                retake_budget_us=self._plan.deadline_ms * 500,
                max_attempts=2,
            ),
            topic=topic,
            start_timer=self._start_timer,
            counts=self.counts,
        )

    def _connect(self, by_fd: dict[int, RehearsalStation]) -> None:
        """Let all stations find their broker, a few at a time."""
        for begin in range(0, len(self.stations), CONNECT_AT_ONCE):
            for station in self.stations[begin : begin + CONNECT_AT_ONCE]:
                station.link.start()
            until_us = monotonic_us() + 10_000_000
            while self.counts["connected"] < min(begin + CONNECT_AT_ONCE, len(self.stations)):
                for station in by_fd.values():
                    station.take()
                if monotonic_us() > until_us:
                    break  # it goes on trying by itself; outcomes wait in its store
                threading.Event().wait(0.01)

    def _schedule(self, begin_us: int) -> None:
        """When each station's parts come: one a takt, with a tenth of it as chance; or without memory (`poisson`)."""
        takt_us = 1e6 / self._plan.rate_hz
        for place, _ in enumerate(self.stations):
            at_us = begin_us + self._chance.random() * takt_us
            for number in range(self._plan.triggers):
                if self._plan.arrivals == "poisson":
                    at_us += self._chance.expovariate(1 / takt_us)
                    due_us = at_us
                else:
                    due_us = at_us + (number + 0.1 * self._chance.random()) * takt_us
                self._triggers.append((round(due_us), place))
        heapq.heapify(self._triggers)

    def _turn(self) -> None:
        while (told := self._desk.receive()) is not None:
            self.waited_us.append(told.waited_us)
            self.took_us.append(told.took_us)
            self.stations[int(told.key.partition(":")[0]) - self._plan.first].read(told)
        now_us = monotonic_us()
        while self._timers and self._timers[0][0] <= now_us:
            _, _, station, timer, attempt, inspection_id = heapq.heappop(self._timers)
            station.fire(timer, attempt, inspection_id)
        if self._triggers and self._triggers[0][0] <= now_us:
            due_us, place = heapq.heappop(self._triggers)
            self.counts["triggers"] += 1
            self.counts["trigger_late_us"] += now_us - due_us
            self.stations[place].trigger()
        if now_us >= self._health_due_us:
            # One station after the other, so that they do not all speak at once.
            self._health_due_us = now_us + round(self._plan.health_every_s * 1e6 / len(self.stations))
            self.stations[self._next_health].tell_health()
            self._next_health = (self._next_health + 1) % len(self.stations)
        systemd.notify_progress()

    def _start_timer(
        self, at_us: int, station: RehearsalStation, timer: TimerName, attempt: int, inspection_id: str
    ) -> None:
        heapq.heappush(self._timers, (at_us, next(self._order), station, timer, attempt, inspection_id))

    def _wait_ms(self) -> int:
        due = [self._health_due_us, *(heap[0][0] for heap in (self._timers, self._triggers) if heap)]
        return int(max(0, min(TURN_MS, (min(due) - monotonic_us()) // 1000)))

    def _close(self) -> None:
        for station in self.stations:
            station.close()
        self._desk.close()
        self._database.close()


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write a report as JSON."""
    path.write_text(json.dumps(report), encoding="utf-8")
