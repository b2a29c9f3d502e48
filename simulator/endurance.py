"""`python -m simulator endurance`: stations with industrial cameras, each with a trigger every fifth of a second.

Each station is an `edge up` of its own with a camera of pylon's emulator (GenICam, software trigger), which shows drawn
plates: the next one as soon as no inspection is under way. One reader reads for all. What they send is heard by a
client of its own. Exits 0 only if every trigger has its one outcome there, `seq` has no gap, nothing was passed that
is not on the plate before the camera, 99 of 100 outcomes came within the deadline, no process was restarted, and
none has grown in memory or open files since all had come to run.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from simulator.mosquitto import Mosquitto
from simulator.optics import Sensor, Settings
from simulator.plant import quantile
from simulator.scenes import load_all
from simulator.staging import Part, View, stage
from simulator.station import Station

PRODUCT, SCENE = "device", "matched_identify"
SENSOR = Sensor(1280, 800)
#: More than a station remembers looks (64): a picture that comes again sooner is a frozen camera's.
NUM_PLATES = 72
#: Exposures of a plate: as many as an inspection takes at most.
TURNS = "abc"
#: One sure look is enough, and two rows of text are a whole plate: two cores are to read ten a second.
_MORE = """
[accept]
single_look_confidence = 0.9

[gate]
subject_area = 0
"""
DEADLINE_MS = 3000
#: Pools, caches and allocators have filled by then; from here on a process must not grow.
SETTLED = 0.2
MOST_GROWTH = 1.1
#: Sockets and files that come and go: a connection of the health page, the store's own at a checkpoint.
MOST_MORE_FILES = 4
#: How long the last outcomes may take to come, beyond the deadline.
REST_S = 30.0
MOST_SHOWN = 20
_CAMERA = """\
kind = "pylon"
serial = "0815-{number:04d}"
features = {{ TestImageSelector = "Off", ImageFilename = "{plates}", ImageFileMode = "On", {form} }}"""
_FORM = f'PixelFormat = "BGR8Packed", Width = {SENSOR.width_px}, Height = {SENSOR.height_px}'


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds at a moment. `pid` tells whether it is the one of before."""

    pid: int
    memory_mib: float
    files: int


class Plates:
    """A camera's plates, drawn, of which one is before it: `shown` is the folder that pylon's emulator is given."""

    def __init__(self, folder: Path, seed: str) -> None:
        self.shown = folder / "shown"
        self.shown.mkdir(parents=True)
        self.parts = [_small(stage(load_all()[SCENE], f"{seed}-{number}")) for number in range(NUM_PLATES)]
        self._images = [[folder / f"{number:02d}{turn}.bmp" for turn in TURNS] for number in range(NUM_PLATES)]
        for part, images in zip(self.parts, self._images, strict=True):
            view = View(part, SENSOR)
            for turn, image in enumerate(images):
                # Exposures with noise of their own: two frames alike are a frozen camera's, and decide nothing.
                frame, _ = view.take(Settings(), turn)
                cv2.imwrite(str(image), frame)
        self._number = -1
        self.advance()

    @property
    def part(self) -> Part:
        """The part before the camera."""
        return self.parts[self._number]

    def advance(self) -> None:
        """Put the next one before the camera."""
        self._number = (self._number + 1) % NUM_PLATES
        # The emulator takes the images of a folder in turn, each anew from its file; a single one it keeps.
        for image in self._images[self._number]:
            new = self.shown.with_name("new")
            os.link(image, new)
            new.replace(self.shown / image.name[-5:])


def _small(part: Part) -> Part:
    """The part with a plate of two rows: two cores are to read ten a second."""
    rows = tuple(row for row in part.design.rows if row[0] in {"model", "serial"})
    return replace(part, design=replace(part.design, rows=rows))


def held(station: Station) -> dict[str, Held]:
    """What each process of a station holds now; without those that do not run."""
    return {
        service: Held(process.pid, process.memory_info().rss / (1 << 20), process.num_fds())
        for service, process in station.processes().items()
    }


class Lane:
    """One station with its camera's plates, and the part that stood there at each trigger."""

    def __init__(self, station: Station, plates: Plates) -> None:
        self.station = station
        self.plates = plates
        self.placed: dict[str, Part] = {}
        self.first: dict[str, Held] = {}
        self.early: dict[str, Held] = {}
        self.late: dict[str, Held] = {}

    def trigger(self, rate: float, until_s: float) -> None:
        """Send triggers at this rate, whatever becomes of them, as a line that does not wait."""
        due_s = time.monotonic()
        line = self.station.line
        while due_s < until_s:
            time.sleep(max(0.0, due_s - time.monotonic()))
            if len(line.audit.by_trigger) == len(self.placed):
                self.plates.advance()
            trigger_id = f"part-{len(self.placed) + 1:06d}"
            self.placed[trigger_id] = self.plates.part
            line.trigger_at_once(trigger_id)
            due_s += 1 / rate

    def rest(self) -> None:
        """Wait until every trigger has its outcome."""
        line = self.station.line
        line.wait_until(lambda: len(line.audit.by_trigger) >= len(self.placed), DEADLINE_MS / 1000 + REST_S)


