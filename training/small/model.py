"""The small model: GLM-4.6V's architecture at 8 million parameters, and a forward for batches to train it with.

`transformers` runs the vision tower's attention picture by picture in Python; here all sheets of a batch have one
size, so that one call serves all. The weights are those of the `transformers` modules, so that what is trained here is
what is saved; `tests/training/test_model.py` holds both forwards against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.small import tokens

PATCH_PX, COLUMNS = 14, 12
#: Times that the CTC head may speak in one column of 14 px: condensed type has 8 px a character, two alike need three.
FRAMES = 4
CTC_ALPHABET = "".join(chr(code) for code in range(0x20, 0x7F)) + "\u25a1"  # the last one: any other character


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the model is; the default ships, tests take a smaller one."""

    vision_hidden: int = 192
    vision_layers: int = 6
    vision_heads: int = 6
    merger: int = 512
    hidden: int = 256
    layers: int = 6
    heads: int = 8
    kv_heads: int = 4
    inner: int = 640


def config(shape: Shape, vocabulary: dict[str, int]) -> Any:
    """The `Glm46VConfig` of this shape. `out_hidden_size` is also the inner size of the vision tower's MLP."""
    from transformers import Glm46VConfig  # noqa: PLC0415 - comes with the extra `vlm`

    # A head has 32 channels, half of them turned: 8 frequencies for time, height and width. The base is low, since
    # nothing here is 10,000 tokens long; with GLM's, the columns of a sheet would hardly differ.
    rope = {"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.5, "mrope_section": _section(shape)}
    end = vocabulary[tokens.END]
    return Glm46VConfig(
        text_config={
            "model_type": "glm4v_text", "vocab_size": tokens.SIZE, "hidden_size": shape.hidden,
            "intermediate_size": shape.inner, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.kv_heads, "max_position_embeddings": 4096, "rope_parameters": rope,
            "pad_token_id": end, "eos_token_id": [end, vocabulary["<|user|>"]], "tie_word_embeddings": False,
        },
        vision_config={
            "model_type": "glm4v_vision", "depth": shape.vision_layers, "hidden_size": shape.vision_hidden,
            "num_heads": shape.vision_heads, "intermediate_size": shape.merger, "out_hidden_size": shape.hidden,
            "image_size": PATCH_PX * 2 * COLUMNS, "patch_size": PATCH_PX, "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        image_token_id=vocabulary["<|image|>"], video_token_id=vocabulary["<|video|>"],
        image_start_token_id=vocabulary["<|begin_of_image|>"], image_end_token_id=vocabulary["<|end_of_image|>"],
        video_start_token_id=vocabulary["<|begin_of_video|>"], video_end_token_id=vocabulary["<|end_of_video|>"],
        tie_word_embeddings=False, dtype="bfloat16",
    )  # fmt: skip


def _section(shape: Shape) -> list[int]:
    half = shape.hidden // shape.heads // 4
    high = half * 3 // 8
    return [half - 2 * high, high, high]


class Net(nn.Module):
    """The model of `transformers` with a CTC head beside it, which is trained along and not shipped."""

    def __init__(self, shape: Shape, vocabulary: dict[str, int]) -> None:
        super().__init__()
        from transformers import Glm46VForConditionalGeneration  # noqa: PLC0415 - comes with the extra `vlm`

        made: Any = Glm46VForConditionalGeneration(config(shape, vocabulary))
        self.glm: Any = made.float()
        self.ctc = nn.Linear(2 * shape.vision_hidden, FRAMES * (len(CTC_ALPHABET) + 1))

    def see(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Look at sheets (count, 3, 28 x rows, 336; normalised).

        Returns:
            features of the patches (count, 2 x rows, 24, channels), and tokens (count, 12 x rows, hidden).
        """
        return see(self.glm.model.visual, pixels)

    def spell(self, features: Tensor) -> Tensor:
        """CTC logits of every row (count, rows, 24 x FRAMES, characters + 1); 0 is the blank."""
        count, height, width, channels = features.shape
        columns = features.view(count, height // 2, 2, width, channels).permute(0, 1, 3, 2, 4).flatten(3)
        logits: Tensor = self.ctc(columns)
        return logits.view(count, height // 2, width * FRAMES, -1)

    def write(self, ids: Tensor, seen: Tensor, positions: Tensor, branch: Tensor) -> Tensor:
        """Run the text part over a batch.

        Args:
            ids: tokens (count, length); those of the image stand where `seen` goes.
            seen: the sheets' tokens (count, 12 x rows, hidden).
            positions: time, height and width of every token (3, count, length).
            branch: 0 for what all see, k for the k-th question and its answer, -1 for padding (count, length).

        Returns:
            hidden states (count, length, hidden); `speak` gives logits.
        """
        glm = self.glm
        embedded = glm.model.language_model.embed_tokens(ids)
        image = (ids == glm.config.image_token_id).unsqueeze(-1)
        embedded = embedded.masked_scatter(image, seen.to(embedded.dtype))
        return write(glm.model.language_model, embedded, positions, mask_of(branch))

    def speak(self, states: Tensor) -> Tensor:
        """Logits over the vocabulary."""
        logits: Tensor = self.glm.lm_head(states)
        return logits


def mask_of(branch: Tensor) -> Tensor:
    """What each token sees (count, 1, length, length): what is before it in the common part and in its own branch."""
    length = branch.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=branch.device).tril()
    key, query = branch[:, None, :], branch[:, :, None]
    return (before & ((key == 0) | (key == query)))[:, None]


def _norm(states: Tensor, norm: Any) -> Tensor:
    return functional.rms_norm(states, norm.weight.shape, norm.weight.to(states.dtype), norm.variance_epsilon)


def see(visual: Any, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """The vision tower over sheets of one size; see `Net.see`."""
    count, _, height_px, width_px = pixels.shape
    height, width = height_px // PATCH_PX, width_px // PATCH_PX
    # The picture stands for two frames of a film: the convolution over time is a sum over its two halves.
    kernel = visual.patch_embed.proj
    states = functional.conv2d(pixels, kernel.weight.sum(2), kernel.bias, stride=PATCH_PX)
    states = states.permute(0, 2, 3, 1)
    states = _norm(states, visual.post_conv_layernorm) + _places(visual, height, width)
    states = states.flatten(1, 2)
    cos, sin = _turns(visual, height, width)
    for block in visual.blocks:
        normed = _norm(states, block.norm1)
        heads = block.attn.qkv(normed).view(count, height * width, 3, block.attn.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind(0)
        query, key = _turned(query, cos, sin), _turned(key, cos, sin)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        states = states + block.attn.proj(mixed.transpose(1, 2).flatten(2))
        normed = _norm(states, block.norm2)
        mlp = block.mlp
        states = states + mlp.down_proj(functional.silu(mlp.gate_proj(normed)) * mlp.up_proj(normed))
    features = _norm(states, visual.post_layernorm).view(count, height, width, -1)
    merged = visual.downsample(features.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
    return features, visual.merger(merged)


def _places(visual: Any, height: int, width: int) -> Tensor:
    """The learnt places (height, width, channels), stretched to a sheet's height as `transformers` does."""
    table = visual.embeddings.position_embedding.weight
    side = round(table.shape[0] ** 0.5)
    square = table.view(side, side, -1).permute(2, 0, 1)[None].float()
    ys = (torch.arange(height, device=table.device) + 0.5) / height * 2 - 1
    xs = (torch.arange(width, device=table.device) + 0.5) / width * 2 - 1
    grid = torch.stack((xs[None].expand(height, width), ys[:, None].expand(height, width)), -1)[None]
    with torch.autocast(table.device.type, enabled=False):
        wide = functional.grid_sample(square, grid, mode="bicubic", align_corners=False, padding_mode="border")
    return wide[0].permute(1, 2, 0).to(table.dtype)


def _turns(visual: Any, height: int, width: int) -> tuple[Tensor, Tensor]:
    frequencies = visual.rotary_pos_emb.inv_freq.float()
    ys = torch.arange(height, device=frequencies.device)[:, None, None] * frequencies
    xs = torch.arange(width, device=frequencies.device)[None, :, None] * frequencies
    size = len(frequencies)
    angles = torch.cat((ys.expand(height, width, size), xs.expand(height, width, size)), -1).flatten(0, 1)
    angles = torch.cat((angles, angles), -1)
    return angles.cos(), angles.sin()


def _turned(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = states.chunk(2, -1)
    return states * cos.to(states.dtype) + torch.cat((-second, first), -1) * sin.to(states.dtype)


def write(text: Any, states: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
    """The language model over embedded tokens; see `Net.write`."""
    cos, sin = (one[:, None] for one in text.rotary_emb(states.float(), positions))
    count, length, _ = states.shape
    for layer in text.layers:
        attention = layer.self_attn
        normed = _norm(states, layer.input_layernorm)
        query, key, value = (
            project(normed).view(count, length, -1, attention.head_dim).transpose(1, 2)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        query, key = _turned_pairs(query, cos, sin), _turned_pairs(key, cos, sin)
        key, value = (one.repeat_interleave(attention.num_key_value_groups, 1) for one in (key, value))
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = attention.o_proj(mixed.transpose(1, 2).flatten(2))
        states = states + _norm(mixed, layer.post_self_attn_layernorm)
        normed = _norm(states, layer.post_attention_layernorm)
        gate, up = layer.mlp.gate_up_proj(normed).chunk(2, -1)
        states = states + _norm(layer.mlp.down_proj(up * functional.silu(gate)), layer.post_mlp_layernorm)
    return _norm(states, text.norm)


def _turned_pairs(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """GLM turns neighbouring channels, of the first part of each head only."""
    size = cos.shape[-1]
    turned, rest = states[..., :size], states[..., size:]
    other = torch.stack((-turned[..., 1::2], turned[..., 0::2]), -1).flatten(-2)
    return torch.cat((turned * cos.to(states.dtype) + other * sin.to(states.dtype), rest), -1)


def save(net: Net, tokenizer: Any, folder: Path) -> None:
    """Write the shipped folder: bf16 weights in shards under 16 MiB, configuration, tokenizer and processor."""
    tokens.save(folder, tokenizer)
    made = type(net.glm)(net.glm.config)
    made.load_state_dict(net.glm.state_dict())
    made.to(torch.bfloat16).save_pretrained(folder, max_shard_size="15MB")
