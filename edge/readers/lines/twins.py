"""Characters that look alike - 0 and O, 1, I and l, 5 and S, 8 and B, 2 and Z, 6 and G - told apart by their shape.

The recogniser learnt from words and prices, and what stands around a character says more to it than the character: of
drawn codes it read every 17th such character as its twin. `twins.npz` (made by `training/letters/twins.py`) tells twins
apart from the same features, and has learnt from codes in which either is as likely; what both say together counts.

A 0 and an O are decided by the plate (`rounds.py`).

Promises: only a twin takes a character's place, and only in a code: a run of letters and figures with a figure among
them, or one that stands alone. A word is read as before. What it was not becomes an alternative, with its probability.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from edge.readers.lines.glyphs import LEAST_ALTERNATIVE, MOST_ALTERNATIVES, Glyph, Glyphs
from edge.readers.lines.weights import TWINS as WEIGHTS
from edge.readers.lines.weights import Tensor

GROUPS = ("0OoQD", "1IlLi", "5Ss", "8B", "2Zz", "6Gb")
#: The group of a character that has twins.
GROUP = {one: group for group in GROUPS for one in group}
CLASSES = "".join(GROUPS)
ROUND = "0O"
#: Frames on each side of a character that are looked at, beside its own.
REACH = 1
_AROUND = np.arange(2 * REACH + 1)
_PLACE = {one: at for at, one in enumerate(CLASSES)}
#: A zero with a dot or a stroke leans by 10 to 25, a blurred one by 1: that far out amounts say nothing.
_MOST_LEANING = 8.0
#: The recogniser leaves out what is less likely than 0.001.
LEAST_SAID = 0.0005
#: A shape that is so much surer, of what was read without doubt, changes its confidence by less than 0.000001.
_SURE = 7.0


@dataclass(frozen=True, slots=True)
class _Weights:
    hidden: Tensor
    hidden_bias: Tensor
    classes: Tensor
    classes_bias: Tensor


@cache
def _weights() -> _Weights:
    with np.load(WEIGHTS) as kept:
        one = {name: np.asarray(kept[name], np.float32) for name in kept.files}
    hidden, classes = (np.ascontiguousarray(one[f"{name}_weight"].T) for name in ("hidden", "classes"))
    return _Weights(hidden, one["hidden_bias"], classes, one["classes_bias"])


def told_apart(glyphs: Glyphs, features: Tensor) -> Glyphs:
    """A strip's glyphs, the twins of its codes decided; a 0 or O is told how it leans, for the plate to decide.

    `features` are the strip's, frames x features.
    """
    with_twins = [n for n, one in enumerate(glyphs) if one.text in GROUP]
    in_codes = set(codes(glyphs)) if with_twins else ()
    asked = [n for n in with_twins if n in in_codes or glyphs[n].text in ROUND]
    if not asked:
        return glyphs
    told = list(glyphs)
    for n, row in zip(asked, _scores([glyphs[n] for n in asked], features), strict=True):
        if glyphs[n].text in ROUND:
            leaning = row[_PLACE["O"]] - row[_PLACE["0"]]
            told[n] = replace(glyphs[n], leaning=_MOST_LEANING * math.tanh(leaning / _MOST_LEANING))
        else:
            told[n] = _decided(glyphs[n], row)
    return tuple(told)


def _scores(glyphs: Sequence[Glyph], features: Tensor) -> list[list[float]]:
    """How much each glyph looks like each class."""
    known = _weights()
    hidden = np.maximum(windows(glyphs, features) @ known.hidden + known.hidden_bias, 0)
    scores: list[list[float]] = (hidden @ known.classes + known.classes_bias).tolist()
    return scores


def windows(glyphs: Sequence[Glyph], features: Tensor) -> Tensor:
    """The frames around the middle of each glyph one behind the other, glyphs x values; zeros beyond the strip."""
    padded = np.zeros((len(features) + 2 * REACH, features.shape[1]), np.float32)
    padded[REACH:-REACH] = features
    middles = np.array([min(int((one.start + one.end) / 2 * len(features)), len(features) - 1) for one in glyphs])
    return padded[middles[:, None] + _AROUND].reshape(len(glyphs), -1)


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


def _decided(glyph: Glyph, scores: Sequence[float]) -> Glyph:
    """The glyph as what its shape and the recogniser together say."""
    group = GROUP[glyph.text]
    shapes = [scores[_PLACE[one]] for one in group]
    own = scores[_PLACE[glyph.text]]
    if (
        not glyph.alternatives
        and own - max(one for one, text in zip(shapes, group, strict=True) if text != glyph.text) > _SURE
    ):
        return glyph
    said = glyph.likely
    both = [shape + math.log(max(said.get(one, 0.0), LEAST_SAID)) for shape, one in zip(shapes, group, strict=True)]
    shares = [math.exp(one - max(both)) for one in both]
    return shared(glyph, {one: share / sum(shares) for one, share in zip(group, shares, strict=True)})


def shared(glyph: Glyph, shares: dict[str, float]) -> Glyph:
    """The glyph with what the recogniser gives to some characters shared out among them anew."""
    said = glyph.likely
    whole = min(1.0, sum(one for text, one in said.items() if text in shares))
    said |= {text: whole * share for text, share in shares.items()}
    (most, text), *rest = sorted(((one, text) for text, one in said.items()), reverse=True)
    if text not in shares:  # the recogniser's runner-up, of another shape
        return glyph
    alternatives = tuple((other, round(one, 4)) for one, other in rest if one >= LEAST_ALTERNATIVE)
    return replace(glyph, text=text, confidence=most, alternatives=alternatives[:MOST_ALTERNATIVES])
