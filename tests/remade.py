"""Bundles as a stranger may have made them: a sound one with files or facts changed."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

Files = dict[str, bytes]


def remade(path: Path, change: Callable[[Files], None], *, compression: int = zipfile.ZIP_STORED) -> Path:
    """The bundle with its files changed; its manifest is as it was unless that was changed too."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    other = path.with_name("changed.edge.zip")
    with zipfile.ZipFile(other, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return other


def manifest(files: Files, /, **facts: object) -> None:
    """Change what the manifest says."""
    files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), **facts}).encode()


def sound(files: Files, name: str, content: bytes) -> None:
    """Put a file in under a manifest that knows it."""
    told = json.loads(files["manifest.json"])
    told["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    files[name] = content
    files["manifest.json"] = json.dumps(told).encode()
