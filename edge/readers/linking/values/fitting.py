"""Every part of a page that can be a text of the product's form: the pattern tells which is meant, so more is tried."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from edge.readers.linking.page.layout import Page, Piece, begins_like_key
from edge.readers.linking.shape import is_sign, looks
from edge.readers.linking.values.spans import Segment, Span, boxes, left_out, parts, tokens_of, within

#: Of longer lines only so many tokens are tried.
_MOST_TOKENS = 16
#: Tokens behind a key that may be the beginning of its value.
_MOST_PREFIXED = 4
#: The next line of a value begins this near (in text heights) below it and its beginning.
_NEXT_LINE_GAP, _NEXT_LINE_INSET = 1.2, 1.0
#: Words glued before a text, up to a digit or from small letters to a capital, and behind one, with a digit of its own.
_BEFORE = re.compile(r"([^\W\d_]{2,})(?=\d)|([^\W\d_]?[^\W\d_A-Z]{3,})(?=[A-Z])")
_BEHIND = re.compile(r"(?<=\d)([^\W\d_]{2,})\d{0,2}$")
#: So many small letters are a word.
_WORD = re.compile(r"[^\W\d_]?[^\W\d_A-Z\u00c0-\u00de\u0410-\u042f]{3,}")


def fitting_spans(
    page: Page,
    index: int,
    next_in_row: Mapping[int, tuple[int, float]],
    is_key: Callable[[str], bool],
    *,
    keyed: bool,
    part: tuple[int, int] | None = None,
) -> Iterator[Span]:
    """Yield the parts of a value, of its row, of the line below it, and what is left of it without glued words.

    A token is cut only where a known word is glued to it (`is_key`, or small letters): else a printed character of a
    longer number would be hidden, and a wrong text pass as right.
    """
    piece, last = within(page, index, part), page.pieces[index].end
    line = page.lines[piece.line].text
    tokens = tokens_of(piece)[:_MOST_TOKENS]
    for start, end in parts(line, tokens):
        segments: tuple[Segment, ...] = ((piece.line, start, end),)
        around = left_out(line, piece, start, end)
        yield Span(segments, *around, natural=False)
        if end != last:
            continue
        for follower, _ in boxes(page, index, next_in_row):
            if _begins_with_sign(follower):
                break
            yield from _into(page, segments, follower, around)
            segments = (*segments, (follower.line, follower.start, follower.end))
            yield Span(segments, *around, natural=False)
        if keyed:
            yield from _over_lines(page, piece, (piece.line, start, end), around)
    if index and begins_like_key(key := page.pieces[index - 1], page.pieces[index]):
        for _, end in tokens[:_MOST_PREFIXED]:
            cut = (key.start, end)
            yield Span(((piece.line, *cut),), *left_out(line, replace(piece, start=key.start), *cut), natural=False)
    for start, end in tokens:
        for begin, stop in _unglued(line[start:end], is_key):
            cut = (start + begin, start + stop)
            yield Span(((piece.line, *cut),), *left_out(line, piece, *cut), natural=False)


def _into(page: Page, segments: tuple[Segment, ...], follower: Piece, around: tuple[str, str]) -> Iterator[Span]:
    """Yield a text together with the first words of the next box in its row."""
    text = page.lines[follower.line].text
    for begin, stop in parts(text, tokens_of(follower)[:_MOST_TOKENS]):
        if begin == follower.start and stop < follower.end:
            behind = text[stop : follower.end].strip()
            yield Span((*segments, (follower.line, begin, stop)), around[0], behind, natural=False)


def _over_lines(page: Page, piece: Piece, first: Segment, around: tuple[str, str]) -> Iterator[Span]:
    """Yield a text together with the first word or two of the line below it."""
    for below in _next_lines(page, piece):
        for begin, stop in parts(page.lines[below.line].text, tokens_of(below)[:2]):
            if begin == below.start:
                yield Span((first, (below.line, begin, stop)), *around, natural=False)


def _next_lines(page: Page, piece: Piece) -> Iterator[Piece]:
    """Yield the values that begin right below a value: it may go on there."""
    box = piece.rect
    for other in page.pieces:
        place = other.rect
        if (
            not other.kind
            and not _begins_with_sign(other)
            and other.line != piece.line
            and other.turn == piece.turn
            and place.middle > box.middle
            and place.top - box.bottom < _NEXT_LINE_GAP * box.height
            and abs(place.left - box.left) < _NEXT_LINE_INSET * box.height
        ):
            yield other


def _begins_with_sign(piece: Piece) -> bool:
    """Say whether a value is no other's end: "CE" and the "CE" of "CE IP55" have the form of a model's variant."""
    return is_sign(piece.text.split(maxsplit=1)[0])


def _unglued(token: str, is_key: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    """Yield where a token is without the words glued before it, behind it, or both."""
    before, behind = _BEFORE.match(token), _BEHIND.search(token)
    begins = [0, before.end()] if before and _is_word(before[0], is_key) else [0]
    ends = [len(token), behind.start()] if behind and _is_word(behind[1], is_key) else [len(token)]
    for begin in begins:
        for end in ends:
            if (begin, end) != (0, len(token)) and begin < end:
                yield begin, end


def _is_word(letters: str, is_key: Callable[[str], bool]) -> bool:
    return _WORD.fullmatch(letters) is not None or is_key(letters) or bool(looks(letters))
