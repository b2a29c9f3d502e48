"""The panel process: it serves the page and the HTTP API (`edge.web`), `GET /health` and `GET /metrics`.

Promises: it starts, and answers, whatever else is down: that is when it is needed. It changes no outcome. What it
cannot know is null. `/health` answers 503 where the station cannot inspect (a process silent or not ready, the store
not readable), else 200; `degraded` is a station that inspects while something outside is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time as time_of_day
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import structlog
import zmq
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from edge.adapters import sockets, systemd
from edge.adapters.bundle import Place as BundlePlace
from edge.adapters.database import FILE_NAME, wall_time
from edge.adapters.guest_link import GuestLink
from edge.adapters.heartbeat import SILENT_AFTER_S, Beat, Heartbeat, listen
from edge.adapters.users import ROLES, Role, Users
from edge.core.alarm import USUAL, AlarmPolicy
from edge.errors import StoreError, WorldError
from edge.sections import Record
from edge.services import metrics, openapi, panel_server
from edge.services.health import (
    alarm_sentences,
    camera_figures,
    erp_figures,
    health_message,
    reader_figures,
    signal_figures,
)
from edge.settings import Settings
from edge.web import chat, inside, reading, setup
from edge.web.alarms import AlarmRoutes
from edge.web.app import application
from edge.web.bundles import BundleRoutes
from edge.web.guests import Link
from edge.web.history import HistoryRoutes
from edge.web.line import LineRoutes
from edge.web.live import Live
from edge.web.reviews import ReviewRoutes
from edge.web.session import IDLE_S, Sessions
from edge.web.setup import Workplace
from edge.web.stored import Stored
from edge.web.triggers import TriggerRoutes

log = structlog.get_logger()

TURN_S = 0.2
_STORE_KEYS = ("triggers", "outcomes", "reasons", "queues", "latency_ms", "counts", "disk", "alarms")

_PROCESS_KEYS = ("age_s", "pid", "up_s", "memory_bytes", "gpu_memory_bytes", "restarts")

Stop = threading.Event | Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Place:
    """Which station this is, and which processes it needs; what the page says of it, and when its shifts begin."""

    site: str
    line: str
    station: str
    product: str
    processes: tuple[str, ...]
    takt_ms: int | None = None
    deadline_ms: int | None = None
    correction_topic: str = ""
    confirm_within_s: int | None = None
    fields: tuple[str, ...] = ()
    shifts: tuple[time_of_day, ...] = (time_of_day(6), time_of_day(14), time_of_day(22))


@dataclass(frozen=True, slots=True)
class Doors:
    """Who is let in: what the token and nobody's name may do, the users, the names of the panel, its certificate."""

    anyone: Role = Role.VIEWER
    token_role: Role = Role.ENGINEER
    users: Users | None = None
    idle_s: float = IDLE_S
    names: tuple[str, ...] = ()
    tls: ssl.SSLContext | None = None


