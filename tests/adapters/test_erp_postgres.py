"""ERP in a real PostgreSQL: read only, in limited time whatever the server does, and no password anywhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from edge.adapters.erp import ErpAwayError, Record, open_erp
from edge.adapters.erp_sql import SqlRecords
from edge.errors import ErpError
from edge.sections_erp import SqlErp
from tests.brokers import wait_for
from tests.postgres import OWNER_PASSWORD, READER, READER_PASSWORD, DeafWire, Postgres

HOSTILE = [
    "' OR 1=1 --", "'; DROP TABLE erp.parts; --", "\\'; SELECT pg_sleep(9) --", "%", "_", '"', "$$", "\x00",
    "%(serial)s",
    ":serial", "1); DELETE FROM erp.parts; --", "12345678AB'", "ÄÖ\u202e", "\ud800", "x" * 10_000,
]  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server with a schema `erp` that one user may read."""
    with closing(Postgres()) as server:
        server.execute(
            "CREATE SCHEMA erp",
            f"GRANT USAGE ON SCHEMA erp TO {READER}",
            """CREATE TABLE erp.parts (serial varchar(20) PRIMARY KEY, model text, lot integer, rated numeric(6,1),
                                       made date, id uuid DEFAULT '6f1c0b6e-0000-4000-8000-000000000001',
                                       "Inspected At" timestamptz)""",
            "INSERT INTO erp.parts VALUES ('12345678AB', 'AX-1', 7, 230.0, '2026-01-02')",
            "INSERT INTO erp.parts VALUES ('87654321BA', 'AX-2')",
            "UPDATE erp.parts SET \"Inspected At\" = '2026-03-04T05:06:07Z' WHERE serial = '87654321BA'",
            "CREATE TABLE erp.numbers (serial bigint PRIMARY KEY, model char(10))",
            "INSERT INTO erp.numbers VALUES (123, 'AX'), (900000000000000000, 'AY')",
            "CREATE VIEW erp.twice AS SELECT serial, model FROM erp.parts UNION ALL SELECT serial, '' FROM erp.parts",
            """CREATE VIEW erp.slow AS SELECT serial, model FROM erp.parts WHERE pg_sleep(30) IS NOT NULL""",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA erp TO {READER}",
            "CREATE TABLE erp.hidden (serial text, model text)",
        )
        yield server


@pytest.fixture
def records(server: Postgres) -> Iterator[Callable[..., SqlRecords]]:
    """Records of a table, as the user who may read it."""
    opened: list[SqlRecords] = []

    def made(
        table: str = "erp.parts", *, port: int | None = None, password: str = READER_PASSWORD, timeout_s: float = 20,
        used_column: str | None = None, user: str = READER, **columns: str,
    ) -> SqlRecords:  # fmt: skip
        url = SecretStr(server.url(user, port))
        erp = SqlRecords(
            url, table, columns, timeout_s=timeout_s, password=SecretStr(password), used_column=used_column
        )
        opened.append(erp)
        return erp

    yield made
    wait_for(lambda: not _threads(), "the end of every question")
    for erp in opened:
        erp.close()


@pytest.fixture
def parts(records: Callable[..., SqlRecords]) -> SqlRecords:
    """Records of erp.parts."""
    return records()


def failure(erp: SqlRecords, serial: str = "12345678AB") -> str:
    """Why ERP could not be asked."""
    with pytest.raises(ErpAwayError) as raised:
        erp.lookup(serial)
    return str(raised.value)


def test_a_record_of_a_schema_is_found_as_texts(records: Callable[..., SqlRecords]) -> None:
    """Table with schema, columns of text, integer, numeric and uuid: each is one text; missing is no error (L3)."""
    erp = records(model="model", lot="lot", rated="rated", id="id")

    assert erp.lookup("12345678AB").fields == {
        "serial": "12345678AB",
        "model": "AX-1",
        "lot": "7",
        "rated": "230",
        "id": "6f1c0b6e-0000-4000-8000-000000000001",
    }
    assert erp.lookup("x") == Record({}, "sql:postgresql:erp.parts")


def test_a_type_that_is_written_in_several_ways_is_refused(records: Callable[..., SqlRecords]) -> None:
    """A date that was asked for is a named error, and one that nobody asked for is left out."""
    with pytest.raises(ErpError, match="made as date"):
        records(made="made").lookup("12345678AB")

    assert "made" not in records().lookup("12345678AB").fields


