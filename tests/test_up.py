"""`edge up`: real child processes, looked after by their own word, and none left behind."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from edge.commands.up import Up
from edge.commands.up_child import Limits
from tests.brokers import free_port

PATIENCE_S = 60.0
T = TypeVar("T")

GOOD = """
    import signal, sys, threading
    from edge.adapters import systemd
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    systemd.notify_ready("serving")
    print("up and ready", flush=True)
    while not stop.wait(0.05):
        systemd.notify_progress()
    print("stopped cleanly", flush=True)
"""


def script(text: str) -> list[str]:
    """A child that runs this program."""
    return [sys.executable, "-c", textwrap.dedent(text)]


def until(give: Callable[[], T]) -> T:
    """What `give` gives as soon as it gives something."""
    end = time.monotonic() + PATIENCE_S
    while not (found := give()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)
    return found


class Desk:
    """An `Up` in a thread, with what it said."""

    def __init__(self, runtime_dir: Path) -> None:
        self.stream = io.StringIO()
        self.code: int | None = None
        self._runtime_dir = runtime_dir
        self._up: Up | None = None
        self._thread: threading.Thread | None = None

    def start(self, limits: Limits | None = None, stop_timeout_s: float = 20.0, **commands: Sequence[str]) -> None:
        """Look after these children."""
        environment = dict(os.environ) | {"PYTHONPATH": "."}
        up = Up(
            commands, self._runtime_dir, environment, limits=limits, stop_timeout_s=stop_timeout_s, stream=self.stream
        )

        def run() -> None:
            self.code = up.run("all are ready")

        self._up = up
        self._thread = threading.Thread(target=run)
        self._thread.start()

    @property
    def said(self) -> str:
        """All lines so far."""
        return self.stream.getvalue()

    def hear(self, what: str, times: int = 1) -> None:
        """Wait until it was said so many times."""
        until(lambda: len(re.findall(what, self.said)) >= times)

    def pids(self) -> list[int]:
        """The children that run."""
        assert self._up is not None
        return [child.pid for child in self._up._children if child.pid is not None]

    def stop(self) -> int:
        """Ask for the end, and wait for it."""
        assert self._up is not None
        self._up.stop()
        return self.join()

    def join(self) -> int:
        """Wait for the end; the exit code."""
        assert self._thread is not None
        self._thread.join(PATIENCE_S)
        assert self.code is not None, self.said
        return self.code


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk with nothing on it; whatever a test leaves running is stopped."""
    made = Desk(tmp_path)
    yield made
    if made.code is None and made._up is not None:
        made.stop()


def test_all_are_ready_when_each_said_so_and_stop_in_order(desk: Desk) -> None:
    """Readiness is the children's own word; a stop ends them one after the other, cleanly, with exit 0."""
    desk.start(panel=script(GOOD), messenger=script(GOOD), inspector=script(GOOD))
    desk.hear("all are ready")
    pids = desk.pids()
    code = desk.stop()
    stopped = re.findall(r"(\w+) +\| stopped cleanly", desk.said)

    assert code == 0
    assert stopped == ["inspector", "messenger", "panel"]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_child_that_never_says_ready_is_not_called_ready(desk: Desk) -> None:
    """A child that runs but is not ready holds back the sentence, is given up after its time, and started anew."""
    sleeps = "import time; time.sleep(600)"
    desk.start(Limits(start_timeout_s=1.5, pause_first_s=0.01), reader=script(sleeps), panel=script(GOOD))
    desk.hear(r"reader: not ready for \d+ s: killed", times=2)

    desk.hear(r"panel +\| up and ready")

    assert "all are ready" not in desk.said


def test_a_slow_start_that_asks_for_time_gets_it(desk: Desk) -> None:
    """EXTEND_TIMEOUT_USEC, said again and again, keeps a slow child alive beyond the start limit."""
    slow = """
        import time
        from edge.adapters import systemd
        for _ in range(20):
            systemd.notify_starting("loading", extend_s=20)
            time.sleep(0.1)
    """
    desk.start(Limits(start_timeout_s=1.0, watchdog_s=20), reader=script(textwrap.dedent(slow) + textwrap.dedent(GOOD)))
    desk.hear("all are ready")

    assert "killed" not in desk.said


def test_a_child_that_shows_no_progress_is_killed_and_started_anew(desk: Desk) -> None:
    """Ready is not enough: a wedged child is killed after the watchdog's time, and the others go on."""
    wedged = """
        import signal, time
        from edge.adapters import systemd
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        systemd.notify_ready()
        systemd.notify_status("blocked in the driver")
        time.sleep(600)
    """
    desk.start(Limits(watchdog_s=3.0, pause_first_s=0.01), capture=script(wedged), panel=script(GOOD))
    desk.hear(r"capture: no progress for 3 s: killed \(blocked in the driver\)", times=2)

    assert len(re.findall("up and ready", desk.said)) == 1


