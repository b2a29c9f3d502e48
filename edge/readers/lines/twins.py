"""Characters that look alike - 0 and O, 1, I and l, 5 and S, 8 and B, 2 and Z, 6 and G - told apart by their shape.

The recogniser learnt from words and prices, and what stands around a character says more to it than the character: of
drawn codes it read every 17th such character as its twin. `twins.npz` (made by `training/letters/twins.py`) tells twins
apart from the same features, and has learnt from codes in which either is as likely; what both say together counts.

A 0 and an O differ less within some faces than between two: what the other zeros and Os of a plate look like, those of
numbers and of words, says what this one is.

Promises: only a twin takes a character's place, and only in a code: a run of letters and figures with a figure among
them, or one that stands alone. A word is read as before. What it was not becomes an alternative, with its probability.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import median

import numpy as np

from edge.readers.lines.glyphs import Glyph, Glyphs
from edge.readers.lines.weights import TWINS as WEIGHTS
from edge.readers.lines.weights import Tensor

GROUPS = ("0OoQD", "1IlLi", "5Ss", "8B", "2Zz", "6Gb")
#: The group of a character that has twins.
GROUP = {one: group for group in GROUPS for one in group}
CLASSES = "".join(GROUPS)
ROUND = "0O"
#: Frames on each side of a character that are looked at, beside its own.
REACH = 1
#: The recogniser leaves out what is less likely than 0.001.
_LEAST_SAID = 0.0005
_MOST_ALTERNATIVES = 5
_LEAST_ALTERNATIVE = 0.001


@dataclass(frozen=True, slots=True)
class _Weights:
    hidden: Tensor
    hidden_bias: Tensor
    classes: Tensor
    classes_bias: Tensor
    plate: tuple[float, ...]


@cache
def _weights() -> _Weights:
    with np.load(WEIGHTS) as kept:
        one = {name: np.asarray(kept[name], np.float32) for name in kept.files}
    hidden, classes = (np.ascontiguousarray(one[f"{name}_weight"].T) for name in ("hidden", "classes"))
    return _Weights(hidden, one["hidden_bias"], classes, one["classes_bias"], tuple(one["plate"].tolist()))


def told_apart(glyphs: Glyphs, features: Tensor) -> Glyphs:
    """A strip's glyphs, the twins of its codes decided; a 0 or O is told how it leans, for `on_a_plate` to decide.

    `features` are the strip's, frames x features.
    """
    asked = [n for n, one in enumerate(glyphs) if one.text in GROUP]
    if not asked:
        return glyphs
    in_codes = set(codes(glyphs))
    asked = [n for n in asked if n in in_codes or glyphs[n].text in ROUND]
    if not asked:
        return glyphs
    told = list(glyphs)
    for n, row in zip(asked, _scores([glyphs[n] for n in asked], features), strict=True):
        if glyphs[n].text in ROUND:
            told[n] = replace(glyphs[n], leaning=float(row[CLASSES.index("O")] - row[CLASSES.index("0")]))
        else:
            told[n] = _decided(glyphs[n], row)
    return tuple(told)


def _scores(glyphs: Sequence[Glyph], features: Tensor) -> Tensor:
    """How much each class looks like each glyph, glyphs x classes."""
    known = _weights()
    hidden = np.maximum(windows(glyphs, features) @ known.hidden + known.hidden_bias, 0)
    return np.asarray(hidden @ known.classes + known.classes_bias, np.float32)


def windows(glyphs: Sequence[Glyph], features: Tensor) -> Tensor:
    """The frames around the middle of each glyph one behind the other, glyphs x values; zeros beyond the strip."""
    padded = np.pad(features, ((REACH, REACH), (0, 0)))
    middles = [min(int((one.start + one.end) / 2 * len(features)), len(features) - 1) for one in glyphs]
    return np.stack([padded[at : at + 2 * REACH + 1].reshape(-1) for at in middles])


def runs(glyphs: Sequence[Glyph]) -> Iterator[tuple[int, int]]:
    """Where letters and figures follow each other."""
    begin = 0
    for end in range(len(glyphs) + 1):
        if end == len(glyphs) or not glyphs[end].text.isalnum():
            if end > begin:
                yield begin, end
            begin = end + 1


def codes(glyphs: Sequence[Glyph]) -> Iterator[int]:
    """The glyphs of codes that have twins."""
    for begin, end in runs(glyphs):
        run = glyphs[begin:end]
        if len(run) == 1 or any(one.text.isdigit() for one in run):
            yield from (begin + n for n, one in enumerate(run) if one.text in GROUP and not _in_a_word(run, n))


def _in_a_word(run: Sequence[Glyph], at: int) -> bool:
    """Whether a letter stands beside a small letter that has no twin: a word, glued to a figure."""
    beside = (*run[max(at - 1, 0) : at], *run[at + 1 : at + 2])
    return run[at].text.isalpha() and any(one.text.islower() and one.text not in GROUP for one in beside)


def _decided(glyph: Glyph, scores: Tensor) -> Glyph:
    """The glyph as what its shape and the recogniser together say."""
    group = GROUP[glyph.text]
    said = {glyph.text: glyph.confidence, **dict(glyph.alternatives)}
    both = [float(scores[CLASSES.index(one)]) + math.log(max(said.get(one, 0.0), _LEAST_SAID)) for one in group]
    shares = [math.exp(one - max(both)) for one in both]
    return _shared(glyph, {one: share / sum(shares) for one, share in zip(group, shares, strict=True)})


def _shared(glyph: Glyph, shares: dict[str, float]) -> Glyph:
    """The glyph with what the recogniser gives to some characters shared out among them anew."""
    said = {glyph.text: glyph.confidence, **dict(glyph.alternatives)}
    whole = min(1.0, sum(one for text, one in said.items() if text in shares))
    said |= {text: whole * share for text, share in shares.items()}
    (most, text), *rest = sorted(((one, text) for text, one in said.items()), reverse=True)
    if text not in shares:  # the recogniser's runner-up, of another shape
        return glyph
    alternatives = tuple((other, round(one, 4)) for one, other in rest if one >= _LEAST_ALTERNATIVE)
    return replace(glyph, text=text, confidence=most, alternatives=alternatives[:_MOST_ALTERNATIVES])


def on_a_plate(lines: Sequence[Glyphs]) -> list[Glyphs]:
    """A plate's lines, each 0 and O of its codes decided, also by what the others on the plate look like."""
    zeros, letters = usual_leaning(lines)
    weights = _weights().plate
    told: list[Glyphs] = []
    for line in lines:
        decided = list(line)
        for n in codes(line):
            if line[n].text in ROUND:
                odds = sum(a * b for a, b in zip(evidence(line[n], zeros, letters), weights, strict=True))
                share = 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))
                decided[n] = _shared(line[n], {"O": share, "0": 1 - share})
        told.append(tuple(decided))
    return told


