r"""Hold a model's answer to a pattern, token by token, without a mask over the vocabulary.

A grammar is asked about one token at a time, the model's best first: `regex` says whether the text so far with that
token can still become a whole match (partial matching). A model that reads well is right at once, so a step costs
microseconds and the size of the vocabulary does not matter.

What is exact, and what is only safe:

- The text of an answer that ended is always a full match of the pattern as `regex` sees it, or `none` where it may be.
- Without assertions a token is allowed exactly where some text that begins so matches (tried against brute force).
  Lazy repeats are read as greedy ones, which is the same language: `regex` 2026.11 believes that "bc" can still
  become `b(?:a)??b`, and knows better of `b(?:a)?b`.
- With assertions (`\b`, `$` inside, lookaround, atomic groups, conditions) `regex` judges the end of the text so far
  as the end of the text: it calls "-" impossible for `-\b[a-z]`. So what it refuses is tried again with one more
  character behind it. What remains: a token may be allowed that leads nowhere (`(?=x)y`), and a prefix that needs two
  more characters to be believed is refused. In the first case nothing can be chosen later, which `decode` tells.
- A text of more than 256 characters matches nothing, as in product files, unless a profile needs more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import regex

from edge.errors import ReaderError
from edge.products import MATCH_S, MAX_TEXT
from edge.readers.decoding.kinds import Kinds
from edge.readers.decoding.prompt import NOTHING
from edge.readers.decoding.vocabulary import Vocabulary

#: Text of one line, for a field or a question without a pattern.
ANY_LINE: Final = rf"[^\x00-\x1f\x7f-\x9f\u2028\u2029]{{1,{MAX_TEXT}}}"
#: A walk over 100,000 refused tokens takes about 0.05 s; one that takes this long has a pattern that searches on.
CHOICE_S: Final = 5.0
#: Refused tokens in a row until those left are sought by their first character. Judging every first character of a
#: vocabulary once takes some 20 ms, a refused token 3 us.
_PATIENCE: Final = 512
#: The same where these were judged already: as many as a model's scores come ranked.
_FEW: Final = 32
#: Texts for which it is kept what may follow them.
_KEPT_FIRSTS: Final = 64
#: Judged texts that a grammar keeps; at some 150 bytes each 5 MB at most.
_KEPT: Final = 32_768

_REFUSED, _POSSIBLE, _WHOLE = 0, 1, 2

#: One piece of a pattern: an escape, a class, a comment, a group's opening, a repeat, or one character.
_PIECE: Final = regex.compile(
    r"\\[pPN]\{[^}]*\}|\\.|\[\^?\]?(?:\[:[^\]]*:\]|\\.|[^\]\\])*\]|\(\?#[^)]*\)|\(\?<?[=!]|\(\?[>(|]"
    r"|(?P<repeat>[*+?]|\{\d+(?:,\d*)?\}|\{,\d+\})(?P<manner>[?+]?)|.",
    regex.DOTALL,
)
#: Matching with errors, such as `(?:abc){e<=1}`.
_FUZZY: Final = regex.compile(r"\{[^}]*[eisd<]")
_ASSERTIONS: Final = frozenset(
    (r"\b", r"\B", r"\m", r"\M", r"\A", r"\Z", r"\z", r"\G", r"\K", r"\X", "^", "$", "(?=", "(?!", "(?<=", "(?<!")
) | {"(?>", "(?(", "(?|"}


@dataclass(frozen=True, slots=True)
class State:
    """The text written so far, and the first bytes of a character that is not complete yet."""

    text: str = ""
    tail: bytes = b""


class Grammar:
    """Which token may follow. One may serve several branches and threads; it only remembers what it has judged."""

    def __init__(
        self, pattern: str | None, vocabulary: Vocabulary, *, longest: int = MAX_TEXT, or_none: bool = True
    ) -> None:
        """Compile a pattern (`regex` syntax, whole text); None: any text of one line.

        `longest` is the most characters of a text; `or_none`: whether "none" is allowed beside the pattern.

        Raises:
            ReaderError: it is no pattern, or it is read from right to left.
        """
        self.pattern = pattern
        self._longest, self._nothing = longest, NOTHING if or_none else ""
        self.vocabulary = vocabulary
        source = ANY_LINE if pattern is None else pattern
        try:
            self._compiled: Any = regex.compile(source)
        except (regex.error, RecursionError, OverflowError) as error:
            raise ReaderError(f"{source!r} is no pattern of `regex` syntax ({error}); correct it") from None
        if self._compiled.flags & regex.REVERSE:
            raise ReaderError(f"pattern {source!r} is read from right to left; leave its flag (?r) out")
        pieces = list(_PIECE.finditer(source))
        self._kinds = Kinds(source, by_case=bool(self._compiled.flags & regex.IGNORECASE))
        # Behind a text that `regex` refused may stand printed ASCII, and what the pattern itself is written with.
        asserts = _asserts(pieces) or _FUZZY.search(source)
        self._probes = "".join(self._kinds.one_of_each(map(chr, range(0x20, 0x7F)))) if asserts else ""
        lazy = any(piece["manner"] == "?" for piece in pieces)
        if lazy and not self._probes and not self._compiled.flags & regex.VERBOSE:
            self._compiled = regex.compile(
                "".join(piece["repeat"] if piece["manner"] == "?" else piece.group() for piece in pieces)
            )
        self._judged: dict[str, int] = {}
        self._reached: dict[tuple[str, bytes], bool] = {}
        self._firsts: dict[str, frozenset[int]] = {}

    def start(self) -> State:
        """The state before anything is written."""
        return State()

    def advance(self, state: State, token: int) -> State | None:
        """The state behind one more token; None where the token is not allowed, as the end of text never is.

        Raises:
            ReaderError: the pattern did not decide in time.
        """
        word = self.vocabulary.word(token)
        if word is None or state.tail:
            return self._advance_bytes(state, self.vocabulary.data(token))
        text = state.text + word
        # Most tokens of a vocabulary fail by their first or second character, judged once for all of them: 45,000
        # forbidden tokens are passed over in 0.1 s, not 0.3 s. A token that fits is judged as a whole only; not so with
        # assertions, where what was judged before must not decide.
        first, second = state.text + word[0], state.text + word[:2]
        if self._judged.get(first) == _REFUSED or self._judged.get(second) == _REFUSED:
            return None
        if self._probes and not (self._judge(first) and self._judge(second)):
            return None
        if self._judge(text):
            return State(text)
        if self._judge(first):
            self._judge(second)
        return None

    def complete(self, state: State) -> bool:
        """Whether the text may end here."""
        return not state.tail and self._judge(state.text) == _WHOLE

    def choose(
        self, state: State, ranked: Iterable[int], among: Callable[[frozenset[int]], Iterable[int]] | None = None
    ) -> int | None:
        """The first of the ranked tokens that is allowed; an end of text is allowed where the text is complete.

        `among` ranks some of them alone: asked where the best are refused, so that not all others need be looked at.

        None where no token is allowed: the pattern led nowhere.

        Raises:
            ReaderError: the pattern did not decide in time.
        """
        if among is None or state.tail:
            return self._first_allowed(state, ranked)
        patience = _FEW if state.text in self._firsts else _PATIENCE
        chosen = self._first_allowed(state, islice(ranked, patience))
        if chosen is None:
            chosen = self._first_allowed(state, among(self._possible(state.text)))
        return chosen

    def _first_allowed(self, state: State, tokens: Iterable[int]) -> int | None:
        latest: float | None = None
        for token in tokens:
            if token in self.vocabulary.ends:
                if self.complete(state):
                    return token
            elif self.advance(state, token) is not None:
                return token
            if latest is None:
                latest = time.monotonic() + CHOICE_S
            elif time.monotonic() > latest:
                raise self._too_slow(state.text, CHOICE_S)
        return None

    def _possible(self, text: str) -> frozenset[int]:
        """The tokens whose first character may follow a text, parts of characters, and the ends."""
        if text not in self._firsts:
            if len(self._firsts) >= _KEPT_FIRSTS:
                self._firsts.clear()
            by_first = self.vocabulary.by_first
            fit = [tokens for first, tokens in by_first.items() if not first or self._judge(text + first)]
            self._firsts[text] = frozenset(self.vocabulary.ends).union(*fit)
        return self._firsts[text]

    def _advance_bytes(self, state: State, data: bytes) -> State | None:
        if not data:
            return None
        whole = state.tail + data
        try:
            text, tail = whole.decode(), b""
        except UnicodeDecodeError as error:
            # Anything but a character that is cut off at the end can never become text.
            if error.end < len(whole) or error.reason != "unexpected end of data":
                return None
            text, tail = whole[: error.start].decode(), whole[error.start :]
        text = state.text + text
        if not tail:
            return State(text) if self._judge(text) else None
        key = (text, tail)
        if key not in self._reached:
            _make_room(self._reached)
            self._reached[key] = any(self._judge(text + c, keep=False) for c in self._kinds.behind(text, tail))
        return State(text, tail) if self._reached[key] else None

    def _judge(self, text: str, *, keep: bool = True) -> int:
        known = self._judged.get(text)
        if known is not None:
            return known
        judged = self._match(text)
        if not judged and self._probes and any(self._match(text + probe) for probe in self._probes):
            judged = _POSSIBLE
        if judged != _WHOLE and self._nothing and self._nothing.startswith(text):
            judged = _WHOLE if text == self._nothing else _POSSIBLE
        if keep:
            _make_room(self._judged)
            self._judged[text] = judged
        return judged

    def _match(self, text: str) -> int:
        if len(text) > self._longest:
            return _REFUSED
        try:
            match = self._compiled.fullmatch(text, partial=True, timeout=MATCH_S)
        except TimeoutError:
            raise self._too_slow(text, MATCH_S) from None
        if match is None:
            return _REFUSED
        return _POSSIBLE if match.partial else _WHOLE

    def _too_slow(self, text: str, limit_s: float) -> ReaderError:
        return ReaderError(
            f"pattern {self.pattern!r} did not decide within {limit_s:g} s what may follow {text!r}; "
            "write it without choices or repeats inside repeats, such as (a|a)+"
        )


def _asserts(pieces: list[Any]) -> bool:
    """Whether something in the pattern looks at where the text ends; `^` first and `$` last do no harm."""
    texts = [piece.group() for piece in pieces]
    if texts and texts[0] in ("^", r"\A"):
        texts = texts[1:]
    if texts and texts[-1] in ("$", r"\Z", r"\z"):
        texts = texts[:-1]
    return not _ASSERTIONS.isdisjoint(texts) or any(piece["manner"] == "+" for piece in pieces)


def _make_room(kept: dict[Any, Any]) -> None:
    if len(kept) >= _KEPT:
        kept.clear()
