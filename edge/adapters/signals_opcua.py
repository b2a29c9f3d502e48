"""Signals by OPC UA: edge is the client, the PLC the server. A Boolean that triggers, nodes that show results.

The trigger comes by subscription: the server samples as fast as it can, keeps `QUEUE` changes and tells them every
`publish_ms`, so that a pulse shorter than that is not missed. What it could not keep, it says; that is counted.

The event loop runs in the calling thread, and only while it is called: it has no thread of its own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from edge.adapters.signals import Change, library, values_of
from edge.core.result_lines import Lines
from edge.errors import SignalError

#: Changes that the server keeps between two of its messages; more are lost, and counted.
QUEUE = 100
#: Changes that wait here for the thread that reads them.
MAX_CHANGES = 10_000
#: OPC UA Part 4, 7.39.1: InfoType DataValue with Overflow, in a value's status code.
_OVERFLOW = 0x0480
#: A server that is silent for so long is asked for a sign of life.
_WATCH_S = 1.0
#: What is written first: the lines that show the result come last.
_ORDER = ("number", "code", "inspection_id", "fit", "heartbeat", "busy", "pass", "fail", "hold")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: this station's certificate with its key, and the certificate that the server must have."""

    own: Path
    key: Path
    server: Path


@dataclass(frozen=True, slots=True)
class Server:
    """One OPC UA server; `password` gives it at each use.

    With `certificates` all is signed and encrypted (Basic256Sha256); without, nothing is.
    """

    url: str
    username: str | None = None
    password: Callable[[], str | None] = lambda: None
    timeout_ms: int = 1000
    certificates: Certificates | None = None


class OpcuaLink:
    """One session."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._where = f"the OPC UA server {server.url}"
        self._runner: asyncio.Runner | None = None
        self.client: Any = None
        self._lost = False

    def open(self, nodes: Sequence[str]) -> list[Any]:
        """Connect, and give these nodes.

        Raises:
            SignalError: the server does not answer, refuses this user, or has no such node.
        """
        self.close()
        self._runner, self._lost = asyncio.Runner(), False
        return self.run(self._connect(nodes), "let edge in")

    def run(self, work: Coroutine[Any, Any, T], what: str, *, wait_s: float = 0.0) -> T:
        """Do one thing within the server's time, and what the thing itself waits for.

        Raises:
            SignalError: the server refuses, is silent, or was lost.
        """
        runner = self._runner
        if runner is None:
            work.close()
            raise SignalError(f"{self._where} is not connected")
        try:
            return runner.run(asyncio.wait_for(work, wait_s + 3 * self._server.timeout_ms / 1000))
        except SignalError:
            raise
        except Exception as error:  # noqa: BLE001 - asyncua raises its own, those of asyncio, and those of sockets
            why = type(error).__name__
            raise SignalError(
                f"{self._where} does not {what} ({why}): see that it runs, its users, certificates and node ids"
            ) from None

    def need_life(self) -> None:
        """Raise where the session was lost meanwhile.

        Raises:
            SignalError: it was.
        """
        if self._lost:
            raise SignalError(f"{self._where} was lost: see its network")

    def close(self) -> None:
        """Let the server go; never raises."""
        runner, client = self._runner, self.client
        self._runner = self.client = None
        if runner is None:
            return
        with suppress(Exception):
            if client is not None:
                runner.run(asyncio.wait_for(client.disconnect(), self._server.timeout_ms / 1000))
        with suppress(Exception):
            runner.close()

    async def _connect(self, nodes: Sequence[str]) -> list[Any]:
        asyncua = library("asyncua", "plc")
        server = self._server
        client = asyncua.Client(server.url, timeout=server.timeout_ms / 1000, watchdog_intervall=_WATCH_S)
        client.connection_lost_callback = self._on_lost
        if server.username is not None:
            client.set_user(server.username)
            client.set_password(server.password() or "")
        if server.certificates is not None:
            await _encrypt(client, server.certificates)
        await client.connect()
        self.client = client
        found = [client.get_node(node) for node in nodes]
        for node, name in zip(found, nodes, strict=True):
            try:
                await node.read_value()
            except asyncua.ua.UaError as error:
                raise SignalError(
                    f"{self._where} has no value at node {name} ({type(error).__name__}): see its address space"
                ) from None
        return found

    async def _on_lost(self, _error: Exception) -> None:
        self._lost = True


async def _encrypt(client: Any, certificates: Certificates) -> None:
    """Sign and encrypt; the client's name must be the one in its certificate (OPC UA Part 6, 6.2.2)."""
    from asyncua import ua  # noqa: PLC0415 - of the extra `plc`
    from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256  # noqa: PLC0415
    from asyncua.crypto.uacrypto import CertProperties  # noqa: PLC0415
    from cryptography import x509  # noqa: PLC0415 - asyncua brings it

    own = x509.load_pem_x509_certificate(certificates.own.read_bytes())
    names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    client.application_uri = names.get_values_for_type(x509.UniformResourceIdentifier)[0]
    pem = partial(CertProperties, extension="PEM")  # asyncua would go by the file's name
    await client.set_security(
        SecurityPolicyBasic256Sha256,
        certificate=pem(certificates.own),
        private_key=pem(certificates.key),
        server_certificate=pem(certificates.server),
        mode=ua.MessageSecurityMode.SignAndEncrypt,
    )


