"""Every text that could be a field's value, with what speaks for and against it as named numbers.

Features say what is there; they do not decide. Each is 0 to 1 (`size` and `top` -1 to 1), so that weights can be read
side by side and trained later.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from edge.core.fields import FieldRule, normalise, violation
from edge.core.reading import Character, Quad
from edge.readers.linking.barred import certified, is_barred, is_cut_from_words, is_none, is_other
from edge.readers.linking.keys.printed import SLASHED
from edge.readers.linking.links import RELATIONS, Link
from edge.readers.linking.page.geometry import Rect, quad
from edge.readers.linking.page.layout import Page, Piece
from edge.readers.linking.shape import (
    counted,
    doubtful,
    grouped,
    kind_of_thing,
    looks,
    model_shape,
    named,
    plain_number,
    remarked,
    rest,
    serial_shape,
    specific,
    worded,
)
from edge.readers.linking.surroundings import Surroundings
from edge.readers.linking.values.fitting import fitting_spans
from edge.readers.linking.values.parted import parts_of
from edge.readers.linking.values.spans import Segment, Span, are_groups, spans

#: Fields so far apart, in text heights, say half as much of each other.
_SIDE_BY_SIDE = 12.0
#: Keys that name a kind less surely than this are hints.
_WEAK = 0.5
#: Keys at least this sure keep what stands behind them in their box.
_OWNS = 0.85
_ANY = FieldRule("any")
_POWER_FACTOR = re.compile(r"(?i)cos\s?(?:φ|ph)")
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
    instead: str = ""  # the text at the key that this print of it is surer than

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


def surer_print(around: Surroundings, rule: FieldRule, one: Candidate) -> Candidate:
    """Give another print of a candidate's text, surer of one letter or of the right form, in its stead, or itself.

    Plates repeat a serial number under its bar code. What another field's key holds is another number, unless the form
    tells that it is the same, or a third print says which letter is right.
    """
    segment = around.echoes.surer(one.text, one.segments) if one.link else None
    fitting = None
    if one.link and rule.pattern is not None and not one.fits:
        fitting = around.echoes.fitting(one.text, one.segments, lambda text: _matches(text, rule))
    if segment is None and fitting is None:
        return one
    line, start, end = fitting or segment or one.segments[0]
    same = fitting is not None or around.echoes.vouched(one.segments, (line, start, end))
    for index, piece in enumerate(around.page.pieces):
        # A longer code that holds the text is another number, but tells its letters as well.
        held = not same and around.is_held(index)
        if piece.line == line and piece.start <= start and end <= piece.end and not held:
            raw = around.page.lines[line].text[start:end]
            text, changed = normalise(raw, rule)
            fits = rule.pattern is not None and violation(text, rule) is None
            if one.fits and not fits:
                return one
            return replace(
                one,
                piece=piece,
                segments=((line, start, end),),
                raw=raw,
                text=text,
                rule=changed,
                fits=fits,
                instead=one.text,
            )
    return one


def _matches(raw: str, rule: FieldRule) -> bool:
    return violation(normalise(raw, rule)[0], rule) is None


def _part(page: Page, own: Link | None, piece: Piece, row: Sequence[Piece]) -> tuple[int, int] | None:
    """Give the part of a value that its key means among several keys, where slashes part it: its begin and end."""
    if own is None or len(row) < 2:
        return None
    parts = parts_of(page, piece, row)
    return parts[row.index(own.key)] if parts else None


def candidates(around: Surroundings, rule: FieldRule) -> list[Candidate]:
    """Collect what could be the value of one field: what stands at its keys, what fits, and shapes of models."""
    found = []
    for index, piece in enumerate(around.page.pieces):
        if piece.kind:
            continue
        linked = around.linked.get(index, ())
        own, other, theirs = _owners(around, rule.name, index)
        if own is None and rule.pattern is None and (rule.name != "model" or not around.numbered(index)):
            # Without a key a word alone names nothing, and only a model's form can speak for itself.
            continue
        if own is None and rule.pattern is None and any(map(_owns, linked)):
            continue
        row = around.row(own, piece)
        place = _Place(
            at=index,
            own=own,
            other=other,
            theirs=theirs,
            row=row,
            part=_part(around.page, own, piece, row),
            habit=around.habits.of(own, index) if own else 0.0,
            farther=around.farther(own, piece),
            barred=is_barred(own, piece),
        )
        made = [one for span in _spans(around, rule, place) if (one := _candidate(around, rule, place, span))]
        found += _whole(made) if rule.name == "serial" and len(row) > 1 else made
    return found


def _whole(found: Sequence[Candidate]) -> list[Candidate]:
    """Leave out what has some of a number's groups that stand in its key's column and not all, or more than those.

    Of "AX 20 0075 PH4 92 4697 V1" below "Type Serial No." neither "92 4697" nor "92 4697 V1" is the serial number.
    """
    # "47848974 6022" before "rpm" is no number in groups.
    wholes = [
        one.segments[0] for one in found
        if one.features["slot"] == 1 and not one.features["looks"] and are_groups(one.text)
    ]  # fmt: skip
    return [
        one for one in found
        if one.fits or not any(_is_part(one.segments[0], whole, are_groups(one.text)) for whole in wholes)
    ]  # fmt: skip


def _is_part(one: Segment, whole: Segment, groups: bool) -> bool:
    """Say whether a part of a line begins within another one and is less, or is more and no groups of a number."""
    (line, start, end), (line_, start_, end_) = one, whole
    return line == line_ and one != whole and start_ <= start < end_ and (end <= end_ or not groups)


class _Place(NamedTuple):
    """A value of a page (`at`, its index) and the field's key that holds it.

    `other` is how strongly keys of other kinds hold it, `theirs` the same times how usual that place is, `row` the keys
    beside its own, `part` what of it is its own key's among those, `habit` how usual it is round its key that values
    stand so, `farther` how much farther from its key it stands than others, and `barred` that only the pattern can make
    a part of it the field's.
    """

    at: int
    own: Link | None
    other: float
    theirs: float
    row: Sequence[Piece]
    part: tuple[int, int] | None
    habit: float
    farther: float
    barred: bool


def _look(text: str, own: Link | None) -> float:
    """Say how plainly a text is another thing than a model or serial number; a serial's key makes it doubtful."""
    numbered = looks(text) == "a telephone number" and not text.startswith("+")
    if not looks(text) or (own is not None and own.key.kind == "serial" and (grouped(text) or numbered)):
        # "0156/02144498" at a serial number's key is one.
        return 0.0
    return 0.5 if own is not None and own.key.kind == "serial" and doubtful(text) else 1.0


