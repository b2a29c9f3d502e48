"""Real PLCs' servers for the tests, played by the libraries' own: Modbus TCP (pymodbus) and OPC UA (asyncua).

Each remembers every write of edge in order, can be stopped in the middle, and comes back on the same port.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import asyncua
from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from simulator.ports import free_port

T = TypeVar("T")

#: Addresses of each table of the Modbus PLC.
SIZE = 64
NAMES = ("pass", "fail", "hold", "busy", "heartbeat", "fit")
#: Types of the nodes of the OPC UA PLC.
NODES: Mapping[str, Any] = {
    "Trigger": False,
    **{name.capitalize(): False for name in NAMES},
    "Number": ua.Variant(0, ua.VariantType.UInt16),
    "Code": ua.Variant(0, ua.VariantType.Byte),
    "InspectionId": "",
}


class _Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there, and wait."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(
            200
        )  # a server of OPC UA builds its address space first: seconds, on a busy PC more

    def end(self) -> None:
        """End what still runs, and the thread."""

        async def cancel() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class ModbusPlc:
    """Coils, discrete inputs and holding registers; `writes` is what came, in order."""

    def __init__(self) -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        self.port = free_port()
        self.writes: list[tuple[str, int, tuple[int, ...]]] = []
        self._loop = _Loop()
        self._server: Any = None
        self.start()

    def start(self) -> None:
        """Answer, with everything 0."""
        bits = SimData(0, values=[False] * SIZE, datatype=DataType.BITS)
        words = SimData(0, values=[0] * SIZE, datatype=DataType.REGISTERS)
        self._loop.run(self._start(SimDevice(1, simdata=([bits], [bits], [words], [words]))))

    def stop(self) -> None:
        """End every connection, and take none."""
        if self._server is not None:
            self._loop.run(self._stop())

    def close(self) -> None:
        """End."""
        self.stop()
        self._loop.end()

    def set_coil(self, address: int, *, on: bool) -> None:
        """The PLC's program sets one of its coils."""
        self._loop.run(self._server.async_setValues(1, 5, address, [on]))

    def set_input(self, address: int, *, on: bool) -> None:
        """Something at the PLC's input."""
        self._loop.run(self._server.async_setValues(1, 2, address, [on]))

    def coils(self, first: int, count: int) -> list[bool]:
        """Its coils now."""
        return [bool(bit) for bit in self._loop.run(self._server.async_getValues(1, 1, first, count))]

    def lines(self, first: int) -> set[str]:
        """The result lines that are set now."""
        return {name for name, on in zip(NAMES, self.coils(first, len(NAMES)), strict=True) if on}

    def registers(self, first: int, count: int) -> list[int]:
        """Its holding registers now."""
        return [int(word) for word in self._loop.run(self._server.async_getValues(1, 3, first, count))]

    def shown(self, first: int) -> list[str]:
        """Every result that the lines showed so far, in order, '' where they were clear; each once as it came."""
        told: list[str] = []
        for kind, address, values in list(self.writes):
            if kind == "coils" and address == first:
                now = "+".join(name for name, on in zip(NAMES[:3], values, strict=False) if on)
                if not told or told[-1] != now:
                    told.append(now)
        return told

    async def _start(self, device: SimDevice) -> None:
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port), trace_pdu=self._trace)
        await self._server.serve_forever(background=True)

    async def _stop(self) -> None:
        server, self._server = self._server, None
        await server.shutdown()

    def _trace(self, sending: bool, pdu: Any) -> Any:
        code = pdu.function_code
        if not sending and code in {5, 15}:
            self.writes.append(("coils", pdu.address, tuple(map(int, pdu.bits))))
        if not sending and code in {6, 16}:
            self.writes.append(("registers", pdu.address, tuple(pdu.registers)))
        return pdu


class OpcuaPlc:
    """A server with the nodes `ns=2;s=Station1.NAME`; `writes` is what edge wrote, in order."""

    def __init__(self, users: Mapping[str, str] | None = None, certificate: tuple[Path, Path] | None = None) -> None:
        """`certificate` and its key: nothing is let in that is not signed and encrypted."""
        self._certificate = certificate
        for name in ("asyncua", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.port = free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}/plc"
        self.writes: list[tuple[str, Any]] = []
        self._users = users
        self._loop = _Loop()
        self._server: Any = None
        self._nodes: dict[str, Any] = {}
        self.start()

    @staticmethod
    def node(name: str) -> str:
        """The id of a node."""
        return f"ns=2;s=Station1.{name}"

    def start(self) -> None:
        """Answer."""
        self._loop.run(self._start())

    def stop(self) -> None:
        """End every connection, and take none."""
        if self._server is not None:
            self._loop.run(self._stop())

    def close(self) -> None:
        """End."""
        self.stop()
        self._loop.end()

    def put(self, name: str, values: Sequence[Any]) -> None:
        """The PLC's program sets a node to one value after the other, as fast as it can."""
        self._loop.run(self._set(name, values))

    def value(self, name: str) -> Any:
        """A node's value now."""
        return self._loop.run(self._nodes[name].read_value())

    def lines(self) -> set[str]:
        """The result lines that are set now."""
        return {name for name in NAMES if self.value(name.capitalize())}

    def shown(self) -> list[str]:
        """Every result that a node was set to so far, in order; each once as it came."""
        rises: list[str] = []
        now = dict.fromkeys(("Pass", "Fail", "Hold"), False)
        for name, value in list(self.writes):
            if name in now:
                rises += [name.lower()] if value and not now[name] else []
                now[name] = value
        return rises

    async def _start(self) -> None:
        server = asyncua.Server(user_manager=_Users(self._users) if self._users is not None else None)
        await server.init()
        server.set_endpoint(self.url)
        policy = ua.SecurityPolicyType.NoSecurity
        if self._certificate is not None:
            policy = ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt
            await server.set_application_uri("urn:tests:plc:server")
            await server.load_certificate(self._certificate[0])
            await server.load_private_key(self._certificate[1], format="PEM")
        server.set_security_policy([policy])
        await server.register_namespace("urn:tests:plc")
        station = await server.nodes.objects.add_object(ua.NodeId("Station1", 2), "2:Station1")
        for name, first in NODES.items():
            node = await station.add_variable(ua.NodeId(f"Station1.{name}", 2), f"2:{name}", first)
            await node.set_writable()
            self._nodes[name] = node
        await server.start()
        names = {node.nodeid: name for name, node in self._nodes.items()}

        async def note(event: Any, _dispatcher: Any) -> None:
            for one in event.request_params.NodesToWrite:
                if event.is_external:
                    self.writes.append((names[one.NodeId], one.Value.Value.Value))

        server.subscribe_server_callback(asyncua.common.callback.CallbackType.PreWrite, note)
        self._server = server

    async def _stop(self) -> None:
        server, self._server = self._server, None
        await server.stop()

    async def _set(self, name: str, values: Sequence[Any]) -> None:
        for value in values:
            await self._nodes[name].write_value(value)


class _Users:
    """Lets in those whom it knows."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = users

    def get_user(self, _server: Any, username: Any = None, password: Any = None, certificate: Any = None) -> Any:
        """The user, or None; whoever gives no name is let in."""
        if username is None or self._users.get(username) == password:
            return User(role=UserRole.User)
        return None
