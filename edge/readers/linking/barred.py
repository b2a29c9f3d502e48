"""What is no value of a field whatever speaks for it: addresses, dates, words, the rest of what is hidden."""

from __future__ import annotations

import re

from edge.core.fields import FieldRule
from edge.readers.linking.keys.hidden import hides
from edge.readers.linking.keys.keywords import FIELDS
from edge.readers.linking.links import Link
from edge.readers.linking.page.layout import Piece
from edge.readers.linking.shape import is_sentence, is_sign, looks, plain_number, serial_shape, signed, worded_out
from edge.readers.linking.values.spans import Span

#: "Nº:" without its sign has a longer number behind it than a speed.
_LOST_SIGN, _LEAST_AT_LOST_SIGN = "N", 5
#: Letters and digits at a key that are fewer are the rest of a hidden text, and no misprint of one.
_LEAST_MISPRINT = 3
#: One letter or figure alone is a mark or a speck of dirt, and no model.
_LEAST_MODEL = 2
#: What no key makes a model or a serial number of.
_NEVER = frozenset(("a place", "an address on the web", "a hardware address", "a network address"))
#: Nor of what no name is cut, nor of lines with so many blanks.
_NEVER_CUT = _NEVER | {"a maker"}
_SENTENCE = 8
#: A month, or a week, and its year.
_MONTH = re.compile(r"\d{1,2}/(\d{2}|(19|20)\d{2})|(19|20)\d{2}/\d{1,2}")


def is_other(own: Link, piece: Piece, span: Span, text: str) -> bool:
    """Say whether a text at a serial number's key is the number of a patent, or at "N:" a speed or a count."""
    counted = own.key.text == _LOST_SIGN and sum(map(str.isalnum, text)) < _LEAST_AT_LOST_SIGN
    return counted or bool(span.before and certified(piece) and own.relation != "inline")


def certified(piece: Piece) -> bool:
    """Say whether a text is the number of a standard or of an approval."""
    return looks(piece.text) in ("a standard", "an approval")


def is_barred(own: Link | None, piece: Piece) -> bool:
    """Say whether no part of a text can be a field's that no pattern speaks for: "Gare 7" is a street."""
    if own is None:
        return looks(piece.text) in _NEVER_CUT or piece.text.count(" ") >= _SENTENCE
    return own.relation != "inline" and (looks(piece.text) == "a place" or is_sentence(piece.text))


def is_cut_from_words(before: str, text: str, *, keyed: bool) -> bool:
    """Say whether a model would begin within the words of its box: "pump Aqua 9", or "3E" of "Aqua 3E".

    A name does not begin in small letters behind a word, nor is so little of a box one that no key stands at.
    """
    if not any(map(str.isalpha, before)):
        return False
    first = text.split(maxsplit=1)[0]
    small = len(first) > _LEAST_MODEL and first.isalpha() and first.islower()
    return small or (not keyed and sum(map(str.isalnum, text)) <= _LEAST_MODEL)


def is_none(rule: FieldRule, text: str, *, keyed: bool, natural: bool) -> bool:
    """Say whether a text that no pattern speaks for cannot be a field's, wherever it stands."""
    if not keyed and not any(map(str.isdecimal, text)):
        return True
    # Without a key only the pattern can speak; at a key what breaks the pattern is told, as a person reads it.
    if (rule.pattern is not None and not (keyed and natural)) or hides(text):
        return True
    if keyed and rule.name in FIELDS and (looks(text) in _NEVER or is_sign(text)):
        return True
    few = sum(map(str.isalnum, text)) < _LEAST_MODEL
    if rule.name == "model" and (few or signed(text) >= 0):
        return True
    if rule.name == "serial" and (looks(text) == "a date" or _MONTH.fullmatch(text) or worded_out(text)):
        return True
    if rule.name == "serial" and not any(map(str.isdigit, text)) and text != text.upper():
        # "see label"
        return True
    if rule.name == "serial":
        # No key makes a serial number of a word, or of the rest of one that is hidden; only the pattern can.
        hidden = sum(map(str.isalnum, text)) < _LEAST_MISPRINT or rule.pattern is None
        return hidden and not serial_shape(text)
    # Nor is a bare number, a rating, a date or an address without a key a model, however large it stands.
    return rule.name == "model" and not keyed and bool(looks(text) or plain_number(text))
