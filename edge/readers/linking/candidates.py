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
from edge.readers.linking.echoes import Echoes
from edge.readers.linking.layout import Page, Piece, Rect, quad
from edge.readers.linking.links import RELATIONS, ROW_REACH, Link, followers, habits
from edge.readers.linking.shape import (
    is_brand,
    looks,
    model_shape,
    named,
    plain_number,
    rest,
    serial_shape,
    specific,
    worded,
)
from edge.readers.linking.spans import Segment, Span, spans

#: Fields farther apart than this, in text heights, say nothing about each other.
_SIDE_BY_SIDE = 12.0
#: Letters this much larger than usual are a logo.
_LARGE = 1.4
#: Letters and digits at a key that are fewer are the rest of a hidden text, and no misprint of one.
_LEAST_MISPRINT = 3
#: Keys that name a kind less surely than this are hints.
_WEAK = 0.5
#: Keys at least this sure with a value beside them say that what has no key is not this field's.
_SURE = 0.7
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
        self.habits = habits(page, linked)
        self.followers = followers(page)
        self.brands = [piece for piece in page.pieces if not piece.kind and _names_maker(piece, page.height_px)]
        self.makers = {token for piece in self.brands for token in fold_tokens(piece.text)}
        self.top = min((piece.rect.top for piece in page.pieces), default=0.0)
        self.depth = max(max((piece.rect.bottom for piece in page.pieces), default=0.0) - self.top, 1.0)
        self.echoes = Echoes(page)
        self.rows = _key_rows(page)
        self.turn = _main_turn(page)
        self.captioned = {
            link.key.kind for found in linked.values() for link in found
            if link.key.strength > _SURE and link.relation in ("inline", "right")
        }  # fmt: skip
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
                "led": self._led(piece),
                "askew": float(piece.turn != self.turn),
            }
        return self._places[index]

    def _led(self, piece: Piece) -> float:
        """Say how closely another text stands to the left in the row, 0 to 1: a caption that is not known."""
        box, turn = piece.rect, piece.turn
        nearest = math.inf
        near, low, high = -0.5 * box.height, box.middle - 0.5 * box.height, box.middle + 0.5 * box.height
        for other in self.page.pieces:
            place = other.rect
            if low < place.middle < high and near < box.left - place.right < nearest and other.turn == turn:
                nearest = box.left - place.right if other is not piece else nearest
        return max(0.0, 1 - nearest / (ROW_REACH * box.height))

    def row(self, own: Link | None, piece: Piece) -> Sequence[Piece]:
        """Give the keys beside a value's own that the same value could belong to, from left to right, own included."""
        if own is None or own.relation == "inline":
            return ()
        row = self.rows[own.key]
        if own.key.line == row[0].line == row[-1].line:
            return row
        reach = own.key.rect.height
        return [key for key in row if key.rect.left < piece.rect.right and piece.rect.left < key.rect.right + reach]

    def joined(self, index: int, segments: Sequence[Segment], own: Link | None) -> dict[str, float]:
        """Give how a text goes on in the next boxes: whether it does, whether it could, and whether those have keys."""
        after = index
        owned = 0.0
        for _ in segments[1:]:
            after = self.followers[after][0]
            keys = self.linked.get(after, ())
            owned = max([owned, *(link.hold for link in keys if own is None or link.key is not own.key)])
        goes_on = len(segments) == 1 and index in self.followers
        gap = self.followers[index][1] if goes_on else 1.0
        return {"joined": float(len(segments) > 1), "joined_keyed": owned, "goes_on": max(0.0, 1.0 - max(gap, 0.0))}

    def slot(self, own: Link | None, piece: Piece, segments: Sequence[Segment]) -> float:
        """Say whether a part of a value is the one that its key means among the keys of one row: 1, -1, or 0 for alone.

        The parts are told by the slashes between them, or by the column in which each begins.
        """
        row = self.row(own, piece)
        if own is None or len(row) < 2:
            return 0.0
        line, start, end = segments[0]
        text = self.page.lines[line].text
        number = row.index(own.key)
        parts = text[piece.start : piece.end].split(" / ")
        if len(parts) == len(row):
            begin = piece.start + sum(len(part) + 3 for part in parts[:number])
            if (start, end) == (begin, begin + len(parts[number])):
                return 1.0
            return 0.5 if begin <= start and end <= begin + len(parts[number]) else -1.0
        rect = self.page.rect(line, start, end)
        if own.relation not in ("below", "above"):
            return 0.0
        reach = 0.6 * own.key.rect.height
        begins = number == 0 or own.key.rect.left - reach < rect.left
        ends = number + 1 == len(row) or rect.right < row[number + 1].rect.left + reach
        return 1.0 if begins and ends else -1.0