class Panel:
    """The panel's process; `run` is its loop."""

    def __init__(
        self,
        place: Place,
        *,
        runtime_dir: Path,
        data_dir: Path,
        host: str,
        port: int,
        reader_dir: Path | None = None,
        reserve_bytes: int = 0,
        alarm: AlarmPolicy = USUAL,
        token: Callable[[], str | None] = lambda: None,
        doors: Doors | None = None,
        guest_routes: Callable[[Link], Sequence[BaseRoute]] = lambda _link: (),
        product_text: str = "",
        record: Record | None = None,
        workplace: Workplace | None = None,
        context: sockets.Context | None = None,
    ) -> None:
        self._place, self._record = place, record or Record()
        self._token, self._doors, self._guest_routes = token, doors or Doors(), guest_routes
        self._reader_dir, self._product_text = reader_dir or runtime_dir, product_text
        self._workplace = workplace
        self._guests: GuestLink | None = None
        self._stored = Stored(
            data_dir, place.station, correction_topic=place.correction_topic, reserve_bytes=reserve_bytes, alarm=alarm
        )
        self._live = Live(self._stored, self.health, self._send_reviews)
        self._beats: Mapping[str, Beat] = {}
        self._restarts: Mapping[str, int] = {}
        self._started_us = _now_us()
        self._socket = _listening(host, port)
        self.port: int = self._socket.getsockname()[1]
        try:
            self._heartbeat = Heartbeat(runtime_dir, "panel", context=context)
        except BaseException:
            self._socket.close()
            raise
        elsewhere = {} if reader_dir is None else {"reader": reader_dir}
        self._inspector = sockets.open_poke(runtime_dir, context=context)
        self._listener = listen(runtime_dir, elsewhere=elsewhere, context=context)

    def run(self, stop: Stop) -> None:
        """Answer requests until `stop`."""
        stopped = stop.is_set if isinstance(stop, threading.Event) else stop
        try:
            asyncio.run(self._serve(stopped))
            systemd.notify_stopping()
        finally:
            self._close()

    async def _serve(self, stopped: Callable[[], bool]) -> None:
        server = panel_server.server(self.app(), self._doors.tls)
        serving = asyncio.create_task(server.serve(sockets=[self._socket]), name="http")
        self._live.start()
        self._guests = GuestLink(self._reader_dir, product=self._product_text)
        ready = False
        while not stopped() and not serving.done():
            self._beats, self._restarts = self._listener.beats(), self._listener.restarts()
            if server.started and not ready:
                ready = True
                systemd.notify_ready(f"answering on port {self.port}")
                log.info("panel ready", port=self.port)
            if self._heartbeat.due():
                self._heartbeat.beat(state="ready" if ready else "starting")
            systemd.notify_progress()
            await asyncio.sleep(TURN_S)
        self._live.stop()
        server.should_exit = True
        await serving
        await self._guests.close()

    def app(self) -> ASGIApp:
        """The web application. Handlers run in threads: a store that waits for its lock holds up its own request."""
        doors = self._doors
        sessions = Sessions(
            self._token,
            token_role=doors.token_role,
            users=doors.users,
            anyone=doors.anyone,
            idle_s=doors.idle_s,
        )
        station = {
            "site": self._place.site,
            "line": self._place.line,
            "station": self._place.station,
            "product": self._place.product,
            "takt_ms": self._place.takt_ms,
            "deadline_ms": self._place.deadline_ms,
            "version": _version(),
        }
        where = BundlePlace(site=self._place.site, line=self._place.line, station=self._place.station)
        return application(
            [
                Route("/health", self._health),
                Route("/metrics", self._metrics),
                Route("/openapi.json", _openapi),
                *LineRoutes(self._stored, station, self._place.shifts).routes(),
                *self._live.routes(),
                *HistoryRoutes(self._stored).routes(),
                *ReviewRoutes(self._stored, sessions).routes(),
                *AlarmRoutes(self._stored).routes(),
                *BundleRoutes(self._stored, where, self._record).routes(),
                *TriggerRoutes(self._stored, self._poke_inspector).routes(),
                *setup.routes(self._stored, self._guest_link, self._workplace),
                *inside.routes(self._guest_link, self._stored, self._place.fields, self._reader_name),
                *self._guest_routes(self._guest_link),
            ],
            sessions,
            (*doors.names, socket.gethostname(), socket.gethostname().partition(".")[0]),
        )

    def _poke_inspector(self) -> None:
        """A poke only shortens a wait: the inspector looks at the store by itself, too."""
        with contextlib.suppress(zmq.Again):
            self._inspector.send(b"trigger", zmq.NOBLOCK)

    def _reader_name(self) -> str | None:
        beat = self._beats.get("reader")
        return None if beat is None else beat.facts.get("reader")

    def _guest_link(self) -> GuestLink:
        assert self._guests is not None  # made before the first request is served
        return self._guests

    def health(self) -> dict[str, Any]:
        """How the station is at this moment; `state` is ok, degraded or down, and `problems` says why."""
        now_us = _now_us()
        beats = self._beats
        processes = {name: self._process(beats.get(name), now_us) for name in self._place.processes}
        stored = self._figures(beats, now_us)
        down = [f"{name} is {told['state']}" for name, told in processes.items() if told["state"] != "ready"]
        if stored["triggers"] is None:
            down.append(str(stored["store"]))
        degraded = [f"{name}: {told['problem']}" for name, told in processes.items() if told["problem"]]
        messenger = beats.get("messenger")
        if messenger is not None and messenger.facts.get("connected") is False and not messenger.facts.get("problem"):
            degraded.append("messenger: not connected to the broker")
        unconfirmed = (stored["queues"] or {}).get("unconfirmed", {})
        if unconfirmed.get("alarm"):
            degraded.append(
                f"MES has not confirmed an outcome for {unconfirmed['oldest_age_s']:.0f} s, and mqtt.confirm_within_s "
                f"is {unconfirmed['limit_s']}: see that MES stores outcomes and sends cmd/confirm"
            )
        if stored["alarms"] is not None:
            degraded.extend(alarm_sentences(stored["alarms"]))
        state: Literal["ok", "degraded", "down"] = "down" if down else "degraded" if degraded else "ok"
        return {
            "state": state,
            "problems": [*down, *degraded],
            "site": self._place.site,
            "line": self._place.line,
            "station": self._place.station,
            "product": self._place.product,
            "version": _version(),
            "processes": processes,
            "broker": {"connected": None if messenger is None else messenger.facts.get("connected")},
            "cameras": camera_figures(beats, now_us),
            "reader": reader_figures(beats, now_us),
            "erp": erp_figures(beats, now_us),
            "signals": signal_figures(beats, now_us),
            **stored,
        }

    def _process(self, beat: Beat | None, now_us: int) -> dict[str, Any]:
        if beat is None:
            since_s = (now_us - self._started_us) / 1_000_000
            state = "absent" if since_s > SILENT_AFTER_S else "unknown"
            return {"state": state, "problem": "", **dict.fromkeys(_PROCESS_KEYS)}
        age_s = beat.age_s(now_us)
        return {
            "state": "silent" if age_s > SILENT_AFTER_S else str(beat.facts.get("state", "ready")),
            "age_s": round(age_s, 3),
            "pid": beat.pid,
            "up_s": round((beat.at_us - beat.started_us) / 1_000_000, 1),
            "problem": str(beat.facts.get("problem") or ""),
            "memory_bytes": beat.facts.get("memory_bytes"),
            "gpu_memory_bytes": beat.facts.get("gpu_memory_bytes"),
            "restarts": self._restarts.get(beat.process, 0),
        }

    def _figures(self, beats: Mapping[str, Beat], now_us: int) -> dict[str, Any]:
        """What only the store knows, each figure null where it cannot be read; `store` says why."""
        at = wall_time()
        told: Mapping[str, Any] | None = None
        why = f"there is no {FILE_NAME} in {self._stored.data_dir} yet"
        if self._stored.is_there:
            try:
                with self._stored.store() as store:
                    limit_s = self._place.confirm_within_s
                    told = health_message(
                        store, beats, {}, now_us=now_us, at=at, session_id="", confirm_within_s=limit_s
                    )
                why = "readable"
            except StoreError as error:
                why = str(error)
        kept = {name: None if told is None else told[name] for name in _STORE_KEYS}
        frame_age_s = None if told is None else told["frame_age_s"]
        return {"at": at, "store": why, "frame_age_s": frame_age_s, **kept}

    def _health(self, _request: Request) -> Response:
        told = self.health()
        return JSONResponse(told, status_code=503 if told["state"] == "down" else 200)

    def _metrics(self, request: Request) -> Response:
        counts: Mapping[str, int] | None = None
        if self._stored.is_there:
            with contextlib.suppress(StoreError), self._stored.store() as store:
                counts = store.counts()
        told = self.health(), _version(), counts
        if metrics.wants_text(request.headers.get("accept", "")):
            return Response(metrics.prometheus_text(*told), headers={"content-type": metrics.TEXT_TYPE})
        return Response(metrics.openmetrics(*told), headers={"content-type": metrics.CONTENT_TYPE})

    def _send_reviews(self) -> None:
        if self._stored.is_there:
            with self._stored.reviews() as reviews:
                reviews.send_due()

    def _close(self) -> None:
        self._live.close()
        self._stored.close()
        self._socket.close()
        self._heartbeat.close()
        self._inspector.close()
        self._listener.close()


