"""What the rest of a page says about a text: printed again, part of a longer one, or read otherwise elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from edge.core.reading import Character
from edge.readers.linking.keys.keywords import fold
from edge.readers.linking.page.layout import Page
from edge.readers.linking.values.spans import Segment

#: Shorter texts (letters and digits) are part of longer ones by chance.
_SHORTEST = 4
#: Texts of one length at least this long with one other letter are two readings of one.
_SHORTEST_ALIKE = 8
#: Letters in which two prints of one text differ at most.
_TWO = 2
#: So much surer a reader is of a letter elsewhere before it speaks against this one.
_SURER = 0.05


_MARK = re.compile(r"[\s/_-]+")


class Echoes:
    """The texts of a page with the letters that readers mix up as one."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._folded = [
            (piece.line, fold(piece.text), piece.start, piece.end)
            for piece in page.pieces
            if not piece.kind and any(c.isdigit() for c in piece.text)
        ]

    def of(self, text: str, segments: Sequence[Segment]) -> tuple[float, float]:
        """Give how much a text is found in longer ones, and how much their letters speak against it, both 0 to 1."""
        own = fold(text)
        if len(own) < _SHORTEST or not any(c.isdigit() for c in text):
            return 0.0, 0.0
        echo = doubt = 0.0
        for line, other, start, end in self._folded:
            if len(other) < _SHORTEST or line == segments[0][0]:
                continue
            within = own in other
            if within and own != other and not _apart(text, self._page.lines[line].text[start:end]):
                goes_on = self._page.lines[line].text[start:end].casefold().startswith(f"{text.casefold()}-")
                echo = min(1.0, echo + (1.0 if goes_on else 0.5))
            if (within or other in own or _alike(own, other)) and self._otherwise(
                segments, own, (line, start, end), other
            ):
                doubt = 1.0
        return echo, doubt

    def surer(self, text: str, segments: Sequence[Segment]) -> Segment | None:
        """Give the other print of a text that is read with one other letter, and surer of it; None where none is.

        A reader that names runners-up must have seen the other letter in its place, too; or two other prints say the
        same and none what this one says. Nothing is mended (law L7): the answer is a whole text as it stands elsewhere
        on the plate.
        """
        own = fold(text)
        mine = self._solid(segments)
        if len(own) < _SHORTEST + 1 or len(mine) != len(own) or not any(c.isdigit() for c in text):
            return None
        told: dict[str, list[Segment]] = {}
        for line, start, end in self._texts_as_long(len(own), segments[0][0]):
            theirs = self._solid(((line, start, end),))
            if len(theirs) != len(mine):
                continue
            differ = [(a, b) for a, b in zip(mine, theirs, strict=True) if a.text.casefold() != b.text.casefold()]
            if len(differ) == 1 and _misread(*differ[0]):
                return (line, start, end)
            if len(differ) <= 1:
                told.setdefault(_letters(theirs), []).append((line, start, end))
        if len(told) != 1 or _letters(mine) in told:
            return None
        (prints,) = told.values()
        return max(prints, key=self._share) if len({line for line, _, _ in prints}) > 1 else None

    def vouched(self, segments: Sequence[Segment], other: Segment) -> bool:
        """Say whether a third print is a part of another one, and not of this text: it says which letter is right."""
        mine, theirs = (fold("".join(c.text for c in self._solid(one))) for one in (segments, (other,)))
        lines = {segments[0][0], other[0]}
        return any(
            len(part) >= _SHORTEST and part in theirs and part not in mine
            for line, part, _, _ in self._folded
            if line not in lines
        )

    def _share(self, one: Segment) -> float:
        """Say how much of its line a text is."""
        line, start, end = one
        return (end - start) / len(self._page.lines[line].text.strip())

    def fitting(self, text: str, segments: Sequence[Segment], fits: Callable[[str], bool]) -> Segment | None:
        """Give the other print of a text that has the form asked for and differs in a letter or two, or None.

        Where two other prints would do, and say different things, none does.
        """
        own = fold(text)
        if len(own) <= _SHORTEST:
            return None
        most = _TWO if len(own) >= _SHORTEST_ALIKE else 1
        found = {}
        for line, start, end in self._texts_as_long(len(own), segments[0][0]):
            raw = self._page.lines[line].text[start:end]
            folded = fold(raw)
            if len(folded) == len(own) and sum(a != b for a, b in zip(folded, own, strict=True)) <= most and fits(raw):
                found[folded] = (line, start, end)
        return next(iter(found.values())) if len(found) == 1 else None

    def _texts_as_long(self, length: int, line: int) -> Iterator[Segment]:
        """Yield the texts of other lines with so many letters and digits, and those that begin or end with so many."""
        for where, folded, start, end in self._folded:
            if where == line or len(folded) < length:
                continue
            if len(folded) == length:
                yield where, start, end
                continue
            text = self._page.lines[where].text
            marks = [match.span() for match in _MARK.finditer(text, start, end)]
            for begin in (start, *(stop for _, stop in marks)):
                for stop in (*(at for at, _ in marks), end):
                    if begin < stop and len(fold(text[begin:stop])) == length:
                        yield where, begin, stop

    def _otherwise(self, segments: Sequence[Segment], own: str, where: Segment, other: str) -> bool:
        """Say whether another print of the same letters has one read differently, and surer."""
        mine = self._solid(segments)
        theirs = self._solid((where,))
        if len(mine) != len(own) or len(theirs) != len(other):
            return False
        if own in other:
            theirs = theirs[other.index(own) :][: len(mine)]
        elif other in own:
            mine = mine[own.index(other) :][: len(theirs)]
        return any(
            a.text.casefold() != b.text.casefold() and b.confidence > a.confidence + _SURER
            for a, b in zip(mine, theirs, strict=True)
        )

    def _solid(self, segments: Sequence[Segment]) -> list[Character]:
        return [
            character
            for line, start, end in segments
            for character in self._page.lines[line].characters[start:end]
            if character.text.isalnum()
        ]


def _letters(characters: Sequence[Character]) -> str:
    return "".join(character.text.casefold() for character in characters)


def _misread(mine: Character, theirs: Character) -> bool:
    """Say whether a letter is rather another one, by how sure a reader was of both, and what else it saw."""
    seen = not mine.alternatives or any(other == theirs.text for other, _ in mine.alternatives)
    return seen and theirs.confidence > mine.confidence + _SURER


def _apart(text: str, other: str) -> bool:
    """Say whether a text stands in another one as words of its own: that is a second print, not a longer code."""
    return f" {text.casefold()} " in f" {other.casefold()} "


def _alike(one: str, other: str) -> bool:
    """Say whether two texts differ in one letter only."""
    return len(one) == len(other) >= _SHORTEST_ALIKE and sum(a != b for a, b in zip(one, other, strict=True)) == 1
