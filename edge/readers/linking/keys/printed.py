"""How a key stands in its line: the marks round it, and whether what follows looks like its value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from edge.readers.linking.keys.keywords import FIELDS, Lexicon, Word

#: Words in one key at most ("Device serial number", "N. di serie").
MOST_ATOMS = 6
#: Letters of key words that are sure only with a separator or a value behind them ("SN", "No", "IP").
SHORT = 3
#: A key word glued to its value may be damaged when it is this long (folded).
LONG = 9
#: Shorter words (folded) of a head, or beside a slash, are known only exactly.
LEAST_DAMAGED = 6
#: Letters of keys in which no other letter is taken for one of theirs.
TWO = 2
#: Keys that name a kind no more surely than this need help.
WEAK = 0.7
#: From here on letters are as wide as high, and no blanks part words.
FIRST_WIDE = "\u2e80"
WIDE_COLON, WIDE_OPEN, WIDE_CLOSE = "\uff1a", "\uff08", "\uff09"
#: A wide colon is read as a wide semicolon now and then, which plates do not print.
HARD = f":{WIDE_COLON}\uff1b=#"
HARD_OR_LIST = HARD + ",;"
_ONE_NUMBER = re.compile(r"[\s.]*$|[\s.]*[\d.,/~+-]+(?!\s?\d)")
#: What stands between a key and its value and belongs to neither.
SEPARATORS = f":{WIDE_COLON}\uff1b\u3002\uff0c\uff0e\u3001=;.…·#_-\u2013\u2014~|>*,'\"`"
AROUND = SEPARATORS + f" /()[]\\{WIDE_OPEN}{WIDE_CLOSE}"
#: Between two keys it says that each has a part of the value; without a blank two keys may be one ("Model/Type").
SLASHED = re.compile(r"\s[/\uff0f]|[/\uff0f]\s|\uff0f")
#: The slash, and one as wide as a Chinese character.
SLASHES = ("/", "\uff0f")
#: Signs that somebody puts over a value that nobody shall read.
HIDING = "*#\u2022\u25a0\u25cf\u2588"
#: What may follow a key word in brackets: its translation, never the value.
TRANSLATION = re.compile(rf"\s*[({WIDE_OPEN}\[【][^0-9){WIDE_CLOSE}\]】]{{1,24}}[){WIDE_CLOSE}\]】]")

_OPEN, _CLOSING = re.compile(rf"[({WIDE_OPEN}\[【]"), re.compile(rf"[){WIDE_CLOSE}\]】]")


class Caption(NamedTuple):
    """A key in a line: `text[start:end]`; `separated` says that a colon or the like follows."""

    start: int
    end: int
    word: Word
    separated: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line cut into words, each also folded."""

    text: str
    spans: tuple[tuple[int, int], ...]
    folds: tuple[str, ...]
    lexicon: Lexicon


def as_printed(printed: str, word: Word) -> bool:
    """Say whether a key of two letters is read with just those that it is known by."""
    letters = plain_letters(printed)
    if len(letters) > TWO or not printed.isascii():
        return True
    # "Nº dc série" holds no date code "D/C".
    shouted = word.kind not in FIELDS and printed.islower() and word.printed.isupper()
    return letters == plain_letters(word.printed) and not shouted


def plain_letters(printed: str) -> str:
    """Give the letters and figures of a text in one case."""
    return "".join(c for c in printed.casefold() if c.isalnum())


def separated(text: str, end: int) -> bool:
    """Say whether a colon or the like follows, perhaps after a translation in brackets."""
    rest = text[end : end + 30]
    bracket = TRANSLATION.match(rest)
    if bracket:
        rest = rest[bracket.end() :]
    if rest.startswith(".."):
        return True
    rest = rest.lstrip(" .?")
    return bool(rest) and (rest[0] in HARD or rest[0] == "…")


def begins_rating(text: str, end: int) -> bool:
    """Say whether a separator, nothing or one number follows: what a key of one letter has behind it."""
    return separated(text, end) or _ONE_NUMBER.match(text, end) is not None


def begins_value(text: str, end: int) -> bool:
    """Say whether what follows a word looks like a value: its first token holds a digit or is in capitals."""
    rest = text[end:].lstrip(AROUND)
    token = rest.split(maxsplit=1)[0] if rest.strip() else ""
    return any(c.isdigit() for c in token) or (len(token) > 1 and token.isupper())


def joined(text: str, found: list[Caption]) -> list[Caption]:
    """Join neighbours of one kind, a weak word with the key before it, and a key with its translation."""
    kept: list[Caption] = []
    for caption in found:
        if kept and caption.start < kept[-1].end:
            continue
        bracket = TRANSLATION.match(text, caption.end)
        whole = caption._replace(end=bracket.end()) if bracket and _translates(bracket[0]) else caption
        closed = _CLOSING.match(text, whole.end)
        if closed and kept and _OPEN.search(text, kept[-1].end, whole.start):
            whole = whole._replace(end=closed.end())
        before = kept[-1] if kept else None
        if before is not None and not text[before.end : whole.start].strip(AROUND):
            if whole.word.kind == before.word.kind and whole.word.kind != "other":
                word = max(before.word, whole.word, key=lambda word: word.strength)
                kept[-1] = Caption(before.start, whole.end, word, whole.separated)
                continue
            between = text[before.end : whole.start]
            if whole.word.strength < 0.5 and ":" not in between and not _parts(between, text[before.end - 1]):
                kept[-1] = before._replace(end=whole.end, separated=whole.separated)
                continue
        kept.append(whole)
    return kept


def _parts(between: str, last: str) -> bool:
    """Say whether a slash stands for itself between two keys: blanks or a script without blanks set it apart."""
    return SLASHED.search(between) is not None or ("/" in between and last > FIRST_WIDE)


def _translates(bracket: str) -> bool:
    """Say whether a bracket after a key is its translation; a long one in capitals is rather a value."""
    inner = bracket.strip(" ()[]【】" + WIDE_OPEN + WIDE_CLOSE)
    return not (inner.isascii() and inner.isupper() and len(inner) > 4)
