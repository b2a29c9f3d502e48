"""What a confidence is worth: how likely a field is wrong, and how often passes were wrong on labelled reads.

Promises: a less certain character never makes a field surer; a rate is stated with its interval and with the number of
labelled reads that it rests on; and it is stated of the reader that it was measured with only, weights included.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import dist, exp, isfinite, lgamma, log, log1p
from types import MappingProxyType
from typing import Any

from edge.core.reading import FieldReading, Reading

VERSION = 1
#: Recognisers answer 1.00 when they are wrong; nothing is counted as surer than this.
_SUREST = 1e-5
#: Links further apart than this are all as good as certain, log-odds.
_MOST_LINK = 8.0
#: Gaps between characters that make a usual one, and how many usual ones wide a gap counts at most.
_FEW_GAPS = 3
_WIDEST = 4.0


def _log_odds(share: float) -> float:
    inside = min(max(share, _SUREST), 1 - _SUREST)
    return log(inside) - log1p(-inside)


def _confidence(field: FieldReading) -> float:
    return _log_odds(field.confidence)


def _margin(field: FieldReading) -> float:
    return _log_odds(field.margin)


def _second(field: FieldReading) -> float:
    confidences = sorted(character.confidence for character in field.characters)
    return _log_odds(confidences[1] if len(confidences) > 1 else field.confidence)


def _together(field: FieldReading) -> float:
    product = 1.0
    for character in field.characters:
        product *= character.confidence
    return _log_odds(product if field.characters else 0.0)


def _length(field: FieldReading) -> float:
    return float(len(field.characters))


def _even(field: FieldReading) -> float:
    boxes = [character.box for character in field.characters if character.box is not None]
    middles = [(sum(x for x, _ in box) / 4, sum(y for _, y in box) / 4) for box in boxes]
    gaps = sorted(dist(one, other) for one, other in pairwise(middles))
    if len(gaps) < _FEW_GAPS or gaps[len(gaps) // 2] <= 0:
        return 0.0
    return -log(min(_WIDEST, max(1.0, gaps[-1] / gaps[len(gaps) // 2])))


def _link(field: FieldReading) -> float:
    return max(-_MOST_LINK, min(_MOST_LINK, field.measures.get("link", 0.0)))


def _around(field: FieldReading) -> float:
    return max(-_MOST_LINK, min(_MOST_LINK, field.measures.get("around", 0.0)))


def in_frame(look: Reading, name: str) -> FieldReading:
    """A field as a calibration looks at it: with how sure the frame's characters are on the whole, as "around".

    A worn or dirty plate makes a recogniser doubt many of its characters, and be sure of a wrong one. Only a mean tells
    of the whole; it decides nothing about any character.
    """
    confidences = [character.confidence for line in look.lines for character in line.characters]
    if not confidences:
        return look.fields[name]
    field = look.fields[name]
    around = _log_odds(sum(confidences) / len(confidences))
    return replace(field, measures={**field.measures, "around": around})


#: What a score is made of, and whether more of it can only make a field surer; the weight of such a one is never
#: negative. As log-odds: least certain character; narrowest margin; second least certain; all characters together.
#: How many they are; how evenly they stand, since a lost character leaves a gap; how far the next best link of a text
#: to this field is behind; and how sure the frame's characters are on the whole.
FEATURES: Mapping[str, tuple[Callable[[FieldReading], float], bool]] = MappingProxyType(
    {
        "confidence": (_confidence, True),
        "margin": (_margin, True),
        "second": (_second, True),
        "together": (_together, True),
        "length": (_length, False),
        "even": (_even, True),
        "link": (_link, True),
        "around": (_around, True),
    }
)


@dataclass(frozen=True, slots=True)
class Measured:
    """How labelled reads came out that nothing was fitted on: accepted ones of how many, and wrong ones of those."""

    accepted: int
    wrong: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share of wrong ones among the accepted (Clopper-Pearson)."""
        return clopper_pearson(self.wrong, self.accepted)

    @property
    def rate(self) -> float:
        """The share of wrong ones, half of one counted on top: none wrong is no proof of none to come."""
        return (self.wrong + 0.5) / (self.accepted + 1)


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least score at which one look is enough where passes may be wrong at a rate, and how that came out."""

    rate: float
    score: float
    measured: Measured

    @property
    def facts(self) -> dict[str, Any]:
        """As it stands in a calibration's file."""
        return {"rate": self.rate, "score": self.score, **_counts(self.measured)}


