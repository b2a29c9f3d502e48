"""Whether something comes more often than it used to: a one-sided Bernoulli CUSUM against a frozen base.

Each *sign* (a reason that is no pass, or a defect of a frame) has a score. An outcome that bears the sign adds the log
of its likelihood ratio, that of odds `factor` times the base against the base; one that does not takes some away; no
score falls below 0. At the limit the alarm begins; it ends when the score is back at 0.

Sources: the chart is that of Reynolds and Stoumbos, "A CUSUM chart for monitoring a proportion when inspecting
continuously", Journal of Quality Technology 31 (1999) 87-108; odds for its second hypothesis, so that it is a share for
every base, from Steiner et al., Biostatistics 1 (2000) 441-452. False alarms are bounded as in Lorden, Annals of
Mathematical Statistics 42 (1971) 1897-1908: seen from a score of 0, where every alarm begins, the base gives a way to
the limit h at most e^-h times the chance that the risen rate gives it, which is no more than that of its first step, a
sign, at the risen rate. So h = log(signs x outcomes per false alarm x risen rate) keeps the promise for all signs
together (`DriftLimits.score`). It holds for a true share at or below the base's: the base is therefore not the share
that was seen, but the upper end of its exact interval, which the true share is above in `BASE_RISK` of all stations.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from math import log, log1p

from edge.core.calibration import clopper_pearson
from edge.core.outcome import DISPOSITION_OF, Defect, Disposition, Outcome, Reason

#: How likely it is that any sign's base is set too low, and its false alarms are more than promised.
BASE_RISK = 0.05

#: What is watched: every reason that does not pass a part, and every defect of a frame.
SIGNS: tuple[str, ...] = (
    *(reason.value for reason in Reason if DISPOSITION_OF[reason] is not Disposition.PASS),
    *(defect.value for defect in Defect),
)


@dataclass(frozen=True, slots=True)
class DriftLimits:
    """How many outcomes make the base, which rise of the odds is looked for, and how rare a false alarm must be."""

    base_outcomes: int = 1000
    factor: float = 2.0
    outcomes_per_false_alarm: int = 100_000

    def score(self, rate: float) -> float:
        """The score at which the alarm of a sign with this base begins; more than one outcome's worth."""
        risen = self.factor * rate / (1 + (self.factor - 1) * rate)
        return max(log(self.factor), log(len(SIGNS) * self.outcomes_per_false_alarm * risen))


@dataclass(frozen=True, slots=True)
class Drift:
    """The base, and how far each sign is from it: `scores` above 0, and in `since` the `seq` of each alarm's begin.

    `base` counts the outcomes that bore a sign among the first `num_base`; `rates` is None until the base is complete,
    and never changes then.
    """

    num_base: int = 0
    base: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, float] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    since: Mapping[str, int] = field(default_factory=dict)

    def after(self, signs: AbstractSet[str], seq: int, limits: DriftLimits) -> Drift:
        """The drift with one more outcome, which bore these signs."""
        if self.rates is None:
            return self._learning(signs, limits)
        scores = {
            sign: score
            for sign in SIGNS
            if (score := self.scores.get(sign, 0.0) + step(self.rates[sign], limits.factor, seen=sign in signs)) > 0
        }
        most = {sign: limits.score(self.rates[sign]) for sign in scores}
        # A score does not grow beyond the limit, so that an alarm ends soon after its cause.
        scores = {sign: min(score, most[sign]) for sign, score in scores.items()}
        on = {sign: self.since.get(sign, seq) for sign, score in scores.items() if score >= most[sign]}
        staying = {sign: began for sign, began in self.since.items() if sign in scores}
        return Drift(self.num_base, self.base, self.rates, scores, staying | on)

    def nearness(self, limits: DriftLimits) -> dict[str, float]:
        """How near each sign is to its alarm, 0 to 1; what is missing has 0."""
        rates = self.rates or {}
        return {sign: min(1.0, score / limits.score(rates[sign])) for sign, score in self.scores.items()}

    def rested(self) -> Drift:
        """The same base, all scores at 0: as after somebody has seen to the cause."""
        return Drift(self.num_base, self.base, self.rates)

    def _learning(self, signs: AbstractSet[str], limits: DriftLimits) -> Drift:
        num_base = self.num_base + 1
        base = {sign: self.base.get(sign, 0) + (sign in signs) for sign in SIGNS}
        complete = num_base >= limits.base_outcomes
        rates = {sign: base_rate(base[sign], num_base) for sign in SIGNS} if complete else None
        return Drift(num_base, base, rates)


def signs_of(outcome: Outcome) -> frozenset[str]:
    """What an outcome bears: its reason, unless it passed, and the defects that any of its frames had."""
    reason = () if outcome.disposition is Disposition.PASS else (outcome.reason.value,)
    defects = (*outcome.defects, *(defect for attempt in outcome.attempts for defect in attempt.defects))
    return frozenset((*reason, *(defect.value for defect in defects)))


def sign_of(name: str) -> Reason | Defect:
    """The reason or defect that a sign is."""
    return Reason(name) if name in set(Reason) else Defect(name)


def base_rate(seen: int, outcomes: int) -> float:
    """The share that a sign is taken to have: the upper end of the interval of what was seen."""
    # The interval gives half of `outside` to each end.
    return clopper_pearson(seen, outcomes, 2 * BASE_RISK / len(SIGNS))[1]


def step(rate: float, factor: float, *, seen: bool) -> float:
    """What one outcome adds to the score of a sign: the log-likelihood ratio of odds `factor` times those of `rate`."""
    return (log(factor) if seen else 0.0) - log1p((factor - 1) * rate)
