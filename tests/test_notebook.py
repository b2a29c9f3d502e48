"""The example notebook runs as it stands, and what is kept of its outputs is small and clean."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[1] / "examples" / "inside_the_model.ipynb"
#: What the manual's reader loads with it.
MOST_BYTES = 100_000


def outputs(text: str) -> list[dict[str, Any]]:
    """Every output of every cell."""
    return [one for cell in json.loads(text)["cells"] for one in cell.get("outputs", [])]


def said(text: str) -> str:
    """All that the cells say in words."""
    return "".join(
        "".join(one.get("text", [])) + str(one.get("data", {}).get("text/plain", "")) for one in outputs(text)
    )


def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path) -> None:
    """In a kernel of its own it reads the serial of its plate, and paints what the model looked at."""
    made = tmp_path / "made.ipynb"
    made.write_bytes(NOTEBOOK.read_bytes())
    command = [sys.executable, "-m", "jupyter_core.command", "execute", "--inplace", str(made)]
    environment = os.environ | {"PYTHONPATH": str(NOTEBOOK.parents[1]), "HOME": str(tmp_path)}
    ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = outputs(made.read_text())

    assert "12345678AB in 1 pass(es)" in said(made.read_text())
    assert [one["output_type"] for one in found if one["output_type"] == "error"] == []
    assert any("image/png" in one.get("data", {}) for one in found)


def test_what_is_kept_of_it_is_small_and_clean() -> None:
    """Its outputs are kept for whoever only reads it: small, without warnings, and without a path of a PC."""
    text = NOTEBOOK.read_text(encoding="utf-8")

    assert len(text) < MOST_BYTES
    assert "12345678AB" in said(text)
    assert [one for one in outputs(text) if one.get("name") == "stderr"] == []
    assert "/home/" not in said(text)
    assert "site-packages" not in said(text)
