"""Passes over any image-and-text model of `transformers`, through its own forward pass.

The way for architectures that `glm.py` does not know: the prompt is taken in once, then every question goes on from a
copy of that cache, its draft verified in one pass a question. Slower than a packed pass, and the same answers.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from edge.readers.models.passes import Prompt, Row, scored
from edge.readers.reader import Image


class Plain:
    """The passes of one plate on a model of any architecture; a branch is a question."""

    def __init__(self, model: Any, processor: Any, prompt: Prompt) -> None:
        self._model = model
        self._names = frozenset(inspect.signature(model.forward).parameters)
        self._kept = "cache" if "cache" in self._names else "past_key_values"
        self._questions = prompt.questions
        self._caches = [None] * len(prompt.questions)
        self._prefix = self._take_in(processor, prompt)
        self.passes = 0

    @torch.inference_mode()
    def extend(self, tokens: Sequence[Sequence[int]]) -> list[list[Row]]:
        """Append tokens to each branch; see `decode.Passes`."""
        self.passes += 1
        rows: list[list[Row]] = []
        for number, new in enumerate(tokens):
            first = self._caches[number] is None
            if first:
                self._caches[number] = copy.deepcopy(self._prefix)
            ids = [*self._questions[number], *new] if first else [*new]
            if not ids:
                rows.append([])
                continue
            logits = self._forward(ids, self._caches[number])[-len(new) - first :]
            found = scored(logits)
            rows.append([Row(found.ids[n], found.logprobs[n], found.all_logprobs[n]) for n in range(len(logits))])
        return rows

    def forget(self, branch: int, count: int) -> None:
        """Drop the last tokens of a branch."""
        cache: Any = self._caches[branch]
        if count:
            cache.crop(-count)

    @torch.inference_mode()
    def watched(self, answer: Sequence[int]) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        """Scores (tokens, words) of a finished answer to the first question, and what each layer attended to.

        Only the answer's own rows go through the slower attention that tells its weights: (1, heads, tokens, all).
        """
        cache = copy.deepcopy(self._prefix)
        *before, last = self._questions[0]
        if before:
            self._forward(before, cache)
        usual = self._model.config._attn_implementation  # noqa: SLF001 - transformers tells it nowhere else
        self._model.set_attn_implementation("eager")
        try:
            given = {"input_ids": torch.tensor([[last, *answer[:-1]]], device=self._model.device), self._kept: cache}
            out = self._model(**given, use_cache=True, output_attentions=True)
        finally:
            self._model.set_attn_implementation(usual)
        return torch.as_tensor(out.logits[0]), out.attentions

    def _forward(self, ids: Sequence[int], cache: Any) -> torch.Tensor:
        given: dict[str, Any] = {"input_ids": torch.tensor([ids], device=self._model.device), self._kept: cache}
        return torch.as_tensor(self._model(**given, use_cache=True).logits[0])

    @torch.inference_mode()
    def _take_in(self, processor: Any, prompt: Prompt) -> Any:
        ids = torch.tensor([prompt.prefix], device=self._model.device)
        given = {"input_ids": ids, **seen(self._model, processor, prompt.picture)}
        if "mm_token_type_ids" in self._names:
            given["mm_token_type_ids"] = (ids == image_token(self._model.config)).long()
        out = self._model(**given, use_cache=True)
        return getattr(out, self._kept, None) or out.past_key_values


def image_token(config: Any) -> int:
    """The token that stands for a piece of the picture; architectures name it in two ways."""
    found = getattr(config, "image_token_id", None)
    return int(found if found is not None else config.image_token_index)


def seen(model: Any, processor: Any, picture: Image) -> dict[str, Any]:
    """A picture as the model's own image processor prepares it."""
    made = processor(images=[np.ascontiguousarray(picture[..., ::-1])], return_tensors="pt")
    wanted = frozenset(inspect.signature(model.forward).parameters)
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else None)
        for name, value in made.items()
        if name in wanted
    }


@torch.inference_mode()
def image_tokens(model: Any, processor: Any, picture: Image) -> int:
    """How many tokens a picture takes, as the model itself counts them."""
    given = seen(model, processor, picture)
    taken = frozenset(inspect.signature(model.model.get_image_features).parameters)
    features = model.model.get_image_features(**{name: one for name, one in given.items() if name in taken})
    pooled = getattr(features, "pooler_output", features)
    if isinstance(pooled, (list, tuple)):
        return sum(int(one.shape[-2]) for one in pooled)
    return int(np.prod(pooled.shape[:-1]))


def image_grid(model: Any, processor: Any, picture: Image) -> tuple[int, int] | None:
    """Rows and columns of a picture's image tokens, where the processor tells them; else None."""
    told = processor(images=[np.ascontiguousarray(picture[..., ::-1])], return_tensors="pt").get("image_grid_thw")
    if told is None:
        return None
    merge = int(getattr(model.config.vision_config, "spatial_merge_size", 1))
    times, down, across = (int(one) for one in told[0])
    return (down // merge, across // merge) if times == 1 else None