@dataclass(frozen=True, slots=True)
class FalseAccept:
    """What an outcome states: the rate, its 95 % interval, and the labelled reads behind it.

    Interval and reads are None where a site stated the rate itself.
    """

    rate: float
    interval: tuple[float, float] | None = None
    reads: int | None = None

    @classmethod
    def of(cls, measured: Measured, asked: float = 0.0) -> FalseAccept:
        """The rate that was measured, never less than the one that was asked for."""
        return cls(max(asked, measured.rate), measured.interval, measured.accepted)


@dataclass(frozen=True, slots=True)
class Calibration:
    """One reader's calibration.

    A field's score is the log-odds that it is right, `bias` and `weights` over `FEATURES`. `risk` is a table of
    (score, share wrong), the share falling with the score. `thresholds` are for one look, lowest rate last; `formed`
    are those for texts that their product's pattern holds to their form (`fields.fixes_form`). `looks`
    says by number of agreeing looks how often they were wrong together where every character was at or above
    `least_confidence` and `least_margin`.

    Raises:
        ValueError: the numbers make no calibration; says which.
    """

    reader: str
    reader_hash: str
    bias: float
    weights: Mapping[str, float]
    risk: tuple[tuple[float, float], ...]
    thresholds: tuple[Threshold, ...] = ()
    looks: Mapping[int, Measured] = field(default_factory=dict)
    least_confidence: float = 0.9
    least_margin: float = 0.2
    formed: tuple[Threshold, ...] = ()

    def __post_init__(self) -> None:
        unknown = sorted({*self.weights} - {*FEATURES})
        if unknown:
            raise ValueError(f"weights name {unknown[0]!r}, which is no feature; use {', '.join(FEATURES)}")
        for name, weight in self.weights.items():
            if FEATURES[name][1] and weight < 0:
                raise ValueError(f"the weight of {name} is {weight}: more of it would make a field less sure")
        if not self.risk or any(not 0 <= share <= 1 for _, share in self.risk):
            raise ValueError("risk must be a list of scores with a share wrong each, 0 to 1")
        if any(low[0] >= high[0] or low[1] < high[1] for low, high in pairwise(self.risk)):
            raise ValueError("the scores of risk must rise, and their shares wrong must not")
        for some in (self.thresholds, self.formed):
            if any(one.rate <= other.rate or one.score > other.score for one, other in pairwise(some)):
                raise ValueError("the thresholds' rates must fall, and their scores must not")

    def fits(self, reader: str, reader_hash: str) -> bool:
        """Whether it was measured with this reader and these weights."""
        return (self.reader, self.reader_hash) == (reader, reader_hash)

    def score(self, reading: FieldReading) -> float:
        """The log-odds that the field is right, as fitted; -inf where nothing was read."""
        if not reading.text:
            return float("-inf")
        return self.bias + sum(weight * FEATURES[name][0](reading) for name, weight in self.weights.items())

    def wrong(self, reading: FieldReading) -> float:
        """Probability that the field is wrong; 1 where nothing was read."""
        return self.wrong_at(self.score(reading)) if reading.text else 1.0

    def wrong_at(self, score: float) -> float:
        """Probability that a field with this score is wrong: between two rows of the table in a straight line."""
        after = bisect_right(self.risk, score, key=lambda row: row[0])
        if after in (0, len(self.risk)):
            return self.risk[0 if after == 0 else -1][1]
        (low, more), (high, less) = self.risk[after - 1], self.risk[after]
        return more + (less - more) * (score - low) / (high - low)

    def threshold(self, rate: float, *, formed: bool = False) -> Threshold | None:
        """The threshold of the greatest rate that is no more than this; None where none is.

        `formed` says that a pattern holds the text to its form: then the lower of both thresholds is enough.
        """
        sets = (self.thresholds, self.formed if formed else ())
        known = (next((one for one in some if one.rate <= rate), None) for some in sets)
        return min((one for one in known if one is not None), key=lambda one: one.score, default=None)

    @property
    def facts(self) -> dict[str, Any]:
        """As it stands in its file."""
        return {
            "version": VERSION,
            "reader": self.reader,
            "reader_hash": self.reader_hash,
            "bias": self.bias,
            "weights": dict(self.weights),
            "risk": [list(row) for row in self.risk],
            "thresholds": [one.facts for one in self.thresholds],
            "formed": [one.facts for one in self.formed],
            "looks": {str(number): _counts(one) for number, one in self.looks.items()},
            "least_confidence": self.least_confidence,
            "least_margin": self.least_margin,
        }

    @classmethod
    def of(cls, facts: Any) -> Calibration:
        """The calibration that a file holds, from its JSON.

        Raises:
            ValueError: it holds none; says what is wrong, in one sentence.
        """
        if not isinstance(facts, Mapping):
            raise ValueError("a calibration is one JSON object")  # noqa: TRY004 - one kind of error for a file
        if facts.get("version") != VERSION:
            raise ValueError(f"version is {facts.get('version')!r}, and this edge takes {VERSION}")
        return cls(
            _text(facts, "reader"),
            _text(facts, "reader_hash"),
            _number(facts, "bias"),
            {name: _number(_table(facts, "weights"), name) for name in _table(facts, "weights")},
            tuple(_row(row) for row in _list(facts, "risk")),
            _thresholds(facts, "thresholds"),
            {_looks(number): _measured(one) for number, one in _table(facts, "looks").items()},
            _number(facts, "least_confidence", 0, 1),
            _number(facts, "least_margin", 0, 1),
            # Files that were made before product files counted have none.
            _thresholds(facts, "formed") if "formed" in facts else (),
        )


