"""When one look is enough, and how often a pass on such evidence was wrong: what the outcome states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edge.core.calibration import Calibration, FalseAccept, Threshold, in_frame
from edge.core.evidence import FieldEvidence
from edge.core.fields import FieldRule, Product, fixes_form
from edge.core.match import same
from edge.core.policy import Policy
from edge.core.reading import FieldReading, Reading


def one_is_enough(rule: FieldRule, one: FieldEvidence, looks: Sequence[Reading], policy: Policy) -> bool:
    """Whether a single look may pass this field: above every threshold that is set; none set, never."""
    confidence, rate = policy.single_look_confidence, policy.single_look_rate
    if confidence is None and rate is None:
        return False
    if confidence is not None and one.reading.confidence < confidence:
        return False
    return rate is None or _above(rule, one, looks, policy.calibration, rate)


def false_accept(
    evidence: Mapping[str, FieldEvidence], looks: Sequence[Reading], product: Product, policy: Policy, support: int
) -> FalseAccept | None:
    """What was measured for a pass on this evidence; `support` is how many looks the weakest required field rests on.

    A site's own count goes before the calibration. The calibration speaks of agreeing frames of its own reader; a code
    or another reader that agrees makes a pass surer, and is not counted. None: nothing was measured.
    """
    stated = [number for number in policy.false_accept_rate if number <= support]
    if stated:
        return FalseAccept(policy.false_accept_rate[max(stated)])
    calibration = policy.calibration
    required = [name for name, rule in product.fields.items() if rule.required]
    if calibration is None or not required or not _as_measured(calibration, product, policy):
        return None
    rate = policy.single_look_rate
    own = min(len(list(_agreeing(name, evidence[name], looks, calibration))) for name in required)
    rules = [product.fields[name] for name in required]
    if own == 1 and rate is not None and all(_above(r, evidence[r.name], looks, calibration, rate) for r in rules):
        passed = (_threshold(rule, evidence[rule.name], calibration, rate) for rule in rules)
        # A pass is as sure as its least sure field.
        said = (FalseAccept.of(one.measured, one.rate) for one in passed if one is not None)
        return max(said, key=lambda one: one.rate)
    counted = [number for number in calibration.looks if number <= own]
    return FalseAccept.of(calibration.looks[max(counted)]) if counted else None


def _as_measured(calibration: Calibration, product: Product, policy: Policy) -> bool:
    """Whether this station asks for no less than what the calibration was measured with."""
    rules = [rule for rule in product.fields.values() if rule.required]
    sure = all(rule.min_confidence >= calibration.least_confidence for rule in rules)
    return sure and policy.min_margin >= calibration.least_margin


def _above(
    rule: FieldRule, one: FieldEvidence, looks: Sequence[Reading], calibration: Calibration | None, rate: float
) -> bool:
    """Whether some look by itself is at or above the threshold of the rate; combined looks were not calibrated."""
    if calibration is None or (threshold := _threshold(rule, one, calibration, rate)) is None:
        return False
    return any(calibration.score(look) >= threshold.score for look in _agreeing(rule.name, one, looks, calibration))


def _threshold(rule: FieldRule, one: FieldEvidence, calibration: Calibration, rate: float) -> Threshold | None:
    return calibration.threshold(rate, formed=fixes_form(one.reading.text, rule))


def _agreeing(
    name: str, one: FieldEvidence, looks: Sequence[Reading], calibration: Calibration
) -> Iterator[FieldReading]:
    """The calibrated reader's own looks that gave the field's text, as a calibration looks at them."""
    for look in looks:
        field = look.fields.get(name)
        ours = calibration.fits(look.reader, look.reader_hash)
        if ours and field is not None and field.text and same(field.text, one.reading.text):
            yield in_frame(look, name)
