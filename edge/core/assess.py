"""What the looks so far amount to: enough to check against the record, worth another look, or a reason to stop.

A part passes on evidence, not on one number: the least certain character and its margin (never the mean: recognisers
answer 1.00 on a blurred misread), and either enough agreeing looks, or one look above a threshold whose false-accept
rate was measured. A code on the plate that says the same is a look of another family. Readers of different families
are looks of their own, on the same frame too; each of them must have read the text at least once, and be sure of it by
itself, however often the others did: a reader makes its own mistake again on the next frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edge.core.accept import false_accept, one_is_enough
from edge.core.calibration import FalseAccept
from edge.core.evidence import FieldEvidence, combine
from edge.core.fields import FieldRule, Product, violation
from edge.core.match import code_verdicts, confirmed
from edge.core.outcome import Defect, Reason
from edge.core.policy import Policy
from edge.core.reading import Code, Reading


@dataclass(frozen=True, slots=True)
class Assessment:
    """What the looks so far amount to.

    `reason` is None where the fields can be checked; else what the outcome is if no further look comes. `final`: no
    look can change it. `confirm`: the look was good, and a second one is wanted. `looks`: how many agreeing looks the
    weakest required field rests on, codes included. `false_accept`: how often a pass on this evidence was wrong.
    """

    evidence: Mapping[str, FieldEvidence]
    verdicts: Mapping[str, str]
    reason: Reason | None
    defects: tuple[Defect, ...] = ()
    final: bool = False
    confirm: bool = False
    looks: int = 0
    false_accept: FalseAccept | None = None

    @property
    def texts(self) -> dict[str, str]:
        """The text of every field that was read well enough to be compared."""
        return {name: self.evidence[name].reading.text for name, verdict in self.verdicts.items() if verdict == "read"}

    @property
    def confidence(self) -> float | None:
        """The least certain character of all fields that were read; None where nothing was."""
        return min((e.reading.confidence for e in self.evidence.values() if e.reading.text), default=None)


#: Verdicts of a field, gravest first, with what each makes of the whole where the field is required.
_GRAVITY: Mapping[str, tuple[Reason, tuple[Defect, ...]]] = {
    "truncated": (Reason.TRUNCATED, ()),
    "nothing_there": (Reason.UNREADABLE, ()),
    "disagreement": (Reason.UNREADABLE, (Defect.DISAGREEMENT,)),
    "low_confidence": (Reason.UNREADABLE, (Defect.LOW_CONFIDENCE,)),
    "code_conflict": (Reason.CODE_CONFLICT, ()),
    "format_violation": (Reason.FORMAT_VIOLATION, ()),
    "one_look": (Reason.UNREADABLE, (Defect.LOW_CONFIDENCE,)),
}


def assess(looks: Sequence[Reading], product: Product, policy: Policy) -> Assessment:
    """Weigh all looks at one part, the latest last; each is by one reader."""
    seen = [code for look in looks for code in look.codes]
    combined = {name: _combined(name, looks) for name in product.fields}
    evidence = {name: _settled(combined[name], rule, seen) for name, rule in product.fields.items()}
    texts = {name: one.reading.text for name, one in evidence.items()}
    codes = code_verdicts(seen, texts, product)
    support = {name: one.agreeing + (codes.get(name) is True) for name, one in evidence.items()}
    # How sure a look is of another text says nothing about the one that a code put in its place.
    certain = {
        name: support[name] >= policy.looks
        or (one is combined[name] and one_is_enough(product.fields[name], one, looks, policy))
        for name, one in evidence.items()
    }
    verdicts = {
        name: _verdict(rule, evidence[name], codes.get(name), policy, certain=certain[name])
        for name, rule in product.fields.items()
    }
    least = min((support[name] for name, rule in product.fields.items() if rule.required), default=0)
    needed = {verdict for name, verdict in verdicts.items() if product.fields[name].required or verdict in _FAULTS}
    gravest = next((verdict for verdict in _GRAVITY if verdict in needed), None)
    absent = policy.readers - {look.reader for look in looks}
    if absent and (gravest is None or gravest in _FAULTS):
        # Read well, by readers that are not all that this station decides by: another frame may find them back (L4).
        return Assessment(evidence, verdicts, Reason.READER_FAILED, confirm=True, looks=least)
    if gravest is None:
        stated = false_accept(evidence, looks, product, policy, least)
        return Assessment(evidence, verdicts, None, looks=least, false_accept=stated)
    reason, defects = _GRAVITY[gravest]
    sure = all(certain[name] for name, verdict in verdicts.items() if verdict == gravest)
    return Assessment(
        evidence,
        verdicts,
        reason,
        defects,
        final=gravest == "truncated" or (gravest in _FAULTS and sure),
        confirm=gravest in {"one_look", "nothing_there", *_FAULTS},
        looks=least,
    )


def _combined(name: str, looks: Sequence[Reading]) -> FieldEvidence:
    having = [look for look in looks if name in look.fields]
    return combine([look.fields[name] for look in having], [look.reader for look in having])


def _settled(one: FieldEvidence, rule: FieldRule, codes: Sequence[Code]) -> FieldEvidence:
    """Take a proposed text in place of one of the wrong form where a code on the plate says it, and name the rule (L7).

    Nothing else makes a proposal the text: not its likelihood, and not the record. The looks never gave it as a whole,
    so that all of them together count as one.
    """
    reading = one.reading
    if not reading.text or one.disagreement or violation(reading.text, rule) is None:
        return one
    found = confirmed(reading.alternatives, codes, rule)
    if found is None:
        return one
    named = ", ".join(part for part in (reading.rule, found[1], "as its code says") if part)
    return replace(one, reading=replace(reading, text=found[0], rule=named), agreeing=1, looks=1)


#: What is wrong with the part rather than with the look; it counts in optional fields as well.
_FAULTS = ("code_conflict", "format_violation")


def _verdict(rule: FieldRule, one: FieldEvidence, code: bool | None, policy: Policy, *, certain: bool) -> str:
    reading = one.reading
    if reading.finish_reason == "length":
        return "truncated"
    if not reading.text:
        return "nothing_there"
    # Looks that agree outvote a doubtful one; a sure one that read something else is not outvoted, nor is a reader
    # that never read the text.
    if one.disagreement and (one.against or one.agreeing < policy.looks or one.dissent >= rule.min_confidence):
        return "disagreement"
    # Agreement makes two doubtful readers sure together, and they share frame and hint: each must be sure by itself.
    if min(reading.confidence, one.weakest) < rule.min_confidence or reading.margin < policy.min_margin:
        return "low_confidence"
    if code is False:
        return "code_conflict"
    if violation(reading.text, rule) is not None:
        # Where a character that readers mix up would mend it, the reader is the likelier culprit: in doubt, hold.
        return "low_confidence" if reading.alternatives else "format_violation"
    return "read" if certain else "one_look"
