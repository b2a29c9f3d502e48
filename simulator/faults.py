"""Does to a station what the world does to it: kills or stops a process, sends a trigger while it is busy, breaks ERP.

All from outside, as a site would suffer it. A fault strikes once, before the trigger or in the middle of a take, and is
undone after the outcome.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import psutil

from simulator.erp import SqlErp
from simulator.scenes import Scene
from simulator.station import Station


class Fault:
    """The fault of one scene at one station; `strike` is what a busy trigger sends, where the scene wants one."""

    def __init__(self, scene: Scene, station: Station, send_trigger: Callable[[], None]) -> None:
        self._script = scene.fault
        self._erp_state = scene.erp.state
        self._station = station
        self._send_trigger = send_trigger
        self._stopped: psutil.Process | None = None
        self.struck_at_s: float | None = None

    @property
    def name(self) -> str:
        """What happens, in words; empty where nothing does."""
        script = self._script
        told = {
            "none": "",
            "kill": f"kill -9 {script.process}",
            "pause": f"stop {script.process}",
            "trigger_while_busy": "second trigger while busy",
        }[script.kind]
        return ", ".join(each for each in (told, "" if self._erp_state == "up" else f"ERP {self._erp_state}") if each)

    @property
    def breaks_a_process(self) -> bool:
        """Whether the station has something to recover from afterwards."""
        return self._script.kind in ("kill", "pause")

    def before_trigger(self) -> None:
        """Strike now, where the scene says so."""
        if self._erp_state != "up" and isinstance(self._station.erp, SqlErp):
            self._station.erp.set_state(self._erp_state)
        if self._script.kind != "none" and self._script.at == "before_trigger":
            self._strike()

    def on_take(self, number: int) -> None:
        """Strike in the middle of a take, where the scene says so; runs in the camera, which waits meanwhile."""
        if self._script.kind != "none" and self._script.at == "take" and number == self._script.take:
            if self.struck_at_s is not None:
                return
            self._strike()
            time.sleep(self._script.hold_ms / 1000)

    def undo(self) -> None:
        """Put right what can be put right from outside; the rest is the supervisor's work."""
        if self._erp_state != "up" and isinstance(self._station.erp, SqlErp):
            self._station.erp.set_state("up")
        if self._stopped is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._stopped.resume()

    def _strike(self) -> None:
        self.struck_at_s = time.monotonic()
        if self._script.kind == "trigger_while_busy":
            self._send_trigger()
            return
        process = self._station.process(self._script.process)
        if process is None:
            return
        if self._script.kind == "kill":
            process.kill()
        else:
            process.suspend()
            self._stopped = process
