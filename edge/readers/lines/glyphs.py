"""What is read in a strip: its characters, with what each could else be, and how sure they are together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Of what a character could else be so much is told: the likeliest, and none less likely.
MOST_ALTERNATIVES = 5
LEAST_ALTERNATIVE = 0.001


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character of a strip: what it is, how sure, what else it could be, and from where to where (0 to 1)."""

    text: str
    confidence: float
    alternatives: tuple[tuple[str, float], ...]
    start: float
    end: float
    #: By shape alone, the log odds that a 0 or an O is an O (`twins.py`).
    leaning: float = 0.0

    @property
    def likely(self) -> dict[str, float]:
        """Each character that it may be, itself first, with its probability."""
        return {self.text: self.confidence, **dict(self.alternatives)}


Glyphs = tuple[Glyph, ...]


def trust(glyphs: Sequence[Glyph]) -> float:
    """Mean confidence, 0 of none: tells a line read upside down, and a Cyrillic word; nothing else is decided by it."""
    return sum(glyph.confidence for glyph in glyphs) / len(glyphs) if glyphs else 0.0
