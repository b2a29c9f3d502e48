"""Signals by digital lines of this PC: the kernel's GPIO character device, through libgpiod's Python package `gpiod`.

The kernel stamps each edge with CLOCK_MONOTONIC as it happens and numbers it; a gap in the numbers is an edge that was
lost because nobody read in time, and is counted. Outputs of one chip are set together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edge.adapters.signals import Change, bits_of, library
from edge.core.result_lines import Lines
from edge.errors import SignalError

#: Edges that the kernel keeps for a reader: 100 ms of a storm of 10,000 in a second. (Its own default is 16.)
EVENT_BUFFER = 1024
#: Edges that are read at a time.
MAX_EVENTS = 1024

LineId = int | str


class _Lines:
    """Some lines of one chip, requested together."""

    def __init__(self, chip: str) -> None:
        self._chip = chip
        self._request: Any = None

    @property
    def request(self) -> Any:
        """The open request.

        Raises:
            SignalError: it is not open.
        """
        if self._request is None:
            raise SignalError(f"{self._chip} is not open")
        return self._request

    def open(self, config: Mapping[LineId, Any], **more: Any) -> None:
        """Request the lines.

        Raises:
            SignalError: there is no such chip or line, it is in use, or this user may not.
        """
        self.close()
        gpiod = library("gpiod", "gpio")
        names = ", ".join(map(str, config))
        try:
            self._request = gpiod.request_lines(self._chip, config=dict(config), consumer="edge", **more)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise SignalError(
                f"lines {names} of {self._chip} cannot be used ({why}): see gpioinfo, who else uses them, and the "
                "rights of the user edge"
            ) from None

    def set(self, active: Mapping[LineId, bool]) -> None:
        """Set outputs, all at once.

        Raises:
            SignalError: the chip is gone.
        """
        value = library("gpiod", "gpio").line.Value
        try:
            self.request.set_values({line: value.ACTIVE if on else value.INACTIVE for line, on in active.items()})
        except OSError as error:
            raise self.gone(error) from None

    def gone(self, error: OSError) -> SignalError:
        """The chip does not answer any more."""
        return SignalError(f"{self._chip} does not answer ({error.strerror or error}): see its driver and cable")

    def close(self) -> None:
        """Release the lines."""
        request, self._request = self._request, None
        if request is not None:
            request.release()


class GpioInput:
    """A digital input that triggers as it becomes active."""

    def __init__(self, chip: str, line: LineId, *, active_low: bool, bias: str) -> None:
        self.num_lost = 0
        self._lines = _Lines(chip)
        self._line, self._active_low, self._bias = line, active_low, bias
        self._last_number: int | None = None

    def open(self) -> bool:
        """Request the line, both edges."""
        kinds = library("gpiod", "gpio")
        settings = kinds.LineSettings(
            direction=kinds.line.Direction.INPUT,
            edge_detection=kinds.line.Edge.BOTH,
            bias=kinds.line.Bias[self._bias.upper()],
            active_low=self._active_low,
            event_clock=kinds.line.Clock.MONOTONIC,
        )
        self._lines.open({self._line: settings}, event_buffer_size=EVENT_BUFFER)
        self._last_number = None
        return bool(self._lines.request.get_value(self._line) is kinds.line.Value.ACTIVE)

    def changes(self, timeout_s: float) -> Sequence[Change]:
        """The edges that came."""
        request = self._lines.request
        rising = library("gpiod", "gpio").EdgeEvent.Type.RISING_EDGE
        try:
            events = request.read_edge_events(MAX_EVENTS) if request.wait_edge_events(timeout_s) else ()
        except OSError as error:
            raise self._lines.gone(error) from None
        for event in events:
            if self._last_number is not None:
                self.num_lost += max(0, event.line_seqno - self._last_number - 1)
            self._last_number = event.line_seqno
        return [Change(event.event_type is rising, event.timestamp_ns // 1000) for event in events]

    def acknowledge(self) -> None:
        """A digital input needs none."""

    def close(self) -> None:
        """Release the line."""
        self._lines.close()


class _Outputs:
    """Some digital outputs of one chip, by name; none is active at first."""

    def __init__(self, chip: str, lines: Mapping[Any, LineId], *, active_low: bool) -> None:
        self._lines = _Lines(chip)
        self._by_name, self._active_low = lines, active_low

    def open(self) -> None:
        """Request the lines."""
        gpiod = library("gpiod", "gpio")
        output = gpiod.LineSettings(
            direction=gpiod.line.Direction.OUTPUT,
            active_low=self._active_low,
            output_value=gpiod.line.Value.INACTIVE,
        )
        self._lines.open(dict.fromkeys(self._by_name.values(), output))

    def close(self) -> None:
        """Release the lines."""
        self._lines.close()


class GpioResult(_Outputs):
    """Digital outputs that show the result."""

    def write(self, lines: Lines) -> None:
        """Show these lines."""
        bits = bits_of(lines)
        self._lines.set({line: bits[name] for name, line in self._by_name.items()})


class GpioLights(_Outputs):
    """Digital outputs that switch lights."""

    def switch(self, light: str) -> None:
        """This light on, all others off, in one moment."""
        if light not in self._by_name:
            raise SignalError(
                f"there is no light {light}: add it to [lights] lines, which has {', '.join(self._by_name)}"
            )
        self._lines.set({line: name == light for name, line in self._by_name.items()})
