"""Teach what looks alike in codes apart, on what the recogniser's body makes of strips, and write the weights.

    pip install -e '.[demo,vlm]'; python -m training.letters.faces
    python -m training.letters.twins --half --lines 20000; python -m training.letters.plates
    python -m training.letters.twins [--lines 40000] [--epochs 15] [--seed 1]

`--half` learns in every second face only and writes `build/letters/half.npz`: plates are weighed in the others.

Lines are codes of letters and figures, twins (`edge/readers/lines/twins.py`) more often than others and each as likely
as the other. Where the recogniser reads a line but for twins, each character with twins is an example. Prints how often
recogniser and twins are right on lines in the faces of `training/linking/drawn.py`, if they are there.
"""

from __future__ import annotations

import argparse
import string
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import nn

from edge.readers.lines.head import Head
from edge.readers.lines.recogniser import Recogniser, decode
from edge.readers.lines.twins import CLASSES, GROUP, windows
from edge.readers.lines.weights import TWINS as WEIGHTS
from edge.readers.lines.weights import Tensor
from training.letters import faces
from training.letters.cyrillic_lines import LATIN_WORDS
from training.letters.drawing import Pixels, cuts_of, strip_of
from training.linking.drawn import FOLDER as OTHER_FACES
from training.small import fonts

#: What was learnt in every second face only.
HALF = faces.FOLDER / "half.npz"
_HIDDEN = 96
_BATCH = 512
_STRIPS = 256
_RATE = 2e-3
_CODES = string.ascii_uppercase + string.digits * 2
#: What a part of a code is made of, and how often.
_PARTS = (
    (35, _CODES),
    (25, "0O1I5S8B2Z0O1I6G" + string.ascii_uppercase + string.digits),
    (15, string.digits + "OI"),
    (12, string.ascii_uppercase),
    (6, string.ascii_letters + string.digits * 3),
    (7, string.digits),
)


@dataclass(frozen=True, slots=True)
class Examples:
    """Characters that have twins: what the body made of each, what was printed, and what the recogniser said."""

    seen: Tensor
    printed: list[str]
    read: list[str]


def code(dice: Random) -> str:
    """A code, now and then with a word before it."""
    kinds, shares = [kind for _, kind in _PARTS], [share for share, _ in _PARTS]
    parts = [
        "".join(dice.choice(kind) for _ in range(dice.randint(2, 9)))
        for kind in dice.choices(kinds, shares, k=dice.choice((1, 1, 1, 2, 2, 3)))
    ]
    text = dice.choice("- /.").join(parts)
    return f"{dice.choice(LATIN_WORDS)}{dice.choice((' ', ': ', ''))}{text}" if dice.random() < 0.15 else text


def examples(seed: int, count: int, among: Sequence[Path], recogniser: Recogniser) -> Examples:
    """What is seen of so many lines."""
    dice, head = Random(seed), Head(threads=1)  # noqa: S311 - repeatable, not secret
    seen: list[Tensor] = []
    printed, read = "", ""
    for start in range(0, count, _STRIPS):
        drawn = list(_drawn(dice, min(_STRIPS, count - start), among))
        features = recogniser.features(cuts_of(strip for _, strip in drawn))
        for (text, _), one in zip(drawn, features, strict=True):
            glyphs = [glyph for glyph in decode(head.frames(0, one)[0]) if glyph.text.strip()]
            letters = text.replace(" ", "")
            if alike("".join(glyph.text for glyph in glyphs)) != alike(letters) or len(glyphs) != len(letters):
                continue
            asked = [n for n, glyph in enumerate(glyphs) if glyph.text in GROUP]
            if asked:
                seen.append(windows([glyphs[n] for n in asked], one))
                printed += "".join(letters[n] for n in asked)
                read += "".join(glyphs[n].text for n in asked)
    return Examples(np.concatenate(seen), list(printed), list(read))


def _drawn(dice: Random, count: int, among: Sequence[Path]) -> Iterator[tuple[str, Pixels]]:
    while count:
        text = code(dice)
        strip = strip_of(dice, text, dice.choice(among))
        if strip is not None:
            count -= 1
            yield text, strip


