"""Every text that could be a field's value, with what speaks for and against it as named numbers.

Features say what is there; they do not decide. Each is 0 to 1 (`size` and `top` -1 to 1), so that weights can be read
side by side and trained later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.core.fields import FieldRule, normalise, violation
from edge.core.reading import Character, Quad
from edge.readers.linking.layout import Page, Piece, Rect, quad
from edge.readers.linking.links import RELATIONS, ROW_REACH, Link, followers, habits
from edge.readers.linking.shape import is_brand, looks, model_shape, serial_shape
from edge.readers.linking.spans import Segment, spans

#: Fields farther apart than this, in text heights, say nothing about each other.
_SIDE_BY_SIDE = 12.0
#: Letters this much larger than usual are a logo.
_LARGE = 1.4
#: What a text that matches the pattern looks like at least, whatever its shape.
_SHAPE_THAT_FITS = 0.9


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that could be the value of one field; `fits` says that it has the form the product asks for."""

    piece: Piece
    segments: tuple[Segment, ...]
    raw: str
    text: str
    rule: str | None
    link: Link | None
    features: Mapping[str, float]
    fits: bool
    left_out: str = ""

    def characters(self, page: Page) -> tuple[Character, ...]:
        """The characters of `raw`, one each; a gap between boxes is a blank."""
        characters: list[Character] = []
        for line, start, end in self.segments:
            if characters:
                characters.append(Character(" ", 1.0))
            characters.extend(page.lines[line].characters[start:end])
        return tuple(characters)

    def box(self, page: Page) -> Quad:
        """Corners on the frame, from the first to the last segment."""
        first, last = self.segments[0], self.segments[-1]
        begin, end = quad(page.lines[first[0]], *first[1:]), quad(page.lines[last[0]], *last[1:])
        return (begin[0], end[1], end[2], begin[3])


class Surroundings:
    """What is the same for all candidates of a page."""

    def __init__(self, page: Page, linked: Mapping[int, Sequence[Link]]) -> None:
        self.page = page
        self.linked = linked
        self.habits = habits(linked)
        self.followers = followers(page)
        self.brands = [piece for piece in page.pieces if not piece.kind and _names_maker(piece, page.height_px)]
        self.top = min((piece.rect.top for piece in page.pieces), default=0.0)
        self.depth = max(max((piece.rect.bottom for piece in page.pieces), default=0.0) - self.top, 1.0)
        self.repeats: dict[str, int] = {}
        self._places: dict[int, dict[str, float]] = {}
        for piece in page.pieces:
            self.repeats[piece.text] = self.repeats.get(piece.text, 0) + 1

    def place(self, index: int) -> dict[str, float]:
        """Give the features of a piece that do not depend on the field."""
        if index not in self._places:
            piece = self.page.pieces[index]
            self._places[index] = {
                "size": max(-1.0, min(1.0, piece.rect.height / self.page.height_px - 1)),
                "top": 1 - 2 * (piece.rect.middle - self.top) / self.depth,
                "brand": max((_beside(piece.rect, b.rect) for b in self.brands if b.turn == piece.turn), default=0.0),
                "twice": float(self.repeats[piece.text] > 1),
            }
        return self._places[index]


def candidates(around: Surroundings, rule: FieldRule) -> list[Candidate]:
    """Collect what could be the value of one field: what stands at its keys, what fits, and shapes of models."""
    page = around.page
    found = []
    for index, piece in enumerate(page.pieces):
        if piece.kind:
            continue
        own, other = _owners(rule.name, around.linked.get(index, ()))
        if own is None and rule.pattern is None and rule.name != "model":
            continue
        for segments, left_out, natural in spans(page, index, rule, around.followers, keyed=own is not None):
            raw = " ".join(page.lines[line].text[start:end] for line, start, end in segments)
            text, changed = normalise(raw, rule)
            fits = rule.pattern is not None and violation(text, rule) is None
            # Without a key only the pattern can speak; at a key what breaks the pattern is told, as a person reads it.
            if rule.pattern is not None and not fits and (own is None or not natural):
                continue
            features = _features(rule, text, own, other, fits)
            # No key makes a serial number of a word, or of the rest of one that is hidden; only the pattern can.
            if rule.pattern is None and rule.name == "serial" and not features["shape"]:
                continue
            features |= {
                **around.place(index),
                "height": _mismatch(piece.rect, own.key.rect) if own else 0.0,
                "habit": around.habits[own.relation] if own else 0.0,
                "share": len(text) / max(len(piece.text), len(text), 1),
            }
            found.append(Candidate(piece, segments, raw, text, changed, own, features, fits, left_out))
    return found


def together(one: Candidate, other: Candidate) -> float:
    """Say how near two keyed values stand, 0 to 1: a plate has its model and its serial number side by side."""
    if one.link is None or other.link is None or one.piece.turn != other.piece.turn:
        return 0.0
    a, b = one.piece.rect, other.piece.rect
    tall = max(a.height, b.height)
    rows = abs(a.middle - b.middle) / tall
    columns = max(a.left - b.right, b.left - a.right, 0.0) / tall
    return max(0.0, 1 - math.hypot(rows, columns / 2) / _SIDE_BY_SIDE)


def _names_maker(piece: Piece, height_px: float) -> bool:
    """Say whether a text can be the maker's: by its form, or as a word in large letters (a logo in small letters)."""
    return is_brand(piece.text) or (piece.text.isalpha() and piece.rect.height > _LARGE * height_px)


def _mismatch(one: Rect, other: Rect) -> float:
    """Say how far two heights of print differ, 0 (the same) to 1."""
    return 1 - min(one.height, other.height) / max(one.height, other.height)


def _beside(place: Rect, brand: Rect) -> float:
    """Say how closely a text stands beside, below or above a maker's name, 0 to 1."""
    if brand is place:
        return 0.0
    tall = max(brand.height, place.height)
    across = abs(brand.middle - place.middle) / tall
    apart = max(brand.left - place.right, place.left - brand.right) / tall
    if across < 1.0:
        return max(0.0, 1 - 0.5 * max(apart, 0.0) / ROW_REACH)
    return 1.5 - 0.5 * across if across < 2.0 and apart < 1.0 else 0.0


def _owners(name: str, linked: Sequence[Link]) -> tuple[Link | None, float]:
    """Give the field's best key for a value, and how strongly keys of other kinds hold it."""
    own: Link | None = None
    other = 0.0
    for link in linked:
        if link.key.kind != name:
            other = max(other, link.hold)
        elif own is None or link.hold > own.hold:
            own = link
    return own, other


def _features(rule: FieldRule, text: str, own: Link | None, other: float, fits: bool) -> dict[str, float]:
    shape = {"serial": serial_shape, "model": model_shape}.get(rule.name)
    likeness = shape(text) if shape else 0.5
    contested = 0.0
    if other:
        contested = other / (other + own.hold) if own else min(1.0, 1.5 * other)
    return {
        "key": own.key.strength if own else 0.0,
        **{name: own.strength if own and own.relation == name else 0.0 for name in RELATIONS},
        "contested": contested,
        "shape": max(likeness, _SHAPE_THAT_FITS) if fits else likeness,
        "bare_shape": 0.0 if own or fits else likeness,
        "looks": float(shape is not None and not fits and bool(looks(text))),
        "pattern": float(fits),
        "check": float(fits and rule.check is not None),
    }
