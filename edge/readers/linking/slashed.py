"""Keys with a slash between that say which part of "AX 20 / 1234" is whose, one of them abbreviated or damaged."""

from __future__ import annotations

import re

from edge.readers.linking.keywords import FIELDS, SHORTEST_ABBREVIATION, Lexicon, Word, fold
from edge.readers.linking.printed import AROUND, Caption, Line, separated

#: Shorter words (folded) are known only exactly.
_LEAST_DAMAGED = 6
#: "Зав." and what its sign for "number" was read as, if anything.
_ABBREVIATED = re.compile(rf"([^\W\d_]{{{SHORTEST_ABBREVIATION}}})\.?(?:\s?[^\s/]{{0,2}})?[.\s]*")
_BEHIND = re.compile(rf"[.\s]*/\s*([^\W\d_]{{{SHORTEST_ABBREVIATION}}}\.)(?=\s|$|[.:])")


def two_keys(line: Line) -> list[Caption]:
    """Give the keys of a line that holds just two, of which one is whole and the other abbreviated or cut off."""
    text = line.text
    printed, mark, other = text.partition("/")
    if not mark or "/" in other:
        return []
    found = []
    for part, begin in ((printed, 0), (other, len(printed) + 1)):
        inner = part.strip(AROUND)
        word = _known(inner, line.lexicon) or _less(part.strip(), line.lexicon)
        if word is None or word.kind not in FIELDS or not inner:
            return []
        start = begin + part.index(inner)
        found.append(Caption(start, start + len(inner), word, separated(text, start + len(inner))))
    return found if found[0].word.kind != found[1].word.kind else []


def before_slash(text: str, start: int, end: int, lexicon: Lexicon) -> Caption | None:
    """Find the key before another one and a slash, which no value of its own makes sure ("Type / Serial No. AX 1")."""
    printed = text[start:end].rstrip()
    if not printed.endswith("/"):
        return None
    printed = printed[:-1].rstrip()
    word = _known(printed, lexicon)
    if word is None and (short := _ABBREVIATED.fullmatch(printed)):
        word = lexicon.abbreviated(fold(short[1]))
    return Caption(start, start + len(printed), word, separated=False) if word else None


def behind_slash(text: str, before: Caption, lexicon: Lexicon) -> Caption | None:
    """Find the abbreviated key behind another field's and a slash, its sign for "number" lost ("Type / Výr. A / 1")."""
    match = _BEHIND.match(text, before.end)
    word = lexicon.abbreviated(fold(match[1])) if match and before.word.kind in FIELDS else None
    if match is None or word is None or word.kind == before.word.kind:
        return None
    return Caption(match.start(1), match.end(1), word, separated(text, match.end(1)))


def _known(printed: str, lexicon: Lexicon) -> Word | None:
    folded = fold(printed)
    word = lexicon.exact(folded) or lexicon.misread(folded)
    return lexicon.nearest(folded) if word is None and len(folded) >= _LEAST_DAMAGED else word


def _less(printed: str, lexicon: Lexicon) -> Word | None:
    """Give the key that is abbreviated, its sign for "number" lost or misread, or cut off at its end."""
    short = _ABBREVIATED.fullmatch(printed)
    return (short and lexicon.abbreviated(fold(short[1]))) or lexicon.cut_off(fold(printed))
