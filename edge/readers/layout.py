"""Text lines as pieces, keys and values, on a page turned upright.

A line is cut into the key words on it and what stands between them; every piece gets an upright rectangle along its
text's own direction, so that right of and below mean the same on a plate that lies on its side.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from edge.core.reading import Character, Quad, TextLine
from edge.readers.keywords import Lexicon, Word, fold

#: Lines whose directions differ by more than this (degrees) are not on one plate, or not on one side of it.
_SAME_DIRECTION_DEG = 20.0
#: A key box at least this much longer than high tells its own slope.
_TELLS_SLOPE = 3.0
#: Lines after this many are not linked; nothing on a plate is that long, and the time is bounded.
MAX_LINES = 400
#: Characters of a line after this many are not searched for key words.
MAX_SEARCHED = 120

_CJK = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af"
_ATOM = re.compile(rf"[{_CJK}]+|[^\W\d_{_CJK}]+(?:[0-9]+[^\W_{_CJK}]*)?|[^\W_{_CJK}]+|[º°№]")
_SEPARATORS = ":：=;.…·#_-–—~|>*,'\"`"
_HARD_SEPARATORS = ":：=#"
_GENERIC = re.compile(r"[^\d:：]{2,32}[:：]")
#: What may follow a key word in brackets: its translation, never the value.
_TRANSLATION = re.compile(r"\s*[(（\[【][^0-9)）\]】]{1,24}[)）\]】]")
#: Key words that also begin a value or a sentence, unless a separator follows.
_SHORT = 2


@dataclass(frozen=True, slots=True)
class Rect:
    """An upright rectangle along the text's own direction, px."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """From top to bottom, at least 1."""
        return max(self.bottom - self.top, 1.0)

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def middle(self) -> float:
        """The height at which its text stands."""
        return (self.top + self.bottom) / 2


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
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """All pieces of a frame, keys and values, and how high its text usually is."""

    lines: tuple[TextLine, ...]
    pieces: tuple[Piece, ...]
    height_px: float
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class _KeyMatch:
    start: int
    end: int
    word: Word
    separated: bool


def lay_out(lines: Sequence[TextLine], lexicon: Lexicon) -> Page:
    """Cut lines into keys and values and turn them upright."""
    kept = tuple(aligned(line) for line in lines[:MAX_LINES])
    turns = _turns(kept)
    pieces: list[Piece] = []
    for index, line in enumerate(kept):
        if not line.text.strip():
            continue
        turn, angle = turns[index]
        cosine, sine = math.cos(angle), math.sin(angle)
        slope = math.tan(max(-0.6, min(0.6, _angle(line.box) - angle)))
        for piece in _cut(line.text, lexicon):
            match, start, end = piece
            rect = _rect(line, start, end, cosine, sine)
            told = slope if rect.width > _TELLS_SLOPE * rect.height else 0.0
            pieces.append(
                Piece(
                    line=index,
                    start=start,
                    end=end,
                    text=line.text[start:end],
                    rect=rect,
                    turn=turn,
                    slope=told,
                    kind=match.word.kind if match else "",
                    strength=match.word.strength if match else 0.0,
                    separated=match.separated if match else False,
                    whole=start == 0 and end == len(line.text),
                )
            )
    heights = [piece.rect.height for piece in pieces if len(piece.text) > 2]
    return Page(kept, tuple(pieces), median(heights) if heights else 1.0, max(0, len(lines) - MAX_LINES))


def aligned(line: TextLine) -> TextLine:
    """Give the line with exactly one character a letter; where a reader gave none they have confidence 0."""
    if len(line.characters) == len(line.text) and all(len(c.text) == 1 for c in line.characters):
        return line
    characters: list[Character] = []
    for character in line.characters:
        characters.extend(replace(character, text=letter) for letter in character.text)
    if "".join(c.text for c in characters) != line.text:
        characters = [Character(letter, 0.0) for letter in line.text]
    return replace(line, characters=tuple(characters))


def quad(line: TextLine, start: int, end: int) -> Quad:
    """Give the corners of a part of a line on the frame."""
    first, last = line.characters[start].box, line.characters[end - 1].box
    if first is not None and last is not None:
        return (first[0], last[1], last[2], first[3])
    count = max(len(line.text), 1)
    (tl, tr, br, bl), a, b = line.box, start / count, end / count

    def at(p: tuple[float, float], q: tuple[float, float], share: float) -> tuple[float, float]:
        return (p[0] + (q[0] - p[0]) * share, p[1] + (q[1] - p[1]) * share)

    return (at(tl, tr, a), at(tl, tr, b), at(bl, br, b), at(bl, br, a))


def _angle(box: Quad) -> float:
    """Direction of reading, radians."""
    (tl, tr, br, bl) = box
    return math.atan2(tr[1] - tl[1] + br[1] - bl[1], tr[0] - tl[0] + br[0] - bl[0])