def clopper_pearson(wrong: int, reads: int, outside: float = 0.05) -> tuple[float, float]:
    """Interval of a share that was seen `wrong` times in `reads`; it misses the truth in no more than `outside` cases.

    Exact, by bisection on the binomial's tails: 0 in 3000 gives (0, 0.00123). Nothing seen gives (0, 1).
    """
    low = 0.0 if wrong == 0 else _bisect(lambda share: _at_least(wrong, reads, share) >= outside / 2)
    high = 1.0 if wrong >= reads else _bisect(lambda share: 1 - _at_least(wrong + 1, reads, share) < outside / 2)
    return low, high


def _bisect(true_above: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if true_above(middle) else (middle, high)
    return (low + high) / 2


def _at_least(wrong: int, reads: int, share: float) -> float:
    """Probability of at least so many: the shorter of the binomial's two tails, added up."""
    if share <= 0 or share >= 1:
        return float(wrong <= 0 or share >= 1)
    odds = log(share), log1p(-share)
    fixed = lgamma(reads + 1)

    def chance(number: int) -> float:
        ways = fixed - lgamma(number + 1) - lgamma(reads - number + 1)
        return exp(ways + number * odds[0] + (reads - number) * odds[1])

    if wrong <= reads // 2:
        return max(0.0, 1 - sum(chance(number) for number in range(wrong)))
    return min(1.0, sum(chance(number) for number in range(wrong, reads + 1)))


# Reading a file: each gives one fact of the right kind, or says which is wrong.


def _counts(measured: Measured) -> dict[str, int]:
    return {"accepted": measured.accepted, "wrong": measured.wrong, "of": measured.of}


def _number(facts: Any, name: str, low: float = float("-inf"), high: float = float("inf")) -> float:
    value = facts.get(name) if isinstance(facts, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or not low <= value <= high:
        within = f" from {low:g} to {high:g}" if isfinite(low) else ""
        raise ValueError(f"{name} is {value!r}, and must be a number{within}")
    return float(value)


def _text(facts: Mapping[str, Any], name: str) -> str:
    value = facts.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {value!r}, and must be a text")
    return value


def _list(facts: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = facts.get(name)
    if not isinstance(value, list):
        raise ValueError(f"{name} must be a list")  # noqa: TRY004 - one kind of error for a file
    return value


def _table(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = facts.get(name)
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be a table")  # noqa: TRY004 - one kind of error for a file
    return value


def _row(row: Any) -> tuple[float, float]:
    if not isinstance(row, list) or len(row) != 2:
        raise ValueError(f"a row of risk is {row!r}, and must be a score and a share")
    score, share = row
    return _number({"score": score}, "score"), _number({"share": share}, "share", 0, 1)


def _thresholds(facts: Mapping[str, Any], name: str) -> tuple[Threshold, ...]:
    found = (Threshold(_number(one, "rate", 0, 1), _number(one, "score"), _measured(one)) for one in _list(facts, name))
    return tuple(sorted(found, key=lambda one: -one.rate))


def _measured(facts: Any) -> Measured:
    accepted, wrong, of = (_number(facts, name, 0, 1e12) for name in ("accepted", "wrong", "of"))
    if not wrong <= accepted <= of or any(number % 1 for number in (accepted, wrong, of)):
        counts = f"wrong {wrong:g}, accepted {accepted:g} and of {of:g}"
        raise ValueError(f"{counts} must be whole numbers, and none more than the next")
    return Measured(int(accepted), int(wrong), int(of))


def _looks(number: str) -> int:
    if not number.isdecimal() or not 1 <= int(number) <= 5:
        raise ValueError(f"looks names {number!r}, and must name a number of looks from 1 to 5")
    return int(number)
