"""The signals process between a real PLC and a real inspector: a trigger in, one outcome, one result out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import gpiod
import pytest

from edge.adapters.database import Clock, Database, monotonic_us
from edge.adapters.disk import Disk
from edge.adapters.reader_link import Question, ReaderDesk
from edge.adapters.signals_gpio import GpioInput, GpioResult
from edge.adapters.signals_link import Teller
from edge.adapters.signals_opcua import OpcuaInput, OpcuaResult, Server
from edge.adapters.store import Store
from edge.core.trigger_input import InputRules
from edge.services import signals_fitness
from edge.services.health import signal_figures
from edge.services.signals_desks import MAX_UNSTORED_TRIGGERS
from simulator.ports import free_port
from tests.core.parts import PLATE
from tests.gpio_chip import MemoryChip
from tests.plc import ModbusPlc, OpcuaPlc
from tests.services.cell import LINES, REGISTERS, Cell
from tests.services.test_inspector import answer_well, wait_for

#: A storm: changes of the input, and how many come in a second.
STORM, STORM_PER_S = 10_000, 10_000


@pytest.fixture
def plc() -> Iterator[ModbusPlc]:
    """A PLC that answers."""
    made = ModbusPlc()
    yield made
    made.close()


@pytest.fixture
def cell(tmp_path: Path, plc: ModbusPlc) -> Iterator[Cell]:
    """A cell that is not started yet."""
    made = Cell(tmp_path, plc)
    yield made
    made.close()


def test_a_bit_of_the_plc_ends_in_one_outcome_and_its_result_line(cell: Cell) -> None:
    """A coil that becomes 1 is a trigger, its good part passes, and the PLC sees `pass` once, then clear lines (L1)."""
    cell.start().trigger()
    wait_for(lambda: cell.plc.shown(LINES)[-2:] == ["pass", ""])

    told = cell.counts()
    (row,) = cell.site.store.outcomes()
    assert (told["triggers"], told["outcomes"]) == (1, 1)
    assert (row.disposition, cell.plc.shown(LINES)) == ("pass", ["", "pass", ""])


def test_the_plc_sees_the_number_of_the_outcome(cell: Cell) -> None:
    """Code and number of the outcome are in the registers before its line is set, and 0 when it is cleared."""
    cell.start()
    for results in (["", "pass", ""], ["", "pass", "", "fail", ""]):
        cell.trigger()
        wait_for(lambda results=results: cell.plc.shown(LINES) == results)  # type: ignore[misc]
    told = [values for kind, address, values in cell.plc.writes if (kind, address) == ("registers", REGISTERS)]
    changes = [now for before, now in pairwise([(), *told]) if now != before]

    assert changes == [(0, 0), (1, 1), (0, 0), (2, 2), (0, 0)]


def test_a_trigger_while_busy_is_an_overrun_and_no_pass_is_shown(cell: Cell) -> None:
    """Two triggers, two outcomes, one an overrun; the part that passed is shown `hold`, as the other is (L1, L4)."""
    kept: list[tuple[ReaderDesk, Question]] = []
    cell.site.answer = lambda desk, question: kept.append((desk, question))
    cell.start().trigger()
    wait_for(lambda: kept)
    cell.trigger()
    wait_for(lambda: cell.counts()["outcomes"] == 1)
    cell.site.answer = answer_well
    answer_well(*kept[0])
    told = cell.outcomes(2)
    wait_for(lambda: cell.plc.shown(LINES).count("hold") == 2)

    assert told == [("hold", "overrun"), ("pass", "matched")]
    assert set(cell.plc.shown(LINES)) == {"", "hold"}


def test_a_storm_at_the_input_is_limited_by_name_and_every_trigger_has_its_outcome(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 10,000 changes in a second `max_per_s` are triggers, each with one outcome; the rest are counted (L1, L12)."""
    chip = MemoryChip()
    monkeypatch.setattr(gpiod, "request_lines", chip.request_lines)
    cell.link = GpioInput(chip.path, 17, active_low=False, bias="as_is")
    cell.input_rules = InputRules(debounce_us=0, max_per_s=20)
    cell.start()
    begun_s = time.monotonic()
    for number in range(STORM):
        chip.put(17, number % 2 == 0)
        if number % 100 == 99:  # 100 changes each 10 ms, or slower where the machine is
            time.sleep(max(0.0, begun_s + (number + 1) / STORM_PER_S - time.monotonic()))
    lasted_s = time.monotonic() - begun_s
    wait_for(lambda: not chip.lines[17].edges)
    wait_for(lambda: cell.counts().get("trigger_max_trigger_rate", 0) == cell.desk.counts["max_trigger_rate"])
    told = wait_for(lambda: _all_decided(cell.counts()))

    assert 20 <= told["triggers"] <= 20 * (lasted_s + 1)
    rises = told["triggers"] + told["trigger_max_trigger_rate"]
    assert rises + cell.desk.counts["lost"] >= STORM // 2
    assert cell.signals._arrived.maxsize == MAX_UNSTORED_TRIGGERS
    assert "pass" not in cell.plc.shown(LINES)[2:]


