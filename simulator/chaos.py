"""`python -m simulator chaos`: a line that goes on while everything round its station goes wrong; then all is counted.

One station with a real mosquitto underneath. Parts come with their triggers, storms of triggers among them, while
mishaps strike (`mishaps.TABLE`), decided by the seed. In the end everything is mended, and what an independent
subscriber heard is held against what was sent: one outcome a trigger, `seq` without a gap, one content an inspection,
evidence as hashed, no wrong pass, each outcome within its deadline. Exits 0 only if nothing is violated.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulator.audit import Heard
from simulator.line import LineError
from simulator.mishaps import Mishap, World, possible
from simulator.mosquitto import Mosquitto
from simulator.scenes import Scene, load_all
from simulator.staging import Part, View, stage
from simulator.station import DEADLINE_MS, Station

PRODUCT = "gearmotor"
#: Ordinary parts, and parts that must not pass; what befalls them besides is the mishaps' matter.
SCENES = ("matched_label", "matched_two_tables_german", "matched_code_agrees", "mismatch_serial", "code_conflict")
#: How long the line waits for an outcome before the next part comes: a deadline, and what a killed process needs.
OUTCOME_TIMEOUT_S = DEADLINE_MS / 1000 + 12.0
#: What comes on top of a deadline until the outcome is decided: a turn of the inspector's loop on a busy PC.
LATE_MS = 1500
STORM_SHARE = 0.4
LEAST_STORM = 3
PAUSE_S = (1.0, 8.0)
#: How long everything may take to come to rest after the last mishap.
REST_S = 240.0
DISK_BYTES = 300 << 20
_FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
#: Evidence by size, so that a small disk is enough for any length of run.
_SETTINGS = """
[evidence]
max_gb = 0.1

[keep]
reserve_mb = 40
"""
_MQTT = """
# Among the mishaps is a broker that forgets who subscribed.
needs_subscriber = true
"""


@dataclass(slots=True)
class Tally:
    """What was done and found. `violations` are sentences; a run is good where there is none."""

    parts: int = 0
    triggers: dict[str, Part] = field(default_factory=dict)
    expected: dict[str, Mapping[str, str]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    unanswered: list[str] = field(default_factory=list)
    recorded: set[str] = field(default_factory=set)
    mishaps: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Chaos:
    """One run: `play` the line in a thread, let mishaps `befall` it in another, then `check`."""

    def __init__(self, world: World, tally: Tally, *, max_triggers: int, storm: int) -> None:
        self._world = world
        self._tally = tally
        self._max_triggers = max_triggers
        self._storm = storm
        self._dice = random.Random(world.dice.random())
        self._scenes = [load_all()[name] for name in SCENES]
        self.over = threading.Event()

    @property
    def is_full(self) -> bool:
        """Whether as many triggers were sent as were asked for."""
        return len(self._tally.triggers) >= self._max_triggers

    def play(self) -> None:
        """Bring part after part until `over`."""
        try:
            while not self.over.is_set() and not self.is_full:
                self._play_part()
        except Exception as error:  # noqa: BLE001 - the run must end with a report, whatever the line's own trouble is
            self._tally.violations.append(f"the simulated line failed: {error!r}")
        finally:
            self.over.set()

    def befall(self, mishap: Mishap) -> None:
        """Let one mishap strike, last, and be undone."""
        undo = mishap.strike(self._world)
        self._tally.mishaps[mishap.name] += 1
        try:
            self.over.wait(self._world.dice.uniform(*mishap.lasts_s))
        finally:
            undo()

    def _play_part(self) -> None:
        world, tally = self._world, self._tally
        tally.parts += 1
        scene: Scene = self._dice.choice(self._scenes)
        part = stage(scene, f"chaos-{tally.parts}", serial=None)
        if self._tell_erp(part):
            tally.recorded.add(part.serial)
        world.station.camera.show(View(part, world.station.camera.sensor))
        trigger_id = f"part-{tally.parts:05d}"
        sent = [trigger_id]
        self._insist_on(trigger_id, part, part.expected)
        if self._dice.random() < STORM_SHARE:
            sent += [f"{trigger_id}-{number}" for number in range(self._dice.randint(LEAST_STORM, self._storm))]
            for each in sent[1:]:
                world.station.line.trigger_at_once(each)
                time.sleep(self._dice.random() * 0.05)
            for each in sent[1:]:
                self._insist_on(each, part, None)
        world.station.line.wait_until(
            lambda: not world.station.line.audit.missing([each for each in sent if each in tally.triggers]),
            OUTCOME_TIMEOUT_S,
        )

    def _tell_erp(self, part: Part) -> bool:
        """Give ERP the part's records; not while it is broken, as nobody could."""
        with self._world.erp_lock:
            if not self._world.erp_is_up:
                return False
            self._world.station.erp.add(part.records)
            return True

    def _insist_on(self, trigger_id: str, part: Part, expected: Mapping[str, str] | None) -> None:
        """Send a trigger until it is answered, as a PLC does; without an answer it is asked about in the end."""
        self._tally.triggers[trigger_id] = part
        if expected is not None:
            self._tally.expected[trigger_id] = expected
        try:
            answer = self._world.station.line.trigger(trigger_id, expected)
        except LineError:
            self._tally.unanswered.append(trigger_id)
            return
        self._note(trigger_id, answer)

    def _note(self, trigger_id: str, answer: Mapping[str, Any]) -> None:
        if not answer.get("accepted"):
            del self._tally.triggers[trigger_id]
            self._tally.refused[str(answer.get("reason"))] += 1

    def insist(self) -> None:
        """Ask again for what was never answered; what is refused now has no outcome to come."""
        for trigger_id in self._tally.unanswered:
            self._note(trigger_id, self._world.station.line.trigger(trigger_id, self._tally.expected.get(trigger_id)))


