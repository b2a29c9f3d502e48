"""What a model looks at while it answers: one more pass, over the finished answer.

Promises: decoding is not touched by it, and no pass of a part's reading is slower for it; only rows of the answer are
kept, averaged over heads, so that memory grows with answer x prompt x layers (a 9B model of 40 layers, 64 tokens
on a prompt of 700: 7 MB); `check` is called between layers, where the work may be broken off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from edge.readers.models.passes import Engine, Prompt, Row, first_turn, scored, turn_of
from edge.readers.models.plain import Plain

#: Tokens of an answer that are looked into.
MOST_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Watched:
    """One row for each token of an answer: the distribution that it was chosen from, and what was looked at.

    `weights` (layers, tokens, everything before) are means over heads. Each row sums to 1 over the tokens of the prompt
    and the answer that it may see, and is 0 behind them.
    """

    rows: tuple[Row, ...]
    weights: npt.NDArray[np.float32]


@torch.inference_mode()
def watch(engine: Engine, prompt: Prompt, answer: Sequence[int], check: Callable[[], None]) -> Watched:
    """Look into an answer of a GLM-4V model; the prompt has one question."""
    glm = engine.glm
    pixels = torch.from_numpy(np.ascontiguousarray(prompt.picture[None, ..., ::-1])).to(glm.device)
    check()
    image = glm.see(pixels, glm.grid(pixels.shape[1] // glm.patch_px, pixels.shape[2] // glm.patch_px))
    check()
    turn = turn_of(first_turn(prompt, answer[:-1]), glm.device)
    image_at = torch.arange(prompt.image_at, prompt.image_at + image.shape[1], device=glm.device)[None]
    kept: list[npt.NDArray[np.float32]] = []

    def keep(weights: torch.Tensor) -> None:
        kept.append(weights[0].mean(dim=0).cpu().numpy())
        check()

    cache = glm.cache(1, turn.ids.shape[1])
    logits = glm.read(glm.embed(turn.ids, image, image_at), turn, cache, keep)
    return Watched(_rows(logits[0]), np.stack(kept))


def watch_plain(passes: Plain, answer: Sequence[int], check: Callable[[], None]) -> Watched:
    """Look into an answer of a model of any architecture."""
    check()
    logits, attentions = passes.watched(answer)
    check()
    return Watched(_rows(logits), np.stack([one[0].float().mean(dim=0).cpu().numpy() for one in attentions]))


def _rows(logits: torch.Tensor) -> tuple[Row, ...]:
    found = scored(logits)
    order = np.lexsort((found.ids, -found.logprobs), axis=-1)
    ids = np.take_along_axis(found.ids, order, axis=-1).tolist()
    logprobs = np.take_along_axis(found.logprobs, order, axis=-1).tolist()
    return tuple(Row(ids[n], logprobs[n], found.all_logprobs[n]) for n in range(len(logits)))
