"""Parts of a printed value that could be a field's text: a serial's groups without the words behind them, and so on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from edge.core.fields import FieldRule
from edge.readers.linking.page.layout import Page, Piece
from edge.readers.linking.shape import looks, rest, signed

Segment = tuple[int, int, int]
"""Line, start, end."""

#: Tokens of one value at most; longer ones are sentences.
_MOST_TOKENS = 8
#: Boxes of one value at most.
_MOST_BOXES = 4
#: Without a pattern boxes farther apart than this (in text heights) are not one value.
_ONE_VALUE_GAP = 0.9
#: Of a line with more tokens only the first ones are searched for a name among other words.
_MOST_RUN_TOKENS = 6
#: Capitals without a digit are a group of a serial number only when they are this short.
_LONGEST_PREFIX = 4

#: What is no first group of a value that goes on in the next box.
_NEVER_BEGIN = frozenset(("a place", "a maker", "a telephone number", "an address on the web", "a standard"))
#: What a group between others may look like.
_GROUP_TOO = frozenset(("a year", "a version"))
#: And so short a one between two others, whatever it looks like ("88 CE0 7217", "00 AC9 210").
_SHORT_GROUP = re.compile(r"[A-Z]{1,3}\d{1,2}")
#: Tokens of a value's next box at most.
_MOST_GROUPS = 4

_TOKEN = re.compile(r"\S+")
_GROUP = re.compile(r"(?=\d+$|[^a-zà-ÿ]+$)[^\W_]+|.*-.*")
_VARIANT = re.compile(r"\([A-Z0-9]{1,4}\)")
_SMALL_WORD = re.compile(r"[^\W\d_]*[^\W\d_A-ZÀ-ÞА-Я][^\W\d_]*")
_REVISION = re.compile(r"(?i)(rev|ver)(?![^\W\d_])")
_OPENING, _CLOSING = "([\uff08", ")]\uff09"
_MARKS = ",;:.|&\u00ae\u2122\u2460\u2461"


class Span(NamedTuple):
    """A part of a value, perhaps over several boxes, and what of its box stands before and behind it.

    `natural` says that it was cut without a look at the pattern.
    """

    segments: tuple[Segment, ...]
    before: str
    after: str
    natural: bool

    @property
    def left_out(self) -> str:
        """What a part leaves out of its value."""
        return " … ".join(part for part in (self.before, self.after) if part)


def spans(
    page: Page,
    index: int,
    rule: FieldRule,
    next_in_row: Mapping[int, tuple[int, float]],
    *,
    keyed: bool,
    shared: bool = False,
    part: tuple[int, int] | None = None,
) -> Iterator[Span]:
    """Yield the parts of a value, and of its neighbours in the row, that a person would take for the field.

    `shared` says that the value's key has other keys in its line: then every run of tokens is natural; `part` is the
    one that its key means, where that is told.
    """
    piece, last = within(page, index, part), page.pieces[index].end
    line = page.lines[piece.line].text
    tokens = tokens_of(piece)
    seen = set()
    for start, end in _natural_parts(rule.name, piece, line, tokens, keyed=keyed, shared=shared):
        if (start, end) in seen:
            continue
        seen.add((start, end))
        alone = Span(((piece.line, start, end),), *left_out(line, piece, start, end), natural=True)
        yield alone
        if end == last and looks(piece.text) not in _NEVER_BEGIN:
            yield from _over_boxes(alone, boxes(page, index, next_in_row))
    begins = keyed and rule.name == "serial" and index in next_in_row and (piece.start, last) not in seen
    if begins and piece.end == last and all(_begins_groups(line[start:end]) for start, end in tokens):
        # "TFP" and "18 03 9757", "40 R12" and "550 897 4628": what is no number by itself can begin one.
        alone = Span(((piece.line, piece.start, last),), "", "", natural=True)
        yield from _over_boxes(alone, boxes(page, index, next_in_row))


def are_groups(text: str) -> bool:
    """Say whether a text is groups of a number and nothing that may be said beside it ("V1", "PSE")."""
    *tokens, last = text.split()
    return _has_digit(last) and rest(last) != "remark" and all(map(_is_group, (*tokens, last)))


def _begins_groups(token: str) -> bool:
    return token.isalnum() and _is_group(token)


def _is_group(token: str) -> bool:
    """Say whether a token can be a group: capitals that are few, or have digits among them."""
    return token == token.upper() and (len(token) <= _LONGEST_PREFIX or _has_digit(token))


def _has_digit(token: str) -> bool:
    return any(map(str.isdigit, token))


def _over_boxes(span: Span, following: Iterator[tuple[Piece, float]]) -> Iterator[Span]:
    """Yield a text together with the next groups in its row, box by box."""
    segments = span.segments
    for follower, gap in following:
        stop = _continued(follower.text) if gap <= _ONE_VALUE_GAP else 0
        if not stop:
            return
        segments = (*segments, (follower.line, follower.start, follower.start + stop))
        yield span._replace(segments=segments, after=span.after + follower.text[stop:].strip())
        if stop < len(follower.text):
            return


def within(page: Page, index: int, part: tuple[int, int] | None) -> Piece:
    """Give a piece, or the part of it that alone is looked at."""
    piece = page.pieces[index]
    if part is None:
        return piece
    return replace(piece, start=part[0], end=part[1], text=page.lines[piece.line].text[part[0] : part[1]])


def tokens_of(piece: Piece) -> list[tuple[int, int]]:
    """Give where each token of a piece begins and ends in its line."""
    return [(piece.start + m.start(), piece.start + m.end()) for m in _TOKEN.finditer(piece.text)]


def _natural_parts(
    name: str, piece: Piece, line: str, tokens: list[tuple[int, int]], *, keyed: bool, shared: bool
) -> Iterator[tuple[int, int]]:
    if name == "serial":
        yield from _serial_part(line, tokens)
    elif name == "model":
        yield from _model_parts(line, tokens)
        if keyed or len(tokens) > 1:
            yield from _runs(line, tokens[:_MOST_RUN_TOKENS])
    else:
        yield piece.start, piece.end
    if shared and name in ("serial", "model") and looks(piece.text) != "a maker":
        yield from parts(line, tokens[:_MOST_TOKENS])


def left_out(line: str, piece: Piece, start: int, end: int) -> tuple[str, str]:
    """Give what stands in a piece before and behind a part of it."""
    return line[piece.start : start].strip(), line[end : piece.end].strip()


def boxes(page: Page, index: int, next_in_row: Mapping[int, tuple[int, float]]) -> Iterator[tuple[Piece, float]]:
    """Yield the values that follow in the row, each with the gap before it in text heights."""
    for _ in range(_MOST_BOXES - 1):
        if index not in next_in_row:
            return
        index, gap = next_in_row[index]
        if page.pieces[index].kind:
            return
        yield page.pieces[index], gap


def _continued(text: str) -> int:
    """Give how much of a text can be the next groups of a model or serial: digits or capitals, before a remark."""
    tokens = [match.span() for match in _TOKEN.finditer(text)]
    behind = [at for at, _ in tokens[1:] if rest(text[at:]) == "remark" and not _VARIANT.fullmatch(text[at:])]
    stop = len(text[: behind[0]].rstrip()) if behind else len(text)
    tokens = [span for span in tokens if span[1] <= stop]
    groups = all(_GROUP.fullmatch(text[at:end]) or _VARIANT.fullmatch(text[at:end]) for at, end in tokens)
    return stop if groups and len(tokens) <= _MOST_GROUPS and not looks(text[:stop]) else 0


def parts(line: str, tokens: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield every run of tokens, the whole first; a token is never cut, so that no printed character is hidden."""
    for count in range(min(len(tokens), _MOST_TOKENS), 0, -1):
        for first in range(len(tokens) - count + 1):
            whole = count == len(tokens)
            start, end = tokens[first][0], tokens[first + count - 1][1]
            yield (start, end) if whole else _bare(line, start, end)


