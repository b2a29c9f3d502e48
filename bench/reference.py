"""The reference architecture as a folder (GLM-4.6V-Flash's exact configuration, random weights), and its frames."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Glm46VConfig, Glm46VForConditionalGeneration, PreTrainedTokenizerFast

from edge.core.fields import FieldRule, Product
from edge.core.reading import FieldReading, Quad, Reading, TextLine
from edge.readers.decoding.prompt import question_text
from edge.readers.reader import Image, Located

#: Field tokens that a plate's draft has, two fields of it.
DRAFT = 16
PRODUCT = Product(
    "bench",
    {
        name: FieldRule(name, question=f"What is the {name}? Answer with its text only.", max_new_tokens=DRAFT)
        for name in ("model", "serial")
    },
)


class Lines:
    """Stands for the ocr reader: it knows where the lines are, because it drew them."""

    name, hash = "drawn", "0" * 64

    def __init__(self) -> None:
        self.known: dict[int, tuple[TextLine, ...]] = {}

    def locate(self, image: Image) -> Located:
        """The lines that were drawn."""
        return Located(tuple(line.box for line in self.known[id(image)]), (image.shape[1], image.shape[0]))

    def lines(self, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        """Their texts."""
        del boxes
        return self.known[id(image)]

    def read(
        self, image: Image, product: Product, located: Located | None = None, draft: Mapping[str, str] | None = None
    ) -> Reading:
        """Fields with nothing in them."""
        del located, draft
        return Reading({name: FieldReading(name) for name in product.fields}, self.known[id(image)])

    def draw(self, rows: int, seed: int) -> Image:
        """A frame of 1920 x 1200 px whose lines fill a sheet of so many rows."""
        rng = np.random.default_rng(seed)
        frame = np.full((1200, 1920, 3), 190, np.uint8)
        lines = []
        for row in range(rows - 2):
            text = "".join(rng.choice(list(string.ascii_uppercase + string.digits), 12))
            top = 30 + row * 1140 // rows
            cv2.putText(frame, text, (60, top + 24), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (30, 30, 30), 2, cv2.LINE_AA)
            # As wide as the sheet: a row each. A character is a token here: 6 lines are the 80 tokens of a real plate.
            lines.append(TextLine(text if row < 6 else "", ((50, top), (434, top), (434, top + 32), (50, top + 32))))
        self.known[id(frame)] = tuple(lines)
        return frame


def configuration(*, tiny: bool) -> Any:
    """GLM-4.6V-Flash, or the same small."""
    text: dict[str, Any] = {
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 500000.0,
            "partial_rotary_factor": 0.5,
            "mrope_section": [8, 12, 12],
        }
    }
    vision: dict[str, Any] = {}
    if tiny:
        text |= {"hidden_size": 128, "intermediate_size": 192, "num_hidden_layers": 2, "num_attention_heads": 2}
        text |= {"num_key_value_heads": 1}
        text["rope_parameters"] |= {"mrope_section": [4, 6, 6]}
        vision |= {"depth": 2, "hidden_size": 64, "num_heads": 2, "out_hidden_size": 128, "intermediate_size": 96}
    return Glm46VConfig(text_config=text, vision_config=vision)


def save_folder(folder: Path, *, tiny: bool, said: Sequence[str] = ()) -> float:
    """Write a folder with random weights and a vocabulary of the right size; gives the number of parameters.

    The words of `said`, as those of the questions, become a token each, as they are in the real vocabulary.
    """
    config = configuration(tiny=tiny)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device("meta"):
        model: Any = Glm46VForConditionalGeneration(config)
    model.to(torch.bfloat16).to_empty(device=device)
    torch.manual_seed(0)
    count = 0
    for name, parameter in model.named_parameters():
        count += parameter.numel()
        # Words apart by more than rounding: a model that was trained is sure of most of them.
        spread = 0.3 if name == "lm_head.weight" else 0.02
        parameter.data.normal_(0.0, spread) if parameter.ndim > 1 else parameter.data.fill_(1.0)
    model.generation_config.eos_token_id = 151329
    model.save_pretrained(folder, max_shard_size="5GB")
    del model
    tokenizer = Tokenizer(models.BPE())
    # The questions' words are a token each, as in the real vocabulary; plates' characters stay single.
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(
        [*(question_text(["OCR"], rule.question) for rule in PRODUCT.fields.values()), *said] * 3, trainer
    )
    known = json.loads(tokenizer.to_str())["model"]
    words: dict[str, int] = known["vocab"]
    words |= {f"w{number}": number for number in range(len(words), 151329)}
    tokenizer.model = models.BPE(vocab=words, merges=[tuple(one) for one in known["merges"]])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    marks = {151329: "<|endoftext|>", 151336: "<|user|>", 151337: "<|assistant|>"}
    marks |= {config.image_start_token_id: "<|begin_of_image|>", config.image_end_token_id: "<|end_of_image|>"}
    marks |= {config.image_token_id: "<|image|>"}
    tokenizer.add_special_tokens([marks.get(n, f"<|mark {n}|>") for n in range(151329, max(marks) + 1)])
    wrapped: Any = PreTrainedTokenizerFast
    fast = wrapped(tokenizer_object=tokenizer, eos_token="<|endoftext|>")  # noqa: S106 - a word of the model
    fast.chat_template = (
        "{% for turn in messages %}<|user|>\n{% for part in turn.content %}{% if part.type == 'image' %}"
        "<|begin_of_image|><|image|><|end_of_image|>{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}"
        "<|assistant|>\n"
    )
    fast.save_pretrained(folder)
    return float(count)
