"""Runs the demo: starts broker and stations, plays the parts, writes summary and report, and clears everything away."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from simulator import report
from simulator.broker import Broker
from simulator.line import LineError
from simulator.performance import Performance
from simulator.scenes import Scene
from simulator.show import Show
from simulator.story import Summary

EARLY_PART = 100
"""The part after which the processes' memory is first measured, where twice as many parts are played."""
FREE_RUN_PAUSE_S = 1.0
INTERRUPTED = 130
MAX_DRAWS_PER_PART = 100
MAX_FOLDER_CHARACTERS = 40
"""A socket's whole path may have 107; a temporary folder with a longer name is not used."""


@dataclass(slots=True)
class _Run:
    """What a run has come to, whatever ends it."""

    performance: Performance | None = None
    problems: list[str] = field(default_factory=list)
    memory: dict[str, tuple[float, float]] = field(default_factory=dict)
    finished: bool = False


def run(asked: argparse.Namespace, scenes: list[Scene]) -> int:
    """Play what was asked for; gives the exit code."""
    show = Show(keep=asked.picture is not None)
    folder = _temporary_folder()
    done = _Run()
    try:
        _perform(asked, scenes, folder, show, done)
    except KeyboardInterrupt:
        show.say("interrupted")
    except (LineError, OSError) as error:
        done.problems.append(str(error))
    interrupted = not done.finished and not done.problems
    is_good = False
    if done.performance is None or not done.performance.stories:
        print("; ".join(done.problems) or "interrupted before the first part", file=sys.stderr)
    else:
        summary = _summary(done.performance, done.problems, done.memory)
        _write(asked, done.performance, summary, show)
        is_good = summary.is_good
    if is_good or interrupted:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        show.say(f"the stations' folders are kept: {folder}")
    return INTERRUPTED if interrupted else 0 if is_good else 1


def _perform(asked: argparse.Namespace, scenes: list[Scene], folder: Path, show: Show, done: _Run) -> None:
    """Start everything, play the parts, and end everything, whatever happens in between."""
    dice = random.Random(asked.seed)
    weights = [scene.weight for scene in scenes] if any(scene.weight for scene in scenes) else None

    def draw() -> Scene:
        return dice.choices(scenes, weights)[0]

    playlist = scenes if asked.parts is None else _drawn(draw, asked.parts)
    products = sorted({scene.product for scene in (scenes if asked.keep_open else playlist)})
    with ExitStack() as stack:
        broker = stack.enter_context(Broker())
        performance = done.performance = Performance(folder, products, broker.port, asked.seed, reader=asked.reader)
        started_s = time.monotonic()
        show.say(f"starting {' and '.join(products)}, five processes each; broker on port {broker.port}")
        for station in performance.stations.values():
            stack.enter_context(station)
        for station in performance.stations.values():
            station.wait_until_ready(started_s)
        show.say(f"ready after {time.monotonic() - started_s:.1f} s")
        done.memory = _play(performance, playlist, show)
        done.problems += [each for station in performance.stations.values() for each in station.count_differences()]
        done.finished = True
        if asked.keep_open:
            _free_run(performance, draw, show)


def _temporary_folder() -> Path:
    """A folder whose name is short enough for the sockets below it."""
    usual = Path(tempfile.gettempdir())
    short = usual if len(str(usual)) <= MAX_FOLDER_CHARACTERS else Path("/tmp")  # noqa: S108 - mkdtemp makes it safe
    return Path(tempfile.mkdtemp(prefix="edge-demo-", dir=short))


def _num_parts(scene: Scene) -> int:
    """How many parts a scene brings down the line: its own, and the one before it where it needs one."""
    return 2 if scene.before.needed else 1


def _drawn(draw: Callable[[], Scene], parts: int) -> list[Scene]:
    """Drawn scenes that bring exactly so many parts; the last part of a run has none before it."""
    drawn: list[Scene] = []
    left = parts
    for _ in range(MAX_DRAWS_PER_PART * parts):
        scene = draw()
        if _num_parts(scene) <= left:
            drawn.append(scene)
            left -= _num_parts(scene)
        if not left:
            return drawn
    raise LineError(f"no scene of those chosen brings the last of {parts} parts alone: choose an even number of parts")


def _play(performance: Performance, playlist: list[Scene], show: Show) -> dict[str, tuple[float, float]]:
    """Play all parts; the processes' memory early and late, where the run is long enough to tell."""
    early: dict[str, float] = {}
    parts = sum(map(_num_parts, playlist))
    with show.running(parts):
        for scene in playlist:
            for story in performance.play(scene):
                show.part(story)
            if not early and len(performance.stories) >= EARLY_PART and parts >= 2 * EARLY_PART:
                early = _memory(performance)
    late = _memory(performance) if early else {}
    return {name: (size, late[name]) for name, size in early.items() if name in late}


def _free_run(performance: Performance, draw: Callable[[], Scene], show: Show) -> None:
    addresses = ", ".join(f"http://127.0.0.1:{each.panel_port}" for each in performance.stations.values())
    show.say(f"the line goes on until Ctrl-C; panel at {addresses}")
    while True:
        for story in performance.play(draw()):
            show.part(story)
        time.sleep(FREE_RUN_PAUSE_S)


def _memory(performance: Performance) -> dict[str, float]:
    found: dict[str, float] = {}
    for station in performance.stations.values():
        found |= station.memory_mib()
    return found


def _summary(performance: Performance, problems: list[str], memory: dict[str, tuple[float, float]]) -> Summary:
    audits = {
        product: (station.line.audit, list(station.line.triggers)) for product, station in performance.stations.items()
    }
    return Summary.of(performance.stories, audits, problems, memory)


def _write(asked: argparse.Namespace, performance: Performance, summary: Summary, show: Show) -> None:
    """Show the summary, and write report, outcomes and logs."""
    out: Path = asked.out
    out.mkdir(parents=True, exist_ok=True)
    show.summary(summary)
    played = f"{asked.parts} drawn parts" if asked.parts else "each scene once"
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    report.write(out / "report.html", summary, about=f"reader {asked.reader}, seed {asked.seed}, {played}", at=at)
    with (out / "outcomes.jsonl").open("wb") as file:
        for station in performance.stations.values():
            for heard in station.line.audit.outcomes.values():
                file.write(heard.raw + b"\n")
    for product, station in performance.stations.items():
        if station.log.exists():
            shutil.copyfile(station.log, out / f"{product}.log")
    show.say(f"report: {out / 'report.html'}")
    if asked.picture is not None:
        show.save(asked.picture)
