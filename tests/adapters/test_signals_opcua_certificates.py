"""OPC UA with certificates: a real server that lets nothing in that is not signed and encrypted (Basic256Sha256)."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.adapters.signals_opcua import Certificates, OpcuaInput, Server
from edge.errors import SignalError
from tests.adapters.test_signals_opcua import levels
from tests.plc import OpcuaPlc


def certificate(folder: Path, name: str, uri: str) -> tuple[Path, Path]:
    """A certificate that signs itself, for this application, and its key."""
    words = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}")
    names = ("-addext", f"subjectAltName=URI:{uri},IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    subprocess.run(["openssl", *words, *names], cwd=folder, check=True, capture_output=True)
    return folder / f"{name}.pem", folder / f"{name}.key"


@dataclass(frozen=True, slots=True)
class Cell:
    """A PLC, and the certificates of both sides."""

    plc: OpcuaPlc
    certificates: Certificates

    def input(self, certificates: Certificates | None) -> OpcuaInput:
        """The trigger, reached so."""
        server = Server(self.plc.url, timeout_ms=10_000, certificates=certificates)
        return OpcuaInput(server, self.plc.node("Trigger"), publish_ms=10, now_us=lambda: time.monotonic_ns() // 1000)


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    """One server for all: building its address space takes seconds."""
    folder = tmp_path_factory.mktemp("opcua")
    theirs = certificate(folder, "plc", "urn:tests:plc:server")
    ours = certificate(folder, "edge", "urn:tests:edge:st")
    plc = OpcuaPlc(certificate=theirs)
    yield Cell(plc, Certificates(*ours, theirs[0]))
    plc.close()


def test_trigger_comes_over_a_session_that_is_signed_and_encrypted(cell: Cell) -> None:
    """With its certificate the station is let in, and hears what the PLC sets."""
    one = cell.input(cell.certificates)
    at_first = one.open()
    cell.plc.put("Trigger", [True])
    rose = levels(one, 1)
    one.close()

    assert (at_first, rose) == (False, [True])


def test_station_without_a_certificate_is_not_let_in(cell: Cell) -> None:
    """A server that wants encryption refuses a plain session, and the error says where to look."""
    one = cell.input(None)

    with pytest.raises(SignalError, match="see that it runs, its users, certificates and node ids"):
        one.open()
    one.close()


def test_server_with_another_certificate_is_not_believed(cell: Cell, tmp_path: Path) -> None:
    """Whoever answers at the PLC's address with a certificate of their own hears nothing from the station."""
    other, _ = certificate(tmp_path, "other", "urn:tests:plc:server")
    one = cell.input(replace(cell.certificates, server=other))

    with pytest.raises(SignalError):
        one.open()
    one.close()


def test_file_that_is_no_certificate_is_a_named_error(cell: Cell, tmp_path: Path) -> None:
    """A damaged file keeps the wire away with a sentence, and shows nothing of what it holds."""
    (tmp_path / "none.pem").write_text("secret words", encoding="utf-8")
    one = cell.input(replace(cell.certificates, own=tmp_path / "none.pem"))

    with pytest.raises(SignalError) as told:
        one.open()
    one.close()
    assert "secret words" not in str(told.value)
