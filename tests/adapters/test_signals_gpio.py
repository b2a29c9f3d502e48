"""Signals by digital lines: on the kernel's gpio-sim where it has it, else on a fake below gpiod's API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import gpiod
import pytest

from edge.adapters.signals_gpio import EVENT_BUFFER, GpioInput, GpioLights, GpioResult
from edge.core.outcome import Disposition
from edge.core.result_lines import Lines
from edge.errors import SignalError
from tests import gpio_chip
from tests.gpio_chip import Chip, MemoryChip

INPUT = 17
OUTPUTS = {"pass": 5, "fail": 6, "hold": 13, "heartbeat": 19}


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]) -> Iterator[Chip]:
    """The best chip there is here; the report of the tests says which."""
    made = gpio_chip.make(lambda fake: monkeypatch.setattr(gpiod, "request_lines", fake))
    record_property("gpio", made.kind)
    yield made
    made.close()


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryChip:
    """A chip that can be unplugged, and whose buffer can overflow."""
    made = MemoryChip()
    monkeypatch.setattr(gpiod, "request_lines", made.request_lines)
    return made


def line(chip: Chip, *, active_low: bool = False) -> GpioInput:
    """An input of it."""
    return GpioInput(chip.path, INPUT, active_low=active_low, bias="as_is")


def test_each_edge_comes_with_the_time_that_the_kernel_gave_it(chip: Chip) -> None:
    """A rise and a fall are two changes, in order, stamped with CLOCK_MONOTONIC."""
    one = line(chip)
    at_first = one.open()
    before_us = time.monotonic_ns() // 1000
    chip.put(INPUT, True)
    chip.put(INPUT, False)
    found = [*one.changes(5), *one.changes(0)]
    one.close()

    assert at_first is False
    assert [change.active for change in found] == [True, False]
    assert before_us <= found[0].at_us <= found[1].at_us <= time.monotonic_ns() // 1000


def test_an_input_that_is_active_low_is_active_while_it_is_low(chip: Chip) -> None:
    """A sensor that pulls its line down is one setting away."""
    chip.put(INPUT, True)
    one = line(chip, active_low=True)
    at_first = one.open()
    chip.put(INPUT, False)
    found = one.changes(5)
    one.close()

    assert at_first is False
    assert [change.active for change in found] == [True]


def test_edges_that_nobody_read_in_time_are_counted(memory: MemoryChip) -> None:
    """More edges than the kernel keeps leave a gap in their numbers: so many are lost, and it is said (L12)."""
    one = line(memory)
    one.open()
    one.changes(0)
    for number in range(EVENT_BUFFER + 501):
        memory.put(INPUT, number % 2 == 0)
    kept = one.changes(0)
    memory.put(INPUT, False)
    one.changes(1)
    one.close()

    assert len(kept) == EVENT_BUFFER
    assert one.num_lost == 501


def test_result_lines_are_set_together(chip: Chip) -> None:
    """A result is one line of three; what is not wired is not shown; on release nothing is left on."""
    out = GpioResult(chip.path, OUTPUTS, active_low=False)
    out.open()
    shown = []
    for what in (*Disposition, None):
        out.write(Lines(result=what, busy=True, heartbeat=what is None))
        shown.append(chip.active())
    out.close()

    assert shown == [{5}, {6}, {13}, {19}]


def test_a_light_is_on_alone(chip: Chip) -> None:
    """All lights are off at first, then one is on; one that is not wired is a mistake that names those that are."""
    lights = GpioLights(chip.path, {"normal": 20, "off_axis": 21}, active_low=False)
    lights.open()
    shown = [chip.active()]
    for name in ("normal", "off_axis"):
        lights.switch(name)
        shown.append(chip.active())

    assert shown == [set(), {20}, {21}]
    with pytest.raises(SignalError, match=r"no light diffuse.*normal, off_axis"):
        lights.switch("diffuse")
    lights.close()


def test_a_line_that_is_in_use_is_one_sentence(chip: Chip) -> None:
    """A line of somebody else, and a chip that is not there, are told with their names and what to look at."""
    first, second = line(chip), line(chip)
    first.open()
    with pytest.raises(SignalError, match=rf"lines {INPUT} of {chip.path} cannot be used .*busy.*gpioinfo"):
        second.open()
    first.close()
    with pytest.raises(SignalError, match="lines 1 of /dev/gpiochip99 cannot be used"):
        GpioInput("/dev/gpiochip99", 1, active_low=False, bias="pull_up").open()


def test_a_chip_that_is_unplugged_is_told_and_comes_back(memory: MemoryChip) -> None:
    """A chip at USB that vanishes is a SignalError; once it is there again the input is as before."""
    one = line(memory)
    one.open()
    memory.unplug()
    with pytest.raises(SignalError, match="does not answer"):
        one.changes(0.1)
    memory.plug()

    assert one.open() is False
    memory.put(INPUT, True)
    assert [change.active for change in one.changes(1)] == [True]
    one.close()
