"""ERP's records as a table or view of a database that SQLAlchemy knows: read only, values bound, in limited time.

Promises: no text is ever put into SQL (names of table and columns are quoted by the dialect, the serial is a bound
parameter); the URL and the password stand in no log line and no error; every question ends in time, here and at the
server, and one that hangs gives its connection back; SELECT is the only right that is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy
from pydantic import SecretStr
from sqlalchemy import Column, Connection, MetaData, Table, func, select
from sqlalchemy.exc import DataError, NoSuchTableError, SQLAlchemyError

from edge.adapters.erp import MAX_OPEN_QUESTIONS, ErpAwayError, Everything, InTime, Record, used
from edge.adapters.erp_sql_link import Asked, cause, open_engine, rights_beyond_select
from edge.errors import ErpError

#: Serials that a database may take for equal where we do not.
MAX_ALIKE = 50
#: Records that `describe` counts: more would make a large table's answer late.
COUNT_TO = 100_000
#: Records that are fetched at a time for a snapshot: some 500 kB.
FETCH = 5000
#: One fetch for a snapshot may take so long; a view may have to be sorted before its first record comes.
FETCH_S = 60.0

Made = TypeVar("Made")


class SqlRecords:
    """Looks serials up in a database."""

    def __init__(
        self,
        url: SecretStr,
        table: str,
        columns: Mapping[str, str],
        *,
        timeout_s: float,
        password: SecretStr | None = None,
        used_column: str | None = None,
    ) -> None:
        """Prepare; nothing is connected yet.

        Raises:
            ConfigError: the URL cannot be used.
            ErpError: the database's driver is not installed.
        """
        self._open = partial(open_engine, url, password=password, pool_size=MAX_OPEN_QUESTIONS)
        self._engine = self._open(timeout_s)
        schema, _, name = table.rpartition(".")
        self._table = Table(name, MetaData(), schema=schema or None)
        self._columns = {"serial": "serial", **columns}
        self._used_column = used_column
        self._wanted: dict[str, Column[Any]] | None = None
        self._named = bool(columns)
        self._source = f"sql:{self._engine.dialect.name}:{table}"
        self._in_time = InTime(timeout_s, f"ERP database ({self._source})")

    def lookup(self, serial: str) -> Record:
        """The record of a serial; see `Erp.lookup`."""
        return self._ask(lambda connection: self._lookup(connection, serial))

    def describe(self) -> str:
        """How many records there are."""
        return self._ask(self._describe)

    def doubts(self) -> list[str]:
        """What the user may do that edge does not need."""
        rights = self._ask(lambda connection: rights_beyond_select(connection, self._table))
        return [f"the user may also {', '.join(rights)}; edge needs SELECT alone: REVOKE the rest"] if rights else []

    def everything(self, tag: str = "") -> Everything:
        """All records, fetched piece by piece; see `ListedErp.everything`."""
        del tag  # a table does not say when it changed
        return Everything(self._all(), self._source)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _ask(self, question: Callable[[Connection], Made]) -> Made:
        asked = Asked(self._engine)

        def work() -> Made:
            try:
                return asked.ask(question)
            except NoSuchTableError:
                raise ErpAwayError(f"{self._source} is no table there; see erp.table") from None
            except SQLAlchemyError as error:
                self._wanted = None  # the table may have changed
                raise self._unavailable(error) from None

        return self._in_time.ask(work, asked.cut)

    def _lookup(self, connection: Connection, serial: str) -> Record:
        wanted = self._wanted_columns(connection)
        condition, value = _is_serial(wanted["serial"], serial)
        chosen = {column.name: column for column in wanted.values()}
        # A database may compare without case, or pad with blanks, and give more than was meant: only the very serial
        # counts, and there are few that look alike.
        question = select(*chosen.values()).where(condition).limit(MAX_ALIKE)
        rows = [dict(row) for row in connection.execute(question, value).mappings()]
        same = [row for row in rows if _plain(row[wanted["serial"].name]) == serial]
        if not same:
            return Record({}, self._source)
        if len(same) > 1:
            raise ErpError(f"{self._source} has two records of serial {serial}; leave one in ERP")
        return self._record(wanted, same[0])

    def _record(self, wanted: Mapping[str, Column[Any]], row: Mapping[str, Any]) -> Record:
        texts = {field: self._text(field, row[column.name]) for field, column in wanted.items() if field}
        said = "" if self._used_column is None else used(self._used_column, row[self._used_column])
        return Record({field: text for field, text in texts.items() if text}, self._source, used=said)

    def _describe(self, connection: Connection) -> str:
        fields = ", ".join(field for field in self._wanted_columns(connection) if field)
        some = select(sqlalchemy.literal(1)).select_from(self._table).limit(COUNT_TO + 1).subquery()
        number = int(connection.execute(select(func.count()).select_from(some)).scalar_one())
        many = f"{number} records" if number <= COUNT_TO else f"more than {COUNT_TO} records"
        return f"{self._source}: {many} with {fields}, asked just now"

    def _all(self) -> Iterator[Record | None]:
        engine = self._open(FETCH_S)
        try:
            with engine.connect() as connection:
                if connection.dialect.name == "postgresql":  # a cursor at the server needs a transaction
                    connection.execution_options(isolation_level="READ COMMITTED")
                wanted = self._wanted_columns(connection)
                chosen = {column.name: column for column in wanted.values()}
                streamed = connection.execution_options(stream_results=True, yield_per=FETCH)
                for row in streamed.execute(select(*chosen.values())):
                    yield self._usable(wanted, dict(zip(chosen, row, strict=True)))
        except NoSuchTableError:
            raise ErpAwayError(f"{self._source} is no table there; see erp.table") from None
        except SQLAlchemyError as error:
            raise self._unavailable(error) from None
        finally:
            engine.dispose()

    def _usable(self, wanted: Mapping[str, Column[Any]], row: Mapping[str, Any]) -> Record | None:
        try:
            record = self._record(wanted, row)
        except ErpError:
            return None
        return record if "serial" in record.fields else None

    def _wanted_columns(self, connection: Connection) -> dict[str, Column[Any]]:
        """Column by field, the empty field for `used_column`.

        Asked for once: SQLite takes the name of a missing column, in quotes, for a text.
        """
        if self._wanted is None:
            found = sqlalchemy.inspect(connection).get_columns(self._table.name, schema=self._table.schema)
            types = {str(column["name"]): column["type"] for column in found}
            plain = (name for name in ("serial", *types) if name != self._used_column)
            wanted = self._columns if self._named else {name: name for name in plain}
            if self._used_column is not None:
                wanted = wanted | {"": self._used_column}
            missing = sorted({name for name in wanted.values() if name not in types})
            if missing:
                known = ", ".join(types)
                raise ErpAwayError(
                    f"{self._source} has no column {', '.join(missing)} (there are: {known}); "
                    "see erp.columns and erp.used_column"
                )
            table = Table(
                self._table.name,
                MetaData(),
                *(Column(name, types[name]) for name in dict.fromkeys(wanted.values())),
                schema=self._table.schema,
            )
            self._wanted = {field: table.columns[name] for field, name in wanted.items()}
        return self._wanted

    def _unavailable(self, error: SQLAlchemyError) -> ErpError:
        if isinstance(error, DataError):
            return ErpError(
                f"{self._source} takes no such text for a serial; see what was read, and erp.columns.serial"
            )
        return ErpAwayError(f"{self._source} could not be asked ({cause(error)})")

    def _text(self, field: str, value: object) -> str:
        if (text := _plain(value)) is not None:
            return text
        if not self._named and field not in {"serial", "model"}:
            return ""  # a column that nobody asked for
        raise ErpError(
            f"{self._source} gives the field {field} as {type(value).__name__}, not as text; see erp.columns"
        )


def _plain(value: object) -> str | None:
    """A value as text, where there is one way to write it; None where there are several, or none."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, UUID):
        return str(value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole or (isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value()):
        return str(int(value))  # type: ignore[call-overload] # one of the two types asked for above
    return None


def _is_serial(key: Column[Any], serial: str) -> tuple[sqlalchemy.ColumnElement[bool], dict[str, Any]]:
    """The condition that finds a serial, and its value, in the column's own type so that its index is used.

    Raises:
        ErpError: no database could hold such a text.
    """
    try:
        serial.encode()
    except UnicodeEncodeError:
        raise ErpError("the serial holds half a character (a lone surrogate), which no database holds") from None
    if isinstance(key.type, sqlalchemy.String) and not isinstance(key.type, sqlalchemy.Enum):
        return key == sqlalchemy.bindparam("serial", type_=key.type), {"serial": serial}
    if isinstance(key.type, sqlalchemy.Numeric | sqlalchemy.Integer) and not isinstance(key.type, sqlalchemy.Float):
        # A number is one serial alone: 0123 is not 123. What is none is asked all the same: ERP must be there.
        number = int(serial) if serial.isascii() and serial.isdigit() and len(serial) < 19 else None
        if number is None or str(number) != serial:
            return sqlalchemy.false(), {}
        return key == sqlalchemy.bindparam("serial", type_=key.type), {"serial": number}
    return sqlalchemy.cast(key, sqlalchemy.Text) == sqlalchemy.bindparam("serial"), {"serial": serial}
