"""Key words within one line of text: where they stand, and whether they are used as keys there.

"Model: G-010G-D Input: 12V" holds two; "Product warranty" holds none, although both of its words could be keys.
"""

from __future__ import annotations

import re
from functools import lru_cache

from edge.readers.linking.keys.ends import tail, unknown_key, with_ends
from edge.readers.linking.keys.glued import glued, glued_words, own_end
from edge.readers.linking.keys.keywords import FIELDS, Lexicon, Word, fold
from edge.readers.linking.keys.midst import apart, next_cells, same_again
from edge.readers.linking.keys.printed import (
    AROUND,
    HARD,
    HARD_OR_LIST,
    LEAST_DAMAGED,
    LONG,
    MOST_ATOMS,
    SHORT,
    TWO,
    WEAK,
    Caption,
    Line,
    as_printed,
    begins_rating,
    begins_value,
    joined,
    separated,
)
from edge.readers.linking.keys.slashed import before_slash, behind_slash, two_keys, with_lost
from edge.readers.linking.shape import named

#: Characters of a line after this many are not searched for key words.
MAX_SEARCHED = 120
#: Most lines of a product's plates are the same on every part; so many are not searched again.
MAX_REMEMBERED = 2048
#: A line longer than this is no head of a table.
_LONGEST_HEAD = 80
#: A short key with a letter wrong is one with its separator, when it is printed in so many characters ("6ér. č.:").
_LONGEST_MISREAD = 8
#: How surely "N:" is "Nº:".
_LOST_SIGN = 0.3
#: Behind a single letter these make it the beginning of a code.
_GOES_ON = ("-", "/", "_")

_CJK = "\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af"
_ATOM = re.compile(rf"[{_CJK}]+|[^\W\d_{_CJK}]+(?:[0-9]+[^\W_{_CJK}]*)?|[^\W_{_CJK}]+|[º°№]")
#: "Type / Serial No." are two keys, "Model/Type" is one.
_SLASH_APART = re.compile(r"\s/|/\s")
#: Digits that are no misread letter: several, or at the end of a word, or at the beginning of a short one.
_NUMBERED = re.compile(
    r"[2-46-79](?![^\W\d_])|(?<![^\W\d_])[2-46-79](?![^\W\d_]{3})"
    r"|(?<=[^\W\d_]{4})[2-46-79][^\W_]?(?![^\W_])|[2-46-79](?=[^\W_]?\d)"
)


#: Marks that are set as wide as a Chinese character, and what they are else.
_WIDE = str.maketrans({"\uff0f": "/", "\uff0e": ".", "\u3002": ".", "\uff1b": ";", "\uff0c": ","})
# What stands like a roof or a slash, and is read as a sign.
_WIDE |= str.maketrans({"\u2227": "\u039b", "\u2206": "\u0394", "\u2220": "/"})
#: The letter that "3aB. No" begins with; what comes before another figure is one itself.
_ZE = re.compile(r"(?<![^\W_])3(?=[aA][bB](?![^\W_])|[aA][bB]o)")
#: Words that begin with two capitals; in one of capitals these are capitals, and a 0 is an O ("ČÍsL0").
_CAPITALS = re.compile(rf"(?<![^\W_])[^\W\d_{_CJK}]{{2}}[^\W_{_CJK}]{{2,}}")
_LIKE_CAPITALS = frozenset("cosuvwxz0")
_MOST_ALIKE = 2


@lru_cache(maxsize=MAX_REMEMBERED)
def captions(text: str, lexicon: Lexicon) -> tuple[Caption, ...]:
    """Find the keys of a line from left to right, longest first; neighbours of one kind become one key."""
    seen = _CAPITALS.sub(lambda match: _in_capitals(match[0]), text.translate(_WIDE))
    return tuple(_captions(_ZE.sub("з", seen), lexicon))


def _in_capitals(word: str) -> str:
    """Give a word of capitals with those that were read as small letters or as a 0; any other as it is."""
    others = [c for c in word if not c.isupper()]
    if not 0 < len(others) <= _MOST_ALIKE or not word[:2].isupper() or not _LIKE_CAPITALS.issuperset(others):
        return word
    return word.replace("0", "O").upper()


def _captions(text: str, lexicon: Lexicon) -> list[Caption]:
    atoms = tuple(match.span() for match in _ATOM.finditer(text, 0, MAX_SEARCHED))
    if not atoms:
        return []
    spans = apart(text, atoms, lexicon)
    line = Line(text, spans, tuple(fold(text[start:end]) for start, end in spans), lexicon)
    head = _head(line)
    if head:
        return joined(text, with_lost(text, head[0]) if len(head) == 1 else head)
    found = _found(line)
    if found and (before := before_slash(text, spans[0][0], found[0].start, lexicon)) is not None:
        found.insert(0, before)
    if len(found) == 1 and (behind := behind_slash(text, found[0], lexicon)) is not None:
        found.append(behind)
    if len(found) == 1:
        found = with_lost(text, found[0])
    if not found or found[0].start > spans[0][0]:
        unknown = unknown_key(text, spans[0][0], found[0].start if found else len(text), lexicon)
        if unknown is not None:
            found = [unknown, *(caption for caption in found if caption.start >= unknown.end)]
    return joined(text, with_ends(text, found) + tail(text, found, lexicon))


