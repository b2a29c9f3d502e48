"""The panel process: it serves the page and the HTTP API (`edge.web`), `GET /health` and `GET /metrics`.

Promises: it starts, and answers, whatever else is down: that is when it is needed. It changes no outcome. What it
cannot know is null. `/health` answers 503 where the station cannot inspect (a process silent or not ready, the store
not readable), else 200; `degraded` is a station that inspects while something outside is missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import zmq
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from edge.adapters import sockets, systemd
from edge.adapters.bundle import Place as BundlePlace
from edge.adapters.guest_link import GuestLink
from edge.adapters.heartbeat import Heartbeat, listen
from edge.adapters.users import ROLES, Role, Users
from edge.core.alarm import USUAL, AlarmPolicy
from edge.errors import StoreError
from edge.sections import Record
from edge.services import metrics, openapi, panel_server
from edge.services.health import version
from edge.services.panel_health import Place, StationHealth
from edge.services.stop import Stop, asked_by
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
#: Parts go first: on two cores the reader's two threads and ten pages want the same processors (bench/beside.py).
NICE = 10


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
        self.health = StationHealth(place, self._stored)
        self._live = Live(self._stored, self.health.told, self._send_reviews)
        self._socket = panel_server.listening(host, port)
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
        """Answer requests until `stop`, behind the processes that inspect: its threads are made by this one."""
        with contextlib.suppress(PermissionError):  # under its unit, which has said so already
            os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
        stopped = asked_by(stop)
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
            self.health.hear(self._listener.beats(), self._listener.restarts())
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
            station=(self._place.site, self._place.line, self._place.station),
        )
        station = {
            "site": self._place.site,
            "line": self._place.line,
            "station": self._place.station,
            "product": self._place.product,
            "takt_ms": self._place.takt_ms,
            "deadline_ms": self._place.deadline_ms,
            "version": version(),
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
                *inside.routes(self._guest_link, self._stored, self._place.fields, self.health.reader_name),
                *self._guest_routes(self._guest_link),
            ],
            sessions,
            (*doors.names, socket.gethostname(), socket.gethostname().partition(".")[0]),
        )

    def _poke_inspector(self) -> None:
        """A poke only shortens a wait: the inspector looks at the store by itself, too."""
        with contextlib.suppress(zmq.Again):
            self._inspector.send(b"trigger", zmq.NOBLOCK)

    def _guest_link(self) -> GuestLink:
        assert self._guests is not None  # made before the first request is served
        return self._guests

    def _health(self, _request: Request) -> Response:
        told = self.health.told()
        return JSONResponse(told, status_code=503 if told["state"] == "down" else 200)

    def _metrics(self, request: Request) -> Response:
        counts: Mapping[str, int] | None = None
        if self._stored.is_there:
            with contextlib.suppress(StoreError), self._stored.store() as store:
                counts = store.counts()
        told = self.health.told(), version(), counts
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
            tls=None if panel.tls is None else panel.tls.context("panel.tls"),
        ),
        guest_routes=lambda link: [*chat.routes(link, settings.profiles), *reading.routes(link, settings.product)],
        product_text=settings.product_file.model_dump_json(),
        record=settings.record,
        workplace=Workplace.of(settings),
    )
