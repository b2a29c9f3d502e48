"""Spoils pages of boxes as readers and worn plates do: like letters, lost marks, boxes joined, cut and lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from training.linking.layouts import Box, Letter, Mark
from training.small import words

#: How often each thing happens, a box or a letter; the text of photographs of plates is spoilt about so.
_WRONG_LETTER = 0.008
_WRONG_KEY_LETTER = 0.06
_LOST_COLON = 0.1
_LOST_BLANK = 0.04
_JOINED = 0.05
_CUT = 0.06
_LOST = 0.02


@dataclass(frozen=True, slots=True)
class Spoilt:
    """Boxes after the damage, each letter with how sure a reader was of it."""

    boxes: list[Box]
    sure: list[list[float]]


def spoil(dice: Random, boxes: Sequence[Box], *, strength: float = 1.0) -> Spoilt:
    """Spoil boxes; `strength` 0 leaves all as printed."""
    kept = [box for box in boxes if box.text.strip()]
    kept = [box for box in kept if box.key or _marked(box) or dice.random() >= _LOST * strength]
    kept = _join(dice, kept, strength)
    kept = [part for box in kept for part in _cut(dice, box, strength)]
    sure = []
    for box in kept:
        if box.key:
            _spoil_key(dice, box, strength)
        sure.append(_misread(dice, box, strength))
        box.top += dice.gauss(0, 0.04) * box.height
        box.height *= dice.uniform(0.9, 1.15)
    return Spoilt(kept, sure)


def _marked(box: Box) -> bool:
    return any(letter.mark for letter in box.letters)


def _join(dice: Random, boxes: Sequence[Box], strength: float) -> list[Box]:
    """Join neighbours of one row that stand close, as detectors do."""
    joined: list[Box] = []
    for box in boxes:
        before = joined[-1] if joined else None
        if (
            before is not None
            and abs(before.top - box.top) < 0.3 * box.height
            and before.turn_deg == box.turn_deg
            and 0 <= box.left - before.right < 1.6 * box.height
            and dice.random() < 4 * _JOINED * strength
        ):
            between = [Letter(" ", before.right, box.left)] if dice.random() < 0.8 else []
            before.letters = [*before.letters, *between, *box.letters]
            before.key = before.key or box.key
        else:
            joined.append(box)
    return joined


def _cut(dice: Random, box: Box, strength: float) -> list[Box]:
    """Cut a box at a blank; now and then inside a long value."""
    if dice.random() >= _CUT * strength or len(box.letters) < 6:
        return [box]
    blanks = [n for n, letter in enumerate(box.letters) if letter.text == " " and 0 < n < len(box.letters) - 1]
    if not blanks:
        return [box]
    at = dice.choice(blanks)
    return [
        Box(box.letters[:at], box.top, box.height, box.turn_deg, box.key),
        Box(box.letters[at + 1 :], box.top, box.height, box.turn_deg),
    ]


def _spoil_key(dice: Random, box: Box, strength: float) -> None:
    """Change a letter of the key, or lose its colon or a blank."""
    letters = box.letters
    end = next((n for n, letter in enumerate(letters) if letter.mark), len(letters))
    if dice.random() < _LOST_COLON * strength:
        letters = [letter for n, letter in enumerate(letters) if n >= end or letter.text != ":"]
        end = next((n for n, letter in enumerate(letters) if letter.mark), len(letters))
    if dice.random() < _LOST_BLANK * strength and end < len(letters) and letters[end - 1].text == " " and end > 1:
        letters = letters[: end - 1] + letters[end:]
        end -= 1
    places = [n for n in range(end) if letters[n].text.isalpha()]
    if len(places) > 3 and dice.random() < _WRONG_KEY_LETTER * strength:
        at = dice.choice(places)
        letters = [*letters]
        letters[at] = letters[at]._replace(text=words.mistaken(dice, letters[at].text)[:1] or letters[at].text)
    if letters:
        box.letters = letters


def _misread(dice: Random, box: Box, strength: float) -> list[float]:
    """Take letters for like ones; a reader is sure of most that are wrong, and unsure of some that are right."""
    sure = []
    for n, letter in enumerate(box.letters):
        wrong = letter.text.isalnum() and dice.random() < _WRONG_LETTER * strength
        other = words.mistaken(dice, letter.text)[:1] if wrong else letter.text
        if other and other != letter.text:
            mark = letter.mark and Mark(letter.mark.field, letter.mark.copy, letter.mark.optional, damaged=True)
            box.letters[n] = letter._replace(text=other, mark=mark)
            sure.append(dice.uniform(0.4, 1.0))
        else:
            sure.append(1.0 if dice.random() < 0.97 else dice.uniform(0.5, 1.0))
    return sure
