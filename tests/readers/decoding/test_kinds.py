"""One character of each kind stands for all that a pattern cannot tell apart."""

from __future__ import annotations

from functools import lru_cache

import pytest
import regex

from edge.readers.decoding.grammar import Grammar, State
from tests.readers.decoding.vocabularies import vocabulary_of

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


@pytest.mark.parametrize(
    ("pattern", "before", "character"),
    [
        ("(?P<one>[\u00d8\u20ac\u0416])-(?P=one)", "\u20ac-", "\u20ac"),
        ("(?i)(?P<one>\u0416)-(?P=one)", "\u0416-", "\u0436"),
        (r"A\u20AC", "A", "\u20ac"),
        (r"A\xd8", "A", "\u00d8"),
        (r"A[\N{EURO SIGN}]", "A", "\u20ac"),
        (r"A[[:upper:]]", "A", "\u0416"),
        (r"A\p{Han}{2}", "A\u578b", "\u53f7"),
        (r"A[^\W\d_]", "A", "\U00010400"),
    ],
)
def test_characters_that_a_pattern_writes_otherwise(pattern: str, before: str, character: str) -> None:
    """References, codes, names and properties are kinds: the character can be written byte by byte, no other."""
    grammar = Grammar(pattern, BYTES)
    others = [
        c for c in ("\u00d8", "\u20ac", "\u0416", "\u578b", "\U0001f600") if c.encode()[0] != character.encode()[0]
    ]
    refused = [c for c in others if not regex.fullmatch(pattern, before + c, partial=True)]
    state: State | None = State(before)
    for byte in character.encode():
        state = state and grammar.advance(state, byte)

    assert state == State(before + character)
    for other in refused:
        begun = grammar.advance(State(before), other.encode()[0])
        alike = (c for c in _beginning_with(other.encode()[:1]) if regex.fullmatch(pattern, before + c, partial=True))
        assert (begun is None) == (next(alike, None) is None), other