def _turns(lines: Sequence[TextLine]) -> list[tuple[int, float]]:
    """Group lines by direction; each gets its group's number and common direction (radians)."""
    lengths = [math.dist(line.box[0], line.box[1]) for line in lines]
    angles = [_angle(line.box) for line in lines]
    groups: list[list[int]] = []
    for index in sorted(range(len(lines)), key=lambda i: -lengths[i]):
        for group in groups:
            off = (angles[index] - angles[group[0]] + math.pi) % (2 * math.pi) - math.pi
            if abs(off) <= math.radians(_SAME_DIRECTION_DEG):
                group.append(index)
                break
        else:
            groups.append([index])
    turns = [(0, 0.0)] * len(lines)
    for number, group in enumerate(groups):
        sine = sum(lengths[i] * math.sin(angles[i]) for i in group)
        cosine = sum(lengths[i] * math.cos(angles[i]) for i in group)
        for i in group:
            turns[i] = (number, math.atan2(sine, cosine))
    return turns


def _rect(line: TextLine, start: int, end: int, cosine: float, sine: float) -> Rect:
    corners = quad(line, start, end)
    along = [x * cosine + y * sine for x, y in corners]
    across = [y * cosine - x * sine for x, y in corners]
    top, bottom = (across[0] + across[1]) / 2, (across[2] + across[3]) / 2
    return Rect((along[0] + along[3]) / 2, min(top, bottom), (along[1] + along[2]) / 2, max(top, bottom))


def _cut(text: str, lexicon: Lexicon) -> list[tuple[_KeyMatch | None, int, int]]:
    """Cut a line into keys and values, in reading order; values lose the blanks and separators around them."""
    pieces: list[tuple[_KeyMatch | None, int, int]] = []
    at = 0
    for match in _keys(text, lexicon):
        _add_value(text, at, match.start, pieces)
        pieces.append((match, match.start, match.end))
        at = match.end
    _add_value(text, at, len(text), pieces)
    return pieces


def _add_value(text: str, start: int, end: int, pieces: list[tuple[_KeyMatch | None, int, int]]) -> None:
    while start < end and (text[start].isspace() or text[start] in _SEPARATORS + ")）]/\\"):
        start += 1
    while end > start and (text[end - 1].isspace() or text[end - 1] in _SEPARATORS + "(（[/\\"):
        end -= 1
    if start < end:
        pieces.append((None, start, end))


def _keys(text: str, lexicon: Lexicon) -> list[_KeyMatch]:
    """Find the key words of a line, longest first from the left; neighbours of one kind become one key."""
    atoms = [match.span() for match in _ATOM.finditer(text, 0, MAX_SEARCHED)]
    if not atoms:
        return []
    tiled = _tiled(text, atoms, lexicon)
    if tiled:
        return _joined(text, tiled)
    found: list[_KeyMatch] = []
    index = 0
    while index < len(atoms):
        match = _key_at(text, atoms, index, lexicon, first=index == 0, after=found[-1] if found else None)
        if match is None:
            index += 1
            continue
        found.append(match)
        while index < len(atoms) and atoms[index][0] < match.end:
            index += 1
    if not found or found[0].start > atoms[0][0]:
        unknown = _unknown(text, atoms[0][0], found[0].start if found else len(text), lexicon)
        if unknown is not None:
            found = [unknown, *(m for m in found if m.start >= unknown.end)]
    return _joined(text, found)


def _tiled(text: str, atoms: list[tuple[int, int]], lexicon: Lexicon) -> list[_KeyMatch]:
    """Give the keys of a line that holds nothing else: the head of a table, or a key in several languages."""
    if len(text) > 80 or any(c.isdigit() for c in text):
        return []
    found = []
    index = 0
    while index < len(atoms):
        for last in range(min(len(atoms), index + 6) - 1, index - 1, -1):
            start, end = atoms[index][0], atoms[last][1]
            word = lexicon.exact(fold(text[start:end]))
            if word is not None:
                found.append(_KeyMatch(start, end, word, separated=text[end : end + 1] in (":", "：")))
                index = last + 1
                break
        else:
            return []
    return found


def _key_at(
    text: str, atoms: list[tuple[int, int]], index: int, lexicon: Lexicon, *, first: bool, after: _KeyMatch | None
) -> _KeyMatch | None:
    start = atoms[index][0]
    folded = ""
    ends: list[tuple[str, int]] = []
    for last in range(index, min(index + 6, len(atoms))):
        begin = atoms[last - 1][1] if last > index else start
        if last > index and any(c in ":：=,;" for c in text[begin : atoms[last][0]]):
            break
        folded += fold(text[begin : atoms[last][1]])
        if len(folded) > lexicon.longest:
            break
        ends.append((folded, atoms[last][1]))
    for candidate, end in reversed(ends):
        word = lexicon.exact(candidate)
        if word is not None and _stands_as_key(text, start, end, word, first=first, after=after):
            return _KeyMatch(start, end, word, separated=_separated(text, end))
    if first:
        glued = _glued(text, *atoms[index], lexicon)
        if glued is not None:
            return glued
        for candidate, end in reversed(ends):
            alone = end == len(text.rstrip(_SEPARATORS + " "))
            followed = alone or _separated(text, end) or _begins_value(text, end)
            if followed and not any(c.isdigit() for c in text[start:end] if c not in "0158"):
                word = lexicon.nearest(candidate)
                if word is not None:
                    return _KeyMatch(start, end, word, separated=_separated(text, end))
    return None


