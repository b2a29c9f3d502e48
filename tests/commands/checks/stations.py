"""A small station's settings, as a file that the checks' tests load."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge.settings import Settings, load


def write_station(folder: Path, port: int = 1, more: str = "") -> Path:
    """A station of a file camera and a CSV file; gives the configuration's path."""
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


def station(folder: Path, port: int = 1, **environment: str) -> Settings:
    """The same, loaded; `environment` sets more keys, as EDGE_READER__KIND does."""
    return load(write_station(folder, port), environment)
