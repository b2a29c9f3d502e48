"""Local sockets between the processes of one station: where they lie, who may open them, and what a too long path says.

Every address is `ipc://{runtime}/{name}.sock`. The runtime folder is made for this user alone (0700) and so are the
sockets (0600): whoever can open them can start inspections and hand in frames.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zmq

from edge.errors import ConfigError

#: `sun_path` of a Linux socket address holds 108 bytes with its closing zero (unix(7)).
MAX_PATH_BYTES = 107

#: Time between two tries to reach a process that is not there; a restarted one is found within this time.
RECONNECT_MS, RECONNECT_MAX_MS = 20, 250

_mask_lock = threading.Lock()

Socket = zmq.Socket[bytes]
Context = zmq.Context[zmq.Socket[bytes]]


def address(runtime_dir: Path, name: str) -> str:
    """The ZeroMQ address of the socket `name` in the runtime folder.

    Raises:
        ConfigError: when the path is longer than Linux allows.
    """
    path = runtime_dir.absolute() / f"{name}.sock"
    length = len(os.fsencode(path))
    if length > MAX_PATH_BYTES:
        raise ConfigError(
            f"[paths] runtime: the socket path {path} is {length} bytes long, Linux allows {MAX_PATH_BYTES}: "
            f"choose a runtime folder that is at least {length - MAX_PATH_BYTES} bytes shorter"
        )
    return f"ipc://{path}"


def open_socket(context: Context | None, kind: int) -> Socket:
    """A socket that never holds up the end of its process (LINGER 0)."""
    opened: Any = (context or zmq.Context.instance()).socket(kind)
    opened.setsockopt(zmq.LINGER, 0)
    socket: Socket = opened
    return socket


def open_poke(runtime_dir: Path, *, context: Context | None = None) -> Socket:
    """A socket that pokes the inspector, so that it looks at the store at once; send with NOBLOCK.

    Raises:
        ConfigError: when the path is too long.
    """
    socket = open_socket(context, zmq.PUSH)
    socket.setsockopt(zmq.SNDHWM, 10)
    socket.connect(address(runtime_dir, "inspector"))
    return socket


def connect(socket: Socket, runtime_dir: Path, name: str, *, greets: bool = True) -> None:
    """Connect to the socket `name`, of a process that may come later, or again; on failure the socket is closed.

    Nothing is queued for it while it is absent. Where this end `greets`, it gets an empty message with each new
    connection, which it answers with its hello: what is still open is then sent again.

    Raises:
        ConfigError: when the path is too long.
    """
    with _closed_on_failure(socket):
        # Together: IMMEDIATE queues for no absent process, and PROBE_ROUTER tells the other side of each connection.
        socket.setsockopt(zmq.IMMEDIATE, 1)
        if greets:
            socket.setsockopt(zmq.PROBE_ROUTER, 1)
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        socket.connect(address(runtime_dir, name))


def bind(socket: Socket, runtime_dir: Path, name: str) -> Path:
    """Bind to the socket `name`, for this user alone, and return its path; on failure the socket is closed.

    Raises:
        ConfigError: when the path is too long or the runtime folder cannot be made or written.
    """
    with _closed_on_failure(socket):
        where = address(runtime_dir, name)
        path = Path(where.removeprefix("ipc://"))
        # The mask belongs to the process: two threads that bind at once would leave it to each other.
        with _mask_lock:
            old_mask = os.umask(0o077)
            try:
                runtime_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.umask(0o177)
                socket.bind(where)
            except (OSError, zmq.ZMQError) as error:
                raise ConfigError(
                    f"[paths] runtime: cannot make the socket {path} ({error}): choose a writable folder"
                ) from None
            finally:
                os.umask(old_mask)
    return path


@contextmanager
def _closed_on_failure(socket: Socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        socket.close()
        raise
