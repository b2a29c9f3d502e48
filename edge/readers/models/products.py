"""The matrix products of a forward pass: with the weights as they are, or in 8 bits.

In 8 bits (E4M3: 4 bits of exponent, 3 of mantissa) a GPU that knows them reads half as much and multiplies twice as
fast. Weights get a scale for each output, activations one for each token, taken from the values themselves; what is
added up stays in 32 bits. Embeddings, the vision tower's first and last layers and the scoring of words stay as they
are. Where the device has no such product the same rounding is computed the long way, so that its effect can be tested
anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

#: The greatest number that E4M3 holds.
MOST = 448.0
_EIGHT = torch.float8_e4m3fn

#: A weight and its bias, as something that multiplies.
Product = Callable[[Tensor], Tensor]


def dense(weight: Tensor, bias: Tensor | None = None) -> Product:
    """The product with the weights as they are."""
    return lambda x: functional.linear(x, weight, bias)


def in_eight(weight: Tensor, bias: Tensor | None, quantised: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Product:
    """The product in 8 bits; `quantised` rounds the activations (`fused.py` has it compiled)."""
    scale = (weight.detach().float().abs().amax(1, keepdim=True) / MOST).clamp(min=1e-12)
    small = (weight.detach().float() / scale).to(_EIGHT)
    by_output = scale.t().contiguous()
    native = weight.is_cuda and torch.cuda.get_device_capability(weight.device) >= (8, 9)

    def run(x: Tensor) -> Tensor:
        rounded, by_token = quantised(x.reshape(-1, x.shape[-1]))
        if native:
            multiply: Any = torch._scaled_mm  # noqa: SLF001 - torch has no other door to this product yet
            out = multiply(
                rounded, small.t(), scale_a=by_token, scale_b=by_output, out_dtype=x.dtype, use_fast_accum=True
            )
        else:
            out = ((rounded.float() @ small.float().t()) * by_token * by_output).to(x.dtype)
        whole: Tensor = out.view(*x.shape[:-1], -1)
        return whole if bias is None else whole + bias

    return run


def quantised(x: Tensor) -> tuple[Tensor, Tensor]:
    """Activations (tokens, size) rounded to 8 bits, and each token's scale (tokens, 1)."""
    exact = x.float()
    scale = (exact.abs().amax(-1, keepdim=True) / MOST).clamp(min=1e-12)
    return (exact / scale).to(_EIGHT), scale
