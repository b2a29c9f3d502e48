"""One character of each kind stands for all that a pattern cannot tell apart."""

from __future__ import annotations

from functools import lru_cache

import pytest
import regex

from edge.readers.grammar import Grammar, State
from tests.readers.vocabularies import vocabulary_of

BYTES = vocabulary_of([bytes([byte]) for byte in range(256)])


@lru_cache(maxsize=1)
def _encoded() -> list[tuple[str, bytes]]:
    return [(chr(point), chr(point).encode()) for point in range(0x80, 0x110000) if not 0xD800 <= point <= 0xDFFF]


@lru_cache(maxsize=32)
def _beginning_with(tail: bytes) -> list[str]:
    return [character for character, data in _encoded() if data.startswith(tail)]


@pytest.mark.parametrize(
    "pattern", ["[0-9]{2}", r"\d\w", r"[^0-9]x", r"\S\D", ".", r"[\u00c0-\u00ff]", "(?i)k", r"\p{Greek}"]
)
@pytest.mark.parametrize(
    "tail", [b"\xc3", b"\xce", b"\xe2", b"\xe2\x84", b"\xe4\xb8", b"\xed", b"\xf0\x90", b"\xf0\x9f\x98"]
)
def test_a_character_begun(pattern: str, tail: bytes) -> None:
    """Bytes that begin a character are allowed exactly where one of the characters that begin so is."""
    grammar = Grammar(pattern, BYTES)
    state: State | None = grammar.start()
    for byte in tail:
        state = state and grammar.advance(state, byte)

    compiled = regex.compile(pattern)
    wanted = any(compiled.fullmatch(c, partial=True) for c in _beginning_with(tail))
    assert (state is not None) == wanted
