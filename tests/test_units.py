"""The systemd units: accepted by systemd itself, true to what the processes do, and no wider than each one needs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import COMMANDS
from edge.commands import up_child
from tests.confined import read_unit

UNITS = Path(__file__).parent.parent / "systemd"
DROP_INS = sorted((UNITS / "drop-ins").glob("*.conf"))
PROCESSES = [
    UNITS / f"edge-{name}.service" for name in ("capture@", "inspector@", "messenger", "panel", "reader", "signals")
]
#: What runs on one PC of a plant, and is no part of a station.
PLANT = [UNITS / "edge-plant.service", UNITS / "edge-plant-page.service"]
SERVICES = sorted(UNITS.glob("*.service"))
INSTALLED = "/opt/edge/bin/edge"
#: `systemd-analyze security` counts from 0 to 100 here; the table in docs/units.md shows tenths of it.
MOST_EXPOSURE = 20


def only(section: dict[str, list[str]], key: str) -> str:
    """What a key that stands once is set to."""
    (value,) = section[key]
    return value


def seconds(text: str) -> float:
    """A plain time span of a unit file."""
    return float(text.removesuffix("s"))


def analyze(*arguments: str, folder: Path = UNITS) -> subprocess.CompletedProcess[str]:
    """What `systemd-analyze` says."""
    return subprocess.run(
        ["systemd-analyze", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def exposure(path: Path) -> tuple[int, float]:
    """The exit code for a unit under the threshold, and its exposure, 0 to 10."""
    said = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", str(path))
    found = re.search(r"exposure level for .*: ([0-9.]+) ", said.stdout)
    assert found is not None, said.stderr
    return said.returncode, float(found[1])


def wider(drop_in: Path) -> Path:
    """The unit that a drop-in is for."""
    kind = drop_in.stem.partition("-")[0]
    if drop_in.stem.startswith("plant-page"):
        return UNITS / "edge-plant-page.service"
    return UNITS / ("edge-messenger.service" if kind == "restart" else next(UNITS.glob(f"edge-{kind}*.service")).name)


def test_systemd_accepts_every_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say about the units, with an `edge` where they expect one."""
    program = tmp_path / "edge"
    program.symlink_to(sys.executable)
    for unit in [*SERVICES, UNITS / "edge.target"]:
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(re.sub("/opt/edge/bin/(edge|python)", str(program), text), encoding="utf-8")
    names = [unit.name.replace("@.", "@top.") for unit in [*SERVICES, UNITS / "edge.target"]]
    checked = analyze("verify", "--man=no", *names, folder=tmp_path)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_unit_is_exposed_little(path: Path) -> None:
    """`systemd-analyze security` finds no unit more exposed than 2.0 of 10."""
    code, level = exposure(path)

    assert code == 0
    assert level <= MOST_EXPOSURE / 10


@pytest.mark.parametrize("drop_in", DROP_INS, ids=lambda path: path.stem)
def test_a_unit_that_a_drop_in_widens_is_still_exposed_little(drop_in: Path, tmp_path: Path) -> None:
    """What a site opens for its camera, server or page leaves the unit below the same limit."""
    unit = wider(drop_in)
    (tmp_path / unit.name).write_text(unit.read_text(encoding="utf-8") + drop_in.read_text(encoding="utf-8"))

    assert exposure(tmp_path / unit.name)[0] == 0


def test_the_manual_states_each_units_exposure() -> None:
    """The table of docs/units.md shows every unit with what `systemd-analyze` finds, to a tenth or two."""
    page = (UNITS.parent / "docs" / "units.md").read_text(encoding="utf-8")
    stated = {
        name: float(level) for name, level in re.findall(r"^\| `(edge-[a-z@-]+)` \| ([0-9.]+) \|", page, re.MULTILINE)
    }
    found = {path.stem: exposure(path)[1] for path in SERVICES}

    assert stated == pytest.approx(found, abs=0.25)  # other versions of systemd weigh a little differently


def test_what_is_the_same_everywhere_is_the_same() -> None:
    """The common restrictions stand in each process's unit alike, to the letter."""
    marked = [path for path in SERVICES if path.stem != "edge-failed"]
    parts = {
        path.read_text(encoding="utf-8").split("# The same in every unit of edge.\n")[1].split("\n\n")[0]
        for path in marked
    }

    assert len(parts) == 1
    assert "NoNewPrivileges=yes\nCapabilityBoundingSet=\n" in parts.pop()


#: (network, devices, may write edge.db, may map memory writable and executable)
NEEDS = {
    "edge-capture@": (False, {"char-video4linux"}, False, False),
    "edge-inspector@": (True, set(), True, False),
    "edge-messenger": (True, set(), True, False),
    "edge-panel": (True, set(), True, False),
    "edge-reader": (False, {"char-nvidia*", "char-drm"}, False, True),
    "edge-signals": (True, set(), True, False),
}


@pytest.mark.parametrize("path", PROCESSES, ids=lambda path: path.stem)
def test_a_process_has_what_it_needs_and_no_more(path: Path) -> None:
    """Reader: GPU, no network. Capture: camera, no network. Messenger, signals and inspector: network, no device."""
    service = read_unit(path)["Service"]
    network, devices, writes, compiles = NEEDS[path.stem]

    assert ("PrivateNetwork" not in service) == network
    assert (only(service, "RestrictAddressFamilies") == "AF_UNIX") != network
    assert {one.split()[0] for one in service.get("DeviceAllow", [])} == devices
    assert only(service, "DevicePolicy") == "closed"
    assert (service.get("PrivateDevices") == ["yes"]) == (not devices)
    assert ("StateDirectory" in service) == writes
    assert (only(service, "MemoryDenyWriteExecute") == "no") == compiles
    assert only(service, "ProtectSystem") == "strict"
    assert {"MemoryMax", "TasksMax", "SystemCallFilter"} <= service.keys()