def _all_decided(counts: dict[str, int]) -> dict[str, int] | None:
    return counts if counts["triggers"] == counts["outcomes"] > 0 else None


def test_a_plc_that_is_away_delays_no_outcome_and_is_a_named_state(cell: Cell) -> None:
    """Without its PLC the station decides as ever; the wire is `away`, with a sentence; it comes back by itself."""
    cell.more["result"] = cell.result(free_port())
    cell.begin()
    wait_for(lambda: cell.facts().get("wires", {}).get("result") == "away")
    wait_for(lambda: cell.facts().get("unfit") == "")
    cell.trigger()
    told = cell.outcomes(1)
    facts = wait_for(lambda: cell.facts() if cell.facts()["triggers"]["plc"].get("accepted") else None)
    figures = signal_figures(cell.listener.beats(), monotonic_us())

    assert told == [("pass", "matched")]
    assert "takes no connection: see its power" in facts["problem"]
    assert facts["state"] == "ready"
    assert figures is not None
    assert figures["wires"] == {"trigger plc": "open", "result": "away"}
    assert figures["triggers"]["plc"]["accepted"] == 1


def test_a_plc_that_comes_back_sees_clear_lines_and_then_the_next_part(cell: Cell) -> None:
    """What happened while the PLC was away is not shown later; the next part is (L4)."""
    cell.start()
    cell.plc.stop()
    wait_for(lambda: cell.facts().get("wires", {}).get("result") == "away")
    cell.site.store.add_expectation(PLATE, "away")
    cell.site.store.add_trigger("mqtt-1", expected=None, source="mqtt", at="2026-01-01T00:00:00Z", at_us=monotonic_us())
    cell.outcomes(1)
    seen = len(cell.plc.writes)
    cell.plc.start()
    wait_for(lambda: "fit" in cell.plc.lines(LINES))
    cell.trigger()
    cell.outcomes(2)
    wait_for(lambda: "fail" in cell.plc.shown(LINES))
    after = [values[:3] for kind, address, values in cell.plc.writes[seen:] if (kind, address) == ("coils", LINES)]

    assert after[0] == (0, 0, 0)
    assert (1, 0, 0) not in after  # the first part passed while nobody was told; the second one is its duplicate


