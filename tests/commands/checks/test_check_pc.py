"""The lines of `edge check` about this PC: disk, clock, rights and the panel's port."""

from __future__ import annotations

import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from edge.commands.checks import clock, disk, erp, panel, rights
from edge.errors import ErpError, StoreError
from edge.settings import Settings
from tests.brokers import free_port
from tests.commands.checks.stations import station


def test_the_disk_is_tried_and_nothing_is_left(tmp_path: Path) -> None:
    """Room and the time of a write are told; no file and no folder stays behind."""
    settings = station(tmp_path, EDGE_EVIDENCE__MAX_GB="0.1")
    before = sorted(tmp_path.rglob("*"))
    finding = disk.check(settings)

    assert finding.facts["fsync_longest_ms"] >= finding.facts["fsync_ms"] > 0
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "limit", "level", "said"),
    [
        ("LEAST_FREE_GB", 1e9, "fail", "GB are needed"),
        ("SLOW_FSYNC_MS", 0.0, "warn", "disk's health"),
    ],
)
def test_a_full_or_slow_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, name: str, limit: float, level: str, said: str
) -> None:
    """Too little room fails; a write that takes long is a warning."""
    monkeypatch.setattr(disk, name, limit)
    finding = disk.check(station(tmp_path, EDGE_EVIDENCE__MAX_GB="0.1"))

    assert (finding.level, said in finding.do) == (level, True)


def test_less_room_than_evidence_may_take_is_a_warning(tmp_path: Path) -> None:
    """A disk that evidence will fill is told of in time."""
    finding = disk.check(station(tmp_path, EDGE_EVIDENCE__MAX_GB="100000"))

    assert (finding.level, "evidence.max_gb is 100000" in finding.do) == ("warn", True)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A data folder below something that takes no files is an error."""
    with pytest.raises(StoreError, match="cannot be written"):
        disk.check(station(tmp_path, EDGE_PATHS__DATA="/proc/edge"))


def test_a_clock_that_was_never_set_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock in the past of edge is wrong."""
    monkeypatch.setattr(clock, "EARLIEST_YEAR", 9999)

    assert clock.check().level == "fail"


@pytest.mark.parametrize(("synchronised", "level"), [(True, "ok"), (False, "warn")])
def test_a_clock_that_nobody_keeps_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, synchronised: bool, level: str
) -> None:
    """The kernel knows whether a time service keeps its clock."""
    monkeypatch.setattr(clock, "is_synchronised", lambda: synchronised)

    assert clock.check().level == level


def with_secret(folder: Path, mode: int) -> Settings:
    """A station with the panel's token in a file of that mode, and folders of its own."""
    (folder / "token").write_text("secret", encoding="utf-8")
    (folder / "token").chmod(mode)
    for name in ("data", "run"):
        (folder / name).mkdir(mode=0o700)
    return station(folder, EDGE_PANEL__TOKEN_FILE=str(folder / "token"))


def test_rights_that_are_right(tmp_path: Path) -> None:
    """Folders and secrets of this user alone are counted."""
    finding = rights.check(with_secret(tmp_path, 0o600), os.geteuid())

    assert (finding.level, finding.said) == ("ok", "2 folders, 1 secrets")


def test_a_secret_that_everybody_may_read_fails(tmp_path: Path) -> None:
    """Its file is named, its content is not (L13)."""
    finding = rights.check(with_secret(tmp_path, 0o644))

    assert finding.level == "fail"
    assert finding.do == f"chmod o= {tmp_path / 'token'}"


def test_open_folders_and_settings_are_warnings(tmp_path: Path) -> None:
    """A data folder that others may look into, and settings that everybody may change, are told with the remedy."""
    settings = with_secret(tmp_path, 0o600)
    settings.paths.data.chmod(0o755)
    settings.path.chmod(0o666)
    finding = rights.check(settings, os.geteuid())

    assert finding.level == "warn"
    assert f"chmod go= {settings.paths.data}" in finding.do
    assert f"chmod o-w {settings.path}" in finding.do


def test_another_users_folders_are_a_warning(tmp_path: Path) -> None:
    """A check that another user runs says as whom to run it."""
    finding = rights.check(with_secret(tmp_path, 0o600), os.geteuid() + 12345)

    assert "belongs to another user" in finding.do


def test_erp_is_asked_for_a_record(tmp_path: Path) -> None:
    """A look-up of a serial that nobody has is answered, in a time that is told."""
    finding = erp.check(station(tmp_path))

    assert "1 records" in finding.said
    assert finding.facts["lookup_ms"] >= 0


def test_an_erp_that_cannot_be_asked_is_told(tmp_path: Path) -> None:
    """A file that is no table is an error, not an empty ERP (L3)."""
    settings = station(tmp_path)
    (tmp_path / "parts.csv").write_text("<html>", encoding="utf-8")

    with pytest.raises(ErpError):
        erp.check(settings)


#: Whether the server answers as the panel does.
PANEL = threading.Event()


class Other(BaseHTTPRequestHandler):
    """Some other server."""

    def do_GET(self) -> None:
        """Answer with a page, or as the panel does."""
        said = b'{"triggers": 1}' if PANEL.is_set() else b"<html>"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("is_panel", "level"), [(True, "ok"), (False, "fail")])
def test_who_answers_at_the_panels_port(tmp_path: Path, is_panel: bool, level: str) -> None:
    """The panel's own answer is well; another server's on its port is not."""
    server = HTTPServer(("127.0.0.1", 0), Other)
    (PANEL.set if is_panel else PANEL.clear)()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    finding = panel.check(station(tmp_path, EDGE_PANEL__PORT=str(server.server_port)))
    server.shutdown()
    server.server_close()

    assert finding.level == level


def test_a_free_port_is_well_and_an_address_of_others_is_not(tmp_path: Path) -> None:
    """Where no panel runs, its port must be free to bind."""
    settings = station(tmp_path, EDGE_PANEL__PORT=str(free_port()))
    strange = settings.model_copy(update={"panel": settings.panel.model_copy(update={"host": "192.0.2.1"})})
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(0)
        free, bad = panel.check(settings), panel._is_free("192.0.2.1", strange.panel.port, "http://192.0.2.1/")

    assert (free.level, bad.level) == ("ok", "fail")
