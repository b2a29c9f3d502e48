"""Decode with drafts: the tokens that step-by-step constrained greedy would choose, in fewer passes (L6).

A draft is a guess of the whole answer. One pass scores the place behind every guessed token of every branch; the
choice at each place is made from those scores alone, exactly as if it were the only one, and guesses count as far as
they are what was chosen. What follows the first other choice is forgotten and guessed again behind it: a wrong
character costs one more pass, a missing or an extra one two, where the model writes single characters. With tokens of
several (400 texts of 12 capitals and digits, one wrong): 2.1 passes and at most 3 where digits come in threes, 2.3 and
at most 4 with the tokens of GPT-2; a missing or extra one 3.0.

- The draft is never asked what to choose, not on a tie either: of two equal tokens the lower id is better. Where a
  model's scores differ by rounding between one token a pass and many, a near-tie may fall either way; it shows as a
  probability of about one half or less, which the core does not pass.
- An answer that its cap cut, or that its pattern led nowhere, has `finish` "length": never a value.
- Guesses that the pattern forbids are not sent, nor any after four wrong ones in a row, where the draft is of another
  text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice, takewhile
from typing import Final, Protocol

from edge.core.reading import FinishReason
from edge.readers.decoding.grammar import Grammar

#: Runners-up that a token carries.
_ALTERNATIVES: Final = 5
#: Wrong guesses in a row, after which the draft waits until what is decided agrees with it again.
_PATIENCE: Final = 4
#: How far a draft may slip against the answer, bytes, nearest first; equal evidence falls to the nearest.
_SLIPS: Final = (0, 1, -1, 2, -2, 3, -3)
#: Bytes compared to find where a draft goes on.
_EVIDENCE: Final = 8
#: Probability from which another best token is what stands there, in the model's eyes.
SEEN: Final = 0.5


class Scores(Protocol):
    """The distribution over the next token, with nothing held back."""

    def ranked(self, among: Collection[int] | None = None) -> Iterator[tuple[int, float]]:
        """Tokens, or `among` all those alone, with their log-probability, best first, the lower id first of two equal.

        Lazily: of 150,000 tokens hardly more than one is wanted.
        """

    def logprob(self, token: int) -> float:
        """Log-probability of one token."""


class Passes(Protocol):
    """A prompt that a model has taken in, with some branches, each a question and what was appended to it."""

    def extend(self, tokens: Sequence[Sequence[int]]) -> Sequence[Sequence[Scores]]:
        """Append tokens to each branch in one forward pass; give the scores behind each token, by branch.

        A branch with no tokens stays as it is. The first call gives one more, the scores behind the question, first.
        Scores hold until the next call.
        """

    def forget(self, branch: int, count: int) -> None:
        """Drop the last tokens of a branch."""


@dataclass(frozen=True, slots=True)
class Best:
    """What the model would have written without the pattern; `text` is empty for an end of text."""

    id: int
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Token:
    """One decided token.

    `text` is what it adds to the answer: empty for the end of the text, and for bytes that only begin a character.
    Probabilities (0 to 1) are the model's own, before the pattern forbade anything. `alternatives` are the best other
    tokens. `drafted` says that a guess had it; that changes nothing else. `in_pass` is the pass, from 1 on, that
    decided it.
    """

    id: int
    text: str
    probability: float
    best: Best
    alternatives: tuple[tuple[str, float], ...]
    drafted: bool
    in_pass: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """A decoded text.

    `tokens` are all that were decided; where `finish` is "stop" the last one is the end of the text. "length": the text
    is cut, and `reason` says by what; it is not a value. `passes` counts the forward passes until it stood.
    """

    text: str
    tokens: tuple[Token, ...]
    finish: FinishReason
    passes: int
    reason: str = ""


def decode(
    passes: Passes,
    grammars: Sequence[Grammar],
    drafts: Sequence[Sequence[int]],
    caps: Sequence[int],
    on_token: Callable[[int, Token], None] | None = None,
) -> list[Answer]:
    """Answer all branches together, each held to its grammar.

    Args:
        passes: the prompt, with a branch for each grammar.
        grammars: what each answer may be.
        drafts: guesses of the answers, as tokens; any will do.
        caps: most tokens of each answer, its end included.
        on_token: hears each branch's number and token when it is decided, in the order of the text.

    Raises:
        ReaderError: a pattern did not decide in time, or the model failed.
        ValueError: there are not as many grammars, drafts and caps.
    """
    branches = [_Branch(*one) for one in zip(grammars, drafts, caps, strict=True)]
    made = 0
    while any(branch.finish is None for branch in branches):
        scores = passes.extend([branch.next_tokens() for branch in branches])
        made += 1
        for number, branch in enumerate(branches):
            if branch.finish is not None:
                continue
            decided = len(branch.tokens)
            wrong = branch.take(scores[number], made)
            if on_token is not None:
                for token in branch.tokens[decided:]:
                    on_token(number, token)
            if wrong and branch.finish is None:
                passes.forget(number, wrong)
    return [branch.answer() for branch in branches]


def seen(answer: Answer) -> str:
    """The text as printed, in the model's eyes (L7): where it saw another token than the pattern has, that one stands.

    Where it saw the end of the text the text ends; where the pattern ended the text and the model would have gone on,
    the next token stands behind it.
    """
    text = ""
    for token in answer.tokens:
        if token.best.id == token.id or token.best.probability < SEEN:
            text += token.text
        elif token.best.text:
            text += token.best.text
        else:
            break
    return text


@dataclass(slots=True)
class _Draft:
    """A guess of the text, and how far the answer has come in it, in bytes."""

    data: bytes
    tokens: tuple[int, ...]
    ends: dict[int, int]
    at: int = 0
    wrong: int = 0
    done: bytearray = field(default_factory=bytearray)

    def follow(self, data: bytes) -> None:
        """Go on by what was decided.

        A first wrong character is taken for a misread one. A second one behind it, or a token of several characters
        that stands elsewhere nearby, may mean that the draft has a character more or less than the text: then the
        draft goes on where it agrees longest with what was decided.
        """
        agrees = self.data[self.at : self.at + len(data)] == data
        self.done += data
        self.at += len(data)
        if not agrees and (self.wrong or len(data) > 1):
            slip = max(_SLIPS, key=lambda slip: self._agreement(self.at + slip))
            if self.wrong or self._agreement(self.at + slip) >= len(data):
                self.at += slip
        self.wrong = 0 if agrees else self.wrong + 1

    def rest(self, grammar: Grammar) -> Iterator[int]:
        """The guesses from here: the draft's own tokens; inside of one the rest is cut anew, the longest tokens first.

        On 400 texts of 12 digits in threes, one wrong: 2.2 passes; 2.5 with the draft's own tokens behind the cut one.
        """
        if self.wrong >= _PATIENCE or self.at >= len(self.data):
            return
        begin = self.at if self.at in self.ends else len(self.data)
        yield from grammar.vocabulary.split(self.data[self.at : begin])
        yield from self.tokens[self.ends[begin] :]

    def _agreement(self, at: int) -> int:
        """How many bytes before this place are the last ones decided; negative outside of the draft."""
        if not 0 <= at <= len(self.data):
            return -1
        most = min(_EVIDENCE, at, len(self.done))
        pairs = zip(self.data[at - most : at][::-1], self.done[len(self.done) - most :][::-1], strict=True)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


class _Branch:
    """One answer on its way."""

    def __init__(self, grammar: Grammar, draft: Sequence[int], cap: int) -> None:
        self.tokens: list[Token] = []
        self.finish: FinishReason | None = None
        self._grammar, self._cap = grammar, cap
        self._state = grammar.start()
        words = [grammar.vocabulary.data(token) for token in draft]
        known = list(takewhile(bool, words))
        ends = {end: number for number, end in enumerate(accumulate(map(len, known), initial=0))}
        self._draft = _Draft(b"".join(known), tuple(draft[: len(known)]), ends)
        self._guesses: list[int] = []
        self._begun = False
        self._passes, self._reason = 0, ""
        if cap < 1:
            self._end("length", 0, "no token was allowed: its cap is 0")

    def next_tokens(self) -> list[int]:
        """What the next pass appends: the last decided token, unless the pass before had it, and the guesses."""
        if self.finish is not None:
            return []
        self._guesses = []
        state = self._state
        # A guess behind the last token that the cap allows would decide nothing.
        for token in islice(self._draft.rest(self._grammar), self._cap - len(self.tokens) - 1):
            following = self._grammar.advance(state, token)
            if following is None:
                break
            state = following
            self._guesses.append(token)
        last = [self.tokens[-1].id] if self._begun else []
        self._begun = True
        return last + self._guesses

    def take(self, scores: Sequence[Scores], made: int) -> int:
        """Decide as many tokens as the scores allow; give how many guesses were wrong."""
        for place, one in enumerate(scores):
            guess = self._guesses[place] if place < len(self._guesses) else None
            if not self._decide(one, guess, made):
                return 0
            if self.tokens[-1].id != guess:
                return len(self._guesses) - place
        return 0

    def answer(self) -> Answer:
        """The finished answer."""
        assert self.finish is not None
        return Answer(self._state.text, tuple(self.tokens), self.finish, self._passes, self._reason)

    def _decide(self, scores: Scores, guess: int | None, made: int) -> bool:
        """Choose the next token; whether the answer goes on."""
        grammar, before = self._grammar, self._state
        ranked = scores.ranked()
        told: list[tuple[int, float]] = []
        latest = 0.0

        def ids(pairs: Iterator[tuple[int, float]]) -> Iterator[int]:
            nonlocal latest
            for pair in pairs:
                if len(told) <= _ALTERNATIVES:
                    told.append(pair)
                latest = pair[1]
                yield pair[0]

        chosen = grammar.choose(before, ids(ranked), lambda some: ids(scores.ranked(some)))
        if chosen is None:
            self._end("length", made, f"the pattern {grammar.pattern!r} allows nothing behind {before.text!r}")
            return False
        own = latest
        told += islice(ranked, max(0, _ALTERNATIVES + 1 - len(told)))
        after = grammar.advance(before, chosen)
        added = "" if after is None else after.text[len(before.text) :]
        shown = [(grammar.vocabulary.shown(token, before.tail), math.exp(logprob)) for token, logprob in told[:6]]
        others = [pair for pair, (token, _) in zip(shown, told, strict=False) if token != chosen]
        best = Best(told[0][0], *shown[0])
        token = Token(chosen, added, math.exp(own), best, tuple(others[:_ALTERNATIVES]), chosen == guess, made)
        self.tokens.append(token)
        if after is None:
            self._end("stop", made)
            return False
        self._state = after
        self._draft.follow(grammar.vocabulary.data(chosen))
        if len(self.tokens) == self._cap:
            self._end("length", made, f"its {self._cap} tokens were used up before the end of the text")
            return False
        return True

    def _end(self, finish: FinishReason, passes: int, reason: str = "") -> None:
        self.finish, self._passes, self._reason = finish, passes, reason
