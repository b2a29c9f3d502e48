"""The words that plates print beside their values, in many languages, found again after a reader damaged them.

The words stand in `keywords.toml`. They are compared after `fold`: case, accents, blanks and punctuation do not count,
and letters that readers mix up count as one, so that "5eria1 N0" is "Serial No". Longer words may also miss, gain or
change a letter or two. What stands beside a word of another kind is not this field's value; that is what most kinds
are for.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from itertools import combinations
from typing import Any

from edge.core.fields import Product
from edge.readers.linking.keys.cyrillic import is_cyrillic, is_mixed, outline, seen_as, signs

_STRENGTHS = {"strong": 1.0, "good": 0.8, "fair": 0.55, "weak": 0.3}

#: Letters that readers and worn plates mix up, as one letter.
_LOOK_ALIKE = str.maketrans(
    {
        "0": "o",
        "1": "l",
        "i": "l",
        "|": "l",
        "!": "l",
        "5": "s",
        "8": "b",
        "y": "v",
        "\u0131": "l",
        "ł": "l",
        "ø": "o",
        "º": "o",
        "°": "o",
        # Greek rho, kappa and tau, which stand for Cyrillic letters.
        "\u03c1": "p",
        "\u03ba": "k",
        "\u03c4": "t",
        # Cyrillic letters, which the reader may have taken for Latin ones or those for them.
        **dict(
            zip(
                "\u0430\u0432\u0435\u0437\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445",
                "abe3kmhopctvx",
                strict=True,
            )
        ),
    }
)

#: A key word shorter than this (folded) is known only exactly.
_SHORTEST_DAMAGED = 5
#: From this length on a key word may have two wrong letters.
_SHORTEST_TWICE_DAMAGED = 9
_COST_OF_A_WRONG_LETTER = 0.15
#: Letters of an abbreviation that is known by itself.
SHORTEST_ABBREVIATION = 3
#: How the sign for "number" is read, folded ("№:" as "Ne:").
_NUMBER_SIGNS = frozenset(("ne", "n2", "ng"))
#: A letter that was read twice ("33AB. N").
_DOUBLED = re.compile(r"(.)\1")
#: What stands once on a plate, and is asked for of most.
FIELDS = ("model", "serial")


@dataclass(frozen=True, slots=True)
class Word:
    """A key word: which kind of field it names, how surely (0 to 1), and how it is usually printed."""

    kind: str
    strength: float
    printed: str


#: The same for plain ASCII, and nothing for punctuation.
_ASCII = {code: None for code in range(128) if not chr(code).isalnum()} | {
    ord(one): ord(other)
    for one, other in (("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"), ("8", "b"), ("y", "v"), ("|", "l"), ("!", "l"))
}


def fold(word: str) -> str:
    """Reduce a word to what survives case, accents, punctuation and look-alike letters: "Série N°" -> "serleno"."""
    if word.isascii():
        return word.lower().translate(_ASCII)
    lowered = unicodedata.normalize("NFKD", word.translate(_LOOK_ALIKE).casefold()).casefold()
    return "".join(c for c in lowered.translate(_LOOK_ALIKE) if c.isalnum())


#: Words that are a letter away from a key word and mean something else.
_NOT_KEYS = frozenset(
    map(
        fold,
        (
            *("mode", "modem", "moder", "modul", "module", "modus", "tape", "time", "tip", "tips", "port"),
            *("tyre", "tire", "made i", "mode in"),
        ),
    )
)


def lexicon_of(product: Product) -> Lexicon:
    """Give the key words of a product; the same ones for the same fields and keys."""
    return _lexicon(tuple((name, rule.keys) for name, rule in product.fields.items()))


@lru_cache(maxsize=32)
def _lexicon(fields: tuple[tuple[str, tuple[str, ...]], ...]) -> Lexicon:
    return Lexicon(fields)


class Lexicon:
    """The key words of one product: the built-in ones, its own, and its fields' names."""

    def __init__(self, fields: Iterable[tuple[str, Iterable[str]]]) -> None:
        builtin = _builtin()
        self._own: dict[str, Word] = {}
        for name, keys in fields:
            known = builtin.get(fold(name))
            if known is None or known.kind != name:
                self._own[fold(name)] = Word(name, _STRENGTHS["good"], name)
            for key in keys:
                self._own[fold(key)] = Word(name, _STRENGTHS["strong"], key)
        self._own.pop("", None)
        self._builtin = builtin
        self.longest = max(_longest(), max(map(len, self._own), default=0))

    def exact(self, folded: str) -> Word | None:
        """Give the key word that a folded text is."""
        return self._own.get(folded) or self._builtin.get(folded) or _signed().get(folded)

    def abbreviated(self, folded: str) -> Word | None:
        """Give the key of a serial number that a few letters begin, and only one: "Зав." and "Výr.", not "Prod."."""
        return _abbreviations().get(folded)

    def number(self, folded: str) -> Word | None:
        """Give the sign for "number", however it was read, where another key beside it says what it stands for."""
        known = folded in _NUMBER_SIGNS or folded in ("n", "no", "nr")
        return Word("serial", _STRENGTHS["fair"], "\u2116") if known else None

    def cut_off(self, folded: str) -> Word | None:
        """Give the key of a field that lost a letter or two at the end of its box ("Моде")."""
        return _cut_off().get(folded)

    def cut_short(self, folded: str) -> Word | None:
        """Give the key of a field that lost its end ("Fabricage"), where no key of another kind begins so."""
        if len(folded) < _SHORTEST_TWICE_DAMAGED:
            return None
        words = [word for known, word in self._builtin.items() if known.startswith(folded)]
        if not words or len({word.kind for word in words}) > 1 or words[0].kind not in FIELDS:
            return None
        best = max(words, key=lambda word: word.strength)
        return Word(best.kind, best.strength * (1 - 2 * _COST_OF_A_WRONG_LETTER), best.printed)

    def begins(self, folded: str) -> bool:
        """Say whether a folded text is the first word or words of a longer key."""
        return folded in _beginnings()

    def nearest(self, folded: str) -> Word | None:
        """Give the key word that a folded text is when its first letter is cut off or a letter or two are wrong."""
        beheaded = _beheaded().get(folded)
        if beheaded is not None:
            return beheaded
        if len(folded) >= _SHORTEST_DAMAGED or is_mixed(folded):
            drawn = _outlines().get(outline(folded))
            if drawn is not None:
                return Word(drawn.kind, drawn.strength * (1 - _COST_OF_A_WRONG_LETTER), drawn.printed)
        if len(folded) < _SHORTEST_DAMAGED - 1 or folded in _NOT_KEYS or folded.isdigit():
            return None
        found: tuple[float, Word] | None = None
        known = _deletions()
        candidates = set(self._own)
        for shorter in _shortened(folded):
            candidates.update(known.get(shorter, ()))
        for candidate in candidates:
            if len(candidate) < _SHORTEST_DAMAGED:
                continue
            allowed = 2 if len(candidate) >= _SHORTEST_TWICE_DAMAGED else 1
            wrong = distance(folded, candidate, allowed)
            word = self.exact(candidate)
            if wrong <= allowed and word is not None:
                strength = word.strength * (1 - _COST_OF_A_WRONG_LETTER * wrong)
                # Of two words as near the one that names a field is meant: "Nodelo" is "Modelo", not "Node ID".
                if found is None or (strength, word.kind in FIELDS) > (found[0], found[1].kind in FIELDS):
                    found = (strength, word)
        return found and Word(found[1].kind, found[0], found[1].printed)

    def misread(self, folded: str) -> Word | None:
        """Give the short word of a model or serial that a folded text is with one letter wrong ("YYPE" for "TYPE").

        So little is a key only where other keys stand beside it, or its separator behind it.
        """
        if folded in _NUMBER_SIGNS:
            return Word("serial", _STRENGTHS["weak"], "\u2116")
        once = self.exact(_DOUBLED.sub(r"\1", folded))
        if once is not None and once.kind in FIELDS and len(folded) == _SHORTEST_DAMAGED:
            return once
        if len(folded) != _SHORTEST_DAMAGED - 1 or folded in _NOT_KEYS or sum(map(str.isdigit, folded)) > 1:
            return None
        known = _gaps()
        return next((known[gap] for gap in _gapped(folded) if gap in known), None)


