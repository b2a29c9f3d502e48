"""Every text that could be a field's value, with what speaks for and against it as named numbers.

Features say what is there; they do not decide. Each is 0 to 1 (`size` and `top` -1 to 1), so that weights can be read
side by side and trained later.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge.core.fields import FieldRule, normalise, violation
from edge.core.reading import Character, Quad
from edge.readers.layout import Page, Piece, quad
from edge.readers.shape import is_brand, looks, model_shape, serial_shape

#: Which way a value stands from its key, and how often that is so on plates.
RELATIONS: Mapping[str, float] = {"inline": 1.0, "right": 0.9, "below": 0.75, "above": 0.5}

#: Fields farther apart than this, in text heights, say nothing about each other.
_SIDE_BY_SIDE = 12.0
#: Longest gap between a key and the value in its row, in text heights: two-column tables are wide.
_ROW_REACH = 40.0
_BELOW_REACH = 1.8
_ABOVE_REACH = 1.2
#: Boxes of one row nearer than this (in text heights) can be one value in pieces.
_ONE_VALUE_GAP = 0.9
#: A key has one value: how much is left of its hold on the others that it reaches.
_SECOND_VALUE = 0.5
#: Tokens of one value at most; longer ones are sentences.
_MOST_TOKENS = 8
_MOST_CHAINED = 3

_TOKEN = re.compile(r"\S+")
_SMALL_WORD = re.compile(r"^[^\W\d_]*[^\W\d_A-ZÀ-Þ][^\W\d_]*$")
_REACHING = frozenset(("serial", "model", "part_number", "batch", "date", "rating", "revision"))

Segment = tuple[int, int, int]
"""Line, start, end."""


@dataclass(frozen=True, slots=True)
class Link:
    """A key and a value near it; `strength` says how well they stand to each other."""

    key: Piece
    relation: str
    strength: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that could be the value of one field."""

    segments: tuple[Segment, ...]
    raw: str
    text: str
    rule: str | None
    link: Link | None
    features: Mapping[str, float]
    fits: bool
    piece: Piece
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


def links(page: Page, fields: frozenset[str]) -> dict[int, list[Link]]:
    """Give for every value (its index in `page.pieces`) the keys that it may belong to."""
    found: dict[int, list[Link]] = {}
    pieces = page.pieces
    for index, key in enumerate(pieces):
        if not key.kind:
            continue
        reached: list[tuple[int, Link]] = []
        following = index + 1
        if following < len(pieces) and pieces[following].line == key.line and not pieces[following].kind:
            reached.append((following, Link(key, "inline", RELATIONS["inline"])))
        elif key.separated or (len(key.text) > 1 and (key.kind in _REACHING or key.kind in fields)):
            reached.extend(_reach(key, pieces, fields))
        for rank, (value, link) in enumerate(sorted(reached, key=lambda pair: -pair[1].strength)):
            found.setdefault(value, []).append(
                link if rank == 0 else Link(key, link.relation, link.strength * _SECOND_VALUE)
            )
    return found


def _reach(key: Piece, pieces: tuple[Piece, ...], fields: frozenset[str]) -> Iterator[tuple[int, Link]]:
    """Yield the nearest values to the right, below and above of a key that nothing else stands between."""
    nearest: dict[str, tuple[float, int, float]] = {}
    # A colon points to the right: below it the value is rarer, above it hardly ever.
    below, above = (0.8, 0.4) if key.separated else (1.0, 1.0)
    box, height = key.rect, key.rect.height
    for index, other in enumerate(pieces):
        if other.turn != key.turn or other.line == key.line:
            continue
        if other.kind == key.kind and key.kind in fields:
            continue
        place = other.rect
        away = place.left - box.right
        lift = place.middle - box.middle - key.slope * (place.left + place.right - box.left - box.right) / 2
        tall = max(height, place.height)
        if away > -0.5 * height and abs(lift) <= 0.75 * tall and away <= _ROW_REACH * height:
            strength = (
                RELATIONS["right"] * (1 - 0.5 * max(away, 0.0) / (_ROW_REACH * height)) * (1 - 0.6 * abs(lift) / tall)
            )
            _keep(nearest, "right", max(away, 0.0) + 3 * abs(lift), index, strength)
            continue
        overlap = min(box.right, place.right) - max(box.left, place.left)
        if overlap < 0.3 * min(box.width, place.width):
            continue
        gap = place.top - box.bottom
        offset = min(abs(place.left - box.left), abs(place.left + place.right - box.left - box.right) / 2) / tall
        straight = max(0.0, 1 - 0.15 * offset)
        if lift > 0 and gap <= _BELOW_REACH * tall:
            strength = below * RELATIONS["below"] * straight * (1 - 0.4 * max(gap, 0.0) / (_BELOW_REACH * tall))
            _keep(nearest, "below", gap, index, strength)
        elif lift < 0 and (gap := box.top - place.bottom) <= _ABOVE_REACH * tall:
            strength = above * RELATIONS["above"] * straight * (1 - 0.4 * max(gap, 0.0) / (_ABOVE_REACH * tall))
            _keep(nearest, "above", gap, index, strength)
    for relation, (_, index, strength) in nearest.items():
        if not pieces[index].kind:
            yield index, Link(key, relation, strength)


