"""What `edge-install` asks of the edge that it has just installed; it runs in that edge's Python.

`camera FILE`, `wires FILE` (the unit that serves them, if there are any) and `address FILE` print what the settings
say; `new-keys OLD NEW` explains the keys that NEW has and OLD
has not; `copy DATABASE TO` makes a whole copy of a database, also while it is written to.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from pathlib import Path

from edge import settings
from edge.errors import ConfigError

_TABLE = re.compile(r"^(?:# )?\[([a-z0-9_.]+)\]$")
_KEY = re.compile(r"^(?:# )?([a-z0-9_]+) = ")


def keys(example: str) -> dict[str, str]:
    """The keys of an example of the settings, each with the comment above it; unset ones and other kinds' too."""
    found: dict[str, str] = {}
    table, comment = "", ""
    for line in example.splitlines():
        if named := _TABLE.match(line):
            table, comment = named[1], ""
        elif named := _KEY.match(line):
            found.setdefault(f"{table}.{named[1]}".lstrip("."), comment.strip())
            comment = ""
        else:
            comment = f"{comment} {line.removeprefix('# ')}" if line.startswith("#") else ""
    return found


def new_keys(old: str, new: str) -> list[str]:
    """One line for each key that the new example has and the old one has not: `key: what it means`."""
    known = keys(old)
    return [f"{key}: {comment}" for key, comment in keys(new).items() if key not in known]


def copy(database: Path, to: Path) -> None:
    """Copy a database as it is at one moment."""
    # Not `with sqlite3.connect`: that commits, and does not close.
    source, target = sqlite3.connect(database), sqlite3.connect(to)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()


def main(arguments: list[str]) -> int:
    """Do what is asked; 78 where the settings are wrong."""
    command, first, *rest = arguments
    if command == "copy":
        copy(Path(first), Path(rest[0]))
        return 0
    if command == "new-keys":
        old = Path(first)
        added = (
            new_keys(old.read_text(encoding="utf-8"), Path(rest[0]).read_text(encoding="utf-8")) if old.exists() else []
        )
        for line in added:
            print(f"new setting {line}")
        return 0
    try:
        configured = settings.load(Path(first), {})
    except ConfigError as error:
        print("\n".join(error.problems), file=sys.stderr)
        return 78
    said = {
        "camera": configured.station.camera,
        "wires": "edge-signals.service" if configured.has_signals else "",
        "address": f"the station's page: {configured.panel.url}",
    }
    print(said[command])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
