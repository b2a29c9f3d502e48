"""Teach the recogniser's body what plates say, on made-up pages, and write what is added to its weights.

    python -m training.letters.faces
    python -m training.letters.body [--seconds 310] [--seed 13] [--processes 2]       (a GPU, or days)
    python training/ranges.py --only recogniser
    python -m training.letters.twins --half --lines 20000; python -m training.letters.plates
    python -m training.letters.twins; python -m training.letters.cyrillic

The last three lines measure and learn anew what rests on the body. The head stays as it is. Characters are learnt by
CTC, those of Cyrillic words with a head of their own. Everything else - spoilt lines, those upside down, Chinese and
Japanese ones - is to be read as before: scores are held to the old body's, and those of lines that are learnt as well.
Held a twentieth as much, 26 of 31 photographs of plates were right instead of 28: it forgot what no face looks like.
Prints what is wrong before and after in the faces of `training/linking/drawn.py`, if they are there.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import openvino as ov
import torch
from torch import nn

from edge.readers.lines.body import packed
from edge.readers.lines.cyrillic import CYRILLIC
from edge.readers.lines.head import steps_of, weights_of_head
from edge.readers.lines.recogniser import shaped
from edge.readers.lines.weights import BODY, RECOGNISER, weight_file
from training.letters import faces
from training.letters.cyrillic import Letters, ctc, known_of, spelt
from training.letters.cyrillic_lines import Source
from training.letters.graph import Body
from training.letters.page_strips import Line, lines_of
from training.linking import drawn
from training.small import fonts

#: Pixels along the strips of a batch together.
_BATCH_PX = 24_000
#: Of what is learnt so much is added to the weights: of 836 texts of spoilt photographs 772 are held without any, 774
#: with half, 758 with all of it (decision 43).
_SHARE = 0.5
_RATE = 3e-4
_WARM_STEPS = 100
#: Batches stay, to be learnt from again under another light.
_KEPT_BATCHES = 400
_MOST_PAGES = 1_000_000
_JUDGED_PAGES = 150
_BEYOND_LATIN = 0x400

Batch = tuple[torch.Tensor, list[str | None]]


class Taught(nn.Module):
    """The body that learns, the old one, the head's usual classes, and a head for Cyrillic letters."""

    weights: torch.Tensor
    bias: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        model = shaped(ov.Core().read_model(weight_file(RECOGNISER)))
        self.body, self.old = Body(model), Body(model).requires_grad_(False)
        alphabet, weights, bias = weights_of_head()
        classes = steps_of(alphabet)[-1]
        self.texts = [alphabet[one] for one in classes]
        self.numbers = {text: at for at, text in enumerate(self.texts)}
        self.register_buffer("weights", torch.tensor(weights[:, classes]))
        self.register_buffer("bias", torch.tensor(bias[classes]))
        self.letters = Letters()

    def added(self) -> dict[str, torch.Tensor]:
        """What is to be added to each weight, by its name in the graph."""
        old = self.old.weights()
        return {name: _SHARE * (one - old[name]).detach() for name, one in self.body.weights().items()}

    def loss(self, strips: torch.Tensor, texts: Sequence[str | None]) -> torch.Tensor:
        """What a batch costs: CTC of what it says, and how far from the old scores it is."""
        features = self.body(strips)
        scores = self.scores(features)
        latin = [n for n, text in enumerate(texts) if self.is_latin(text)]
        cyrillic = [n for n, text in enumerate(texts) if text and any(one in CYRILLIC for one in text)]
        none = [n for n in range(len(texts)) if n not in cyrillic]
        mixed = self.letters(features).log_softmax(-1)
        numbers = {text: at for at, text in enumerate(self.letters.texts)}
        loss: torch.Tensor = (
            self._off(strips, scores)
            + _share_of(scores, latin, [known_of(texts[n] or "", self.numbers) for n in latin])
            + _share_of(mixed, cyrillic, [known_of(spelt(texts[n] or ""), numbers) for n in cyrillic])
            - mixed[none][..., : self.letters.known].logsumexp(-1).sum() / mixed[..., 0].numel()
        )
        return loss

    def scores(self, features: torch.Tensor) -> torch.Tensor:
        """Log probabilities of the usual classes, batch x frames x classes."""
        return (features @ self.weights + self.bias).log_softmax(-1)

    def is_latin(self, text: str | None) -> bool:
        """Whether a line is there to be learnt by the head."""
        return text is not None and all(one in self.numbers and ord(one) < _BEYOND_LATIN for one in text)

    def _off(self, strips: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """How far the scores are from the old ones."""
        with torch.no_grad():
            old = self.scores(self.old(strips))
        return torch.mean((old.exp() * (old - scores)).sum(-1))


def _share_of(scores: torch.Tensor, which: list[int], targets: list[list[int]]) -> torch.Tensor:
    """The CTC loss of some lines of a batch, as a share of the whole batch's."""
    if not which:
        return scores.new_zeros(())
    lengths = torch.full((len(scores),), scores.shape[1])
    return ctc(scores, lengths, which, targets) * (len(which) / len(scores))


_opened: dict[str, Any] = {}


def _open() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    _opened.update(faces=faces.with_characters(faces.faces("AZaz09"), drawn.characters()), source=Source(), han=han())


def _lines(seed: int, number: int) -> list[Line]:
    return lines_of(f"{seed}-body-{number}", _opened["faces"], _opened["source"], _opened["han"])


def han() -> str:
    """The usual characters that Chinese and Japanese are written with, those that all faces for them have."""
    alphabet, _, _ = weights_of_head()
    usual = [alphabet[one] for one in steps_of(alphabet)[-1]]
    among = faces.files(faces.HAN_FACES)
    return "".join(one for one in usual if "\u3040" <= one <= "\u9fff" and all(faces.has(path, one) for path in among))


def batches(lines: Iterator[Line], size_px: int = _BATCH_PX) -> Iterator[Batch]:
    """Strips of one width each, batch x 3 x 32 x width, and what they say."""
    waiting: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        some = waiting[line.strip.shape[1]]
        some.append(line)
        if len(some) * line.strip.shape[1] >= size_px:
            yield _stacked(some)
            some.clear()
    yield from (_stacked(some) for some in waiting.values() if some)


def _stacked(some: Sequence[Line]) -> Batch:
    return torch.from_numpy(np.stack([one.strip for one in some])).permute(0, 3, 1, 2), [one.text for one in some]


def lit(strips: torch.Tensor) -> torch.Tensor:
    """Strips, uint8, as the network takes them: each under another light, with noise of its own, some blurred."""

    def dice(low: float, high: float) -> torch.Tensor:
        return torch.empty((len(strips), 1, 1, 1), device=strips.device).uniform_(low, high)

    x = (strips.float() / 127.5 - 1) * dice(0.6, 1.15) + dice(-0.25, 0.25)
    soft = nn.functional.avg_pool2d(nn.functional.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = torch.lerp(x, soft, dice(-0.4, 0.7).clamp(min=0))
    x = x + torch.randn(len(x), 1, *x.shape[2:], device=x.device) * dice(-0.03, 0.06).clamp(min=0)
    return torch.where(dice(0, 1) < 0.1, -x, x).clamp(-1, 1)


def fit(model: Taught, some: Iterator[Batch], seconds: float, again: int) -> None:
    """Learn from batches until time is up."""
    device = model.weights.device
    optimizer = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=_RATE, weight_decay=1e-4)
    dice, kept = Random(1), []  # noqa: S311 - repeatable, not secret
    begun, total, steps = 0.0, 0.0, 0
    for batch in some:
        begun = begun or time.monotonic()
        kept.append((batch[0].to(device), batch[1]))
        if len(kept) > _KEPT_BATCHES:
            kept.pop(dice.randrange(_KEPT_BATCHES // 2))
        for strips, texts in (kept[-1], *(dice.choice(kept) for _ in range(again))):
            left = max(0.0, 1.02 - (time.monotonic() - begun) / seconds)
            for group in optimizer.param_groups:
                group["lr"] = _RATE * min(1.0, (steps + 1) / _WARM_STEPS, left)
            loss = model.loss(lit(strips), texts)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.body.parameters(), 1.0)
            optimizer.step()
            total, steps = total + loss.item(), steps + 1
            if steps % 100 == 0:
                print(f"{time.monotonic() - begun:.0f} s, {steps} steps: loss {total / 100:.4f}", flush=True)
                total = 0.0
        if time.monotonic() - begun > seconds:
            return


def judged(model: Taught, body: Body, some: Sequence[Line]) -> str:
    """How many lines are read exactly, in words; those that are to be read as before do not count."""
    lines = exact = without_blanks = 0
    for strips, said in batches(iter(some), _BATCH_PX // 8):
        with torch.no_grad():
            scores = model.scores(body(strips.to(model.weights.device).float() / 127.5 - 1))
        for row, text in zip(scores.argmax(-1).tolist(), said, strict=True):
            if text is not None and model.is_latin(text):
                read = "".join(model.texts[number] for number, _ in groupby(row)).strip()
                lines, exact = lines + 1, exact + (read == text)
                without_blanks += read.replace(" ", "") == text.replace(" ", "")
    return f"of {lines} lines {lines - exact} are not exact, {lines - without_blanks} in more than blanks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw, learn, judge, write."""
    parser = argparse.ArgumentParser(description="teach the recogniser's body what plates say")
    parser.add_argument("--seconds", type=float, default=310)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--again", type=int, default=1, help="old batches to learn from with each new one")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path, default=BODY)
    args = parser.parse_args(arguments)
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    model = Taught().to("cuda" if torch.cuda.is_available() else "cpu")
    with multiprocessing.get_context("spawn").Pool(args.processes, _open) as pool:
        pages = pool.imap_unordered(functools.partial(_lines, args.seed), range(_MOST_PAGES), chunksize=2)
        fit(model, batches(line for page in pages for line in page), args.seconds, args.again)
        pool.terminate()
    added = {name: one.cpu().numpy() for name, one in model.added().items()}
    np.savez_compressed(args.out, allow_pickle=False, **packed(added))
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")
    if (drawn.FOLDER / "faces.json").is_file():
        others, source, signs = list(fonts.faces(drawn.FOLDER)), Source(), han()
        some = [line for n in range(_JUDGED_PAGES) for line in lines_of(f"{n}-judged", others, source, signs)]
        print(f"before: {judged(model, model.old, some)}; after, all of it: {judged(model, model.body, some)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
