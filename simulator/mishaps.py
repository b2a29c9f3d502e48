"""What befalls a station on a bad day, each from outside: processes die or hang, the broker goes, the clock jumps.

A mishap strikes, lasts, and is undone; the station must come back by itself. `TABLE` is the list.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from simulator.camera_server import CameraServer
from simulator.erp import Breakage, SqlErp
from simulator.mosquitto import Mosquitto
from simulator.station import SERVICES, Station

#: A process that stands still this long is ended by its watchdog (30 s) and started anew.
BEYOND_WATCHDOG_S = (33.0, 40.0)
_HOUR_S, _DAY_S = 3600, 86_400
_BALLAST_BYTES = 1 << 20


@dataclass(slots=True)
class World:
    """Everything round one station that can go wrong. `clock_file` moves its clock, `disk` is its data folder.

    Either is None where this PC cannot do it. `erp_lock` keeps the line from telling ERP while ERP is being broken.
    """

    station: Station
    broker: Mosquitto
    dice: random.Random
    clock_file: Path | None = None
    disk: Path | None = None
    erp_lock: threading.Lock = field(default_factory=threading.Lock)
    erp_is_up: bool = True

    def set_clock(self, offset_s: int) -> None:
        """Let the station's wall clock be wrong by so much, its monotonic one not."""
        assert self.clock_file is not None
        beside = self.clock_file.with_suffix(".new")
        beside.write_text(f"{offset_s:+d}\n", encoding="ascii")
        beside.replace(self.clock_file)


#: Puts right what a mishap did.
Undo = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Mishap:
    """One kind of mishap: how it strikes, how long it lasts (seconds, from and to), how often beside the others."""

    name: str
    strike: Callable[[World], Undo]
    lasts_s: tuple[float, float] = (0.0, 0.0)
    weight: int = 2
    needs: str = ""


def _nothing() -> None:
    """There is nothing to undo: the supervisor starts what has died."""


def _kill(service: str, world: World) -> Undo:
    process = world.station.process(service)
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return _nothing


def _suspend(service: str, world: World) -> Undo:
    process = world.station.process(service)
    if process is None:
        return _nothing
    with contextlib.suppress(psutil.NoSuchProcess):
        process.suspend()

    def resume() -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()

    return resume


def _power_cut(world: World) -> Undo:
    world.station.kill()
    return world.station.start_again


def _broker_stops(world: World) -> Undo:
    world.broker.stop()
    return world.broker.start


def _broker_dies(world: World) -> Undo:
    world.broker.kill()
    return world.broker.start


def _broker_forgets(world: World) -> Undo:
    world.broker.stop()
    world.broker.forget()
    return world.broker.start


def _break_erp(how: Breakage, world: World) -> Undo:
    erp = world.station.erp
    assert isinstance(erp, SqlErp)

    def set_state(state: Breakage) -> None:
        with world.erp_lock:
            erp.set_state(state)
            world.erp_is_up = state == "up"

    set_state(how)
    return partial(set_state, "up")


def _fill_disk(world: World) -> Undo:
    assert world.disk is not None
    ballast = world.disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"\0" * _BALLAST_BYTES):
            pass
    return partial(ballast.unlink, missing_ok=True)


def _step_clock(offset_s: int, world: World) -> Undo:
    world.set_clock(offset_s)
    return partial(world.set_clock, 0)


def _take_camera_away(world: World) -> Undo:
    gone = world.station.camera
    gone.stop()

    def bring_back() -> None:
        again = CameraServer(gone.address, gone.sensor)
        again.start()
        world.station.camera = again

    return bring_back


TABLE: tuple[Mishap, ...] = (
    *(Mishap(f"kill -9 {service}", partial(_kill, service), weight=4) for service in SERVICES),
    *(Mishap(f"{service} stands still", partial(_suspend, service), BEYOND_WATCHDOG_S, 1) for service in SERVICES),
    Mishap("power cut", _power_cut, (0.5, 2.0), 1),
    Mishap("broker restarts", _broker_stops, (0.2, 8.0)),
    Mishap("broker killed", _broker_dies, (0.2, 8.0)),
    Mishap("broker forgets", _broker_forgets, (0.2, 8.0)),
    Mishap("ERP locked", partial(_break_erp, "locked"), (3.0, 10.0)),
    Mishap("ERP table gone", partial(_break_erp, "gone"), (3.0, 10.0)),
    Mishap("disk full", _fill_disk, (3.0, 15.0), needs="disk"),
    Mishap("clock back an hour", partial(_step_clock, -_HOUR_S), (3.0, 20.0), needs="clock"),
    Mishap("clock forward a day", partial(_step_clock, _DAY_S), (3.0, 20.0), needs="clock"),
    Mishap("camera gone", _take_camera_away, (3.0, 15.0)),
)


def possible(world: World, table: tuple[Mishap, ...] = TABLE) -> Mapping[str, Mishap]:
    """The mishaps that this PC can play, by name."""
    can = {"": True, "disk": world.disk is not None, "clock": world.clock_file is not None}
    return {mishap.name: mishap for mishap in table if can[mishap.needs]}
