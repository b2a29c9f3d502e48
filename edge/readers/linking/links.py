"""Which keys and values of a page belong together by where they stand: in one line, right of, below or above."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from edge.readers.linking.keys.hidden import hides
from edge.readers.linking.keys.printed import FIRST_WIDE
from edge.readers.linking.page.layout import Page, Piece
from edge.readers.linking.shape import is_sign, looks
from edge.readers.linking.values.parted import parted_row, parts_of

#: Which way a value stands from its key, and how often that is so on plates.
RELATIONS: Mapping[str, float] = {"inline": 1.0, "right": 0.9, "below": 0.75, "above": 0.5}

#: Longest gap between a key and the value in its row, in text heights: two-column tables are wide.
ROW_REACH = 40.0
_BELOW_REACH = 1.4
_ABOVE_REACH = 1.2
#: A value may stand this far (in text heights) off its key's row: between two keys in two languages, say.
_OFF_THE_ROW = 0.75
#: What stands so much less off the row may stand a text height farther along it: half a line down is the next row's.
_OFF_AS_FAR = 8.0
#: Key and value stand in one column when they share this much of the narrower one's width.
_SHARED_WIDTH = 0.3
#: In the line below its key a value may be set in by this many text heights, also where the colon was lost.
_INSET = 5.0
#: And begin so many text heights behind a short key.
_BEHIND = 2.0
#: A key has one value: how much is left of its hold on the others that it reaches.
_SECOND_VALUE = 0.5
#: A colon points to the right: below it the value is rarer, and above it none.
_COLON_BELOW = 0.8
#: The values of a table stand below its head.
_HEAD_ABOVE = 0.3
#: Boxes of a row nearer than this are read as one value by whoever sees the key above them.
_ONE_BOX_GAP = 0.9
#: Boxes of one row farther apart than this (in text heights) are never one value in pieces.
_ONE_VALUE_GAP = 2.0
#: Kinds whose words own a value in another box even without a separator; the rest are logos and sentences.
_REACHING = frozenset(("serial", "model", "part_number", "batch", "date", "rating", "revision", "network"))

#: Single signs that are a key by themselves; a single letter is not.
_SIGNS = "\u2116"


@dataclass(frozen=True, slots=True)
class Link:
    """A key and a value near it; `strength` says how well they stand to each other."""

    key: Piece
    relation: str
    strength: float

    @property
    def hold(self) -> float:
        """How strongly the key holds the value: well placed, and sure of its kind."""
        return self.strength * (0.5 + 0.5 * self.key.strength)


def links(page: Page, fields: Collection[str]) -> dict[int, list[Link]]:
    """Give for every value (its index in `page.pieces`) the keys that it may belong to."""
    found: dict[int, list[Link]] = {}
    pieces = page.pieces
    heads = _heads(pieces)
    for index, key in enumerate(pieces):
        if not key.kind:
            continue
        reached: list[tuple[int, Link]] = []
        following = index + 1
        if following < len(pieces) and pieces[following].line == key.line and not pieces[following].kind:
            reached.append((following, Link(key, "inline", RELATIONS["inline"])))
        elif key.separated or (
            (len(key.text) > 1 or key.text in _SIGNS) and (key.kind in _REACHING or key.kind in fields)
        ):
            reached.extend(
                (value, replace(link, strength=link.strength * _HEAD_ABOVE))
                if link.relation == "above" and key.line in heads
                else (value, link)
                for value, link in _reach(key, pieces, fields)
            )
        for rank, (value, link) in enumerate(sorted(reached, key=lambda pair: -pair[1].strength)):
            held = link if rank == 0 else replace(link, strength=link.strength * _SECOND_VALUE)
            found.setdefault(value, []).append(held)
    found = {value: _less_above(held_by) for value, held_by in found.items()}
    return _less_hidden(page, _less_elsewhere({value: _shared(page, value, by) for value, by in found.items()}))


def _less_elsewhere(found: dict[int, list[Link]]) -> dict[int, list[Link]]:
    """Let a key that shares the value in its line with others hold no value elsewhere: "Type / No. AX 20 / 1234"."""
    inline = {link.key for held_by in found.values() for link in held_by if link.relation == "inline"}
    kept = {
        value: [link for link in held_by if link.relation == "inline" or link.key not in inline]
        for value, held_by in found.items()
    }
    return {value: held_by for value, held_by in kept.items() if held_by}


def _less_above(held_by: list[Link]) -> list[Link]:
    """Leave out the keys below a value that a key of another kind beside or above it holds better."""
    best = max(held_by, key=lambda link: link.strength)
    if best.relation == "above":
        return held_by
    return [link for link in held_by if link.relation != "above" or link.key.kind == best.key.kind]


def _less_hidden(page: Page, found: dict[int, list[Link]]) -> dict[int, list[Link]]:
    """Let a key hold no other value whose own is hidden, said to stand elsewhere, or an empty part of one.

    The part that is empty may stand in a box of its own on that side of the row: then it is the key's.
    """
    held: dict[tuple[int, str], set[int]] = {}
    more: dict[int, list[Link]] = {}
    for value, held_by in found.items():
        piece = page.pieces[value]
        row = next((row for link in held_by if (row := parted_row(page, piece, link.key))), [])
        parts = parts_of(page, piece, row)
        if not parts:
            if hides(piece.text):
                best = max(held_by, key=lambda link: link.strength)
                held.setdefault((best.key.line, best.key.kind), set()).add(value)
            continue
        for number, (key, (start, end)) in enumerate(zip(row, parts, strict=False)):
            text = page.lines[piece.line].text[start:end]
            if text.strip() and not hides(text.strip()):
                continue
            held.setdefault((key.line, key.kind), set()).add(value)
            aside = (
                _aside(page, piece, right=number > 0) if number in (0, len(parts) - 1) and not text.strip() else None
            )
            if aside is not None:
                strength = max((link.strength for link in held_by), default=0.0)
                more.setdefault(aside, []).append(Link(key, "right", strength))
                held[key.line, key.kind].add(aside)
    kept = {
        value: [link for link in held_by if value in held.get((link.key.line, link.key.kind), (value,))]
        for value, held_by in found.items()
    }  # fmt: skip
    for value, links_ in more.items():
        kept[value] = [*(link for link in kept.get(value, []) if link.key not in {one.key for one in links_}), *links_]
    return {value: held_by for value, held_by in kept.items() if held_by}


def _aside(page: Page, piece: Piece, *, right: bool) -> int | None:
    """Give the next value in a value's row on one side of it; its key stands elsewhere."""
    box = piece.rect
    beside = []
    for index, other in enumerate(page.pieces):
        place = other.rect
        away = place.left - box.right if right else box.left - place.right
        if (
            other.line != piece.line
            and other.turn == piece.turn
            and -0.4 * box.height < away < ROW_REACH * box.height
            and abs(place.middle - box.middle - piece.slope * (place.left - box.left)) < 0.5 * box.height
        ):
            beside.append((away, index))
    nearest = min(beside, default=None)
    return nearest[1] if nearest and not page.pieces[nearest[1]].kind else None