def _measures(text: str, after: str) -> bool:
    """Say whether a text is the number of a rating of which the unit is left out ("377 MPa")."""
    unit = after.split(maxsplit=1)[0] if after else ""
    # What looks like one without its unit has none: "99605L" before "Rev.C".
    return bool(unit) and not looks(unit) and not looks(text) and looks(f"{text} {unit}") == "a rating"


def _owns(link: Link) -> bool:
    """Say whether what stands behind a key and its colon is the key's, whatever it looks like.

    Without a colon the key may be another word: "Power supply RX814".
    """
    return link.relation == "inline" and link.key.separated and link.key.strength >= _OWNS


def _spans(around: Surroundings, rule: FieldRule, place: _Place) -> Iterator[Span]:
    keyed, part = place.own is not None, place.part
    shared = len(place.row) > 1 and part is None and not _slashed(around.page, place.row)
    yield from spans(around.page, place.at, rule, around.followers, keyed=keyed, shared=shared, part=part)
    if rule.pattern is not None:
        yield from fitting_spans(around.page, place.at, around.followers, around.is_key, keyed=keyed, part=part)


def _slashed(page: Page, row: Sequence[Piece]) -> bool:
    """Say whether keys stand in one line with a slash between: what is not parted by one then is one value."""
    first, last = row[0], row[-1]
    return first.line == last.line and SLASHED.search(page.lines[first.line].text, first.end, last.start) is not None


