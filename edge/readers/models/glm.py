"""The forward pass of the GLM-4V family, lean enough to be captured: same weights, same numbers, no shapes from data.

`transformers` computes positions, image places and attention spans on the host at every call, which costs more than
the kernels and cannot be recorded as a CUDA graph. Here everything that depends on a shape is made once for it, and a
pass is a function of tensors. `tests/readers/test_glm.py` compares it with `transformers` number by number.

What is packed: every text token has a *slot* (its place in the cache of keys and values), a *branch*, an *index* that
counts along its branch, and a position. Branch 0 is the prefix, which all see; a token of branch b sees the prefix and
what has a lower index in branch b. Slots whose branch is -1 (padding, forgotten tokens) are seen by none, and may be
filled again. So several questions about one picture, each with its draft, are one pass, and a draft's rejected tokens
need no clean-up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from edge.readers.models.fused import Steps
from edge.readers.models.products import Product, dense, in_eight

#: `model_type` of configurations whose forward pass this is.
FAMILY = ("glm46v", "glm4v")
#: Next tokens that are handed over with each score; further ones are fetched when somebody asks.
TOP = 64


@dataclass(frozen=True, slots=True)
class Grid:
    """What depends on the picture's shape alone: angles of the rotary embedding, and learned places."""

    cos: Tensor
    sin: Tensor
    places: Tensor


@dataclass(frozen=True, slots=True)
class Turn:
    """The text of one pass, B plates of T tokens each.

    `ids`, `slots`, `branches`, `indexes` (B, T) and `positions` (B, 3, T) describe the tokens; `branch_of`, `index_of`
    (B, S) every slot of the cache, these tokens included; `asked` (B, R) which of the T tokens' successors are scored.
    """

    ids: Tensor
    slots: Tensor
    branches: Tensor
    indexes: Tensor
    positions: Tensor
    branch_of: Tensor
    index_of: Tensor
    asked: Tensor


@dataclass(frozen=True, slots=True)
class _View:
    """What all layers of a turn share: rotation of its tokens, what they see, and where they are kept."""

    cos: Tensor
    sin: Tensor
    mask: Tensor
    slots: Tensor


