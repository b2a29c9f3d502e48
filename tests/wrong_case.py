"""A configuration with one mistake in it, and how it is told: what the tests of wrong configurations are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge import settings
from edge.errors import ConfigError

#: Stands in every case in places where a person might put a secret; no message may repeat it.
SECRET = "hunter2-swordfish"

GOOD = """\
version = 1

[station]
site = "plant1"
line = "line1"
name = "station1"
camera = "front"

[paths]
data = "data"
runtime = "/tmp/edge-run"

[cameras.front]
kind = "simulated"
address = "ipc:///tmp/camera.sock"
"""

GOOD_PRODUCT = """\
version = 1
name = "motor"
[fields.model]
[fields.serial]
pattern = '[0-9]{8}'
"""


@dataclass(frozen=True)
class Case:
    """A wrong configuration: what differs from a good one, and what the sentences must name."""

    name: str
    names: tuple[str, ...]
    old: str = ""
    new: str = ""
    more: str = ""
    product: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write the case's files; the configuration's path."""
        (folder / "products").mkdir()
        text = GOOD.replace(self.old, self.new, 1) if self.old else GOOD
        assert self.raw is not None or not self.old or text != GOOD, "the case changes something"
        if self.product is not None:
            (folder / "products" / "motor.toml").write_text(self.product, encoding="utf-8")
            text = text.replace('camera = "front"', 'camera = "front"\nproduct = "motor"', 1)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        path = folder / "edge.toml"
        path.write_bytes(self.raw if self.raw is not None else (text + self.more).encode())
        return path

    def told(self, folder: Path) -> str:
        """The one sentence that refuses the case: it begins with the configuration's path and has all the names."""
        with pytest.raises(ConfigError) as raised:
            settings.load(self.write(folder), {})
        assert len(raised.value.problems) == 1, raised.value.problems
        told = raised.value.problems[0]
        assert told.startswith(str(folder / "edge.toml"))
        assert all(name in told for name in self.names), told
        return told
