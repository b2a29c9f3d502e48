"""The plant page's process: one page over the plant's database, for whoever runs more stations than they can walk to.

Promises: it answers whatever else is down, and says what; it changes nothing, and its sessions with the database only
read; who may look, by what name and over what link is as at a station's panel (docs/decisions/0028).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import structlog
from starlette.types import ASGIApp

from edge.adapters import plant_figures, systemd
from edge.adapters.plant_store import PlantStore, open_plant
from edge.adapters.users import Role
from edge.plant_settings import PlantSettings
from edge.sections_plant import Page
from edge.services import panel_server
from edge.services.stop import Stop, asked_by
from edge.web.app import application
from edge.web.plant import LEAST_ROLE, PlantRoutes, page_files
from edge.web.session import Sessions

log = structlog.get_logger()

TURN_S = 0.2


class PlantPage:
    """The page's process; `run` is its loop."""

    def __init__(self, store: PlantStore, page: Page) -> None:
        self._store, self._page = store, page
        self._socket = panel_server.listening(page.host, page.port, "page")
        self.port: int = self._socket.getsockname()[1]

    def run(self, stop: Stop) -> None:
        """Answer requests until `stop`."""
        stopped = asked_by(stop)
        try:
            asyncio.run(self._serve(stopped))
            systemd.notify_stopping()
        finally:
            self._socket.close()
            self._store.close()

    async def _serve(self, stopped: Callable[[], bool]) -> None:
        tls = None if self._page.tls is None else self._page.tls.context("page.tls")
        server = panel_server.server(self.app(), tls)
        serving = asyncio.create_task(server.serve(sockets=[self._socket]), name="http")
        ready = False
        while not stopped() and not serving.done():
            if server.started and not ready:
                ready = True
                systemd.notify_ready(f"answering on port {self.port}")
                log.info("plant page ready", port=self.port)
            systemd.notify_progress()
            await asyncio.sleep(TURN_S)
        server.should_exit = True
        await serving

    def app(self) -> ASGIApp:
        """The web application."""
        page = self._page

        def token() -> str | None:
            secret = page.token
            return None if secret is None else secret.get_secret_value()

        closed = token() is not None or not page.is_local
        sessions = Sessions(token, token_role=Role.VIEWER, anyone=Role.NOBODY if closed else Role.VIEWER)
        own = socket.gethostname()
        return application(
            PlantRoutes(lambda hours: plant_figures.figures(self._store, hours)).routes(),
            sessions,
            (*page.names, own, own.partition(".")[0]),
            files=page_files(),
            table=LEAST_ROLE,
        )


def build(settings: PlantSettings) -> PlantPage:
    """The page of the configured plant, ready to `run`.

    Raises:
        ConfigError: a secret or certificate cannot be read.
        WorldError: its port is taken.
    """
    database = settings.database
    store = open_plant(database.url, database.password, database.timeout_s, only_reads=True)
    return PlantPage(store, settings.page)
