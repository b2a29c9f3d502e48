"""Text lines as pieces, keys and values, on a page turned upright.

A line is cut into the key words on it and what stands between them; every piece gets an upright rectangle along its
text's own direction, so that right of and below mean the same on a plate that lies on its side.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

from edge.core.reading import Character, TextLine
from edge.readers.linking.keys.captions import captions
from edge.readers.linking.keys.hidden import hides
from edge.readers.linking.keys.keywords import FIELDS, Lexicon, fold
from edge.readers.linking.keys.printed import HIDING, SEPARATORS, SLASHES, WEAK, Caption, separated
from edge.readers.linking.page.geometry import Rect, angle_of, off, rect_of, turns
from edge.readers.linking.page.rejoined import rejoined
from edge.readers.linking.page.slopes import slopes, tells_slope
from edge.readers.linking.shape import names_company

#: Lines after this many are not linked; nothing on a plate is that long, and the time is bounded.
MAX_LINES = 400

#: Separators and closing or opening brackets do not begin or end a value.
_BEFORE = SEPARATORS + "?)]/\\\uff09\uff0f"
_AFTER = SEPARATORS + "([/\\\uff08\uff0f"
#: A value that somebody made unreadable.
_HIDDEN = re.compile(rf"[\s:.]*([{HIDING}]{{2,}})\s*")

#: Letters in front of a number that may be part of it, though they make a key.
_MOST_PREFIX = 3
#: Letters in the first box of a key that stands in two, and words in the second one.
_LONGEST_BEGINNING, _MOST_WORDS = 24, 3
#: How far apart (in text heights) two boxes of one key stand at most.
_ONE_KEY_GAP = 1.3
#: Two keys with a slash between stand so near each other, and so much of a row, in text heights.
_PARTS_GAP, _OF_ONE_ROW = 4.0, 0.7
#: Behind a few capitals these make them a key ("REF.471").
_MARKS = (".", "", "#", "/")
#: A value below its key begins so many text heights beside it, and stands so many below it at most.
_INSET, _NEXT_LINE_GAP = 3.0, 1.4
_WORD = re.compile(r"[^\W\d_]+?(?<=[^\W\d_A-Z\u0410-\u042f])(?=[A-Z])|[^\W\d_]+|[º°№]")
#: The last of several keys in one box.
_LAST_KEY = re.compile(r"[^\s/]+$")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one line: a key where it has a kind, else a value. `line[start:end]` is its text as printed."""

    line: int
    start: int
    end: int
    text: str
    rect: Rect
    turn: int
    slope: float = 0.0
    kind: str = ""
    strength: float = 0.0
    separated: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """All pieces of a frame, keys and values, and how high its text usually is."""

    lines: tuple[TextLine, ...]
    pieces: tuple[Piece, ...]
    height_px: float
    left_out: int = 0
    directions: tuple[tuple[float, float], ...] = ()  # cosine and sine of each line's group

    def rect(self, line: int, start: int, end: int) -> Rect:
        """Give the rectangle of a part of a line, along its group's direction."""
        return rect_of(self.lines[line], start, end, *self.directions[line])