def _shared(page: Page, value: int, held_by: list[Link]) -> list[Link]:
    """Give a value that has a part for each key of a row to all of them alike ("Type / No.: AX 1 / 1234")."""
    for link in sorted(held_by, key=lambda link: -link.strength):
        row = parted_row(page, page.pieces[value], link.key)
        if row:
            return [one for one in held_by if one.key not in row] + [replace(link, key=key) for key in row]
    return held_by


def _heads(pieces: Sequence[Piece]) -> set[int]:
    """Give the lines that hold several keys and nothing else: heads of tables."""
    keys: dict[int, int] = {}
    for piece in pieces:
        keys[piece.line] = keys.get(piece.line, 0) + 1 if piece.kind else -len(pieces)
    return {line for line, count in keys.items() if count > 1}


def _reach(key: Piece, pieces: Sequence[Piece], fields: Collection[str]) -> Iterator[tuple[int, Link]]:
    """Yield the nearest values to the right, below and above of a key that nothing else stands between."""
    nearest: dict[str, tuple[float, int, float]] = {}
    below = _COLON_BELOW if key.separated else 1.0
    box = key.rect
    for index, other in enumerate(pieces):
        if other.turn != key.turn or other.line == key.line or (key.kind in fields and _lets_pass(key, other)):
            continue
        place = other.rect
        tall = max(box.height, place.height)
        away = place.left - box.right
        sideways = (place.left + place.right - box.left - box.right) / 2
        lift = place.middle - box.middle - key.slope * sideways
        if away > -0.5 * box.height and abs(lift) <= _OFF_THE_ROW * tall:
            if away <= ROW_REACH * box.height:
                far = max(away, 0.0)
                strength = (1 - 0.5 * far / (ROW_REACH * box.height)) * (1 - 0.6 * abs(lift) / tall)
                _keep(nearest, "right", far + _OFF_AS_FAR * abs(lift), index, strength)
            continue
        shared = min(box.right, place.right) - max(box.left, place.left)
        inset = 0 < place.left - box.left < _INSET * box.height and place.left < box.right + _BEHIND * box.height
        if shared < _SHARED_WIDTH * min(box.width, place.width) and not (inset and lift > 0):
            continue
        askew = min(abs(place.left - box.left), abs(sideways))
        straight = max(0.0, 1 - 0.15 * askew / tall)
        down, up = place.top - box.bottom, box.top - place.bottom
        if lift > 0 and down <= _BELOW_REACH * tall:
            strength = below * straight * (1 - 0.4 * max(down, 0.0) / (_BELOW_REACH * tall))
            _keep(nearest, "below", down + 0.3 * askew, index, strength)
        elif lift < 0 and up <= _ABOVE_REACH * tall and not key.separated:
            strength = straight * (1 - 0.4 * max(up, 0.0) / (_ABOVE_REACH * tall))
            _keep(nearest, "above", up + 0.3 * askew, index, strength)
    for relation, (_, index, strength) in nearest.items():
        if not pieces[index].kind:
            begin = index if relation == "right" else _row_begin(key, index, pieces)
            yield begin, Link(key, relation, RELATIONS[relation] * strength)


