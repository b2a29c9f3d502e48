"""The ledger of promises: each law, what it means, and the tests that name it in their docstring.

`python -m tests.promises.ledger` writes docs/promises.md from it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "promises.md"

LAWS: Mapping[str, str] = {
    "L1": "Every trigger ends in exactly one outcome, whatever dies and whenever.",
    "L2": "An outcome is on disk, with its outbox row, in one transaction, before anyone hears of it.",
    "L3": '"Nothing there", "could not read" and "unfit frame" are three different values; an exception is never an '
    "empty reading.",
    "L4": "In doubt, hold the part. Nothing passes by default, by timeout or by exception.",
    "L5": "No outcome comes from a frame exposed before its trigger, or from a frozen camera.",
    "L6": "ERP verifies; it never edits. A reading with ERP's expectation as draft equals the reading without it.",
    "L7": "Nothing is corrected silently: raw text, normalised text and the rule between them are in the outcome, and "
    "a printed character that breaks the pattern is reported.",
    "L8": "The evidence frame is the bytes that the reader saw; its SHA-256 is in the outcome.",
    "L9": "Retakes have a budget (count and time), a cause, an action that fits the cause, and a record of whether it "
    "helped.",
    "L10": "An outcome is decided before the station's deadline, always.",
    "L11": "The broker may refuse, vanish, restart or lie: the same outcome, same id, same bytes, in the station's "
    "order, until it is acknowledged; one poison message never blocks the rest, nor is it lost.",
    "L12": "Every queue has a limit with a name; reaching it is a reason with a name.",
    "L13": "A wrong configuration refuses to start and lists everything that is wrong with it, with no secret shown.",
    "L14": "`edge` does not know the simulator, and the simulator uses only what a real site would use.",
}


def promises() -> Iterator[tuple[str, str, str]]:
    """Every test that names a law: the law, where the test is, and its promise."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        where = path.relative_to(ROOT).as_posix()
        for name, docstring in _tests(ast.parse(path.read_text(encoding="utf-8"))):
            for law in re.findall(r"\bL\d+\b", docstring):
                yield law, f"{where}::{name}", docstring


def _tests(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Names and docstrings of a module's tests, state machines' included (their docstring is assigned)."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, " ".join((ast.get_docstring(node) or "").split())
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            target = node.targets[0]
            if isinstance(target, ast.Attribute) and target.attr == "__doc__" and isinstance(target.value, ast.Name):
                yield target.value.id, " ".join(str(node.value.value).split())


def render() -> str:
    """The page."""
    tests: dict[str, list[tuple[str, str]]] = {law: [] for law in LAWS}
    for law, where, promise in promises():
        tests.setdefault(law, []).append((where, promise))
    lines = [
        "# Promises",
        "",
        "Each law of edge, and the tests that prove it. Written by `make promises` from the tests' docstrings; a law",
        "without a test, and a page that is not current, fail the build.",
        "",
    ]
    for law, meaning in LAWS.items():
        lines += [f"## {law}", "", meaning, "", *(f"- {promise} `{where}`" for where, promise in tests[law]), ""]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
