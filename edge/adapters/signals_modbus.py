"""Signals by Modbus TCP: edge is the client, the PLC the server. A bit that triggers, coils that show results.

Modbus has no subscription: the bit is read every `poll_ms`. With `acknowledge` the PLC sets a coil and edge takes it
back once the trigger is on its disk, so that a pulse of any length is seen once. A write counts when it was answered.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.adapters.signals import Change, bits_of, library, values_of
from edge.core.result_lines import Lines
from edge.errors import SignalError


@dataclass(frozen=True, slots=True)
class Plc:
    """One Modbus TCP server."""

    host: str
    port: int = 502
    unit: int = 1
    timeout_ms: int = 500


class ModbusLink:
    """One connection, asked and answered one thing at a time."""

    def __init__(self, plc: Plc) -> None:
        self._plc = plc
        self._client: Any = None
        self._where = f"the PLC at {plc.host}:{plc.port} (Modbus unit {plc.unit})"

    def open(self) -> None:
        """Connect.

        Raises:
            SignalError: the PLC does not answer.
        """
        self.close()
        plc = self._plc
        self._client = library("pymodbus.client", "plc").ModbusTcpClient(
            plc.host, port=plc.port, timeout=plc.timeout_ms / 1000, retries=0
        )
        if not self._client.connect():
            raise SignalError(f"{self._where} takes no connection: see its power, address and firewall")
        # What was not sent when the link is given up is never sent: a late pass would be another part's.
        self._client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, what: str, call: Callable[[Any, int], Any]) -> Any:
        """Do one request.

        Raises:
            SignalError: no answer, or the PLC refuses.
        """
        if self._client is None:
            raise SignalError(f"{self._where} is not connected")
        try:
            answer = call(self._client, self._plc.unit)
        except Exception as error:  # noqa: BLE001 - pymodbus raises its own, and those of sockets
            raise SignalError(
                f"{self._where} did not answer to {what} ({type(error).__name__}): see its network"
            ) from None
        if answer is None or answer.isError():
            code = getattr(answer, "exception_code", None)
            raise SignalError(f"{self._where} refuses to {what} (exception {code}): see that it has this address")
        return answer

    def write_coil(self, address: int, *, on: bool) -> None:
        """Write one coil.

        Raises:
            SignalError: no answer, or the PLC refuses.
        """
        self.ask(f"write coil {address}", lambda client, unit: client.write_coil(address, on, device_id=unit))

    def close(self) -> None:
        """Let the PLC go."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


class ModbusInput:
    """A bit that triggers as it becomes 1."""

    def __init__(
        self, plc: Plc, *, address: int, is_coil: bool, poll_ms: int, acknowledge: bool, now_us: Callable[[], int]
    ) -> None:
        self.num_lost = 0
        self._link = ModbusLink(plc)
        self._address, self._is_coil, self._acknowledge = address, is_coil, acknowledge
        self._poll_s, self._now_us = poll_ms / 1000, now_us
        self._active = self._taken_back = False
        self._next_s = 0.0

    def open(self) -> bool:
        """Connect and read the bit; one that waits to be acknowledged is a trigger that nobody took, not a level."""
        self._link.open()
        self._taken_back = False
        self._active = False if self._acknowledge else self._read()
        return self._active

    def changes(self, timeout_s: float) -> Sequence[Change]:
        """Read the bit, at most once every `poll_ms`."""
        time.sleep(max(0.0, min(timeout_s, self._next_s - time.monotonic())))
        if time.monotonic() < self._next_s:
            return ()
        self._next_s = time.monotonic() + self._poll_s
        active, at_us = self._read(), self._now_us()
        changes = [Change(False, at_us)] if self._taken_back else []
        if active != self._active:
            changes.append(Change(active, at_us))
        self._active, self._taken_back = active, False
        return changes

    def acknowledge(self) -> None:
        """Take the coil back. If the PLC sets it again before it is read, that is the next trigger."""
        if self._acknowledge:
            self._link.write_coil(self._address, on=False)
            self._active, self._taken_back = False, True

    def close(self) -> None:
        """Let the PLC go."""
        self._link.close()

    def _read(self) -> bool:
        what = f"read {'coil' if self._is_coil else 'discrete input'} {self._address}"
        if self._is_coil:
            answer = self._link.ask(what, lambda client, unit: client.read_coils(self._address, device_id=unit))
        else:
            answer = self._link.ask(
                what, lambda client, unit: client.read_discrete_inputs(self._address, device_id=unit)
            )
        return bool(answer.bits[0])


class ModbusResult:
    """Six coils in a row (pass, fail, hold, busy, heartbeat, fit), written together; two registers before them."""

    def __init__(self, plc: Plc, *, coils: int, registers: int | None) -> None:
        self._link = ModbusLink(plc)
        self._coils, self._registers = coils, registers

    def open(self) -> None:
        """Connect."""
        self._link.open()

    def write(self, lines: Lines) -> None:
        """Registers first: when a coil shows a result, its number is there."""
        if self._registers is not None:
            values = [values_of(lines)[name] for name in ("code", "number")]
            self._link.ask(
                f"write registers {self._registers} and {self._registers + 1}",
                lambda client, unit: client.write_registers(self._registers, values, device_id=unit),
            )
        bits = list(bits_of(lines).values())
        self._link.ask(
            f"write coils {self._coils} to {self._coils + 5}",
            lambda client, unit: client.write_coils(self._coils, bits, device_id=unit),
        )

    def close(self) -> None:
        """Let the PLC go."""
        self._link.close()


class ModbusLights:
    """Coils that switch lights."""

    def __init__(self, plc: Plc, coils: Mapping[str, int]) -> None:
        self._link = ModbusLink(plc)
        self._coils = coils

    def open(self) -> None:
        """Connect."""
        self._link.open()

    def switch(self, light: str) -> None:
        """The others go off before this one comes on."""
        if light not in self._coils:
            raise SignalError(
                f"there is no light {light}: add it to [lights] coils, which has {', '.join(self._coils)}"
            )
        for name, address in sorted(self._coils.items(), key=lambda one: one[0] == light):
            self._link.write_coil(address, on=name == light)

    def close(self) -> None:
        """Let the PLC go."""
        self._link.close()
