"""What goes over wires between station and line, whatever the wires are: an input, the result lines, a light switch.

`signals_gpio`, `signals_modbus` and `signals_opcua` each have them. Each is used from one thread, may block for its own
time-out, and raises `SignalError` where the other end is away; then it is closed, and opened again later.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from edge.core.outcome import Disposition
from edge.core.result_lines import Lines
from edge.errors import ConfigError

#: What a result is where a number shows it.
_CODES: Mapping[Disposition | None, int] = {None: 0, Disposition.PASS: 1, Disposition.FAIL: 2, Disposition.HOLD: 3}


@dataclass(frozen=True, slots=True)
class Change:
    """The input's level from `at_us` (CLOCK_MONOTONIC) on."""

    active: bool
    at_us: int


class SignalInput(Protocol):
    """One input that triggers."""

    #: Changes that the other end said it could not tell, since it was opened first.
    num_lost: int

    def open(self) -> bool:
        """Reach it; gives whether it is active now."""

    def changes(self, timeout_s: float) -> Sequence[Change]:
        """What changed, oldest first; waits no longer than `timeout_s` for the first one."""

    def acknowledge(self) -> None:
        """The trigger is on the disk: tell the other end, where it wants to know."""

    def close(self) -> None:
        """Let it go; never raises, may be called twice."""


class ResultOutput(Protocol):
    """The lines to the PLC."""

    def open(self) -> None:
        """Reach the PLC."""

    def write(self, lines: Lines) -> None:
        """Show these lines; they are shown when this returns."""

    def close(self) -> None:
        """Let it go; never raises, may be called twice."""


class LightSwitch(Protocol):
    """What switches the lights."""

    def open(self) -> None:
        """Reach it."""

    def switch(self, light: str) -> None:
        """This light on, all others off; it is so when this returns."""

    def close(self) -> None:
        """Let it go; never raises, may be called twice."""


def bits_of(lines: Lines) -> dict[str, bool]:
    """What each result line shows, by its name, in the order in which a PLC has them in a row."""
    return {
        "pass": lines.result is Disposition.PASS,
        "fail": lines.result is Disposition.FAIL,
        "hold": lines.result is Disposition.HOLD,
        "busy": lines.busy,
        "heartbeat": lines.heartbeat,
        "fit": lines.fit,
    }


def values_of(lines: Lines) -> dict[str, bool | int | str]:
    """What is shown beside the lines, too, by its name; `number` fits into 16 bits, as PLCs count."""
    return {
        **bits_of(lines),
        "code": _CODES[lines.result],
        "number": lines.number % 65536,
        "inspection_id": lines.inspection_id,
    }


def library(name: str, extra: str) -> ModuleType:
    """An optional library, loaded where it is used.

    Raises:
        ConfigError: it is not installed; says how to.
    """
    package = name.partition(".")[0]
    try:
        module = importlib.import_module(name)
    except ImportError:
        raise ConfigError(f"{package} is not installed: pip install 'edge-inspection[{extra}]'") from None
    # Such libraries log each lost connection again and again; edge tells it once, as a state.
    logging.getLogger(package).setLevel(logging.CRITICAL)
    return module