def problems_of(lane: Lane) -> list[str]:
    """Everything that is not as promised, as sentences."""
    station, audit = lane.station, lane.station.line.audit
    name = station.folder.name
    found = [f"station {name}: {each}" for each in [*audit.problems, *station.count_differences()]]
    missing = audit.missing(list(lane.placed))
    if missing:
        found.append(f"station {name}: {len(missing)} triggers have no outcome, {missing[0]} the first (L1)")
    if not audit.is_gapless:
        found.append(f"station {name}: `seq` has a gap (L11)")
    for outcome in (heard.outcome for heard in audit.outcomes.values()):
        texts = {field: told["text"] for field, told in outcome["fields"].items()}
        plate = lane.placed[outcome["trigger_id"]].design
        if outcome["disposition"] == "pass" and texts != {"model": plate.model, "serial": plate.serial}:
            found.append(f"station {name}: {texts} passed, and the plate says {plate.model}, {plate.serial} (L4)")
    p99_ms = quantile(_total_ms(station), 0.99)
    if p99_ms > DEADLINE_MS:
        found.append(f"station {name}: 1 outcome in 100 took {p99_ms:.0f} ms or more (L10)")
    for service, first in lane.first.items():
        before, after = lane.early.get(service), lane.late.get(service)
        if before is None or after is None or after.pid != first.pid:
            found.append(f"station {name}: {service} was restarted, or is away")
        elif after.memory_mib > MOST_GROWTH * before.memory_mib:
            found.append(f"station {name}: {service} grew from {before.memory_mib:.0f} to {after.memory_mib:.0f} MiB")
        elif after.files > before.files + MOST_MORE_FILES:
            found.append(f"station {name}: {service} had {before.files} files open, and has {after.files}")
    return found


def _total_ms(station: Station) -> list[float]:
    """Milliseconds from trigger to outcome, of all that were inspected."""
    told = [heard.outcome for heard in station.line.audit.outcomes.values()]
    return [one["ms"]["total"] for one in told if one["reason"] != "overrun" and one["ms"]["total"] is not None]


def run(asked: argparse.Namespace) -> int:
    """Run the stations side by side; 0 where everything is as promised."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="endure-", dir="/tmp")))
        broker = stack.enter_context(Mosquitto(folder / "broker", "max_queued_messages 0"))
        lanes: list[Lane] = []
        for number in range(asked.cameras):
            name = f"cam{number + 1}"
            plates = Plates(folder / f"plates{number + 1}", name)
            station = Station(
                folder / name,
                PRODUCT,
                broker.port,
                name=name,
                environment={"PYLON_CAMEMU": str(asked.cameras)},
                camera_table=_CAMERA.format(number=number, plates=plates.shown, form=_FORM),
                deadline_ms=DEADLINE_MS,
                more_settings=_MORE,
                reader_of=lanes[0].station if lanes else None,
            )
            station.erp.add([record for part in plates.parts for record in part.records])
            lanes.append(Lane(station, plates))
        began_s = time.monotonic()
        for lane in lanes:
            stack.enter_context(lane.station)
        for lane in lanes:
            lane.station.wait_until_ready(began_s)
            lane.first = held(lane.station)
        print(
            f"{asked.cameras} stations ready, {asked.rate:g} triggers/s each for {asked.minutes:g} minutes", flush=True
        )
        until_s = time.monotonic() + 60 * asked.minutes
        lines = [threading.Thread(target=lane.trigger, args=(asked.rate, until_s)) for lane in lanes]
        for line in lines:
            line.start()
        time.sleep(SETTLED * 60 * asked.minutes)
        for lane in lanes:
            lane.early = held(lane.station)
        for line in lines:
            line.join()
        for lane in lanes:
            lane.rest()
            lane.late = held(lane.station)
            _show(lane)
        problems = [problem for lane in lanes for problem in problems_of(lane)]
    for problem in problems[:MOST_SHOWN]:
        print(f"violated: {problem}")
    print(f"{len(problems)} violations")
    return 1 if problems else 0


def _show(lane: Lane) -> None:
    station, audit = lane.station, lane.station.line.audit
    reasons = Counter(str(heard.outcome["reason"]) for heard in audit.outcomes.values())
    print(f"\nstation {station.folder.name}: {len(lane.placed)} triggers, {len(audit.outcomes)} outcomes")
    print(f"  {', '.join(f'{reason} {count}' for reason, count in reasons.most_common())}")
    spent = _total_ms(station)
    p50, p99, most = (quantile(spent, share) for share in (0.5, 0.99, 1.0))
    print(f"  p50 {p50:.0f} ms, p99 {p99:.0f}, most {most:.0f}; deadline {DEADLINE_MS}")
    for service in sorted(lane.early.keys() & lane.late.keys()):
        before, after = lane.early[service], lane.late[service]
        memory = f"{before.memory_mib:6.1f} to {after.memory_mib:6.1f} MiB ({after.memory_mib / before.memory_mib:.3f})"
        print(f"  {service:<10} {memory}, {before.files} to {after.files} files open, since the run's first fifth")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=5.0, help="triggers a second at each station (%(default)s)")
    parser.add_argument("--cameras", type=int, default=2, help="stations, each with one (%(default)s)")
    parser.set_defaults(run=run)
