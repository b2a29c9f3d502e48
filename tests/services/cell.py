"""A cell as the tests of signals need it: a real inspector and a signals process in threads, a real PLC beside them."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

from edge.adapters.database import monotonic_us
from edge.adapters.heartbeat import Heartbeat, Listener
from edge.adapters.signals import SignalInput
from edge.adapters.signals_modbus import ModbusInput, ModbusResult, Plc
from edge.adapters.store import Store
from edge.core.result_lines import ResultRules
from edge.core.trigger_input import InputRules
from edge.services.signals import Signals
from edge.services.signals_desks import InputDesk
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
        self.link: SignalInput = ModbusInput(
            Plc("127.0.0.1", plc.port), address=TRIGGER, is_coil=True, poll_ms=2, acknowledge=False, now_us=monotonic_us
        )
        self.silent: set[str] = set()
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
        self.begin()
        wait_for(lambda: "fit" in self.plc.lines(LINES))
        return self

    def begin(self) -> None:
        """Start all."""
        self.site.start()
        self.beating.start()
        self.thread.start()

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

    def outcomes(self, count: int) -> list[tuple[str, str]]:
        """Disposition and reason of the first `count` outcomes, once they are there, oldest first."""
        wait_for(lambda: self.counts()["outcomes"] >= count)
        return [(row.disposition, row.reason) for row in reversed(self.site.store.outcomes())]

    def counts(self) -> dict[str, int]:
        """The store's counters."""
        return self.site.store.counts()

    def close_signals(self) -> None:
        """End the signals process, before its PLC."""
        self.over.set()
        self.thread.join()

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
                if one.process not in self.silent:
                    one.beat(state="ready")

    def _run(self) -> None:
        def inputs(arrived: Any, wake: Any) -> list[InputDesk]:
            self.desk = InputDesk("plc", self.link, self.input_rules, arrived=arrived, wake=wake)
            return [self.desk]

        self.signals = Signals(
            self.more.pop("store", None) or Store.open(self.site.folder, "st1"),
            self.site.folder,
            needed=("capture-main", "reader", "inspector"),
            inputs=inputs,
            context=self.site.context,
            **self.more,
        )
        self.signals.run(self.over)