def _serial_part(line: str, tokens: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the groups of a serial number that begin a value; a word or another thing's look ends them."""
    start = end = -1
    for number, (begin, stop) in enumerate(tokens):
        token = line[begin:stop]
        digits = any(c.isdigit() for c in token)
        small = _SMALL_WORD.fullmatch(token) is not None
        group = digits or (token.isupper() and len(token) <= _LONGEST_PREFIX)
        if start < 0 and not group and not small:
            continue
        if not group or small:
            break
        if (
            start >= 0
            and looks(token)
            and not (looks(token) in _GROUP_TOO and number + (looks(token) != "a year") < len(tokens))
            and not (_SHORT_GROUP.fullmatch(token) and number + 1 < len(tokens))
        ):
            # "2034 1964 731", "902 R67 1573": a year or a version with another group behind it is none.
            break
        rated = number + 2 == len(tokens) and _is_rated(line, begin, tokens[-1])
        if start >= 0 and rated and not looks(line[start:end]):
            # What is a rating before another one is none without it either: "110 V AC 60 Hz".
            break
        if start >= 0 and looks(token) == "a year" and number + 1 == len(tokens):
            # The year of the thing, or the last group.
            yield _bare(line, start, stop)
            break
        start = begin if start < 0 else start
        end = stop
    if start >= 0 and any(c.isdigit() for c in line[start:end]):
        yield _bare(line, start, end)


def _is_rated(line: str, begin: int, unit: tuple[int, int]) -> bool:
    """Say whether a group is the number of a rating whose unit, longer than a letter, ends the line ("8755 rpm")."""
    return unit[1] - unit[0] > 1 and not looks(line[slice(*unit)]) and looks(line[begin : unit[1]]) == "a rating"


def _model_parts(line: str, tokens: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield a model name without the description behind it ("5200 HiTorque Mini Lathe" is "5200")."""
    if not tokens:
        return
    start, last, numbered = tokens[0][0], len(tokens), False
    sign = signed(line[start : tokens[-1][1]])
    if sign > 0:
        yield _bare(line, start, start + sign)
    for index, (begin, stop) in enumerate(tokens):
        token = line[begin:stop]
        if index and rest(token) == "remark" and _is_remark(token) and looks(token) != "a year":
            yield _bare(line, start, tokens[index - 1][1])
        described = numbered and len(token) > 2 and "(" not in line[start:begin] and _SMALL_WORD.fullmatch(token)
        if described or (index and looks(token) not in ("", "a year")):
            last = index
            break
        numbered = numbered or any(c.isdigit() for c in token)
    yield _bare(line, start, tokens[last - 1][1])
    yield _bare(line, start, tokens[-1][1])


def _is_remark(token: str) -> bool:
    """Say whether a word that can be a remark is printed like one: in capitals, or a revision ("Rev.B")."""
    return token == token.upper() or _REVISION.match(token) is not None


def _runs(line: str, tokens: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield the runs of tokens that hold a digit and begin and end with nothing known: a name among other words."""
    known = [looks(line[begin:stop]) not in ("", "a year") for begin, stop in tokens]
    for first in range(len(tokens)):
        if known[first]:
            continue
        for last in range(first, len(tokens)):
            text = line[tokens[first][0] : tokens[last][1]]
            if not known[last] and any(c.isdigit() for c in text) and _pairs(text):
                yield _bare(line, tokens[first][0], tokens[last][1])


def _bare(line: str, start: int, end: int) -> tuple[int, int]:
    """Leave out separators and unpaired brackets at the ends."""
    first, last = start, end
    while first < last - 1 and (line[first] in _MARKS or (line[first] in _OPENING and not _pairs(line[first:last]))):
        first += 1
    while last > first + 1 and (
        line[last - 1] in _MARKS or (line[last - 1] in _CLOSING and not _pairs(line[first:last]))
    ):
        last -= 1
    return first, last


def _pairs(text: str) -> bool:
    return all(text.count(one) == text.count(other) for one, other in zip(_OPENING, _CLOSING, strict=True))
