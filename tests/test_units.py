"""The systemd units: accepted by systemd itself, and true to what the processes do."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import COMMANDS
from edge.commands import up_child

UNITS = Path(__file__).parent.parent / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
INSTALLED = "/opt/edge/bin/edge"


def read(path: Path) -> configparser.ConfigParser:
    """A unit file as its sections and keys."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # systemd's keys are case-sensitive
    parser.read(path)
    return parser


def seconds(text: str) -> float:
    """A plain time span of a unit file."""
    return float(text.removesuffix("s"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_every_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say about the units, with an `edge` where they expect one."""
    program = tmp_path / "edge"
    program.symlink_to(sys.executable)
    for unit in UNITS.iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace(INSTALLED, str(program)))
    names = [
        unit.name.replace("@.", "@top.") for unit in sorted(UNITS.iterdir()) if unit.suffix in {".service", ".target"}
    ]
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_there_is_a_unit_for_each_process() -> None:
    """Five processes, five services, and the target that holds them."""
    assert [unit.name for unit in SERVICES] == [
        "edge-capture@.service",
        "edge-inspector@.service",
        "edge-messenger.service",
        "edge-panel.service",
        "edge-reader.service",
    ]
    assert (UNITS / "edge.target").exists()


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_service_runs_its_process_and_is_looked_after(path: Path) -> None:
    """Readiness and progress are the process's own word; 78 and 2 are final; anything else starts it anew for ever."""
    unit = read(path)
    service = unit["Service"]
    program, command, *arguments = service["ExecStart"].split()

    assert program == INSTALLED
    assert command in COMMANDS
    assert arguments == (["%i"] if command == "capture" else [])
    assert service["Type"] == "notify"
    assert seconds(service["WatchdogSec"]) == up_child.WATCHDOG_S
    assert service["Restart"] == "always"
    assert seconds(service["RestartSec"]) >= 1
    assert {int(code) for code in service["RestartPreventExitStatus"].split()} == up_child.FINAL_EXIT_CODES
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Unit"]["PartOf"] == "edge.target"


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_restart_of_one_leaves_the_others_their_folders(path: Path) -> None:
    """State and runtime folders are shared, for the edge user alone, and survive the restart of one service."""
    service = read(path)["Service"]

    assert (service["StateDirectory"], service["RuntimeDirectory"]) == ("edge", "edge")
    assert (service["StateDirectoryMode"], service["RuntimeDirectoryMode"]) == ("0700", "0700")
    assert service["RuntimeDirectoryPreserve"] == "yes"
    assert service["EnvironmentFile"].startswith("-")


def test_no_service_waits_for_another() -> None:
    """A camera, reader or broker that is not there yet keeps no other process of the station from starting."""
    orders = [read(path)["Unit"].get("After", "") + read(path)["Unit"].get("Requires", "") for path in SERVICES]

    assert not any("edge-" in order for order in orders)
