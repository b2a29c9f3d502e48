"""Matrix products in 8 bits: close to the product, and rounded as told."""

from __future__ import annotations

import copy

import pytest
import torch

from edge.readers.models.glm import Glm
from edge.readers.models.passes import Eager, Packed
from edge.readers.models.products import MOST, dense, in_eight, quantised
from tests.readers.models.small_models import CLIP_MEAN, CLIP_STD, glm
from tests.readers.models.test_passes import prompt


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_a_product_in_eight_bits_is_near_the_product(size: float) -> None:
    """Whatever the size of the numbers, 8 bits change a product by a few hundredths of its length."""
    torch.manual_seed(1)
    weight, bias, x = torch.randn(96, 64) * size, torch.randn(96) * size, torch.randn(2, 5, 64)
    exact = dense(weight, bias)(x)

    rounded = in_eight(weight, bias, quantised)(x)

    assert rounded.shape == exact.shape
    assert (rounded - exact).norm() / exact.norm() < 0.05


def test_nothing_is_out_of_range() -> None:
    """A token whose numbers are all zero, or huge, is rounded without an infinity."""
    x = torch.tensor([[0.0, 0.0], [3e30, -1.0], [1e-30, 0.0]])

    rounded, scale = quantised(x)

    assert torch.isfinite(rounded.float() * scale).all()
    assert rounded.float().abs().max() <= MOST


def test_a_model_in_eight_bits_scores_nearly_alike() -> None:
    """The whole forward pass runs on products in 8 bits, and its distributions stay near those without."""
    model = glm()
    passes = [
        Packed(Eager(Glm(copy.deepcopy(model), CLIP_MEAN, CLIP_STD, eight=eight)), [prompt()], room=8)
        for eight in (False, True)
    ]

    full, eight = (one.extend([[31, 32], [41]]) for one in passes)

    for row, other in zip(full[0] + full[1], eight[0] + eight[1], strict=True):
        assert not torch.equal(row.rest, other.rest)
        assert (row.rest.exp() - other.rest.exp()).abs().sum() < 0.2
