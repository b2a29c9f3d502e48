r"""Characters that a pattern cannot tell apart: to try one of each kind is to try them all.

The first byte of a character alone stands for up to 262,144 characters, 1 s of matching; their kinds are some twenty.
A pattern tells characters apart by those written in it (each, and the ends of ranges), by `\d`, `\w`, `\s` and its
`\p{…}` and `[:…:]`, by case where it ignores case, and by equality with what was written before (references).
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import regex

_CODED: Final = regex.compile(
    r"\\(?:x(?P<hex>[0-9a-fA-F]{2})|u(?P<hex>[0-9a-fA-F]{4})|U(?P<hex>[0-9a-fA-F]{8})|N\{(?P<name>[^}]*)\}"
    r"|(?P<octal>0[0-7]{1,2}|[0-3][0-7]{2}))"
)
_PROPERTY: Final = regex.compile(r"\\[pP](?:\{[^}]*\}|\w)|\[:[^\]:]*:\]")
_ALWAYS: Final = (r"\d", r"\w", r"\s")
_SURROGATES: Final = range(0xD800, 0xE000)


class Kinds:
    """The kinds of characters of one pattern."""

    def __init__(self, source: str, *, by_case: bool) -> None:
        """Take a pattern that compiles; `by_case`: it ignores case, so that each letter with a case is a kind."""
        points = {ord(c) for c in source} | {point for match in _CODED.finditer(source) for point in _coded(match)}
        self._borders = sorted({point + step for point in points for step in (0, 1)})
        self._properties = (*_ALWAYS, *dict.fromkeys(_PROPERTY.findall(source)))
        self._by_case = by_case

    def one_of_each(self, characters: Iterable[str]) -> Iterator[str]:
        """The first of these characters of each kind."""
        starts, kinds = _runs(self._properties)
        seen = set()
        for character in characters:
            point = ord(character)
            own = point if self._by_case and character.lower() != character.upper() else -1
            kind = (bisect_right(self._borders, point), kinds[bisect_right(starts, point) - 1], own)
            if kind not in seen:
                seen.add(kind)
                yield character

    def behind(self, text: str, tail: bytes) -> Iterator[str]:
        """One of each kind of the characters whose UTF-8 begins with these bytes, behind this text."""
        low, high = _span(tail)
        # Where any text is allowed the first or the last will do, and no kinds need be known.
        yield from (chr(point) for point in (low, high) if point not in _SURROGATES)
        yield from (c for c in dict.fromkeys(text) if low <= ord(c) <= high)
        starts, _ = _runs(self._properties)
        points = {*_within(self._borders, low, high), *_within(starts, low, high)}
        if self._by_case:
            points.update(_within(_cased(), low, high))
        yield from self.one_of_each(chr(point) for point in sorted(points) if point not in _SURROGATES)


def _coded(match: regex.Match[str]) -> list[int]:
    if match["hex"]:
        return [int(match["hex"], 16)]
    if match["octal"]:
        return [int(match["octal"], 8)]
    try:
        return [ord(unicodedata.lookup(match["name"]))]
    except KeyError:
        return []


def _span(tail: bytes) -> tuple[int, int]:
    """First and last code point whose UTF-8 begins with these bytes."""
    length = 2 if tail[0] < 0xE0 else 3 if tail[0] < 0xF0 else 4
    bits = tail[0] & (0xFF >> (length + 1))
    for byte in tail[1:]:
        bits = bits << 6 | byte & 0x3F
    missing = 6 * (length - len(tail))
    low = max(bits << missing, (0x80, 0x800, 0x10000)[length - 2])
    return low, min((bits + 1 << missing) - 1, 0x10FFFF)


def _within(points: list[int], low: int, high: int) -> list[int]:
    return points[bisect_left(points, low) : bisect_right(points, high)]


@lru_cache(maxsize=1)
def _every() -> str:
    return "".join(map(chr, range(0x110000)))


@lru_cache(maxsize=1)
def _cased() -> list[int]:
    return [ord(c) for c in _every() if c.lower() != c.upper()]


@lru_cache(maxsize=64)
def _runs(properties: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Where runs of characters begin that these properties treat alike, and a number for what each run is; 0.1 s."""
    turns = {0: 0}
    for bit, sign in enumerate(properties):
        for match in regex.finditer(f"[{sign}]+", _every()):
            for point in match.span():
                turns[point] = turns.get(point, 0) ^ 1 << bit
    starts = sorted(turns)
    kinds, kind = [], 0
    for point in starts:
        kind ^= turns[point]
        kinds.append(kind)
    return starts, kinds
