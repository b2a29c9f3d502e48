"""Cyrillic words, for which the recogniser's weights have no letters: a small head of its own on the same features.

The recogniser reads "Модель" as "oe" or nothing. What its body makes of a strip tells the letters apart all the same:
`cyrillic.npz` (made by `training/letters/cyrillic.py`) scores them beside the recogniser's own classes.

Promises: only whole words become Cyrillic, those with a letter that Latin has not, and never figures or the capitals
beside them; a line without such a word is read as it would be without this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13

from edge.readers.lines.glyphs import Glyph, Glyphs, trust
from edge.readers.lines.weights import CYRILLIC as WEIGHTS
from edge.readers.lines.weights import RECOGNISER, Network, Tensor

CYRILLIC = "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя№"
#: Latin letters that look like none of those: beside Cyrillic words the recogniser passes them over, too.
LATIN = "DFGIJLNQRSUVWZbdfghijklmnqrstvwz"
LETTERS = CYRILLIC + LATIN
#: Letters that look like Latin ones or a figure, and those: a word of these alone is none.
ALIKE = dict(zip("АВЕЗКМНОРСТУХаеорсух", "ABE3KMHOPCTYXaeopcyx", strict=True))  # noqa: RUF001
#: Small letters that look like Latin capitals: beside a capital they are those.
_SMALL_CAPITALS = dict(zip("вкмнт", "BKMHT", strict=True))
_SEEN_ALIKE = frozenset(ALIKE.values())
_FEWEST = 3
#: Least mean probability of a word's letters.
_LEAST_TRUST = 0.7


class Cyrillic:
    """The letters' head, loaded; a stream's calls take turns."""

    def __init__(self, *, threads: int, cache_dir: Path | None = None) -> None:
        self._network = Network(RECOGNISER, _prepared, threads=threads, streams=threads, cache_dir=cache_dir)

    def letters(self, stream: int, features: Tensor, best: Tensor) -> dict[int, tuple[str, float]]:
        """The letter of each frame that holds one rather than what scores `best` there, and its probability.

        Raises:
            ReaderError: the network did not run.
        """
        scores = self._network.run(stream, features)[0]
        first = scores.argmax(axis=1)
        most = scores[np.arange(len(scores)), first]
        found: dict[int, tuple[str, float]] = {}
        for n in np.flatnonzero(most > best).tolist():
            total = float(np.exp(scores[n] - most[n]).sum() + np.exp(best[n] - most[n]))
            found[n] = LETTERS[first[n]], round(1.0 / total, 4)  # the last digits follow the company
        return found


def _prepared(model: Any) -> Any:
    """The letters' head, in the place of the recogniser's."""
    del model
    with np.load(WEIGHTS) as kept:
        learnt = {name: np.asarray(kept[name], np.float32) for name in kept.files}
    features = opset13.parameter([-1, learnt["hidden_weight"].shape[1]], np.float32)
    hidden: Any = features
    for name in ("hidden", "letters"):
        product = opset13.matmul(hidden, opset13.constant(learnt[f"{name}_weight"]), False, True)
        hidden = opset13.add(product, opset13.constant(learnt[f"{name}_bias"]))
        hidden = opset13.relu(hidden) if name == "hidden" else hidden
    return ov.Model([opset13.result(hidden)], [features])


def merged(plain: Sequence[Glyph], mixed: Sequence[Glyph]) -> Glyphs:
    """A line as the recogniser read it, with the Cyrillic words of the other reading of it in their places.

    Beside Cyrillic words the recogniser passes Latin letters over ("Модель: AX" as ": X"): what looks like one in the
    other reading, where it read nothing, is that one.
    """
    spans = _spans(mixed)
    taken = [False] * len(mixed)
    for start, end in _runs(mixed):
        if _is_word(mixed, start, end) and not _read(plain, spans[start][0], spans[end - 1][1], mixed[start:end]):
            behind = next((n for n in range(end, len(mixed)) if mixed[n].text.isalnum()), len(mixed))
            if behind < len(mixed) and mixed[behind - 1].text == "№" and mixed[behind].text.isalpha():
                behind -= 1  # the N of a value
            taken[start:behind] = [True] * (behind - start)
    if not any(taken):
        return tuple(plain)
    covered = [span for span, one in zip(spans, taken, strict=True) if one]
    left = [one for one in plain if not any(_within(one, span) for span in covered)]
    passed_over = [
        replace(one, text=latin)
        for n, (one, span) in enumerate(zip(mixed, spans, strict=True))
        if not taken[n] and (latin := _latin(mixed, n)) and not any(_within(other, span) for other in left)
    ]
    kept = [one for one, is_taken in zip(mixed, taken, strict=True) if is_taken]
    return tuple(sorted((*kept, *left, *passed_over), key=lambda glyph: glyph.start))


def _latin(mixed: Sequence[Glyph], n: int) -> str:
    """The Latin letter that one in no Cyrillic word looks like; nothing where it looks like none."""
    text = mixed[n].text
    if text in _SMALL_CAPITALS:
        beside = [*mixed[max(0, n - 1) : n], *mixed[n + 1 : n + 2]]
        return _SMALL_CAPITALS[text] if any(other.text.isupper() for other in beside) else ""
    return ALIKE.get(text, text if text in LATIN else "")


def _spans(some: Sequence[Glyph]) -> list[tuple[float, float]]:
    """The part of the line that is nearest to each glyph."""
    between = [(one.end + other.start) / 2 for one, other in pairwise(some)]
    return list(pairwise((0.0, *between, 1.0))) if some else []


def _within(glyph: Glyph, span: tuple[float, float]) -> bool:
    return span[0] <= (glyph.start + glyph.end) / 2 <= span[1]


def _runs(mixed: Sequence[Glyph]) -> list[tuple[int, int]]:
    """Where letters follow each other, up to a capital behind a small one."""
    runs: list[tuple[int, int]] = []
    for n, glyph in enumerate(mixed):
        if not glyph.text.isalpha():
            continue
        if runs and runs[-1][1] == n and not (mixed[n - 1].text.islower() and glyph.text.isupper()):
            runs[-1] = runs[-1][0], n + 1
        else:
            runs.append((n, n + 1))
    return runs


def _is_word(mixed: Sequence[Glyph], start: int, end: int) -> bool:
    word = mixed[start:end]
    # Beside a figure capitals are a value; a word with small letters is a key glued to one.
    glued = any(mixed[n].text.isdigit() for n in (start - 1, end) if 0 <= n < len(mixed))
    return (
        len(word) >= _FEWEST
        and not (glued and all(glyph.text.isupper() for glyph in word))
        and all(glyph.text in CYRILLIC or glyph.text in _SEEN_ALIKE for glyph in word)
        and any(glyph.text in CYRILLIC and glyph.text not in ALIKE for glyph in word)
        and trust(word) >= _LEAST_TRUST
    )


def _read(plain: Sequence[Glyph], left: float, right: float, word: Sequence[Glyph]) -> bool:
    """Whether the recogniser read as many letters in a word's place, and more surely."""
    seen = [one for one in plain if _within(one, (left, right)) and one.text.isalpha()]
    return len(seen) >= len(word) and trust(seen) >= trust(word)
