"""Signals by OPC UA, with a real server: a node that triggers by subscription, nodes that show results."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from edge.adapters.signals_opcua import OpcuaInput, OpcuaResult, Server
from edge.core.outcome import Disposition
from edge.core.result_lines import Lines
from edge.errors import SignalError
from tests.plc import OpcuaPlc

ALL = {
    "pass": "Pass",
    "fail": "Fail",
    "hold": "Hold",
    "busy": "Busy",
    "heartbeat": "Heartbeat",
    "fit": "Fit",
    "code": "Code",
    "number": "Number",
    "inspection_id": "InspectionId",
}


@pytest.fixture(scope="module")
def running() -> Iterator[OpcuaPlc]:
    """One server for all: building its address space takes seconds. It lets in `edge` by a password, and anybody."""
    made = OpcuaPlc({"edge": "right"})
    yield made
    made.close()


@pytest.fixture
def plc(running: OpcuaPlc) -> OpcuaPlc:
    """A PLC that answers, its nodes as at first."""
    running.put("Trigger", [False])
    running.writes.clear()
    return running


def server(plc: OpcuaPlc) -> Server:
    """How it is reached."""
    return Server(plc.url, timeout_ms=10_000)


def node(plc: OpcuaPlc, name: str = "Trigger") -> OpcuaInput:
    """One of its nodes."""
    return OpcuaInput(server(plc), plc.node(name), publish_ms=10, now_us=lambda: time.monotonic_ns() // 1000)


def levels(one: OpcuaInput, count: int) -> list[bool]:
    """So many levels, as they come."""
    found: list[bool] = []
    until_s = time.monotonic() + 60
    while len(found) < count:
        assert time.monotonic() < until_s, f"only {found} came"
        found += [change.active for change in one.changes(0.2)]
    return found


def test_a_node_that_becomes_true_is_a_change(plc: OpcuaPlc) -> None:
    """The server tells of each change; what the node is at first is its level, and no change."""
    one = node(plc)
    at_first = one.open()
    plc.put("Trigger", [True])
    rose = levels(one, 1)
    plc.put("Trigger", [False])
    fell = levels(one, 1)
    one.close()

    assert (at_first, rose, fell) == (False, [True], [False])


def test_pulses_shorter_than_a_publishing_are_not_missed(plc: OpcuaPlc) -> None:
    """Ten pulses as fast as the PLC can set them are ten rises: it is a subscription with a queue, and no polling."""
    one = node(plc)
    one.open()
    plc.put("Trigger", [True, False] * 10)
    found = levels(one, 20)
    one.close()

    assert found == [True, False] * 10
    assert one.num_lost == 0


def test_result_nodes_are_written_in_their_own_types(plc: OpcuaPlc) -> None:
    """Booleans, a byte, a 16-bit number and a text: the server takes each, and the result's line comes last."""
    out = OpcuaResult(server(plc), {name: plc.node(ALL[name]) for name in ALL})
    out.open()
    out.write(Lines(result=Disposition.FAIL, number=65_540, inspection_id="abc", busy=True, heartbeat=True, fit=True))
    shown = {name: plc.value(ALL[name]) for name in ALL}
    out.write(Lines())
    out.close()

    assert shown == {
        "pass": False,
        "fail": True,
        "hold": False,
        "busy": True,
        "heartbeat": True,
        "fit": True,
        "code": 2,
        "number": 4,
        "inspection_id": "abc",
    }
    assert plc.lines() == set()
    assert [name for name, _ in plc.writes[:9]][-3:] == ["Pass", "Fail", "Hold"]


def test_a_server_that_goes_away_is_one_sentence_and_comes_back(plc: OpcuaPlc) -> None:
    """A lost session and a refused one are each a SignalError that names the server; then it is as before."""
    one = node(plc)
    one.open()
    plc.stop()
    with pytest.raises(SignalError, match=f"the OPC UA server {plc.url}.*see"):
        levels(one, 1)
    one.close()
    with pytest.raises(SignalError, match="does not let edge in"):
        one.open()
    plc.start()

    assert one.open() is False
    plc.put("Trigger", [True])
    assert levels(one, 1) == [True]
    one.close()


@pytest.mark.parametrize(("name", "says"), [("Nowhere", "has no value at node"), ("Number", "is no Boolean")])
def test_a_node_that_cannot_trigger_is_refused_by_name(plc: OpcuaPlc, name: str, says: str) -> None:
    """A node that is not there, and one that is no Boolean, are told with their id."""
    one = node(plc, name)
    with pytest.raises(SignalError, match=says) as raised:
        one.open()
    one.close()

    assert f"Station1.{name}" in str(raised.value)


@pytest.mark.parametrize(("password", "is_let_in"), [("right", True), ("wrong", False)])
def test_a_user_is_let_in_by_password(plc: OpcuaPlc, password: str, is_let_in: bool) -> None:
    """User and password go to the server; a refusal repeats no password."""
    one = OpcuaInput(
        Server(plc.url, "edge", lambda: password, 10_000), plc.node("Trigger"), publish_ms=10, now_us=lambda: 0
    )
    refusal = ""
    try:
        one.open()
    except SignalError as error:
        refusal = str(error)
    one.close()

    assert (refusal == "") == is_let_in
    assert password not in refusal
