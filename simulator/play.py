"""`python -m simulator play BUNDLE`: a station of five processes inspects again what another one recorded.

The camera shows the recorded frames, MES says what it said, ERP answers what it answered; product, limits and reader
are those of the recording. Limits of time are wider, so that a slower PC sees the same. Each outcome is compared with
the one of then; 0 where all that were played are alike.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from simulator.broker import Broker
from simulator.line import LineError
from simulator.material import Picture
from simulator.optics import LIGHTS, Settings
from simulator.recording import Recorded, Recording, RecordingError, Take, differences
from simulator.scenes import TakeScript
from simulator.station import CAMERA, LINE_NAME, READY_TIMEOUT_WITH_MODEL_S, SITE, Station

#: Whatever a slower PC needs; a part that waits for longer has gone wrong.
DEADLINE_MS, READ_MS, BUDGET_MS, ERP_MS = 120_000, 60_000, 100_000, 5_000
OUTCOME_TIMEOUT_S = DEADLINE_MS / 1000 + 30


class RecordedView:
    """What the camera sees of a recorded part, take after take; beyond the last one it refuses."""

    def __init__(self, part: Recorded) -> None:
        self._takes = part.takes
        self.num_takes = 0

    def script(self, number: int) -> TakeScript:
        """How the camera behaves in this take."""
        take = self._of(number)
        if take.picture is None:
            return TakeScript(camera="refusing")
        return TakeScript(camera="late", late_ms=take.late_ms) if take.late_ms else TakeScript()

    def hold_ms(self, _number: int) -> int:
        """It never waits."""
        return 0

    def take(self, _settings: Settings, _counter: int) -> tuple[Picture, TakeScript]:
        """The next recorded frame."""
        self.num_takes += 1
        picture = self._of(self.num_takes).picture
        return np.zeros((64, 64, 3), np.uint8) if picture is None else picture, self.script(self.num_takes)

    def _of(self, number: int) -> Take:
        return self._takes[number - 1] if number <= len(self._takes) else Take(None, failure="it was never taken")


class PlayedErp:
    """ERP as a table that holds, for each part, what ERP answered of it then."""

    def __init__(self, path: Path, fields: list[str]) -> None:
        self._path, self._fields = path, fields

    def answer(self, part: Recorded) -> None:
        """Hold the records of one part; or no table, where ERP could not be asked."""
        columns = ", ".join(f'"{name}" TEXT' for name in (*self._fields, "used"))
        with closing(sqlite3.connect(self._path, timeout=10)) as db, db:
            db.execute("DROP TABLE IF EXISTS parts")
            if any(one.get("event") == "record_unavailable" for one in part.answers):
                return
            db.execute(f"CREATE TABLE parts ({columns})")
            places = ", ".join("?" * (len(self._fields) + 1))
            held = {json.dumps(self._row(one)) for one in part.answers if one.get("event") == "record_found"}
            rows = [json.loads(row) for row in sorted(held)]
            db.executemany(f"INSERT INTO parts VALUES ({places})", rows)  # noqa: S608 - question marks alone

    def _row(self, answer: Mapping[str, Any]) -> list[str]:
        record = {"serial": answer["asked"], **answer["fields"]}
        before = answer.get("passed_before") or ""
        return [*(str(record.get(name, "")) for name in self._fields), before.removeprefix("ERP, ")]


def play(bundle: Path, *, at_pace: bool = False, say: Callable[[str], None] = print) -> int:
    """Play a bundle; 0 all alike, 1 something differs.

    Raises:
        RecordingError: it cannot be played at all.
    """
    recording = Recording(bundle)
    settings, product = recording.configuration()
    if settings["reader"]["kind"] == "remote":
        raise RecordingError("its reader was on a server, which is not here: `edge replay --config` can name one")
    folder = Path(tempfile.mkdtemp(prefix="edge-play-", dir="/tmp"))
    counted = {"alike": 0, "differs": 0, "not played": 0}
    try:
        with Broker() as broker:
            station = Station(folder / "s", "gearmotor", broker.port)
            erp = PlayedErp(folder / "played.db", sorted(product["fields"]))
            _configure(station, settings, product, folder / "played.db", broker.port)
            started_s = time.monotonic()
            with station:
                station.wait_until_ready(started_s, READY_TIMEOUT_WITH_MODEL_S)
                _play_all(recording, station, erp, counted, at_pace=at_pace, say=say)
    except (LineError, OSError) as error:
        say(f"the station's folder is kept: {folder}")
        print(error, file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    say(", ".join(f"{count} {word}" for word, count in counted.items()))
    return 1 if counted["differs"] else 0


def _play_all(
    recording: Recording,
    station: Station,
    erp: PlayedErp,
    counted: dict[str, int],
    *,
    at_pace: bool,
    say: Callable[[str], None],
) -> None:
    began_s, first_at = time.monotonic(), None
    for part in recording.parts():
        at = datetime.fromisoformat(part.outcome["at"])
        first_at = first_at or at
        if at_pace:
            time.sleep(max(0.0, (at - first_at).total_seconds() - (time.monotonic() - began_s)))
        told = f"{part.seq:6} {part.outcome['at']} {part.outcome['disposition']} {part.outcome['reason']}"
        if part.cannot:
            counted["not played"] += 1
            say(f"{told}: not played, {part.cannot}")
            continue
        erp.answer(part)
        station.camera.show(RecordedView(part))
        station.line.trigger(f"played-{part.seq}", part.expected)
        heard = station.line.wait_for_outcome(f"played-{part.seq}", OUTCOME_TIMEOUT_S)
        if heard is None:
            raise LineError(f"part {part.seq} got no outcome: see {station.log}")
        found = differences(part.outcome, heard.outcome)
        counted["differs" if found else "alike"] += 1
        say(f"{told}: {'; '.join(found) if found else 'alike'}")


def _configure(
    station: Station, settings: Mapping[str, Any], product: Mapping[str, Any], records: Path, broker_port: int
) -> None:
    """Write the station's files: of the recording what decides about a part, of this PC all else."""
    (station.folder / "products" / f"{product['name']}.toml").write_text(toml(product), encoding="utf-8")
    own = settings["cameras"][settings["station"]["camera"]]
    camera = {key: own[key] for key in ("exposure_us", "exposure_min_us", "exposure_max_us", "gain_db", "light")}
    reader = {**settings["reader"], "timeout_ms": READ_MS, "shared": None, "remote": None}
    no_erp = settings["erp"]["kind"] == "none"
    erp: Mapping[str, Any] = {
        "kind": "sql",
        "url": f"sqlite:///{records}",
        "table": "parts",
        "used_column": "used",
        "timeout_ms": ERP_MS,
    }
    told = {
        "version": 1,
        "station": {
            "site": SITE,
            "line": LINE_NAME,
            "name": station.product,
            "product": product["name"],
            "camera": CAMERA,
            "deadline_ms": DEADLINE_MS,
        },
        "paths": {"data": "data", "runtime": "run", "products": "products"},
        "cameras": {
            CAMERA: {
                **camera,
                "kind": "simulated",
                "address": station.camera.address,
                "take_timeout_ms": 20_000,
                "light": camera["light"] if camera["light"] in LIGHTS else "normal",
            }
        },
        "reader": reader,
        "gate": settings["gate"],
        "retake": {**settings["retake"], "budget_ms": BUDGET_MS},
        "accept": {**settings["accept"], "calibration": None},
        "erp": {"kind": "none"} if no_erp else erp,
        "mqtt": {"host": "127.0.0.1", "port": broker_port},
        # The reader shall see the very pixels: a JPEG of a JPEG has others.
        "evidence": {"format": "png"},
        "panel": {"port": station.panel_port},
        "log": {"format": "json"},
    }
    station.config.write_text(toml(told), encoding="utf-8")


def toml(told: Mapping[str, Any], name: str = "") -> str:
    """A mapping as TOML; what is None is left out. JSON's texts, numbers and lists are TOML's, too."""
    plain = {key: value for key, value in told.items() if not isinstance(value, Mapping) and value is not None}
    lines = [f"[{name}]"] if name else []
    lines += [f"{json.dumps(key)} = {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items()]
    for key, value in told.items():
        if isinstance(value, Mapping):
            lines.append(toml(value, f"{name}.{json.dumps(key)}".lstrip(".")))
    return "\n".join(lines) + "\n"
