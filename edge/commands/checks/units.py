"""The systemd units: running, watched, seldom restarted, and open for what the settings need."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from edge.commands.checks.finding import Finding, fail, judged, ok
from edge.http_facts import LOCAL_HOSTS
from edge.settings import Settings

#: There where systemd is what started this PC (sd_booted(3)).
BOOTED = Path("/run/systemd/system")
_KEYS = "Id,LoadState,ActiveState,SubState,NRestarts,WatchdogUSec,Result,PrivateNetwork,PrivateDevices,IPAddressDeny"
_LIMIT_S = 10.0


def check(settings: Settings, *, booted: Path = BOOTED) -> Finding:
    """Ask systemd for each unit of this station."""
    if not booted.exists():
        return ok("systemd does not run here", booted=False)
    names = unit_names(settings)
    units = _show(names)
    installed = [name for name in names if units[name].get("LoadState") == "loaded"]
    if not installed:
        return ok("no unit of edge is installed: `edge up` runs the station", booted=True)
    states = {name: units[name].get("ActiveState", "unknown") for name in names}
    facts = {"states": states, "restarts": {name: units[name].get("NRestarts", "0") for name in names}}
    bad = [name for name in names if states[name] == "failed" or name not in installed]
    if bad:
        said = ", ".join(f"{name} {states[name] if name in installed else 'is not installed'}" for name in bad)
        return fail(said, f"journalctl -u {bad[0]}, mend what it says, systemctl restart {bad[0]}", **facts)
    closed = list(_closed(settings, units))
    if closed:
        return fail("; ".join(why for why, _ in closed), "; ".join(remedy for _, remedy in closed), **facts)
    return judged(f"{len(names)} units {_summary(states)}", list(_doubts(units)), **facts)


def unit_names(settings: Settings) -> list[str]:
    """The units that this station needs."""
    camera = settings.station.camera
    names = [f"edge-capture@{camera}", f"edge-inspector@{camera}", "edge-messenger", "edge-panel"]
    own_reader = ["edge-reader"] if settings.reader.shared is None else []
    wires = ["edge-signals"] if settings.has_signals else []
    return [f"{name}.service" for name in [*names, *own_reader, *wires]]


def _show(names: list[str]) -> dict[str, dict[str, str]]:
    """What `systemctl show` says of each; empty where it says nothing."""
    said = subprocess.run(
        ["systemctl", "show", f"--property={_KEYS}", *names],
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    ).stdout
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in said.split("\n\n")]
    found = {block.get("Id", ""): block for block in blocks}
    return {name: found.get(name, {}) for name in names}


def _closed(settings: Settings, units: Mapping[str, Mapping[str, str]]) -> list[tuple[str, str]]:
    """What the settings need and a unit keeps from its process, each with what to do."""
    camera = settings.cameras[settings.station.camera]
    url = str(getattr(camera, "address", ""))
    wants_network = {
        f"edge-capture@{settings.station.camera}.service": (
            camera.kind == "rtsp" or url.startswith("tcp:"),
            f"the camera {settings.station.camera} is on the network",
            "capture-network.conf",
        ),
        "edge-reader.service": (
            settings.reader.kind in {"remote", "pool"},
            "the reader asks a server",
            "reader-network.conf",
        ),
    }
    closed = [
        (f"{why}, and {name} has no network", _copy(name, drop_in))
        for name, (wanted, why, drop_in) in wants_network.items()
        if wanted and units.get(name, {}).get("PrivateNetwork") == "yes"
    ]
    panel = "edge-panel.service"
    if settings.panel.host not in LOCAL_HOSTS and units[panel].get("IPAddressDeny"):
        closed.append(
            (
                f"the page is for {settings.panel.host}, and {panel} lets this PC alone in",
                _copy(panel, "panel-network.conf"),
            )
        )
    wires = "edge-signals.service"
    if "gpio" in _wire_kinds(settings) and units.get(wires, {}).get("PrivateDevices") == "yes":
        closed.append((f"there are digital lines, and {wires} has no device", _copy(wires, "signals-gpio.conf")))
    erp_host = urlsplit(str(getattr(settings.erp, "url", "") or "")).hostname
    inspector = f"edge-inspector@{settings.station.camera}.service"
    if erp_host and units[inspector].get("PrivateNetwork") == "yes":
        closed.append((f"ERP is at {erp_host}, and {inspector} has no network", "remove its drop-in no-network.conf"))
    return closed


def _wire_kinds(settings: Settings) -> set[str]:
    return {settings.result.kind, settings.lights.kind, *(one.kind for one in settings.triggers.values())}


def _copy(unit: str, drop_in: str) -> str:
    return f"copy drop-ins/{drop_in} to /etc/systemd/system/{unit}.d/, systemctl daemon-reload, and restart it"


def _doubts(units: Mapping[str, Mapping[str, str]]) -> list[str]:
    doubts = []
    for name, told in units.items():
        if told.get("ActiveState") != "active":
            doubts.append(f"{name} is {told.get('ActiveState')}; systemctl start edge.target")
        elif told.get("WatchdogUSec") in {"0", "infinity"}:
            doubts.append(f"{name} is not watched; set WatchdogSec=30 in it")
        if int(told.get("NRestarts") or 0) > 0:
            doubts.append(f"{name} was restarted {told['NRestarts']} times; journalctl -u {name} says why")
    return doubts


def _summary(states: Mapping[str, str]) -> str:
    return ", ".join(sorted(set(states.values())))