def _found(line: Line) -> list[Caption]:
    """Find the keys of a line that holds values as well."""
    text, spans = line.text, line.spans
    found: list[Caption] = []
    index = 0
    while index < len(spans):
        between = text[found[-1].end : spans[index][0]] if found else ":"
        goes_on = not between.strip(AROUND) and not any(c in HARD for c in between)
        runs = _runs(line, index)
        caption = (
            same_again(line, index, runs, found[-1]) if goes_on and found and found[-1].word.kind in FIELDS else None
        )
        caption = caption or _caption_at(line, index, after=bool(found), goes_on=goes_on)
        caption = caption or (next_cells(line, index, runs) if index else None)
        index += 1
        if caption is not None and found and goes_on and _begins_model(text, found[-1], caption):
            continue
        if caption is not None:
            found.append(caption)
            while index < len(spans) and spans[index][0] < caption.end:
                index += 1
    return found


def _begins_model(text: str, before: Caption, caption: Caption) -> bool:
    """Say whether a few capitals right behind a field's key are the beginning of its value ("Model HW 494")."""
    return (
        before.word.kind in FIELDS
        and (caption.word.kind not in FIELDS or text[caption.end : caption.end + 1].isdigit())
        and not caption.separated
        and (caption.end - caption.start <= SHORT or any(map(str.isdigit, text[caption.start : caption.end])))
        and text[caption.start : caption.end].isupper()
    )


def _head(line: Line) -> list[Caption]:
    """Give the keys of a line that holds nothing else: the head of a table, or a key in several languages."""
    digits = sum(c.isdecimal() for c in line.text)
    if len(line.text) > _LONGEST_HEAD or digits > 1 or (digits and _NUMBERED.search(line.text)):
        return []
    if digits:
        word = line.lexicon.nearest(fold(line.text))
        if word is not None and len(fold(line.text)) >= LEAST_DAMAGED:
            # "Nº DE 6ÉRIE" is a key with a letter read as a digit, and not one with a value.
            return [Caption(line.spans[0][0], line.spans[-1][1], word, separated(line.text, line.spans[-1][1]))]
        keys = (_keys_from(line, 0, damaged=1) or []) if len(line.spans) > 1 else []
        if keys and len({one.word.kind for one in keys}) == 1:
            return keys
        return (two_keys(line) or _one_key_in_parts(line)) if "/" in line.text else []
    found = _keys_from(line, 0, damaged=0) or []
    if found:
        return found
    cut = line.lexicon.cut_short(fold(line.text)) if len(line.spans) == 1 else None
    if cut is not None:
        return [Caption(*line.spans[0], cut, separated(line.text, line.spans[0][1]))]
    # A head of three keys and more, or of two with a slash between, is one, too, when one of them is damaged.
    if len(line.spans) > 1 or "/" in line.text:
        found = _keys_from(line, 0, damaged=1) or []
        if len(line.spans) == 2 and "/" not in line.text and len({one.word.kind for one in found}) != 1:
            found = []
    if not found and "/" in line.text:
        found = _keys_from(line, 0, damaged=2) or []
    return found or ((two_keys(line) or _one_key_in_parts(line)) if "/" in line.text else [])


def _one_key_in_parts(line: Line) -> list[Caption]:
    """Give the key of a line with slashes whose parts name one kind, though a part is not known or all are damaged.

    One part of many letters may be unknown beside two that are sure, or beside one where a separator ends the line:
    "Fabricagenummer / 3aoo ep:".
    """
    words: list[Word] = []
    short = long = sure = 0
    for part in re.split(r"\s/\s" if " / " in line.text else "/", line.text.strip(AROUND)):
        folded = fold(part)
        exact = line.lexicon.exact(folded)
        word = exact or line.lexicon.misread(folded) or line.lexicon.nearest(folded)
        if word is not None and (word.kind in FIELDS or len(folded) > TWO):
            words.append(word)
            sure += exact is not None and len(folded) >= LEAST_DAMAGED
        elif len(folded) <= SHORT:
            short += 1
        else:
            long += 1
    apart = separated(line.text, line.spans[-1][1])
    if (
        len(words) < 2 - apart
        or not words
        or short > 1 + (sure > 0 and apart)
        or (long and (short or long > 1 or sure < 2 - apart))
        or len({word.kind for word in words}) > 1
        or words[0].kind not in FIELDS
    ):
        return []
    start, end = line.spans[0][0], line.spans[-1][1]
    return [Caption(start, end, max(words, key=lambda word: word.strength), separated(line.text, end))]