def test_a_secret_is_handed_to_one_process_alone() -> None:
    """ERP's secrets go to the inspector, the broker's to the messenger, the page's to the panel, a PLC's to signals."""
    handed = {
        path.stem: {one.partition(":")[0] for one in read_unit(path)["Service"].get("LoadCredential", [])}
        for path in PROCESSES
    }

    assert handed == {
        "edge-capture@": set(),
        "edge-inspector@": {"erp_url", "erp_password", "erp_api_key", "erp_client_secret"},
        "edge-messenger": {"mqtt_password"},
        "edge-panel": {"panel_token"},
        "edge-reader": set(),
        "edge-signals": {"plc_password"},
    }


@pytest.mark.parametrize("path", PROCESSES, ids=lambda path: path.stem)
def test_no_process_refuses_settings_for_a_secret_of_another(path: Path) -> None:
    """What settings may be wrong without is there for each process: its own secret, or a word in the place of it."""
    service = read_unit(path)["Service"]
    there = {one.partition(":")[0] for one in (*service.get("LoadCredential", []), *service.get("SetCredential", []))}

    assert there >= {"erp_url", "erp_client_secret", "panel_token"}


@pytest.mark.parametrize(
    ("path", "command", "secrets"),
    [
        (PLANT[0], "collect", {"mqtt_password", "plant_database"}),
        (PLANT[1], "page", {"plant_database", "plant_token"}),
    ],
    ids=lambda one: getattr(one, "stem", None),
)
def test_a_plants_process_has_a_network_and_no_more(path: Path, command: str, secrets: set[str]) -> None:
    """Collector and page are looked after as a station's are, write nothing here, and have their own secrets alone."""
    unit = read_unit(path)
    service = unit["Service"]
    handed = {one.partition(":")[0] for one in service["LoadCredential"]}

    assert only(service, "ExecStart").split() == [INSTALLED, "plant", command]
    assert handed == secrets
    assert not {"StateDirectory", "RuntimeDirectory", "ReadWritePaths", "DeviceAllow"} & service.keys()
    assert only(service, "MemoryDenyWriteExecute") == "yes"
    assert only(service, "Type") == "notify"
    assert seconds(only(service, "WatchdogSec")) == up_child.WATCHDOG_S
    assert {int(code) for code in only(service, "RestartPreventExitStatus").split()} == up_child.FINAL_EXIT_CODES
    assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert unit["Unit"]["OnFailure"] == ["edge-failed.service"]
    assert "PartOf" not in unit["Unit"]


def test_the_panel_answers_this_pc_alone() -> None:
    """Until a drop-in opens it, no packet from or to another host reaches the panel."""
    service = read_unit(UNITS / "edge-panel.service")["Service"]

    assert (service["IPAddressDeny"], service["IPAddressAllow"]) == (["any"], ["localhost"])


def test_there_is_a_unit_for_each_process() -> None:
    """Six processes, six services, the target that holds them, a plant's two, what tells of an end, the simulator."""
    assert sorted([*PROCESSES, *PLANT, UNITS / "edge-failed.service", UNITS / "edge-simulator.service"]) == SERVICES
    assert (UNITS / "edge.target").exists()


@pytest.mark.parametrize("path", PROCESSES, ids=lambda path: path.stem)
def test_a_service_runs_its_process_and_is_looked_after(path: Path) -> None:
    """Readiness and progress are the process's own word; 78 and 2 are final, and told; else it starts anew for ever."""
    unit = read_unit(path)
    service = unit["Service"]
    program, command, *arguments = only(service, "ExecStart").split()

    assert program == INSTALLED
    assert command in COMMANDS
    assert arguments == (["%i"] if command == "capture" else [])
    assert only(service, "Type") == "notify"
    assert seconds(only(service, "WatchdogSec")) == up_child.WATCHDOG_S
    assert only(service, "Restart") == "always"
    assert seconds(only(service, "RestartSec")) >= 1
    assert {int(code) for code in only(service, "RestartPreventExitStatus").split()} == up_child.FINAL_EXIT_CODES
    assert unit["Unit"]["StartLimitIntervalSec"] == ["0"]
    assert unit["Unit"]["OnFailure"] == ["edge-failed.service"]
    assert unit["Unit"]["PartOf"] == ["edge.target"]


@pytest.mark.parametrize("path", PROCESSES, ids=lambda path: path.stem)
def test_a_restart_of_one_leaves_the_others_their_folders(path: Path) -> None:
    """State and runtime folders are shared, for the edge user alone, and survive the restart of one service."""
    service = read_unit(path)["Service"]

    assert (only(service, "User"), only(service, "RuntimeDirectory")) == ("edge", "edge")
    assert only(service, "RuntimeDirectoryMode") == "0700"
    assert service.get("StateDirectory", ["edge"]) == ["edge"]
    assert service.get("StateDirectoryMode", ["0700"]) == ["0700"]
    assert only(service, "RuntimeDirectoryPreserve") == "yes"
    assert only(service, "EnvironmentFile").startswith("-")


def test_no_service_waits_for_another() -> None:
    """A camera, reader or broker that is not there yet keeps no other process of the station from starting."""
    orders = [
        order for path in PROCESSES for key in ("After", "Requires") for order in read_unit(path)["Unit"].get(key, [])
    ]

    assert not any("edge-" in order for order in orders)
