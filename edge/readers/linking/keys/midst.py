"""Keys that stand in the midst or at the end of a line, where a detector took two cells of a table for one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edge.readers.linking.keys.keywords import FIELDS, Lexicon, Word, fold
from edge.readers.linking.keys.printed import AROUND, MOST_ATOMS, WEAK, Caption, Line, separated

#: A key glued behind another cell's value begins with a capital before or behind a small letter, or behind a figure.
_TURN = re.compile(
    r"(?<=[^\W\d_A-Z\u0410-\u042f])(?=[A-Z\u0410-\u042f])|(?<=[A-Z])(?=[A-Z\u0410-\u042f][^\W\d_A-Z\u0410-\u042f])"
    r"|(?<=\d)(?=[^\W\d_]|0[^\W\d_])"
)
#: It has so many letters (folded), and more where no separator follows.
_LEAST_GLUED, _LONG = 4, 8
#: A key at the end of a line of another cell's has so many; in a script without capitals fewer.
_LEAST_LAST, _LEAST_SIGNS = 5, 2
#: What cells beside a model's or a serial number's hold.
_CELLS = frozenset(("rating", "date", "part_number", "batch", "revision"))


def apart(text: str, atoms: Sequence[tuple[int, int]], lexicon: Lexicon) -> tuple[tuple[int, int], ...]:
    """Cut words where a key is glued behind the value of another cell ("50 HzTipo: AX 20", "99 940bj.č.: 17")."""
    cut: list[tuple[int, int]] = []
    for number, (start, end) in enumerate(atoms):
        at = next(
            (
                turn.start() for turn in _TURN.finditer(text, start + 1, end)
                if _is_key(text, (turn.start(), end), atoms[number + 1 : number + MOST_ATOMS], lexicon)
            ),
            None,
        )  # fmt: skip
        cut += [(start, end)] if at is None else [(start, at), (at, end)]
    return tuple(cut)


def _is_key(text: str, first: tuple[int, int], more: Sequence[tuple[int, int]], lexicon: Lexicon) -> bool:
    """Say whether a word and those behind it are a key, and its separator or a value follows."""
    folded, begin = "", first[0]
    for start, end in (first, *more):
        if any(c in ":;,/" for c in text[begin:start]):
            return False
        folded, begin = folded + fold(text[start:end]), end
        word = lexicon.exact(folded)
        if word is not None and word.strength > WEAK and len(folded) >= _LEAST_GLUED:
            return separated(text, end) or (word.kind in FIELDS and len(folded) >= _LONG)
    return False


def same_again(line: Line, index: int, runs: Sequence[tuple[str, int]], before: Caption) -> Caption | None:
    """Find the key of a field that stands right before it in another language: "Modelo Model Typ. AX 20"."""
    start = line.spans[index][0]
    least = _LEAST_GLUED - 1 if line.text[start].isascii() else _LEAST_SIGNS
    for folded, end in runs:
        word = line.lexicon.exact(folded)
        if word is None and not line.text[end:].strip(AROUND) and line.text[end : end + 1] == ".":
            word = line.lexicon.abbreviated(folded)
        long = len(folded) >= least or "/" in line.text[start:end]
        if word is not None and word.kind == before.word.kind and word.strength > WEAK and long:
            return Caption(start, end, word, separated(line.text, end))
    return None


def next_cells(line: Line, index: int, runs: Sequence[tuple[str, int]]) -> Caption | None:
    """Find the key of the next cell at the end of a line, behind this one's value: "351901465 Modelo"."""
    start = line.spans[index][0]
    for folded, end in runs:
        word = line.lexicon.exact(folded)
        if word is not None and _ends(line, start, end, folded, word):
            return Caption(start, end, word, separated(line.text, end))
    return None


def _ends(line: Line, start: int, end: int, folded: str, word: Word) -> bool:
    """Say whether a sure key ends its line, or has another one behind it, and a value with figures stands before it."""
    least = _LEAST_LAST if line.text[start].isascii() else _LEAST_SIGNS
    value = line.text[:start]
    rest = line.text[end:].strip(AROUND)
    if not rest and line.text[start] == "0":
        # "0bj.č." and "0broty": no value ends with one letter too few for a figure.
        return len(folded) >= _LEAST_GLUED and word.strength > WEAK
    if not rest and line.text[start].isupper() and word.kind in _CELLS and word.printed == line.text[start:end]:
        # "W12Y/122 Weight": what stands behind a code and is printed as a key is one.
        return len(folded) >= least and value[-1:] == " " and any(map(str.isdigit, value.split()[-1]))
    return (
        len(folded) >= least
        and word.kind in FIELDS
        and word.strength == 1.0
        and any(map(str.isdigit, value))
        and value[-1:] in " \u3000/"
        and (not rest or not any(map(str.isdigit, rest.split(maxsplit=1)[0])))
        and (not rest or len(folded) >= _LONG)
    )
