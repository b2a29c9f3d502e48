"""Whether a new reader may take the old one's place: both have read the same labelled frames.

Promises: a reader that reads fewer fields right, or more of them wrong, than the one it would replace is refused, with
the counts; a field that is left empty is neither wrong nor right, unless the plate has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """Fields of labelled frames: how many there are, were read right, and were read as something else."""

    fields: int = 0
    right: int = 0
    wrong: int = 0

    def __str__(self) -> str:
        return f"{self.right} of {self.fields} fields right, {self.wrong} wrong"


def score(frames: Iterable[tuple[Mapping[str, str], Mapping[str, Sequence[str]]]]) -> Score:
    """Count over frames, each what was read and what is right (by field; no text: there is none on the plate)."""
    fields = right = wrong = 0
    for read, labels in frames:
        for name, texts in labels.items():
            if name not in read:
                continue
            is_right = read[name] in texts if texts else not read[name]
            fields += 1
            right += is_right
            wrong += bool(read[name]) and not is_right
    return Score(fields, right, wrong)


def refusal(old: Score, new: Score) -> str | None:
    """Why the new reader stays out; None where it may come in."""
    if new.right < old.right:
        return f"it reads fewer fields right: {new}; the one that serves: {old}"
    if new.wrong > old.wrong:
        return f"it reads more fields wrong: {new}; the one that serves: {old}"
    return None