def _keys_from(line: Line, index: int, *, damaged: int) -> list[Caption] | None:
    """Cut the words from `index` on into keys, longer ones first; None where they are not all keys.

    `damaged` is how many of them may be misspelt.
    """
    if index == len(line.spans):
        return []
    for known in (line.lexicon.exact, line.lexicon.nearest)[: 1 + damaged]:
        for folded, end in _runs(line, index):
            short = known != line.lexicon.exact and len(folded) < LEAST_DAMAGED
            word = line.lexicon.misread(folded) if short else known(folded)
            if word is None or not as_printed(line.text[line.spans[index][0] : end], word):
                continue
            following = index
            while following < len(line.spans) and line.spans[following][0] < end:
                following += 1
            left = damaged if known == line.lexicon.exact else damaged - 1
            behind = _keys_from(line, following, damaged=left)
            if behind is not None:
                return [Caption(line.spans[index][0], end, word, separated(line.text, end)), *behind]
    return None


def _caption_at(line: Line, index: int, *, after: bool, goes_on: bool) -> Caption | None:
    """Find the key that begins with a word of the line; `goes_on` says that the key before it ends there."""
    text, first = line.text, index == 0
    start = line.spans[index][0]
    runs = _runs(line, index)
    whole = glued_words(line) if first and any(c.isdigit() for c in text) else None
    if whole is not None:
        return whole
    for folded, end in runs:
        word = line.lexicon.exact(folded)
        if word is not None and _stands_as_key(text, start, end, word, first=first, after=after, goes_on=goes_on):
            longer = _longer_damaged(line, runs, start, end) if first and word.strength < WEAK else None
            return longer or Caption(start, end, word, separated(text, end))
    if not first:
        return _next_language(line, runs, start) if goes_on else None
    key = glued(text, start, line.lexicon)
    if key is not None:
        return key
    return _damaged(line, runs, start)


def _damaged(line: Line, runs: list[tuple[str, int]], start: int) -> Caption | None:
    """Find the damaged key that a line begins with; what follows must look like its end, its mark or its value."""
    text = line.text
    for folded, end in runs:
        apart = separated(text, end) or text[end:].strip() == "."
        if text[start:end] == "N" and separated(text, end):
            # "Nº:" lost its sign; "n:" is a speed.
            return Caption(start, end, Word("serial", _LOST_SIGN, "N\u00ba"), separated=True)
        if apart and end - start <= _LONGEST_MISREAD and (word := line.lexicon.misread(folded)):
            return Caption(start, end, word, separated=True)
        if _NUMBERED.search(text, start, end) or text[start:end].rpartition(" ")[2].isdigit():
            continue
        if "-" in text[start:end] and any(map(str.isdigit, text[start:end])) and end - start <= _LONGEST_MISREAD:
            # "ML-11" is no "Malli".
            continue
        if separated(text, end) or begins_value(text, end) or not text[end:].strip(AROUND) or _goes_on(line, end):
            word = line.lexicon.nearest(folded)
            if word is not None and word.kind not in FIELDS and len(folded) < SHORT + 2 and not separated(text, end):
                # "Hone 6" is no "Phone 6".
                continue
            if word is not None and (len(text) == end or text[end - 2 : end - 1] != " "):
                own = own_end(text, start, end, word, line.lexicon)
                return Caption(start, own, word, separated(text, own))
    return None


def _goes_on(line: Line, end: int) -> bool:
    """Say whether another key or a name made of a word and a number follows."""
    return _before_key(line, end) or _is_named(line.text, end)


def _is_named(text: str, end: int) -> bool:
    """Say whether a word and a number follow, as a model of that form has them ("Type Star-Line 200")."""
    value = text[end:].strip()
    return text[end : end + 1] == " " and value[:1].isupper() and named(value) > 0


def _names_model(text: str, end: int, word: Word) -> bool:
    return word.kind == "model" and word.strength > WEAK and _is_named(text, end)


def _before_key(line: Line, end: int) -> bool:
    """Say whether a slash and a key follow ("Typové označcní / Výrobní číslo")."""
    behind = next((number for number, (start, _) in enumerate(line.spans) if start >= end), None)
    if behind is None or line.text[end : line.spans[behind][0]].strip() != "/":
        return False
    return any(line.lexicon.exact(folded) is not None for folded, _ in _runs(line, behind))


