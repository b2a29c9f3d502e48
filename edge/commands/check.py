"""`edge check`: is this station ready? Configuration, camera, reader, broker, ERP, disk, clock: one line each.

Every neighbour is really asked, all at the same time, each within its time, so that one look shows all that is wrong.
Nothing is changed: no trigger, no message, no session at the broker but its own.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from edge import log
from edge.adapters.heartbeat import SILENT_AFTER_S, listen
from edge.errors import ConfigError, EdgeError, StoreError, WorldError
from edge.readers.opening import WITH_MODEL
from edge.settings import Settings, load

#: No neighbour may hold up the rest for longer; loading ocr takes 2 to 6 s on two cores, a model of 20 GB minutes.
LIMIT_S = 60.0
LIMIT_WITH_MODEL_S = 300.0
BROKER_S = 5.0
LEAST_FREE_GB = 1.0
#: Before this there was no edge: a clock that says so was never set.
EARLIEST_YEAR = 2025
_STA_UNSYNC = 0x40

Check = Callable[[], str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`edge check` has no arguments of its own."""
    parser.epilog = "exit codes: 0 all well, 1 something is wrong, 78 the configuration is wrong"


def run(args: argparse.Namespace) -> int:
    """Check everything and print a line each."""
    log.configure("check", level="error")
    try:
        settings = load(args.config)
    except ConfigError as error:
        print(f"wrong  configuration  {len(error.problems)} mistakes; nothing else was checked")
        raise
    print(f"ok     configuration  {settings.path}, hash {settings.config_hash[:12]}", flush=True)
    running = [(name, _start(check)) for name, check in checks(settings)]
    failures = 0
    limit_s = LIMIT_WITH_MODEL_S if settings.reader.kind in WITH_MODEL else LIMIT_S
    begun_s = time.monotonic()
    for name, future in running:
        well, what = _result(future, limit_s if name == "reader" else LIMIT_S, begun_s)
        failures += not well
        print(f"{'ok   ' if well else 'wrong'}  {name:<13}  {what}", flush=True)
    return 1 if failures else 0


def checks(settings: Settings) -> list[tuple[str, Check]]:
    """What is checked, in the order in which it is printed."""
    return [
        *((f"camera {name}", lambda config=config: camera(config)) for name, config in settings.cameras.items()),
        ("reader", lambda: reader(settings)),
        ("broker", lambda: broker(settings)),
        ("erp", lambda: erp(settings)),
        ("disk", lambda: disk(settings)),
        ("clock", clock),
    ]


def _start(check: Check) -> Future[str]:
    future: Future[str] = Future()

    def work() -> None:
        try:
            future.set_result(check())
        except BaseException as error:  # noqa: BLE001 - it is told in the check's own line
            future.set_exception(error)

    # A daemon thread: a driver that hangs must not hold up the end of the command.
    threading.Thread(target=work, daemon=True).start()
    return future


def _result(future: Future[str], limit_s: float, begun_s: float) -> tuple[bool, str]:
    try:
        return True, future.result(timeout=max(0.0, begun_s + limit_s - time.monotonic()))
    except TimeoutError:
        return False, f"gave no answer within {limit_s:.0f} s"
    except EdgeError as error:
        return False, str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other lines are still printed
        return False, f"an error that edge does not know ({type(error).__name__}); report it"


def camera(config: Any) -> str:
    """Open a camera and ask it for a sign of life."""
    from edge.services.capture import open_camera  # noqa: PLC0415 - a device is imported where it is opened

    opened = open_camera(config)
    try:
        facts = opened.open()
        opened.check()
    finally:
        opened.close()
    return f"{facts.model} {facts.serial}".strip() + (", live" if facts.live else ", from files")


def reader(settings: Settings) -> str:
    """Load the reader and let it read a drawn frame; one that is shared runs, and must be heard."""
    if settings.reader.shared is not None:
        return _shared_reader(settings.reader.shared)
    from edge.services.reader import drawn_frame, open_reader  # noqa: PLC0415 - openvino is slow to import

    opened = open_reader(settings)
    reading = opened.read(drawn_frame(), settings.product)
    if not any(line.text for line in reading.lines):
        raise WorldError(f"reader {opened.name} loads, but reads nothing on a drawn frame; install it anew")
    return f"{opened.name} {opened.hash[:12]}, {reading.ms.get('total', 0.0):.0f} ms for the first drawn frame"


def _shared_reader(folder: Path) -> str:
    listener = listen(folder)
    until_s = time.monotonic() + SILENT_AFTER_S
    try:
        while (beat := listener.beats().get("reader")) is None:
            if time.monotonic() > until_s:
                raise WorldError(f"no reader is heard in {folder}; start that station's, or correct reader.shared")
            time.sleep(0.05)
    finally:
        listener.close()
    return f"{beat.facts.get('reader')} {str(beat.facts.get('reader_hash'))[:12]}, shared, in {folder}"


def broker(settings: Settings) -> str:
    """Connect to the broker as the messenger does, under another client id and without a session."""
    from edge.adapters.mqtt_access import broker_of, try_out  # noqa: PLC0415 - paho is only needed here

    mqtt = settings.mqtt
    try_out(broker_of(mqtt), BROKER_S)
    return f"{mqtt.host}:{mqtt.port} accepts {mqtt.client_id}"


def erp(settings: Settings) -> str:
    """Ask ERP what it holds."""
    from edge.adapters.erp import open_erp  # noqa: PLC0415 - SQLAlchemy is slow to import

    opened = open_erp(settings.erp, settings.erp_snapshot)
    if opened is None:
        return "none is set"
    begun_s = time.monotonic()
    said = opened.describe()
    return f"{said}; {(time.monotonic() - begun_s) * 1000:.0f} ms"


def disk(settings: Settings) -> str:
    """Write and fsync a file in both folders, and see how much room is left."""
    for folder in (settings.paths.data, settings.paths.runtime):
        _writable(folder)
    free_gb = shutil.disk_usage(_existing(settings.paths.data)).free / 1e9
    if free_gb < LEAST_FREE_GB:
        raise StoreError(f"{settings.paths.data} has {free_gb:.1f} GB left, at least {LEAST_FREE_GB:.0f} are needed")
    short = "" if free_gb >= settings.evidence.max_gb else f"; less than evidence.max_gb, {settings.evidence.max_gb:g}"
    return f"{settings.paths.data}, {free_gb:.0f} GB free{short}"


def _writable(folder: Path) -> None:
    """Nothing is made that was not there: an absent folder is tried by its nearest parent."""
    there = _existing(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".edge-check-") as file:
            file.write(b"edge")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"{folder} cannot be written ({error.strerror}); give this user the right to") from None


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def clock() -> str:
    """See that the wall clock was set, and whether the kernel calls it synchronised."""
    year = time.gmtime().tm_year
    if year < EARLIEST_YEAR:
        raise WorldError(f"the clock says it is the year {year}; set it, and start a time service")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()) + (
        "" if _synchronised() else "; no time service keeps it, so times in outcomes may drift"
    )


def _synchronised() -> bool:
    """Whether the kernel's clock is disciplined (adjtimex(2), which only reads with modes = 0)."""
    name = ctypes.util.find_library("c")
    if name is None:
        return False
    timex = (ctypes.c_char * 512)()
    if ctypes.CDLL(name).adjtimex(timex) < 0:
        return False
    # struct timex: modes (int, padded), offset, freq, maxerror, esterror (long), then status (int).
    status = ctypes.c_int.from_buffer(timex, 5 * ctypes.sizeof(ctypes.c_long)).value
    return not status & _STA_UNSYNC
