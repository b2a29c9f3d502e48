"""Models for tests of the decoder: scores from a hash, and a real transformer of a few thousand numbers in float64."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Model = Callable[[int, tuple[int, ...]], Floats]
"""Branch and what was appended to it -> logits of the next token."""


class Ranked:
    """Scores that are read while their pass is the last one."""

    def __init__(self, logits: Floats, is_current: Callable[[], bool]) -> None:
        self._logprobs = logits - np.logaddexp.reduce(logits)
        self._is_current = is_current

    def ranked(self, among: Collection[int] | None = None) -> Iterator[tuple[int, float]]:
        """Tokens best first, the lower id first where two are equal."""
        for token in np.lexsort((np.arange(len(self._logprobs)), -self._logprobs)).tolist():
            assert self._is_current(), "scores were read behind a later pass"
            if among is None or token in among:
                yield token, float(self._logprobs[token])

    def logprob(self, token: int) -> float:
        """Log-probability of one token."""
        return float(self._logprobs[token])


class FakePasses:
    """Passes with memory: what stands in each branch, and what every call appended and forgot."""

    def __init__(self, model: Callable[[list[tuple[int, ...]], list[int]], list[list[Floats]]], branches: int) -> None:
        self._model = model
        self.branches: list[tuple[int, ...]] = [()] * branches
        self.appended: list[list[list[int]]] = []
        self.forgotten: list[tuple[int, int]] = []

    def extend(self, tokens: Sequence[Sequence[int]]) -> list[list[Ranked]]:
        """See `decode.Passes`."""
        first = not self.appended
        self.appended.append([list(one) for one in tokens])
        number = len(self.appended)
        assert first or any(tokens), "a pass that appends nothing"
        self.branches = [old + tuple(new) for old, new in zip(self.branches, tokens, strict=True)]
        rows = self._model(self.branches, [len(new) + first for new in tokens])
        return [[Ranked(row, lambda: len(self.appended) == number) for row in each] for each in rows]

    def forget(self, branch: int, count: int) -> None:
        """See `decode.Passes`."""
        assert 0 < count <= len(self.branches[branch])
        self.forgotten.append((branch, count))
        self.branches[branch] = self.branches[branch][:-count]


def one_by_one(model: Model) -> Callable[[list[tuple[int, ...]], list[int]], list[list[Floats]]]:
    """A model of single branches as one of passes."""

    def scores(branches: list[tuple[int, ...]], counts: list[int]) -> list[list[Floats]]:
        return [
            [model(number, tokens[: len(tokens) - back]) for back in range(count - 1, -1, -1)]
            for number, (tokens, count) in enumerate(zip(branches, counts, strict=True))
        ]

    return scores


def hashed(size: int, seed: int, truths: Sequence[Sequence[int]] = (), sure: float = 0.0, ties: int = 0) -> Model:
    """Logits that are a hash of the branch's tokens; along its truth the true token is raised by `sure`.

    `ties`: logits are rounded to so many steps, so that many are equal.
    """

    def logits(branch: int, tokens: tuple[int, ...]) -> Floats:
        digest = hashlib.blake2b(repr((seed, branch, tokens)).encode(), digest_size=8).digest()
        made = np.random.default_rng(int.from_bytes(digest, "big")).standard_normal(size)
        truth = tuple(truths[branch]) if branch < len(truths) else ()
        if len(tokens) < len(truth) and tokens == truth[: len(tokens)]:
            made[truth[len(tokens)]] += sure
        # Last: what is raised is equal to its like to the last bit, for whoever counts with fewer bits.
        return np.round(made * ties) / ties if ties else made

    return logits


class Tiny:
    """A causal transformer of two layers in float64: `prefix`, and a question for each branch."""

    WIDTH, HEADS, LAYERS = 16, 2, 2

    def __init__(self, size: int, seed: int, branches: int) -> None:
        rng = np.random.default_rng(seed)
        width = self.WIDTH
        self._embedding = rng.standard_normal((size, width))
        self._head = rng.standard_normal((width, size)) * 0.7
        self._layers = [
            [
                rng.standard_normal(shape) * 0.3
                for shape in ((width, 3 * width), (width, width), (width, 32), (32, width))
            ]
            for _ in range(self.LAYERS)
        ]
        self._prefix = tuple(rng.integers(0, size, 5).tolist())
        self._questions = [tuple(rng.integers(0, size, rng.integers(1, 4)).tolist()) for _ in range(branches)]

    def alone(self, branch: int, tokens: tuple[int, ...]) -> Floats:
        """The next token's logits of one branch by itself."""
        ids = self._prefix + self._questions[branch] + tokens
        made: Floats = self._logits(ids, np.arange(len(ids)), np.tri(len(ids), dtype=bool))[-1]
        return made

    def packed(self, branches: list[tuple[int, ...]], counts: list[int]) -> list[list[Floats]]:
        """All branches behind one prefix, in one pass: each sees the prefix and itself."""
        shared = len(self._prefix)
        ids, places, owner, ends = [*self._prefix], [*range(shared)], [-1] * shared, []
        for number, tokens in enumerate(branches):
            mine = self._questions[number] + tokens
            ids += mine
            places += range(shared, shared + len(mine))
            owner += [number] * len(mine)
            ends.append(len(ids))
        own = np.array(owner)
        sees = np.tri(len(ids), dtype=bool) & ((own[None, :] == -1) | (own[None, :] == own[:, None]))
        made = self._logits(tuple(ids), np.array(places), sees)
        return [[made[row] for row in range(end - count, end)] for end, count in zip(ends, counts, strict=True)]

    def _logits(self, ids: tuple[int, ...], places: npt.NDArray[np.int64], sees: npt.NDArray[np.bool_]) -> Floats:
        angles = places[:, None] / 3.0 ** np.arange(self.WIDTH // 2)
        x = self._embedding[list(ids)] + np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
        for into, out, up, down in self._layers:
            q, k, v = np.split(_normal(x) @ into, 3, axis=1)
            heads = []
            for part in np.split(np.arange(self.WIDTH), self.HEADS):
                weights = np.where(sees, q[:, part] @ k[:, part].T / np.sqrt(len(part)), -np.inf)
                weights = np.exp(weights - weights.max(axis=1, keepdims=True))
                heads.append(weights / weights.sum(axis=1, keepdims=True) @ v[:, part])
            x = x + np.concatenate(heads, axis=1) @ out
            x = x + np.tanh(_normal(x) @ up) @ down
        made: Floats = _normal(x) @ self._head
        return made


def _normal(x: Floats) -> Floats:
    made: Floats = x / np.sqrt((x**2).mean(axis=1, keepdims=True))
    return made
