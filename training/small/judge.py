"""Judge a model on plates drawn by the simulator, whose typefaces, layouts and wording no training has seen.

    python -m training.small.judge prepare [--plates 300] [--degraded 100]
    python -m training.small.judge FOLDER [--device cuda] [--sheets build/judge.npz]

A field counts where the answer is exactly what is printed, or `none` where nothing is; each is asked with the OCR text
as hint, without, and with a hint in which one character of the very field is changed for a like one: it must answer
what the pixels say. Greedy decoding gives the right answer exactly if every token of it is the model's best behind the
ones before, so one pass judges all fields of a sheet.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from training.small import words

SHEETS = Path("build/judge.npz")
QUESTIONS = {
    "model": "What is the model or type? Answer with its text only.",
    "serial": "What is the serial number? Digits and letters only.",
}
#: What must be reached, by the kind of hint.
TARGETS = {"right": 0.97, "none": 0.90, "wrong": 0.95}
_SEED = 50061


@dataclass(frozen=True, slots=True)
class Judged:
    """One sheet (BGR), what OCR read, what is printed, and whether the frame was spoilt."""

    image: npt.NDArray[np.uint8]
    lines: tuple[str, ...]
    fields: Mapping[str, str]
    spoilt: bool


def prepare(plates: int, degraded: int, path: Path) -> int:
    """Draw frames, read them with the ocr reader, and keep their sheets; gives the size of the file."""
    from edge.readers.ocr import Ocr  # noqa: PLC0415 - the GPU machine has no OpenVINO
    from edge.vision import sheet  # noqa: PLC0415
    from simulator.drawing import Order, frames  # noqa: PLC0415 - nor the simulator's needs

    ocr = Ocr(threads=2)
    pictures: dict[str, Any] = {}
    told: list[dict[str, Any]] = []
    usual = Order(seed=_SEED, without_serial=0.06)
    spoilt = Order(
        seed=_SEED + 1, degradations=("low_contrast", "defocus", "motion", "glare", "dark", "lean", "tilt", "small")
    )
    for order, count in ((usual, plates), (spoilt, degraded)):
        for drawn in frames(order, count):
            lines = ocr.lines(drawn.frame, ocr.locate(drawn.frame).boxes)
            if not lines:
                continue
            packed = sheet.pack(sheet.strips(drawn.frame, [one.box for one in lines]), sheet.thumbnail(drawn.frame))
            # Lossless would be 40 MB; at this quality a pixel is off by 1 or 2 of 255.
            options = [cv2.IMWRITE_JPEG_QUALITY, 97, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
            pictures[f"sheet{len(told)}"] = cv2.imencode(".jpg", packed.image, options)[1]
            fields = {name: drawn.label[name] or "none" for name in QUESTIONS}
            told.append({"lines": [one.text for one in lines], "fields": fields, "spoilt": order is spoilt})
    path.parent.mkdir(parents=True, exist_ok=True)
    label = np.frombuffer(json.dumps(told, ensure_ascii=False).encode(), np.uint8)
    np.savez(path, told=label, **pictures)
    return path.stat().st_size


def load(path: Path = SHEETS) -> list[Judged]:
    """The sheets that `prepare` kept."""
    with np.load(path) as kept:
        told = json.loads(kept["told"].tobytes().decode())
        images = [np.asarray(cv2.imdecode(kept[f"sheet{n}"], cv2.IMREAD_COLOR), np.uint8) for n in range(len(told))]
    return [
        Judged(image, tuple(one["lines"]), one["fields"], one["spoilt"])
        for image, one in zip(images, told, strict=True)
    ]


def wrong_hint(number: int, one: Judged) -> tuple[list[str], set[str]]:
    """The OCR text with one character of each field changed for a like one, and the fields where that was possible."""
    dice = Random(number)  # noqa: S311 - repeatable, nothing secret
    lines, changed = list(one.lines), set()
    for name, printed in one.fields.items():
        places = [n for n, line in enumerate(lines) if printed in line]
        wrong = words.taken_for(dice, printed)
        if printed != "none" and places and wrong != printed:
            lines[places[0]] = lines[places[0]].replace(printed, wrong)
            changed.add(name)
    return lines, changed


def judge(net: Any, maker: Any, sheets: Sequence[Judged], *, device: str = "cpu", batch: int = 64) -> dict[str, Any]:
    """Exact share by kind of hint, of usual and of spoilt frames; `net` is a `model.Net`, `maker` a `plates.Maker`."""
    counts: dict[str, list[int]] = {}
    misses: list[str] = []
    by_height: dict[int, list[int]] = {}
    for number, one in enumerate(sheets):
        by_height.setdefault(one.image.shape[0] // 28, []).append(number)
    for numbers in by_height.values():
        for start in range(0, len(numbers), batch):
            some = numbers[start : start + batch]
            for kind in TARGETS:
                hints = [_hint(kind, number, sheets[number]) for number in some]
                asked = [[(QUESTIONS[name], sheets[n].fields[name]) for name in QUESTIONS] for n in some]
                right = _right(net, maker, [sheets[n].image for n in some], [h for h, _ in hints], asked, device=device)
                for number, (_, counted), verdicts in zip(some, hints, right, strict=True):
                    for name, verdict in zip(QUESTIONS, verdicts, strict=True):
                        if name not in counted:
                            continue
                        key = kind + (" spoilt" if sheets[number].spoilt else "")
                        tally = counts.setdefault(key, [0, 0])
                        tally[0] += verdict
                        tally[1] += 1
                        if not verdict and not sheets[number].spoilt and kind == "none":
                            misses.append(f"{number} {name} {sheets[number].fields[name]}")
    return {**{key: tally[0] / tally[1] for key, tally in sorted(counts.items())}, "misses": misses}


def _hint(kind: str, number: int, one: Judged) -> tuple[list[str], set[str]]:
    if kind == "wrong":
        return wrong_hint(number, one)
    return (list(one.lines) if kind == "right" else []), set(one.fields)


def _right(
    net: Any,
    maker: Any,
    images: Sequence[npt.NDArray[np.uint8]],
    hints: Sequence[Sequence[str]],
    asked: Sequence[Sequence[tuple[str, str]]],
    *,
    device: str,
) -> list[list[bool]]:
    """Whether each answer is what the model would say, greedily."""
    import torch  # noqa: PLC0415 - `prepare` runs without it

    from training.small import tokens  # noqa: PLC0415
    from training.small.plates import padded  # noqa: PLC0415

    rows = images[0].shape[0] // 28
    texts = padded([maker.sample(rows, hint, some) for hint, some in zip(hints, asked, strict=True)], maker.end)
    pixels = torch.from_numpy(np.stack(images)[..., ::-1].copy()).to(device).permute(0, 3, 1, 2).float() / 255
    pixels = (pixels - tokens.IMAGE_MEAN) / tokens.IMAGE_STD
    ids, positions, branch, labels = (
        torch.from_numpy(one.astype(np.int64)).to(device)
        for one in (texts.ids, texts.positions, texts.branch, texts.labels)
    )
    with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
        states = net.write(ids, net.see(pixels)[1], positions, branch)
        best = net.speak(states).argmax(-1)
    good = ((best == labels) | (labels < 0)).cpu().numpy()
    return [
        [bool(good[n][texts.branch[n] == k].all()) for k in range(1, len(some) + 1)] for n, some in enumerate(asked)
    ]


def shown(found: Mapping[str, Any]) -> str:
    """The verdict in one line."""
    parts = []
    for key, share in found.items():
        if key != "misses":
            target = f" (target {TARGETS[key]:.0%})" if key in TARGETS else ""
            parts.append(f"hint {key} {share:.1%}{target}")
    return ", ".join(parts)


def main(arguments: Iterable[str] | None = None) -> int:
    """Prepare sheets, or judge a folder; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description="Judge a model on drawn plates that no training has seen.")
    parser.add_argument("folder", help="the model's folder, or `prepare`")
    parser.add_argument("--plates", type=int, default=300)
    parser.add_argument("--degraded", type=int, default=100)
    parser.add_argument("--sheets", type=Path, default=SHEETS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--misses", action="store_true", help="list what was missed without a hint")
    given = parser.parse_args(None if arguments is None else list(arguments))
    if given.folder == "prepare":
        size = prepare(given.plates, given.degraded, given.sheets)
        print(f"{given.sheets}: {size / 1e6:.1f} MB")
        return 0
    from training.small.files import opened  # noqa: PLC0415 - `prepare` runs without torch

    net, maker = opened(Path(given.folder), given.device)
    found = judge(net, maker, load(given.sheets), device=given.device, batch=64 if given.device != "cpu" else 8)
    print(shown(found))
    if given.misses:
        print("\n".join(found["misses"]))
    return int(any(found[kind] < target for kind, target in TARGETS.items()))


if __name__ == "__main__":
    sys.exit(main())