def _keep(
    nearest: dict[str, tuple[float, int, float]], relation: str, away: float, index: int, strength: float
) -> None:
    if relation not in nearest or away < nearest[relation][0]:
        nearest[relation] = (away, index, strength)


def candidates(page: Page, rule: FieldRule, linked: Mapping[int, list[Link]]) -> list[Candidate]:
    """Collect what could be the value of one field, best known first within a piece."""
    repeats: dict[str, int] = {}
    for piece in page.pieces:
        if not piece.kind:
            repeats[piece.text] = repeats.get(piece.text, 0) + 1
    habit = _habit(page, linked)
    top = min((piece.rect.top for piece in page.pieces), default=0.0)
    depth = max(max((piece.rect.bottom for piece in page.pieces), default=0.0) - top, 1.0)
    brands = [piece for piece in page.pieces if not piece.kind and is_brand(piece.text)]
    found = []
    for index, piece in enumerate(page.pieces):
        if piece.kind:
            continue
        own, other = _owners(rule.name, linked.get(index, ()))
        if own is None and rule.pattern is None and rule.name != "model":
            continue
        for segments, left_out in _spans(page, index, rule, keyed=own is not None):
            raw = " ".join(page.lines[line].text[start:end] for line, start, end in segments)
            text, changed = normalise(raw, rule)
            fits = rule.pattern is not None and violation(text, rule) is None
            if own is None and rule.pattern is not None and not fits:
                continue
            features = _features(rule, text, own, other, fits)
            features["habit"] = habit.get(own.relation, 0.0) if own else 0.0
            features["size"] = max(-1.0, min(1.0, piece.rect.height / page.height_px - 1))
            features["top"] = 1 - 2 * (piece.rect.middle - top) / depth
            features["share"] = len(text) / max(len(piece.text), len(text), 1)
            features["brand"] = _at_a_brand(piece, brands)
            features["twice"] = float(repeats[piece.text] > 1)
            found.append(Candidate(segments, raw, text, changed, own, features, fits, piece, left_out))
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


def _at_a_brand(piece: Piece, brands: list[Piece]) -> float:
    """Say how closely a text stands beside, below or above a maker's name, 0 to 1."""
    best = 0.0
    for brand in brands:
        if brand is piece or brand.turn != piece.turn:
            continue
        tall = max(brand.rect.height, piece.rect.height)
        across = abs(brand.rect.middle - piece.rect.middle) / tall
        apart = max(brand.rect.left - piece.rect.right, piece.rect.left - brand.rect.right) / tall
        if across < 1.0:
            best = max(best, 1 - 0.5 * max(apart, 0.0) / _ROW_REACH)
        elif across < 2.0 and apart < 1.0:
            best = max(best, 1.5 - 0.5 * across)
    return best


def _owners(name: str, linked: Iterator[Link] | tuple[Link, ...] | list[Link]) -> tuple[Link | None, float]:
    """Give the field's best key for a value, and how strongly keys of other kinds hold it."""
    own: Link | None = None
    other = 0.0
    for link in linked:
        if link.key.kind != name:
            other = max(other, link.strength * (0.5 + 0.5 * link.key.strength))
        elif own is None or link.strength * link.key.strength > own.strength * own.key.strength:
            own = link
    return own, other


def _habit(page: Page, linked: Mapping[int, list[Link]]) -> dict[str, float]:
    """Give for every relation the share of the keys that have their value so: a plate keeps one habit."""
    counts = dict.fromkeys(RELATIONS, 0)
    for value, found in linked.items():
        if page.pieces[value].text:
            counts[max(found, key=lambda link: link.strength).relation] += 1
    total = max(sum(counts.values()), 1)
    beside = counts["inline"] + counts["right"]
    counts["inline"] = counts["right"] = beside
    return {relation: count / total for relation, count in counts.items()}


def _features(rule: FieldRule, text: str, own: Link | None, other: float, fits: bool) -> dict[str, float]:
    mine = own.strength * (0.5 + 0.5 * own.key.strength) if own else 0.0
    if rule.name == "serial":
        shape = serial_shape(text)
    elif rule.name == "model":
        shape = model_shape(text)
    else:
        shape = 0.5
    kind = looks(text) if rule.name in ("serial", "model") and not fits else ""
    return {
        "key": own.key.strength if own else 0.0,
        **{name: own.strength if own and own.relation == name else 0.0 for name in RELATIONS},
        "free": float(own is None),
        "contested": (other / (other + mine) if own else min(1.0, 1.5 * other)) if other else 0.0,
        "shape": max(shape, 0.9) if fits else shape,
        "bare_shape": 0.0 if own or fits else shape,
        "looks": float(bool(kind)),
        "pattern": float(fits),
        "check": float(fits and rule.check is not None),
    }


