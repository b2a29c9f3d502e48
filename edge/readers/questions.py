"""What a question in plain words asks for: which field, in which form, and which one of several.

Rules are data, in `questions.toml`; the words for fields are those that plates print, in `keywords.toml`. Promises:
every text gives a query, in time that grows with its length; an answer is held to a form only where the question asks
for that form ("digits only", "yes or no"); a value that the question claims is carried as it was written.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from edge.core.fields import Product
from edge.core.reading import TextLine
from edge.readers.linking.keys.keywords import Lexicon, Word, fold, lexicon_of

Kind = Literal["digits", "yes_no", "date", "quantity", "free"]

#: Longer questions are looked at up to here: a form is asked for in a sentence, not in a page.
MOST_CHARACTERS = 1000
#: A key word is a field's name only if it names nothing else ("strong" and "good" of `keywords.toml`, the latter with a
#: letter wrong).
_SURE = 0.65
#: Longest phrase of `questions.toml`, and longest key word of a field, in words, or in characters that stand alone.
_MOST_WORDS = 10
#: A key word is sought with a letter wrong among so many words at most; a window of more costs more than it finds.
_MOST_DAMAGED = 3
_DATE = re.compile(
    r"(?<!\d)(?:(\d{4})[-./](\d{1,2})(?:[-./](\d{1,2}))?|(?:(\d{1,2})[-./])?(\d{1,2})[-./](\d{4}|\d{2}))(?!\d)"
)
_NUMBER = re.compile(r"(?<![\w.,])[-+]?\d{1,9}(?:[.,]\d{1,6})?(?![\d])")


@dataclass(frozen=True, slots=True)
class Order:
    """Which one of several is meant: the "first" or the "last" by "date", by "number" or by "place"."""

    by: Literal["date", "number", "place"]
    end: Literal["first", "last"]


@dataclass(frozen=True, slots=True)
class Query:
    """A question as it is worked on.

    `kind` is the form that the answer has. `fields` names what is asked for: a product's field, or a kind of key word
    (`keywords.toml`). `pattern` is what the answer is held to; None: to nothing. `text` is the question. `value` is the
    text of which a yes-or-no question claims that it is printed. `columns` are the kinds of value to look among.
    """

    kind: Kind
    fields: tuple[str, ...]
    pattern: str | None
    text: str
    value: str | None = None
    order: Order | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Rule:
    """One entry of the table, with its phrases as folded words."""

    phrases: frozenset[tuple[str, ...]]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AskedWord:
    """A word of the question: as written, and what is compared."""

    written: str
    folded: str


def understand(question: str, product: Product | None = None) -> Query:
    """Map a question to the query that it means.

    Args:
        question: in any of the languages of the tables; what no rule knows is a free question.
        product: its fields and their key words are known too.
    """
    words = words_of(question[:MOST_CHARACTERS])
    form, used = _first(_table()["form"], words)
    order, ordering = _first(_table()["order"], words)
    left = [word for number, word in enumerate(words) if number not in used]
    fields, naming = _fields(left, product)
    claims = form is not None and form.facts["kind"] == "yes_no"
    if form is None and _is_claim(words):
        form, claims = _yes_no(), True
    rest = [word for number, word in enumerate(left) if number not in naming]
    kind, pattern = _form_of(form, fields)
    column = order.facts["column"] if order is not None and ordering else ""
    return Query(
        kind=kind,
        fields=fields,
        pattern=pattern,
        text=question,
        value=_claimed(question, rest) if claims else None,
        order=None if order is None else Order(order.facts["by"], order.facts["end"]),
        columns=fields or ((column,) if column else ()),
    )


def lines_for(query: Query, lines: Sequence[TextLine], product: Product | None = None) -> tuple[TextLine, ...]:
    """The lines of a frame that a query is about, most promising first; all of them where it names none.

    With an order by date or number, those that hold one, the end that is asked for first; by place, all lines from that
    end. With fields, those that bear a field's key word, each with the line that follows it in reading order.
    """
    if query.order is not None:
        ranked = [(rank, line) for line in lines if (rank := _rank(line.text, query.order.by)) is not None]
        if query.order.by == "place":
            ranked = [((number,), line) for number, line in enumerate(lines)]
        ranked.sort(key=lambda one: one[0], reverse=query.order.end == "last")
        return tuple(line for _, line in ranked) or tuple(lines)
    found: dict[int, None] = {}
    for number, line in enumerate(lines):
        if set(query.fields) & set(_fields(words_of(line.text), product)[0]):
            found |= dict.fromkeys(one for one in (number, number + 1) if one < len(lines))
    return tuple(lines[number] for number in found) or tuple(lines)


def _form_of(form: _Rule | None, fields: Sequence[str]) -> tuple[Kind, str | None]:
    if form is not None:
        return form.facts["kind"], form.facts.get("pattern")
    likely = (_table()["likely"].get(field) for field in fields)
    return next((kind for kind in likely if kind is not None), "free"), None


def _is_claim(words: Sequence[AskedWord]) -> bool:
    """Whether a question wants yes or no by how it begins."""
    claim = _table()["claim"]
    folded = [word.folded for word in words]
    return folded[:1] != [] and folded[0] in claim["begins"] and not claim["alternatives"].intersection(folded)


def _claimed(question: str, rest: Sequence[AskedWord]) -> str | None:
    """The text between quotation marks, else the last words in a row that look like a value and hold a digit."""
    quoted = _table()["quoted"].search(question)
    if quoted is not None:
        return quoted.group(1).strip() or None
    runs: list[list[str]] = [[]]
    for word in rest:
        if any(c.isdigit() for c in word.written) or (word.written.isupper() and len(word.written) > 1):
            runs[-1].append(word.written)
        else:
            runs.append([])
    found = [" ".join(run) for run in runs if any(c.isdigit() for part in run for c in part)]
    return found[-1] if found else None


def _rank(text: str, by: str) -> tuple[float, ...] | None:
    """What a line is ordered by; None where it holds no such thing."""
    if by == "place":
        return ()
    dates = [_date(found) for found in _DATE.finditer(text)]
    if by == "date":
        return max(dates, default=None)
    numbers = [float(found.group().replace(",", ".")) for found in _NUMBER.finditer(_DATE.sub(" ", text))]
    return (max(numbers),) if numbers else None


def _date(found: re.Match[str]) -> tuple[float, ...]:
    year, month, day = (found[1], found[2], found[3]) if found[1] else (found[6], found[5], found[4])
    whole = int(year) + (2000 if len(year) == 2 else 0)
    return whole, int(month), int(day or 0)


def _fields(words: Sequence[AskedWord], product: Product | None) -> tuple[tuple[str, ...], set[int]]:
    """The fields that words name, in their order, and the numbers of those words; longer key words go first."""
    lexicon, own = _lexicon(product), {"serial", "model", *(product.fields if product else ())}
    shouted = len(words) > 2 and all(not word.written.islower() for word in words)
    named: dict[int, str] = {}
    used: set[int] = set()
    for exactly in (True, False):
        for start, end in _windows(len(words)):
            if used & {*range(start, end)}:
                continue
            window = words[start:end]
            found = _exact(window, lexicon, shouted=shouted) if exactly else _damaged(window, lexicon, shouted=shouted)
            # Capitals before a number are a part of it ("DC 00"), but for those that name what is read ("SN 4711").
            number_next = end < len(words) and any(map(str.isdigit, words[end].written))
            ahead = number_next and not shouted and window[0].written.isupper()
            if found is not None and found.strength >= _SURE and not (ahead and found.kind not in own):
                named[start] = found.kind
                used |= {*range(start, end)}
    return tuple(dict.fromkeys(named[start] for start in sorted(named))), used


def _exact(window: Sequence[AskedWord], lexicon: Lexicon, *, shouted: bool) -> Word | None:
    """The key word that some words are; one of two letters only where it is written in capitals among small ones."""
    folded = "".join(word.folded for word in window)
    written = window[0].written
    short = len(folded) < 3 and not (written.isupper() and len(written) > 1 and not shouted)
    return None if short or folded in _table()["everyday"] else lexicon.exact(folded)


def _damaged(window: Sequence[AskedWord], lexicon: Lexicon, *, shouted: bool) -> Word | None:
    """The key word that some words are with a letter or two wrong."""
    folded = "".join(word.folded for word in window)
    if len(window) > _MOST_DAMAGED or not 6 < len(folded) <= lexicon.longest:
        return None
    if not shouted and any(word.written.isupper() for word in window):
        return None
    return lexicon.nearest(folded)


def _windows(count: int) -> Iterator[tuple[int, int]]:
    for length in range(_MOST_WORDS, 0, -1):
        for start in range(count - length + 1):
            yield start, start + length


def _first(rules: Sequence[_Rule], words: Sequence[AskedWord]) -> tuple[_Rule | None, set[int]]:
    """The first rule of which a phrase stands in the question, and the numbers of its words."""
    folded = [word.folded for word in words]
    places = {tuple(folded[start:end]): (start, end) for start, end in _windows(len(folded))}
    for rule in rules:
        for phrase in sorted(rule.phrases & places.keys(), key=len, reverse=True):
            return rule, {*range(*places[phrase])}
    return None, set()


def words_of(text: str) -> list[AskedWord]:
    """The words of a text; in a script without blanks, its characters."""
    parts = (part for chunk in text.split() for part in _parts(chunk))
    stripped = (part.strip(_marks()) for part in parts)
    return [AskedWord(part, fold(part)) for part in stripped if fold(part)]


def _parts(chunk: str) -> Iterator[str]:
    run = ""
    for letter in chunk:
        if _stands_alone(letter):
            yield from (run, letter)
            run = ""
        else:
            run += letter
    yield run


def _stands_alone(letter: str) -> bool:
    return letter > "\u2e7f" and unicodedata.name(letter, "").startswith(("CJK", "HIRAGANA", "KATAKANA", "HANGUL"))


def _lexicon(product: Product | None) -> Lexicon:
    return _of_no_product() if product is None else lexicon_of(product)


@cache
def _of_no_product() -> Lexicon:
    return Lexicon((("serial", ()), ("model", ())))


@cache
def _yes_no() -> _Rule:
    rules: Sequence[_Rule] = _table()["form"]
    return next(rule for rule in rules if rule.facts["kind"] == "yes_no")


@cache
def _raw() -> Mapping[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath("questions.toml").read_text(encoding="utf-8"))


@cache
def _marks() -> str:
    marks = _raw()["marks"]
    return str(marks["ends"] + marks["quotes"])


@cache
def _table() -> Mapping[str, Any]:
    """The rules, with what is compared folded."""
    raw = _raw()
    quotes = re.escape(raw["marks"]["quotes"])

    def rules(name: str) -> tuple[_Rule, ...]:
        return tuple(
            _Rule(frozenset(tuple(word.folded for word in words_of(phrase)) for phrase in entry["phrases"]), entry)
            for entry in raw[name]
        )

    return {
        "form": rules("form"),
        "order": rules("order"),
        "likely": raw["likely"],
        "quoted": re.compile(f"[{quotes}]([^{quotes}]{{1,64}})[{quotes}]"),
        "claim": {name: frozenset(map(fold, words)) for name, words in raw["claim"].items()},
        "everyday": frozenset(map(fold, raw["words"]["everyday"])),
    }
