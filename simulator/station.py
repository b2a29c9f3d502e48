"""One simulated place on the line: its folder, camera and ERP, and the `edge up` that inspects there.

What edge gets is what a site would give it: a configuration file, product files, a camera's address, ERP's file or
database, a broker. What is known of it comes over MQTT, or from the process table.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil

from simulator import products
from simulator.camera_server import CameraServer, OnTake
from simulator.children import Child
from simulator.erp import CsvErp, SqlErp
from simulator.line import Line, LineError
from simulator.ports import free_port
from simulator.scenes import READERS

SITE, LINE_NAME = "demo", "line1"
CAMERA = "cam1"
SERVICES = ("capture", "inspector", "reader", "messenger", "panel")
#: Long enough for a slow PC that does other things too, short enough for the scenes that reach it.
DEADLINE_MS = 8000
READY_TIMEOUT_S = 120.0
#: Two stations that import torch at the same time, on two cores of a busy PC.
READY_TIMEOUT_WITH_MODEL_S = 300.0
_CONFIG = """\
version = 1

[station]
site = "{site}"
line = "{line}"
name = "{name}"
product = "{product}"
camera = "{camera}"
deadline_ms = {deadline_ms}

[paths]
data = "data"
runtime = "run"
products = "products"

[cameras.{camera}]
{camera_table}
# A little under the deadline, so that a camera that hangs in the second look makes the station reach it.
take_timeout_ms = {take_timeout_ms}

[retake]
budget_ms = {budget_ms}

[reader]
kind = "{reader}"
timeout_ms = {reader_timeout_ms}
{shared}

[erp]
{erp}
timeout_ms = 500

[mqtt]
host = "127.0.0.1"
port = {broker_port}
{more_mqtt}
[panel]
port = {panel_port}

