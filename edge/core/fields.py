"""What to read on a product, and whether a text has the right form: patterns, confusable characters, check digits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge.core.quality import MeasureName


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field to read.

    `pattern` is for people and for the outcome; `matches` is its compiled form (whole text), which carries its own
    time limit, since the core has no clock. `confusable` holds groups of characters that readers mix up ("0O").
    """

    name: str
    pattern: str | None = None
    matches: Callable[[str], bool] = lambda _text: True
    keys: tuple[str, ...] = ()
    required: bool = True
    confusable: tuple[str, ...] = ()
    check: str | None = None
    min_confidence: float = 0.90
    max_new_tokens: int = 32
    question: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The least score (0 to 100) that each measure needs; a measure that is not named is not judged."""

    min_scores: Mapping[MeasureName, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Product:
    """A type of thing made: its fields, its limits on frames, and how it is checked against the record."""

    name: str
    fields: Mapping[str, FieldRule]
    limits: Limits = Limits()
    mode: str = "identify"