def usual_leaning(lines: Sequence[Glyphs]) -> tuple[float | None, float | None]:
    """How zeros in numbers and Os in words of capitals lean on a plate, each None where it has none."""
    zeros: list[float] = []
    letters: list[float] = []
    for line in lines:
        for begin, end in runs(line):
            run = line[begin:end]
            if len(run) > 1 and all(one.text.isdigit() for one in run):
                zeros += [one.leaning for one in run if one.text == "0"]
            elif len(run) > 2 and all(one.text.isupper() for one in run):
                letters += [one.leaning for one in run if one.text == "O"]
    return (median(zeros) if zeros else None), (median(letters) if letters else None)


def evidence(glyph: Glyph, zeros: float | None, letters: float | None) -> tuple[float, ...]:
    """What speaks for an O: how it leans, beside the plate's zeros and Os where there are, and what was read."""
    said = {glyph.text: glyph.confidence, **dict(glyph.alternatives)}
    read_o, read_zero = (max(said.get(one, 0.0), _LEAST_SAID) for one in ("O", "0"))
    return (
        1.0,
        glyph.leaning,
        0.0 if zeros is None else glyph.leaning - zeros,
        float(zeros is None),
        0.0 if letters is None else glyph.leaning - letters,
        float(letters is None),
        math.log(read_o / read_zero),
    )