@pytest.mark.parametrize("dead", ["capture-main", "reader"])
def test_the_heart_stands_still_when_a_process_is_silent(
    cell: Cell, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without camera process or reader no part is inspected well: `fit` goes out, and the heartbeat changes no more."""
    monkeypatch.setattr(signals_fitness, "SILENT_AFTER_S", 1.0)
    cell.start()
    cell.silent.add(dead)
    wait_for(lambda: "fit" not in cell.plc.lines(LINES))
    before = "heartbeat" in cell.plc.lines(LINES)
    writes = len(cell.plc.writes)
    time.sleep(0.5)  # ten periods of the heart

    assert f"{dead} has been silent" in wait_for(lambda: cell.facts().get("unfit"))
    assert ("heartbeat" in cell.plc.lines(LINES)) == before
    assert len(cell.plc.writes) == writes


def test_a_trigger_that_the_disk_has_no_room_for_is_shown_as_hold(tmp_path: Path, plc: ModbusPlc) -> None:
    """A trigger that cannot be stored is no inspection: counted as `disk_full`, and its part is held (L4, L12)."""
    free = {"bytes": 10_000}
    disk = Disk(tmp_path, 1_000, measure=lambda _folder: free["bytes"])
    cell = Cell(tmp_path, plc, store=Store(Database.open(tmp_path, Clock()), "st1", disk))
    cell.start()
    free["bytes"] = 10
    cell.trigger()
    wait_for(lambda: "hold" in plc.shown(LINES))
    wait_for(lambda: cell.counts().get("trigger_disk_full") == 1)
    told = cell.counts()
    cell.close()

    assert (told["triggers"], told["outcomes"]) == (0, 0)


def test_a_part_whose_beginning_was_not_heard_is_not_shown_as_passed(cell: Cell) -> None:
    """Signals that were started anew in the middle of a part show `hold` for it, whatever it was (L4)."""
    kept: list[tuple[ReaderDesk, Question]] = []
    cell.site.answer = lambda desk, question: kept.append((desk, question))
    cell.site.store.add_expectation(PLATE, "early")
    cell.site.start()
    cell.site.trigger("early")
    wait_for(lambda: kept)
    cell.beating.start()
    cell.thread.start()
    wait_for(lambda: "fit" in cell.plc.lines(LINES))
    cell.site.answer = answer_well
    answer_well(*kept[0])
    told = cell.outcomes(1)
    wait_for(lambda: "hold" in cell.plc.shown(LINES))

    assert told == [("pass", "matched")]
    assert "pass" not in cell.plc.shown(LINES)


def test_triggers_and_results_by_opc_ua(cell: Cell) -> None:
    """A node that becomes true ends in one outcome, and in the node of its result (L1)."""
    server = OpcuaPlc()
    node = OpcuaPlc.node
    names = {name: node(name.capitalize()) for name in ("pass", "fail", "hold", "fit")}
    cell.link = OpcuaInput(Server(server.url, timeout_ms=3000), node("Trigger"), publish_ms=10, now_us=monotonic_us)
    cell.more["result"] = OpcuaResult(Server(server.url, timeout_ms=3000), names)
    cell.begin()
    wait_for(lambda: server.value("Fit"))
    cell.site.store.add_expectation(PLATE, "one")
    server.put("Trigger", [True, False])
    told = cell.outcomes(1)
    wait_for(lambda: server.shown() == ["pass"] and not server.value("Pass"))
    cell.close_signals()
    counts = cell.counts()
    server.close()

    assert told == [("pass", "matched")]
    assert (counts["triggers"], counts["outcomes"]) == (1, 1)


def test_triggers_and_results_by_digital_lines(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """An input that rises ends in one outcome, and in a pulse of one output (a fake below gpiod's API) (L1)."""
    chip = MemoryChip()
    monkeypatch.setattr(gpiod, "request_lines", chip.request_lines)
    cell.link = GpioInput(chip.path, 17, active_low=False, bias="as_is")
    cell.more["result"] = GpioResult(chip.path, {"pass": 5, "fail": 6, "hold": 13, "fit": 19}, active_low=False)
    cell.begin()
    wait_for(lambda: 19 in chip.active())
    cell.site.store.add_expectation(PLATE, "one")
    chip.put(17, True)
    told = cell.outcomes(1)
    wait_for(lambda: {5, 19} in chip.history and 5 not in chip.active())
    chip.put(17, False)

    assert told == [("pass", "matched")]
    assert {6, 13} & set().union(*chip.history) == set()


def test_a_plate_that_appears_is_a_trigger(cell: Cell) -> None:
    """What the capture process saw becomes a trigger of that name, with one outcome; of an unknown name, none (L1)."""
    cell.more["seen"] = {"eye": InputRules()}
    cell.start()
    teller = Teller(cell.site.folder, context=cell.site.context)
    cell.site.store.add_expectation(PLATE, "one")
    wait_for(lambda: _told(teller, cell))
    told = cell.outcomes(1)
    teller.appeared("nobody", monotonic_us())
    teller.close()
    (row,) = cell.site.store.outcomes()

    assert told == [("pass", "matched")]
    assert b'"trigger_id":"eye-' in row.payload.replace(b": ", b":")


def _told(teller: Teller, cell: Cell) -> Any:
    """Tell once, as soon as somebody listens."""
    if not cell.counts()["triggers"] and teller.num_unheard == 0:
        teller.appeared("eye", monotonic_us())
        time.sleep(0.2)
    teller.num_unheard = 0
    return cell.counts()["triggers"]
