"""The capture process as a process: what its end, clean, by kill -9 or by itself, does to a take."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import zmq

from edge.adapters import sockets
from edge.adapters.frames import Frame, FrameLink
from edge.commands.up_child import Child, Limits

PATIENCE_S = 60.0
T = TypeVar("T")


def until(give: Callable[[], T | None]) -> T:
    """What `give` gives as soon as it gives something."""
    end = time.monotonic() + PATIENCE_S
    while not (found := give()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.002)
    return found


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_real_process_that_ends_gives_its_take_to_the_next(tmp_path: Path, end: signal.Signals) -> None:
    """A take that is open while the process ends, cleanly or by kill -9, is answered by the next process (L1)."""
    blocking, plain = (
        textwrap.dedent(f"""
            import signal, sys, threading
            from pathlib import Path
            from edge.services.capture import Capture
            from edge.services.capture_device import Defaults
            from tests.cameras import FakeCamera
            stop = threading.Event()
            signal.signal(signal.SIGTERM, lambda *_: stop.set())
            camera = FakeCamera()
            {prepare}
            Capture(Path(sys.argv[1]), "top", camera, Defaults(500, 0.0, "normal")).run(stop)
        """)
        for prepare in ("camera.gate.clear()", "pass")
    )

    def run(script: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", script, str(tmp_path / "run")]
        return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": "."})

    context: sockets.Context = zmq.Context()
    first = run(blocking)
    link = FrameLink(tmp_path / "run", "top", timeout_ms=60_000, context=context)
    until(lambda: (link.receive(), link.connected)[1])
    link.take("inspection-1", 1, None, None, None)
    first.send_signal(end)
    status = first.wait(PATIENCE_S)
    second = run(plain)
    frame = until(link.receive)
    second.terminate()
    second.wait(PATIENCE_S)
    link.close()
    context.term()

    assert status == (0 if end == signal.SIGTERM else -signal.SIGKILL)
    assert isinstance(frame, Frame)


def test_a_real_process_with_a_blocked_driver_ends_by_itself(tmp_path: Path) -> None:
    """The process really ends, with its blocked thread and all, and says why: exit 1, so that it is started anew."""
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from edge.services.capture import Capture
        from edge.services.capture_device import Defaults, Limits
        from tests.cameras import FakeCamera

        class Blocked(FakeCamera):
            def check(self):
                self.gate.wait()

        camera = Blocked()
        camera.gate.clear()
        limits = Limits(open_s=0.2, frame_s=0.2)
        Capture(Path(sys.argv[1]), "top", camera, Defaults(500, 0.0, "normal"), limits=limits).run(lambda: False)
    """)
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    ended = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": "."}, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 1
    assert "CameraError: the driver of camera top has not returned" in ended.stderr


#: A camera whose driver never returns from its first take: `tried` is a file that says so to the next process.
BLOCKED_ONCE = textwrap.dedent("""
    import ctypes, sys, threading
    from pathlib import Path
    from edge.services.capture import Capture
    from edge.services.capture_device import Defaults, Limits
    from tests.cameras import FakeCamera

    runtime, name, block = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

    class BlockedOnce(FakeCamera):
        def take(self, order):
            tried = runtime / f"tried-{name}"
            if block and not tried.exists():
                tried.touch()
                eval(block)
            return super().take(order)

    limits = Limits(frame_s=3.0)  # as `build` sets it where take_timeout_ms = 1000
    defaults = Defaults(500, 0.0, "normal")
    Capture(runtime, name, BlockedOnce(), defaults, limits=limits, stuck_after_s=4.0).run(lambda: False)
""")
#: The second keeps the interpreter's lock, as the binding of a driver may.
BLOCKS = {"waits": "threading.Event().wait()", "holds": "ctypes.PyDLL(None).sleep(3600)", "works": ""}


def test_a_driver_that_blocks_for_ever_costs_its_own_process_and_no_other_camera(tmp_path: Path) -> None:
    """A read that never returns ends its process, whose successor takes the frame; other cameras go on (L1)."""
    runtime = tmp_path / "run"
    environment = os.environ | {"PYTHONPATH": "."}
    context: sockets.Context = zmq.Context()
    children, links = {}, {}
    for name, block in BLOCKS.items():
        command = [sys.executable, "-c", BLOCKED_ONCE, str(runtime), name, block]
        children[name] = Child(name, command, tmp_path, Limits())
        links[name] = FrameLink(runtime, name, timeout_ms=60_000, context=context)
    answers: dict[str, object] = {}
    starts: list[int] = []

    def look() -> bool:
        """Look at everything once, as `edge up` does."""
        for name, child in children.items():
            child.start_if_due(environment)
            child.lines()
            child.look()
            child.ended()
            if found := links[name].receive():
                answers[name] = found
                starts.extend([one.num_starts for one in children.values()] if name == "works" else [])
        return False

    until(lambda: look() or all(link.connected for link in links.values()))
    for name in ("waits", "holds"):
        links[name].take(f"inspection-{name}", 1, None, None, None)
    until(lambda: look() or all((runtime / f"tried-{name}").exists() for name in ("waits", "holds")))
    links["works"].take("inspection-works", 1, None, None, None)
    until(lambda: look() or len(answers) == len(BLOCKS))
    for name, child in children.items():
        child.kill()
        until(child.ended)
        child.close()
        links[name].close()
    context.term()

    assert all(isinstance(answer, Frame) for answer in answers.values())
    assert starts == [1, 1, 1]
    assert [child.num_starts for child in children.values()] == [2, 2, 1]
