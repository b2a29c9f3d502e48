"""The bytes that each token of a tokenizer writes."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models

from edge.errors import ReaderError
from edge.readers.decoding.vocabulary import Vocabulary
from tests.readers.decoding.vocabularies import gpt2, gpt2_tokenizer, vocabulary_of


def test_a_vocabulary_writes_what_the_tokenizer_decodes() -> None:
    """The joined bytes of a text's tokens are the text, with a byte-level tokenizer of 50,257 tokens."""
    tokenizer, vocabulary = gpt2_tokenizer(), gpt2()
    for text in ("S/N 12345678AB", "Größe Ø 12 mm²", "型号 YE2-132M-4", "\U0001f600\U0001f600 x", "  two  blanks"):
        tokens = tokenizer.encode(text).ids
        assert b"".join(vocabulary.data(token) for token in tokens) == text.encode()
        assert b"".join(vocabulary.data(token) for token in vocabulary.split(text.encode())) == text.encode()


def test_a_vocabulary_of_sentencepiece_form() -> None:
    """`\u2581` is a blank and <0xE2> a byte; marks that were added are never written."""
    pieces = {"<unk>": 0, "</s>": 1, "<0xE2>": 2, "\u2581AB": 3, "7": 4, "<image>": 5}
    tokenizer = Tokenizer(models.BPE(vocab=pieces, merges=[], unk_token="<unk>", byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(["<unk>", "</s>", "<image>"])

    vocabulary = Vocabulary.of(tokenizer, ends=[1])
    assert [vocabulary.data(token) for token in range(8)] == [b"", b"", b"\xe2", b" AB", b"7", b"", b"", b""]


def test_a_tokenizer_that_cannot_be_held_is_refused() -> None:
    """WordPiece writes blanks by its neighbours: one sentence says that no pattern can hold it; so without an end."""
    tokenizer = Tokenizer(models.WordPiece(vocab={"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    tokenizer.decoder = decoders.WordPiece()
    with pytest.raises(ReaderError, match="WordPiece cannot be held to a pattern"):
        Vocabulary.of(tokenizer, ends=[0])
    with pytest.raises(ReaderError, match="no decoder"):
        Vocabulary.of(Tokenizer(models.BPE()), ends=[0])
    with pytest.raises(ReaderError, match="names no token that ends a text"):
        Vocabulary.of(gpt2_tokenizer())


def test_shown_for_people() -> None:
    """An end shows as nothing, a token that writes nothing and a broken character as U+FFFD."""
    vocabulary = vocabulary_of([b"A", b"\xe2\x82", b"\xac", b""])

    assert [vocabulary.shown(token) for token in range(4)] == ["A", "\ufffd", "\ufffd", "\ufffd"]
    assert vocabulary.shown(2, b"\xe2\x82") == "\u20ac"
    assert vocabulary.shown(next(iter(vocabulary.ends))) == ""


def test_the_tokenizer_of_transformers_is_the_same() -> None:
    """A tokenizer of `transformers` gives the vocabulary of the one inside it, and its own end of text."""
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=gpt2_tokenizer(), eos_token="<|endoftext|>")

    vocabulary = Vocabulary.of(tokenizer)
    assert vocabulary.ends == {50256}
    assert [vocabulary.data(token) for token in range(50257)] == [gpt2().data(token) for token in range(50257)]