def distance(one: str, other: str, limit: int) -> int:
    """Count the letters to insert, remove, change or swap with a neighbour; `limit` + 1 where it takes more."""
    if abs(len(one) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        row = [i]
        for j, b in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and b == one[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
        if min(above) > limit:
            return limit + 1
    return above[-1]


@cache
def _tables() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(resources.files(__package__).joinpath("keywords.toml").read_text(encoding="utf-8"))


@cache
def _seen() -> Mapping[str, str]:
    return dict(pair.split("=") for pair in _tables()["cyrillic"]["seen_as"].split())


@cache
def _signed() -> Mapping[str, Word]:
    """The Cyrillic keys with their sign for "number" misread; another letter wrong in them would be one too many."""
    return {fold(seen): word for word in _builtin().values() for seen in signs(word.printed, _seen())}


@cache
def _outlines() -> Mapping[str, Word]:
    """The outlines of Cyrillic keys; an outline that two kinds share tells none."""
    known: dict[str, Word] = {}
    shared = set()
    for word in _builtin().values():
        if is_cyrillic(word.printed) and (drawn := outline(fold(word.printed))):
            shared |= {drawn} if known.setdefault(drawn, word).kind != word.kind else set()
    return {drawn: word for drawn, word in known.items() if drawn not in shared}


@cache
def _builtin() -> Mapping[str, Word]:
    words: dict[str, Word] = {}
    for kind, table in _tables().items():
        if kind == "cyrillic":
            continue
        for name, printed in table.items():
            for word in printed:
                known = Word(name, 1.0, word) if kind == "other" else Word(kind, _STRENGTHS[name], word)
                words.setdefault(fold(word), known)
                for seen in seen_as(word, _seen()):
                    words.setdefault(fold(seen), known)
    return words


@cache
def _beginnings() -> frozenset[str]:
    """The first words of the built-in keys that have more."""
    return frozenset(
        fold(" ".join(parts[:count]))
        for word in _builtin().values()
        for parts in [_parts(word)]
        for count in range(1, len(parts))
    ) - {""}


@cache
def _abbreviations() -> Mapping[str, Word]:
    """The few letters, and a full stop, that only keys of serial numbers begin with."""
    found: dict[str, Word] = {}
    others = set()
    for word in _builtin().values():
        first, *more = _parts(word)
        # "Num. de série" begins like "Num. de modelo": the sign or the word for "number" must come next.
        if (
            more
            and fold(more[0]) != "de"
            and word.printed[len(first) :].startswith(".")
            and len(first) == SHORTEST_ABBREVIATION
        ):
            if word.kind != "serial":
                others.add(fold(first))
            found.setdefault(fold(first), Word(word.kind, _STRENGTHS["good"], word.printed))
    return {folded: word for folded, word in found.items() if folded not in others and word.kind == "serial"}


@cache
def _cut_off() -> Mapping[str, Word]:
    """The sure keys of fields without their last letter or two."""
    return {
        folded[:length]: Word(word.kind, word.strength * (1 - _COST_OF_A_WRONG_LETTER), word.printed)
        for folded, word in _builtin().items()
        if word.kind in FIELDS and word.strength >= _STRENGTHS["good"]
        for length in range(max(_SHORTEST_DAMAGED - 1, len(folded) - 2), len(folded))
    }


def _parts(word: Word) -> list[str]:
    """Give the words of a key."""
    return re.split(r"(?<=[^\W\d_])[-./\s]+", word.printed)


@cache
def _beheaded() -> Mapping[str, Word]:
    """Short words of models and serials without their first letter, which the edge of a box cuts off ("YPE")."""
    return {folded[1:]: word for folded, word in _short_words()}


@cache
def _gaps() -> Mapping[str, Word]:
    """Short words of models and serials with any one letter open."""
    return {gap: word for folded, word in _short_words() for gap in _gapped(folded)}


def _short_words() -> Iterable[tuple[str, Word]]:
    """Yield the short words of models and serials, folded, and what each is worth with a letter lost or wrong."""
    for folded, word in _builtin().items():
        if len(folded) == _SHORTEST_DAMAGED - 1 and word.kind in ("serial", "model") and word.strength > 0.7:
            yield folded, Word(word.kind, word.strength * (1 - _COST_OF_A_WRONG_LETTER), word.printed)


def _gapped(word: str) -> Iterable[str]:
    return (f"{word[:i]}?{word[i + 1 :]}" for i in range(len(word)))


@cache
def _longest() -> int:
    return max(map(len, _builtin()))


@cache
def _deletions() -> Mapping[str, tuple[str, ...]]:
    """Every built-in word by what is left of it after a loss: two words a letter apart share such a rest."""
    known: dict[str, list[str]] = {}
    for word in _builtin():
        if len(word) >= _SHORTEST_DAMAGED:
            for shorter in _shortened(word):
                known.setdefault(shorter, []).append(word)
    return {shorter: tuple(words) for shorter, words in known.items()}


def _shortened(word: str) -> Iterable[str]:
    """Yield the word, the word less any one letter, and, where it is long, less any two."""
    yield word
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]
    if len(word) >= _SHORTEST_TWICE_DAMAGED - 1:
        for i, j in combinations(range(len(word)), 2):
            yield word[:i] + word[i + 1 : j] + word[j + 1 :]