def rest(world: World, tally: Tally) -> None:
    """Wait until every trigger has its outcome at the subscriber, and the station counts the same."""
    until_s = time.monotonic() + REST_S
    audit = world.station.line.audit
    while time.monotonic() < until_s:
        told = world.station.health()
        if not audit.missing(list(tally.triggers)) and told.get("triggers") == told.get("outcomes"):
            return
        time.sleep(0.5)


def check(world: World, tally: Tally) -> None:
    """Hold what was heard against what was sent; every difference becomes a sentence."""
    audit = world.station.line.audit
    say = tally.violations.append
    for trigger_id in audit.missing(list(tally.triggers)):
        say(f"trigger {trigger_id} was accepted and has no outcome at the subscriber (L1, L11)")
    for trigger_id in audit.by_trigger.keys() - world.station.line.triggers.keys():
        say(f"an outcome names the trigger {trigger_id!r}, which nobody sent (L1)")
    tally.violations += audit.problems
    if not audit.is_gapless:
        say("`seq` has a gap at the subscriber (L11)")
    told = world.station.health()
    counts = (told.get("triggers"), told.get("outcomes"), len(audit.outcomes))
    if len(set(counts)) != 1:
        say(f"the station counts {counts[0]} triggers and {counts[1]} outcomes, and {counts[2]} were heard (L1)")
    for heard in audit.outcomes.values():
        tally.violations += _wrongs(heard, tally, world.station.data_dir)


def _wrongs(heard: Heard, tally: Tally, data_dir: Path) -> Iterator[str]:
    """What is wrong with one outcome."""
    outcome = heard.outcome
    name, part = outcome["inspection_id"], tally.triggers.get(outcome["trigger_id"])
    if outcome["disposition"] == "pass":
        texts = {field: told["text"] for field, told in outcome["fields"].items()}
        printed = None if part is None else {"serial": part.design.serial, "model": part.design.model}
        wanted = tally.expected.get(outcome["trigger_id"], {})
        if texts != printed or part is None or part.serial not in tally.recorded:
            yield f"inspection {name} passed {texts}, printed is {printed} (L4)"
        elif any(texts[field] != text for field, text in wanted.items()):
            yield f"inspection {name} passed {texts}, MES expected {dict(wanted)} (L4)"
    total_ms = outcome["ms"]["total"]
    if outcome["reason"] != "interrupted" and total_ms is not None and total_ms > DEADLINE_MS + LATE_MS:
        yield f"inspection {name} took {total_ms:.0f} ms, beyond its deadline of {DEADLINE_MS} ms (L10)"
    for kept in outcome["evidence"]:
        path = data_dir / kept["path"]
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != kept["sha256"]:
            yield f"evidence {kept['path']} is not what its hash says (L8)"


