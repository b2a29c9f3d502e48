"""The plant's database: outcomes of all stations by inspection id, what is missing of them, and alarms. PostgreSQL.

Promises: what `write` was given is stored, all of it or nothing, when it returns, and only then may the broker forget
it; an inspection has one outcome, and another one under its id is an alarm, never an overwrite; the same message again
changes nothing. A failure is one sentence, without the password.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import sqlalchemy
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from edge.adapters import plant_batch
from edge.adapters import plant_tables as tables
from edge.adapters.plant_batch import Known, Written
from edge.adapters.plant_messages import Place, Seen
from edge.errors import ConfigError, PlantError

#: One collector at a time makes the tables. Any number will do as a lock's name.
_LOCK = 0x65646765
#: A connection older than this is made anew: firewalls forget idle ones after 5 minutes or more, and tell nobody.
_RECYCLE_S = 240
#: A server that answers gives a statement up by itself after `database.timeout_s`; one that does not is left then.
CUT_AFTER_S = 1.0
#: By SQLSTATE, or by words of a server that names none: what it means and what to do.
_CAUSES: tuple[tuple[str, str], ...] = (
    ("57014", "it gave the statement up after database.timeout_s: see its load"),
    ("42501", "the user lacks a right: let it create tables in the database, or GRANT it those of plant_*"),
    ("42P01", "a table is gone: start the collector anew, which makes it"),
    ("53100", "its disk is full: make room there"),
    ("53", "it is short of memory, disk or connections: see its log"),
    ("57P", "it is stopping or starting: it is asked again"),
    ("25006", "it only reads, as a standby does: name the primary in database.url"),
    ("authentication failed", "user or password are refused: see database.password_file"),
    ("no password supplied", "it wants a password: see database.password_file"),
    ("does not exist", "it knows no such database or role: see database.url"),
    ("starting up", "it is starting: it is asked again"),
    ("refused", "nobody listens there: see whether it runs, and database.url"),
    ("timeout", "it did not answer within database.timeout_s: see whether it runs, and the network"),
    ("resolve", "its host has no address: see database.url and the name server"),
    ("certificate", "its certificate is not trusted: see sslrootcert in database.url"),
)


class PlantStore:
    """The database as the collector sees it, by a pool of connections. One thread writes."""

    def __init__(self, engine: Engine, where: str, timeout_s: float) -> None:
        self._engine = engine
        self._where = where
        self._timeout_s = timeout_s
        #: As of the last write that succeeded; None: to be read from the database.
        self._known: dict[Place, Known] | None = None

    def prepare(self) -> None:
        """Make the tables that are missing.

        Raises:
            PlantError: the database is away, or its tables are of another version of edge.
        """
        with self.transaction() as db:
            db.execute(select(sqlalchemy.func.pg_advisory_xact_lock(_LOCK)))
            tables.metadata.create_all(db)
            found = db.execute(select(tables.form.c.form)).scalars().all()
            if not found:
                db.execute(tables.form.insert().values(form=tables.FORM))
            elif found != [tables.FORM]:
                raise PlantError(
                    f"the tables of {self._where} are of form {found[0]}, and this edge knows form {tables.FORM}: "
                    "use the edge that made them, or another database"
                )

    def known(self) -> Mapping[Place, Known]:
        """How far each station's outcomes are known.

        Raises:
            PlantError: the database is away.
        """
        if self._known is None:
            with self.transaction() as db:
                self._known = plant_batch.known(db)
        return self._known

    def write(self, seen: Iterable[Seen]) -> Written:
        """Store all of it in one transaction.

        Raises:
            PlantError: nothing was stored: give it again.
        """
        known = dict(self.known())
        # What is known runs ahead of what is stored until the transaction has ended.
        self._known = None
        with self.transaction() as db:
            written = plant_batch.write(db, known, list(seen))
        self._known = known
        return written

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All of the block or nothing of it, within the time that the database has for an answer.

        Raises:
            PlantError: it failed, or took too long.
        """
        try:
            with self._engine.connect() as db, _cut_after(db, self._timeout_s + CUT_AFTER_S), db.begin():
                yield db
        except SQLAlchemyError as error:
            raise PlantError(f"the plant's database {self._where} cannot be used: {_cause(error)}") from error


@contextmanager
def _cut_after(db: Connection, limit_s: float) -> Iterator[None]:
    """Break the connection where the block takes longer: a server that is frozen acknowledges packets, and no more."""
    driver: Any = db.connection.dbapi_connection
    timer = threading.Timer(limit_s, _cut, (driver.fileno(),))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(number: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(number)) as same:  # it may be closed already
        same.shutdown(socket.SHUT_RDWR)


def open_plant(url: str, password: SecretStr | None, timeout_s: float, *, only_reads: bool = False) -> PlantStore:
    """Prepare a pool of connections; nothing is connected yet. With `only_reads` no session of it can change anything.

    Raises:
        ConfigError: the driver is not installed.
    """
    whole_s, ms = max(2, round(timeout_s)), round(timeout_s * 1000)
    made = make_url(url).set(drivername="postgresql+psycopg")
    if password is not None:
        made = made.set(password=password.get_secret_value())
    reads = " -c default_transaction_read_only=on" if only_reads else ""
    limits = {
        "connect_timeout": whole_s,
        "options": f"-c statement_timeout={ms} -c lock_timeout={ms} -c idle_in_transaction_session_timeout={2 * ms}"
        + reads,
        "application_name": "edge plant",
        # A packet that nobody acknowledges for so long means a dead link.
        "tcp_user_timeout": ms,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    try:
        engine = sqlalchemy.create_engine(
            made, connect_args=limits, hide_parameters=True, pool_size=4, max_overflow=0, pool_timeout=timeout_s,
            pool_recycle=_RECYCLE_S,
        )  # fmt: skip
    except ImportError:
        raise ConfigError("the plant's database needs psycopg: pip install 'edge-inspection[postgres]'") from None
    return PlantStore(engine, f"{made.host}:{made.port or 5432}/{made.database}", timeout_s)


def _cause(error: SQLAlchemyError) -> str:
    """Why, for people. The driver's own words may repeat the address, and are not shown."""
    inner = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    state = str(getattr(inner, "sqlstate", None) or "")
    words = str(inner).lower()
    for sign, meaning in _CAUSES:
        if state.startswith(sign) if sign[:2].isdigit() else sign in words:
            return meaning
    return f"{type(inner).__name__} {state}".strip() + ": see its log"
