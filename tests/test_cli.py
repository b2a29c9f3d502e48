"""The command line: help everywhere, one sentence an error, and exit codes that mean one thing each."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from edge import cli
from edge.cli import COMMANDS
from edge.errors import ConfigError, ErpError, UseError

#: The commands of the design, two that learn from a site's own plates, one for alarms, `record`, and wires.
DESIGN = {"demo", "up", "capture", "inspector", "reader", "messenger", "panel", "read", "gate", "ask", "check"}
DESIGN |= {"outbox", "outcomes", "erp", "bench", "calibrate", "profile", "replay", "alarm", "users", "record"}
DESIGN |= {"signals", "release", "pool", "plant"}
ACTIONS: list[tuple[str, ...]] = [
    ("erp", "lookup"),
    ("erp", "sync"),
    ("outbox", "list"),
    ("outbox", "retry"),
    ("outbox", "drop"),
    ("pool", "up"),
    ("pool", "down"),
    ("plant", "collect"),
    ("plant", "page"),
    ("plant", "check"),
    ("plant", "rehearse"),
    ("plant", "reader"),
    ("users", "list"),
    ("users", "add"),
    ("users", "password"),
    ("users", "remove"),
    *(("release", action) for action in ("key", "make", "sign", "push", "status", "rollback")),
]


def _plug_ins() -> set[str]:
    return {point.name for point in metadata.entry_points(group="edge.commands")}


def test_the_commands_are_the_designs() -> None:
    """Every command that the design names is there, `demo` brought by the simulator alone (L14)."""
    assert set(COMMANDS) | _plug_ins() == DESIGN
    assert "demo" not in COMMANDS


@pytest.mark.parametrize("words", [*((name,) for name in sorted(DESIGN)), *ACTIONS], ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """`edge COMMAND --help`, and that of its actions, prints what it does and ends with 0."""
    code = cli.main([*words, "--help"])

    out, err = capsys.readouterr()
    assert code == 0
    assert err == ""
    assert " ".join(("usage: edge", *words)) in out


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`edge --help` names every command and the exit codes."""
    code = cli.main(["--help"])

    out = capsys.readouterr().out
    assert code == 0
    assert all(f"\n  {name} " in out for name in DESIGN)
    assert "78 wrong configuration" in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`edge --version` prints the installed version."""
    code = cli.main(["--version"])

    assert code == 0
    assert capsys.readouterr().out == f"edge {metadata.version('edge-inspection')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["chek"],
        ["--verbose"],
        ["check", "--bogus"],
        ["check", "extra"],
        ["erp"],
        ["erp", "lookup"],
        ["capture"],
        ["check", "--config"],
        ["bench", "--rounds", "0"],
        ["bench", "--rounds", "many"],
        ["bench", "--reader", "nobody"],
        ["ask", "x.png"],
        ["ask", "x.png", " "],
        ["ask", "x.png", "What?", "--cap", "0"],
        ["ask", "x.png", "What?", "--pattern", "("],
        ["ask", "x.png", "What?", "--pattern", "(a|a)+"],
        ["ask", "x.png", "What?", "--model", "nowhere"],
        [""],
        ["\x1b[31m\n"],
    ],
)
def test_wrong_use_is_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command line that edge does not offer ends with 2, and its last line says what to do."""
    code = cli.main(arguments)

    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.splitlines()[-1].startswith("edge: ")
    assert "Traceback" not in err
    assert "\x1b" not in err


class Raising:
    """A command that raises what it is told to."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def add_arguments(self, parser: object) -> None:
        """It has none."""

    def run(self, args: object) -> int:
        """Raise."""
        raise self._error


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            ConfigError(["a.toml:1: x is wrong", "a.toml:2: y is wrong"]),
            78,
            "a.toml:1: x is wrong\na.toml:2: y is wrong\n",
        ),
        (UseError("do it otherwise"), 2, "edge: do it otherwise\n"),
        (ErpError("ERP\ndoes not answer"), 1, "edge: ERP\\ndoes not answer\n"),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(3), 3, ""),
    ],
    ids=["configuration", "use", "world", "Ctrl-C", "exit"],
)
def test_each_kind_of_error_has_its_code(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Errors by blame become exit codes: 78 with a line a problem, 2, 1; Ctrl-C says nothing (L13)."""
    monkeypatch.setitem(sys.modules, "edge.commands.check", Raising(error))

    ended = cli.main(["check"])

    assert ended == code
    assert capsys.readouterr().err == said


