"""Teach a small head Cyrillic letters on what the recogniser's body makes of strips, and write its weights.

    pip install -e '.[demo,vlm]'; python -m training.letters.faces
    python -m training.letters.cyrillic [--lines 24000] [--epochs 8] [--seed 1]

Body and head of the recogniser stay as they are: the new letters' scores stand beside those of its most usual classes,
and are learnt by CTC on lines with Cyrillic words. Lines without any, and those that stand upside down, teach that none
of the new letters is there. Prints what is wrong on other lines in the faces of `training/linking/drawn.py`, if they
are there: characters of lines with Cyrillic words, and how many other lines a Cyrillic letter of theirs would change.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import nn

from edge.readers.lines.cyrillic import ALIKE, CYRILLIC, LETTERS
from edge.readers.lines.head import steps_of, weights_of_head
from edge.readers.lines.recogniser import Recogniser
from edge.readers.lines.weights import CYRILLIC as WEIGHTS
from edge.readers.lines.weights import Tensor
from edge.readers.linking.keys.keywords import distance
from training.letters.cyrillic_lines import Drawn, Source
from training.letters.drawing import cuts_of
from training.linking.drawn import FOLDER as OTHER_FACES
from training.small import fonts

_HIDDEN = 192
_BATCH = 64
_RATE = 3e-3

#: Features of a strip, frames x features, and what it says.
Seen = tuple[Tensor, str | None]


class Letters(nn.Module):
    """Scores of the recogniser's usual classes, as they are, and of the new letters, which are learnt."""

    weights: torch.Tensor
    bias: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        alphabet, weights, bias = weights_of_head()
        classes = steps_of(alphabet)[0]
        self.texts = [*(alphabet[one] for one in classes), *LETTERS]
        self.known = len(classes)
        self.register_buffer("weights", torch.tensor(weights[:, classes]))
        self.register_buffer("bias", torch.tensor(bias[classes]))
        self.hidden = nn.Linear(weights.shape[0], _HIDDEN)
        self.letters = nn.Linear(_HIDDEN, len(LETTERS))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Batch x frames x features to batch x frames x classes."""
        known = features @ self.weights + self.bias
        return torch.cat([known, self.letters(torch.relu(self.hidden(features)))], -1)


def seen(drawn: Sequence[Drawn], recogniser: Recogniser) -> list[Seen]:
    """What the body makes of strips."""
    found: list[Seen] = []
    for start in range(0, len(drawn), _BATCH):
        some = drawn[start : start + _BATCH]
        features = recogniser.features(cuts_of(one.strip for one in some))
        found += [(one, drawn.text) for one, drawn in zip(features, some, strict=True)]
    return found


def _batches(some: Sequence[Seen]) -> Iterator[tuple[torch.Tensor, torch.Tensor, Sequence[str | None]]]:
    """Features of equal length with zeros behind, their lengths, and their texts."""
    for start in range(0, len(some) - _BATCH + 1, _BATCH):
        part = some[start : start + _BATCH]
        lengths = [len(features) for features, _ in part]
        together = torch.zeros(len(part), max(lengths), part[0][0].shape[1])
        for row, (features, _) in enumerate(part):
            together[row, : len(features)] = torch.from_numpy(features)
        yield together, torch.tensor(lengths), [text for _, text in part]


def _loss(model: Letters, features: torch.Tensor, lengths: torch.Tensor, texts: Sequence[str | None]) -> torch.Tensor:
    numbers = {text: number for number, text in enumerate(model.texts)}
    scores = model(features).log_softmax(-1)
    said = [n for n, text in enumerate(texts) if text is not None]
    none = [n for n, text in enumerate(texts) if text is None]
    loss = ctc(scores, lengths, said, [known_of(spelt(texts[n] or ""), numbers) for n in said])
    if none:
        inside = torch.arange(scores.shape[1])[None] < lengths[none][:, None]
        loss = loss - scores[none][..., : model.known].logsumexp(-1)[inside].mean()
    return loss


def ctc(
    scores: torch.Tensor, lengths: torch.Tensor, which: Sequence[int], targets: Sequence[Sequence[int]]
) -> torch.Tensor:
    """The CTC loss of some lines of a batch, from log probabilities, batch x frames x classes."""
    return nn.functional.ctc_loss(
        scores[which].transpose(0, 1),
        torch.tensor([one for target in targets for one in target]),
        lengths[which],
        torch.tensor([len(target) for target in targets]),
        zero_infinity=True,
    )


def known_of(text: str, numbers: Mapping[str, int]) -> list[int]:
    """The numbers of those characters of a text that have one."""
    return [numbers[one] for one in text if one in numbers]


#: Letters that nobody tells apart in print; beside Cyrillic words Latin letters are taken for those they look like.
_SPELT = str.maketrans({"ё": "е", "Ё": "Е"} | {latin: one for one, latin in ALIKE.items() if latin != "3"})  # noqa: RUF001


def spelt(text: str) -> str:
    """A text in the letters that are learnt."""
    return text.translate(_SPELT)


def fit(some: list[Seen], epochs: int, seed: int) -> Letters:
    """Learn from what was seen."""
    torch.manual_seed(seed)
    model = Letters()
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=1e-4)
    steps = epochs * (len(some) // _BATCH)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=_RATE, total_steps=steps)
    for epoch in range(epochs):
        Random(seed + epoch).shuffle(some)  # noqa: S311 - repeatable, not secret
        total = 0.0
        for features, lengths, texts in _batches(some):
            loss = _loss(model, features, lengths, texts)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rates.step()
            total += loss.item()
        print(f"epoch {epoch + 1} of {epochs}: loss {total * _BATCH / len(some):.3f}", flush=True)
    return model


def judged(model: Letters, some: Sequence[Seen]) -> str:
    """What is read wrongly, in words."""
    wrong = characters = exact = lines = others = 0
    for features, text in some:
        with torch.no_grad():
            read = _decoded(model, features)
        if text is None:
            others += any(letter in CYRILLIC for letter in read)
            continue
        printed = spelt(text).replace(" ", "")
        lines, characters = lines + 1, characters + len(printed)
        off = distance(read.replace(" ", ""), printed, len(printed))
        wrong, exact = wrong + off, exact + (off == 0)
    without = len(some) - lines
    return (
        f"{wrong / characters:.1%} of {characters} characters wrong, {exact} of {lines} lines exact; "
        f"a letter in {others} of {without} lines that have none"
    )


def _decoded(model: Letters, features: Tensor) -> str:
    classes = model(torch.from_numpy(features)[None])[0].argmax(-1).tolist()
    return "".join(model.texts[number] for number, _ in groupby(classes))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, learn, judge, write."""
    parser = argparse.ArgumentParser(description="teach the recogniser Cyrillic letters")
    parser.add_argument("--lines", type=int, default=24_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(arguments)
    source, recogniser = Source(), Recogniser(threads=2)
    recogniser.warm()
    model = fit(seen(source.lines(args.seed, args.lines), recogniser), args.epochs, args.seed)
    if (OTHER_FACES / "faces.json").is_file():
        among: list[Path] = [face.path for face in fonts.faces(OTHER_FACES) if face.can(CYRILLIC)]
        print(judged(model, seen(source.lines(args.seed + 1, 2000, among), recogniser)))
    learnt = [(name.replace(".", "_"), one.detach().numpy()) for name, one in model.named_parameters()]
    np.savez_compressed(WEIGHTS, allow_pickle=False, **{name: one.astype(np.float16) for name, one in learnt})
    print(f"{WEIGHTS}: {WEIGHTS.stat().st_size / 1e3:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
