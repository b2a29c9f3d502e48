"""The steps of a forward pass between its matrix products, each written once, run as it stands or compiled.

On a GPU each of these would be 3 to 14 kernels that do nothing but move memory; compiled, each is one. On a CPU, or
where there is no compiler, they run as they stand and give the same numbers up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
import torch
from torch import Tensor
from torch.nn import functional

from edge.readers.models.products import quantised

log = structlog.get_logger()


def halves_turned(qkv: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of (B, N, 3, heads, size), the first two rotated the vision tower's way.

    One half of a head is paired with the other. Each comes as (B, heads, N, size).
    """
    exact = qkv[:, :, :2].float()
    first, second = exact.chunk(2, dim=-1)
    turned = (exact * cos + torch.cat([-second, first], dim=-1) * sin).to(qkv.dtype)
    q, k = turned.unbind(2)
    return q.transpose(1, 2).contiguous(), k.transpose(1, 2).contiguous(), qkv[:, :, 2].transpose(1, 2).contiguous()


def pairs_turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Heads (B, T, heads, size) rotated the language model's way, as (B, heads, T, size).

    Neighbours are paired, and only the first part of a head turns.
    """
    turned, rest = x[..., : cos.shape[-1]], x[..., cos.shape[-1] :]
    other = torch.stack([-turned[..., 1::2], turned[..., 0::2]], dim=-1).flatten(-2)
    return torch.cat([turned * cos + other * sin, rest], dim=-1).transpose(1, 2).contiguous()


def gated(x: Tensor) -> Tensor:
    """SwiGLU of (…, gate and up)."""
    gate, up = x.chunk(2, dim=-1)
    return functional.silu(gate) * up


def rms(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """Root mean square normalisation, computed in 32 bits as `transformers` does."""
    exact = x.float()
    return weight * (exact * torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype)


def added(hidden: Tensor, x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The sum, and the sum normalised for what comes next."""
    hidden = hidden + x
    return hidden, rms(hidden, weight, eps)


def normed_and_added(hidden: Tensor, x: Tensor, own: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The sum with the normalised step, and that sum normalised for what comes next."""
    hidden = hidden + rms(x, own, eps)
    return hidden, rms(hidden, weight, eps)


class Steps:
    """The steps of one model: compiled, or as they stand."""

    def __init__(self, *, compiled: bool) -> None:
        self.halves_turned = _made(halves_turned, compiled=compiled)
        self.pairs_turned = _made(pairs_turned, compiled=compiled)
        self.gated = _made(gated, compiled=compiled)
        self.rms = _made(rms, compiled=compiled)
        self.added = _made(added, compiled=compiled)
        self.normed_and_added = _made(normed_and_added, compiled=compiled)
        self.quantised = _made(quantised, compiled=compiled)


def _made(step: Callable[..., Any], *, compiled: bool) -> Callable[..., Any]:
    """The step, compiled at its first call; as it stands from then on if that fails."""
    if not compiled:
        return step
    fast = torch.compile(step, dynamic=True)
    failed = False

    def run(*given: Any) -> Any:
        nonlocal failed
        if not failed:
            try:
                for one in given:
                    _fix_sizes(one)
                return fast(*given)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever the compiler lacks, the step itself runs
                failed = True
                first = str(error).strip().splitlines()[:1]
                log.warning("a step is not compiled, and runs slower", step=step.__name__, why=first)
        return step(*given)

    return run


def _fix_sizes(given: Any) -> None:
    """Compile for any number of plates and tokens, but for this model's own sizes.

    A sum over a size that the compiler knows reads its numbers once.
    """
    if isinstance(given, Tensor):
        changing = max(0, min(given.ndim - 1, 2))
        torch._dynamo.mark_static(given, [*range(changing, given.ndim)])  # noqa: SLF001 - torch has no other door to it
