"""The settings of the smallest station there is, as a file."""

from __future__ import annotations

from pathlib import Path


def write(folder: Path, more: str = "") -> Path:
    """Station `st`, whose camera is this folder, and what tables `more` adds; gives the file."""
    file = folder / "edge.toml"
    file.write_text(
        'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "st"\ncamera = "top"\n'
        '[paths]\ndata = "data"\nruntime = "run"\n'
        f'[cameras.top]\nkind = "file"\npath = "{folder}"\n{more}',
        encoding="utf-8",
    )
    return file
