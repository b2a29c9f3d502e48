"""Wrong wires: each refuses to start, names the key and what to do, and shows no secret (L13)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from edge import settings
from edge.errors import ConfigError
from tests.wrong_case import GOOD, SECRET, Case

GPIO = '[triggers.one]\nkind = "gpio"\nchip = "/dev/gpiochip0"\nline = 4\n'
MODBUS = '[triggers.two]\nkind = "modbus"\nhost = "plc"\naddress = 3\n'
OPCUA = '[triggers.three]\nkind = "opcua"\nurl = "opc.tcp://plc:4840"\nnode = "ns=2;s=T"\n'
FREE = '[triggers.eye]\nkind = "free"\n'
LINES = '[result]\nkind = "gpio"\nchip = "/dev/gpiochip0"\nlines = { pass = 5, fail = 6, hold = 7 }\n'

CASES = [
    Case("a trigger without a kind", ("triggers.one.kind", "missing"), more="[triggers.one]\nline = 4\n"),
    Case("an unknown kind", ("triggers.one.kind", "gpio, modbus, opcua"), more='[triggers.one]\nkind = "x"\n'),
    Case("a name that is none", ("triggers.One", "names a trigger"), more=GPIO.replace("one", "One")),
    Case("a chip that is no device", ("triggers.one.chip", "/dev/gpiochip0"), more=GPIO.replace("/dev/", "")),
    Case("a line that is none", ("triggers.one.line", "number on the chip"), more=GPIO.replace("4", "true")),
    Case("a node that is none", ("triggers.three.node", "ns=2;s="), more=OPCUA.replace("ns=2;s=T", "Trigger")),
    Case("a url of another kind", ("triggers.three.url", "opc.tcp://HOST"), more=OPCUA.replace("opc.tcp", "http")),
    Case("a secret in a url", ("triggers.three.url", "secret"), more=OPCUA.replace("plc", f"u:{SECRET}@plc")),
    Case("a misspelt key", ("triggers.two.adress", "did you mean address?"), more=f"{MODBUS}adress = 4\n"),
    Case("an acknowledged input", ("triggers.two.acknowledge", "set table to coil"),
         more=f'{MODBUS}table = "discrete_input"\nacknowledge = true\n'),
    Case("a storm without a limit", ("triggers.two.max_per_s", "at least 1"), more=f"{MODBUS}max_per_s = 0\n"),
    Case("a password without a user", ("triggers.three.username", "missing"),
         more=f'{OPCUA}password_file = "secret"\n', files={"secret": SECRET.encode()}),
    Case("a password file that is not there", ("triggers.three.password_file", "nowhere"),
         more=f'{OPCUA}username = "u"\npassword_file = "nowhere"\n'),
    Case("two eyes", ("triggers.other.kind", "so is that of triggers.eye"),
         more=f"{FREE}{FREE.replace('eye', 'other')}"),
    Case("an eye that never sees an empty place", ("triggers.eye.vanishes_at", "less than appears_at"),
         more=f"{FREE}vanishes_at = 5\n"),
    Case("an eye before files", ("triggers.eye.kind", "of kind file"), more=FREE,
         old='kind = "simulated"\naddress = "ipc:///tmp/camera.sock"', new='kind = "file"\npath = "."'),
    Case("two triggers at one line", ("triggers.other.line", "so is triggers.one.line"),
         more=f"{GPIO}{GPIO.replace('one', 'other')}"),
    Case("a result at a trigger's line", ("result.lines.hold", "so is triggers.one.line"),
         more=f"{GPIO}{LINES.replace('hold = 7', 'hold = 4')}"),
    Case("a light at a result's coil", ("lights.coils.normal", "so is result.coils"),
         more='[result]\nkind = "modbus"\nhost = "plc"\ncoils = 16\n'
              '[lights]\nkind = "modbus"\nhost = "plc"\ncoils = { normal = 18 }\n'),
    Case("a result without hold", ("result.lines", "lacks hold"), more=LINES.replace(", hold = 7", "")),
    Case("a result of an unknown line", ("result.lines.good",), more=LINES.replace("pass", "good")),
    Case("a first light that is not wired", ("lights.lines", "has no normal"),
         more='[lights]\nkind = "gpio"\nchip = "/dev/gpiochip0"\nlines = { off_axis = 9 }\n'),
    Case("camera lines of a camera that has none", ("lights.kind", "only pylon and aravis"),
         more='[lights]\nkind = "camera"\nlines = { normal = "Line2" }\n'),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_wire_is_told_with_its_key(case: Case, tmp_path: Path) -> None:
    """Each mistake is one sentence with the key that it stands at, and no secret (L13)."""
    with pytest.raises(ConfigError) as raised:
        settings.load(case.write(tmp_path), {})
    said = "\n".join(raised.value.problems)

    assert all(name in said for name in case.names), said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("more", "module", "extra"),
    [(GPIO, "gpiod", "gpio"), (MODBUS, "pymodbus", "plc"), (OPCUA, "asyncua", "plc"), (LINES, "gpiod", "gpio")],
)
def test_a_missing_library_is_named_with_what_installs_it(
    more: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its library a wire refuses to start, and the sentence says what to install (L13)."""
    known = importlib.util.find_spec

    def find(name: str, *rest: Any) -> Any:
        return None if name == module else known(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    file = tmp_path / "edge.toml"
    file.write_text(GOOD + more, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        settings.load(file, {})

    assert f"needs {module}: pip install 'edge-inspection[{extra}]'" in "\n".join(raised.value.problems)


def test_a_station_without_wires_has_no_signals_process(tmp_path: Path) -> None:
    """Five processes are enough where no wire is named; one wire of any kind makes the sixth."""
    file = tmp_path / "edge.toml"
    found = []
    for more in ("", '[lights]\nkind = "none"\n', GPIO, MODBUS, OPCUA, FREE, LINES):
        file.write_text(GOOD + more, encoding="utf-8")
        found.append(settings.load(file, {}).has_signals)

    assert found == [False, False, True, True, True, True, True]
