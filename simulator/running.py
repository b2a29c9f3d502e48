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


def run(asked: argparse.Namespace, scenes: list[Scene]) -> int:
    """Play what was asked for; gives the exit code."""
    show = Show(record=asked.picture is not None)
    folder = Path(tempfile.mkdtemp(prefix="edge-demo-"))
    dice = random.Random(asked.seed)
    weights = [scene.weight for scene in scenes]
    if not any(weights):
        weights = [1] * len(scenes)
    draw: Callable[[], Scene] = lambda: dice.choices(scenes, weights)[0]  # noqa: E731 - one line says it
    playlist = scenes if asked.parts is None else [draw() for _ in range(asked.parts)]
    problems: list[str] = []
    memory: dict[str, tuple[float, float]] = {}
    products = sorted({scene.product for scene in (scenes if asked.keep_open else playlist)})
    performance: Performance | None = None
    interrupted = False
    finished = False
    try:
        with ExitStack() as stack:
            broker = stack.enter_context(Broker())
            performance = Performance(folder, products, broker.port, asked.seed)
            started_s = time.monotonic()
            show.say(f"starting {len(products)} stations of five processes, broker on port {broker.port}")
            for station in performance.stations.values():
                stack.enter_context(station)
            for station in performance.stations.values():
                station.wait_until_ready(started_s)
            show.say(f"ready after {time.monotonic() - started_s:.1f} s")
            memory = _play(performance, playlist, show)
            finished = True
            problems += [each for station in performance.stations.values() for each in station.count_differences()]
            if asked.keep_open:
                _free_run(performance, draw, show)
    except KeyboardInterrupt:
        interrupted = not finished
    except (LineError, OSError) as error:
        problems.append(str(error))
    if performance is None:
        print("; ".join(problems) or "interrupted", file=sys.stderr)
        return 130 if interrupted else 1
    summary = _summary(performance, problems, memory)
    _write(asked, performance, summary, show)
    if summary.is_good or interrupted:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        show.say(f"the stations' folders are kept: {folder}")
    if interrupted:
        return 130
    return 0 if summary.is_good else 1


def _play(performance: Performance, playlist: list[Scene], show: Show) -> dict[str, tuple[float, float]]:
    """Play all parts; the processes' memory early and late, where the run is long enough to tell."""
    early: dict[str, float] = {}
    with show.running(len(playlist)):
        for number, scene in enumerate(playlist, start=1):
            *before, own = performance.play(scene)
            for story in before:
                show.part(story, counts=False)
            show.part(own)
            if number == EARLY_PART and len(playlist) >= 2 * EARLY_PART:
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
    if summary.stories:
        about = f"seed {asked.seed}, " + (f"{asked.parts} drawn parts" if asked.parts else "every scene once")
        at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        report.write(out / "report.html", summary, about=about, at=at)
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
