"""How well the gate tells frames that the ocr reader reads from frames that it misreads, against simpler gates.

    python -m bench.gate [--count 8] [--seed 500] [--photographs FOLDER] [--minutes 9]

Draws frames spoilt in one way each and in two (other plates than the gate's curves were fitted on), and spoils the
photographs of a folder (with labels.jsonl) by blur, motion, dark, JPEG, down-scaling, and glare on, beside and between
the lines. All are judged and read; a line of JSON is kept for each below build/gate, so that a run goes on where the
last one was ended by its minutes. Prints: a line for each way (frames by what the gate said and whether all labelled
texts were read), error-versus-discard curves against variance of the Laplacian and plain brightness, and the table
of directions (`bench.gate_conformance`). Texts count as `bench/plates.py` says, wherever in the frame they were read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bench import gate_conformance, gate_curves
from edge.adapters import images
from edge.core.gate import DEFAULT_LIMITS, DEFECT_OF
from edge.readers.ocr import Ocr
from edge.vision import scores
from training.gate.collect import ONE_WAY, READS, TWO_WAYS, bare, frame_of, observed, wanted
from training.gate.spoil import SPOILS, Image, Text
from training.kept import gone_on, kept

WAYS = (*ONE_WAY, *TWO_WAYS)
FOLDER = Path("build/gate")
#: How far a photograph is spoilt, in turn: it should still be read, and it should not.
STRENGTHS = (0.25, 0.6)
#: What spoils no text, and so should be let pass.
BESIDE = ("glare_beside", "glare_between")
#: A photograph is taken down to this many pixels on its longer side first: a station's camera has 2 megapixels.
LONGEST_PX = 1920

Shot = tuple[str, tuple[str, str], Image, Mapping[str, Any]]


def drawn(seed: int, count: int, known: set[str]) -> Iterator[Shot]:
    """Frames drawn and spoilt that are not known yet, a few of each way first."""
    for way, index in wanted(count):
        key = f"{seed + WAYS.index(way)}-{'+'.join(way)}-{index}"
        if key not in known:
            # Other plates for each way: one that is hard to read must not weigh on all of them.
            frame, label, _ = frame_of(seed + WAYS.index(way), way, index)
            yield key, way, frame, label


def photographs(folder: Path, reader: Ocr, known: set[str]) -> Iterator[Shot]:
    """Photographs as they are and spoilt, each once before any twice; glare is put on the line with the model."""
    labels = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    for turn in range(len(SPOILS) + 1):
        for number, label in enumerate(labels):
            way = ("", *SPOILS)[0 if turn == 0 else 1 + (turn + number) % len(SPOILS)]
            strength = max(STRENGTHS) if way in BESIDE else STRENGTHS[number // len(SPOILS) % len(STRENGTHS)]
            key = f"{label['file']}-{way}-{strength if way else 0.0}"
            if key in known or not (label.get("model") or label.get("serial")):
                continue
            frame = _fitting(images.load(folder / label["file"]))
            text = _text(reader, frame, label, read=way == "glare_on") if way else Text(())
            yield key, ("", way), SPOILS[way](frame, text, strength) if text.boxes else frame, label


def collect(path: Path, shots: Iterator[Shot], reader: Ocr, ends: float) -> list[dict[str, Any]]:
    """Read what is not kept yet until the time is up; gives all that is kept."""
    with gone_on(path) as lines:
        for key, way, frame, label in shots:
            lines.write(json.dumps({"key": key, "way": way, **observed(reader, frame, label)}) + "\n")
            lines.flush()
            if time.monotonic() > ends:
                print(f"time is up; run it again to go on ({path})", file=sys.stderr)
                break
    return list(kept(path))


def show(title: str, rows: Sequence[Mapping[str, Any]], ways: Sequence[tuple[str, str]]) -> None:
    """The table by way, and the curves over all."""
    if not rows:
        print(f"\n{title}: no frames")
        return
    print(f"\n{title}: {len(rows)} frames\n{'way':<22} fit,read  fit,misread  unfit,read  unfit,misread  defects")
    for way in ways:
        counts: Counter[tuple[bool, bool]] = Counter()
        defects: Counter[str] = Counter()
        for row in rows:
            if tuple(row["way"]) == way:
                counts[gate_curves.margin(row) >= 0, not gate_curves.wrong(row)] += 1
                defects.update(_defects(row))
        if counts:
            cells = [counts[True, True], counts[True, False], counts[False, True], counts[False, False]]
            name = "+".join(one for one in way if one) or "as they are"
            print(f"{name:<22} {cells[0]:>8}  {cells[1]:>11}  {cells[2]:>10}  {cells[3]:>13}  {dict(defects)}")
    print("\n".join(gate_curves.table(rows)), flush=True)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=8, help="frames for each way")
    parser.add_argument("--seed", type=int, default=500)
    parser.add_argument("--photographs", type=Path, help="folder with labels.jsonl, judged as it is and spoilt")
    parser.add_argument("--minutes", type=float, default=9.0, help="after which no further frame is read")
    args = parser.parse_args()
    ends = time.monotonic() + args.minutes * 60
    reader = Ocr()
    fitted = list(kept(READS))
    if fitted:
        print(f"the {len(fitted)} frames that the curves were fitted on, each half by the curves of the other")
        print("\n".join(gate_curves.crossed(fitted)), flush=True)
    path = FOLDER / f"bench-{args.seed}.jsonl"
    rows = collect(path, drawn(args.seed, args.count, {row["key"] for row in kept(path)}), reader, ends)
    show("drawn", rows, WAYS)
    if args.photographs is not None:
        if not (args.photographs / "labels.jsonl").is_file():
            print(f"{args.photographs} has no labels.jsonl; photographs are skipped")
        else:
            path = FOLDER / "bench-photographs.jsonl"
            shots = photographs(args.photographs, reader, {row["key"] for row in kept(path)})
            rows = [row for row in collect(path, shots, reader, ends) if row["values"]]
            show("photographs", rows, [("", ""), *(("", way) for way in SPOILS)])
    print("\ndirections, text located anew on every frame")
    plates = list(gate_conformance.plates())
    found = gate_conformance.conformance(plates, lambda frame: reader.locate(frame).boxes)
    print("\n".join(gate_conformance.table(found)), flush=True)
    return 0 if all(one.holds for one in found) else 1


def _defects(row: Mapping[str, Any]) -> set[str]:
    if not row["num_lines"]:
        return {"no_plate"}
    return {
        DEFECT_OF[name].value
        for name, least in DEFAULT_LIMITS.min_scores.items()
        if (raw := row["measures"][name]) is not None and scores.score(name, raw) < least
    }


def _fitting(frame: Image) -> Image:
    longest = max(frame.shape[:2])
    if longest <= LONGEST_PX:
        return frame
    size = (round(frame.shape[1] * LONGEST_PX / longest), round(frame.shape[0] * LONGEST_PX / longest))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _text(reader: Ocr, frame: Image, label: Mapping[str, Any], *, read: bool) -> Text:
    """The lines of a photograph, and the one that glare is put on: with the model if it is read, else the longest."""
    boxes = tuple(reader.locate(frame).boxes)
    if not boxes:
        return Text(())
    said = bare(str(label.get("model") or label.get("serial") or ""))
    lines = reader.lines(frame, boxes) if read else ()
    holding = [line.box for line in lines if said and said in bare(line.text)]
    if holding:
        return Text(tuple(line.box for line in lines), [line.box for line in lines].index(holding[0]))
    wide = [float(np.linalg.norm(np.subtract(box[1], box[0]))) for box in boxes]
    return Text(boxes, int(np.argmax(wide)))


if __name__ == "__main__":
    sys.exit(main())