def test_an_error_that_nobody_foresaw_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unforeseen error is one sentence with its type, not its text, which may hold a secret; --debug shows all."""
    monkeypatch.setitem(sys.modules, "edge.commands.check", Raising(RuntimeError("hunter2")))

    plain_code = cli.main(["check"])
    plain = capsys.readouterr().err
    debug_code = cli.main(["check", "--debug"])
    debug = capsys.readouterr().err

    assert (plain_code, debug_code) == (1, 1)
    assert "RuntimeError" in plain
    assert "hunter2" not in plain
    assert len(plain.splitlines()) == 1
    assert "Traceback" in debug


def test_common_options_may_stand_anywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--config is understood behind an action, too, and not behind a `--`."""
    file = tmp_path / "none.toml"

    codes = [cli.main(["erp", "sync", "--config", str(file)]), cli.main(["erp", "--config", str(file), "sync"])]
    behind = cli.main(["erp", "sync", "--", "--config", str(file)])

    assert codes == [78, 78]
    assert behind == 2
    assert capsys.readouterr().err.count("no such file") == 2


def test_a_plug_in_gets_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands behind the name of a plug-in is its own, `--help` included, and its exit code is ours (L14)."""
    heard: list[list[str]] = []

    def command(words: list[str]) -> int:
        heard.append(words)
        return 7

    class Point:
        name, module = "demo", "elsewhere.demo"

        def load(self) -> object:
            return command

    monkeypatch.setattr(metadata, "entry_points", lambda **_: [Point()])

    code = cli.main(["demo", "--parts", "5", "--help"])

    assert code == 7
    assert heard == [["--parts", "5", "--help"]]


def test_the_modules_of_all_commands_exist() -> None:
    """Every command's module offers `add_arguments` and `run`."""
    for module, _ in COMMANDS.values():
        command = importlib.import_module(f"edge.commands.{module}")

        assert callable(command.add_arguments)
        assert callable(command.run)


def test_help_imports_no_device() -> None:
    """`edge --help` starts without OpenVINO, OpenCV, SQLAlchemy or torch, which take seconds to import."""
    slow = "{'cv2', 'openvino', 'sqlalchemy', 'torch'}"
    script = f"import sys; from edge import cli; cli.main(['--help']); print(sorted({slow} & {{*sys.modules}}))"

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert ended.stdout.splitlines()[-1] == "[]"


def test_a_broken_pipe_is_quiet() -> None:
    """A reader that goes away, as `head` does, gets no traceback after it."""
    reading, writing = os.pipe()
    os.close(reading)

    ended = subprocess.run(
        [sys.executable, "-m", "edge", "--help"], stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(writing)

    assert ended.stderr == b""
    assert ended.returncode in {0, 1}  # whether argparse or edge meets the broken pipe depends on buffering


@pytest.mark.parametrize("name", ["messenger", "inspector"])
def test_a_service_stops_cleanly(name: str, tmp_path: Path) -> None:
    """A process that runs alone ends with 0 on SIGTERM, and logs no traceback."""
    config = tmp_path / "edge.toml"
    config.write_text(
        'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "n"\ncamera = "front"\n'
        '[paths]\ndata = "data"\nruntime = "run"\n[mqtt]\nport = 1\n'
        f'[cameras.front]\nkind = "simulated"\naddress = "ipc://{tmp_path}/camera.sock"\n[log]\nformat = "json"\n',
        encoding="utf-8",
    )
    process = subprocess.Popen([sys.executable, "-m", "edge", name, "--config", config], stderr=subprocess.PIPE)
    try:
        _wait_for_socket(tmp_path / "run", process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()

    assert process.returncode == 0, err.decode()
    assert b"Traceback" not in err


def _wait_for_socket(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the process has bound its sockets: from then on it handles signals."""
    while not list(folder.glob("*.sock")):
        assert process.poll() is None, process.stderr and process.stderr.read()
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
