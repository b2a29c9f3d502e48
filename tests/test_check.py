"""`edge check` and `edge erp` on real neighbours: files, a real broker, a camera of files, databases."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge import cli
from edge.adapters.heartbeat import Heartbeat
from edge.commands import check, up
from edge.errors import BrokerError, StoreError, WorldError
from edge.settings import load
from simulator.broker import Broker


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them."""
    monkeypatch.delenv("EDGE_CONFIG", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def _station(folder: Path, port: int, more: str = "") -> Path:
    """A station whose neighbours are all there; the configuration's path."""
    (folder / "frames").mkdir()
    cv2.imwrite(str(folder / "frames" / "1.png"), np.full((60, 80, 3), 128, np.uint8))
    (folder / "parts.csv").write_text("serial,model\n1,AX\n", encoding="utf-8")
    path = folder / "edge.toml"
    path.write_text(
        'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "n"\ncamera = "front"\n'
        '[paths]\ndata = "data"\nruntime = "run"\n'
        '[cameras.front]\nkind = "file"\npath = "frames"\n'
        f'[mqtt]\nport = {port}\n[erp]\nkind = "csv"\npath = "parts.csv"\n{more}',
        encoding="utf-8",
    )
    return path


def test_a_station_that_is_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where everything answers, each neighbour has one line that says ok, and the exit code is 0."""
    with Broker() as broker:
        code = cli.main(["check", "--config", str(_station(tmp_path, broker.port))])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0, lines
    assert [line[7:20].strip() for line in lines] == [
        "configuration",
        "camera front",
        "reader",
        "broker",
        "erp",
        "disk",
        "clock",
    ]
    assert all(line.startswith("ok ") for line in lines)


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Camera, broker and ERP that are away give a line each in one run, and the exit code 1."""
    path = _station(tmp_path, 1)
    (tmp_path / "parts.csv").write_text("<html>", encoding="utf-8")
    (tmp_path / "frames" / "1.png").unlink()

    code = cli.main(["check", "--config", str(path)])

    out, err = capsys.readouterr()
    wrong = [line[7:20].strip() for line in out.splitlines() if line.startswith("wrong")]
    assert code == 1
    assert wrong == ["camera front", "broker", "erp"]
    assert "Traceback" not in out + err


def test_a_wrong_configuration_is_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a wrong configuration nothing else is asked; all mistakes are on standard error, exit 78 (L13)."""
    path = _station(tmp_path, 0, "timeout_ms = 0\n")

    code = cli.main(["check", "--config", str(path)])

    out, err = capsys.readouterr()
    assert code == 78
    assert out == "wrong  configuration  2 mistakes; nothing else was checked\n"
    assert len(err.splitlines()) == 2


def test_a_check_changes_nothing(tmp_path: Path) -> None:
    """Checking the disk leaves no file and no folder behind."""
    settings = load(_station(tmp_path, 1), {})
    before = sorted(tmp_path.rglob("*"))

    check.disk(settings)

    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room is wrong, and the sentence says how much there is and how much is needed."""
    settings = load(_station(tmp_path, 1), {})
    monkeypatch.setattr(check, "LEAST_FREE_GB", 1e9)

    with pytest.raises(StoreError, match="are needed"):
        check.disk(settings)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A data folder below something that takes no files is wrong."""
    settings = load(_station(tmp_path, 1), {"EDGE_PATHS__DATA": "/proc/edge"})

    with pytest.raises(StoreError, match="cannot be written"):
        check.disk(settings)


def test_a_clock_that_was_never_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock in the past of edge is wrong."""
    monkeypatch.setattr(check, "EARLIEST_YEAR", 9999)

    with pytest.raises(WorldError, match="year"):
        check.clock()


def test_something_that_is_no_broker_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and says nothing is given up in time."""
    monkeypatch.setattr(check, "BROKER_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = load(_station(tmp_path, server.getsockname()[1]), {})

        with pytest.raises(BrokerError, match="gave no CONNACK within"):
            check.broker(settings)


def test_a_broker_that_refuses_is_told_without_the_password(tmp_path: Path) -> None:
    """A refused connection names user and reason to look at, never the password (L13)."""
    (tmp_path / "p").write_text("hunter2", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            taken, _ = server.accept()
            with taken:
                taken.recv(4096)
                taken.sendall(b"\x20\x03\x00\x87\x00")  # CONNACK: not authorised

        refusing = threading.Thread(target=refuse)
        refusing.start()
        settings = load(
            _station(tmp_path, server.getsockname()[1]), {"EDGE_MQTT__USERNAME": "u", "EDGE_MQTT__PASSWORD_FILE": "p"}
        )

        with pytest.raises(BrokerError, match="does not let user 'u' in") as raised:
            check.broker(settings)
        refusing.join()

    assert "hunter2" not in str(raised.value)


def test_a_neighbour_that_hangs_does_not_hold_up_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check that never returns is given up; the others still have their line."""
    never = threading.Event()
    monkeypatch.setattr(check, "LIMIT_S", 0.2)
    monkeypatch.setattr(
        check, "checks", lambda _: [("camera front", lambda: str(never.wait())), ("erp", lambda: "all well")]
    )

    code = cli.main(["check", "--config", str(_station(tmp_path, 1))])
    never.set()

    out = capsys.readouterr().out.splitlines()
    assert code == 1
    assert out[1].startswith("wrong  camera front")
    assert out[2] == "ok     erp            all well"


def test_erp_is_asked_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`edge erp lookup` prints the record, in JSON too; a missing record is exit 1; `sync` says what is there."""
    config = ["--config", str(_station(tmp_path, 1))]

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
    path = _station(tmp_path, 1)
    path.write_text(path.read_text(encoding="utf-8").split("[erp]")[0], encoding="utf-8")

    code = cli.main(["erp", "sync", "--config", str(path)])

    assert code == 2
    assert "erp.kind" in capsys.readouterr().err


def test_a_shared_reader_must_be_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another station's reader is not loaded here; it is heard, or what to start is said."""
    monkeypatch.setattr(check, "SILENT_AFTER_S", 0.2)
    with pytest.raises(WorldError, match=rf"no reader is heard in {tmp_path}; start that station's"):
        check._shared_reader(tmp_path)
    heart, over = Heartbeat(tmp_path, "reader"), threading.Event()

    def beat() -> None:
        while not over.wait(0.01):
            heart.beat(reader="vlm")

    thread = threading.Thread(target=beat)
    thread.start()
    monkeypatch.setattr(check, "SILENT_AFTER_S", 20.0)
    said = check._shared_reader(tmp_path)
    over.set()
    thread.join()
    heart.close()

    assert said.startswith("vlm")


def test_a_station_with_a_shared_reader_starts_none(tmp_path: Path) -> None:
    """`edge up` runs the four other processes."""
    own = load(_station(tmp_path, 1883), {})
    shared = own.model_copy(update={"reader": own.reader.model_copy(update={"shared": tmp_path})})

    assert up._processes(own) == ["reader", "inspector", "messenger", "panel"]
    assert up._processes(shared) == ["inspector", "messenger", "panel"]