def candidates(around: Surroundings, rule: FieldRule) -> list[Candidate]:
    """Collect what could be the value of one field: what stands at its keys, what fits, and shapes of models."""
    page = around.page
    found = []
    for index, piece in enumerate(page.pieces):
        if piece.kind:
            continue
        own, other = _owners(rule.name, around.linked.get(index, ()))
        if own is None and rule.pattern is None and (rule.name != "model" or not any(map(str.isdigit, piece.text))):
            # Without a key a word alone names nothing, and only a model's form can speak for itself.
            continue
        shared = len(around.row(own, piece)) > 1
        for span in spans(page, index, rule, around.followers, keyed=own is not None, shared=shared):
            segments, natural = span.segments, span.natural
            raw = " ".join(page.lines[line].text[start:end] for line, start, end in segments)
            text, changed = normalise(raw, rule)
            fits = rule.pattern is not None and violation(text, rule) is None
            # Without a key only the pattern can speak; at a key what breaks the pattern is told, as a person reads it.
            if rule.pattern is not None and not fits and (own is None or not natural):
                continue
            features = _features(rule, text, own, other, fits)
            # No key makes a serial number of a word, or of the rest of one that is hidden; only the pattern can.
            hidden = sum(map(str.isalnum, text)) < _LEAST_MISPRINT or rule.pattern is None
            if rule.name == "serial" and not fits and hidden and not features["shape"]:
                continue
            # Nor is a rating, a date or an address without a key a model, however large it stands at the top.
            if rule.name == "model" and not fits and own is None and features["looks"]:
                continue
            features |= {
                **around.place(index),
                "height": _mismatch(piece.rect, own.key.rect) if own else 0.0,
                "habit": around.habits[own.relation] if own else 0.0,
                "slot": around.slot(own, piece, segments),
                **_left_out(piece, span, text),
                **around.joined(index, segments, own),
            }
            features["echo"], features["doubt"] = around.echoes.of(text, segments)
            features["maker_word"] = float(any(token in around.makers for token in fold_tokens(text)))
            if fits:
                # The product says that its texts look so: words, figures and length are then nothing against it.
                features |= dict.fromkeys(("worded", "maker_word", "number", "long"), 0.0)
            features["caption"] = float(own is None and rule.name in around.captioned)
            found.append(Candidate(piece, segments, raw, text, changed, own, features, fits, span.left_out))
    return found


def fold_tokens(text: str) -> list[str]:
    """Give the longer words of a text in one case: what a maker's name shares with a line that begins with it."""
    return [token.casefold() for token in text.split() if len(token) > 2 and token.isalpha()]


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


def _key_rows(page: Page) -> dict[Piece, list[Piece]]:
    """Give for every key those that stand in its row with no value between, from left to right, itself included."""
    valued = {piece.line for piece in page.pieces if not piece.kind}
    keys = sorted((piece for piece in page.pieces if piece.kind), key=lambda piece: piece.rect.left)
    return {
        key: [
            other for other in keys
            if other is key or (
                other.turn == key.turn and other.line not in valued and key.line not in valued
                and abs(other.rect.middle - key.rect.middle) < 0.5 * key.rect.height
            )
        ]
        for key in keys
    }  # fmt: skip


def _main_turn(page: Page) -> int:
    """Give the group of lines that holds most of the letters."""
    letters: dict[int, int] = {}
    for piece in page.pieces:
        letters[piece.turn] = letters.get(piece.turn, 0) + len(piece.text)
    return max(letters, key=lambda turn: letters[turn], default=0)


def _left_out(piece: Piece, span: Span, text: str) -> dict[str, float]:
    """Give how much of its box a candidate is, and what stands in the box before and behind it."""
    before, after = rest(span.before), rest(span.after)
    return {
        "share": len(text) / max(len(piece.text), len(text), 1),
        "words_before": float(before == "words"),
        "remark_before": float(before == "remark"),
        "code_before": float(before == "code"),
        "words_behind": float(after == "words"),
        "code_behind": float(after == "code"),
        "remark_behind": float(after == "remark"),
    }


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
        "key_shape": own.key.strength * likeness if own else 0.0,
        **{name: own.strength if own and own.relation == name else 0.0 for name in RELATIONS},
        "contested": contested,
        "shape": max(likeness, _SHAPE_THAT_FITS) if fits else likeness,
        "bare_shape": 0.0 if own or fits else likeness,
        "named": named(text),
        "worded": worded(text),
        "weak": float(own is not None and own.key.strength < _WEAK),
        "number": plain_number(text),
        "tokens": min(1.0, 0.25 * text.count(" ")),
        "long": min(1.0, len(text) / 24),
        "looks": float(shape is not None and not fits and bool(looks(text))),
        "pattern": float(fits),
        "specific": specific(text) if fits else 0.0,
        "check": float(fits and rule.check is not None),
    }