def alike(text: str) -> str:
    """A text with every twin as one of its group: equal for texts that differ in twins only."""
    return "".join(GROUP.get(one, one)[0] for one in text)


def fit(some: Examples, epochs: int, seed: int) -> dict[str, Tensor]:
    """Learn from examples; weights for inputs as they are."""
    torch.manual_seed(seed)
    mean, spread = some.seen.mean(0), some.seen.std(0) + 1e-3
    inputs = torch.from_numpy((some.seen - mean) / spread)
    targets = torch.tensor([CLASSES.index(one) for one in some.printed])
    hidden, classes = nn.Linear(inputs.shape[1], _HIDDEN), nn.Linear(_HIDDEN, len(CLASSES))
    model = nn.Sequential(nn.Dropout(0.1), hidden, nn.ReLU(), nn.Dropout(0.2), classes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=1e-3)
    steps = len(inputs) // _BATCH
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_RATE, total_steps=epochs * steps)
    for epoch in range(epochs):
        order, total = torch.randperm(len(inputs)), 0.0
        for start in range(0, steps * _BATCH, _BATCH):
            some_of = order[start : start + _BATCH]
            loss = nn.functional.cross_entropy(model(inputs[some_of]), targets[some_of])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rates.step()
            total += loss.item()
        print(f"epoch {epoch + 1} of {epochs}: loss {total / steps:.4f}", flush=True)
    learnt = {
        f"{name}_{kind}": getattr(layer, kind).detach().numpy()
        for name, layer in (("hidden", hidden), ("classes", classes))
        for kind in ("weight", "bias")
    }
    learnt["hidden_weight"] = learnt["hidden_weight"] / spread
    learnt["hidden_bias"] = learnt["hidden_bias"] - learnt["hidden_weight"] @ mean
    return learnt


def judged(learnt: dict[str, Tensor], some: Examples) -> str:
    """How often recogniser and twins are right, in words, and what is taken for what."""
    hidden = np.maximum(some.seen @ learnt["hidden_weight"].T + learnt["hidden_bias"], 0)
    scores = hidden @ learnt["classes_weight"].T + learnt["classes_bias"]
    told = [
        max(GROUP[read], key=lambda one, row=row: float(row[CLASSES.index(one)]))  # type: ignore[misc]
        for read, row in zip(some.read, scores, strict=True)
    ]
    before, after = (
        sum(one != printed for one, printed in zip(said, some.printed, strict=True)) for said in (some.read, told)
    )
    wrong = Counter(f"{was} as {one}" for one, was in zip(told, some.printed, strict=True) if one != was)
    most = ", ".join(f"{pair} {count}" for pair, count in wrong.most_common(8))
    return f"of {len(told)} twins {before} were read wrongly, {after} are told wrongly: {most}"


def _weighed() -> Tensor:
    """What `training/letters/plates.py` weighed last; before that, faces that all are alike."""
    if WEIGHTS.is_file():
        with np.load(WEIGHTS) as kept:
            return np.asarray(kept["rounds"], np.float32)
    return np.array((-10, 5, 9, 9, 0, 9, 9, 0, 1, 1), np.float32)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, learn, write, judge."""
    parser = argparse.ArgumentParser(description="teach twins apart")
    parser.add_argument("--lines", type=int, default=40_000)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--half", action="store_true")
    args = parser.parse_args(arguments)
    recogniser = Recogniser(threads=2)
    recogniser.warm()
    letters = string.ascii_letters + string.digits
    among = faces.faces(letters)[:: 2 if args.half else 1]
    learnt = fit(examples(args.seed, args.lines, among, recogniser), args.epochs, args.seed)
    out = HALF if args.half else WEIGHTS
    halved = {name: one.astype(np.float16) for name, one in learnt.items()}
    np.savez_compressed(out, allow_pickle=False, rounds=_weighed(), **halved)
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")
    if (OTHER_FACES / "faces.json").is_file():
        among = [face.path for face in fonts.faces(OTHER_FACES) if face.can(letters)]
        print(judged(learnt, examples(args.seed + 1, 4000, among, recogniser)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
