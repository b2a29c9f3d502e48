"""Signals by Modbus TCP, with a real server: a bit that triggers, coils that show results, and a PLC that goes away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from edge.adapters.signals import Change
from edge.adapters.signals_modbus import ModbusInput, ModbusLights, ModbusResult, Plc
from edge.core.outcome import Disposition
from edge.core.result_lines import Lines
from edge.errors import SignalError
from tests.plc import ModbusPlc


@pytest.fixture
def plc() -> Iterator[ModbusPlc]:
    """A PLC that answers."""
    made = ModbusPlc()
    yield made
    made.close()


def bit(plc: ModbusPlc, *, is_coil: bool = True, acknowledge: bool = False, address: int = 3) -> ModbusInput:
    """A bit of it, read as often as it goes."""
    return ModbusInput(
        Plc("127.0.0.1", plc.port, timeout_ms=2000),
        address=address,
        is_coil=is_coil,
        poll_ms=1,
        acknowledge=acknowledge,
        now_us=lambda: time.monotonic_ns() // 1000,
    )


def levels(one: ModbusInput, *, until: Callable[[list[bool]], bool] = bool) -> list[bool]:
    """The levels that come."""
    found: list[bool] = []
    until_s = time.monotonic() + 20
    while not until(found):
        assert time.monotonic() < until_s, f"only {found} came"
        found += [change.active for change in one.changes(0.05)]
    return found


@pytest.mark.parametrize("is_coil", [True, False])
def test_a_bit_that_becomes_1_is_a_change(plc: ModbusPlc, is_coil: bool) -> None:
    """A coil, and a discrete input, are read as they change, with the time at which that was seen."""
    one = bit(plc, is_coil=is_coil)
    turn = plc.set_coil if is_coil else plc.set_input
    at_first = one.open()
    turn(3, on=True)
    rose = levels(one)
    turn(3, on=False)
    fell = levels(one)
    one.close()

    assert (at_first, rose, fell) == (False, [True], [False])


def test_a_coil_that_is_acknowledged_is_taken_back_by_edge(plc: ModbusPlc) -> None:
    """The PLC sets the coil, and sees that its trigger is on the disk by edge's own 0; it may set it again at once."""
    one = bit(plc, acknowledge=True)
    one.open()
    plc.set_coil(3, on=True)
    first = levels(one)
    one.acknowledge()
    taken_back = plc.coils(3, 1)
    plc.set_coil(3, on=True)
    second = levels(one, until=lambda found: len(found) == 2)
    one.close()

    assert (first, taken_back, second) == ([True], [False], [False, True])


def test_a_coil_that_waited_for_edge_is_a_trigger(plc: ModbusPlc) -> None:
    """With `acknowledge`, a coil that was set while edge was away is a trigger that nobody took, so it is one (L1)."""
    plc.set_coil(3, on=True)
    one = bit(plc, acknowledge=True)

    assert one.open() is False
    assert levels(one) == [True]
    one.close()


def test_result_lines_are_six_coils_and_two_registers(plc: ModbusPlc) -> None:
    """Pass, fail, hold, busy, heartbeat and fit stand in a row; code and number of the outcome are there before."""
    out = ModbusResult(Plc("127.0.0.1", plc.port), coils=16, registers=8)
    out.open()
    shown = {}
    for what in (*Disposition, None):
        out.write(Lines(result=what, number=65_537, busy=True, heartbeat=True, fit=True))
        shown[what] = plc.lines(16), plc.registers(8, 2)
    out.close()

    assert shown == {
        Disposition.PASS: ({"pass", "busy", "heartbeat", "fit"}, [1, 1]),
        Disposition.FAIL: ({"fail", "busy", "heartbeat", "fit"}, [2, 1]),
        Disposition.HOLD: ({"hold", "busy", "heartbeat", "fit"}, [3, 1]),
        None: ({"busy", "heartbeat", "fit"}, [0, 1]),
    }
    assert [kind for kind, *_ in plc.writes[:2]] == ["registers", "coils"]


def test_a_light_is_on_when_its_switch_returns_and_the_others_are_off(plc: ModbusPlc) -> None:
    """Lights are coils, one on at a time; one that is not wired is a mistake that names those that are."""
    lights = ModbusLights(Plc("127.0.0.1", plc.port), {"normal": 32, "off_axis": 33})
    lights.open()
    lights.switch("normal")
    first = plc.coils(32, 2)
    lights.switch("off_axis")

    assert (first, plc.coils(32, 2)) == ([True, False], [False, True])
    with pytest.raises(SignalError, match=r"no light diffuse.*normal, off_axis"):
        lights.switch("diffuse")
    lights.close()


def test_a_plc_that_goes_away_is_one_sentence_and_comes_back(plc: ModbusPlc) -> None:
    """A lost connection, a refused one and a wrong address are each a SignalError that names the PLC and what to do."""
    one = bit(plc)
    one.open()
    plc.stop()
    with pytest.raises(SignalError, match=rf"127.0.0.1:{plc.port}.*did not answer to read coil 3"):
        levels(one)
    with pytest.raises(SignalError, match="takes no connection"):
        one.open()
    plc.start()
    wrong = bit(plc, address=9_999)
    with pytest.raises(SignalError, match="refuses to read coil 9999"):
        wrong.open()
    wrong.close()

    assert one.open() is False
    one.close()


def test_a_change_has_the_time_at_which_it_was_seen(plc: ModbusPlc) -> None:
    """The time of a change lies between the question and the answer's coming: never before the part was there."""
    one = bit(plc)
    one.open()
    plc.set_coil(3, on=True)
    before_us = time.monotonic_ns() // 1000
    found: list[Change] = []
    while not found:
        found += one.changes(0.05)
    one.close()

    assert before_us <= found[0].at_us <= time.monotonic_ns() // 1000