def _stands_as_key(text: str, start: int, end: int, word: Word, *, first: bool, after: _KeyMatch | None) -> bool:
    """Say whether a key word is used as a key here, and is no part of a value or of a sentence."""
    printed = text[start:end]
    if printed[0].isdigit():
        return False
    if _separated(text, end):
        return first or word.strength > 0.5 or after is not None
    alone = not text[end:].strip(_SEPARATORS + " ") and first
    if alone:
        return True
    if not first and after is None and word.kind not in ("serial", "model"):
        return False
    if not first and (word.strength < 0.5 or len(fold(printed)) < 4) and "/" not in printed:
        return False
    if word.strength < 0.9 or len(printed) <= _SHORT + 1 or not first:
        return _begins_value(text, end)
    return True


def _separated(text: str, end: int) -> bool:
    """Say whether a colon or the like follows, perhaps after a translation in brackets."""
    rest = text[end : end + 30]
    bracket = _TRANSLATION.match(rest)
    if bracket:
        rest = rest[bracket.end() :]
    rest = rest.lstrip(" .")
    return bool(rest) and (rest[0] in _HARD_SEPARATORS or rest.startswith(("..", "…")) or text[end : end + 2] == "..")


def _begins_value(text: str, end: int) -> bool:
    """Say whether what follows a word looks like a value: its first token holds a digit or is in capitals."""
    rest = text[end:].lstrip(_SEPARATORS + " /)")
    token = rest.split(maxsplit=1)[0] if rest else ""
    return any(c.isdigit() for c in token) or (len(token) > 1 and token.isupper())


def _glued(text: str, start: int, end: int, lexicon: Lexicon) -> _KeyMatch | None:
    """Find a key word that no blank parts from its value ("SN286998", "MODELPM5100-T1", "型号DPSN")."""
    for stop in range(min(end - 1, start + 24), start + 1, -1):
        length = stop - start
        head, rest = text[start:stop], text[stop:].split(maxsplit=1)[0]
        turns = head[-1].isalpha() and rest[0].isdigit()
        if not (turns or (length >= 4 and any(c.isdigit() for c in rest) and rest[0].isupper() and head.isupper())):
            continue
        word = lexicon.exact(fold(head))
        if word is None or any(c.isdigit() for c in head) or len(rest) < 3:
            continue
        if length <= 2 and not (word.kind == "serial" and word.strength > 0.7 and len(rest) > 4):
            continue
        if length == 3 and word.kind == "other":
            continue
        return _KeyMatch(start, stop, word, separated=False)
    return None


def _unknown(text: str, start: int, end: int, lexicon: Lexicon) -> _KeyMatch | None:
    """Find a caption whose words are not known: letters up to a colon. What it captions is not ours."""
    match = _GENERIC.match(text, start, end + 1)
    if match is None or not any(c.isalpha() for c in match[0]):
        return None
    stop = match.end() - 1
    word = lexicon.nearest(fold(text[start:stop]))
    return _KeyMatch(start, stop, word or Word("other", 0.5, text[start:stop]), separated=True)


def _joined(text: str, found: list[_KeyMatch]) -> list[_KeyMatch]:
    """Join neighbours of one kind, a weak word with the key before it, and a key with its translation."""
    joined: list[_KeyMatch] = []
    for match in found:
        bracket = _TRANSLATION.match(text, match.end)
        if bracket and _joins(text[match.end : bracket.end()]):
            match = replace(match, end=bracket.end())
        if joined:
            before = joined[-1]
            between = text[before.end : match.start].strip(_SEPARATORS + " /()（）[]\\")
            weak = match.word.strength < 0.5 and ":" not in text[before.end : match.start]
            if not between and match.word.kind == before.word.kind != "other":
                word = max(before.word, match.word, key=lambda w: w.strength)
                joined[-1] = _KeyMatch(before.start, match.end, word, match.separated)
                continue
            if not between and weak:
                joined[-1] = replace(before, end=match.end, separated=match.separated)
                continue
        joined.append(match)
    return joined


def _joins(bracket: str) -> bool:
    """A bracket after a key is its translation unless it looks like a value in capitals."""
    inner = bracket.strip(" ()（）[]【】")
    return not (inner.isascii() and inner.isupper() and len(inner) > 4)