def lay_out(lines: Sequence[TextLine], lexicon: Lexicon) -> Page:
    """Cut lines into keys and values and turn them upright."""
    kept = rejoined(tuple(aligned(line) for line in lines[:MAX_LINES]), lexicon)
    turned = turns(kept)
    cuts = _whole_where_captioned(kept, [_cut(line.text, lexicon) for line in kept])
    pieces: list[Piece] = []
    for index, line in enumerate(kept):
        if not line.text.strip():
            continue
        turn, angle = turned[index]
        cosine, sine = math.cos(angle), math.sin(angle)
        slope = math.tan(max(-0.6, min(0.6, off(angle_of(line.box), angle))))
        for caption, start, end in cuts[index]:
            rect = rect_of(line, start, end, cosine, sine)
            told = slope if tells_slope(rect) else 0.0
            pieces.append(
                Piece(
                    line=index,
                    start=start,
                    end=end,
                    text=line.text[start:end],
                    rect=rect,
                    turn=turn,
                    slope=told,
                    kind=caption.word.kind if caption else "",
                    strength=caption.word.strength if caption else 0.0,
                    separated=caption.separated if caption else False,
                )
            )
    pieces = _less_found(pieces)
    pieces = _whole_at_keys(_with_whole_keys(pieces, kept, lexicon), kept)
    smooth = slopes([(piece.rect, piece.turn, piece.slope) for piece in pieces])
    pieces = [replace(piece, slope=slope) if piece.kind else piece for piece, slope in zip(pieces, smooth, strict=True)]
    heights = [piece.rect.height for piece in pieces if len(piece.text) > 2]
    directions = tuple((math.cos(angle), math.sin(angle)) for _, angle in turned)
    usual = median(heights) if heights else 1.0
    return Page(kept, tuple(pieces), usual, max(0, len(lines) - MAX_LINES), directions)


def aligned(line: TextLine) -> TextLine:
    """Give the line with exactly one character a letter; where a reader gave none they have confidence 0."""
    if [c.text for c in line.characters] == list(line.text):
        return line
    characters: list[Character] = []
    for character in line.characters:
        characters.extend(replace(character, text=letter) for letter in character.text)
    if "".join(c.text for c in characters) != line.text:
        characters = [Character(letter, 0.0) for letter in line.text]
    return replace(line, characters=tuple(characters))


def _with_whole_keys(pieces: list[Piece], lines: Sequence[TextLine], lexicon: Lexicon) -> list[Piece]:
    """Join the keys that a detector cut into two boxes of one row ("Serial" and "No. 1234"); the second one stays."""
    whole: dict[int, list[Piece]] = {}
    dropped: set[int] = set()
    for index, piece in enumerate(pieces):
        begins = len(piece.text) <= _LONGEST_BEGINNING and lexicon.begins(fold(piece.text))
        if not (begins or piece.kind) or index in whole:
            continue
        if index + 1 < len(pieces) and pieces[index + 1].line == piece.line:
            continue
        tail = (len(lines[piece.line].text) - piece.end) / len(piece.text) * piece.rect.width
        for at, other in enumerate(pieces):
            if other.line == piece.line or at in whole or at in dropped or not _goes_on(piece, other, tail):
                continue
            if not fold(other.text):
                # "***" hides the value.
                continue
            if at and pieces[at - 1].line == other.line:
                continue
            joined = _joined_key(piece, other, lines[other.line].text, lexicon) if begins else None
            joined = joined or _with_tail(piece, other, lines[other.line].text, lexicon)
            if joined:
                whole[at] = joined
                dropped.add(index)
                break
    if not whole:
        return pieces
    return [one for at, piece in enumerate(pieces) if at not in dropped for one in whole.get(at, (piece,))]


def _less_found(pieces: list[Piece]) -> list[Piece]:
    """Leave out the lost keys at a slash that stand in the next box after all: "Type /" and "Serial No."."""
    keys = [piece for piece in pieces if piece.kind and piece.text not in SLASHES]
    return [
        piece for piece in pieces
        if not (piece.kind and piece.text in SLASHES)
        or not any(
            key.line != piece.line
            and key.turn == piece.turn
            and abs(key.rect.middle - piece.rect.middle) < _OF_ONE_ROW * piece.rect.height
            and max(key.rect.left - piece.rect.right, piece.rect.left - key.rect.right) < _PARTS_GAP * piece.rect.height
            for key in keys
        )
    ]  # fmt: skip


def _goes_on(piece: Piece, other: Piece, tail_px: float) -> bool:
    """Say whether a box stands right behind another one in its row, whose marks at its end take so much."""
    box, place = piece.rect, other.rect
    lift = place.middle - box.middle - piece.slope * (place.left - box.left)
    gap = place.left - box.right - tail_px
    return (
        other.turn == piece.turn
        and -0.4 * box.height < gap < _ONE_KEY_GAP * box.height
        and abs(lift) < 0.35 * box.height
        and max(box.height, place.height) < 1.55 * min(box.height, place.height)
    )


