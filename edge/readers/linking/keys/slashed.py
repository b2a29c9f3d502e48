"""Keys with a slash between that say which part of "AX 20 / 1234" is whose, one of them abbreviated or damaged."""

from __future__ import annotations

import re

from edge.readers.linking.keys.keywords import FIELDS, SHORTEST_ABBREVIATION, Lexicon, Word, fold
from edge.readers.linking.keys.printed import AROUND, LEAST_DAMAGED, WEAK, Caption, Line, separated

#: "Зав." and what its sign for "number" was read as, if anything.
_ABBREVIATED = re.compile(rf"([^\W\d_]{{{SHORTEST_ABBREVIATION}}})\.?(?:\s?[^\s/]{{0,2}})?[.\s]*")
_BEHIND = re.compile(
    rf"[.\s]*/\s*(?:([^\W\d_]{{{SHORTEST_ABBREVIATION}}}\.)(?=\s|$|[.:])"
    r"|(N[eor\u00b0\u00ba]?\.?)(?=\s*$|\s*[.:]|\s+\S*\d))"
)

#: A slash before a key, or behind it, with nothing on its other side; and one with a few letters, and two values.
_LOST_BEFORE = re.compile(r"\s*([/\uff0f])\s*")
_LOST_BEHIND = re.compile(r"[.\s]*([/\uff0f])[\s.:]*$")
_MARK_BEHIND = re.compile(r"\s*/\s*([^\s/]{1,2}\.)\s+(?=\S.*\S\s/\s\S*\d)")
#: How surely a lost key was one.
_LOST = 0.8


def two_keys(line: Line) -> list[Caption]:
    """Give the keys of a line that holds just two, of which one is whole and the other abbreviated or cut off."""
    text = line.text
    printed, mark, other = text.partition("/")
    if not mark or "/" in other:
        return []
    found = []
    for part, begin in ((printed, 0), (other, len(printed) + 1)):
        inner = part.strip(AROUND)
        word = _known(inner, line.lexicon) or _less(inner, line.lexicon)
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
    word = word or _less(printed, lexicon)
    return Caption(start, start + len(printed), word, separated=False) if word else None


def behind_slash(text: str, before: Caption, lexicon: Lexicon) -> Caption | None:
    """Find the abbreviated key behind another field's and a slash, its sign for "number" lost ("Type / Výr. A / 1")."""
    match = _BEHIND.match(text, before.end)
    if match is None or before.word.kind not in FIELDS:
        return None
    group = 1 if match[1] else 2
    word = lexicon.abbreviated(fold(match[1])) if match[1] else lexicon.number(fold(match[2]))
    if word is None or word.kind == before.word.kind:
        return None
    return Caption(match.start(group), match.end(group), word, separated(text, match.end(group)))


def with_lost(text: str, known: Caption) -> list[Caption]:
    """Give the key of a line and, where its slash has nothing on the other side or a mark, the key that was lost there.

    "/ Serial No." and "Serial No. /" had a model's key beside them, of which the value has its part. What a lost key
    beside a model's was is not told; only two parts behind it say that one was there ("Type / 3a. AX 20 / 1234").
    """
    if known.word.kind not in FIELDS or known.word.strength <= WEAK:
        return [known]
    other = "model" if known.word.kind == "serial" else "other"
    before = _LOST_BEFORE.fullmatch(text, 0, known.start)
    behind = _LOST_BEHIND.match(text, known.end)
    if before is not None:
        return [Caption(*before.span(1), Word(other, _LOST, "/"), separated=False), known]
    if behind is not None:
        return [known, Caption(*behind.span(1), Word(other, _LOST, "/"), separated=False)]
    mark = _MARK_BEHIND.match(text, known.end) if known.word.kind == "model" else None
    if mark is not None:
        return [known, Caption(*mark.span(1), Word("serial", _LOST, mark[1]), separated=False)]
    return [known]


def _known(printed: str, lexicon: Lexicon) -> Word | None:
    folded = fold(printed)
    word = lexicon.exact(folded) or lexicon.misread(folded)
    return lexicon.nearest(folded) if word is None and len(folded) >= LEAST_DAMAGED else word


def _less(printed: str, lexicon: Lexicon) -> Word | None:
    """Give the key that is abbreviated, its sign for "number" lost or misread or alone, or cut off at an end."""
    short, folded = _ABBREVIATED.fullmatch(printed), fold(printed)
    word = (short and lexicon.abbreviated(fold(short[1]))) or lexicon.cut_off(folded) or lexicon.number(folded)
    return word or (lexicon.nearest(folded) if len(folded) == LEAST_DAMAGED - 1 else None)
