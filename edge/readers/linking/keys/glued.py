"""Keys that no blank parts from their value: "SN286998", "MODELPM5100-T1", "N° de série2262065"."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from edge.readers.linking.keys.keywords import FIELDS, Lexicon, Word, fold
from edge.readers.linking.keys.printed import (
    HARD_OR_LIST,
    LONG,
    MOST_ATOMS,
    SHORT,
    TWO,
    WEAK,
    Caption,
    Line,
    plain_letters,
)
from edge.readers.linking.shape import looks, named

#: A key of two letters without a separator needs so long a number glued to it ("No0127234", "ID09854498").
_LONG_NUMBER = 6
#: Keys of so many letters are words, which a number of any groups may follow.
_WORD = 6
#: "No" and "Nr" with a small letter are no beginning of a code, and need no more.
_SHORT_NUMBER = 4
#: The last letters of adjectives before the word for "number", folded ("Cepийны" before its noun).
_LAST_LETTERS = ("\u0438", "i", "e", "l")
#: Small letters that end before capitals.
_CAPITALS_BEHIND = re.compile(r"(?<=[a-zà-ÿа-я])[A-Z]{1,4}$")
_SMALL_THEN_CAPITALS = re.compile(r"([^\W\d_]+[a-zà-ÿа-я]|[^\W\d_a-zA-Z]+)([A-Z]{2,})")


def own_end(text: str, start: int, end: int, word: Word, lexicon: Lexicon) -> int:
    """Give where a damaged key ends: capitals behind it are its value's ("TYPENUMMERWT 137", "ModclNNAM-195")."""
    printed = text[start:end]
    turn = _CAPITALS_BEHIND.search(printed)
    if turn and turn.start():
        before = fold(printed[: turn.start()])
        if lexicon.exact(before) or lexicon.nearest(before):
            return start + turn.start()
    known = fold(word.printed)
    for cut in range(end - 1, max(start, end - 1 - SHORT), -1):
        if fold(text[start:cut]) == known and text[cut:end].isupper():
            return cut
    return end


def glued(text: str, start: int, lexicon: Lexicon) -> Caption | None:
    """Find a key word that no blank parts from its value ("SN286998", "MODELPM5100-T1", "P/N552-1123")."""
    token = text[start:].split(maxsplit=1)[0]
    if not any(c.isdigit() for c in text[start:]):
        return _glued_capitals(token, start, lexicon)
    number = sum(c.isalnum() for c in _groups(text[start:]))
    lengths = range(min(len(token) - 1, lexicon.longest), 1, -1)
    for length, damaged in [(one, False) for one in lengths] + [(one, True) for one in lengths if one >= LONG]:
        head, rest = token[:length], token[length:]
        turns = head[-1].isalpha() and (rest[0].isdigit() or (rest[0].isascii() and not head[-1].isascii()))
        figures = sum(c.isdigit() for c in rest)
        capitals = len(head) > SHORT and rest[0].isupper() and head.isupper() and 3 * figures >= len(rest)
        capitals = capitals and (len(head) > SHORT + 1 or any(map(str.isdigit, rest[:SHORT])))
        camel = head[-1].islower() and rest[0].isupper() and (len(head) > SHORT or rest == rest.upper())
        camel = camel or (
            len(head) == SHORT and head[-1].islower() and rest[0].isupper() and named(text[start + length :]) > 0
        )
        long = sum(map(str.isdigit, _groups(text[start + length :]))) >= _LONG_NUMBER
        behind = number - length if camel or len(head) >= _WORD or (len(head) == TWO and long) else len(rest)
        measured = turns and len(head) > SHORT and looks(text[start + length :]) == "a rating"
        strange = sum(c.isdigit() for c in head[len(head) >= _WORD :])
        if not (turns or capitals or camel) or (behind < SHORT and not measured) or strange > damaged:
            continue
        word = (lexicon.nearest(fold(head)) if turns else None) if damaged else lexicon.exact(fold(head))
        if word is None or (len(head) <= SHORT and head.isascii() and not _names_short(head, rest, word)):
            continue
        # Two letters and a number are rather a name, unless they are as good as "SN" or the number is long.
        least = SHORT + 2 if word.strength > WEAK else _SHORT_NUMBER if head[-1].islower() else _LONG_NUMBER
        if len(head) > 2 or (word.kind == "serial" and number - length >= least):
            return Caption(start, own_end(text, start, start + length, word, lexicon), word, separated=False)
    return None


def _glued_capitals(token: str, start: int, lexicon: Lexicon) -> Caption | None:
    """Find a long key in small letters that no blank parts from capitals ("ModelnummerFTG")."""
    match = _SMALL_THEN_CAPITALS.fullmatch(token)
    word = lexicon.exact(fold(match[1])) if match else None
    if match and word and len(match[1]) < LONG and (word.kind not in FIELDS or word.strength <= WEAK):
        return None
    return Caption(start, start + len(match[1]), word, separated=False) if match and word else None


