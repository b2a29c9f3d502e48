"""Tell the service manager how this process is: sd_notify(3) without a dependency.

Every function does nothing where no manager asks (`NOTIFY_SOCKET` is not set) and never raises: a manager that is gone
must not take the inspection with it. `notify_progress` feeds the watchdog; call it where work progressed and nowhere
else, least of all from a timer.
"""

from __future__ import annotations

import os
import socket

#: A message waits no longer than this for a manager that does not read.
SEND_TIMEOUT_S = 0.2


def notify_ready(status: str = "") -> None:
    """The process can do its work from now on."""
    _notify("READY=1", *_status(status))


def notify_progress() -> None:
    """Work progressed, or the loop looked at everything it waits for: the watchdog may rest."""
    _notify("WATCHDOG=1", timeout_s=0)  # a loop never waits for this one: the next turn says it again


def notify_status(sentence: str) -> None:
    """Show the operator one plain sentence in `systemctl status`."""
    _notify(*_status(sentence))


def notify_starting(status: str, *, extend_s: float) -> None:
    """Starting takes longer, and for a known reason: do not give up for another `extend_s`."""
    _notify(f"EXTEND_TIMEOUT_USEC={round(extend_s * 1_000_000)}", *_status(status))


def notify_stopping(status: str = "") -> None:
    """The process ends, as it was asked to."""
    _notify("STOPPING=1", *_status(status))


def watchdog_interval_s() -> float | None:
    """How long the manager waits for progress before it restarts this process; None where it does not watch."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    watched = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not usec.isdecimal() or int(usec) == 0 or watched != str(os.getpid()):
        return None
    return int(usec) / 1_000_000


def _status(sentence: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(sentence.split())}",) if sentence else ()


def _notify(*lines: str, timeout_s: float = SEND_TIMEOUT_S) -> None:
    where = os.environ.get("NOTIFY_SOCKET", "")
    if not lines or where[:1] not in {"/", "@"}:
        return
    target = "\0" + where[1:] if where.startswith("@") else where
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(timeout_s)
            sender.sendto("\n".join(lines).encode(), target)
    except OSError:
        return
