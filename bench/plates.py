"""Accuracy on labelled photographs of nameplates: exact match of model and serial, serials invented; a peer beside it.

    python bench/plates.py FOLDER [--reader NAME] [--all] [--with-patterns] [--no-peer]

FOLDER holds the images and `labels.jsonl`: one object a line with `file`, `model`, `serial` (null: there is none, or
none that can be read), and optionally `model_alternatives` and `serial_alternatives`. Texts are compared without
blanks and `-_/.,:;`, in one case. Images go through `edge read --json`, as a user's would.

The peer is what one writes in an afternoon: the `rapidocr` package, and key-word rules over its lines. With
`--with-patterns` every image is read once more with a product file that knows the form of its product's texts (letters,
digits and marks of the label, as a maker's numbering gives them; never the text), where the label has a text at all.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIELDS = ("model", "serial")
_DOES_NOT_COUNT = re.compile(r"[\s\-_/.,:;]")

Texts = Mapping[str, str]

#: The peer's rules: what a person who knows plates writes down first.
_RULES = {
    "model": r"(?:model(?:l|lo|o|e)?|modèle|type|typ|tipo|m/n|mdl|mod\.?|型号|型號|型式)",
    "serial": (
        r"(?:s/n|sn|serial(?:\s*(?:no|nr|number))?|ser\.?\s*(?:no|nr)|serien-?(?:nr|nummer)|fabr\.?-?nr|matricola|"
        r"n[°º]\s*de\s*s[ée]rie|序列号|序號|出厂编号|製造番号)"
    ),
}
_BETWEEN = r"\.?\s*(?:no|nr|number|name)?\.?\s*[:.=#\uff1a]*\s*"


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
        wanted = _wanted(label, name) or [""]
        right[name] = "error" not in answer and any(same(got[name], text) for text in wanted)
    said = str(answer["error"]) if "error" in answer else ", ".join(f"{name} {got[name]!r}" for name in FIELDS)
    return Score(str(label["file"]), right, label["serial"] is None and bool(got["serial"]), said)


def _wanted(label: Mapping[str, Any], name: str) -> list[str]:
    return [label[name], *(label.get(f"{name}_alternatives") or [])] if label[name] else []


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


def form_of(text: str) -> str:
    """Give the form of a text as a pattern: letters, digits and marks, run by run."""
    parts = []
    for run in re.findall(r"[A-Z]+|[a-z]+|[0-9]+|.", text):
        kind = "[A-Z]" if run.isupper() else "[a-z]" if run.islower() else "[0-9]" if run.isdigit() else re.escape(run)
        parts.append(f"{kind}{{{len(run)}}}" if kind.startswith("[") else kind)
    return "".join(parts)


def product_file(label: Mapping[str, Any], folder: Path) -> Path:
    """Write what the maker's numbering says about a label's texts; a field without a text has no pattern."""
    rows = ["version = 1", 'name = "form"']
    for name in FIELDS:
        rows += [f"[fields.{name}]", "required = false"]
        forms = sorted({form_of(text) for text in _wanted(label, name)})
        if forms:
            rows.append(f"pattern = {json.dumps('|'.join(forms))}")
    path = folder / "form.toml"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def read_with_patterns(labels: Sequence[Mapping[str, Any]], folder: Path) -> list[Score]:
    """Read every image with a product file of its own."""
    from edge.adapters import images  # noqa: PLC0415 - opened only where asked for
    from edge.products import load_product  # noqa: PLC0415
    from edge.readers.ocr import Ocr  # noqa: PLC0415

    reader = Ocr()
    scores = []
    with tempfile.TemporaryDirectory() as kept:
        for label in labels:
            product = load_product(str(product_file(label, Path(kept))))
            reading = reader.read(images.load(folder / label["file"]), product)
            fields = {name: {"text": field.text} for name, field in reading.fields.items()}
            scores.append(judge(label, {"fields": fields}))
    return scores


def by_rules(lines: Iterable[tuple[str, Sequence[Sequence[float]]]]) -> Texts:
    """Give the fields by key-word rules: behind the key in its line, else the nearest line to the right, else below."""
    boxes = [
        (text, min(p[0] for p in box), min(p[1] for p in box), max(p[0] for p in box), max(p[1] for p in box))
        for text, box in lines
    ]
    found: dict[str, str] = {}
    for name, rule in _RULES.items():
        for text, left, top, right, bottom in boxes:
            match = re.match(rf"(?i)\W*{rule}{_BETWEEN}(?P<value>.*)$", text)
            if match is None:
                continue
            value = match["value"].strip()
            tall = bottom - top
            if not value:
                beside = [b for b in boxes if b[1] >= right - tall and abs(b[2] - top) < 0.6 * tall]
                below = [b for b in boxes if abs(b[1] - left) < 2 * tall and 0 < b[2] - top < 2.5 * tall]
                nearest = min(beside, key=lambda b: b[1], default=None) or min(below, key=lambda b: b[2], default=None)
                value = nearest[0] if nearest else ""
            if value:
                found[name] = value
                break
    return found


def read_by_peer(labels: Sequence[Mapping[str, Any]], folder: Path) -> list[Score]:
    """Read every image with the `rapidocr` package as it comes, and link its lines by rules."""
    from rapidocr import RapidOCR  # noqa: PLC0415 - its import takes seconds

    logging.getLogger("RapidOCR").setLevel(logging.WARNING)  # it tells of each of its models
    engine = RapidOCR()
    scores = []
    for label in labels:
        got = engine(str(folder / label["file"]))
        lines = list(zip(got.txts or (), got.boxes if got.boxes is not None else (), strict=False))
        scores.append(judge(label, {"fields": {name: {"text": text} for name, text in by_rules(lines).items()}}))
    return scores


def totals(title: str, scores: Sequence[Score], without_serial: int) -> str:
    """Give one row: exact by field and both, and serials invented."""
    count = max(len(scores), 1)
    fields = ", ".join(f"{name} {sum(score.right[name] for score in scores)}" for name in FIELDS)
    both = sum(all(score.right.values()) for score in scores)
    invented = sum(score.invented for score in scores)
    return (
        f"{title}: {fields}, both {both} of {len(scores)} exact ({both / count:.0%}); "
        f"invented: {invented} on {without_serial} without a serial"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was read wrongly and the totals."""
    parser = argparse.ArgumentParser(description="Accuracy on labelled photographs of nameplates.")
    parser.add_argument("folder", type=Path, help="images with labels.jsonl")
    parser.add_argument("--reader", help="the reader to use, as `edge read --reader`")
    parser.add_argument("--all", action="store_true", help="also print the images that were read rightly")
    parser.add_argument("--with-patterns", action="store_true", help="also read with product files of each text's form")
    parser.add_argument("--no-peer", action="store_true", help="leave out the rapidocr package with key-word rules")
    asked = parser.parse_args(arguments)
    labels = asked.folder / "labels.jsonl"
    if not labels.is_file():
        print(f"skipped: there is no {labels}; give the folder of the labelled photographs")
        return 0
    wanted = [json.loads(line) for line in labels.read_text(encoding="utf-8").splitlines() if line.strip()]
    answers = read([asked.folder / label["file"] for label in wanted], asked.reader)
    missing = {"error": "no answer"}
    ways = {"generic": [judge(label, answers.get(Path(label["file"]).name, missing)) for label in wanted]}
    if asked.with_patterns:
        ways["with product files"] = read_with_patterns(wanted, asked.folder)
    if not asked.no_peer:
        ways["rapidocr and key-word rules"] = read_by_peer(wanted, asked.folder)
    for place, label in enumerate(wanted):
        first = ways["generic"][place]
        if not asked.all and all(first.right.values()):
            continue
        should = ", ".join(f"{name} {label[name]!r}" for name in FIELDS)
        print(f"{first.file}: printed {should}")
        for title, scores in ways.items():
            marks = " ".join(f"{name} {'right' if scores[place].right[name] else 'WRONG'}" for name in FIELDS)
            print(f"    {title}: {marks}: read {scores[place].said}")
    without = sum(label["serial"] is None for label in wanted)
    for title, scores in ways.items():
        print(totals(title, scores, without))
    times = [a["ms"]["total"] for a in answers.values() if "total" in a.get("ms", {})]
    if times:
        print(f"time: {sorted(times)[len(times) // 2]:.0f} ms median an image")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
