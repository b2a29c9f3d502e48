"""What is the same for all candidates of a page: the maker's name, the rows of keys, the habit, what goes on where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edge.readers.linking.keys.keywords import FIELDS, Lexicon, distance, fold
from edge.readers.linking.links import ROW_REACH, Habits, Link, followers
from edge.readers.linking.page.geometry import Rect
from edge.readers.linking.page.layout import Page, Piece
from edge.readers.linking.shape import is_brand
from edge.readers.linking.values.echoes import Echoes
from edge.readers.linking.values.parted import parted_row
from edge.readers.linking.values.spans import Segment

#: Letters this much larger than usual are a logo.
_LARGE = 1.4
#: Figures that no letter is read as.
_NO_LETTERS = "234679"
#: A key that reaches a text less surely does not hold it.
_HOLDS = 0.3
#: What stands so many text heights from all else is another plate.
_PLATES_APART = 9.0
#: Words with more letters are known with one wrong.
_LONG_NAME = 4
#: Keys at least this sure with a value beside them say that what has no key is not this field's.
_SURE = 0.7


class Surroundings:
    """What is the same for all candidates of a page."""

    def __init__(self, page: Page, linked: Mapping[int, Sequence[Link]], lexicon: Lexicon) -> None:
        self.page = page
        self.lexicon = lexicon
        self.begins = {(piece.line, piece.start): index for index, piece in enumerate(page.pieces)}
        self.linked = linked
        self.habits = Habits(page, linked)
        self.followers = followers(page)
        self.brands = [piece for piece in page.pieces if not piece.kind and _names_maker(piece, page.height_px)]
        self.makers = {token for piece in self.brands for token in fold_tokens(piece.text)}
        self.top = min((piece.rect.top for piece in page.pieces), default=0.0)
        self.depth = max(max((piece.rect.bottom for piece in page.pieces), default=0.0) - self.top, 1.0)
        self.echoes = Echoes(page)
        self.rows = _key_rows(page)
        self.turn = _main_turn(page)
        keyed = [piece.rect for piece in page.pieces if piece.kind and piece.turn == self.turn]
        self.keys_from = min((rect.top for rect in keyed), default=math.inf)
        self.keys_to = max((rect.bottom for rect in keyed), default=math.inf)
        self.named = {piece.kind for piece in page.pieces if piece.kind and piece.strength > _SURE}
        self._gaps = _gaps(linked, page)
        self._heads = {link.key for found in linked.values() for link in found if link.relation == "below"}
        self._plates = _plates(page, linked)
        self._captioned = {
            (link.key.kind, self._plates[index]) for index, found in linked.items() for link in found
            if link.key.strength > _SURE and link.relation in ("inline", "right")
        }  # fmt: skip
        self._homes = {name: self._homes_of_others(name) for name in FIELDS}
        self.repeats: dict[str, int] = {}
        self._places: dict[int, dict[str, float]] = {}
        for piece in page.pieces:
            self.repeats[piece.text] = self.repeats.get(piece.text, 0) + 1

    def is_key(self, letters: str) -> bool:
        """Say whether letters are a key word, or the beginning of one."""
        folded = fold(letters)
        return self.lexicon.exact(folded) is not None or self.lexicon.begins(folded)

    def is_held(self, index: int) -> bool:
        """Say whether a key reaches a text so surely that it is that key's value."""
        return any(link.strength > _HOLDS for link in self.linked.get(index, ()))

    def captioned(self, index: int, name: str) -> bool:
        """Say whether a key of a field has a value beside it on a text's plate."""
        return (name, self._plates[index]) in self._captioned

    def elsewhere(self, index: int, name: str) -> float:
        """Say whether a value stands on another plate than all keys of the other fields that are asked for."""
        homes = self._homes.get(name, set())
        return float(bool(homes) and self._plates[index] not in homes)

    def _homes_of_others(self, name: str) -> set[int]:
        """Give the plates that have a key of another field than this one, a sure one where there is any."""
        others = [
            (plate, piece.strength > _SURE) for plate, piece in zip(self._plates, self.page.pieces, strict=True)
            if piece.kind in FIELDS and piece.kind != name
        ]  # fmt: skip
        return {plate for plate, sure in others if sure} or {plate for plate, _ in others}

    def farther(self, own: Link | None, piece: Piece) -> float:
        """Say how much farther below or above its key a value stands than the others of the page do, 0 to 1."""
        if own is None or own.relation not in ("below", "above"):
            return 0.0
        mine = _gap(own, piece)
        others = sorted(gap for at, gap in self._gaps[own.relation] if at is not piece)
        return max(0.0, min(1.0, mine - others[len(others) // 2])) if others else 0.0

    def has_maker(self, text: str) -> bool:
        """Say whether a text has a word of the maker's name, one letter misread at most."""
        return any(
            token in self.makers
            or (len(token) > _LONG_NAME and any(distance(token, other, 1) < 2 for other in self.makers))
            for token in fold_tokens(text)
        )

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
                "head": float(piece.turn == self.turn and piece.rect.bottom < self.keys_from + 0.5 * piece.rect.height),
                "foot": float(piece.turn == self.turn and piece.rect.top > self.keys_to - 0.5 * piece.rect.height),
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
        if own is None:
            return ()
        keys = parted_row(self.page, piece, own.key)
        if keys:
            return keys
        if own.relation == "inline":
            return ()
        row = self.rows[own.key]
        if own.key.line == row[0].line == row[-1].line:
            return row
        reach = own.key.rect.height
        return [key for key in row if key.rect.left < piece.rect.right and piece.rect.left < key.rect.right + reach]

    def numbered(self, index: int) -> bool:
        """Say whether a value has a digit, or goes on in a box that has one."""
        if any(map(str.isdecimal, self.page.pieces[index].text)):
            return True
        following = self.followers.get(index)
        return following is not None and any(map(str.isdigit, self.page.pieces[following[0]].text))

    def joined(self, index: int, segments: Sequence[Segment], own: Link | None) -> dict[str, float]:
        """Give how a text goes on in the next boxes: whether it does, whether it could, and whether those have keys."""
        owned = 0.0
        for line, start, _ in segments[1:]:
            keys = self.linked.get(self.begins.get((line, start), -1), ())
            owned = max([owned, *(link.hold for link in keys if own is None or link.key is not own.key)])
        goes_on = len(segments) == 1 and index in self.followers
        gap = self.followers[index][1] if goes_on else 1.0
        return {"joined": float(len(segments) > 1), "joined_keyed": owned, "goes_on": max(0.0, 1.0 - max(gap, 0.0))}

    def slot(self, own: Link | None, row: Sequence[Piece], segments: Sequence[Segment]) -> float:
        """Say whether a part of a value stands in its key's column among the keys of one row: 1, -1, or 0 for alone."""
        if own is None or len(row) < 2 or own.relation not in ("below", "above"):
            return 0.0
        if own.relation == "above" and own.key in self._heads:
            return 0.0
        line, start, end = segments[0]
        number = row.index(own.key)
        rect = self.page.rect(line, start, end)
        reach = 0.6 * own.key.rect.height
        begins = number == 0 or own.key.rect.left - reach < rect.left
        ends = number + 1 == len(row) or rect.right < row[number + 1].rect.left + reach
        return 1.0 if begins and ends else -1.0


def _gap(link: Link, value: Piece) -> float:
    """Give the space between a key and the value below or above it, in text heights."""
    key, box = link.key.rect, value.rect
    space = box.top - key.bottom if link.relation == "below" else key.top - box.bottom
    return space / max(key.height, box.height)


def _gaps(linked: Mapping[int, Sequence[Link]], page: Page) -> dict[str, list[tuple[Piece, float]]]:
    """Give the spaces between keys and what stands below and above them."""
    found: dict[str, list[tuple[Piece, float]]] = {"below": [], "above": []}
    for index, held_by in linked.items():
        best = max(held_by, key=lambda link: link.strength)
        if best.relation in found:
            found[best.relation].append((page.pieces[index], _gap(best, page.pieces[index])))
    return found


def _plates(page: Page, linked: Mapping[int, Sequence[Link]]) -> list[int]:
    """Give for every piece the plate it is on: pieces near each other, and values with the keys that hold them."""
    home = list(range(len(page.pieces)))

    def of(index: int) -> int:
        while home[index] != index:
            home[index] = home[home[index]]
            index = home[index]
        return index

    keys = {id(piece): index for index, piece in enumerate(page.pieces)}
    best = {index: max(held_by, key=lambda link: link.strength) for index, held_by in linked.items()}
    first: dict[int, tuple[float, int]] = {}
    for index, link in best.items():
        first[id(link.key)] = max(first.get(id(link.key), (0.0, -1)), (link.strength, index))
    for index, link in best.items():
        # A key that has its value reaches no other plate with its other links.
        if id(link.key) in keys and first[id(link.key)][1] == index:
            home[of(index)] = of(keys[id(link.key)])
    reach = _PLATES_APART * page.height_px
    order = sorted(range(len(page.pieces)), key=lambda index: page.pieces[index].rect.top)
    for number, index in enumerate(order):
        box, turn = page.pieces[index].rect, page.pieces[index].turn
        for other in order[number + 1 :]:
            place = page.pieces[other].rect
            if place.top - box.bottom > reach:
                break
            if page.pieces[other].turn == turn and max(place.left - box.right, box.left - place.right) < reach:
                home[of(index)] = of(other)
    return [of(index) for index in range(len(home))]


def fold_tokens(text: str) -> list[str]:
    """Give the longer words of a text, folded: what a maker's name shares with a line that begins with it."""
    return [fold(token) for token in text.split() if len(token) > 2 and sum(c in _NO_LETTERS for c in token) < 2]


def _names_maker(piece: Piece, height_px: float) -> bool:
    """Say whether a text can be the maker's: by its form, or as a word in large letters (a logo in small letters)."""
    return is_brand(piece.text) or (piece.text.isalpha() and piece.rect.height > _LARGE * height_px)


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
                and not _one_key(key, other)
                and abs(other.rect.middle - key.rect.middle) < 0.5 * key.rect.height
            )
        ]
        for key in keys
    }  # fmt: skip


def _one_key(one: Piece, other: Piece) -> bool:
    """Say whether two keys are one in two languages, side by side in two boxes."""
    apart = max(other.rect.left - one.rect.right, one.rect.left - other.rect.right)
    return one.kind == other.kind and one.kind in FIELDS and one.line != other.line and apart < 3 * one.rect.height


def _main_turn(page: Page) -> int:
    """Give the group of lines that holds most of the letters."""
    letters: dict[int, int] = {}
    for piece in page.pieces:
        letters[piece.turn] = letters.get(piece.turn, 0) + len(piece.text)
    return max(letters, key=lambda turn: letters[turn], default=0)
