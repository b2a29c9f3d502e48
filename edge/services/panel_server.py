"""The panel's HTTP server: uvicorn, with what it lacks against clients who are slow on purpose, or many.

Promises: a connection that sends no whole head within `HEAD_S`, that takes nothing of its answer for `STUCK_S`, or that
goes on sending what was refused, is ended; a connection too many is told so by the name of the limit (L12), and one
address cannot take all. What is no HTTP is answered as everything else is: one JSON object with one sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.errors import WorldError
from edge.web.app import HEADERS
from edge.web.limits import MAX_HEAD_BYTES

#: A request's head is here within this time. A person's browser needs one round trip.
HEAD_S = 10.0
#: Whoever takes less than a write buffer (64 KiB) of an answer in this time is given up.
STUCK_S = 30.0
#: Whoever was answered before their body was here may send on for so long.
LINGER_S = 2.0
#: A browser that has nothing to ask keeps its connection for so long.
KEEP_ALIVE_S = 5
#: ... and so many bytes: a body that is a little too long is swallowed, so that its sender hears why.
MAX_LINGER_BYTES = 32_000_000
#: Connections at a time: a browser opens 6, and 24 pages may listen.
MAX_CONNECTIONS = 256
#: Those of one address, except this PC's own: 8 browsers behind one router.
MAX_CONNECTIONS_FROM_ONE = 48
#: Requests under way are given this long at a clean stop.
STOP_PATIENCE_S = 2


class Connection(H11Protocol):
    """One connection, with its limits of time."""

    address = ""
    _swallowed_bytes = 0
    _timer: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it as one too many."""
        super().connection_made(transport)
        address = self.address = self.client[0] if self.client else ""
        others = [one for one in self.connections if isinstance(one, Connection) and one.address == address]
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(503, f"{MAX_CONNECTIONS} connections are open already (max_connections): try again later")
        elif len(others) > MAX_CONNECTIONS_FROM_ONE and not _is_here(address):
            limit = f"{MAX_CONNECTIONS_FROM_ONE} connections of {address} are open (max_connections_from_one)"
            self._refuse(503, f"{limit}: close one")
        else:
            self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for timer in (self._timer, self._stuck):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take some bytes; those after a connection's last answer are not looked at."""
        if not self.transport.is_closing():
            super().data_received(data)
            self._look()
            self._swallowed_bytes = self._swallowed_bytes + len(data) if self._is_answered else 0
            if self._swallowed_bytes > MAX_LINGER_BYTES:
                self._break_off()

    def on_response_complete(self) -> None:
        """Go on to the next request, or end with whoever still sends the body of this one."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._end_in_time()
        else:
            self._look()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more was asked."""
        super().timeout_keep_alive_handler()
        self._end_in_time()

    def pause_writing(self) -> None:
        """The client takes nothing: for a while."""
        super().pause_writing()
        self._end_in_time()

    def resume_writing(self) -> None:
        """The client has taken something."""
        super().resume_writing()
        if self._stuck is not None and not self.transport.is_closing():
            self._stuck.cancel()
            self._stuck = None

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or more head than is taken."""
        del msg
        what = f"a request's head has {MAX_HEAD_BYTES} bytes at most, and is HTTP/1.1"
        self._refuse(400, f"this was not understood: {what}")

    @property
    def _is_answered(self) -> bool:
        """Whether a request was answered before its body was here."""
        return self.cycle is not None and self.cycle.response_complete and self.conn.their_state is h11.SEND_BODY

    def _end_in_time(self) -> None:
        """End the connection, unless its client takes what is written to it."""
        if self._stuck is None:
            self._stuck = self.loop.call_later(STUCK_S, self._break_off)

    def _break_off(self) -> None:
        """End the connection now: what lies in the system's buffers for it is dropped, too."""
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self.transport.abort()

    def _look(self) -> None:
        """See that what the connection waits for has a limit of time."""
        waits: Callable[[], None] | None = None
        limit_s = HEAD_S
        if self.conn.their_state is h11.IDLE:
            waits = self._head_is_late
        elif self._is_answered:
            waits, limit_s = self._break_off, LINGER_S
        if waits is None and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif waits is not None and self._timer is None:
            self._timer = self.loop.call_later(limit_s, waits)

    def _head_is_late(self) -> None:
        self._refuse(408, f"the request's head was not here within {HEAD_S:g} s: send it at once")

    def _refuse(self, status: int, sentence: str) -> None:
        """Say why, and end the connection."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps({"error": {"message": sentence, "type": "refused"}}).encode()
            headers = [*HEADERS.items(), ("content-type", "application/json"), ("content-length", str(len(body)))]
            answer = h11.Response(
                status_code=status,
                headers=[*headers, ("connection", "close")],
                reason=HTTPStatus(status).phrase.encode(),
            )
            with contextlib.suppress(h11.LocalProtocolError):
                for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                    self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self.loop.call_later(LINGER_S, self._break_off)


def _is_here(address: str) -> bool:
    """Whether an address is this PC's own; who has gone again at once has none."""
    return not address or ip_address(address.partition("%")[0]).is_loopback


class PanelServer(uvicorn.Server):
    """A server that leaves the signals to the process: its loop sees `stop` by itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signal."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; a client that never ends its handshake is given up as one that sends no head."""
        loop, config = asyncio.get_running_loop(), self.config
        made: Callable[[], Any] = lambda: Connection(config, self.server_state, {}, loop)  # noqa: E731 - as asyncio asks
        handshake = None if config.ssl is None else HEAD_S
        self.servers = [
            await loop.create_server(
                made, sock=one, ssl=config.ssl, backlog=config.backlog, ssl_handshake_timeout=handshake
            )
            for one in sockets or []
        ]
        self.started = True


def server(app: ASGIApp, tls: ssl.SSLContext | None = None) -> PanelServer:
    """A server of this application; its `serve` takes the sockets."""
    # One line for each request that is no HTTP would let anybody fill the disk.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        http=Connection,
        loop="asyncio",
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,  # nobody says for another where they come from
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_PATIENCE_S,
    )
    config.load()
    config.ssl = tls
    return PanelServer(config)


def listening(host: str, port: int, section: str = "panel") -> socket.socket:
    """A socket that listens; `section` of the settings says where.

    Raises:
        WorldError: the port is taken, or the address is not this PC's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise WorldError(
            f"the page cannot listen on {host} port {port} ({error.strerror}): "
            f"end what listens there, or set [{section}] port to another"
        ) from None
