"""Plays scenes on their stations, one part after the other, and writes down the story of each."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from simulator.audit import Heard
from simulator.faults import Fault
from simulator.scenes import READERS, Scene
from simulator.staging import Part, View, before, stage
from simulator.station import DEADLINE_MS, Station
from simulator.story import Story

OUTCOME_TIMEOUT_S = DEADLINE_MS / 1000 + 20.0
"""How long an outcome is waited for: its deadline, and what a killed process takes to come back."""
CAMERA_PAUSE_S = 3.0
"""A camera that died is seen to be dead, and to be back, only when it is next asked; the line stands still so long."""


class Performance:
    """Plays parts on the stations of a site, by product."""

    def __init__(
        self,
        folder: Path,
        products: list[str],
        broker_port: int,
        seed: int,
        *,
        reader: str = READERS[0],
        one_reader: bool = False,
    ) -> None:
        """Make the stations; `one_reader`: the first one's reader reads for all."""
        self._seed, self._reader = seed, reader
        self._faults: dict[str, Fault] = {}
        self._serials: set[str] = set()
        self._told: set[tuple[object, ...]] = set()
        self._number = 0
        # Ctrl-C raises in the main thread, and OpenCV 5.0 can end the whole process with a segmentation fault where
        # that happens between the parts of one of its calls: plates are drawn where no signal is ever handled.
        self._painter = ThreadPoolExecutor(1, "painter")
        self.stories: list[Story] = []
        made: dict[str, Station] = {}
        for product in products:
            sharing = next(iter(made.values()), None) if one_reader else None
            on_take = partial(self._on_take, product)
            made[product] = Station(folder / product, product, broker_port, on_take, reader=reader, reader_of=sharing)
        self.stations: Mapping[str, Station] = made

    def play(self, scene: Scene) -> list[Story]:
        """Play one scene: the part before it, where it wants one, then its own."""
        part = self._stage(scene)
        station = self.stations[scene.product]
        if scene.fault.kind == "trigger_while_busy":
            return self._play_two_at_once(station, part)
        played = []
        if scene.before.needed:
            played.append(self._play_part(station, before(part, part.seed)))
        played.append(self._play_part(station, part))
        return played

    def _stage(self, scene: Scene) -> Part:
        """A part whose serial no part of this run has: a second one would rightly be called a duplicate."""
        for attempt in range(100):
            part = stage(scene, f"{self._seed}-{self._number}-{attempt}")
            if part.serial not in self._serials:
                break
        self._serials.add(part.serial)
        return part

    def _play_part(self, station: Station, part: Part) -> Story:
        trigger_id = self._next_trigger_id()
        fault = Fault(part.scene, station, lambda: None)
        cable_is_cut = any(take.camera == "dead" for take in part.scene.takes)
        try:
            self._set_up(station, part)
            if cable_is_cut:
                time.sleep(CAMERA_PAUSE_S)
            self._faults[station.product] = fault
            fault.before_trigger()
            sent_s = time.monotonic()
            self._trigger(station, part, trigger_id)
            heard = station.line.wait_for_outcome(trigger_id, OUTCOME_TIMEOUT_S)
        finally:
            fault.undo()
            self._faults.pop(station.product, None)
        self._let_camera_recover(station, part, time.monotonic() - sent_s, cable_is_cut=cable_is_cut)
        if fault.breaks_a_process:
            station.wait_until_ready(time.monotonic())
        return self._tell(station, part, trigger_id, heard, fault.name)

    def _play_two_at_once(self, station: Station, part: Part) -> list[Story]:
        """The part before stands at the station; the scene's own is triggered in the middle of its inspection."""
        first, first_id = before(part, part.seed), self._next_trigger_id()
        second_id = self._next_trigger_id()
        self._set_up(station, first)
        self._tell_erp(station, part)
        fault = Fault(part.scene, station, lambda: station.line.trigger_at_once(second_id))
        self._faults[station.product] = fault
        try:
            self._trigger(station, first, first_id)
            heard_first = station.line.wait_for_outcome(first_id, OUTCOME_TIMEOUT_S)
            heard_second = station.line.wait_for_outcome(second_id, OUTCOME_TIMEOUT_S)
        finally:
            self._faults.pop(station.product, None)
        return [
            self._tell(station, first, first_id, heard_first, ""),
            self._tell(station, part, second_id, heard_second, fault.name),
        ]

    def _let_camera_recover(self, station: Station, part: Part, since_s: float, *, cable_is_cut: bool) -> None:
        """Stand still while the camera is still at a take that nobody waits for any more, or is found to be back."""
        still_s = max((take.delay_ms / 1000 for take in part.scene.takes), default=0.0) - since_s
        if cable_is_cut:
            station.camera.show(None)
        if cable_is_cut or still_s > 0:
            time.sleep(max(0.0, still_s) + CAMERA_PAUSE_S)

    def _set_up(self, station: Station, part: Part) -> None:
        self._tell_erp(station, part)
        station.camera.show(self._painter.submit(View, part, station.camera.sensor).result())

    def _tell_erp(self, station: Station, part: Part) -> None:
        """Give ERP the records that it does not hold yet."""
        new = [record for record in part.records if (station.product, *sorted(record.items())) not in self._told]
        self._told.update((station.product, *sorted(record.items())) for record in new)
        if new:
            station.erp.add(new)

    def _trigger(self, station: Station, part: Part, trigger_id: str) -> None:
        if part.expected is not None and part.scene.mes.by == "expect":
            station.line.expect(part.expected, f"expect-{trigger_id}")
            station.line.trigger(trigger_id)
        else:
            station.line.trigger(trigger_id, part.expected)

    def _on_take(self, product: str, _trigger_id: str, number: int) -> None:
        fault = self._faults.get(product)
        if fault is not None:
            fault.on_take(number)

    def _next_trigger_id(self) -> str:
        self._number += 1
        return f"part-{self._number:05d}"

    def _tell(self, station: Station, part: Part, trigger_id: str, heard: Heard | None, fault: str) -> Story:
        latency_ms = None
        if heard is not None:
            latency_ms = 1000 * (heard.at_s - station.line.triggers[trigger_id])
            station.line.confirm(str(heard.outcome["inspection_id"]))
        printed = {"serial": part.design.serial, "model": part.design.model}
        story = Story(
            number=int(trigger_id.rpartition("-")[2]),
            scene=part.scene.name,
            summary=part.scene.summary,
            station=station.product,
            trigger_id=trigger_id,
            named=part.scene.expected(self._reader),
            printed={} if part.scene.plate.none else printed,
            outcome=None if heard is None else heard.outcome,
            latency_ms=latency_ms,
            fault=fault,
            data_dir=station.data_dir,
        )
        self.stories.append(story)
        return story
