"""Map a question in natural words to a query by the words of its profile, with no model.

Promises: every word of the question means a member or is one that the profile ignores; where one is left over, nothing
is answered, since it may have been the condition that counts. What is found keeps to the profile's members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from edge.products import has_pattern
from edge.question_profiles import ChoiceMember, DayMember, Member, NumberMember, QueryAnswer, TextMember
from edge.readers.questions import AskedWord, words_of

_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")

_Phrase = tuple[str, ...]
_Found = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Understood:
    """What a question asks for: its members, null where it says nothing of one, and the words that mean nothing."""

    query: Mapping[str, str | int | None]
    left: tuple[str, ...]


def query_of(question: str, answer: QueryAnswer, today: date) -> Understood:
    """What a question asks for, by words alone; `today` is what "yesterday" is counted from."""
    words = words_of(question)
    found: _Found = {}
    used: set[int] = set()
    for start, end, meaning in _said(words, answer.members, today):
        if not used & {*range(start, end)} and not found.keys() & meaning.keys():
            found |= meaning
            used |= {*range(start, end)}
    ignored = {word.folded for phrase in answer.ignore for word in words_of(phrase)}
    left = [word.written for number, word in enumerate(words) if number not in used and word.folded not in ignored]
    return Understood({name: found.get(name) for name in answer.members}, tuple(left))


def _said(words: Sequence[AskedWord], members: Mapping[str, Member], today: date) -> Iterator[tuple[int, int, _Found]]:
    """Where words mean something, and what: longer phrases first, and values by themselves last."""
    fixed = _fixed(members, today)
    before = _before(members)
    longest = max((len(phrase) for phrase in (*fixed, *before)), default=1)
    for length in range(longest, 0, -1):
        for start in range(len(words) - length + 1):
            phrase = tuple(word.folded for word in words[start : start + length])
            if phrase in fixed:
                yield start, start + length, fixed[phrase]
            for name in before.get(phrase, ()):
                yield from _beside(words, start, start + length, name, members[name])
    for name, member in members.items():
        if isinstance(member, TextMember) and not member.words:
            for start, word in enumerate(words):
                if has_pattern(word.written, member.pattern):
                    yield start, start + 1, {name: word.written}


def _fixed(members: Mapping[str, Member], today: date) -> dict[_Phrase, _Found]:
    """Phrases that have one meaning; one phrase may set several members."""
    found: dict[_Phrase, _Found] = {}
    for name, member in members.items():
        if isinstance(member, ChoiceMember):
            for choice in member.choices:
                for said in (choice, choice.replace("_", " "), *member.words.get(choice, ())):
                    found.setdefault(_folded(said), {})[name] = choice
        elif isinstance(member, DayMember):
            for said, days in member.days_ago.items():
                found.setdefault(_folded(said), {})[name] = (today - timedelta(days=days)).isoformat()
    return found


def _before(members: Mapping[str, Member]) -> dict[_Phrase, list[str]]:
    """Phrases that stand beside a value, and of which members."""
    found: dict[_Phrase, list[str]] = {}
    for name, member in members.items():
        for said in () if isinstance(member, ChoiceMember) else member.words:
            found.setdefault(_folded(said), []).append(name)
    return found


def _beside(
    words: Sequence[AskedWord], start: int, end: int, name: str, member: Member
) -> Iterator[tuple[int, int, _Found]]:
    """The value behind a phrase; a number may stand before it, too."""
    if end < len(words) and (value := _value(words[end].written, member)) is not None:
        yield start, end + 1, {name: value}
    if isinstance(member, NumberMember) and start and (value := _value(words[start - 1].written, member)) is not None:
        yield start - 1, end, {name: value}


def _value(written: str, member: Member) -> str | int | None:
    """A word as a member's value; None where it is none."""
    if isinstance(member, NumberMember):
        number = int(written) if written.isascii() and written.isdigit() and len(written) < 10 else -1
        return number if member.least <= number <= member.most else None
    if isinstance(member, DayMember):
        return _day(written)
    return written if isinstance(member, TextMember) and has_pattern(written, member.pattern) else None


def _day(written: str) -> str | None:
    iso, dotted = _ISO.fullmatch(written), _DOTTED.fullmatch(written)
    if iso is None and dotted is None:
        return None
    parts = (iso[1], iso[2], iso[3]) if iso else (dotted[3], dotted[2], dotted[1]) if dotted else ()
    try:
        return date(*map(int, parts)).isoformat()
    except ValueError:
        return None


def _folded(said: str) -> _Phrase:
    return tuple(word.folded for word in words_of(said))
