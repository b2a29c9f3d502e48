"""Weigh what tells a 0 from an O on a whole plate, and add that to the twins' weights.

    python -m training.letters.plates [--pages 1100] [--seed 1] [--judge]

Pages of `training/linking/pages.py` are drawn in faces that `training.letters.twins --half` left out, a fifth of them
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
from statistics import median
from typing import Any, NamedTuple
from unittest import mock

import cv2
import numpy as np
import torch

from edge.readers.lines import rounds, twins
from edge.readers.lines.glyphs import Glyph, Glyphs
from edge.readers.lines.weights import TWINS as WEIGHTS
from edge.readers.ocr import Ocr
from training.letters import faces
from training.letters.twins import HALF, alike
from training.linking import drawn
from training.linking.pages import Labelled, printed
from training.small import fonts

_TWO_FACES = 0.2


class Seen(NamedTuple):
    """A 0 or O of a code, whether it is an O, and how zeros of numbers and Os of words lean on its plate."""

    glyph: Glyph
    is_letter: bool
    zeros: list[float]
    letters: list[float]


_opened: dict[str, Any] = {}


def _open(judge: bool) -> None:
    cv2.setNumThreads(1)
    if not judge:
        mock.patch.object(twins, "WEIGHTS", HALF).start()
    _opened.update(reader=Ocr(threads=1), faces=fonts.faces(drawn.FOLDER) if judge else _left_out())


def _left_out() -> list[fonts.Face]:
    return faces.with_characters(faces.faces("AZaz09")[1::2], drawn.characters())


def _examples(seed: int, judge: bool, number: int) -> tuple[list[float], list[float], list[Seen]]:
    page, labelled = printed(f"{seed}-{'unseen' if judge else 'seen'}-{number}", unseen=judge)
    dice = Random(f"faces {page.seed}")  # noqa: S311 - repeatable, not secret
    frame, _ = drawn.frame_of(page, _opened["faces"], 2 if not judge and dice.random() < _TWO_FACES else 1)
    reader: Ocr = _opened["reader"]
    _, lines = reader.glyphs(frame, reader.locate(frame).boxes)
    zeros, letters = rounds.leanings(lines)
    truth = _codes_of(labelled)
    return zeros, letters, [Seen(*told, zeros, letters) for line in lines for told in _told(line, truth)]


def _codes_of(page: Labelled) -> dict[str, str]:
    """What is printed, by what twins make of it; codes of which twins make the same are left out."""
    found: dict[str, str] = {}
    for line in page.lines:
        for code in "".join(one if one.isalnum() else " " for one in line.text).split():
            found[alike(code)] = code if found.get(alike(code), code) == code else ""
    return found


def _told(line: Glyphs, truth: dict[str, str]) -> Iterator[tuple[Glyph, bool]]:
    """Each 0 and O of a line's codes, and whether it is an O."""
    asked = set(twins.codes(line))
    for begin, end in twins.runs(line):
        said = "".join(glyph.text for glyph in line[begin:end])
        text = truth.get(alike(said), "")
        for n, one in enumerate(text if len(text) == end - begin else ""):
            if begin + n in asked and line[begin + n].text in twins.ROUND and one in twins.ROUND:
                yield line[begin + n], one == "O"


def spreads(pages: Sequence[tuple[list[float], list[float]]]) -> rounds.Known:
    """How zeros and Os lean over faces and within them; shape and reading count once."""
    means = [(median(zeros), median(letters)) for zeros, letters in pages if zeros and letters]
    zero, letter = (np.array([pair[at] for pair in means]) for at in (0, 1))
    noise = [
        float(np.mean([(one - median(some)) ** 2 for page in pages if len(some := page[at]) > 2 for one in some]))
        for at in (0, 1)
    ]
    between = np.cov(np.stack([zero, letter]))
    return rounds.Known(
        float(zero.mean()), float(letter.mean()), float(between[0, 0]), float(between[1, 1]), float(between[0, 1]),
        noise[0], noise[1], bias=0.0, shape=1.0, read=1.0,
    )  # fmt: skip


def fit(some: Sequence[Seen], known: rounds.Known) -> rounds.Known:
    """The same with what a bias, shape and reading count: a logistic regression."""
    told = [rounds.evidence(one.glyph, rounds.expected(one.zeros, one.letters, known)) for one in some]
    seen = torch.tensor([(1.0, *one) for one in told])
    is_letter = torch.tensor([float(one.is_letter) for one in some])
    weights = torch.zeros(seen.shape[1], requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        wrong = torch.nn.functional.binary_cross_entropy_with_logits(seen @ weights, is_letter, reduction="sum")
        wrong.backward()  # type: ignore[no-untyped-call]
        return wrong

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    bias, shape, read = weights.tolist()
    return known._replace(bias=bias, shape=shape, read=read)


def judged(some: Sequence[Seen], known: rounds.Known) -> str:
    """What recogniser and plate tell wrongly, in words."""
    told = [known.odds(one.glyph, rounds.expected(one.zeros, one.letters, known)) > 0 for one in some]
    rows = (("recogniser", [one.glyph.text == "O" for one in some]), ("on the plate", told))
    counts = []
    for name, says in rows:
        wrong = [one.is_letter for one, said in zip(some, says, strict=True) if said != one.is_letter]
        counts.append(f"{name} {len(wrong) - sum(wrong)} zeros and {sum(wrong)} letters wrongly")
    letters = sum(one.is_letter for one in some)
    return f"{len(some) - letters} zeros, {letters} letters: {'; '.join(counts)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, read, weigh and write; or judge."""
    parser = argparse.ArgumentParser(description="weigh what tells a 0 from an O on a plate")
    parser.add_argument("--pages", type=int, default=1100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--judge", action="store_true")
    args = parser.parse_args(arguments)
    with multiprocessing.get_context("spawn").Pool(args.processes, _open, (args.judge,)) as pool:
        pages = list(pool.imap(functools.partial(_examples, args.seed, args.judge), range(args.pages), chunksize=4))
    some = [one for _, _, seen in pages for one in seen]
    with np.load(WEIGHTS) as kept:
        weights = {name: kept[name] for name in kept.files}
    if args.judge:
        known = rounds.Known(*weights["rounds"].tolist())
    else:
        known = fit(some, spreads([(zeros, letters) for zeros, letters, _ in pages]))
        weights["rounds"] = np.array(known, np.float32)
        np.savez_compressed(WEIGHTS, allow_pickle=False, **weights)
    print(", ".join(f"{name} {value:.3g}" for name, value in known._asdict().items()))
    print(judged(some, known))
    return 0


if __name__ == "__main__":
    sys.exit(main())