def _spans(page: Page, index: int, rule: FieldRule, *, keyed: bool) -> Iterator[tuple[tuple[Segment, ...], str]]:
    """Yield the parts of a value, and of its neighbours in the row, that could be the field, with what is left out."""
    piece = page.pieces[index]
    tokens = [(piece.start + m.start(), piece.start + m.end()) for m in _TOKEN.finditer(piece.text)][: _MOST_TOKENS * 2]
    line = page.lines[piece.line].text
    if rule.pattern is not None:
        for first in range(len(tokens)):
            for last in range(min(first + _MOST_TOKENS, len(tokens)) - 1, first - 1, -1):
                start, end = _bare(line, tokens[first][0], tokens[last][1])
                if start < end and (first, last) != (0, len(tokens) - 1):
                    yield ((piece.line, start, end),), f"{line[piece.start : start]}{line[end : piece.end]}".strip()
        yield ((piece.line, piece.start, piece.end),), ""
        chain = [piece]
        for following in _chain(page, piece):
            chain.append(following)
            yield tuple((part.line, part.start, part.end) for part in chain), ""
        return
    if rule.name == "serial":
        part = _serial_part(line, tokens)
    elif rule.name == "model":
        part = _model_part(line, tokens)
    else:
        part = (piece.start, piece.end)
    if part is None:
        return
    start, end = _bare(line, *part)
    chain = [(piece.line, start, end)]
    if end == piece.end:
        for following in _chain(page, piece):
            if not _continues(following.text):
                break
            chain.append((following.line, following.start, following.end))
    yield tuple(chain), f"{line[piece.start : start]}{line[end : piece.end]}".strip()
    if rule.name == "model" and not keyed and len(tokens) > 1:
        for start, end in tokens:
            if model_shape(line[start:end]) > 0.6:
                yield ((piece.line, *_bare(line, start, end)),), ""


def _bare(line: str, start: int, end: int) -> tuple[int, int]:
    """Leave out separators and unpaired brackets at the ends."""
    while (
        start < end
        and line[start] in ",;:.|"
        or (start < end and line[start] in "([（" and not _pairs(line[start:end]))
    ):
        start += 1
    while (
        end > start
        and line[end - 1] in ",;:|."
        or (end > start and line[end - 1] in ")]）" and not _pairs(line[start:end]))
    ):
        end -= 1
    return start, end


def _pairs(text: str) -> bool:
    return (
        text.count("(") == text.count(")")
        and text.count("[") == text.count("]")
        and text.count("（") == text.count("）")
    )


def _chain(page: Page, piece: Piece) -> Iterator[Piece]:
    """Yield the pieces that continue a value in its row, each close to the one before."""
    last = piece
    for _ in range(_MOST_CHAINED - 1):
        best: tuple[float, Piece] | None = None
        for other in page.pieces:
            if other.line == last.line or other.turn != last.turn:
                continue
            away = other.rect.left - last.rect.right
            tall = max(other.rect.height, last.rect.height)
            low = min(other.rect.height, last.rect.height)
            lift = other.rect.middle - last.rect.middle - last.slope * (other.rect.left - last.rect.left)
            if -0.4 * tall < away < _ONE_VALUE_GAP * tall and abs(lift) < 0.35 * tall and low > 0.65 * tall:
                best = min(best, (away, other), key=lambda pair: pair[0]) if best else (away, other)
        if best is None or best[1].kind:
            return
        last = best[1]
        yield last


def _continues(text: str) -> bool:
    """Say whether a text can be the next group of a model or serial: digits or capitals, nothing else known."""
    tokens = text.split()
    return (
        len(tokens) <= 2
        and all(t.isalnum() and (t.isupper() or t.isdigit()) or "-" in t for t in tokens)
        and not looks(text)
    )


def _serial_part(line: str, tokens: list[tuple[int, int]]) -> tuple[int, int] | None:
    """Give the groups of a serial number that begin a value; a word or another thing's look ends them."""
    start = end = -1
    for begin, stop in tokens:
        token = line[begin:stop]
        digits = any(c.isdigit() for c in token)
        group = (digits or (token.isupper() and len(token) <= 4)) and not _SMALL_WORD.match(token)
        if not group or (start >= 0 and looks(token)):
            if start >= 0 or (not digits and _SMALL_WORD.match(token)):
                break
            continue
        if start < 0:
            start = begin
        end = stop
    return (start, end) if start >= 0 and any(c.isdigit() for c in line[start:end]) else None


def _model_part(line: str, tokens: list[tuple[int, int]]) -> tuple[int, int] | None:
    """Give a model name without the description that follows it ("5200 HiTorque Mini Lathe" is "5200")."""
    if not tokens:
        return None
    last = len(tokens)
    numbered = False
    for index, (begin, stop) in enumerate(tokens):
        token = line[begin:stop]
        if index and looks(token) and not (index == 1 and not numbered and looks(token) == "a year"):
            last = index
            break
        if numbered and _SMALL_WORD.match(token) and len(token) > 2 and "(" not in line[tokens[0][0] : begin]:
            last = index
            break
        numbered = numbered or any(c.isdigit() for c in token)
    return tokens[0][0], tokens[last - 1][1]
