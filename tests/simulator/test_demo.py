"""`edge demo` end to end: real processes, real reader, embedded broker, and nothing left behind."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from simulator import demo, running
from simulator.scenes import READERS, load_all
from simulator.station import Station

pytestmark = pytest.mark.timeout(280)
WAIT_S = 90.0


def _edge_demo(out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "edge", "demo", "--out", str(out), *options]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: the paths of sockets below it have a limit."""
    path = Path(tempfile.mkdtemp(prefix="td-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


def _environment(folder: Path) -> dict[str, str]:
    """A temporary folder of its own, so that what is left behind can be seen; a crash says where it was."""
    return {**os.environ, "TMPDIR": str(folder), "PYTHONFAULTHANDLER": "1"}


def _left_behind(folder: Path) -> list[str]:
    """Processes that were started with a file of this folder, or that run in it."""
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [" ".join(words) for words in commands if any(str(folder) in word for word in words)]


def test_plays_scenes_as_they_are_named(folder: Path) -> None:
    """Some scenes of each kind end as named; the report is there; no process and no folder is left behind (L1, L4)."""
    scenes = ("matched_label", "mismatch_serial", "unreadable_no_plate", "overrun", "reader_failed")
    options = [word for scene in scenes for word in ("--scene", scene)]
    run = subprocess.run(
        _edge_demo(folder / "out", *options, "--seed", "3"),
        env=_environment(folder),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    outcomes = [json.loads(line) for line in (folder / "out" / "outcomes.jsonl").read_text().splitlines()]

    assert run.returncode == 0, run.stdout + run.stderr
    assert "as named" in run.stdout
    assert [outcome["seq"] for outcome in outcomes] == list(range(1, len(outcomes) + 1))
    assert "data:image/jpeg;base64," in (folder / "out" / "report.html").read_text()
    assert _left_behind(folder) == []
    assert [each.name for each in folder.iterdir()] == ["out"]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_leaves_no_process_behind_when_interrupted(folder: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM in the middle of a run end all processes, in order, with exit code 130."""
    with subprocess.Popen(
        _edge_demo(folder / "out", "--scene", "matched_label", "--parts", "500"),
        env=_environment(folder),
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        first = next(line for line in run.stdout if line.startswith("part 1 "))
        alive = _left_behind(folder)
        run.send_signal(number)
        run.wait(WAIT_S)

    assert first
    assert len(alive) > 5
    assert run.returncode == 130
    assert _left_behind(folder) == []


@pytest.mark.slow
def test_leaves_no_process_behind_when_killed(folder: Path) -> None:
    """Even `kill -9` of the demo leaves no process behind: each dies with its parent."""
    with subprocess.Popen(
        _edge_demo(folder / "out", "--scene", "matched_label", "--parts", "500"),
        env=_environment(folder),
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        next(line for line in run.stdout if line.startswith("part 1 "))
        run.kill()
    until_s = time.monotonic() + WAIT_S
    while _left_behind(folder) and time.monotonic() < until_s:
        time.sleep(0.1)

    assert _left_behind(folder) == []


@pytest.mark.slow
def test_every_scene_ends_as_it_is_named(folder: Path) -> None:
    """`edge demo` with no option plays every scene, and each outcome is the one that its scene names."""
    run = subprocess.run(
        _edge_demo(folder / "out"),
        env=_environment(folder),
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(load_all())}" in run.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scene", "no_such_scene"], "there is no scene no_such_scene"),
        (["--parts", "0"], "--parts must be 1 or more"),
        (["--parts", "many"], "invalid int value"),
        (["--reader", "remote"], "invalid choice: 'remote'"),
    ],
)
def test_refuses_wrong_use(capsys: pytest.CaptureFixture[str], options: list[str], said: str) -> None:
    """A wrong option ends with 2 and one sentence that says which."""
    with pytest.raises(SystemExit) as ended:
        demo.main(options)

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("parts", [1, 2, 7, 500])
def test_plays_exactly_so_many_parts(parts: int) -> None:
    """`--parts N` brings N parts down the line, those that some scenes want before their own included."""
    scenes, dice = list(load_all().values()), random.Random(parts)
    drawn = running._drawn(lambda: dice.choice(scenes), parts)

    assert sum(2 if scene.before.needed else 1 for scene in drawn) == parts


def test_lists_its_scenes(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` names every scene and the outcome that it must give."""
    assert demo.main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{name}: " in listed for name in load_all())


def test_lists_what_two_readers_must_give(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list --reader ocr+vlm` names the outcomes where two readers look at each frame."""
    assert demo.main(["--list", "--reader", "ocr+vlm", "--scene", "deadline"]) == 0
    two = capsys.readouterr().out
    assert demo.main(["--list", "--scene", "deadline"]) == 0

    assert two.endswith("-> pass matched\n")
    assert capsys.readouterr().out.endswith("-> hold deadline\n")


@pytest.mark.parametrize("reader", READERS)
def test_a_station_is_set_to_the_reader(reader: str, folder: Path) -> None:
    """The station's configuration names the reader of the demo, and nothing else of it differs."""
    told = Station(folder / "a", "device", 1883, reader=reader).config.read_text()
    usual = Station(folder / "b", "device", 1883).config.read_text()

    assert f'[reader]\nkind = "{reader}"\n' in told
    assert len(told.splitlines()) == len(usual.splitlines())


def test_names_the_missing_extra(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the packages of the extra the demo says in one sentence what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    assert demo.main([]) == 2
    assert "pip install 'edge-inspection[demo]'" in capsys.readouterr().err
