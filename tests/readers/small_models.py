"""Random models of real architectures, small enough for a test."""

from __future__ import annotations

from typing import Any

import torch

IMAGE, END = 290, 289


def glm(seed: int = 0, dtype: torch.dtype = torch.float32) -> Any:
    """A GLM-4V model with two layers everywhere and 300 words; every number of it random."""
    from transformers import Glm46VConfig, Glm46VForConditionalGeneration

    torch.manual_seed(seed)
    config = Glm46VConfig(
        text_config={
            "vocab_size": 300,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "pad_token_id": 0,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.5,
                "mrope_section": [1, 1, 2],
            },
        },
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
        image_start_token_id=292,
        image_end_token_id=293,
        video_start_token_id=294,
        video_end_token_id=295,
    )
    model: Any = Glm46VForConditionalGeneration(config)
    model.eval().to(dtype)
    for parameter in model.parameters():
        parameter.data = torch.randn_like(parameter) * 0.1 + (1 if parameter.ndim == 1 else 0)
    return model
