"""The signals process between a real PLC (Modbus) and a real inspector: a trigger in, one outcome, one result out."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.adapters.heartbeat import Heartbeat, Listener
from edge.adapters.signals_modbus import ModbusInput, ModbusResult, Plc
from edge.adapters.store import Store
from edge.core.result_lines import ResultRules
from edge.core.trigger_input import InputRules
from edge.services.signals import Signals
from edge.services.signals_desks import InputDesk, now_us
from tests.core.parts import PLATE
from tests.plc import ModbusPlc
from tests.services.test_inspector import Site, wait_for

TRIGGER, LINES, REGISTERS = 0, 16, 8
#: Slow pulses: a test that looks in the middle of one finds it.
RULES = ResultRules(pulse_us=300_000, gap_us=20_000, heartbeat_us=50_000)


class Cell:
    """A station with a PLC: inspector and signals in threads, capture and reader played."""

    def __init__(self, folder: Path, plc: ModbusPlc, **more: Any) -> None:
        self.site, self.plc = Site(folder), plc
        self.more: dict[str, Any] = {"rules": RULES, "result": self.result(), **more}
        self.input_rules = InputRules(debounce_us=0)
        self.numbers = itertools.count()
        self.over = threading.Event()
        self.neighbours = [Heartbeat(folder, name, context=self.site.context) for name in ("capture-main", "reader")]
        self.listener = Listener(folder, context=self.site.context)
        self.thread = threading.Thread(target=self._run)
        self.beating = threading.Thread(target=self._beat)

    def result(self, port: int | None = None) -> ModbusResult:
        """The lines of this cell."""
        plc = Plc("127.0.0.1", port or self.plc.port, timeout_ms=500)
        return ModbusResult(plc, coils=LINES, registers=REGISTERS)

    def start(self) -> Cell:
        """Start all, and wait until the PLC sees the heart beat."""
        self.site.start()
        self.beating.start()
        self.thread.start()
        wait_for(lambda: "fit" in self.plc.lines(LINES))
        return self

    def trigger(self) -> None:
        """MES says what comes; the PLC says that a part is in place, and takes that back."""
        self.site.store.add_expectation(PLATE, f"c{next(self.numbers)}")
        self.plc.set_coil(TRIGGER, on=True)
        wait_for(lambda: self.desk._input._now)
        self.plc.set_coil(TRIGGER, on=False)
        wait_for(lambda: not self.desk._input._now)

    def facts(self) -> dict[str, Any]:
        """What the signals process last said of itself."""
        beat = self.listener.beats().get("signals")
        return {} if beat is None else dict(beat.facts)

    def counts(self) -> dict[str, int]:
        """The store's counters."""
        return self.site.store.counts()

    def close(self) -> None:
        """End all."""
        self.over.set()
        for thread in (self.thread, self.beating):
            if thread.ident:
                thread.join()
        for one in self.neighbours:
            one.close()
        self.listener.close()
        self.site.close()

    def _beat(self) -> None:
        while not self.over.wait(0.1):
            for one in self.neighbours:
                one.beat(state="ready")

    def _run(self) -> None:
        def inputs(arrived: Any, wake: Any) -> list[InputDesk]:
            link = ModbusInput(
                Plc("127.0.0.1", self.plc.port),
                address=TRIGGER,
                is_coil=True,
                poll_ms=2,
                acknowledge=False,
                now_us=now_us,
            )
            self.desk = InputDesk("plc", link, self.input_rules, arrived=arrived, wake=wake)
            return [self.desk]

        Signals(
            Store.open(self.site.folder, "st1"),
            self.site.folder,
            needed=("capture-main", "reader", "inspector"),
            inputs=self.more.pop("inputs", inputs),
            context=self.site.context,
            **self.more,
        ).run(self.over)


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
