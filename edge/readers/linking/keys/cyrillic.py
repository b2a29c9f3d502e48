"""Cyrillic key words as readers give them: letter by letter as Latin ones, or by their outlines in three alphabets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

#: Fewer letters of a key say nothing, all seen as others or those left that look like others.
_LEAST_SEEN = 3, 4
#: How the sign for "number" behind an abbreviation is read besides "No" ("Зав.Me", "3AB.Ng", "CEP. N²").
_SIGN = "\u2116"
_SIGN_SEEN = ("N", "Ne", "Np", "Ng", "N2", "Ns", "Me", "Mo", "Mg", "Wo")

#: Letters of one outline in the Cyrillic, Greek and Latin alphabets, folded: a roof, two posts, a bow, and so on.
_SAME_OUTLINE = (
    ("a", "\u0430\u0434\u043b\u03b1\u03b4\u03bb\u2206\u2227g"),
    ("n", "\u0438\u0439\u043f\u043d\u0446hu\u03c0\u03b7"),
    ("b", "\u044c\u044a\u044b\u0431\u0432\u03b26"),
    ("r", "\u0433\u044f\u03b3"),
    ("t", "\u0442\u03c4"),
    ("p", "\u0440\u03c1"),
    ("k", "\u043a\u03ba"),
    ("m", "\u043c\u03bc"),
    ("o", "\u043e\u03bf"),
    ("e", "\u0435\u03b5"),
    ("w", "\u0448\u0449"),
    ("3", "\u0437\u044d"),
    ("4", "\u0447"),
)
_OUTLINE = {ord(letter): one for one, letters in _SAME_OUTLINE for letter in letters}


def is_cyrillic(word: str) -> bool:
    """Say whether a word has a Cyrillic letter."""
    return any("\u0400" <= c <= "\u04ff" for c in word)


def is_mixed(folded: str) -> bool:
    """Say whether a folded word has a Greek letter or a sign like one: no plate in Latin letters prints it in a key."""
    return any("\u03b1" <= c <= "\u03c9" for c in folded)


@lru_cache(maxsize=4096)
def outline(folded: str) -> str:
    """Give a folded word by the outlines of its letters: "MoΔe∧b", "MogeAb" and "Модель" have one."""
    return folded.translate(_OUTLINE)


def seen_as(word: str, letters: Mapping[str, str]) -> Iterable[str]:
    """Yield what else a recogniser makes of a word with Cyrillic letters; nothing where it has none.

    `letters` gives for each what it comes as without Cyrillic letters, and what is left where only like ones are read.
    """
    lowered = word.casefold()
    if not any(c in letters for c in lowered):
        return
    for way, least in enumerate(_LEAST_SEEN):
        seen = "".join(letters.get(c, c + c)[way] for c in lowered).replace("-", "")
        if sum(map(str.isalnum, seen)) >= least:
            yield seen


def signs(word: str, letters: Mapping[str, str]) -> Iterable[str]:
    """Yield a word with Cyrillic letters with its sign for "number" read in other ways."""
    lowered = word.casefold()
    if is_cyrillic(lowered) and lowered.endswith(_SIGN):
        for seen in (lowered, *seen_as(lowered, letters)):
            yield from (seen.removesuffix(_SIGN) + sign for sign in _SIGN_SEEN if seen.endswith(_SIGN))
