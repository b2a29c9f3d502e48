"""Combine the evidence of several looks at one field: character by character, and honest about disagreement."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log

from edge.core.match import same
from edge.core.reading import Character, FieldReading

#: What a look grants a character that it does not name at all. Recognisers say 1.00 on blurred misreads
#: (see docs/manual.md, "Confidence"), so that no single look may be absolutely certain.
FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class FieldEvidence:
    """A field after all looks: the combined reading, and how many looks gave exactly its text, of how many.

    `dissent` is the confidence of the surest look that gave another text; 0 where none did. `against` names the readers
    that looked and never gave the text. `weakest` is how sure the least sure family of readers is by itself, in its
    best look that gave the text; 1 where one reader alone looked.
    """

    reading: FieldReading
    agreeing: int
    looks: int
    dissent: float = 0.0
    against: tuple[str, ...] = ()
    weakest: float = 1.0

    @property
    def disagreement(self) -> bool:
        """Whether some look that read anything read another text, or some reader has never read this one."""
        return self.agreeing < self.looks or bool(self.against)


def combine(looks: Sequence[FieldReading], readers: Sequence[str] = ()) -> FieldEvidence:
    """One reading out of all looks at a field; a look that read nothing counts as no look.

    `readers` says by whom each look is; none named: all are by one.

    Looks of one part share the plate, so their errors are not independent: each look's log-probability is weighted
    1/sqrt(n), between their mean (1/n) and full independence (1). A text that no look gave as a whole is possible, and
    then `agreeing` is 0.
    """
    seen = [look for look in looks if look.text]
    cut = any(look.finish_reason == "length" for look in looks)
    if not seen:
        return FieldEvidence(_marked(looks[-1], cut=cut) if looks else FieldReading(name=""), 0, 0)
    lengths = Counter(len(look.characters) for look in seen)
    best_length = max(lengths, key=lambda n: (lengths[n], _best_confidence(seen, n)))
    group = [look for look in seen if len(look.characters) == best_length]
    characters = tuple(_combine_characters(column) for column in zip(*(look.characters for look in group), strict=True))
    text = "".join(character.text for character in characters)
    like = next((look for look in _surest_first(group) if same("".join(c.text for c in look.characters), text)), None)
    if like is None:
        like = replace(_surest_first(group)[0], raw=text, text=text, rule="combined_over_looks")
    dissent = max((look.confidence for look in seen if not same(look.text, like.text)), default=0.0)
    by = readers or [""] * len(looks)
    sure: defaultdict[str, list[float]] = defaultdict(list)
    for reader, look in zip(by, looks, strict=True):
        if look.text and same(look.text, like.text):
            sure[reader].append(look.confidence)
    # A reader of another family that sees nothing where this one sees a text is no missing look, it is another answer.
    # Of one family it is the frame's fault, and the next frame may show it.
    against = tuple(sorted({*by} - {*sure})) if len({*by}) > 1 else ()
    # What one look proposes against its own text stays said, though the surest look proposes nothing.
    agreed = [look for look in seen if same(look.text, like.text)]
    proposed = tuple(dict.fromkeys(one for look in (like, *agreed) for one in look.alternatives))
    reading = _marked(replace(like, characters=characters, alternatives=proposed), cut=cut)
    weakest = min((max(one) for one in sure.values()), default=0.0) if len({*by}) > 1 else 1.0
    return FieldEvidence(reading, len(agreed), len(seen), dissent, against, weakest)


def _marked(reading: FieldReading, *, cut: bool) -> FieldReading:
    """The reading, marked as cut where some look was: a cut text is no value, and no other look makes it one."""
    return replace(reading, finish_reason="length") if cut else reading


def _best_confidence(looks: Sequence[FieldReading], length: int) -> float:
    return max(look.confidence for look in looks if len(look.characters) == length)


def _surest_first(looks: Sequence[FieldReading]) -> list[FieldReading]:
    return sorted(looks, key=lambda look: -look.confidence)


def _combine_characters(column: Sequence[Character]) -> Character:
    """The tempered product of the looks' distributions over one character."""
    if len(column) == 1:
        return column[0]
    weight = len(column) ** -0.5
    names = {c.text for c in column} | {text for c in column for text, _ in c.alternatives}
    scores: defaultdict[str, float] = defaultdict(float)
    for character in column:
        granted = dict(character.alternatives) | {character.text: character.confidence}
        for name in names:
            scores[name] += weight * log(max(granted.get(name, FLOOR), FLOOR))
    # What no look names at all keeps its floor as well, so that one name alone does not become a certainty.
    total = sum(exp(score) for score in scores.values()) + exp(weight * len(column) * log(FLOOR))
    ranked = sorted(names, key=lambda name: (-scores[name], name))
    best, *others = [(name, exp(scores[name]) / total) for name in ranked]
    surest = max(column, key=lambda c: (c.text == best[0], c.confidence))
    return Character(best[0], best[1], tuple(others), surest.box)
