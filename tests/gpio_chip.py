"""A GPIO chip for the tests: the kernel's own `gpio-sim` where it has it (`sim`), else one in memory below gpiod's API.

The one in memory (`MemoryChip`) stands in the place of `gpiod.request_lines`, keeps levels and edges as the kernel does
(time stamps of CLOCK_MONOTONIC, numbers without gaps, a buffer that drops what nobody reads), and can be unplugged.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gpiod
from gpiod.line import Direction, Value

CONFIGFS = Path("/sys/kernel/config/gpio-sim")
CHIP = "/dev/gpiochip0"


@dataclass(frozen=True)
class Edge:
    """As `gpiod.EdgeEvent`, which only its C code can make."""

    event_type: Any
    timestamp_ns: int
    line_seqno: int


@dataclass
class Line:
    """One line of the chip: its level as wired, and who has requested it."""

    voltage: bool = False
    settings: Any = None
    edges: deque[Edge] = field(default_factory=deque)
    number: int = 0


class MemoryChip:
    """A chip in memory."""

    kind = "a fake below gpiod's API"
    path = CHIP

    def __init__(self) -> None:
        self.lines = {offset: Line() for offset in range(32)}
        self.history: list[frozenset[int]] = []
        self.is_there = True
        self.came = threading.Condition()

    def request_lines(
        self, path: str, config: Mapping[Any, Any], consumer: str = "", event_buffer_size: int = 16, **_more: Any
    ) -> MemoryRequest:
        """As `gpiod.request_lines`."""
        if not self.is_there or path != self.path:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        for offset in config:
            if offset not in self.lines:
                raise ValueError(f"line {offset} is not on this chip")
            if self.lines[offset].settings is not None:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        for offset, settings in config.items():
            self.lines[offset].settings = settings
            self.lines[offset].edges = deque(maxlen=event_buffer_size)
            if settings.direction is Direction.OUTPUT:
                self.put(offset, _is_active(settings.output_value) != settings.active_low)
        return MemoryRequest(self, list(config))

    def put(self, offset: int, voltage: bool) -> None:
        """Something outside puts a voltage on a line."""
        with self.came:
            line = self.lines[offset]
            if line.voltage == voltage:
                return
            line.voltage = voltage
            if line.settings is not None and line.settings.direction is Direction.INPUT:
                rises = voltage != line.settings.active_low
                kinds = gpiod.EdgeEvent.Type
                line.number += 1
                edge = Edge(kinds.RISING_EDGE if rises else kinds.FALLING_EDGE, time.monotonic_ns(), line.number)
                if len(line.edges) < (line.edges.maxlen or 0):  # as the kernel: what does not fit is dropped
                    line.edges.append(edge)
                self.came.notify_all()

    def active(self) -> frozenset[int]:
        """The outputs that are high."""
        return frozenset(
            offset
            for offset, line in self.lines.items()
            if line.voltage and line.settings is not None and line.settings.direction is Direction.OUTPUT
        )

    def unplug(self) -> None:
        """The chip vanishes."""
        with self.came:
            self.is_there = False
            for line in self.lines.values():
                line.settings = None
            self.came.notify_all()

    def plug(self) -> None:
        """It is there again."""
        self.is_there = True

    def close(self) -> None:
        """For a chip of the kernel."""


class MemoryRequest:
    """As `gpiod.LineRequest`."""

    def __init__(self, chip: MemoryChip, offsets: list[int]) -> None:
        self._chip, self._offsets = chip, offsets

    def get_value(self, offset: int) -> Value:
        """The level now."""
        self._need_chip()
        line = self._chip.lines[offset]
        return Value.ACTIVE if line.voltage != line.settings.active_low else Value.INACTIVE

    def set_values(self, values: Mapping[int, Value]) -> None:
        """Set outputs together."""
        self._need_chip()
        for offset, value in values.items():
            self._chip.put(offset, _is_active(value) != self._chip.lines[offset].settings.active_low)
        self._chip.history.append(self._chip.active())

    def wait_edge_events(self, timeout: float) -> bool:
        """Whether an edge came within this time."""
        line = self._chip.lines[self._offsets[0]]
        with self._chip.came:
            self._chip.came.wait_for(lambda: line.edges or not self._chip.is_there, timeout)
        self._need_chip()
        return bool(line.edges)

    def read_edge_events(self, most: int) -> list[Edge]:
        """The edges that wait."""
        self._need_chip()
        edges = self._chip.lines[self._offsets[0]].edges
        with self._chip.came:
            return [edges.popleft() for _ in range(min(most, len(edges)))]

    def release(self) -> None:
        """Let the lines go."""
        for offset in self._offsets:
            self._chip.lines[offset].settings = None

    def _need_chip(self) -> None:
        if not self._chip.is_there:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))


class SimChip:
    """A chip of the kernel's gpio-sim module, made by configfs; needs root."""

    kind = "the kernel's gpio-sim"

    def __init__(self) -> None:
        self._folder = CONFIGFS / f"edge-{os.getpid()}-{time.monotonic_ns()}"
        bank = self._folder / "bank0"
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text("32")
        (self._folder / "live").write_text("1")
        device = (self._folder / "dev_name").read_text().strip()
        chip = (bank / "chip_name").read_text().strip()
        self.path = f"/dev/{chip}"
        self._sysfs = Path("/sys/devices/platform") / device / chip

    def put(self, offset: int, voltage: bool) -> None:
        """Something outside puts a voltage on a line."""
        (self._sysfs / f"sim_gpio{offset}" / "pull").write_text("pull-up" if voltage else "pull-down")

    def active(self) -> frozenset[int]:
        """The lines that are high."""
        values = {offset: (self._sysfs / f"sim_gpio{offset}" / "value").read_text().strip() for offset in range(32)}
        return frozenset(offset for offset, value in values.items() if value == "1")

    def close(self) -> None:
        """Take the chip away."""
        (self._folder / "live").write_text("0")
        (self._folder / "bank0").rmdir()
        self._folder.rmdir()


Chip = MemoryChip | SimChip


def make(set_request_lines: Callable[[Callable[..., Any]], None]) -> Chip:
    """The best chip that there is; the one in memory is put below gpiod's API by `set_request_lines`."""
    if CONFIGFS.is_dir() and os.access(CONFIGFS, os.W_OK):
        return SimChip()
    made = MemoryChip()
    set_request_lines(made.request_lines)
    return made


def _is_active(value: Value) -> bool:
    return value is Value.ACTIVE