def _lets_pass(key: Piece, other: Piece) -> bool:
    """Say whether a text stands in no way of a field's key: the same key in another language, or a sign ("VDE")."""
    return other.kind == key.kind or (not other.kind and (_is_speck(other.text) or is_sign(other.text)))


def _is_speck(text: str) -> bool:
    """Say whether a text is one Chinese letter or one figure, as signs and dirt are read: no value, and it hides none.

    A Latin letter may be the key of a rating ("U"), behind which another cell begins.
    """
    letters = [c for c in text if c.isalnum()]
    return len(letters) == 1 and (letters[0].isdigit() or letters[0] >= FIRST_WIDE)


def _row_begin(key: Piece, index: int, pieces: Sequence[Piece]) -> int:
    """Give the first box of a value that a key reaches in its middle, below or above it."""
    box = pieces[index].rect
    if box.left < key.rect.left + box.height:
        return index
    for at, other in enumerate(pieces):
        place = other.rect
        if (
            not other.kind
            and other.turn == key.turn
            and other.line != pieces[index].line
            and abs(place.middle - box.middle) < 0.35 * box.height
            and -0.2 * box.height < box.left - place.right < _ONE_BOX_GAP * box.height
            and place.left > key.rect.left - 0.5 * box.height
        ):
            return at
    return index


def _keep(
    nearest: dict[str, tuple[float, int, float]], relation: str, away: float, index: int, strength: float
) -> None:
    if relation not in nearest or away < nearest[relation][0]:
        nearest[relation] = (away, index, strength)


#: What a value plainly is, where its key is of the kind that says so.
_AGREES: Mapping[str, frozenset[str]] = {
    "rating": frozenset(("a rating", "a measured value", "a protection class")),
    "date": frozenset(("a date", "a year")),
    "network": frozenset(("a hardware address", "a network address", "an address on the web")),
    "revision": frozenset(("a version",)),
}
#: A rating that stands at the key of a rating tells the plate's habit as much as this many other values.
_TOLD = 3.0
#: What counts for half a habit where no other value tells one, in values.
_NOTHING_TOLD = 0.2
#: So many text heights away a value tells half as much of the habit.
_NEIGHBOURHOOD = 12.0
#: Behind a key in its box or in the next one is one habit: where boxes end is the detector's choice.
_BESIDE = frozenset(("inline", "right"))


def _tells(link: Link, value: Piece) -> float:
    """Say how much a value and its key tell of the plate's habit: much where their kinds agree, little where not."""
    look = looks(value.text)
    if not look or link.key.kind not in _AGREES:
        return 1.0 if not look else 0.2
    return _TOLD if look in _AGREES[link.key.kind] else 0.2


class Habits:
    """How the values of a page stand to their keys: a plate keeps one habit, and another plate may have another."""

    def __init__(self, page: Page, linked: Mapping[int, Sequence[Link]]) -> None:
        self._told: list[tuple[int, float, float, str, float]] = []
        for index, found in linked.items():
            value = page.pieces[index]
            told, relation = max((link.strength * _tells(link, value), link.relation) for link in found)
            self._told.append((index, value.rect.left, value.rect.middle, relation, told))
        self._near = (_NEIGHBOURHOOD * page.height_px) ** 2

    def of(self, link: Link, index: int) -> float:
        """Give the share of the other values round a key that stand so, near ones more; a half where nothing tells.

        What a value's own place tells is not asked: it would speak for itself.
        """
        x, y = link.key.rect.left, link.key.rect.middle
        same, total = 0.5 * _NOTHING_TOLD, _NOTHING_TOLD
        beside = link.relation in _BESIDE
        for at, left, middle, relation, told in self._told:
            if at == index:
                continue
            weight = told / (1 + ((left - x) ** 2 + (middle - y) ** 2) / self._near)
            total += weight
            if relation == link.relation or (beside and relation in _BESIDE):
                same += weight
        return same / total


def followers(page: Page) -> dict[int, tuple[int, float]]:
    """Give for every piece the next one in its row, if near enough to go on with it, and the gap in text heights."""
    order = sorted(range(len(page.pieces)), key=lambda index: page.pieces[index].rect.left)
    lefts = [page.pieces[index].rect.left for index in order]
    found = {}
    for index, piece in enumerate(page.pieces):
        box = piece.rect
        at = bisect_left(lefts, box.right - 0.4 * box.height)
        while at < len(order) and lefts[at] < box.right + _ONE_VALUE_GAP * box.height:
            other = page.pieces[order[at]]
            tall, low = max(other.rect.height, box.height), min(other.rect.height, box.height)
            lift = other.rect.middle - box.middle - piece.slope * (other.rect.left - box.left)
            if other.line != piece.line and other.turn == piece.turn and abs(lift) < 0.35 * tall and tall < 1.55 * low:
                found[index] = (order[at], (other.rect.left - box.right) / tall)
                break
            at += 1
    return found
