"""The bytes that each token of a model writes, from its tokenizer."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Final

from edge.errors import ReaderError

#: How decoders of `tokenizers` write text, as far as a token's text does not depend on its neighbours.
_DECODERS: Final = frozenset(("ByteLevel", "ByteFallback", "Fuse", "Metaspace", "Replace", "Strip"))
_SPACE: Final = "\u2581"
#: What stands for bytes that are no character, and for a token that writes none.
UNKNOWN: Final = "\ufffd"


class Vocabulary:
    """The bytes of every token, by id, and which ids end the text.

    A token with no bytes (special, image, padding, or none at all) is never written.
    """

    def __init__(self, tokens: Sequence[bytes], ends: Collection[int]) -> None:
        """Take the bytes of each token; an end of text writes nothing, whatever its bytes are here.

        Raises:
            ReaderError: no token ends the text.
        """
        if not ends:
            raise ReaderError("the tokenizer names no token that ends a text; give its eos_token_id")
        self.ends = frozenset(ends)
        self._data = [b"" if token in self.ends else bytes(data) for token, data in enumerate(tokens)]
        self._words = [_word(data) for data in self._data]
        self._ids: dict[bytes, int] = {}
        for token, data in enumerate(self._data):
            if data:
                self._ids.setdefault(data, token)
        self._longest = max(map(len, self._ids), default=0)

    @classmethod
    def of(cls, tokenizer: Any, ends: Collection[int] = ()) -> Vocabulary:
        """Read a tokenizer of `transformers` or `tokenizers`.

        Args:
            tokenizer: byte-level, or SentencePiece with or without bytes. Added tokens are never written: they are
                marks of the model, not print.
            ends: ids that end the text, as the model's generation settings name them; none: the tokenizer's own.

        Raises:
            ReaderError: its tokens write differently beside different neighbours, or none ends the text.
        """
        backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
        own_end = getattr(tokenizer, "eos_token_id", None)
        decoders = _decoders(backend.decoder)
        names = [str(decoder.get("type")) for decoder in decoders]
        wrong = sorted(set(names) - _DECODERS)
        if wrong or not names:
            raise ReaderError(
                f"a tokenizer that writes by {', '.join(wrong) or 'no decoder'} cannot be held to a pattern; "
                "use a model with a byte-level or SentencePiece tokenizer"
            )
        pieces = backend.get_vocab(with_added_tokens=True)
        added = set(backend.get_added_tokens_decoder())
        tokens = [b""] * (max(pieces.values(), default=-1) + 1)
        for piece, token in pieces.items():
            if token not in added:
                tokens[token] = _bytes_of(piece, names, decoders)
        return cls(tokens, ends or ([] if own_end is None else [own_end]))

    def __len__(self) -> int:
        return len(self._data)

    def data(self, token: int) -> bytes:
        """The bytes that the token writes; none for one that is never written."""
        return self._data[token] if 0 <= token < len(self._data) else b""

    def word(self, token: int) -> str | None:
        """The token's text where its bytes are whole characters, else None."""
        return self._words[token] if 0 <= token < len(self._words) else None

    @cached_property
    def by_first(self) -> Mapping[str, frozenset[int]]:
        """Tokens that write whole characters by the first of these; under "" those that write parts of one."""
        found: dict[str, set[int]] = {}
        for token, data in enumerate(self._data):
            if data:
                found.setdefault((self._words[token] or "")[:1], set()).add(token)
        return {first: frozenset(tokens) for first, tokens in found.items()}

    def shown(self, token: int, tail: bytes = b"") -> str:
        """The token's text for people, behind the bytes of a character begun: empty for an end of text.

        Bytes that are no whole character, and tokens that are never written, show as U+FFFD.
        """
        if token in self.ends:
            return ""
        if not tail and (word := self.word(token)) is not None:
            return word
        return (tail + self.data(token)).decode(errors="replace") if self.data(token) else UNKNOWN

    def split(self, data: bytes) -> Iterable[int]:
        """Tokens that write these bytes, the longest first at each place; ends where no token fits."""
        at = 0
        while at < len(data):
            for length in range(min(self._longest, len(data) - at), 0, -1):
                token = self._ids.get(data[at : at + length])
                if token is not None:
                    yield token
                    at += length
                    break
            else:
                return


def _word(data: bytes) -> str | None:
    try:
        return data.decode() or None
    except UnicodeDecodeError:
        return None


def _decoders(decoder: Any) -> list[dict[str, Any]]:
    if decoder is None:
        return []
    state: dict[str, Any] = json.loads(decoder.__getstate__())
    return list(state["decoders"]) if state.get("type") == "Sequence" else [state]


def _bytes_of(piece: str, names: list[str], decoders: list[dict[str, Any]]) -> bytes:
    if "ByteLevel" in names:
        letters = _byte_letters()
        return bytes(letters[c] for c in piece) if all(c in letters for c in piece) else piece.encode()
    if "ByteFallback" in names and len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
        return bytes.fromhex(piece[3:5])
    for decoder in decoders:
        if decoder["type"] == "Metaspace":
            piece = piece.replace(decoder.get("replacement", _SPACE), " ")
        elif decoder["type"] == "Replace" and "String" in decoder["pattern"]:
            piece = piece.replace(decoder["pattern"]["String"], decoder["content"])
    return piece.encode()


@lru_cache(maxsize=1)
def _byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in a byte-level vocabulary, as GPT-2 chose them."""
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printed]
    return {**{chr(b): b for b in printed}, **{chr(0x100 + n): b for n, b in enumerate(others)}}