def test_a_number_is_one_serial(records: Callable[..., SqlRecords]) -> None:
    """In a column of numbers 123 is found by 123 alone; 0123, a letter and a number too long are no such record."""
    erp = records("erp.numbers")

    assert erp.lookup("123").fields == {"serial": "123", "model": "AX"}
    assert erp.lookup("900000000000000000").fields["model"] == "AY"
    for other in ("0123", "12a", "9" * 19, "9" * 5000, "", "-123", "\uff11\uff12\uff13"):
        assert erp.lookup(other).fields == {}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(serial=st.text(st.characters(), max_size=30) | st.sampled_from(HOSTILE))
def test_a_serial_is_never_sql(serial: str, parts: SqlRecords) -> None:
    """Whatever is printed on a plate reaches the server as a value: it finds itself, nothing, or a named error."""
    erp, found, refused = parts, {}, None

    try:
        found = dict(erp.lookup(serial).fields)
    except ErpError as error:
        refused = error

    assert not isinstance(refused, ErpAwayError)
    assert found.get("serial", serial) == serial
    assert erp.lookup("12345678AB").fields["model"] == "AX-1"


def test_edge_needs_select_alone(records: Callable[..., SqlRecords]) -> None:
    """With SELECT on the one table everything works, and there is nothing to warn of."""
    erp = records()

    assert "2 records with serial, model, lot" in erp.describe()
    assert erp.doubts() == []


def test_a_user_who_may_write_is_told(server: Postgres, records: Callable[..., SqlRecords]) -> None:
    """More rights than SELECT are named, one by one, and what to do about them (L6)."""
    server.execute(f"GRANT UPDATE, DELETE ON erp.parts TO {READER}")
    told = records().doubts()
    server.execute(f"REVOKE UPDATE, DELETE ON erp.parts FROM {READER}")

    assert told == ["the user may also UPDATE, DELETE; edge needs SELECT alone: REVOKE the rest"]
    assert "INSERT, UPDATE, DELETE, TRUNCATE" in records(user="owner", password=OWNER_PASSWORD).doubts()[0]


def test_even_the_owner_cannot_write_through_edge(records: Callable[..., SqlRecords]) -> None:
    """Every session is read only at the server, whatever its user may do (L6)."""
    erp = records(user="owner", password=OWNER_PASSWORD)

    with pytest.raises(Exception, match="read-only"), erp._engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM erp.parts")


def test_two_records_are_none_and_no_outage(records: Callable[..., SqlRecords]) -> None:
    """A serial that stands twice is an answer about it that no snapshot may overrule (L4)."""
    with pytest.raises(ErpError, match="two records of serial 12345678AB") as raised:
        records("erp.twice").lookup("12345678AB")

    assert not isinstance(raised.value, ErpAwayError)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"table": "erp.hidden"}, "may not read it; GRANT SELECT"),
        ({"table": "erp.nothing"}, "no table"),
        ({"model": "colour"}, "no column colour"),
        ({"used_column": "colour"}, "no column colour"),
        ({"password": "wrong-hunter2"}, "user or password are refused"),
        ({"user": "nobody"}, "user or password are refused"),
        ({"port": 1}, "nobody listens there"),
        ({"table": "erp.slow", "timeout_s": 0.3}, "timeout_ms"),
    ],
)
def test_what_is_wrong_is_named_without_a_secret(
    given: dict[str, Any], what: str, records: Callable[..., SqlRecords], caplog: pytest.LogCaptureFixture
) -> None:
    """Each fault has a sentence that says what to do; no error, cause or log line holds the password (L13)."""
    caplog.set_level(logging.DEBUG)
    erp = records(**given)

    with pytest.raises(ErpAwayError) as raised:
        erp.lookup("12345678AB")

    told = [str(raised.value), repr(raised.value.__cause__), repr(erp), repr(erp._engine), caplog.text]
    assert what in str(raised.value)
    assert not any("hunter2" in one for one in told)


def test_a_question_that_takes_too_long_ends_at_the_server_too(
    server: Postgres, records: Callable[..., SqlRecords]
) -> None:
    """What is given up here is given up there: no session of edge goes on working (L12)."""
    assert "erp.timeout_ms" in failure(records("erp.slow", timeout_s=0.3))

    import psycopg

    def working() -> int:
        with psycopg.connect(server.url("owner"), password=OWNER_PASSWORD) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'edge' AND state = 'active'"
            ).fetchone()
            assert row is not None
            return int(row[0])

    wait_for(lambda: working() == 0, "the end of the question at the server")


def test_a_server_that_restarts_is_asked_again_at_once(server: Postgres, records: Callable[..., SqlRecords]) -> None:
    """While it is away each question is a named error; when it is back the next one is answered, no error between."""
    erp = records()
    erp.lookup("12345678AB")
    server.stop()
    away = failure(erp)
    server.start()

    assert "nobody listens there" in away
    assert erp.lookup("12345678AB").fields["model"] == "AX-1"
    server.stop()
    server.start()
    assert erp.lookup("12345678AB").fields["model"] == "AX-1"  # no question was asked while it was away


