"""A real `transformers serve` on loopback, with a small model of the GLM-4V family made here, its weights random.

Needs no network. What the model answers is noise; that it is asked with a picture, answers in the OpenAI form, stops
at its cap and knows no constraint is the real server's doing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.brokers import free_port

#: Loading torch and transformers takes 10 s on an idle core; the limit only ends a test that has failed.
START_S = 240.0
SPECIAL = (
    "<|endoftext|>",
    "<|user|>",
    "<|assistant|>",
    "<|begin_of_image|>",
    "<|end_of_image|>",
    "<|image|>",
    "<|begin_of_video|>",
    "<|end_of_video|>",
    "<|video|>",
)
#: The family's own processor also loads one for videos, which needs torchvision; this one puts the same number of image
#: tokens before the same pixels and does without.
PROCESSOR = "PaddleOCRVLProcessor"
TEMPLATE = (
    "{%- for message in messages -%}<|{{ message.role }}|>\n"
    "{%- for part in message.content -%}"
    "{%- if part.type == 'image' -%}<|begin_of_image|><|image|><|end_of_image|>{%- else -%}{{ part.text }}{%- endif -%}"
    "{%- endfor -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)


def tokenizer() -> Any:
    """A token a byte, and the family's special ones."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens(list(SPECIAL))
    made: Any = PreTrainedTokenizerFast
    return made(
        tokenizer_object=raw,
        eos_token=SPECIAL[0],
        pad_token=SPECIAL[0],
        extra_special_tokens={"image_token": "<|image|>"},
        chat_template=TEMPLATE,
    )


def make_model(folder: Path, says: str) -> int:
    """Save a small model of the family with its tokenizer and processor; gives how many parameters it has.

    Its weights are random, but for those that make each character of `says` follow the one before it, whatever the
    picture: no character of it may come twice.
    """
    assert len(set(says)) == len(says)
    import torch
    from transformers import Glm4vConfig, Glm4vForConditionalGeneration

    torch.manual_seed(4)
    letters = tokenizer()
    ids = dict(zip(SPECIAL, letters.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    config = Glm4vConfig(
        text_config={
            "vocab_size": len(letters),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [4, 2, 2],
                "partial_rotary_factor": 1.0,
            },
        },
        vision_config={"depth": 1, "hidden_size": 32, "num_heads": 2, "intermediate_size": 64, "out_hidden_size": 64},
        image_token_id=ids["<|image|>"],
        video_token_id=ids["<|video|>"],
        image_start_token_id=ids["<|begin_of_image|>"],
        image_end_token_id=ids["<|end_of_image|>"],
        video_start_token_id=ids["<|begin_of_video|>"],
        video_end_token_id=ids["<|end_of_video|>"],
    )
    model = Glm4vForConditionalGeneration(config)
    _teach(model, [ids["<|assistant|>"], *letters.convert_tokens_to_ids(list(says)), ids[SPECIAL[0]]])
    model.generation_config.eos_token_id = ids[SPECIAL[0]]
    model.generation_config.pad_token_id = ids[SPECIAL[0]]
    model.save_pretrained(folder)
    letters.save_pretrained(folder)
    size = {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * 1024}
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "Glm4vImageProcessorPil", "processor_class": PROCESSOR, "size": size})
    )
    return sum(parameter.numel() for parameter in model.parameters())


def _teach(model: Any, chain: list[int]) -> None:
    """Make each token of a chain follow the one before it: what goes in comes out unchanged, and points to the next."""
    import torch

    with torch.no_grad():
        for layer in model.model.language_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        into, out = model.model.language_model.embed_tokens.weight, model.lm_head.weight
        for one, following in pairwise(chain):
            into[one].zero_()
            out[following].zero_()
            into[one, chain.index(one)] = 1.0
            out[following, chain.index(one)] = 9.0


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The server with the model in that folder, which is also the model's name; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder), "--device", "cpu"]
    with (folder / "serve.log").open("wb") as told:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdout=told,
            stderr=told,
        )
    try:
        deadline_s = time.monotonic() + START_S
        while not _healthy(port):
            assert process.poll() is None, (folder / "serve.log").read_text()[-3000:]
            assert time.monotonic() < deadline_s, f"the server did not start within {START_S} s"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _healthy(port: int) -> bool:
    with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/health") as answer:
        return bool(answer.status == 200)
    return False


def servable(shipped: Path, folder: Path) -> None:
    """Copy a model of the family as `transformers serve` can open it without torchvision: with another processor."""
    shutil.copytree(
        shipped, folder, ignore=shutil.ignore_patterns("video_preprocessor_config.json"), dirs_exist_ok=True
    )
    for name, changes in (
        ("preprocessor_config.json", {"image_processor_type": "Glm46VImageProcessorPil", "processor_class": PROCESSOR}),
        ("tokenizer_config.json", {"image_token": "<|image|>"}),
    ):
        held = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(held | changes))
