"""How well the gate tells frames that the ocr reader reads from frames that it misreads.

Draws frames spoilt in one way each (`python -m simulator draw`), judges them with the default limits, reads all of
them, and prints a line for each way. The knots of `edge.vision.scores` come from this table.

    python -m bench.gate [--count N] [--seed K] [--photographs FOLDER]
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from edge.adapters import images
from edge.core.gate import DEFAULT_LIMITS, judge
from edge.readers.ocr import Ocr
from edge.vision import quality

WAYS = ("", "glare", "motion", "defocus", "dark", "bright", "low_contrast", "small", "cut_off", "worn", "scratched")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=16, help="frames for each way")
    parser.add_argument("--seed", default="11")
    parser.add_argument("--photographs", type=Path, help="folder with labels.jsonl, judged too")
    args = parser.parse_args()
    reader = Ocr()
    print(f"{'frames':<14} fit,read  fit,misread  unfit,read  unfit,misread  gate ms  defects")
    for way in WAYS:
        with tempfile.TemporaryDirectory() as folder:
            order = ["--count", str(args.count), "--seed", args.seed, "--materials", "all"]
            spoilt = ["--degrade", way] if way else []
            draw = [sys.executable, "-m", "simulator", "draw", folder, *order, *spoilt]
            subprocess.run(draw, check=True, stdout=subprocess.DEVNULL)
            _show(way or "as they are", Path(folder), reader)
    if args.photographs is not None:
        if not (args.photographs / "labels.jsonl").is_file():
            print(f"{args.photographs} has no labels.jsonl; photographs are skipped")
        else:
            _show("photographs", args.photographs, reader)
    return 0


def _show(name: str, folder: Path, reader: Ocr) -> None:
    """One line: frames counted by what the gate said and whether the labelled texts were read."""
    counts: Counter[tuple[bool, bool]] = Counter()
    defects: Counter[str] = Counter()
    times = []
    for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        label = json.loads(line)
        image = images.load(folder / label["file"])
        located = reader.locate(image)
        started = time.thread_time()
        verdict = judge(quality.measure(image, located.boxes), DEFAULT_LIMITS)
        times.append((time.thread_time() - started) * 1e3)
        text = _bare("".join(line.text for line in reader.lines(image, located.boxes)))
        counts[verdict.fit, all(_said(label, field, text) for field in ("model", "serial"))] += 1
        defects.update(defect.value for defect in verdict.defects)
    cells = [counts[True, True], counts[True, False], counts[False, True], counts[False, False]]
    median = sorted(times)[len(times) // 2]
    print(
        f"{name:<14} {cells[0]:>8}  {cells[1]:>11}  {cells[2]:>10}  {cells[3]:>13}  {median:>7.1f}  {dict(defects)}",
        flush=True,
    )


def _said(label: dict[str, Any], field: str, text: str) -> bool:
    """Whether the text holds the labelled one, or one of the others that count as right."""
    if not label.get(field):
        return True
    return any(_bare(one) in text for one in (label[field], *(label.get(f"{field}_alternatives") or ())))


def _bare(text: str) -> str:
    return re.sub(r"[\s\-_/.,:;]", "", text).casefold()


if __name__ == "__main__":
    sys.exit(main())
