"""The wires of the signals process, each in a thread of its own: one that hangs holds up nothing but itself.

What all have in common: a wire whose other end is away is a named state, is tried again with growing pauses, and comes
back by itself. What waits between the threads is bounded: a few triggers, the newest lines, one light.
"""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from edge.adapters.database import monotonic_us
from edge.adapters.lights_link import LightRequests
from edge.adapters.signals import LightSwitch, ResultOutput, SignalInput
from edge.core.result_lines import Lines, between
from edge.core.trigger_input import InputRules, TriggerInput
from edge.errors import SignalError

log = structlog.get_logger()

#: Pauses between two tries to reach an end that is away: the first, and the longest.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
#: A thread looks at least this often whether it should end.
TURN_S = 0.2
#: Triggers that wait for the store; more can only come while the disk stands still (L12).
MAX_UNSTORED_TRIGGERS: Final = 100

WireState = Literal["starting", "open", "away"]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A trigger that an input showed."""

    source: str
    at_us: int


class Desk(ABC):
    """One wire: opened, used, and opened again, until `close`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: WireState = "starting"
        self.problem = ""
        self.counts: Counter[str] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self, *, patience_s: float = 1.0) -> None:
        """End; a library that does not return is left behind."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(patience_s)

    def _work(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set():
            try:
                self._open()
                self._tell("open")
                pause_s = FIRST_PAUSE_S
                while not self._stop.is_set():
                    self._use()
            except SignalError as error:
                self._tell("away", str(error))
            except Exception as error:
                # A library may raise anything: it is this wire's failure and no other's.
                log.exception("wire failed", wire=self.name)
                self._tell("away", f"{type(error).__name__} in what drives {self.name}: see the log of `edge signals`")
            self._shut()
            self._pause(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _tell(self, state: WireState, problem: str = "") -> None:
        if state != self.state:
            say = log.info if state == "open" else log.warning
            say("wire", wire=self.name, state=state, problem=problem)
            self.counts["away"] += state == "away"
        self.state, self.problem = state, problem

    @abstractmethod
    def _open(self) -> None:
        """Reach the other end."""

    @abstractmethod
    def _use(self) -> None:
        """Do one thing, for no longer than a turn."""

    @abstractmethod
    def _shut(self) -> None:
        """Let the other end go."""

    def _pause(self, pause_s: float) -> None:
        """Wait before the next try."""
        self._stop.wait(pause_s)


class InputDesk(Desk):
    """One input; accepted triggers go to `arrived`, and `wake` is called for each."""

    def __init__(
        self,
        name: str,
        link: SignalInput,
        rules: InputRules,
        *,
        arrived: queue.Queue[Arrived],
        wake: Callable[[], None],
    ) -> None:
        super().__init__(f"trigger {name}")
        self.source = name
        self._link = link
        self._input = TriggerInput(rules)
        self._arrived, self._wake_loop = arrived, wake
        self._stored = threading.Event()
        self.counts = self._input.counts

    def stored(self) -> None:
        """The trigger that came last is on the disk."""
        self._stored.set()

    def _open(self) -> None:
        self._input.begin(active=self._link.open())

    def _use(self) -> None:
        if self._stored.is_set():
            self._stored.clear()
            self._link.acknowledge()
        due_us = self._input.due_us
        wait_s = TURN_S if due_us is None else min(TURN_S, max(0, due_us - monotonic_us()) / 1e6)
        for change in self._link.changes(wait_s):
            self._accept(self._input.change(active=change.active, at_us=change.at_us))
        self._accept(self._input.ripe(monotonic_us()))
        self.counts["lost"] = self._link.num_lost

    def _accept(self, at_us: int | None) -> None:
        if at_us is None:
            return
        try:
            self._arrived.put_nowait(Arrived(self.source, at_us))
        except queue.Full:
            self.counts["accepted"] -= 1
            self.counts["max_unstored_triggers"] += 1
        self._wake_loop()

    def _shut(self) -> None:
        self._link.close()


class ResultDesk(Desk):
    """The lines to the PLC: the newest are written, nothing is queued; `take_lost` says that some were not."""

    def __init__(self, output: ResultOutput) -> None:
        super().__init__("result")
        self._output = output
        self._wanted = Lines()
        self._written: Lines | None = None
        self._changed = threading.Condition()
        self._lost = False

    def show(self, lines: Lines) -> None:
        """Have these lines shown; never blocks."""
        with self._changed:
            if lines == self._wanted:
                return
            skipped = self._wanted.result is not None and self._wanted != self._written
            self.counts["not_told"] += skipped and self._wanted.number != lines.number
            self._wanted = lines
            self._changed.notify()

    def take_lost(self) -> bool:
        """Whether the PLC was lost since the last call."""
        with self._changed:
            lost, self._lost = self._lost, False
        return lost

    def _open(self) -> None:
        self._output.open()
        self._output.write(Lines())
        self._written = Lines()

    def _use(self) -> None:
        with self._changed:
            if self._wanted == self._written:
                self._changed.wait(TURN_S)
            wanted, before = self._wanted, self._written or Lines()
        if wanted == before:
            return
        for lines in between(before, wanted):
            self._output.write(lines)
            self._written = lines
        self.counts["written"] += 1

    def _shut(self) -> None:
        if self._stop.is_set() and self.state == "open":
            with suppress(Exception):  # it ends anyway; a PLC that is away sees the heart stand still
                self._output.write(Lines())
        self._output.close()
        with self._changed:  # what was meant for a PLC that is away is not told later
            self._lost = True
            self._written = None
            self._wanted = self._wanted.cleared


class LightDesk(Desk):
    """Switches lights for the capture process, one after the other."""

    def __init__(self, switch: LightSwitch, requests: LightRequests) -> None:
        super().__init__("lights")
        self._switch, self._requests = switch, requests
        self._on: str | None = None

    def _open(self) -> None:
        self._on = None
        self._switch.open()

    def _use(self) -> None:
        asked = self._requests.receive(int(TURN_S * 1000))
        if asked is None:
            return
        peer, number, light = asked
        try:
            if light != self._on:
                self._on = None
                self._switch.switch(light)
                self._on = light
                self.counts["switched"] += 1
        except SignalError as error:
            self._requests.answer(peer, number, str(error))
            raise
        self._requests.answer(peer, number, "")

    def _shut(self) -> None:
        self._switch.close()

    def _pause(self, pause_s: float) -> None:
        """Whoever asks while the switch is away hears so at once."""
        until_s = time.monotonic() + pause_s
        while not self._stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            asked = self._requests.receive(int(min(left_s, TURN_S) * 1000) + 1)
            if asked is not None:
                self._requests.answer(asked[0], asked[1], self.problem)

    def close(self, *, patience_s: float = 1.0) -> None:
        """End, with the socket."""
        super().close(patience_s=patience_s)
        self._requests.close()
