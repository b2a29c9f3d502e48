"""The page "A first station in 15 minutes", walked: every command of it, in its order, in one folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest

from tests.brokers import free_port

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "first-station.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(sh|toml)( background)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Nothing here depends on speed: a PC that is busy with other tests takes its time.
PATIENCE_S = 240.0
SLOW = {"EDGE_STATION__DEADLINE_MS": "120000", "EDGE_READER__TIMEOUT_MS": "60000"}


class Walk:
    """A reader of the page at a shell, with ports of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: dict[str, str] = {}
        self._ports = {"18830": str(free_port()), "8470": str(free_port())}
        programs = folder / "bin"
        programs.mkdir()
        for name, module in (("edge", "-m edge"), ("python", "")):
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n', encoding="ascii")
            (programs / name).chmod(0o755)
        self._environment = (
            os.environ
            | SLOW
            | {
                "PATH": f"{programs}:{os.environ['PATH']}:/usr/sbin",
                "PYTHONPATH": str(ROOT),
                "EDGE_PANEL__PORT": self._ports["8470"],
                "EDGE_PATHS__RUNTIME": str(folder / "run"),
            }
        )
        self._running: list[subprocess.Popen[str]] = []
        self._up: IO[str] | None = None

    def write(self, text: str) -> None:
        """Keep a file of the page; its first line names it."""
        (self.folder / text.partition("\n")[0].removeprefix("# ")).write_text(self._here(text), encoding="utf-8")

    def run(self, command: str) -> None:
        """Type one command, and wait for its end; it must succeed."""
        here = self._here(command)
        if here.startswith("mosquitto -p"):
            self._begin(here.removesuffix(" -d"))
            return
        done = subprocess.run(
            here,
            shell=True,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        self.said[command] = done.stdout

    def begin(self, command: str) -> None:
        """Type a command that goes on, and wait until it says that all is ready."""
        up = self._begin(self._here(command), log="up.log")
        log = self.folder / "up.log"
        self.until(lambda: up.poll() is not None or "processes are ready" in log.read_text(encoding="utf-8"))
        assert up.poll() is None, log.read_text(encoding="utf-8")

    def until(self, true: Callable[[], bool]) -> None:
        """Wait as a person would."""
        end = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.2)

    def decided(self) -> bool:
        """Whether the part has its outcome."""
        self.run("edge outcomes --config station.toml")
        return "1 triggers, 1 outcomes" in self.said["edge outcomes --config station.toml"]

    def end(self) -> None:
        """Ctrl-C everywhere."""
        for process in reversed(self._running):
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            process.wait()

    def _begin(self, command: str, log: str = "broker.log") -> subprocess.Popen[str]:
        with (self.folder / log).open("w", encoding="utf-8") as heard:
            process = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self._environment,
                stdout=heard,
                stderr=heard,
                text=True,
            )
        self._running.append(process)
        return process

    def _here(self, text: str) -> str:
        for port, ours in self._ports.items():
            text = text.replace(port, ours)
        return text


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """Somebody who begins at the top of the page."""
    made = Walk(tmp_path)
    yield made
    made.end()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_command_of_the_first_station_does_what_the_page_says(walk: Walk) -> None:
    """From drawn frames to an outcome at the broker: each command succeeds, and the part passes the station's rules."""
    for kind, background, block in BLOCK.findall(PAGE):
        if kind == "toml":
            walk.write(block)
            continue
        for command in block.strip().splitlines():
            walk.begin(command) if background else walk.run(command)
            if command.startswith("mosquitto_pub"):
                walk.until(walk.decided)
    (outcome,) = [json.loads(line) for line in walk.said["edge outcomes --config station.toml --json"].splitlines()]
    labels = [json.loads(line) for line in (walk.folder / "frames" / "labels.jsonl").read_text().splitlines()]

    assert (outcome["disposition"], outcome["reason"]) == ("pass", "matched")
    assert outcome["fields"]["serial"]["text"] in {label["serial"] for label in labels}
    assert (
        "6 of 6 images are read right with it"
        in walk.said["edge profile --labels frames/labels.jsonl -o gearmotor.toml"]
    )
    assert json.loads(walk.said["curl -s http://127.0.0.1:8470/health"])["outcomes"] == 1
    assert walk.said["edge alarm --config station.toml"].startswith("no alarm\n")
