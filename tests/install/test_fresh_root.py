"""edge from its offline folder on a fresh Debian: installed, inspecting, frozen, upgraded, removed; with no network.

The processes run under a real systemd, inside all that their units say. What this kernel's cgroups do not offer inside
the root (limits of memory and threads) is not tried here.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from install.make_package import ROOT, make
from tests.install.fresh_root import FreshRoot, booted, missing_here, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

UNITS = ("edge-capture@front", "edge-inspector@front", "edge-reader", "edge-messenger", "edge-panel")
#: One more step of the tables, as a later edge has it.
LATER_STEP = ("\n)\n\n\ndef migrate", '\n    ("CREATE TABLE hums (loud INTEGER) STRICT",),\n)\n\n\ndef migrate')
PROBE = Path(__file__).parent / "probe.py"


@pytest.fixture(scope="module", autouse=True)
def able_machine() -> None:
    """Say at once what is missing here, not after the minutes that the packages take."""
    missing = missing_here()
    assert not missing, f"a fresh root needs {'; '.join(missing)}"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of this edge, and that of a later one."""
    folder = tmp_path_factory.mktemp("packages")
    known = os.environ.get("EDGE_WHEELS")  # a folder of wheels, where the index is not to be asked
    # The sources of an earlier edge, where the upgrade from that one is to be tried.
    earlier = Path(os.environ.get("EDGE_EARLIER_TREE", ROOT))
    wheels = None if known is None else Path(known)
    now = make(folder, wheels, tree=earlier)
    tree = folder / "later"
    for name in ("edge", "simulator", "install", "systemd", "config"):
        shutil.copytree(ROOT / name, tree / name)
    for name in ("README.md", "LICENSE", "CHANGELOG.md"):
        shutil.copy2(ROOT / name, tree / name)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tree / "pyproject.toml").write_text(project.replace('version = "0.1.0"', 'version = "0.1.1"'), encoding="utf-8")
    with (tree / "config" / "edge.toml").open("a", encoding="utf-8") as example:
        example.write("\n# Whether the station hums; true or false.\n# hums = false\n")
    schema = tree / "edge" / "adapters" / "schema.py"
    steps = schema.read_text(encoding="utf-8").replace(*LATER_STEP)
    assert "hums" in steps
    schema.write_text(steps, encoding="utf-8")
    return now, make(folder, now / "wheels" if earlier == ROOT else wheels, tree=tree)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, packages: tuple[Path, Path]) -> Iterator[FreshRoot]:
    """A fresh root with this edge installed."""
    with booted(tmp_path_factory.mktemp("fresh"), *packages) as made:
        made.run(f"/mnt/{packages[0].name}/edge-install")
        yield made


def inspect(root: FreshRoot, number: int, name: str) -> list[dict[str, Any]]:
    """So many parts; every outcome that came, those that had waited too, by `seq`."""
    root.write("/opt/probe.py", PROBE.read_text(encoding="utf-8"))
    said = root.run("/opt/edge/bin/python", "/opt/probe.py", str(number), name)
    return sorted(map(json.loads, said.stdout.splitlines()), key=lambda outcome: outcome["seq"])


def test_an_installed_station_runs_and_says_so(root: FreshRoot) -> None:
    """With no question and no network: five units run, and `edge check` misses nothing but the broker."""
    states = {unit: root.shown(unit, "ActiveState") for unit in UNITS}
    failed = {name for name, line in root.findings().items() if line["level"] == "fail"}
    links = root.run("ls", "/sys/class/net").stdout.split()

    assert states == dict.fromkeys(UNITS, "active")
    assert failed == {"broker"}
    assert links == ["lo"]


def test_a_station_inspects_inside_its_restrictions(root: FreshRoot) -> None:
    """Parts of the simulated camera are taken, read and told by processes that systemd confines (L1, L2)."""
    outcomes = inspect(root, 4, "first")

    assert [outcome["seq"] for outcome in outcomes] == list(range(1, 5))
    assert all(outcome["fields"]["serial"]["text"] for outcome in outcomes)
    assert all(outcome["evidence"] for outcome in outcomes)