async def _openapi(_request: Request) -> Response:
    return JSONResponse(openapi.document())


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise WorldError(
            f"the panel cannot listen on {host} port {port} ({error.strerror}): "
            "end what listens there, or set [panel] port to another"
        ) from None


def _version() -> str:
    try:
        return metadata.version("edge-inspection")
    except metadata.PackageNotFoundError:
        return "unknown"


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def build(settings: Settings) -> Panel:
    """The panel of the configured station, ready to `run`.

    Raises:
        ConfigError: when the runtime folder cannot be used.
        WorldError: when its port is taken.
    """
    station, panel = settings.station, settings.panel

    def token() -> str | None:
        secret = panel.token
        return None if secret is None else secret.get_secret_value()

    return Panel(
        Place(
            site=station.site,
            line=station.line,
            station=station.name,
            product=station.product,
            processes=(
                *(f"capture-{station.camera}", "inspector", "reader", "messenger", "panel"),
                *(("signals",) if settings.has_signals else ()),
            ),
            takt_ms=station.takt_ms,
            deadline_ms=station.deadline_ms,
            correction_topic=settings.topic("correction"),
            confirm_within_s=settings.mqtt.confirm_within_s,
            fields=tuple(settings.product.fields),
        ),
        runtime_dir=settings.paths.runtime,
        data_dir=settings.paths.data,
        host=panel.host,
        port=panel.port,
        reader_dir=settings.reader.shared,
        reserve_bytes=settings.keep.reserve_bytes,
        alarm=settings.alarm.policy,
        token=token,
        doors=Doors(
            anyone=Role.VIEWER if panel.is_open else Role.NOBODY,
            token_role=ROLES[panel.role_of_token],
            users=None if panel.users_file is None else Users(panel.users_file),
            idle_s=panel.idle_minutes * 60.0,
            names=(panel.host, *panel.names),
            tls=None if panel.tls is None else panel.tls.context(),
        ),
        guest_routes=lambda link: [*chat.routes(link), *reading.routes(link, settings.product)],
        product_text=settings.product_file.model_dump_json(),
        record=settings.record,
        workplace=Workplace.of(settings),
    )