class OpcuaInput:
    """A Boolean node that triggers as it becomes true."""

    def __init__(self, server: Server, node: str, *, publish_ms: int, now_us: Callable[[], int]) -> None:
        self.num_lost = 0
        self._link = OpcuaLink(server)
        self._name, self._publish_ms, self._now_us = node, publish_ms, now_us
        self._came: deque[Change] = deque(maxlen=MAX_CHANGES)
        self._news = asyncio.Event()
        self._bad = False

    def open(self) -> bool:
        """Connect and subscribe; gives the value that the server tells first."""
        self._came.clear()
        self._news, self._bad = asyncio.Event(), False
        (node,) = self._link.open([self._name])
        return self._link.run(self._subscribe(node), f"let node {self._name} be subscribed to")

    def changes(self, timeout_s: float) -> Sequence[Change]:
        """What the server told."""
        self._link.run(self._wait(timeout_s), f"tell of node {self._name}", wait_s=timeout_s)
        self._link.need_life()
        if self._bad:
            raise SignalError(f"the value of node {self._name} is bad: see the PLC")
        changes = list(self._came)
        self._came.clear()
        return changes

    def acknowledge(self) -> None:
        """A subscription needs none."""

    def close(self) -> None:
        """Let the server go."""
        self._link.close()

    def datachange_notification(self, _node: Any, value: Any, data: Any) -> None:
        """Note one change; called by asyncua."""
        status = data.monitored_item.Value.StatusCode
        if (status is not None and not status.is_good()) or not isinstance(value, bool):
            self._bad = True
        else:
            self.num_lost += status is not None and (status.value & _OVERFLOW) == _OVERFLOW
            self.num_lost += len(self._came) == MAX_CHANGES
            self._came.append(Change(value, self._now_us()))
        self._news.set()

    async def _subscribe(self, node: Any) -> bool:
        if not isinstance(await node.read_value(), bool):
            raise SignalError(f"node {self._name} is no Boolean: name one that is true while a part is in place")
        subscription = await self._link.client.create_subscription(self._publish_ms, self)
        await subscription.subscribe_data_change(node, queuesize=QUEUE, sampling_interval=0.0)
        await self._news.wait()
        first = self._came.popleft() if self._came else Change(active=False, at_us=0)
        return first.active

    async def _wait(self, timeout_s: float) -> None:
        if not self._came:
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), timeout_s)


class OpcuaResult:
    """Nodes that show the result, written in one request; each value in the node's own type."""

    def __init__(self, server: Server, nodes: Mapping[Any, str]) -> None:
        self._link = OpcuaLink(server)
        self._names = [name for name in _ORDER if name in nodes]
        self._ids = [nodes[name] for name in self._names]
        self._nodes: list[Any] = []
        self._types: list[Any] = []

    def open(self) -> None:
        """Connect, and learn the types of the nodes."""
        self._nodes = self._link.open(self._ids)
        self._types = self._link.run(self._read_types(), "tell the types of the nodes")

    def write(self, lines: Lines) -> None:
        """Show these lines."""
        self._link.need_life()
        values = values_of(lines)
        self._link.run(self._write([values[name] for name in self._names]), "take the result")

    def close(self) -> None:
        """Let the server go."""
        self._link.close()

    async def _read_types(self) -> list[Any]:
        return [await node.read_data_type_as_variant_type() for node in self._nodes]

    async def _write(self, values: Sequence[Any]) -> None:
        ua = library("asyncua", "plc").ua
        # Without a source time: servers on PLCs refuse to be told one (BadWriteNotSupported).
        told = [ua.DataValue(ua.Variant(value, kind)) for value, kind in zip(values, self._types, strict=True)]
        await self._link.client.write_values(self._nodes, told)