def _candidate(around: Surroundings, rule: FieldRule, place: _Place, span: Span) -> Candidate | None:
    """Give a part of a value as a candidate, or None where it cannot be the field's."""
    page, own = around.page, place.own
    raw = " ".join(page.lines[line].text[start:end] for line, start, end in span.segments)
    text, changed = _plain(raw) if rule.pattern is None else normalise(raw, rule)
    fits = rule.pattern is not None and violation(text, rule) is None
    piece = page.pieces[place.at]
    if not fits and (
        place.barred
        or is_none(rule, text, keyed=own is not None, natural=span.natural)
        or (own is None and piece.turn != around.turn and looks(span.after) == "a version")
        or (rule.name == "serial" and own is not None and is_other(own, piece, span, text))
        or (rule.name == "model" and is_cut_from_words(span.before, text, keyed=own is not None))
        or (rule.name == "model" and own is None and not set(" /") & set(text) and _measures(text, span.after))
    ):
        # Without a key a code with its version on the side is the print of a circuit board; and the number of a patent
        # is no serial number of the key above it.
        return None
    features = {
        **_features(rule, text, own, place.other, fits),
        **around.place(place.at),
        **_left_out(piece, span, text, named=around.has_maker(span.before)),
        **around.joined(place.at, span.segments, own),
    }
    if own is not None:
        features["height"] = _mismatch(piece.rect, own.key.rect)
        features["habit"] = place.habit
        features["slot"] = 1.0 if place.part else around.slot(own, place.row, span.segments)
    else:
        features["caption"] = float(around.captioned(place.at, rule.name))
    features["echo"], features["doubt"] = around.echoes.of(text, span.segments)
    rated = own is not None and own.relation != "inline" and _POWER_FACTOR.search(piece.text) is not None
    rated = rated or _measures(text, span.after) or (bool(span.before) and certified(piece))
    if rule.name == "serial" and not fits and rated:  # "Cl. F S1 cos phi 0.89" has ratings only.
        features["looks"] = 1.0
    features["theirs"] = place.theirs
    features["elsewhere"] = around.elsewhere(place.at, rule.name)
    features["farther"] = place.farther
    features["crown"] = features["head"] * (1 - place.habit) if own is not None and own.relation == "above" else 0.0
    features["maker_word"] = float(around.has_maker(text))
    if fits:
        # The product says that its texts look so: words, figures and length are then nothing against it.
        features |= dict.fromkeys(("worded", "maker_word", "number", "long", "remarked", "kind"), 0.0)
    return Candidate(piece, span.segments, raw, text, changed, own, features, fits, span.left_out)


@lru_cache(maxsize=2048)
def _plain(raw: str) -> tuple[str, str | None]:
    """Normalise a text that no pattern speaks of; most stand on every plate of a product."""
    return normalise(raw, _ANY)


def together(one: Candidate, other: Candidate) -> float:
    """Say how near two keyed values stand, 0 to 1: a plate has its model and its serial number side by side."""
    if one.link is None or other.link is None or one.piece.turn != other.piece.turn:
        return 0.0
    a, b = one.piece.rect, other.piece.rect
    tall = max(a.height, b.height)
    rows = abs(a.middle - b.middle) / tall
    columns = max(a.left - b.right, b.left - a.right, 0.0) / tall
    return 1 / (1 + (math.hypot(rows, columns / 2) / _SIDE_BY_SIDE) ** 2)


def _mismatch(one: Rect, other: Rect) -> float:
    """Say how far two heights of print differ, 0 (the same) to 1."""
    return 1 - min(one.height, other.height) / max(one.height, other.height)


def _left_out(piece: Piece, span: Span, text: str, *, named: bool) -> dict[str, float]:
    """Give how much of its box a candidate is, and what stands in the box before and behind it.

    `named` says that the maker's name stands before it, perhaps with a letter read as a figure.
    """
    before, after = rest(span.before), rest(span.after)
    before = "words" if named and " " not in span.before else before
    return {
        "share": len(text) / max(len(piece.text), len(text), 1),
        "words_before": float(before == "words"),
        "remark_before": float(before == "remark"),
        "code_before": float(before == "code"),
        "words_behind": float(after == "words"),
        "code_behind": float(after == "code"),
        # What is a remark by itself ("12V 1A") has none behind it.
        "remark_behind": float(after == "remark" and (" " in text or looks(text) != "a rating")),
    }


def _owners(around: Surroundings, name: str, index: int) -> tuple[Link | None, float, float]:
    """Give the field's best key for a value, how strongly keys of other kinds hold it, and how usual that place is."""
    own: Link | None = None
    other = theirs = 0.0
    for link in around.linked.get(index, ()):
        if link.key.kind != name:
            other = max(other, link.hold)
            theirs = max(theirs, link.hold * around.habits.of(link, index))
        elif own is None or link.hold > own.hold:
            own = link
    return own, other, theirs


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
        "counted": counted(text),
        "tokens": min(1.0, 0.25 * text.count(" ")),
        "long": min(1.0, len(text) / 24),
        "looks": _look(text, own) if shape is not None and (not fits or own is None) else 0.0,
        "remarked": remarked(text),
        "kind": kind_of_thing(text),
        "pattern": float(fits),
        "specific": specific(text) if fits else 0.0,
        "check": float(fits and rule.check is not None),
    }