def test_a_server_that_hangs_costs_its_time_alone(server: Postgres, records: Callable[..., SqlRecords]) -> None:
    """A frozen server is given up each time after timeout_ms, and is asked again when it goes on (L12)."""
    erp = records(timeout_s=0.3)
    wait_for(lambda: _answers(erp), "ERP's answer")
    with server.frozen():
        told = [failure(erp) for _ in range(6)]

    assert all("erp.timeout_ms" in one or "max_open_questions" in one or "in time" in one for one in told)
    wait_for(lambda: _answers(erp), "ERP's answer")


def test_a_connection_that_a_firewall_forgot_costs_one_question(
    server: Postgres, records: Callable[..., SqlRecords]
) -> None:
    """A pooled connection that carries nothing any more is cut and forgotten; the next question has a new one."""
    wire = DeafWire(server.port)
    erp = records(port=wire.port, timeout_s=2)
    wait_for(lambda: _answers(erp), "ERP's answer")
    wire.deaf.set()
    silent = failure(erp)
    wire.deaf.clear()
    wait_for(lambda: _answers(erp), "an answer by a new connection")
    wait_for(lambda: not _threads(), "the end of the question that hung")
    wire.close()

    assert "did not answer within 2000 ms" in silent


def test_no_connection_left_is_named(server: Postgres, records: Callable[..., SqlRecords]) -> None:
    """A server that takes no more connections of this user is named as such, and asked again later."""
    erp = records()
    server.execute(f"ALTER ROLE {READER} CONNECTION LIMIT 0")
    full = failure(erp)
    server.execute(f"ALTER ROLE {READER} CONNECTION LIMIT -1")

    assert "takes no more connections" in full
    assert erp.lookup("12345678AB").fields["model"] == "AX-1"


def test_many_questions_at_once_share_few_connections(server: Postgres, records: Callable[..., SqlRecords]) -> None:
    """Four may be open; a fifth is refused by name at once, and no more than four connections are ever made (L12)."""
    erp = records("erp.slow", timeout_s=2)
    asking = [threading.Thread(target=lambda: failure(erp)) for _ in range(4)]
    for thread in asking:
        thread.start()
    wait_for(lambda: len(_threads()) == 4, "four open questions")
    fifth = failure(erp)
    for thread in asking:
        thread.join()

    assert "max_open_questions" in fifth
    assert erp._engine.pool.size() == 4  # type: ignore[attr-defined] # a QueuePool


def test_a_column_says_whether_a_part_has_passed(records: Callable[..., SqlRecords]) -> None:
    """`used_column` of any type is told where it is filled, and is no field."""
    erp = records(used_column="Inspected At", model="model")

    fresh, gone = erp.lookup("12345678AB"), erp.lookup("87654321BA")

    assert (fresh.used, gone.used[:24]) == ("", "Inspected At: 2026-03-04")
    assert set(gone.fields) == {"serial", "model"}


def test_all_records_are_streamed(server: Postgres, records: Callable[..., SqlRecords]) -> None:
    """A large table comes piece by piece, each record once, and one whose serial is empty is not usable."""
    server.execute(
        "CREATE TABLE erp.many AS SELECT 'S' || g AS serial, 'AX' AS model FROM generate_series(1, 20000) g",
        "INSERT INTO erp.many VALUES (NULL, 'AX'), ('', 'AX')",
        f"GRANT SELECT ON erp.many TO {READER}",
    )

    everything = list(records("erp.many").everything().records)

    usable = [one.fields["serial"] for one in everything if one is not None]
    assert (len(usable), len(set(usable)), len(everything)) == (20_000, 20_000, 20_002)


def test_the_settings_open_it_with_a_password_of_its_own_file(server: Postgres, tmp_path: Path) -> None:
    """`url` without and `password_file` with the password open the database; neither shows it (L13)."""
    (tmp_path / "password").write_text(f"{READER_PASSWORD}\n", encoding="utf-8")
    config = SqlErp(
        kind="sql", url=server.url(), table="erp.parts", password_file=tmp_path / "password", timeout_ms=20_000
    )

    erp = open_erp(config)

    assert isinstance(erp, SqlRecords)
    with closing(erp):
        assert erp.lookup("12345678AB").fields["model"] == "AX-1"
    assert READER_PASSWORD not in repr(config) + config.identity + repr(erp)


def _answers(erp: SqlRecords) -> bool:
    try:
        return bool(erp.lookup("12345678AB").fields)
    except ErpAwayError:
        time.sleep(0.05)
        return False


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "erp question"]
