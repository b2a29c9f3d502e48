"""A collector for the tests, in a thread, at a real broker and a real PostgreSQL; it can be stopped and started."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from pydantic import SecretStr

from edge.adapters.mqtt import Link
from edge.adapters.mqtt_facts import BackOff, Broker, Presence
from edge.adapters.plant_messages import topic_of
from edge.adapters.plant_store import open_plant
from edge.core.gaps import Asking
from edge.services.health import state_message
from edge.services.plant_collector import EVERYTHING, Collector
from simulator.postgres import OWNER, OWNER_PASSWORD
from tests.postgres import Postgres

OWN = ("s", "plant", "collector")
_sessions = itertools.count(1)


class CollectorAt:
    """One collector of a database; `start` and `stop` as often as a test likes."""

    def __init__(
        self,
        server: Postgres,
        broker_port: int,
        *,
        patience_s: float = 0.1,
        timeout_s: float = 2.0,
        database_port: int | None = None,
    ) -> None:
        self.server, self._database_port = server, database_port
        self._port, self._patience_us, self._timeout_s = broker_port, round(patience_s * 1e6), timeout_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.start()

    def start(self) -> None:
        """Start it."""
        presence = Presence(
            topic_of(OWN, "state"), lambda state, session: state_message(OWN[2], state, session), EVERYTHING
        )
        broker = Broker("127.0.0.1", self._port, "edge-s-collector", keepalive_s=5, receive_maximum=100)
        new_id = lambda: f"collector-{next(_sessions)}"  # noqa: E731 - it is a name for one line
        self.collector = Collector(
            open_plant(self.server.url(OWNER, self._database_port), SecretStr(OWNER_PASSWORD), self._timeout_s),
            Link(broker, presence, new_session_id=new_id, back_off=BackOff(0.02, 0.1)),
            OWN,
            batch_us=5_000,
            patience_us=self._patience_us,
            new_asking=lambda: Asking(self._patience_us, 2_000_000, 500),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.collector.run, args=(self._stop,))
        self._thread.start()

    def stop(self) -> None:
        """Stop it cleanly; the broker keeps its session."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the database says; nothing where its tables are not there yet."""
        return rows(self.server, statement)

    def seqs(self) -> list[int]:
        """The numbers of all outcomes that are stored."""
        return [seq for (seq,) in self.rows("SELECT seq FROM plant_outcomes ORDER BY seq")]


def rows(server: Postgres, statement: str) -> list[tuple[Any, ...]]:
    """What a database says; nothing where its tables are not there yet, or it is away."""
    try:
        with psycopg.connect(server.url(OWNER), password=OWNER_PASSWORD, autocommit=True) as db:
            return db.execute(statement.encode()).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.OperationalError):
        return []


def emptied(server: Postgres) -> None:
    """Leave nothing of an earlier test."""
    server.execute("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")


@contextmanager
def collecting(server: Postgres, broker_port: int, **more: Any) -> Iterator[CollectorAt]:
    """A collector at an empty database."""
    emptied(server)
    made = CollectorAt(server, broker_port, **more)
    try:
        yield made
    finally:
        made.stop()
