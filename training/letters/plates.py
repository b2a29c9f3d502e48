"""Weigh what tells a 0 from an O on a whole plate, and add that to the twins' weights.

    python -m training.letters.plates [--pages 1600] [--seed 1] [--judge]

Pages of `training/linking/pages.py` are drawn in faces that `training.letters.twins --half` left out, a third of them
in two faces, and read. Every 0 and O of a code whose text is on the page but for twins is an example; their shares are
the pages'.
`--judge` weighs nothing, and counts what is told wrongly on unseen pages in the faces of `training/linking/drawn.py`.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import cv2
import numpy as np
import torch

from edge.readers.lines import twins
from edge.readers.lines.glyphs import Glyph, Glyphs
from edge.readers.lines.weights import TWINS as WEIGHTS
from edge.readers.ocr import Ocr
from training.letters import faces
from training.linking import drawn
from training.linking.pages import Labelled, printed
from training.small import fonts

_TWO_FACES = 0.35

#: What speaks for an O, whether it is one, and whether the recogniser read one.
Example = tuple[tuple[float, ...], bool, bool]

_opened: dict[str, Any] = {}


def _open(judge: bool) -> None:
    cv2.setNumThreads(1)
    _opened.update(reader=Ocr(threads=1), faces=fonts.faces(drawn.FOLDER) if judge else _faces())


def _faces() -> list[fonts.Face]:
    known = drawn.characters()
    return [fonts.Face(path, faces.characters(path, known), fixed=False) for path in faces.faces("AZaz09")[1::2]]


def _examples(seed: int, judge: bool, number: int) -> list[Example]:
    page, labelled = printed(f"{seed}-{'unseen' if judge else 'seen'}-{number}", unseen=judge)
    dice = Random(f"faces {page.seed}")  # noqa: S311 - repeatable, not secret
    frame = drawn.frame_of(page, _opened["faces"], 2 if not judge and dice.random() < _TWO_FACES else 1)
    reader: Ocr = _opened["reader"]
    _, lines = reader.glyphs(frame, reader.locate(frame).boxes)
    zeros, letters = twins.usual_leaning(lines)
    truth = _codes_of(labelled)
    return [
        (twins.evidence(glyph, zeros, letters), is_letter, glyph.text == "O")
        for line in lines
        for glyph, is_letter in _told(line, truth)
    ]


def _codes_of(page: Labelled) -> dict[str, str]:
    """What is printed, by what twins make of it; codes of which twins make the same are left out."""
    found: dict[str, str] = {}
    for line in page.lines:
        for code in "".join(one if one.isalnum() else " " for one in line.text).split():
            found[_alike(code)] = code if found.get(_alike(code), code) == code else ""
    return found


def _alike(text: str) -> str:
    return "".join(twins.GROUP.get(one, one)[0] for one in text)


def _told(line: Glyphs, truth: dict[str, str]) -> Iterator[tuple[Glyph, bool]]:
    """Each 0 and O of a line's codes, and whether it is an O."""
    asked = set(twins.codes(line))
    for begin, end in twins.runs(line):
        said = "".join(glyph.text for glyph in line[begin:end])
        text = truth.get(_alike(said), "")
        for n, one in enumerate(text if len(text) == end - begin else ""):
            if begin + n in asked and line[begin + n].text in twins.ROUND and one in twins.ROUND:
                yield line[begin + n], one == "O"


def fit(some: Sequence[Example]) -> list[float]:
    """The weights of a logistic regression, held a little towards nothing."""
    seen = torch.tensor([evidence for evidence, _, _ in some])
    is_letter = torch.tensor([float(one) for _, one, _ in some])
    weights = torch.zeros(seen.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        wrong = torch.nn.functional.binary_cross_entropy_with_logits(seen @ weights, is_letter, reduction="sum")
        held = wrong + 0.05 * (weights[1:] ** 2).sum()
        held.backward()  # type: ignore[no-untyped-call]
        return held

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return [round(one, 4) for one in weights.tolist()]


def judged(some: Sequence[Example], weights: Sequence[float]) -> str:
    """What recogniser and plate tell wrongly, in words."""
    told = [sum(a * b for a, b in zip(evidence, weights, strict=True)) > 0 for evidence, _, _ in some]
    rows = [("recogniser", [read for _, _, read in some]), ("on the plate", told)]
    letters = sum(is_letter for _, is_letter, _ in some)
    counts = [
        f"{name} {sum(said and not is_letter for said, (_, is_letter, _) in zip(one, some, strict=True))} zeros and "
        f"{sum(is_letter and not said for said, (_, is_letter, _) in zip(one, some, strict=True))} letters wrongly"
        for name, one in rows
    ]
    return f"{len(some) - letters} zeros, {letters} letters: " + "; ".join(counts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, read, weigh and write; or judge."""
    parser = argparse.ArgumentParser(description="weigh what tells a 0 from an O on a plate")
    parser.add_argument("--pages", type=int, default=1600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--judge", action="store_true")
    args = parser.parse_args(arguments)
    with multiprocessing.get_context("spawn").Pool(args.processes, _open, (args.judge,)) as pool:
        seen = pool.imap(functools.partial(_examples, args.seed, args.judge), range(args.pages), chunksize=4)
        some = [example for page in seen for example in page]
    with np.load(WEIGHTS) as kept:
        weights = {name: kept[name] for name in kept.files}
    if not args.judge:
        weights["plate"] = np.array(fit(some), np.float32)
        np.savez_compressed(WEIGHTS, allow_pickle=False, **weights)
    plate = weights["plate"].tolist()
    print(f"weights {[round(one, 3) for one in plate]}; {judged(some, plate)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
