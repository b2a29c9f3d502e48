"""Random models of real architectures, small enough for a test, and their folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

#: Tokens of the folders' tokenizer: 256 bytes, then these.
MARKS = (
    "<|endoftext|>",
    "<|begin_of_image|>",
    "<|image|>",
    "<|end_of_image|>",
    "<|user|>",
    "<|assistant|>",
)
WORDS = 300
END, BEGIN_IMAGE, IMAGE, END_IMAGE = 256, 257, 258, 259
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

_TEXT: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
_TEMPLATE = (
    "{% for turn in messages %}<|user|>{% for part in turn.content %}{% if part.type == 'image' %}"
    "<|begin_of_image|><|image|><|end_of_image|>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}"
    "<|assistant|>"
)


def glm(seed: int = 0, dtype: torch.dtype = torch.float32) -> Any:
    """A GLM-4V model with two layers everywhere; every number of it random."""
    from transformers import Glm46VConfig, Glm46VForConditionalGeneration

    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5, "mrope_section": [1, 1, 2]}
    config = Glm46VConfig(
        text_config={**_TEXT, "rope_parameters": rope},
        vision_config={
            "depth": 2,
            "hidden_size": 48,
            "num_heads": 4,
            "image_size": 56,
            "patch_size": 14,
            "out_hidden_size": 64,
            "intermediate_size": 80,
        },
        image_token_id=IMAGE,
        video_token_id=291,
        image_start_token_id=BEGIN_IMAGE,
        image_end_token_id=END_IMAGE,
        video_start_token_id=294,
        video_end_token_id=295,
    )
    return _random(Glm46VForConditionalGeneration, config, seed, dtype)


def qwen(seed: int = 0, dtype: torch.dtype = torch.float32) -> Any:
    """A Qwen2.5-VL model, as small."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
    config = Qwen2_5_VLConfig(
        text_config={**_TEXT, "rope_parameters": rope},
        vision_config={
            "depth": 2,
            "hidden_size": 48,
            "num_heads": 4,
            "intermediate_size": 64,
            "out_hidden_size": 64,
            "fullatt_block_indexes": [1],
        },
        image_token_id=IMAGE,
        video_token_id=291,
        vision_start_token_id=BEGIN_IMAGE,
        vision_end_token_id=END_IMAGE,
    )
    return _random(Qwen2_5_VLForConditionalGeneration, config, seed, dtype)


def llava(seed: int = 0, dtype: torch.dtype = torch.float32) -> Any:
    """A LLaVA model (CLIP's eye, Llama's text), as small: pictures of one size, plain positions."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    eye = CLIPVisionConfig(
        hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, image_size=56, patch_size=14
    )
    config = LlavaConfig(vision_config=eye, text_config=LlamaConfig(**_TEXT), image_token_index=IMAGE)
    return _random(LlavaForConditionalGeneration, config, seed, dtype)


def _random(kind: Any, config: Any, seed: int, dtype: torch.dtype) -> Any:
    torch.manual_seed(seed)
    model = kind(config)
    model.eval().to(dtype)
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * 0.1 + (1 if parameter.ndim == 1 else 0)
    return model


def save(model: Any, folder: Path, *, shard: str = "5GB") -> Path:
    """Write a model's folder: weights, a tokenizer of single bytes, a chat template, the settings of pictures."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(letters)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(MARKS))
    kind_of: Any = PreTrainedTokenizerFast
    tokenizer = kind_of(tokenizer_object=made, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = _TEMPLATE
    model.generation_config.eos_token_id = END
    model.save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
    pictures: dict[str, Any] = {"image_mean": CLIP_MEAN, "image_std": CLIP_STD}
    kind = {"glm46v": "Glm46VImageProcessor", "qwen2_5_vl": "Qwen2VLImageProcessor", "llava": "CLIPImageProcessor"}
    pictures["image_processor_type"] = kind[model.config.model_type]
    if model.config.model_type == "llava":
        pictures |= {"size": {"height": 56, "width": 56}, "do_center_crop": False}
    (folder / "preprocessor_config.json").write_text(json.dumps(pictures), encoding="utf-8")
    return folder
