"""Run the processes of one station on a desk, as systemd does in production: five, and one for wires if there are any.

Promises: each process is looked after by its own word (readiness, progress), not by guesses; one that ends is started
anew, the others go on; Ctrl-C, SIGTERM and a closed terminal stop all in order, each within its time, and leave no
process behind; a second Ctrl-C ends them at once. A child that says 78 (wrong configuration) ends all with 78.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import selectors
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TextIO

from edge import settings
from edge.adapters import sockets, systemd
from edge.commands.up_child import FINAL_EXIT_CODES, Child, Limits
from edge.errors import ConfigError, UseError

TURN_S = 0.1
#: Each process has this long for a clean stop.
STOP_TIMEOUT_S = 10.0
#: What decides stops first, what tells the world stops late: outcomes decided last are still sent.
STOP_ORDER = {"inspector": 1, "signals": 2, "capture": 3, "reader": 4, "messenger": 5, "panel": 6}


class Up:
    """Some children under one eye; `run` is the loop."""

    def __init__(
        self,
        commands: dict[str, Sequence[str]],
        runtime_dir: Path,
        environment: dict[str, str],
        *,
        limits: Limits | None = None,
        stop_timeout_s: float = STOP_TIMEOUT_S,
        stream: TextIO | None = None,
    ) -> None:
        self._children = [Child(name, command, runtime_dir, limits or Limits()) for name, command in commands.items()]
        self._environment = environment
        self._stop_timeout_s = stop_timeout_s
        self._stream = stream or sys.stderr
        self._width = max(len(name) for name in [*commands, "up"])
        self._num_stops = 0
        self._all_ready = False

    def stop(self) -> None:
        """Ask for the end; the second time, end everything at once. May be called from a signal handler."""
        self._num_stops += 1

    def run(self, ready_sentence: str) -> int:
        """Look after the children until `stop`, or until one of them says its final word. Gives the exit code."""
        final = 0
        try:
            while not self._num_stops and not final:
                final = self._turn()
                if not self._all_ready and all(child.ready for child in self._children):
                    self._all_ready = True
                    self._say(ready_sentence)
                    systemd.notify_ready(ready_sentence)
                systemd.notify_progress()
                self._wait()
        finally:
            systemd.notify_stopping()
            clean = self._stop_all()
        return final or (0 if clean else 1)

    def _turn(self) -> int:
        """Look once at every child; gives the exit code that ends everything, or 0."""
        for child in self._children:
            self._hear(child)
            if complaint := child.look():
                self._say(f"{child.name}: {complaint}")
            code = child.ended()
            if code in FINAL_EXIT_CODES:
                self._say(f"{child.name} ended with {code}: starting it anew would not help, stopping all")
                return code or 0
            if code is not None:
                self._say(f"{child.name} ended ({_how(code)}), starting it anew")
                self._all_ready = False
            child.start_if_due(self._environment)
        return 0

    def _wait(self) -> None:
        """Until a child writes, or says something, or a turn is over."""
        with selectors.DefaultSelector() as selector:
            for child in self._children:
                selector.register(child.notify, selectors.EVENT_READ)
                if child.output is not None:
                    selector.register(child.output, selectors.EVENT_READ)
            selector.select(TURN_S)

    def _stop_all(self) -> bool:
        """Stop the children in order; True when each ended by itself in time."""
        clean = True
        for child in sorted(self._children, key=lambda child: STOP_ORDER.get(child.name.partition("-")[0], 0)):
            if child.pid is None:
                continue
            child.terminate()
            end_s = time.monotonic() + self._stop_timeout_s
            while (code := child.ended()) is None:
                if time.monotonic() >= end_s or self._num_stops > 1:
                    child.kill()
                    clean = False
                    end_s = float("inf")
                for other in self._children:
                    self._hear(other)
                    other.look()
                time.sleep(0.02)
            self._hear(child)
            if code not in {0, -signal.SIGTERM}:  # killed by it: the stop came before the process could take signals
                self._say(f"{child.name} did not stop cleanly ({_how(code)})")
        for child in self._children:
            child.close()
        return clean

    def _hear(self, child: Child) -> None:
        for line in child.lines():
            self._say(line, who=child.name)

    def _say(self, line: str, who: str = "up") -> None:
        """One prefixed line; a reader of ours that is gone must not end the station."""
        try:
            self._stream.write(f"{who:<{self._width}} | {line}\n")
            self._stream.flush()
        except (BrokenPipeError, ValueError):
            self._stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the rest of this process


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`edge up` has no arguments of its own."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Start the five processes and look after them."""
    configured = settings.load(args.config)
    runtime_dir = Path(configured.paths.runtime)
    lock = _lock(runtime_dir)
    environment = dict(os.environ)
    if configured.log.format == "auto" and sys.stderr.isatty():
        environment["EDGE_LOG__FORMAT"] = "text"  # a child sees a pipe; the lines end on this terminal
    edge = [sys.executable, "-m", "edge"]
    config = ["--config", str(configured.path)]
    camera = configured.station.camera
    commands: dict[str, Sequence[str]] = {
        f"capture-{camera}": [*edge, "capture", camera, *config],
        **{name: [*edge, name, *config] for name in _processes(configured)},
    }
    up = Up(commands, runtime_dir, environment)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: up.stop())
    try:
        return up.run(f"all {len(commands)} processes are ready; panel: {configured.panel.url}")
    finally:
        lock.close()


def _processes(configured: settings.Settings) -> list[str]:
    """The processes beside capture: no reader where another station's is shared, signals only where there are wires."""
    names = ["reader", "inspector", "messenger", "panel"]
    if configured.has_signals:
        names.append("signals")
    return names if configured.reader.shared is None else names[1:]


def _lock(runtime_dir: Path) -> IO[str]:
    """Hold the runtime folder for this `edge up` alone, until its end.

    Raises:
        ConfigError: when the folder cannot be used.
        UseError: when another one holds it.
    """
    sockets.address(runtime_dir, "heartbeat-capture-" + "x" * 16)
    try:
        runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (runtime_dir / "up.lock").open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"[paths] runtime: cannot write in {runtime_dir} ({error.strerror}): choose a writable folder"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise UseError(
            f"another `edge up` runs with the runtime folder {runtime_dir}: stop it first, or set [paths] runtime"
        ) from None
    return lock


def _how(code: int) -> str:
    return f"exit {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
