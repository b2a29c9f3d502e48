"""Make the tokenizer and the processor: byte-level BPE in which only lower-case words merge.

Digits, capitals and marks stay single tokens, so that a pattern decides, and a mistaken character is, one token. A
Chinese character of a key word is one token too. The special tokens and the chat template are GLM's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from training.small import words

SIZE = 1024
SPECIAL = (
    "<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>", "<|assistant|>",
    "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>", "<|image|>",
    "<|video|>",
)  # fmt: skip
END = "<|endoftext|>"
IMAGE_MEAN, IMAGE_STD = 0.5, 0.25

#: Text and images only, no tools: what GLM's template writes for them.
TEMPLATE = """\
[gMASK]<sop>
{%- for m in messages %}
{%- if m.role == 'user' %}<|user|>
{% if m.content is string %}{{ m.content }}{% else %}{% for item in m.content -%}
{%- if item.type == 'image' or 'image' in item %}<|begin_of_image|><|image|><|end_of_image|>
{%- elif item.type == 'text' %}{{ item.text }}{% endif -%}
{%- endfor %}{% endif %}
{%- elif m.role == 'assistant' %}<|assistant|>
{% if m.content is string %}{{ m.content }}{% else %}{% for item in m.content %}{{ item.text }}{% endfor %}{% endif %}
{%- elif m.role == 'system' %}<|system|>
{% if m.content is string %}{{ m.content }}{% else %}{% for item in m.content %}{{ item.text }}{% endfor %}{% endif %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|assistant|>
{% endif -%}
"""
#: What the template writes before the picture, behind it, and behind the question.
BEFORE, BEHIND, TURN = "[gMASK]<sop><|user|>\n<|begin_of_image|>", "<|end_of_image|>", "<|assistant|>\n"


def _corpus() -> Iterator[str]:
    for seed in range(4000):
        dice = Random(seed)  # noqa: S311 - repeatable, nothing secret
        plate = words.plate(dice)
        yield "\n".join(line.text for line in plate.lines)
        yield from (question for question, _ in words.questions(dice, plate))


def train() -> Any:
    """Make the tokenizer, a `tokenizers.Tokenizer`; always the same."""
    import tokenizers as tk  # noqa: PLC0415 - comes with the extra `vlm`
    from tokenizers import decoders, models, pre_tokenizers, trainers  # noqa: PLC0415 - likewise

    made = tk.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tk.Regex(r"\p{Ll}+|[\s\S]"), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE, special_tokens=list(SPECIAL), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    made.train_from_iterator(_corpus(), trainer)
    return made


def save(folder: Path, tokenizer: Any) -> None:
    """Write tokenizer, chat template, and image processor into a folder, as `AutoProcessor` reads them."""
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415 - comes with the extra `vlm`

    folder.mkdir(parents=True, exist_ok=True)
    wrapped: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token=END, pad_token=END, clean_up_tokenization_spaces=False,
        additional_special_tokens=[one for one in SPECIAL if one != END], model_max_length=4096,
    )  # fmt: skip
    wrapped.chat_template = TEMPLATE
    wrapped.save_pretrained(folder)
    _write(folder / "preprocessor_config.json", {
        "image_processor_type": "Glm46VImageProcessor", "processor_class": "Glm46VProcessor",
        "do_convert_rgb": True, "do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": [IMAGE_MEAN] * 3, "image_std": [IMAGE_STD] * 3, "resample": 3,
        "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
        "size": {"shortest_edge": 28 * 28 * 2, "longest_edge": 28 * 28 * 15000},
    })  # fmt: skip
    _write(folder / "video_preprocessor_config.json", {
        "video_processor_type": "Glm46VVideoProcessor", "processor_class": "Glm46VProcessor",
        "do_rescale": True, "do_normalize": True, "image_mean": [IMAGE_MEAN] * 3, "image_std": [IMAGE_STD] * 3,
        "patch_size": 14, "temporal_patch_size": 2, "merge_size": 2,
    })  # fmt: skip


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
