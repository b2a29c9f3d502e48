"""What ends a key or a line: the rest of a misread word, the key of the next box, a caption that is not known."""

from __future__ import annotations

import re

from edge.readers.linking.keys.keywords import FIELDS, SHORTEST_ABBREVIATION, Lexicon, Word, fold
from edge.readers.linking.keys.printed import WIDE_COLON, Caption

#: The key of the next box, at the end of this one and glued to its value ("25-40 180No.").
_GLUED_TAIL = re.compile(r"(?<=\d)(?:N[ro][.:]?|N[RO][.:]|[№#]|N[°º])$")
_UNKNOWN = re.compile(rf"[^\d:{WIDE_COLON}]{{2,32}}[:{WIDE_COLON}]")
#: "Зав." and whatever its sign for "number" was read as.
_ABBREVIATED = re.compile(rf"([^\W\d_]{{{SHORTEST_ABBREVIATION}}})\.\s?\S{{0,2}}\s?")
#: What is left of a key's last word before its separator.
_REST = re.compile(rf"\s*((?:0|[^\W\d_])[^\W1-9_]{{0,2}})\s*[:{WIDE_COLON}](?=\s)")


def with_ends(text: str, found: list[Caption]) -> list[Caption]:
    """Give keys with what is left of a misread word between them and their separators: "Výrobní čís" "L0:"."""
    return [
        one._replace(end=match.end(1), separated=True)
        if not one.separated and one.word.kind in FIELDS and (match := _REST.match(text, one.end)) else one
        for one in found
    ]  # fmt: skip


def tail(text: str, found: list[Caption], lexicon: Lexicon) -> list[Caption]:
    """Find the key of the next box where the line's value runs into it."""
    match = _GLUED_TAIL.search(text)
    word = lexicon.exact(fold(match[0])) if match else None
    if match is None or word is None or (found and found[-1].end > match.start()):
        return []
    return [Caption(match.start(), match.end(), word, separated=match[0].endswith(":"))]


def unknown_key(text: str, start: int, end: int, lexicon: Lexicon) -> Caption | None:
    """Find a caption whose words are not known: letters up to a colon. What it captions is not ours."""
    match = _UNKNOWN.match(text, start, end + 1)
    if match is None or not any(c.isalpha() for c in match[0]):
        return None
    stop = match.end() - 1
    short = _ABBREVIATED.fullmatch(text, start, stop)
    word = lexicon.nearest(fold(text[start:stop])) or (short and lexicon.abbreviated(fold(short[1])))
    word = word or Word("other", 0.5, text[start:stop])
    return Caption(start, stop, word, separated=True)