def run(asked: argparse.Namespace) -> int:
    """Play and report; 0 where nothing is violated, 1 where something is, 130 where it was interrupted."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir="/tmp"))
    tally = Tally()
    began_s = time.monotonic()
    interrupted = False
    with ExitStack() as stack:
        world = stack.enter_context(_world(folder, random.Random(asked.seed)))
        chaos = Chaos(world, tally, max_triggers=asked.triggers or sys.maxsize, storm=asked.storm)
        print(f"chaos, seed {asked.seed}: {', '.join(possible(world))}", flush=True)
        line = threading.Thread(target=chaos.play, name="line", daemon=True)
        line.start()
        try:
            _befall_all(chaos, world, began_s + 60 * asked.minutes)
        except KeyboardInterrupt:
            interrupted = True
        chaos.over.set()
        line.join(OUTCOME_TIMEOUT_S + 60)
        _end(chaos, world, tally)
    _report(tally, world, (time.monotonic() - began_s) / 60)
    if not tally.violations:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"the station's folder is kept: {folder}")
    return 1 if tally.violations else 130 if interrupted else 0


def _befall_all(chaos: Chaos, world: World, until_s: float) -> None:
    table = list(possible(world).values())
    weights = [mishap.weight for mishap in table]
    while not chaos.over.is_set() and time.monotonic() < until_s:
        chaos.over.wait(world.dice.uniform(*PAUSE_S))
        if not chaos.over.is_set():
            chaos.befall(world.dice.choices(table, weights)[0])


def _end(chaos: Chaos, world: World, tally: Tally) -> None:
    try:
        chaos.insist()
        rest(world, tally)
    except LineError as error:
        tally.violations.append(f"the station did not come back: {error}")
    check(world, tally)


@contextmanager
def _world(folder: Path, dice: random.Random) -> Iterator[World]:
    """One station with its broker, on a disk and with a clock of its own where this PC can do that."""
    with ExitStack() as stack:
        broker = stack.enter_context(Mosquitto(folder / "broker", "max_queued_messages 0", "max_inflight_messages 100"))
        clock_file = folder / "clock" if _FAKETIME.is_file() else None
        station = Station(
            folder / "s",
            PRODUCT,
            broker.port,
            more_settings=_SETTINGS,
            more_mqtt=_MQTT,
            environment={} if clock_file is None else _false_clock(clock_file),
        )
        disk = stack.enter_context(_small_disk(station.data_dir))
        world = World(station, broker, dice, clock_file, disk)
        if clock_file is not None:
            world.set_clock(0)
        stack.enter_context(station)
        station.wait_until_ready(time.monotonic())
        yield world


def _false_clock(clock_file: Path) -> Mapping[str, str]:
    """What lets libfaketime move the wall clock of a process, and its monotonic one not."""
    return {
        "LD_PRELOAD": str(_FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock_file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path | None]:
    """A disk in memory for the station's data, where this user may mount one; else None, and no disk is filled."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "edge", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode:
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def _report(tally: Tally, world: World, minutes: float) -> None:
    audit = world.station.line.audit
    reasons = Counter(str(heard.outcome["reason"]) for heard in audit.outcomes.values())
    print(f"\n{'mishap':<28}times")
    for name, times in sorted(tally.mishaps.items()):
        print(f"{name:<28}{times}")
    rows: list[tuple[str, Any]] = [
        ("minutes", f"{minutes:.1f}"),
        ("parts", tally.parts),
        ("triggers accepted", len(tally.triggers)),
        ("triggers refused", ", ".join(f"{reason} {n}" for reason, n in tally.refused.items()) or 0),
        ("outcomes heard", len(audit.outcomes)),
        ("messages, repeats", f"{audit.messages}, {audit.repeats}"),
        ("reasons", ", ".join(f"{reason} {n}" for reason, n in reasons.most_common())),
        ("violations", len(tally.violations)),
    ]
    print()
    for name, value in rows:
        print(f"{name:<28}{value}")
    for sentence in tally.violations[:20]:
        print(f"violated: {sentence}")


def _storm(text: str) -> int:
    if not text.isdecimal() or int(text) < LEAST_STORM:
        raise argparse.ArgumentTypeError(f"{text!r} is no storm; give {LEAST_STORM} triggers or more")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--minutes", type=float, default=5.0, help="how long mishaps strike (%(default)s)")
    parser.add_argument("--triggers", type=int, help="end after so many triggers, if that is sooner")
    parser.add_argument(
        "--storm", type=_storm, default=12, metavar="N", help="triggers of one storm, at most (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides parts and mishaps (%(default)s)")
    parser.set_defaults(run=run)
