"""sd_notify without a dependency: what is said, to whom, and that nobody listening is no error."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.adapters import systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service manager's notification socket, by path or in the abstract namespace."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@edge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        made.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield made


def test_each_message_is_what_the_manager_documents(manager: socket.socket) -> None:
    """Ready, progress, status, a slow start and stopping are said in sd_notify's words."""
    systemd.notify_ready("camera top is open")
    systemd.notify_progress()
    systemd.notify_status("waits\nfor the camera")
    systemd.notify_starting("loading weights", extend_s=2.5)
    systemd.notify_stopping()
    said = [manager.recv(1000).decode() for _ in range(5)]

    assert said == [
        "READY=1\nSTATUS=camera top is open",
        "WATCHDOG=1",
        "STATUS=waits for the camera",
        "EXTEND_TIMEOUT_USEC=2500000\nSTATUS=loading weights",
        "STOPPING=1",
    ]


@pytest.mark.parametrize("where", ["", "/nowhere/at/all", "nonsense", "@edge-nobody-listens"])
def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A manager that is absent, or gone, never takes the process with it."""
    monkeypatch.setenv("NOTIFY_SOCKET", where)

    systemd.notify_ready("no one hears it")
    systemd.notify_progress()


def test_a_manager_that_does_not_read_does_not_hold_the_loop(manager: socket.socket) -> None:
    """A full notification socket costs a bounded wait and is no error."""
    manager.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    for _ in range(3):
        systemd.notify_status("x" * 60_000)

    assert manager.recv(10).startswith(b"STATUS")


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", None, 30.0),
        ("30000000", "self", 30.0),
        ("30000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_the_watchdog_interval_is_the_managers(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, seconds: float | None
) -> None:
    """The interval counts only when it is a number and meant for this process."""
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", str(os.getpid()) if pid == "self" else pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)

    assert systemd.watchdog_interval_s() == seconds
