"""`edge erp lookup` and `sync`, and what `edge check` says of ERP, on a real database and a real web server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from edge import cli, log
from edge.commands.checks.erp import check
from edge.errors import ErpError
from edge.settings import load
from tests.brokers import wait_for
from tests.postgres import READER, READER_PASSWORD, Postgres
from tests.web_erp import PART, Asked, Told, WebErp, parts

OTHER = {"serial": "87654321BA", "model": "AX-2", "inspected": "2026-03-04"}


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the environment of whoever runs the tests out of them, and the log of the commands out of later tests."""
    monkeypatch.delenv("EDGE_CONFIG", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(log, "configure", lambda *_, **__: None)
    with capture_logs():
        yield


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    """A database with one part in a table of its schema."""
    with closing(Postgres()) as server:
        server.execute(
            "CREATE SCHEMA erp",
            'CREATE TABLE erp.parts ("SERNR" text PRIMARY KEY, "MATNR" text)',
            "INSERT INTO erp.parts VALUES ('12345678AB', 'AX-1')",
            f"GRANT USAGE ON SCHEMA erp TO {READER}",
            f"GRANT SELECT ON erp.parts TO {READER}",
        )
        yield server


@pytest.fixture
def web() -> Iterator[WebErp]:
    """A web server with two parts, one of which has passed."""
    with closing(WebErp(parts({**PART, "inspected": None}, OTHER))) as server:
        yield server


def station(folder: Path, erp: str) -> Path:
    """A station with this ERP; the configuration's path."""
    (folder / "frames").mkdir()
    (folder / "edge.toml").write_text(
        'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "n"\ncamera = "front"\n'
        '[paths]\ndata = "data"\nruntime = "run"\n[cameras.front]\nkind = "file"\npath = "frames"\n'
        f"[erp]\ntimeout_ms = 4000\n{erp}",
        encoding="utf-8",
    )
    return folder / "edge.toml"


def web_station(folder: Path, web: WebErp) -> Path:
    """A station whose ERP is the web server."""
    return station(
        folder,
        f'kind = "rest"\nurl = "{web.url}"\nlookup = "/parts/{{serial}}"\nknown_serial = "12345678AB"\n'
        'used_column = "inspected"\n[erp.columns]\nmodel = "model"\n[erp.listing]\npath = "/parts"\n',
    )


def sql_station(folder: Path, database: Postgres) -> Path:
    """A station whose ERP is the database."""
    (folder / "password").write_text(READER_PASSWORD, encoding="utf-8")
    return station(
        folder,
        f'kind = "sql"\nurl = "{database.url()}"\npassword_file = "password"\ntable = "erp.parts"\n'
        '[erp.columns]\nserial = "SERNR"\nmodel = "MATNR"\n',
    )


def test_a_record_is_one_line_with_source_age_and_time(
    tmp_path: Path, database: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """`lookup` prints fields, source, age and time taken in one line; no record is exit 1."""
    config = str(sql_station(tmp_path, database))

    codes = [cli.main(["erp", "lookup", serial, "--config", config]) for serial in ("12345678AB", "x")]

    found, missing = capsys.readouterr().out.splitlines()
    assert codes == [0, 1]
    assert re.fullmatch(r"serial: 12345678AB, model: AX-1 \(sql:postgresql:erp.parts, 0 s old, \d+ ms\)", found), found
    assert re.fullmatch(r"no record \(sql:postgresql:erp.parts, 0 s old, \d+ ms\)", missing), missing


def test_a_snapshot_answers_after_sync_when_erp_is_gone(
    tmp_path: Path, web: WebErp, capsys: pytest.CaptureFixture[str]
) -> None:
    """`sync` says in one line what it holds, how long it took and where; then `lookup` answers without the server."""
    config = str(web_station(tmp_path, web))

    codes = [cli.main(["erp", "sync", "--config", config])]
    synced = capsys.readouterr().out
    web.play = lambda _: Told({}, 500)
    codes.append(cli.main(["erp", "lookup", "87654321BA", "--config", config]))
    passed = capsys.readouterr().out
    codes.append(cli.main(["erp", "lookup", "12345678AB", "--json", "--config", config]))
    facts = json.loads(capsys.readouterr().out)
    codes.append(cli.main(["erp", "lookup", "new", "--config", config]))
    told = capsys.readouterr()

    where = tmp_path / "data" / "erp-snapshot-n.db"
    assert codes == [0, 0, 0, 1]
    assert re.fullmatch(rf"rest:127\.0\.0\.1:\d+: 2 records, 0 s old, \d+\.\d s, in {re.escape(str(where))}\n", synced)
    assert re.fullmatch(
        r"serial: 87654321BA, model: AX-2, passed before \(inspected: 2026-03-04\) "
        r"\(snapshot:rest:127\.0\.0\.1:\d+, \d+ s old, \d+ ms\)\n",
        passed,
    ), passed
    assert facts["fields"] == {"serial": "12345678AB", "model": "AX-1"}
    assert facts["source"].startswith("snapshot:rest:")
    assert facts["used"] == ""
    assert told.out == ""
    assert "fails (status 500)" in told.err
    assert "does not hold this serial" in told.err


def test_a_sync_that_fails_says_why(tmp_path: Path, web: WebErp, capsys: pytest.CaptureFixture[str]) -> None:
    """A listing that is none is exit 1 and one sentence; no snapshot is left."""
    config = str(web_station(tmp_path, web))
    web.play = lambda _: Told({"rows": []})

    code = cli.main(["erp", "sync", "--config", config])

    assert code == 1
    assert "gives no list at the top; see erp.listing.records" in capsys.readouterr().err
    assert not list(tmp_path.glob("data/erp-snapshot*"))


def test_check_says_what_erp_holds_and_what_its_user_may(tmp_path: Path, database: Postgres) -> None:
    """One line: records, fields, snapshot, time taken; and a warning where the user may more than SELECT (L6)."""
    settings = load(sql_station(tmp_path, database), {})
    well = check(settings)
    database.execute(f"GRANT INSERT ON erp.parts TO {READER}")
    warned = check(settings)
    database.execute(f"REVOKE INSERT ON erp.parts FROM {READER}")

    assert re.fullmatch(
        r"sql:postgresql:erp.parts: 1 records with serial, model, asked just now; no snapshot; a look-up took \d+ ms",
        well.said,
    ), well.said
    assert (warned.level, warned.do[:24]) == ("warn", "the user may also INSERT")


def test_check_looks_the_known_serial_up(tmp_path: Path, web: WebErp) -> None:
    """A web API is asked for the serial that it must hold; that it lacks it is wrong, by name."""
    settings = load(web_station(tmp_path, web), {})
    well = check(settings)
    web.play = parts(OTHER)

    assert "holds 12345678AB with serial, model, asked just now; no snapshot" in well.said
    with pytest.raises(ErpError, match=r"knows no 12345678AB \(erp\.known_serial\)"):
        check(settings)


def test_a_sync_behind_gives_way_and_ends_with_who_began_it(tmp_path: Path, web: WebErp) -> None:
    """`sync --behind` runs only when nobody else wants the processor, and outlives no inspector that is killed."""
    free = threading.Event()

    def hang(_: Asked) -> Told:
        free.wait(60)
        return Told([])

    web.play = hang
    sync = [sys.executable, "-m", "edge", "erp", "sync", "--behind", "--config", str(web_station(tmp_path, web))]
    code = "import subprocess, sys; child = subprocess.Popen(sys.argv[1:]); print(child.pid, flush=True); child.wait()"
    parent = subprocess.Popen([sys.executable, "-c", code, *sync], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    for _ in range(6):
        with suppress(AssertionError):  # a busy PC lets it wait: that is what it is for
            wait_for(lambda: web.asked, "the sync's question")
            break
    policy = os.sched_getscheduler(child)
    parent.kill()
    parent.communicate()
    wait_for(lambda: not _runs(child), "the end of the sync")
    free.set()

    assert policy == os.SCHED_IDLE


def _runs(pid: int) -> bool:
    """Whether a process is there, and not only as an entry that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_the_manuals_examples_are_right(tmp_path: Path) -> None:
    """Each `[erp]` that the manual shows loads as it stands, but for the place of its secrets."""
    manual = (Path(__file__).resolve().parents[2] / "docs" / "manual.md").read_text(encoding="utf-8")
    examples = re.findall(r"```toml\n(\[erp\].*?)```", manual, re.DOTALL)
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    kinds = []
    for number, example in enumerate(examples):
        text = re.sub(r'"/etc/edge/\w+"', f'"{tmp_path / "secret"}"', example).removeprefix("[erp]")
        folder = tmp_path / str(number)
        folder.mkdir()
        path = station(folder, "")
        path.write_text(path.read_text(encoding="utf-8") + re.sub(r"^[^\n]*\n", "", text), encoding="utf-8")
        kinds.append(load(path, {}).erp.kind)

    assert kinds == ["sql", "rest"]
