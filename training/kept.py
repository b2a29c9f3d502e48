"""What a long run has read so far: a file of one JSON object a line, which the next run goes on from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO


def kept(path: Path) -> Iterator[dict[str, Any]]:
    """What a file holds, in order; a line that a kill cut short is not given, and a file that is not there is empty."""
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.endswith("\n") and line.strip())


def gone_on(path: Path) -> TextIO:
    """The file, its folder made, opened to be written on; what a kill cut short is dropped from its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        data = path.read_bytes()
        with path.open("r+b") as file:
            file.truncate(data.rfind(b"\n") + 1)
    return path.open("a", encoding="utf-8")
