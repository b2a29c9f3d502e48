"""Accuracy on labelled photographs of nameplates: exact match of model and serial, and serials invented.

    python bench/plates.py FOLDER [--reader NAME] [--all]

FOLDER holds the images and `labels.jsonl`: one object a line with `file`, `model`, `serial` (null: there is none, or
none that can be read), and optionally `model_alternatives` and `serial_alternatives`. Texts are compared without
blanks and `-_/.,:;`, in one case. Images go through `edge read --json`, as a user's would.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIELDS = ("model", "serial")
_DOES_NOT_COUNT = re.compile(r"[\s\-_/.,:;]")


@dataclass(frozen=True, slots=True)
class Score:
    """How one image was read: which fields are right, and whether a serial was invented."""

    file: str
    right: Mapping[str, bool]
    invented: bool
    said: str


def same(one: str, other: str) -> bool:
    """Compare two texts as the labels mean it."""
    return _DOES_NOT_COUNT.sub("", one).casefold() == _DOES_NOT_COUNT.sub("", other).casefold()


def judge(label: Mapping[str, Any], answer: Mapping[str, Any]) -> Score:
    """Compare one answer of `edge read --json` with its label; a file that could not be read has no right field."""
    got = {name: str(answer.get("fields", {}).get(name, {}).get("text", "")) for name in FIELDS}
    right = {}
    for name in FIELDS:
        wanted = [label[name], *(label.get(f"{name}_alternatives") or [])] if label[name] else [""]
        right[name] = "error" not in answer and any(same(got[name], text) for text in wanted)
    said = str(answer["error"]) if "error" in answer else ", ".join(f"{name} {got[name]!r}" for name in FIELDS)
    return Score(str(label["file"]), right, label["serial"] is None and bool(got["serial"]), said)


def read(files: Sequence[Path], reader: str | None) -> dict[str, Any]:
    """Read the images in one run; give each file name's answer."""
    command = [
        sys.executable,
        "-m",
        "edge",
        "read",
        "--json",
        *(["--reader", reader] if reader else []),
        *map(str, files),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        raise SystemExit(f"edge read failed with exit code {run.returncode}: {run.stderr.strip()}")
    answers = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    return {Path(answer["file"]).name: answer for answer in answers}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was read wrongly and the totals."""
    parser = argparse.ArgumentParser(description="Accuracy on labelled photographs of nameplates.")
    parser.add_argument("folder", type=Path, help="images with labels.jsonl")
    parser.add_argument("--reader", help="the reader to use, as `edge read --reader`")
    parser.add_argument("--all", action="store_true", help="also print the images that were read rightly")
    asked = parser.parse_args(arguments)
    labels = asked.folder / "labels.jsonl"
    if not labels.is_file():
        print(f"skipped: there is no {labels}; give the folder of the labelled photographs")
        return 0
    wanted = [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines() if line.strip()]
    answers = read([asked.folder / label["file"] for label in wanted], asked.reader)
    missing = {"error": "no answer"}
    scores = [judge(label, answers.get(Path(label["file"]).name, missing)) for label in wanted]
    for label, score in zip(wanted, scores, strict=True):
        if asked.all or not all(score.right.values()):
            marks = " ".join(f"{name} {'right' if score.right[name] else 'WRONG'}" for name in FIELDS)
            should = ", ".join(f"{name} {label[name]!r}" for name in FIELDS)
            print(f"{score.file}: {marks}: read {score.said}; printed {should}")
    times = [a["ms"]["total"] for a in answers.values() if "total" in a.get("ms", {})]
    total = max(len(scores), 1)
    for name in FIELDS:
        print(f"{name}: {sum(score.right[name] for score in scores)} of {len(scores)} exact")
    both = sum(all(score.right.values()) for score in scores)
    print(f"both: {both} of {len(scores)} exact ({both / total:.0%})")
    print(f"invented: {sum(s.invented for s in scores)} on {sum(w['serial'] is None for w in wanted)} without a serial")
    if times:
        print(f"time: {sorted(times)[len(times) // 2]:.0f} ms median an image")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
