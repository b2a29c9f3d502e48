"""The lean forward pass and its packing, against `transformers` itself."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import torch

from edge.readers.models.glm import Glm
from edge.readers.models.passes import Eager, Packed, Prompt
from edge.readers.reader import Image
from tests.readers.models.small_models import CLIP_MEAN, CLIP_STD, IMAGE, glm

ROWS, TOKENS = 4, 48
QUESTIONS = ((11, 12, 13), (21, 22, 23, 24))


@pytest.fixture(scope="module")
def model() -> Any:
    """One random model, in 64 bits so that rounding cannot hide a mistake."""
    return glm(dtype=torch.float64)


def picture(seed: int = 0) -> Image:
    """A sheet of noise."""
    return np.random.default_rng(seed).integers(0, 256, (28 * ROWS, 336, 3), dtype=np.uint8)


def prompt(seed: int = 0, hint: tuple[int, ...] = (5, 6, 7)) -> Prompt:
    """A sheet of noise, a hint, and two questions."""
    return Prompt(picture(seed), (1, 292, *[IMAGE] * TOKENS, 293, *hint), 2, QUESTIONS)


def reference(model: Any, image: Image, ids: list[int]) -> torch.Tensor:
    """What `transformers` says follows each token of one plain prompt: log-probabilities, tokens x words."""
    from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil

    seen = Glm46VImageProcessorPil()(images=[image[..., ::-1]], return_tensors="pt")
    kinds = torch.tensor([[int(one == IMAGE) for one in ids]])
    with torch.inference_mode():
        out = model(
            input_ids=torch.tensor([ids]),
            pixel_values=seen["pixel_values"].double(),
            image_grid_thw=seen["image_grid_thw"],
            mm_token_type_ids=kinds,
        )
    return torch.log_softmax(out.logits[0], dim=-1)


def packed(model: Any, prompts: list[Prompt], room: int = 12) -> Packed:
    """The passes under test."""
    return Packed(Eager(Glm(copy.deepcopy(model), CLIP_MEAN, CLIP_STD)), prompts, room=room)


def test_one_packed_pass_gives_what_separate_prompts_give(model: Any) -> None:
    """Two questions with their drafts in one pass score every drafted token as two prompts of their own do (L6)."""
    asked = prompt()
    drafts = [[31, 32, 33], [41]]

    rows = packed(model, [asked]).extend(drafts)

    for question, draft, found in zip(QUESTIONS, drafts, rows, strict=True):
        expected = reference(model, asked.picture, [*asked.prefix, *question, *draft])[-len(draft) - 1 :]
        for row, line in zip(found, expected, strict=True):
            torch.testing.assert_close(row.rest.double(), line.double(), atol=1e-5, rtol=1e-5)


def test_a_forgotten_token_leaves_no_trace(model: Any) -> None:
    """What follows a rejected draft is what would follow without it: no later token sees a forgotten one (L6)."""
    asked = prompt()
    passes = packed(model, [asked])

    passes.extend([[31, 32, 33], [41]])
    passes.forget(0, 2)
    passes.extend([[77], []])
    rows = passes.extend([[78], [42, 43]])

    for question, answer, found in ((QUESTIONS[0], [31, 77, 78], rows[0]), (QUESTIONS[1], [41, 42, 43], rows[1])):
        expected = reference(model, asked.picture, [*asked.prefix, *question, *answer])[-len(found) :]
        for row, line in zip(found, expected, strict=True):
            torch.testing.assert_close(row.rest.double(), line.double(), atol=1e-5, rtol=1e-5)


def test_plates_read_together_are_read_as_alone(model: Any) -> None:
    """A batch of plates with hints of other lengths gives each plate what it gets alone."""
    plates = [prompt(1, (5,)), prompt(2, tuple(range(50, 70)))]
    drafts = [[31, 32], [], [33], [41, 42, 43]]

    together = packed(model, plates)
    rows = together.extend(drafts)
    later = together.extend([[], [9], [], [8]])

    for number, plate in enumerate(plates):
        alone = packed(model, [plate])
        mine = slice(2 * number, 2 * number + 2)
        for found, expected in zip(
            rows[mine] + later[mine], alone.extend(drafts[mine]) + alone.extend([[], [9 - number]]), strict=True
        ):
            for row, line in zip(found, expected, strict=True):
                torch.testing.assert_close(row.rest, line.rest, atol=1e-5, rtol=1e-5)


def test_an_answer_outgrowing_its_room_is_refused(model: Any) -> None:
    """Running out of cache is an error, never a token written over another."""
    passes = packed(model, [prompt()], room=2)
    passes.extend([[], []])

    with pytest.raises(ValueError, match="outgrows its room of 2"):
        passes.extend([[1, 2, 3], [4, 5, 6]])


def test_ranked_is_every_token_once_best_first(model: Any) -> None:
    """The ranking goes on past the tokens that were fetched with it, and never repeats one."""
    row = packed(model, [prompt()]).extend([[], []])[0][0]

    ranked = list(row.ranked())

    assert sorted(token for token, _ in ranked) == list(range(300))
    assert all(first >= second for (_, first), (_, second) in itertools.pairwise(ranked))
    assert row.logprob(ranked[-1][0]) == pytest.approx(ranked[-1][1])
