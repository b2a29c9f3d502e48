"""ERP's records as a table or view of a database that SQLAlchemy knows: read only, values bound, in limited time.

No text is ever put into SQL: names of table and columns are quoted by the dialect, the serial is a bound parameter.
The URL, which may hold a password, stands in no log line and no error.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import sqlalchemy
from pydantic import SecretStr
from sqlalchemy import Column, MetaData, Table, func, select
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from edge.adapters.erp import MAX_OPEN_QUESTIONS, InTime, Record
from edge.errors import ConfigError, ErpError

#: Serials that a database may take for equal where we do not.
MAX_ALIKE = 50


class SqlRecords:
    """Looks serials up in a database."""

    def __init__(self, url: SecretStr, table: str, columns: Mapping[str, str], *, timeout_s: float) -> None:
        """Prepare; nothing is connected yet.

        Raises:
            ConfigError: the URL cannot be used.
            ErpError: the database's driver is not installed.
        """
        self._engine = _engine(url, timeout_s)
        schema, _, name = table.rpartition(".")
        self._table_name = table
        self._table = Table(name, MetaData(), schema=schema or None)
        self._columns = {"serial": "serial", **columns}
        self._wanted: dict[str, str] | None = None
        self._named = bool(columns)
        self._source = f"sql:{self._engine.dialect.name}:{table}"
        self._in_time = InTime(timeout_s, f"ERP database ({self._source})")

    def lookup(self, serial: str) -> Record:
        """The record of a serial; see `Erp.lookup`."""
        return self._in_time.ask(lambda: self._lookup(serial))

    def describe(self) -> str:
        """How many records there are."""
        return self._in_time.ask(self._describe)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _lookup(self, serial: str) -> Record:
        wanted = self._wanted_columns()
        key: Column[Any] = Column(wanted["serial"])
        table = Table(self._table.name, MetaData(), key, schema=self._table.schema)
        chosen: list[Any] = [sqlalchemy.column(name) for name in dict.fromkeys(wanted.values())]
        # A database may compare without case, or pad with blanks, and give more than was meant: only the very serial
        # counts, and there are few that look alike.
        question = select(*chosen).select_from(table).where(key == sqlalchemy.bindparam("serial")).limit(MAX_ALIKE)
        rows = self._execute(question, {"serial": serial})
        same = [row for row in rows if str(row[wanted["serial"]]).strip() == serial]
        if not same:
            return Record({}, self._source)
        if len(same) > 1:
            raise ErpError(f"{self._source} has two records of serial {serial}; leave one in ERP")
        texts = {field: self._text(field, same[0][column]) for field, column in wanted.items()}
        return Record({field: text for field, text in texts.items() if text}, self._source)

    def _describe(self) -> str:
        fields = ", ".join(self._wanted_columns())
        question = select(func.count().label("records")).select_from(self._table)
        return f"{self._source}: {int(self._execute(question, {})[0]['records'])} records with {fields}"

    def _wanted_columns(self) -> dict[str, str]:
        """Column by field. Asked for once: SQLite takes the name of a missing column, in quotes, for a text."""
        if self._wanted is None:
            try:
                with self._engine.connect() as connection:
                    found = sqlalchemy.inspect(connection).get_columns(self._table.name, schema=self._table.schema)
            except NoSuchTableError:
                raise ErpError(f"{self._source} is no table there; see erp.table") from None
            except SQLAlchemyError as error:
                raise self._unavailable(error) from None
            there = [str(column["name"]) for column in found]
            wanted = self._columns if self._named else {name: name for name in ("serial", *there)}
            missing = sorted({name for name in wanted.values() if name not in there})
            if missing:
                known = ", ".join(there)
                raise ErpError(
                    f"{self._source} has no column {', '.join(missing)} (there are: {known}); see erp.columns"
                )
            self._wanted = wanted
        return self._wanted

    def _execute(self, question: sqlalchemy.Select[Any], values: Mapping[str, str]) -> list[Mapping[str, Any]]:
        try:
            with self._engine.connect() as connection:
                return [dict(row) for row in connection.execute(question, dict(values)).mappings()]
        except SQLAlchemyError as error:
            self._wanted = None  # the table may have changed
            raise self._unavailable(error) from None

    def _unavailable(self, error: SQLAlchemyError) -> ErpError:
        """The driver's own message may repeat the URL; the name of its error does not."""
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        return ErpError(
            f"{self._source} could not be asked ({type(cause).__name__}); see whether the server is there, and whether "
            "erp.table and the rights fit"
        )

    def _text(self, field: str, value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return value.strip()
        whole = isinstance(value, int) and not isinstance(value, bool)
        if whole or (isinstance(value, Decimal) and value == value.to_integral_value()):
            return str(int(value))  # type: ignore[call-overload] # one of the two types asked for above
        if not self._named and field not in {"serial", "model"}:
            return ""  # a column that nobody asked for
        raise ErpError(
            f"{self._source} gives the field {field} as {type(value).__name__}, not as text; see erp.columns"
        )


def _engine(url: SecretStr, timeout_s: float) -> Engine:
    try:
        made = make_url(url.get_secret_value())
        limits = _limits(made.get_backend_name(), timeout_s)
        if made.get_backend_name() == "sqlite" and made.database not in {None, "", ":memory:"}:
            # Read only: SQLite would make an empty database where there is none.
            made = made.set(database=f"file:{quote(str(made.database))}", query={"mode": "ro", "uri": "true"})
        return sqlalchemy.create_engine(
            made,
            connect_args=limits,
            pool_pre_ping=True,
            hide_parameters=True,
            **({} if made.get_backend_name() == "sqlite" else {"pool_size": MAX_OPEN_QUESTIONS, "max_overflow": 0}),
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
    if backend == "sqlite":
        return {"timeout": timeout_s}
    if backend == "postgresql":
        return {"connect_timeout": whole_s, "options": f"-c statement_timeout={round(timeout_s * 1000)}"}
    if backend in {"mysql", "mariadb"}:
        return {"connect_timeout": whole_s}
    return {}
