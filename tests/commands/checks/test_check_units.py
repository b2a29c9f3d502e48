"""The line of `edge check` about the systemd units, with a `systemctl` that remembers what units there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.commands.checks import units
from edge.commands.checks.finding import Finding
from edge.settings import Settings
from tests.certificates import Authority
from tests.commands.checks.stations import station

WELL = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "NRestarts": "0",
    "WatchdogUSec": "30s",
    "PrivateNetwork": "no",
    "IPAddressDeny": "",
}


class Manager:
    """A systemctl on the path; `units` are what it shows, by name."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.units = {name: dict(WELL) for name in units.unit_names(settings)}
        self._folder = folder
        self._settings = settings

    def check(self) -> Finding:
        """What the check finds with these units."""
        blocks = ["\n".join(f"{k}={v}" for k, v in ({"Id": name} | unit).items()) for name, unit in self.units.items()]
        (self._folder / "shown").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
        program = self._folder / "systemctl"
        program.write_text(f"#!/bin/sh\ncat {self._folder / 'shown'}\n", encoding="utf-8")
        program.chmod(0o755)
        return units.check(self._settings, booted=self._folder)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manager:
    """A manager of a station's five units, all well."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Manager(tmp_path, station(tmp_path))


def test_five_units_that_run_are_ok(manager: Manager) -> None:
    """Active, watched, never restarted."""
    finding = manager.check()

    assert (finding.level, finding.said) == ("ok", "5 units active")


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        ({"ActiveState": "failed"}, "fail", "journalctl -u edge-reader.service"),
        ({"LoadState": "not-found"}, "fail", "edge-reader.service is not installed"),
        ({"ActiveState": "inactive"}, "warn", "systemctl start edge.target"),
        ({"WatchdogUSec": "0"}, "warn", "is not watched"),
        ({"NRestarts": "7"}, "warn", "was restarted 7 times"),
    ],
)
def test_a_unit_that_is_not_well_is_named(manager: Manager, change: dict[str, str], level: str, said: str) -> None:
    """Failed, absent, stopped, unwatched, restarted: each with what to do."""
    manager.units["edge-reader.service"] |= change
    finding = manager.check()

    assert (finding.level, said in finding.line) == (level, True)


def test_no_unit_installed_is_a_desk(manager: Manager) -> None:
    """Where systemd runs and edge is not installed in it, that is said, and no failure."""
    for unit in manager.units.values():
        unit["LoadState"] = "not-found"

    assert manager.check().level == "ok"


def test_no_systemd_is_said(tmp_path: Path) -> None:
    """Without systemd there is nothing to ask."""
    finding = units.check(station(tmp_path), booted=tmp_path / "absent")

    assert (finding.level, finding.said) == ("ok", "systemd does not run here")


@pytest.mark.parametrize(
    ("settings", "unit", "closed", "drop_in"),
    [
        (
            {
                "EDGE_CAMERAS__TOP": '{"kind": "simulated", "address": "tcp://10.0.0.5:5555"}',
                "EDGE_STATION__CAMERA": "top",
            },
            "edge-capture@top.service",
            {"PrivateNetwork": "yes"},
            "capture-network.conf",
        ),
        (
            {"EDGE_READER__KIND": "remote", "EDGE_READER__REMOTE": '{"url": "http://10.0.0.5:8000", "model": "m"}'},
            "edge-reader.service",
            {"PrivateNetwork": "yes"},
            "reader-network.conf",
        ),
        (
            {
                "EDGE_PANEL__HOST": "0.0.0.0",
                "EDGE_PANEL__TOKEN_FILE": "token",
                "EDGE_PANEL__TLS": '{"cert_file": "panel.pem", "key_file": "panel.key"}',
            },
            "edge-panel.service",
            {"IPAddressDeny": "0.0.0.0/0 ::/0"},
            "panel-network.conf",
        ),
    ],
)
def test_what_a_unit_keeps_from_its_process_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    settings: dict[str, str],
    unit: str,
    closed: dict[str, str],
    drop_in: str,
) -> None:
    """Settings that need the network of a unit that has none: the drop-in is named, and it is there."""
    Authority(tmp_path).sign("panel")
    (tmp_path / "token").write_text("a-token-that-is-long-enough\n", encoding="ascii")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    manager = Manager(tmp_path, station(tmp_path, 1, **settings))
    manager.units[unit] |= closed
    finding = manager.check()

    assert (finding.level, drop_in in finding.do) == ("fail", True)
    assert (Path(__file__).parents[3] / "systemd" / "drop-ins" / drop_in).is_file()