def _joined_key(piece: Piece, other: Piece, text: str, lexicon: Lexicon) -> list[Piece] | None:
    """Give the key that two boxes make and what of the second box stands behind it; None where they make none."""
    ends = [other.end] if other.kind else [other.start + m.end() for m in _WORD.finditer(other.text)][:_MOST_WORDS]
    for end in reversed(ends):
        word = lexicon.exact(fold(piece.text) + fold(text[other.start : end]))
        if word is None or (end < other.end and text[end - 1].isdigit()):
            continue
        box, place = piece.rect, other.rect
        share = (end - other.start) / (other.end - other.start)
        at = place.left + share * place.width
        key = replace(
            other, end=end, text=f"{piece.text} {text[other.start : end]}", kind=word.kind, strength=word.strength,
            separated=separated(text, end), slope=0.0,
            rect=replace(place, left=box.left, right=at, top=min(box.top, place.top)),
        )  # fmt: skip
        start = _begin(text, end, other.end)
        if start == other.end:
            return [key]
        value = replace(other, start=start, text=text[start : other.end], rect=replace(place, left=at))
        return [key, value]
    return None


def _with_tail(piece: Piece, other: Piece, text: str, lexicon: Lexicon) -> list[Piece] | None:
    """Give the key whose last word stands in the next box ("N° de série / Sér." and "č.:"), or None."""
    last = _LAST_KEY.search(piece.text)
    if not piece.kind or last is None or other.kind not in ("", "other") or len(other.text) > _LONGEST_BEGINNING:
        return None
    word = lexicon.exact(fold(last[0]) + fold(other.text))
    if word is None or word.kind != piece.kind or any(map(str.isdigit, other.text)):
        return None
    box, place = piece.rect, other.rect
    rect = replace(place, left=box.left, top=min(box.top, place.top))
    whole = f"{piece.text} {other.text}"
    return [replace(other, text=whole, kind=piece.kind, strength=max(piece.strength, word.strength),
                    separated=separated(text, other.end), rect=rect, slope=0.0)]  # fmt: skip


def _whole_at_keys(pieces: list[Piece], lines: Sequence[TextLine]) -> list[Piece]:
    """Leave a value whole that begins like a key and stands right of one, or below one of a field: "Model" "CE 667".

    Only a few capitals without a separator are meant, and no key of the kind that the value stands at.
    """
    dropped: dict[int, Piece] = {}
    for index, (key, value) in enumerate(pairwise(pieces)):
        if not (
            begins_like_key(key, value)
            and lines[key.line].text[: key.end].strip() == key.text
            and any(map(str.isdigit, value.text))
        ):
            continue
        before = _before_in_row(key, pieces)
        if before is None or not before.kind or before.line == key.line:
            before = _above(key, pieces, lines)
        if before is not None and before.kind != key.kind:
            rect = replace(value.rect, left=key.rect.left)
            text = lines[key.line].text[key.start : value.end]
            dropped[index] = replace(value, start=key.start, text=text, rect=rect)
    if not dropped:
        return pieces
    return [dropped.get(at - 1, piece) for at, piece in enumerate(pieces) if at not in dropped]


def _above(key: Piece, pieces: Sequence[Piece], lines: Sequence[TextLine]) -> Piece | None:
    """Give the key of a field right above a piece that a box of its own holds and no value stands beside."""
    box = key.rect
    for other in pieces:
        place = other.rect
        if (
            other.kind in FIELDS
            and other.turn == key.turn
            and other.line != key.line
            and key.text.isalpha()
            and not (key.kind in FIELDS and key.strength > WEAK)
            and lines[key.line].text[key.end : key.end + 1] not in _MARKS
            and abs(place.left - box.left) < _INSET * box.height
            and -0.3 * box.height < box.top - place.bottom < _NEXT_LINE_GAP * box.height
            and lines[other.line].text[: other.start].strip(SEPARATORS + " ") == ""
            and lines[other.line].text[other.end :].strip(SEPARATORS + " ") == ""
            and not any(
                one.turn == key.turn
                and one.line != other.line
                and one.rect.left > place.right - 0.2 * place.height
                and abs(one.rect.middle - place.middle) < 0.5 * place.height
                and not one.kind
                for one in pieces
            )
        ):
            return other
    return None


