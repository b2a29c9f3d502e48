"""The link to ERP's database: its pool, its limits, a question on it that can be cut, and what went wrong in words."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import quote

import sqlalchemy
from pydantic import SecretStr
from sqlalchemy import Connection, Table
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from edge.errors import ConfigError, ErpError

#: A connection older than this is made anew: firewalls forget idle ones after 5 minutes or more, and tell nobody.
RECYCLE_S = 240

Made = TypeVar("Made")

#: By SQLSTATE, or by words of a server or driver that names none: what it means and what to do.
_CAUSES: tuple[tuple[str, str], ...] = (
    ("57014", "the server gave the question up after erp.timeout_ms; see its load and the index of the serial"),
    ("42501", "the user may not read it; GRANT SELECT on the table and USAGE on its schema"),
    ("42P01", "there is no such table any more; see erp.table"),
    ("42703", "there is no such column any more; see erp.columns"),
    ("57P0", "the server is restarting; it is asked again with the next part"),
    ("53300", "the server takes no more connections; see its max_connections"),
    ("authentication failed", "user or password are refused; see erp.password_file or erp.url_file"),
    ("no password supplied", "the server wants a password; see erp.password_file or erp.url_file"),
    ("too many clients", "the server takes no more connections; see its max_connections"),
    ("too many connections", "the server takes no more connections; see the limit of the role or database"),
    ("does not exist", "the server knows no such database or role; see the URL"),
    ("starting up", "the server is starting; it is asked again with the next part"),
    ("shutting down", "the server is stopping; see why"),
    ("refused", "nobody listens there; see whether the server runs, and the URL"),
    ("timeout", "it did not answer in time; see whether the server runs, and the network"),
    ("resolve", "its host has no address; see the URL and the name server"),
    ("certificate", "its certificate is not trusted; see sslrootcert in the URL"),
)


def open_engine(url: SecretStr, timeout_s: float, *, password: SecretStr | None, pool_size: int) -> Engine:
    """Prepare a pool of connections; nothing is connected yet.

    Raises:
        ConfigError: the URL cannot be used.
        ErpError: the database's driver is not installed.
    """
    try:
        made = make_url(url.get_secret_value())
        if made.drivername == "postgresql":
            made = made.set(drivername="postgresql+psycopg")
        if password is not None:
            made = made.set(password=password.get_secret_value())
        backend = made.get_backend_name()
        limits = _limits(backend, timeout_s)
        pool: dict[str, Any] = {}
        if backend != "sqlite":
            pool = {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": timeout_s, "pool_recycle": RECYCLE_S}
        elif made.database not in {None, "", ":memory:"}:
            # Read only: SQLite would make an empty database where there is none.
            made = made.set(database=f"file:{quote(str(made.database))}", query={"mode": "ro", "uri": "true"})
        return sqlalchemy.create_engine(
            made, connect_args=limits, isolation_level="AUTOCOMMIT", hide_parameters=True, **pool
        )
    except (ArgumentError, NoSuchModuleError, ValueError, TypeError) as error:
        raise ConfigError(
            f"erp: the URL of the database cannot be used ({type(error).__name__}); "
            "write it as SQLAlchemy does, such as sqlite:////var/lib/erp.db"
        ) from None
    except ImportError as error:
        raise ErpError(
            f"the driver of the ERP database is not installed ({error.name}); "
            "for PostgreSQL: pip install 'edge-inspection[postgres]'"
        ) from None


def _limits(backend: str, timeout_s: float) -> dict[str, Any]:
    """The driver's own time limits, where it has some: what is given up here should be given up there too."""
    whole_s = max(1, round(timeout_s))
    ms = round(timeout_s * 1000)
    if backend == "sqlite":
        return {"timeout": timeout_s}
    if backend == "postgresql":
        return {
            "connect_timeout": whole_s,
            # Whatever the user may do, these sessions only read.
            "options": f"-c statement_timeout={ms} -c default_transaction_read_only=on",
            "application_name": "edge",
            # A packet that nobody acknowledges for half the time means a dead link; the other half is for a new one.
            "tcp_user_timeout": max(200, ms // 2),
            "keepalives_idle": 60,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        }
    if backend in {"mysql", "mariadb"}:
        return {"connect_timeout": whole_s, "read_timeout": whole_s, "write_timeout": whole_s}
    return {}


class Asked:
    """One question on a connection of the pool, which another thread may cut."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._driver: Any = None
        self._over = False

    def ask(self, question: Callable[[Connection], Made]) -> Made:
        """Ask; once more on a new connection where the old one was found broken, as after a server's restart.

        Raises:
            SQLAlchemyError: it could not be asked.
        """
        try:
            return self._once(question)
        except DBAPIError as error:
            # The pool has forgotten all its older connections by now. This costs nothing where the connection is
            # sound; asking each time whether it is (`pool_pre_ping`) costs a round trip each time.
            if not error.connection_invalidated or self._over:
                raise
        return self._once(question)

    def cut(self) -> None:
        """End the question, if it still hangs: its connection breaks, and its thread goes on."""
        with self._lock:
            self._over = True
            fileno: Callable[[], int] | None = getattr(self._driver, "fileno", None)
            if fileno is None:
                return
            with suppress(Exception), socket.socket(fileno=os.dup(fileno())) as same:  # it may be closed already
                same.shutdown(socket.SHUT_RDWR)

    def _once(self, question: Callable[[Connection], Made]) -> Made:
        with self._engine.connect() as connection, self._held(connection):
            return question(connection)

    @contextmanager
    def _held(self, connection: Connection) -> Iterator[None]:
        with self._lock:
            self._driver = connection.connection.dbapi_connection
        try:
            yield
        finally:
            with self._lock:
                self._driver = None  # from here on the connection is another question's


def cause(error: SQLAlchemyError) -> str:
    """Why ERP could not be asked, for people. The driver's own words may repeat the URL, and are not shown."""
    if isinstance(error, PoolTimeoutError):
        return "all connections of the pool hang (max_open_questions); see whether the server answers"
    inner = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    state = str(getattr(inner, "sqlstate", None) or "")
    words = str(inner).lower()
    for sign, meaning in _CAUSES:
        if state.startswith(sign) if sign[:2].isdigit() else sign in words:
            return f"{type(inner).__name__}: {meaning}"
    return f"{type(inner).__name__}; see whether the server is there, and whether erp.table and the rights fit"


def rights_beyond_select(connection: Connection, table: Table) -> list[str]:
    """What the user may do to the table and need not: more than SELECT is more than edge ever uses."""
    if connection.dialect.name != "postgresql":
        return []
    name = connection.dialect.identifier_preparer.format_table(table)
    rights: Mapping[str, Any] = {
        right: sqlalchemy.func.has_table_privilege(name, right) for right in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
    }
    row = connection.execute(sqlalchemy.select(*(one.label(right) for right, one in rights.items()))).mappings().one()
    return [right for right in rights if row[right]]
