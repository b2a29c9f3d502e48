"""What `edge-install` asks of the edge that it has just installed; it runs in that edge's Python.

`camera FILE`, `wires FILE` (the unit that serves them, if there are any) and `address FILE` print what the settings
say; `new-keys OLD NEW` explains the keys that NEW has and OLD has not; `copy DATABASE TO` makes a whole copy of a
database, also while it is written to; `fits DATABASE KEPT` says the way back where a later edge wrote it; `gpu ROOT`
says which GPU and driver there are.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from pathlib import Path

from edge import settings
from edge.adapters import schema
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


def way_back(database: Path, kept: Path) -> str:
    """What to do where a database is of a later edge than this one; "" where it is not.

    `kept` is the copy that the later edge's installation made of it for this edge.
    """
    source = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        version = int(source.execute("PRAGMA user_version").fetchone()[0])
    finally:
        source.close()
    if version <= len(schema.STEPS):
        return ""
    start = (
        f"{database} has tables of version {version} and this edge knows up to {len(schema.STEPS)}: nothing is started"
    )
    if not kept.exists():
        return f"{start}; no copy of before is kept: install the later edge again, or move {database} away"
    return (
        f"{start}; to go on with the copy of before: mv {database} {database}.later; "
        f"rm -f {database}-wal {database}-shm; "
        f"mv {kept} {database}; systemctl start edge.target (what was decided since stays in {database}.later)"
    )


def gpu(root: Path) -> str:
    """Which NVIDIA GPUs and which driver a PC has, by what its kernel says."""
    folder = root / "proc/driver/nvidia"
    models = [
        line.partition(":")[2].strip()
        for file in sorted(folder.glob("gpus/*/information"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("Model:")
    ]
    if models:
        said = re.search(r"Kernel Module\D*([0-9.]+)", (folder / "version").read_text(encoding="utf-8"))
        driver = said[1] if said else "unknown"
        return f"GPU: {', '.join(models)}, driver {driver}; the vlm reader needs torch beside it (docs/install.md)"
    found = [file for file in (root / "sys/bus/pci/devices").glob("*/vendor") if file.read_text().strip() == "0x10de"]
    displays = [file for file in found if (file.parent / "class").read_text().startswith("0x03")]
    if displays:
        return "GPU: an NVIDIA one without its driver: apt-get install nvidia-driver; until then the processor reads"
    return "GPU: none; the processor reads"


def main(arguments: list[str]) -> int:
    """Do what is asked; 78 where the settings are wrong."""
    command, first, *rest = arguments
    if command == "copy":
        copy(Path(first), Path(rest[0]))
        return 0
    if command == "fits":
        way = way_back(Path(first), Path(rest[0]))
        if way:
            print(way, file=sys.stderr)
        return 1 if way else 0
    if command == "gpu":
        print(gpu(Path(first)))
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
