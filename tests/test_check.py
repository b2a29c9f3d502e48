"""`edge check` and `edge erp` on real neighbours: files, a real broker, a camera of files, databases."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from edge import cli
from edge.commands import check, up
from edge.commands.checks.finding import ok
from edge.settings import load
from simulator.broker import Broker
from tests.brokers import free_port
from tests.commands.checks.stations import write_station


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them."""
    monkeypatch.delenv("EDGE_CONFIG", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def test_a_station_that_is_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where everything answers, each has one line that does not fail, and the exit code is 0."""
    with Broker() as broker:
        code = cli.main(
            ["check", "--config", str(write_station(tmp_path, broker.port, f"[panel]\nport = {free_port()}\n"))]
        )

    lines = capsys.readouterr().out.splitlines()
    assert code == 0, lines
    assert [line[6:19].strip() for line in lines] == [
        "configuration",
        "camera front",
        "reader",
        "broker",
        "erp",
        "disk",
        "clock",
        "rights",
        "panel",
        "units",
    ]
    # No time service may keep this PC's clock.
    assert all(line.startswith("ok ") for line in lines if line[6:11] != "clock")


@pytest.fixture
def without_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the one check that takes seconds of a processor."""
    every = check.checks
    monkeypatch.setattr(check, "checks", lambda settings: [one for one in every(settings) if one[0] != "reader"])


def test_everything_that_is_wrong_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], without_reader: None
) -> None:
    """Camera, broker and ERP that are away give a line each in one run, and the exit code 1."""
    path = write_station(tmp_path, 1)
    (tmp_path / "parts.csv").write_text("<html>", encoding="utf-8")
    (tmp_path / "frames" / "1.png").unlink()

    code = cli.main(["check", "--config", str(path)])

    out, err = capsys.readouterr()
    failed = [line[6:19].strip() for line in out.splitlines() if line.startswith("fail")]
    assert code == 1
    assert failed == ["camera front", "broker", "erp"]
    assert "Traceback" not in out + err


def test_a_wrong_configuration_is_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a wrong configuration nothing else is asked; all mistakes are on standard error, exit 78 (L13)."""
    path = write_station(tmp_path, 0, "timeout_ms = 0\n")

    code = cli.main(["check", "--config", str(path)])

    out, err = capsys.readouterr()
    assert code == 78
    assert out.startswith("fail  configuration  2 mistakes; nothing else was checked: ")
    assert len(out.splitlines()) == 1
    assert len(err.splitlines()) == 2


def test_machines_get_one_object_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], without_reader: None
) -> None:
    """`--json` says the same as the lines: what was checked, its level, what was found, what to do, and numbers."""
    code = cli.main(["check", "--json", "--config", str(write_station(tmp_path, 1))])

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 1
    assert all(line.keys() == {"check", "level", "said", "do", "facts"} for line in lines)
    assert {line["check"]: line["level"] for line in lines}["broker"] == "fail"
    assert {line["check"]: line["facts"] for line in lines}["disk"]["fsync_ms"] > 0


def test_a_neighbour_that_hangs_does_not_hold_up_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check that never returns is given up; the others still have their line."""
    never = threading.Event()
    monkeypatch.setattr(check, "LIMIT_S", 0.2)
    monkeypatch.setattr(
        check, "checks", lambda _: [("camera front", lambda: ok(str(never.wait()))), ("erp", lambda: ok("all well"))]
    )

    code = cli.main(["check", "--config", str(write_station(tmp_path, 1))])
    never.set()

    out = capsys.readouterr().out.splitlines()
    assert code == 1
    assert out[1].startswith("fail  camera front")
    assert out[2] == "ok    erp            all well"


def test_erp_is_asked_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`edge erp lookup` prints the record, in JSON too; a missing record is exit 1; `sync` says what is there."""
    config = ["--config", str(write_station(tmp_path, 1))]

    codes = [cli.main(["erp", "lookup", "1", *config])]
    plain = capsys.readouterr().out
    codes.append(cli.main(["erp", "lookup", "1", "--json", *config]))
    record = json.loads(capsys.readouterr().out)
    codes.append(cli.main(["erp", "lookup", "2", *config]))
    missing = capsys.readouterr().out
    codes.append(cli.main(["erp", "sync", *config]))
    held = capsys.readouterr().out

    assert codes == [0, 0, 1, 0]
    assert "model: AX" in plain
    assert record["fields"] == {"serial": "1", "model": "AX"}
    assert record["source"] == "csv:parts.csv"
    assert "no record" in missing
    assert "1 records" in held


def test_without_an_erp_there_is_nothing_to_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Asking an ERP that is not configured is wrong use, and says what to set."""
    path = write_station(tmp_path, 1)
    path.write_text(path.read_text(encoding="utf-8").split("[erp]")[0], encoding="utf-8")

    code = cli.main(["erp", "sync", "--config", str(path)])

    assert code == 2
    assert "erp.kind" in capsys.readouterr().err


def test_a_station_with_a_shared_reader_starts_none(tmp_path: Path) -> None:
    """`edge up` runs the four other processes."""
    own = load(write_station(tmp_path, 1883), {})
    shared = own.model_copy(update={"reader": own.reader.model_copy(update={"shared": tmp_path})})

    assert up._processes(own) == ["reader", "inspector", "messenger", "panel"]
    assert up._processes(shared) == ["inspector", "messenger", "panel"]