class Glm:
    """The weights of one model, taken from a loaded model of `transformers`, and its passes."""

    def __init__(
        self,
        model: Any,
        mean: Sequence[float],
        std: Sequence[float],
        *,
        compiled: bool = False,
        eight: bool = False,
    ) -> None:
        """Take the weights; `mean` and `std` are of a picture's red, green and blue, 0 to 1.

        `compiled`: what stands between the matrix products becomes one kernel each. `eight`: the layers' products are
        computed in 8 bits.
        """
        self._steps = Steps(compiled=compiled)
        self._product: Callable[[Tensor, Tensor | None], Product] = self._in_eight if eight else dense
        visual, text = model.model.visual, model.model.language_model
        self.image_token: int = model.config.image_token_id
        self._vision, self._text = model.config.vision_config, model.config.text_config
        self._blocks = [_Block(block, self._steps, self._product) for block in visual.blocks]
        # Both frames of the temporal patch are the same picture: their weights are added once, here.
        self._patch = visual.patch_embed.proj.weight.detach().sum(dim=2).flatten(1)
        self._patch_bias = visual.patch_embed.proj.bias.detach()
        down = visual.downsample.weight.detach()
        self._down = down.permute(0, 2, 3, 1).reshape(down.shape[0], -1).contiguous()
        self._down_bias = visual.downsample.bias.detach()
        self._visual, self._merger = visual, visual.merger
        self._layers = [_Layer(layer, self._text, self._steps, self._product) for layer in text.layers]
        self._embed: Tensor = text.embed_tokens.weight.detach()
        self._norm: Tensor = text.norm.weight.detach()
        self._head: Tensor = model.lm_head.weight.detach()
        self._mean = torch.tensor(mean, device=self.device)
        self._std = torch.tensor(std, device=self.device)
        self._grids: dict[tuple[int, int], Grid] = {}

    def _in_eight(self, weight: Tensor, bias: Tensor | None) -> Product:
        return in_eight(weight, bias, self._steps.quantised)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._embed.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are."""
        return self._embed.dtype

    @property
    def hidden_size(self) -> int:
        """Numbers of one embedded token."""
        return int(self._embed.shape[1])

    @property
    def words(self) -> int:
        """Tokens that are scored."""
        return int(self._head.shape[0])

    @property
    def patch_px(self) -> int:
        """Side of a patch, px."""
        return int(self._vision.patch_size)

    @property
    def merge(self) -> int:
        """Patches along a side of one image token."""
        return int(self._vision.spatial_merge_size)

    def cache(self, plates: int, slots: int) -> Tensor:
        """Room for keys and values: layers x 2 x plates x heads x slots x head size."""
        heads, size = int(self._text.num_key_value_heads), self._head_size
        return torch.zeros(len(self._layers), 2, plates, heads, slots, size, dtype=self.dtype, device=self.device)

    # The eye.

    def grid(self, down: int, across: int) -> Grid:
        """What pictures of `down` x `across` patches share; made once for each shape."""
        if (down, across) not in self._grids:
            self._grids[down, across] = self._make_grid(down, across)
        return self._grids[down, across]

    def see(self, pixels: Tensor, grid: Grid) -> Tensor:
        """Turn pictures (B, H, W, 3; uint8, RGB; normalised here) into image tokens (B, tokens, size)."""
        hidden = functional.linear(self._patches(pixels), self._patch, self._patch_bias)
        eps = self._vision.rms_norm_eps
        hidden = self._steps.rms(hidden, self._visual.post_conv_layernorm.weight, eps) + grid.places
        normed = self._steps.rms(hidden, self._blocks[0].norm, eps)
        after = [*(block.norm for block in self._blocks[1:]), self._visual.post_layernorm.weight]
        for block, norm in zip(self._blocks, after, strict=True):
            hidden, normed = block.run(hidden, normed, grid, norm)
        return self._merged(normed)

    def _merged(self, hidden: Tensor) -> Tensor:
        """The tower's normalised output (B, patches, size) as image tokens."""
        hidden = hidden.reshape(hidden.shape[0], -1, hidden.shape[2] * self.merge**2)
        return torch.as_tensor(self._merger(functional.linear(hidden, self._down, self._down_bias)))

    def _patches(self, pixels: Tensor) -> Tensor:
        """Cut pictures into patches in the order of the merged tokens: (B, patches, 3 * side * side)."""
        plates, high, wide, _ = pixels.shape
        side, merge = self.patch_px, self.merge
        scaled = (pixels.to(torch.float32) / 255 - self._mean) / self._std
        cut = scaled.view(plates, high // side // merge, merge, side, wide // side // merge, merge, side, 3)
        return cut.permute(0, 1, 4, 2, 5, 7, 3, 6).reshape(plates, -1, 3 * side * side).to(self.dtype)

    def _make_grid(self, down: int, across: int) -> Grid:
        merge = self.merge
        row, column = torch.meshgrid(torch.arange(down), torch.arange(across), indexing="ij")
        order = (down // merge, merge, across // merge, merge)
        row, column = (one.reshape(order).transpose(1, 2).flatten() for one in (row, column))
        size = self._vision.hidden_size // self._vision.num_heads
        rate = 1.0 / _theta(self._vision) ** (torch.arange(0, size // 2, 2, dtype=torch.float32) / (size // 2))
        angles = torch.cat([row[:, None] * rate, column[:, None] * rate], dim=-1).repeat(1, 2)
        learned = self._visual.embeddings.position_embedding.weight.detach().float().cpu()
        side = round(learned.shape[0] ** 0.5)
        table = learned.view(side, side, -1).permute(2, 0, 1)[None]
        at = torch.stack([(column + 0.5) / across * 2 - 1, (row + 0.5) / down * 2 - 1], dim=-1)[None, :, None]
        places = functional.grid_sample(table, at, mode="bicubic", align_corners=False, padding_mode="border")
        return Grid(
            angles.cos()[None, :, None, None].to(self.device),
            angles.sin()[None, :, None, None].to(self.device),
            places[0, :, :, 0].T.to(self.device, self.dtype),
        )

    # The text.

    def embed(self, ids: Tensor, image: Tensor | None, image_at: Tensor | None) -> Tensor:
        """Embed tokens (B, T), the image tokens (B, I, size) put where `image_at` (B, I) says."""
        hidden = functional.embedding(ids, self._embed)
        if image is None or image_at is None:
            return hidden
        return hidden.scatter(1, image_at[:, :, None].expand(-1, -1, hidden.shape[2]), image.to(hidden.dtype))

    def read(self, hidden: Tensor, turn: Turn, cache: Tensor, watch: Callable[[Tensor], None] | None = None) -> Tensor:
        """Run a turn's embedded tokens, write their keys and values into the cache, and give logits (B, R, words).

        A first turn, which fills the slots from 0 on, is given that part of the cache only, and looks at no more.
        `watch` is handed, layer by layer, how much each asked token looks at each slot (B, heads, R, S; sums to 1).
        """
        mask = self._mask(turn, hidden.dtype)
        # Heads that share keys and values stand below one another as further rows: nothing is copied for each of them.
        times = self._text.num_attention_heads // self._text.num_key_value_heads
        rows = mask[:, :, None].expand(-1, -1, times, -1, -1).flatten(2, 3)
        view = _View(*self._angles(turn.positions), rows, turn.slots)
        normed = self._steps.rms(hidden, self._layers[0].norm, self._text.rms_norm_eps)
        after = [*(layer.norm for layer in self._layers[1:]), self._norm]
        for layer, kept, norm in zip(self._layers, cache, after, strict=True):
            before = normed
            hidden, normed = layer.run(hidden, normed, view, kept, norm)
            if watch is not None:
                watch(layer.looks(before, view, kept, turn.asked))
        asked = normed.gather(1, turn.asked[:, :, None].expand(-1, -1, hidden.shape[2]))
        return functional.linear(asked, self._head)

    @staticmethod
    def _mask(turn: Turn, dtype: torch.dtype) -> Tensor:
        """What each token sees of each slot, (B, 1, T, S): 0 or minus infinity, to be added."""
        branch, index = turn.branch_of[:, None], turn.index_of[:, None]
        sees = (index <= turn.indexes[:, :, None]) & ((branch == 0) | (branch == turn.branches[:, :, None]))
        # A padded token sees nothing, which would make it NaN: let it see its own slot.
        own = torch.arange(branch.shape[2], device=branch.device) == turn.slots[:, :, None]
        return torch.zeros(sees.shape, dtype=dtype, device=branch.device).masked_fill(~(sees | own), -torch.inf)[
            :, None
        ]

    @cached_property
    def _head_size(self) -> int:
        config = self._text
        return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)

    @cached_property
    def _rates(self) -> Tensor:
        rope = self._text.rope_parameters
        size = int(self._head_size * rope.get("partial_rotary_factor", 1.0))
        return (1.0 / _theta(self._text) ** (torch.arange(0, size, 2, dtype=torch.float32) / size)).to(self.device)

    def _angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine and sine (B, T, 1, size) of each pair, taken from the axis that its section belongs to."""
        angles = positions[..., None].float() * self._rates
        sections = self._text.rope_parameters.get("mrope_section", [8, 12, 12])
        parts = [part[:, axis % 3] for axis, part in enumerate(torch.split(angles, sections, dim=-1))]
        turned = torch.cat(parts, dim=-1).repeat_interleave(2, dim=-1)[:, :, None]
        return turned.cos().to(self.dtype), turned.sin().to(self.dtype)


class _Block:
    """One block of the vision tower: every patch of a picture sees every other."""

    def __init__(self, block: Any, steps: Steps, product: Callable[[Tensor, Tensor | None], Product]) -> None:
        self.norm, self._norm2 = block.norm1.weight.detach(), block.norm2.weight.detach()
        self._eps: float = block.norm1.variance_epsilon
        attention, mlp = block.attn, block.mlp
        self._qkv = product(attention.qkv.weight.detach(), attention.qkv.bias)
        self._out = product(attention.proj.weight.detach(), attention.proj.bias)
        self._heads: int = attention.num_heads
        self._gate_up = product(torch.cat([mlp.gate_proj.weight.detach(), mlp.up_proj.weight.detach()]), None)
        self._down = product(mlp.down_proj.weight.detach(), None)
        # What was joined or rounded replaces them: the model's own layers are not run here, and may leave the memory.
        block.attn = block.mlp = None
        self._steps = steps

    def run(self, hidden: Tensor, normed: Tensor, grid: Grid, after: Tensor) -> tuple[Tensor, Tensor]:
        """One block; gives what it adds up to, and that normalised with the weights of what comes after."""
        plates, patches, _ = hidden.shape
        qkv = self._qkv(normed).view(plates, patches, 3, self._heads, -1)
        seen = functional.scaled_dot_product_attention(*self._steps.halves_turned(qkv, grid.cos, grid.sin))
        seen = self._out(seen.transpose(1, 2).reshape(plates, patches, -1))
        hidden, normed = self._steps.added(hidden, seen, self._norm2, self._eps)
        made = self._down(self._steps.gated(self._gate_up(normed)))
        hidden, normed = self._steps.added(hidden, made, after, self._eps)
        return hidden, normed


class _Layer:
    """One layer of the language model."""

    def __init__(
        self, layer: Any, config: Any, steps: Steps, product: Callable[[Tensor, Tensor | None], Product]
    ) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        parts = (attention.q_proj, attention.k_proj, attention.v_proj)
        joined = torch.cat([part.weight.detach() for part in parts])
        self._qkv = product(joined, torch.cat([part.bias.detach() for part in parts]))
        self._out = product(attention.o_proj.weight.detach(), None)
        self._gate_up = product(mlp.gate_up_proj.weight.detach(), None)
        self._down = product(mlp.down_proj.weight.detach(), None)
        layer.self_attn = layer.mlp = None
        self.norm = layer.input_layernorm.weight.detach()
        self._seen_norm = layer.post_self_attn_layernorm.weight.detach()
        self._made_norm = layer.post_mlp_layernorm.weight.detach()
        self._norm2 = layer.post_attention_layernorm.weight.detach()
        self._eps: float = config.rms_norm_eps
        self._heads, self._shared = config.num_attention_heads, config.num_key_value_heads
        self._steps = steps

    def run(self, hidden: Tensor, normed: Tensor, view: _View, kept: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """One layer; gives what it adds up to, and that normalised with the weights of what comes after."""
        seen = self._attend(normed, view, kept)
        hidden, normed = self._steps.normed_and_added(hidden, seen, self._seen_norm, self._norm2, self._eps)
        made = self._down(self._steps.gated(self._gate_up(normed)))
        hidden, normed = self._steps.normed_and_added(hidden, made, self._made_norm, after, self._eps)
        return hidden, normed

    def looks(self, normed: Tensor, view: _View, kept: Tensor, asked: Tensor) -> Tensor:
        """What `run` has just attended to, for the asked tokens alone: (B, heads, R, S) in 32 bits."""
        plates, tokens, _ = normed.shape
        size = kept.shape[-1]
        joined = self._qkv(normed).view(plates, tokens, -1, size)
        q = self._steps.pairs_turned(joined[:, :, : self._heads + self._shared], view.cos, view.sin)[:, : self._heads]
        q = q.gather(2, asked[:, None, :, None].expand(-1, self._heads, -1, size))
        k = kept[0].repeat_interleave(self._heads // self._shared, dim=1)
        mask = view.mask[:, :, :tokens].gather(2, asked[:, None, :, None].expand(-1, 1, -1, view.mask.shape[3]))
        return torch.softmax(q.float() @ k.float().transpose(2, 3) / size**0.5 + mask.float(), dim=-1)

    def _attend(self, normed: Tensor, view: _View, kept: Tensor) -> Tensor:
        plates, tokens, _ = normed.shape
        size = kept.shape[-1]
        joined = self._qkv(normed).view(plates, tokens, -1, size)
        turned = self._steps.pairs_turned(joined[:, :, : self._heads + self._shared], view.cos, view.sin)
        q, k = turned[:, : self._heads], turned[:, self._heads :]
        at = view.slots[:, None, :, None].expand(-1, self._shared, -1, size)
        kept[0].scatter_(2, at, k)
        kept[1].scatter_(2, at, joined[:, :, self._heads + self._shared :].transpose(1, 2))
        rows = q.reshape(plates, self._shared, -1, size)
        seen = functional.scaled_dot_product_attention(rows, kept[0], kept[1], attn_mask=view.mask)
        seen = seen.reshape(plates, self._heads, tokens, size).transpose(1, 2)
        return self._out(seen.reshape(plates, tokens, -1))


def _theta(config: Any) -> float:
    return float((config.rope_parameters or {}).get("rope_theta", 10000.0))