def begins_like_key(key: Piece, value: Piece) -> bool:
    """Say whether a key may be the beginning of the value behind it: a few capitals, no separator ("PF 573")."""
    return (
        bool(key.kind)
        and not value.kind
        and key.line == value.line
        and not key.separated
        and key.end - key.start <= _MOST_PREFIX
        and key.text.isupper()
    )


def _before_in_row(piece: Piece, pieces: Sequence[Piece]) -> Piece | None:
    """Give the piece next to the left in a piece's row."""
    box = piece.rect
    found = None
    for other in pieces:
        place = other.rect
        beside = other.turn == piece.turn and abs(place.middle - box.middle) < 0.5 * box.height
        if beside and other is not piece and place.right <= box.left + 0.2 * box.height:
            found = other if found is None or place.right > found.rect.right else found
    return found


_Cut = tuple[Caption | None, int, int]


def _whole_where_captioned(lines: Sequence[TextLine], cuts: list[list[_Cut]]) -> list[list[_Cut]]:
    """Leave "SN0089061" whole where a key of its own says "Serial No.": its letters are then part of the value.

    Letters as many as a word are no part of a value, and a key that has its value behind it asks for no other one.
    """
    glued = {number for number, cut in enumerate(cuts) if _is_glued(lines[number].text, cut)}
    plain = {
        cut[-1][0].word.kind
        for number, cut in enumerate(cuts)
        if number not in glued and cut and cut[-1][0] is not None
    }
    for number in glued:
        caption, start, _ = cuts[number][0]
        if caption is not None and caption.word.kind in plain and caption.word.kind in FIELDS:
            cuts[number] = [(None, start, cuts[number][1][2]), *cuts[number][2:]]
    return cuts


def _is_glued(text: str, cut: Sequence[_Cut]) -> bool:
    """Say whether a line is a key and a value with nothing or a hyphen between them."""
    if len(cut) < 2 or cut[0][0] is None or cut[1][0] is not None:
        return False
    start, end, begin = cut[0][1], cut[0][2], cut[1][1]
    short = end - start <= _MOST_PREFIX and text[start:end].isupper()
    return text[end:begin] in ("", "-") and short and text[end - 1].isalpha() and text[begin].isdigit()


def _cut(text: str, lexicon: Lexicon) -> list[_Cut]:
    """Cut a line into keys and values, in reading order; values lose the blanks and separators around them."""
    pieces: list[_Cut] = []
    at = 0
    for caption in captions(text, lexicon):
        _add_value(text, at, caption.start, pieces)
        pieces.append((caption, caption.start, caption.end))
        at = caption.end
    _add_value(text, at, len(text), pieces)
    return pieces


def _begin(text: str, start: int, end: int) -> int:
    """Give where a value begins: behind blanks and separators."""
    while start < end and (text[start].isspace() or text[start] in _BEFORE):
        start += 1
    return start


def _add_value(text: str, start: int, end: int, pieces: list[_Cut]) -> None:
    hidden = _HIDDEN.fullmatch(text, start, end)
    if hidden:
        # What hides a value holds its place: the key has no other one.
        pieces.append((None, *hidden.span(1)))
        return
    inner = text[start:end].strip(" :.\uff1a")
    if inner[:1] in HIDING and inner and hides(inner):
        at = text.index(inner, start)
        pieces.append((None, at, at + len(inner)))
        return
    start = _begin(text, start, end)
    while end > start and (text[end - 1].isspace() or text[end - 1] in _AFTER):
        end -= 1
    if start < end:
        maker = names_company(text[start:end])
        if maker:
            pieces.append((None, start, start + maker - 1))
            start += maker
        pieces.append((None, start, end))
