"""A station's data folder as its inspector leaves it: real readings of the simulator's parts, each with its course."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from edge import settings
from edge.adapters import course_text
from edge.adapters.bundle import Place
from edge.adapters.bundle_writing import BundleWriter
from edge.adapters.evidence import EvidenceFolder
from edge.adapters.store import Store
from edge.commands.one_inspection import inspect
from edge.core.actions import LookUp, TakeFrame
from edge.core.course import Course, Step
from edge.core.events import FrameFailed, FrameTaken, RecordFound, RecordMissing, RecordUnavailable, Triggered
from edge.core.outcome import Outcome
from edge.readers.reader import Reader
from simulator import products, scenes
from simulator.staging import stage
from tests.simulator.rehearsal import Rehearsal

STATION, AT = "st", "2026-11-01T06:00:00.000Z"
#: A part that passes, one that ERP has otherwise, one that ERP does not know, an ERP that is away, a camera that fails
#: once, one whose frame is from before the part, and a part that has passed before.
PLAYED = (
    "matched_label",
    "mismatch_serial",
    "record_missing",
    "erp_table_gone",
    "camera_recovers",
    "stale_frame_late",
    "duplicate_serial",
)


class Watched(Rehearsal):
    """A rehearsal that notes what comes from outside, as the inspector does."""

    def __init__(self, part: scenes.Scene, reader: Reader, configured: settings.Settings) -> None:
        super().__init__(stage(part, "recorded"), reader, configured.paths.products)
        self._configured, self._steps = configured, list[Step]()

    def watch(self, inspection_id: str, calibration: str) -> tuple[Outcome, str]:
        """Inspect; the outcome, and the course of it."""
        trigger = Triggered(1_000, inspection_id, inspection_id, self._part.expected)
        made = inspect(trigger, self._configured.product, self._configured.policy, self._reader, self)
        course = Course("triggered", self._part.expected, tuple(self._steps), calibration)
        return made, course_text.write(course, 1_000)

    def take(self, order: TakeFrame, now_us: int) -> FrameTaken | FrameFailed:
        """The frame, noted."""
        event = super().take(order, now_us)
        self._steps.append(Step("capturing", order.attempt, now_us - 1_000, event))
        return event

    def look_up(self, order: LookUp, now_us: int) -> RecordFound | RecordMissing | RecordUnavailable:
        """ERP's answer, noted."""
        event = super().look_up(order, now_us)
        self._steps.append(Step("checking", order.attempt, now_us - 1_000, event, order.serial))
        return event


def configure(folder: Path, more: str = "") -> settings.Settings:
    """The settings of a station that makes gearmotors, and the folder of its products."""
    products.write(folder / "products")
    (folder / "frames").mkdir(exist_ok=True)
    (folder / "erp.csv").write_text("serial,model\n", encoding="utf-8")
    file = folder / "edge.toml"
    file.write_text(
        f'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "{STATION}"\nproduct = "gearmotor"\ncamera = "top"\n'
        '[paths]\ndata = "data"\nruntime = "run"\nproducts = "products"\n'
        '[cameras.top]\nkind = "file"\npath = "frames"\n'
        f'[erp]\nkind = "csv"\npath = "erp.csv"\n[mqtt]\nhost = "127.0.0.1"\n{more}',
        encoding="utf-8",
    )
    return settings.load(file, {})


def record(folder: Path, reader: Reader, names: tuple[str, ...] = PLAYED) -> settings.Settings:
    """Inspect a part of each scene, and keep what an inspector keeps."""
    configured, known = configure(folder), scenes.load_all()
    store, evidence = Store.open(configured.paths.data, STATION), EvidenceFolder(configured.paths.data)
    calibration = store.recorded.keep_configuration(configured.config_text, configured.calibration_text)
    for name in names:
        watched = Watched(known[name], reader, configured)
        inspection_id, _ = store.add_trigger(
            name, expected=stage(known[name], "recorded").expected, source="plc", at=AT, at_us=1
        )
        outcome, course = watched.watch(inspection_id, calibration)
        kept = tuple(
            evidence.write(raw, inspection_id=inspection_id, attempt=attempt, at=AT)
            for attempt, raw in watched.frames.items()
        )
        store.commit(
            replace(outcome, trigger_id=name, evidence=kept),
            topic=configured.topic("outcome"),
            config_hash=configured.config_hash,
            at=AT,
            course=course,
        )
    store.close()
    return configured


def bundled(configured: settings.Settings, path: Path, *, max_bytes: int = 10**9) -> Path:
    """A bundle of all that a station has."""
    store = Store.open(configured.paths.data, configured.station.name)
    file = io.BytesIO()
    with BundleWriter(file, configured.paths.data, store.recorded, max_bytes=max_bytes) as writer:
        for part in store.recorded.after(0, 1000):
            assert writer.add(part)
        writer.finish(Place(site="s", line="l", station=STATION), "asked")
    store.close()
    path.write_bytes(file.getvalue())
    return path