[log]
level = "info"
format = "json"
"""


class Station:
    """One station; `with` starts it and leaves nothing of it behind."""

    def __init__(
        self,
        folder: Path,
        product: str,
        broker_port: int,
        on_take: OnTake | None = None,
        *,
        reader: str = READERS[0],
        reader_of: Station | None = None,
        more_settings: str = "",
        more_mqtt: str = "",
        environment: Mapping[str, str] | None = None,
        camera_table: str | None = None,
        deadline_ms: int = DEADLINE_MS,
        name: str = "",
    ) -> None:
        """Write its folder.

        Args:
            folder: a new one; the names of sockets below it have a limit.
            product: what is made here; decides ERP and mode.
            broker_port: of the broker on this PC.
            on_take: told of each frame that the camera is asked for; None: nobody is.
            reader: the kind of reader.
            reader_of: the station whose reader reads here too.
            more_settings: further tables for `edge.toml`.
            more_mqtt: further lines of its table `mqtt`.
            environment: further variables for the station's processes.
            camera_table: what its camera is, as lines of `edge.toml`; None: the simulator's, at `camera`.
            deadline_ms: of each inspection.
            name: of the station, where the product's is another's.
        """
        self.folder = folder
        self._ready_timeout_s = READY_TIMEOUT_S if reader == "ocr" else READY_TIMEOUT_WITH_MODEL_S
        self.product = product
        self.config = folder / "edge.toml"
        self.log = folder / "edge.log"
        self.panel_port = free_port()
        folder.mkdir(parents=True)
        products.write(folder / "products")
        self.camera = CameraServer(f"ipc://{folder}/camera.sock", on_take=on_take)
        self.erp: CsvErp | SqlErp
        # One of each kind: the scenes that break ERP itself are written for a database.
        if products.MODE_OF[product] == "verify":
            self.erp = SqlErp(folder / "erp.db")
            erp = f'kind = "sql"\nurl = "{self.erp.url}"\ntable = "parts"'
        else:
            self.erp = CsvErp(folder / "erp.csv")
            erp = f'kind = "csv"\npath = "{self.erp.path}"'
        self.config.write_text(
            _CONFIG.format(
                site=SITE,
                line=LINE_NAME,
                name=name or product,
                product=product,
                camera=CAMERA,
                reader=reader,
                shared="" if reader_of is None else f'shared = "{reader_of.folder / "run"}"',
                deadline_ms=deadline_ms,
                budget_ms=deadline_ms - 500,
                take_timeout_ms=deadline_ms - 200,
                reader_timeout_ms=min(5000, deadline_ms - 500),
                camera_table=camera_table or f'kind = "simulated"\naddress = "{self.camera.address}"',
                erp=erp,
                broker_port=broker_port,
                panel_port=self.panel_port,
                more_mqtt=more_mqtt,
            )
            + more_settings,
            encoding="utf-8",
        )
        self.line = Line("127.0.0.1", broker_port, f"edge/v1/{SITE}/{LINE_NAME}/{name or product}")
        self._edge = Child(
            [sys.executable, "-m", "edge", "up", "--config", str(self.config)],
            self.log,
            _environment(environment or {}),
        )

    @property
    def data_dir(self) -> Path:
        """Where the station keeps its evidence."""
        return self.folder / "data"

    def __enter__(self) -> Self:
        self.camera.start()
        try:
            self.line.__enter__()
            self._edge.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._edge.stop()
        finally:
            self.line.__exit__(kind, error, at)
            self.camera.stop()
            if isinstance(self.erp, SqlErp):
                self.erp.close()

    def kill(self) -> None:
        """End all of its processes at once, as a power cut does."""
        self._edge.kill()

    def start_again(self) -> None:
        """Start `edge up` after it was killed."""
        self._edge.start()

    def wait_until_ready(self, since_s: float, timeout_s: float | None = None) -> None:
        """Wait until the station is online and each of its processes said that it is ready, later than a moment.

        Raises:
            LineError: it does not come up in time, or `edge up` has ended.
        """
        timeout_s = timeout_s or self._ready_timeout_s
        until_s = time.monotonic() + timeout_s
        while lacking := self._not_ready(since_s):
            if self._edge.exit_code is not None:
                raise LineError(f"edge up ended with exit code {self._edge.exit_code}: {self.last_words()}")
            if time.monotonic() > until_s:
                waited = f"station {self.product} was not ready in {timeout_s:.0f} s"
                raise LineError(f"{waited} (no {', '.join(lacking)}): see {self.log}")
            time.sleep(0.2)

    def _not_ready(self, since_s: float) -> list[str]:
        """What is lacking: `online` over MQTT, or a process on the panel."""
        lacking = [] if self.line.state.get("state") == "online" else ["state online"]
        now_s = time.monotonic()
        processes: Mapping[str, Mapping[str, Any]] = self.health().get("processes", {})
        ready = [
            name
            for name, told in processes.items()
            if told["state"] == "ready" and told["age_s"] is not None and now_s - told["age_s"] > since_s
        ]
        return lacking + [service for service in SERVICES if not any(name.startswith(service) for name in ready)]

    def health(self) -> dict[str, Any]:
        """What the panel says of the station; empty where it does not answer."""
        try:
            with urlopen(f"http://127.0.0.1:{self.panel_port}/health", timeout=2) as answer:
                told: dict[str, Any] = json.load(answer)
        except HTTPError as error:  # 503: it is not ready, and says why
            with error:
                told = json.load(error)
        except (OSError, ValueError):
            return {}
        return told

    def count_differences(self) -> list[str]:
        """Where the station's own counts are not what was sent to it and heard from it."""
        told = self.health()
        counted = {"triggers": len(self.line.triggers), "outcomes": len(self.line.audit.outcomes)}
        return [
            f"station {self.product} counts {told.get(name)} {name}, and {count} were {how}"
            for (name, count), how in zip(counted.items(), ("sent", "heard"), strict=True)
            if told.get(name) != count
        ]

    def process(self, service: str) -> psutil.Process | None:
        """The running process of one service, found by its command line."""
        for process in self._edge.family():
            try:
                words = process.cmdline()
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            if service in words[1:]:
                return process
        return None

    def processes(self) -> dict[str, psutil.Process]:
        """The process of each service that runs."""
        found = {service: self.process(service) for service in SERVICES}
        return {service: process for service, process in found.items() if process is not None}

    def memory_mib(self) -> dict[str, float]:
        """Resident memory of each service."""
        return {
            f"{self.product} {service}": process.memory_info().rss / (1 << 20)
            for service, process in self.processes().items()
        }

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return lines[-1] if lines else "it said nothing"


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """The demo's own environment less what would change the station's settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}
