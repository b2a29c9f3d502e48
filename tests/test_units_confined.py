"""The station inspects inside the restrictions of its units, read from the unit files by `tests/confined.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters.store import Store
from edge.commands.up_child import Limits
from simulator.ports import free_port
from tests import confined
from tests.brokers import Ear, mosquitto
from tests.plc import ModbusPlc
from tests.test_up import Desk
from tests.test_watchdog import BASE, until, write_station

ROOT = Path(__file__).parent.parent
UNITS = {
    "capture-top": "edge-capture@.service",
    "inspector": "edge-inspector@.service",
    "reader": "edge-reader.service",
    "messenger": "edge-messenger.service",
    "panel": "edge-panel.service",
}


def under(unit: str, folder: Path, *program: str) -> list[str]:
    """The command that runs a program under a unit's rules, with a station's folder in sight."""
    seen = [folder, ROOT, Path(sys.base_prefix)]
    see = [word for path in seen for word in ("--see", str(path))]
    places = ["--state", str(folder / "data"), "--runtime", str(folder / "run")]
    return [
        sys.executable,
        str(ROOT / "tests/confined.py"),
        str(ROOT / "systemd" / unit),
        *places,
        *see,
        "--",
        *program,
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A station's folder, whose state and runtime folders are the confined user's."""
    tmp_path.chmod(0o755)
    for name in ("data", "run"):
        (tmp_path / name).mkdir(mode=0o700)
        os.chown(tmp_path / name, confined.USER_ID, confined.USER_ID)
    return tmp_path


@pytest.fixture
def desk(folder: Path) -> Iterator[Desk]:
    """A desk with nothing on it; what is on it in the end is stopped."""
    made = Desk(folder / "run")
    yield made
    if made.code is None and made._up is not None:
        made.stop()


@pytest.mark.timeout(600)
def test_the_five_processes_inspect_inside_their_units(folder: Path, desk: Desk) -> None:
    """Each under its own unit's rules, they start, take, read, decide and tell; and the rules really hold for them."""
    (folder / "broker").mkdir()
    with mosquitto(folder / "broker") as broker:
        config = write_station(folder, broker.port)
        edge = (sys.executable, "-m", "edge")
        commands = {
            name: under(unit, folder, *edge, *name.split("-"), "--config", str(config)) for name, unit in UNITS.items()
        }
        desk.start(Limits(start_timeout_s=300.0, watchdog_s=60.0), 20.0, **commands)
        for path in (folder / "run").glob("notify-*.sock"):  # as systemd's own, which any of its services may write to
            os.chown(path, confined.USER_ID, confined.USER_ID)
        until(lambda: "all are ready" in desk.said, desk)
        ear = Ear(broker.port)
        for number in range(3):
            ear.publish(f"{BASE}cmd/trigger", json.dumps({"trigger_id": f"part-{number}"}).encode())
            until(lambda number=number: len(ear.on("/outcome")) > number, desk)  # type: ignore[misc]
        outcomes = [json.loads(packet.payload) for packet in ear.on("/outcome")]
        pids = desk.pids()
        status = [Path(f"/proc/{pid}/status").read_text(encoding="ascii") for pid in pids]
        networks = {name: Path(f"/proc/{pid}/ns/net").readlink() for name, pid in zip(UNITS, pids, strict=True)}
        own = Path("/proc/self/ns/net").readlink()
        ear.close()
        desk.stop()

    assert [outcome["seq"] for outcome in outcomes] == [1, 2, 3]
    assert all(outcome["evidence"] for outcome in outcomes)
    assert all("NoNewPrivs:\t1\n" in one and "Seccomp:\t2\n" in one for one in status)
    assert all(f"Cap{kind}:\t{0:016x}\n" in one for one in status for kind in ("Eff", "Prm", "Bnd", "Amb"))
    assert {name for name, network in networks.items() if network != own} == {"capture-top", "reader"}


@pytest.mark.timeout(600)
def test_signals_reach_their_plc_inside_their_unit(folder: Path, desk: Desk) -> None:
    """Under its own unit's rules the process reaches a PLC, clears its lines, and puts a trigger on the disk (L1)."""
    plc = ModbusPlc()
    config = write_station(folder, free_port())
    where = f'host = "127.0.0.1"\nport = {plc.port}\n'
    with config.open("a", encoding="utf-8") as file:
        file.write(f'[triggers.plc]\nkind = "modbus"\n{where}address = 0\nacknowledge = true\n')
        file.write(f'[result]\nkind = "modbus"\n{where}coils = 16\n')
    command = under("edge-signals.service", folder, sys.executable, "-m", "edge", "signals", "--config", str(config))
    desk.start(Limits(start_timeout_s=300.0, watchdog_s=60.0), 20.0, signals=command)
    for path in (folder / "run").glob("notify-*.sock"):
        os.chown(path, confined.USER_ID, confined.USER_ID)
    plc.set_coil(0, on=True)
    until(lambda: not plc.coils(0, 1)[0], desk)
    until(lambda: plc.shown(16), desk)
    desk.stop()
    plc.close()
    store = Store.open(folder / "data", "st")
    counts = store.counts()
    store.close()

    assert counts["triggers"] == 1
    assert plc.shown(16) == [""]


#: What a process tries; each line of its answer says whether it could.
TRIES = """
import ctypes, json, mmap, os, pathlib, socket, sys
def can(deed):
    try:
        deed()
    except OSError:
        return False
    return True
libc = ctypes.CDLL(None, use_errno=True)
def call(code):
    if code < 0:
        raise OSError(ctypes.get_errno(), "refused")
state = pathlib.Path(sys.argv[1])
print(json.dumps({
    "write the system": can(lambda: pathlib.Path("/etc/edge-was-here").write_text("")),
    "write the state": can(lambda: (state / "x").write_text("")),
    "open a network socket": can(lambda: socket.socket(socket.AF_INET).close()),
    "open a local socket": can(lambda: socket.socket(socket.AF_UNIX).close()),
    "write what it executes": can(lambda: mmap.mmap(-1, 4096, prot=7).close()),
    "see a home": any(pathlib.Path("/home").iterdir()),
    "see a disk": pathlib.Path("/dev/vda").exists() or pathlib.Path("/dev/kmsg").exists(),
    "become root": can(lambda: os.setuid(0)),
    "make a namespace": can(lambda: call(libc.unshare(0x10000000))),
    "trace": can(lambda: call(libc.ptrace(0, 0, 0, 0))),
    "mount": can(lambda: call(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))),
}))
"""


@pytest.mark.parametrize(
    ("name", "can"),
    [
        ("capture-top", {"open a local socket"}),
        ("inspector", {"open a local socket", "open a network socket", "write the state"}),
        ("reader", {"open a local socket", "write what it executes"}),
        ("messenger", {"open a local socket", "open a network socket", "write the state"}),
        ("panel", {"open a local socket", "open a network socket", "write the state"}),
    ],
)
def test_a_process_can_do_what_it_needs_and_no_more(folder: Path, name: str, can: set[str]) -> None:
    """Under its unit's rules a program can do this, and nothing else of what is tried."""
    command = under(UNITS[name], folder, sys.executable, "-c", textwrap.dedent(TRIES), str(folder / "data"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    assert done.returncode == 0, done.stderr
    assert {deed for deed, could in json.loads(done.stdout).items() if could} == can
