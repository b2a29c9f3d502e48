"""Nothing that the demo starts outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from simulator import children
from simulator.children import Child

WAIT_S = 60.0
#: A child that has a child, says so, and ignores the polite signal where told to. It naps, since a signal that comes
#: just before one long sleep is handled only after it (PEP 475 resumes a sleep that a signal breaks).
_FAMILY = """
import signal, subprocess, sys, time
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
if sys.argv[1] == "polite":
    signal.signal(signal.SIGTERM, lambda *_: (grandchild.kill(), sys.exit(7)))
print(grandchild.pid, flush=True)
for _ in range(12_000):
    time.sleep(0.05)
"""


def _wait_for_pid(log: Path) -> int:
    until_s = time.monotonic() + WAIT_S
    while time.monotonic() < until_s:
        if log.exists() and log.read_text().strip():
            return int(log.read_text().split()[0])
        time.sleep(0.02)
    raise AssertionError("the child said nothing")


def _is_gone(pid: int) -> bool:
    try:
        psutil.wait_procs([process := psutil.Process(pid)], WAIT_S)
    except psutil.NoSuchProcess:
        return True
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take long to end a polite child."""
    monkeypatch.setattr(children, "STOP_TIMEOUT_S", WAIT_S)


@pytest.mark.usefixtures("_patient")
def test_ends_politely_where_it_can(tmp_path: Path) -> None:
    """A child is asked to end first, and its exit code is given."""
    child = Child([sys.executable, "-c", _FAMILY, "polite"], tmp_path / "log")
    child.start()
    _wait_for_pid(tmp_path / "log")

    assert child.stop() == 7


@pytest.mark.usefixtures("_patient")
def test_ends_a_stopped_child(tmp_path: Path) -> None:
    """A child that a scene has stopped (SIGSTOP) is woken up and ended."""
    child = Child([sys.executable, "-c", _FAMILY, "polite"], tmp_path / "log")
    child.start()
    _wait_for_pid(tmp_path / "log")
    os.kill(child.pid, signal.SIGSTOP)

    assert child.stop() == 7


def test_kills_a_deaf_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that ignores the polite signal is killed, and its own child with it."""
    child = Child([sys.executable, "-c", _FAMILY, "deaf"], tmp_path / "log")
    child.start()
    grandchild = _wait_for_pid(tmp_path / "log")
    monkeypatch.setattr(children, "STOP_TIMEOUT_S", 0.3)

    assert child.stop() == -signal.SIGKILL
    assert _is_gone(grandchild)


def test_dies_with_its_parent(tmp_path: Path) -> None:
    """A child gets SIGTERM when its parent is killed with no chance to clear up."""
    log = tmp_path / "log"
    parent_code = (
        "import sys, time; from pathlib import Path; from simulator.children import Child;"
        f"child = Child([sys.executable, '-c', {_FAMILY!r}, 'polite'], Path({str(log)!r})); child.start();"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        _wait_for_pid(log)
        parent.kill()

    assert _is_gone(pid)
