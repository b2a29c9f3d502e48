"""A web server that plays ERP, and ERPs that ask it, for the tests of ERP behind a web API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.adapters.erp import ErpAwayError
from edge.adapters.erp_rest import RestRecords
from edge.sections_erp import RestErp
from tests.web_erp import PART, Play, Told, WebErp, parts

OTHER = {"serial": "87654321BA", "model": "AX-2", "lot": None}
SECRET = "hunter2-swordfish"
HTML = Told(b"<!doctype html><html>Please log in</html>", headers={"Content-Type": "text/html"})


class Site:
    """A server, and ERPs that ask it."""

    def __init__(self, folder: Path, ca_file: Path) -> None:
        self.folder = folder
        self.ca_file = ca_file  # loading the system's certificates instead would take each test 0.2 s
        self.server = WebErp(parts(PART, OTHER))
        self.opened: list[RestRecords] = []
        self.pauses: list[float] = []

    def erp(self, play: Play | Told | None = None, *, timeout_ms: int = 20_000, **keys: Any) -> RestRecords:
        """An ERP whose server answers as told."""
        if play is not None:
            self.server.play = (lambda _: play) if isinstance(play, Told) else play
        usual: dict[str, Any] = {"url": self.server.url, "lookup": "/parts?serial={serial}", "ca_file": self.ca_file}
        erp = RestRecords(RestErp(kind="rest", timeout_ms=timeout_ms, **(usual | keys)), pause=self.pauses.append)
        self.opened.append(erp)
        return erp

    def secret(self, name: str, text: str = SECRET) -> Path:
        """A file that holds a secret."""
        (self.folder / name).write_text(text + "\n", encoding="utf-8")
        return self.folder / name

    def close(self) -> None:
        """End all."""
        for erp in self.opened:
            erp.close()
        self.server.close()


def failure(erp: RestRecords, serial: str = "12345678AB") -> str:
    """Why ERP could not be asked."""
    with pytest.raises(ErpAwayError) as raised:
        erp.lookup(serial)
    return str(raised.value)