def test_a_child_that_dies_is_started_anew_after_growing_pauses(desk: Desk) -> None:
    """`kill -9` of one child starts that one anew and leaves the others alone; its last words are passed on."""
    desk.start(
        Limits(pause_first_s=0.01, pause_longest_s=0.05),
        inspector=script(GOOD),
        reader=script("import sys; sys.stdout.write('last words without an end'); sys.exit(3)"),
    )
    desk.hear(r"inspector +\| up and ready")
    os.kill(desk.pids()[0], signal.SIGKILL)
    desk.hear(r"up +\| inspector ended \(killed by SIGKILL\), starting it anew")
    desk.hear(r"inspector +\| up and ready", times=2)
    desk.hear(r"reader +\| last words without an end\n", times=3)

    assert "reader ended (exit 3), starting it anew" in desk.said


@pytest.mark.parametrize("code", [78, 2])
def test_a_wrong_configuration_ends_all(desk: Desk, code: int) -> None:
    """A child that says 78 (or 2) is not started anew: all stop, and the exit code is the child's (L13)."""
    desk.start(inspector=script(GOOD), messenger=script(f"import sys; print('bad key'); sys.exit({code})"))

    assert desk.join() == code
    assert re.search(r"messenger +\| bad key", desk.said)
    assert desk.said.count("starting it anew") == 1  # in the sentence that says that it would not help


def test_a_child_that_ignores_the_stop_is_killed_with_its_own_children(desk: Desk) -> None:
    """After its time a stubborn child is killed, with whatever it started, and the exit code says so."""
    stubborn = """
        import signal, subprocess, sys
        from edge.adapters import systemd
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("grandchild", grandchild.pid, flush=True)
        systemd.notify_ready()
        grandchild.wait()
    """
    desk.start(stop_timeout_s=0.3, capture=script(stubborn))
    desk.hear("all are ready")
    grandchild = int(re.findall(r"grandchild (\d+)", desk.said)[0])
    code = desk.stop()

    assert code == 1
    assert "capture did not stop cleanly (killed by SIGKILL)" in desk.said
    until(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE)


def test_a_long_or_undecodable_line_is_passed_on(desk: Desk) -> None:
    """Whatever a child writes becomes lines with its name; nothing blocks and nothing is lost."""
    noisy = "import sys; sys.stdout.buffer.write(b'\\xff\\n' + b'x' * 300000 + b'\\nend\\n'); sys.exit(1)"
    desk.start(Limits(pause_first_s=60), reader=script(noisy))
    desk.hear(r"reader +\| end\n")

    assert "| \\xff\n" in desk.said
    assert desk.said.count("x") >= 300000


CONFIG = """
version = 1
[station]
site = "ulm"
line = "l1"
name = "st7"
camera = "top"
[paths]
data = "data"
runtime = "run"
[cameras.top]
kind = "file"
path = "frames"
loop = true
[mqtt]
host = "127.0.0.1"
port = {broker}
[panel]
port = {panel}
[log]
format = "json"
"""


def edge_up(folder: Path) -> subprocess.Popen[str]:
    """`edge up` as a person starts it, in a process group of its own."""
    command = [sys.executable, "-m", "edge", "up", "--config", str(folder / "edge.toml")]
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": str(Path.cwd()), "NOTIFY_SOCKET": str(folder / "n.sock")},
            stderr=log,
            text=True,
            start_new_session=True,
        )


def write_station(folder: Path) -> None:
    """A whole configuration: one file camera, no broker behind its port."""
    frames = folder / "frames"
    frames.mkdir()
    (frames / "plate.bmp").write_bytes(b"BM" + bytes(60))
    (folder / "edge.toml").write_text(CONFIG.format(broker=free_port(), panel=free_port()))


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        signal.SIGTERM,
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_the_five_real_processes_come_up_and_none_is_left(tmp_path: Path, end: signal.Signals) -> None:
    """`edge up` gets all five ready, and Ctrl-C, SIGTERM or even kill -9 of it leaves no process behind."""
    write_station(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n.sock"))
        manager.settimeout(PATIENCE_S)
        up = edge_up(tmp_path)
        while "READY=1" not in (said := manager.recv(4096).decode()):
            assert up.poll() is None, (tmp_path / "log").read_text()
    children = psutil.Process(up.pid).children(recursive=True)
    up.send_signal(end)
    code = up.wait(PATIENCE_S)
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)

    assert "all 5 processes are ready" in said
    assert len(children) >= 5
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert code == (-signal.SIGKILL if end == signal.SIGKILL else 0), (tmp_path / "log").read_text()


def test_a_wrong_configuration_is_78_and_starts_nothing(tmp_path: Path) -> None:
    """`edge up` with a wrong key says so and exits 78, as every process does (L13)."""
    write_station(tmp_path)
    (tmp_path / "edge.toml").write_text((tmp_path / "edge.toml").read_text().replace("kind =", "sort ="))
    up = edge_up(tmp_path)

    assert up.wait(PATIENCE_S) == 78
    assert "cameras.top" in (tmp_path / "log").read_text()


def test_a_second_up_on_the_same_station_is_refused(tmp_path: Path) -> None:
    """Two `edge up` with one runtime folder would take each other's sockets: the second says so and exits 2."""
    write_station(tmp_path)
    first = edge_up(tmp_path)
    until((tmp_path / "run" / "up.lock").exists)
    until(lambda: "| " in (tmp_path / "log").read_text())
    command = [sys.executable, "-m", "edge", "up", "--config", str(tmp_path / "edge.toml")]
    second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    first.kill()
    first.wait(PATIENCE_S)

    assert second.returncode == 2
    assert "another `edge up` runs with the runtime folder" in second.stderr