def _longer_damaged(line: Line, runs: list[tuple[str, int]], start: int, least: int) -> Caption | None:
    """Find the damaged key of several words that begins with a weak one ("N.º dc série" and not "N.º")."""
    text = line.text
    for folded, end in runs:
        if end <= least or len(folded) < LONG - 1 or _NUMBERED.search(text, start, end):
            continue
        word = line.lexicon.nearest(folded)
        stands = separated(text, end) or begins_value(text, end) or not text[end:].strip(AROUND)
        if word is not None and word.kind in FIELDS and stands:
            return Caption(start, end, word, separated(text, end))
    return None


def _next_language(line: Line, runs: list[tuple[str, int]], start: int) -> Caption | None:
    """Find a key right behind another one: glued to its value, or damaged and with its separator."""
    key = glued(line.text, start, line.lexicon)
    if key is not None:
        return key
    for folded, end in runs:
        apart = separated(line.text, end)
        word = line.lexicon.nearest(folded) if apart or len(folded) >= LONG else None
        if word is not None and not _NUMBERED.search(line.text, start, end):
            return Caption(start, end, word, separated=apart)
    return None


def _runs(line: Line, index: int) -> list[tuple[str, int]]:
    """Give the folded texts that begin with a word, longest first, and where each ends; a separator ends them."""
    runs: list[tuple[str, int]] = []
    folded = ""
    for last in range(index, min(index + MOST_ATOMS, len(line.spans))):
        begin, end = line.spans[last]
        between = line.text[line.spans[last - 1][1] : begin] if last > index else ""
        if any(c in HARD_OR_LIST for c in between) or _SLASH_APART.search(between):
            break
        folded += line.folds[last]
        if len(folded) > line.lexicon.longest:
            break
        runs.append((folded, end))
    runs.reverse()
    return runs


def _stands_as_key(text: str, start: int, end: int, word: Word, *, first: bool, after: bool, goes_on: bool) -> bool:
    """Say whether a key word is used as a key here, and is no part of a value or of a sentence."""
    printed = text[start:end]
    if printed[0].isdigit() and len(fold(printed)) < LONG and not (printed[0] == "0" and separated(text, end)):
        return False
    if len(printed) == 1 and printed.isascii() and not separated(text, end) and text[end : end + 1] not in ("", " "):
        # "A-811" is a name, "A 8.11" and "A: 8.11" are a current.
        return False
    if len(printed) == 1 and printed.isalpha() and printed.isascii() and not begins_rating(text, end):
        # "V 277 1465 03" is a number in groups.
        return False
    if not _whole_word(text, start, end, word) or _begins_code(text, start, end, word):
        return False
    if separated(text, end):
        return first or after or word.strength > 0.5
    if first:
        sure = word.strength >= 0.9 and (len(printed) > SHORT or (len(printed) > 1 and not printed[0].isascii()))
        # "Typ Smart 5800": so short a word is one with a number behind it.
        sure = sure or (word.strength >= 0.9 and len(printed) == SHORT and any(c.isdigit() for c in text[end:]))
        return sure or begins_value(text, end) or not text[end:].strip(AROUND) or _names_model(text, end, word)
    if after and word.kind == "serial" and not text[end:].strip(AROUND):
        # "Type UPS 25-40 No." ends with a key whose value stands in another box.
        return True
    whole = len(fold(printed)) > SHORT or (len(printed) > 1 and not printed[0].isascii())
    if word.strength >= 0.9 and whole and text[:start].rstrip().endswith("/"):
        # "Type / Serial No. Star 5 / 1234": what stands behind the slash names the second value.
        return True
    several = any(c in printed.rstrip(".") for c in " .") and word.strength == 1.0
    known = after or word.kind in ("serial", "model") or several
    long_enough = (word.strength >= 0.5 and len(fold(printed)) > SHORT) or "/" in printed or goes_on
    return known and long_enough and begins_value(text, end)


def _whole_word(text: str, start: int, end: int, word: Word) -> bool:
    """Say whether a key ends where a word does, and whether so short a one is printed as it is known.

    "Model L-153" is no "Modell", "YC-91" no "V. č.", "LC 881" no "IC": of two letters none may be another one.
    """
    printed = text[start:end]
    letters = [c for c in printed if c.isalnum()]
    return as_printed(printed, word) and not (
        len(letters) > TWO and text[end - 2 : end - 1] == " " and text[end : end + 1] in _GOES_ON
    )


def _begins_code(text: str, start: int, end: int, word: Word) -> bool:
    """Say whether a few capitals with a hyphen behind them begin a code: "FD-865-460968" is one, "SN-1234" a key."""
    return (
        end - start <= SHORT
        and not (word.kind == "serial" and word.strength > WEAK)
        and text[start:end].isupper()
        and text[end : end + 1] == "-"
        and text[end + 1 : end + 2].isalnum()
    )