def _names_short(head: str, rest: str, word: Word) -> bool:
    """Say whether so few letters glued to a number are a key: "RPM8617" and "Ano2012" are, "KYA305WF", "FRU80-9J9" no.

    No letter may be another one, and what names no field, measure, version or date is rather the value's beginning.
    """
    plain = plain_letters(word.printed)
    if len(head) > TWO:
        # "VC038" is not "V. č.".
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if c.isalnum())
    if plain_letters(head) != plain:
        return False
    measured = word.kind in ("rating", "revision", "date", *FIELDS)
    return measured or not head.isalpha() or not any(map(str.isalpha, rest))


def _groups(text: str) -> str:
    """Give the beginning of a text up to a word in small letters: its key glued to the groups of a number."""
    tokens = text.split()
    count = next((n for n, token in enumerate(tokens) if n and any(map(str.islower, token))), len(tokens))
    return " ".join(tokens[:count])


def glued_words(line: Line) -> Caption | None:
    """Find a key of several words, the last one glued to its number ("N° de série2262065")."""
    for last in range(1, min(MOST_ATOMS, len(line.spans))):
        start, end = line.spans[last]
        if any(c in HARD_OR_LIST for c in line.text[line.spans[last - 1][1] : start]):
            return None
        turns = [n for n in range(start + 1, end) if line.text[n].isdigit() or _turns_capital(line.text, n)]
        lettered = line.text[start].isalpha() or line.text[start + 1 : start + 2].isalpha()
        if not lettered or not turns or not any(map(str.isalnum, line.text[turns[0] :])):
            continue
        return _capitals_behind(line, last, turns[0]) or _glued_at(line, last, turns)
    return None


def _capitals_behind(line: Line, last: int, turn: int) -> Caption | None:
    """Find a key in capitals whose last letters are the number's first ones: "VÝROBNÍ ČÍSLOL6444"."""
    start, _ = line.spans[last]
    before = "".join(line.folds[:last])
    number = sum(c.isalnum() for c in line.text[turn:])
    if not line.text[start:turn].isupper() or line.lexicon.exact(before) or number < SHORT:
        return None
    for cut in range(turn - 1, max(start, turn - 1 - SHORT), -1):
        word = line.lexicon.exact(before + fold(line.text[start:cut]))
        long = cut - line.spans[0][0] >= LONG or not line.text[: line.spans[last - 1][1]].isascii()
        if word is not None and long and (cut > start + 1 or word.kind == "serial"):
            return Caption(line.spans[0][0], cut, word, separated=False)
    return None


def _glued_at(line: Line, last: int, turns: Sequence[int]) -> Caption | None:
    """Find where the number begins behind a key of several words: a letter of the key may be read as a figure.

    "СЕРИЙНЫЙ HoMEP068173" turns to a capital within its key, and "СЕРИЙны H0MEP3355" to a figure.
    """
    start, _ = line.spans[last]
    before = "".join(line.folds[:last])
    for known, places in ((line.lexicon.exact, reversed(turns)), (line.lexicon.nearest, turns)):
        for turn in places:
            last_letters = line.text[start:turn]
            folded = before + fold(last_letters)
            if len(last_letters) == 1 and last_letters.isupper() and last_letters != "N" and line.lexicon.exact(before):
                # "Model L50C/639" has no key "Modell"; the N of "Serie N4012" is the sign for "number".
                continue
            number = sum(c.isalnum() for c in line.text[turn:])
            if known == line.lexicon.nearest and (
                # Where the words before are a key by themselves the letters are the value's.
                number < SHORT
                or len(folded) < LONG
                or line.lexicon.exact(before)
                or (line.lexicon.nearest(before) and not _begins_longer(line.lexicon, before))
            ):
                continue
            word = known(folded) if number >= SHORT or len(folded) >= LONG else None
            if word is not None:
                whole = known == line.lexicon.exact
                ends = turn if whole else own_end(line.text, line.spans[0][0], turn, word, line.lexicon)
                return Caption(line.spans[0][0], ends, word, separated=False)
    return None


def _begins_longer(lexicon: Lexicon, before: str) -> bool:
    """Say whether damaged words, one letter lost at their end, rather begin a longer key than are one."""
    return lexicon.begins(before) or any(lexicon.begins(before + letter) for letter in _LAST_LETTERS)


def _turns_capital(text: str, at: int) -> bool:
    """Say whether small letters end and capitals begin ("sérieEB-9575", and not "ČíSLO", an accent read as a dot)."""
    dot = text[at - 1] == "\u00ed" and text[at - 2 : at - 1].isupper()
    return text[at - 1].islower() and text[at].isupper() and not dot
