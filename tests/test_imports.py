"""Imports go one way, and edge and its simulator do not know each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def imported_by(package: str) -> set[str]:
    """The top-level names that a package's files import, anywhere in them."""
    names: set[str] = set()
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize(("package", "other"), [("edge", "simulator"), ("simulator", "edge")])
def test_edge_and_simulator_do_not_import_each_other(package: str, other: str) -> None:
    """Edge does not know the simulator, and the simulator uses edge only from outside (L14)."""
    names = imported_by(package)

    assert other not in names


def test_the_core_imports_the_standard_library_only() -> None:
    """core/ decides, and imports nothing but the standard library and itself."""
    names = imported_by("edge/core") - {"edge"}

    assert names <= set(sys.stdlib_module_names)


def test_imports_go_one_way() -> None:
    """Services -> adapters and readers -> vision -> core, and never back."""
    run = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"], check=False, cwd=ROOT, capture_output=True, text=True
    )

    assert run.returncode == 0, run.stdout