def test_processes_are_confined(root: FreshRoot) -> None:
    """What the units say holds for the running processes: no privilege, no capability, system calls filtered."""
    for unit in UNITS:
        pid = root.shown(unit, "MainPID")
        status = dict(
            line.split(":\t", 1) for line in root.run("cat", f"/proc/{pid}/status").stdout.splitlines() if ":\t" in line
        )
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2"), unit
        assert {status[key].strip("0") for key in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {""}, unit
        mounts = root.run("cat", f"/proc/{pid}/mounts").stdout.splitlines()
        assert any(line.split()[1] == "/" and line.split()[3].startswith("ro") for line in mounts), unit
    networks = {unit: root.run("readlink", f"/proc/{root.shown(unit, 'MainPID')}/ns/net").stdout for unit in UNITS}
    own = root.run("readlink", "/proc/self/ns/net").stdout

    assert {unit for unit, network in networks.items() if network != own} == {"edge-capture@front", "edge-reader"}


def test_each_process_that_freezes_is_restarted_alone(root: FreshRoot) -> None:
    """SIGSTOP of each: its watchdog ends it, that one comes back, and no outcome is lost (L1)."""
    for unit in UNITS:
        root.write(f"/etc/systemd/system/{unit}.service.d/short.conf", "[Service]\nWatchdogSec=8\n")
    root.run("systemctl", "daemon-reload")
    root.run("systemctl", "restart", *UNITS)
    for unit in UNITS:
        before = {one: root.shown(one, "MainPID") for one in UNITS}
        root.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGSTOP", unit)
        until(
            lambda unit=unit, old=before[unit]: (  # type: ignore[misc] # bound now, called now
                root.shown(unit, "ActiveState") == "active" and root.shown(unit, "MainPID") not in {old, "0"}
            ),
            f"{unit} anew",
        )
        after = {one: root.shown(one, "MainPID") for one in UNITS}
        assert {one for one in UNITS if before[one] != after[one]} == {unit}
    outcomes = inspect(root, 2, "thawed")

    assert [outcome["seq"] for outcome in outcomes][-2:] == [5, 6]


def test_installing_again_changes_nothing(root: FreshRoot, packages: tuple[Path, Path]) -> None:
    """The settings that a site has written stay as they are, whoever installs how often."""
    settings = root.folder / "etc/edge/edge.toml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("deadline_ms = 5000", "deadline_ms = 4000"))
    said = root.run(f"/mnt/{packages[0].name}/edge-install").stdout

    assert "deadline_ms = 4000" in settings.read_text(encoding="utf-8")
    assert "is there already" in said
    assert {root.shown(unit, "ActiveState") for unit in UNITS} == {"active"}


def test_an_upgrade_keeps_outcomes_settings_and_what_waits(root: FreshRoot, packages: tuple[Path, Path]) -> None:
    """A later edge goes on where the earlier one was; new keys are explained; the database is kept for the way back."""
    said = root.run(f"/mnt/{packages[1].name}/edge-install").stdout
    version = root.run("/opt/edge/bin/edge", "--version").stdout
    outcomes = inspect(root, 1, "later")
    kept = root.folder / "var/lib/edge/edge.db.0.1.0"
    database = sqlite3.connect(f"file:{kept}?immutable=1", uri=True)
    (known,) = database.execute("SELECT count(*) FROM outcomes").fetchone()
    database.close()

    assert "new setting log.hums: Whether the station hums; true or false." in said
    assert version == "edge 0.1.1\n"
    assert known > 0
    # The broker is a new one, which has lost what it took: it is told the last hour's again, and then the new one.
    assert [outcome["seq"] for outcome in outcomes] == list(range(1, known + 2))
    assert "deadline_ms = 4000" in (root.folder / "etc/edge/edge.toml").read_text(encoding="utf-8")


def test_the_way_back_is_the_earlier_folder_and_the_kept_database(root: FreshRoot, packages: tuple[Path, Path]) -> None:
    """The earlier edge starts nothing on tables that it does not know, and says what to do; done, it runs again."""
    said = root.run(f"/mnt/{packages[0].name}/edge-install").stderr
    states = {root.shown(unit, "ActiveState") for unit in UNITS}
    commands = said.partition("to go on with the copy of before: ")[2].partition(" (what was decided")[0]
    root.run("sh", "-ec", commands)

    assert "nothing is started" in said
    assert "active" not in states
    assert root.run("/opt/edge/bin/edge", "--version").stdout == "edge 0.1.0\n"
    until(lambda: {root.shown(unit, "ActiveState") for unit in UNITS} == {"active"}, "the earlier edge")
    assert (root.folder / "var/lib/edge/edge.db.later").is_file()


def test_uninstalling_leaves_data_and_settings(root: FreshRoot, packages: tuple[Path, Path]) -> None:
    """Program and units go; outcomes, evidence, settings and user stay."""
    root.run(f"/mnt/{packages[0].name}/edge-install", "--uninstall")
    left = sorted(path.name for path in (root.folder / "opt").iterdir() if path.name.startswith("edge"))
    units = sorted(path.name for path in (root.folder / "etc/systemd/system").glob("edge*.service"))

    assert (left, units) == ([], [])
    assert (root.folder / "var/lib/edge/edge.db").is_file()
    assert (root.folder / "etc/edge/edge.toml").is_file()
    assert root.run("id", "--user", "--name", "edge").stdout == "edge\n"
