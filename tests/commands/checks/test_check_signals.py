"""`edge check` of the wires: each is really opened, with real servers, and nothing but clear lines is written."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import settings
from edge.adapters.heartbeat import Heartbeat
from edge.commands.checks import signals
from edge.commands.checks.finding import Finding
from edge.errors import SignalError
from simulator.ports import free_port
from tests.plc import ModbusPlc
from tests.wrong_case import GOOD

LINES = 16


@pytest.fixture
def plc() -> Iterator[ModbusPlc]:
    """A PLC that answers."""
    made = ModbusPlc()
    yield made
    made.close()


def found(folder: Path, port: int, more: str = "") -> dict[str, Finding]:
    """What is said of each wire of a station with this PLC."""
    where = f'host = "127.0.0.1"\nport = {port}\n'
    text = GOOD.replace('"/tmp/edge-run"', f'"{folder}"')
    text += f'[triggers.plc]\nkind = "modbus"\n{where}address = 0\n'
    text += f'[result]\nkind = "modbus"\n{where}coils = {LINES}\n'
    text += f'[lights]\nkind = "modbus"\n{where}coils = {{ normal = 40 }}\n{more}'
    file = folder / "edge.toml"
    file.write_text(text, encoding="utf-8")
    return {name: check() for name, check in signals.checks(settings.load(file, {}))}


def test_each_wire_has_a_line(plc: ModbusPlc, tmp_path: Path) -> None:
    """Trigger, result and lights are each opened and let go; the lines are clear afterwards, and no light is on."""
    told = found(tmp_path, plc.port)

    assert {name: one.level for name, one in told.items()} == {"trigger plc": "ok", "result": "ok", "lights": "ok"}
    assert plc.shown(LINES) == [""]
    assert plc.coils(40, 1) == [False]


def test_an_input_that_is_active_is_a_warning(plc: ModbusPlc, tmp_path: Path) -> None:
    """A signal that is on while nobody works may be inverted: said, with what to look at."""
    plc.set_coil(0, on=True)
    told = found(tmp_path, plc.port)["trigger plc"]

    assert (told.level, "inverted" in told.line) == ("warn", True)


def test_a_plc_that_is_away_is_a_sentence(tmp_path: Path) -> None:
    """Without its PLC each wire says which PLC, and what to look at."""
    port = free_port()
    with pytest.raises(SignalError, match=rf"the PLC at 127.0.0.1:{port} .* takes no connection: see its power"):
        found(tmp_path, port)


@pytest.mark.parametrize(("state", "level"), [("open", "ok"), ("away", "fail")])
def test_a_wire_that_its_process_holds_is_asked_of_it(plc: ModbusPlc, tmp_path: Path, state: str, level: str) -> None:
    """While `edge signals` runs, what it says of its wires counts, and nothing is opened beside it."""
    beat = Heartbeat(tmp_path, "signals")
    wires = dict.fromkeys(("trigger plc", "result", "lights"), state)
    over = threading.Event()

    def live() -> None:
        while not over.wait(0.1):
            beat.beat(state="ready", problem="the PLC sleeps", wires=wires)

    thread = threading.Thread(target=live)
    thread.start()
    told = found(tmp_path, plc.port)
    over.set()
    thread.join()
    beat.close()

    assert {one.level for one in told.values()} == {level}
    assert plc.writes == []
