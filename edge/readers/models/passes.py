"""Passes over a GLM-4V model: one or several plates, each with its picture and its questions, read together.

Promises: `extend` is one forward pass, however many plates, questions and drafted tokens; what was forgotten is seen by
no later token; the scores of a pass are read before the next is made (their rest stays where the next will write).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from edge.readers.models.glm import TOP, Glm, Turn
from edge.readers.reader import Image
from edge.vision.sheet import ROW_PX

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One plate as tokens: what all its questions share, and each question's own end.

    `image_at` is where the image tokens begin in `prefix`; `picture` is H x W x 3, uint8, BGR.
    """

    picture: Image
    prefix: tuple[int, ...]
    image_at: int
    questions: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """The best next tokens of every row of a pass, best first, and all of them for who asks further."""

    ids: npt.NDArray[np.int64]
    logprobs: npt.NDArray[np.float32]
    all_logprobs: Any


class Engine(Protocol):
    """Runs passes: as they come, or recorded for a few shapes."""

    glm: Glm

    def length(self, tokens: int) -> int:
        """The length that a first turn of so many tokens is padded to."""

    def later(self, tokens: int) -> int:
        """The length that a later turn of so many tokens is padded to."""

    def slots(self, needed: int) -> int:
        """How many slots the cache has where so many are needed."""

    def warm(self) -> None:
        """Do now what the first pass of each usual shape would wait for."""

    def look(self, pictures: npt.NDArray[np.uint8]) -> None:
        """See the pictures (B, H, W, 3; BGR) of the next batch; a GPU does so while its first turn is laid out."""

    def begin(self, image_at: Whole, turn: dict[str, Whole], slots: int) -> Scored:
        """Read the first turn of the pictures looked at into a fresh cache of `slots`, and score."""

    def go_on(self, turn: dict[str, Whole]) -> Scored:
        """Read a later turn into the same cache, and score."""


@dataclass(frozen=True, slots=True)
class Row:
    """The distribution over the next token after one token: the best, best first, and all of them."""

    ids: Sequence[int]
    logprobs: Sequence[float]
    rest: Any

    def ranked(self, among: Collection[int] | None = None) -> Iterator[tuple[int, float]]:
        """See `decode.Scores`."""
        if among is not None:
            some = np.sort(np.fromiter(among, np.int64, len(among)))
            some = some[some < len(self.rest)]  # a tokenizer may have more words than its model
            scored = self.rest[torch.from_numpy(some).to(self.rest.device)].float().cpu().numpy()
            for at in np.argsort(-scored, kind="stable").tolist():
                yield int(some[at]), float(scored[at])
            return
        yield from zip(self.ids, self.logprobs, strict=True)
        given = set(self.ids)
        every = self.rest.float().cpu().numpy()
        for token in np.argsort(-every, kind="stable").tolist():
            if token not in given:
                yield token, float(every[token])

    def logprob(self, token: int) -> float:
        """Log-probability of one token."""
        return self.logprobs[self.ids.index(token)] if token in self.ids else float(self.rest[token])


@dataclass(slots=True)
class _Branch:
    """A question of one plate: where its tokens stand in the cache, and how far it has come."""

    plate: int
    number: int
    index: int
    slots: list[int] = field(default_factory=list)


class Packed:
    """The passes of one batch of plates; a branch is a question, numbered over all plates in order."""

    def __init__(self, engine: Engine, prompts: Sequence[Prompt], *, room: int) -> None:
        """`room` is how many answer tokens each branch may hold at a time, drafts included."""
        self._engine, self._prompts, self._room = engine, prompts, room
        self._branches = [
            _Branch(plate, number + 1, len(prompt.prefix))
            for plate, prompt in enumerate(prompts)
            for number in range(len(prompt.questions))
        ]
        self._free: list[list[int]] = []
        self._branch_of = np.zeros((0, 0), np.int64)
        self._index_of = np.zeros((0, 0), np.int64)
        self._shift: list[int] = []
        self.passes = 0

    def extend(self, tokens: Sequence[Sequence[int]]) -> list[list[Row]]:
        """Append tokens to each branch; see `decode.Passes`.

        Raises:
            ValueError: a branch would outgrow its room.
        """
        self.passes += 1
        return self._first(tokens) if self.passes == 1 else self._later(tokens)

    def forget(self, branch: int, count: int) -> None:
        """Drop the last tokens of a branch."""
        one = self._branches[branch]
        for _ in range(count):
            slot = one.slots.pop()
            one.index -= 1
            self._branch_of[one.plate, slot] = -1
            self._free[one.plate].append(slot)

    def _first(self, tokens: Sequence[Sequence[int]]) -> list[list[Row]]:
        self._engine.look(np.stack([prompt.picture for prompt in self._prompts]))
        plates = range(len(self._prompts))
        mine = [[n for n, branch in enumerate(self._branches) if branch.plate == plate] for plate in plates]
        laid = [_laid(self._prompts[plate], [tokens[n] for n in mine[plate]]) for plate in plates]
        length = self._engine.length(max(len(one.ids) for one in laid))
        most = max(len(prompt.questions) for prompt in self._prompts)
        slots = self._engine.slots(length + most * self._room + 1)  # the last is where padded tokens go
        self._branch_of = np.full((len(laid), slots), -1, np.int64)
        self._index_of = np.zeros((len(laid), slots), np.int64)
        for plate, one in enumerate(laid):
            used = len(one.ids)
            self._branch_of[plate, :used], self._index_of[plate, :used] = one.branches, one.indexes
            self._free.append(list(range(slots - 2, used - 1, -1)))
            self._shift.append(one.shift)
            for n, kept in zip(mine[plate], one.kept, strict=True):
                self._branches[n].slots = kept
                self._branches[n].index = (
                    len(self._prompts[plate].prefix)
                    + len(self._prompts[plate].questions[self._branches[n].number - 1])
                    + len(kept)
                )
        turn = {
            "ids": _stacked([one.ids for one in laid], length),
            "slots": np.tile(np.arange(length, dtype=np.int64), (len(laid), 1)),
            "branches": _stacked([one.branches for one in laid], length, -1),
            "indexes": _stacked([one.indexes for one in laid], length),
            "positions": np.stack([_padded(one.positions, length) for one in laid]),
            "branch_of": self._branch_of,
            "index_of": self._index_of,
            "asked": _stacked([np.concatenate(one.asked) for one in laid], None),
        }
        image_at = np.array([prompt.image_at for prompt in self._prompts], np.int64)
        scored = self._engine.begin(image_at, turn, slots)
        return self._rows(scored, [[len(one) for one in each.asked] for each in laid])

    def _later(self, tokens: Sequence[Sequence[int]]) -> list[list[Row]]:
        told: list[list[tuple[int, int, int, int]]] = [[] for _ in self._prompts]
        for branch, new in zip(self._branches, tokens, strict=True):
            for token in new:
                if not self._free[branch.plate]:
                    raise ValueError(f"an answer outgrows its room of {self._room} tokens: ask for more room")
                slot = self._free[branch.plate].pop()
                told[branch.plate].append((token, slot, branch.number, branch.index))
                self._branch_of[branch.plate, slot], self._index_of[branch.plate, slot] = branch.number, branch.index
                branch.slots.append(slot)
                branch.index += 1
        length = self._engine.later(max(map(len, told)))
        columns = [np.array(one or [(0, self._branch_of.shape[1] - 1, -1, 0)], np.int64).T for one in told]
        spare = self._branch_of.shape[1] - 1
        slots = np.stack([_padded(one[1], length, spare) for one in columns])
        indexes = np.stack([_padded(one[3], length) for one in columns])
        turn = {
            "ids": np.stack([_padded(one[0], length) for one in columns]),
            "slots": slots,
            "branches": np.stack([_padded(one[2], length, -1) for one in columns]),
            "indexes": indexes,
            "positions": np.repeat((indexes + np.array(self._shift)[:, None])[:, None], 3, axis=1),
            "branch_of": self._branch_of,
            "index_of": self._index_of,
            "asked": np.tile(np.arange(length, dtype=np.int64), (len(told), 1)),
        }
        counts: list[list[int]] = [[] for _ in self._prompts]
        for branch, new in zip(self._branches, tokens, strict=True):
            counts[branch.plate].append(len(new))
        return self._rows(self._engine.go_on(turn), counts)

    @staticmethod
    def _rows(scored: Scored, counts: Sequence[Sequence[int]]) -> list[list[Row]]:
        rows: list[list[Row]] = []
        order = np.lexsort((scored.ids, -scored.logprobs), axis=-1)
        ids = np.take_along_axis(scored.ids, order, axis=-1).tolist()
        logprobs = np.take_along_axis(scored.logprobs, order, axis=-1).tolist()
        for plate, each in enumerate(counts):
            at = 0
            for count in each:
                asked = range(at, at + count)
                rows.append([Row(ids[plate][n], logprobs[plate][n], scored.all_logprobs[plate, n]) for n in asked])
                at += count
        return rows


@dataclass(frozen=True, slots=True)
class _Laid:
    """A first turn of one plate: prefix, then each question with its draft. `shift`: position minus index after it."""

    ids: Whole
    branches: Whole
    indexes: Whole
    positions: Whole
    asked: tuple[Whole, ...]
    kept: tuple[list[int], ...]
    shift: int


def _laid(prompt: Prompt, drafts: Sequence[Sequence[int]]) -> _Laid:
    prefix = len(prompt.prefix)
    places = prefix_positions(prompt)
    shift = int(places[:, -1].max()) + 1 - prefix
    ids, branches, indexes = [*prompt.prefix], [0] * prefix, [*range(prefix)]
    asked, kept = [], []
    for number, (question, draft) in enumerate(zip(prompt.questions, drafts, strict=True), start=1):
        begin = len(ids)
        ids += [*question, *draft]
        end = len(ids)
        branches += [number] * (end - begin)
        indexes += range(prefix, prefix + end - begin)
        asked.append(np.arange(begin + len(question) - 1, end, dtype=np.int64))
        kept.append(list(range(begin + len(question), end)))
    after = np.array(indexes[prefix:], np.int64) + shift
    positions = np.concatenate([places, np.tile(after, (3, 1))], axis=1)
    return _Laid(np.array(ids), np.array(branches), np.array(indexes), positions, tuple(asked), tuple(kept), shift)


def first_turn(prompt: Prompt, draft: Sequence[int]) -> dict[str, Whole]:
    """The turn of a prompt with one question and what was answered so far, alone and with nothing padded."""
    one = _laid(prompt, [draft])
    return {
        "ids": one.ids[None],
        "slots": np.arange(len(one.ids), dtype=np.int64)[None],
        "branches": one.branches[None],
        "indexes": one.indexes[None],
        "positions": one.positions[None],
        "branch_of": one.branches[None],
        "index_of": one.indexes[None],
        "asked": one.asked[0][None],
    }


def prefix_positions(prompt: Prompt) -> Whole:
    """Positions (3, prefix) in time, down and across: text counts on, image tokens stand on their grid."""
    before = np.arange(prompt.image_at)
    down, across = (side // ROW_PX for side in prompt.picture.shape[:2])
    row, column = np.divmod(np.arange(down * across), across)
    begin = prompt.image_at
    image = np.stack([np.full(down * across, begin), begin + row, begin + column])
    rest = len(prompt.prefix) - begin - down * across
    after = begin + max(down, across) + np.arange(rest)
    return np.concatenate([np.tile(before, (3, 1)), image, np.tile(after, (3, 1))], axis=1).astype(np.int64)


def _padded(values: Whole, length: int, fill: int = 0) -> Whole:
    """Values with their last side lengthened."""
    missing = length - values.shape[-1]
    sides = [(0, 0)] * (values.ndim - 1) + [(0, missing)]
    return np.pad(values, sides, constant_values=fill)


def _stacked(rows: Sequence[Whole], length: int | None, fill: int = 0) -> Whole:
    return np.stack([_padded(row, length or max(map(len, rows)), fill) for row in rows])


class Eager:
    """Runs every pass as it comes, on any device; one batch at a time."""

    def __init__(self, glm: Glm) -> None:
        self.glm = glm
        self._cache: torch.Tensor | None = None
        self.image: torch.Tensor | None = None

    def length(self, tokens: int) -> int:
        """As it is."""
        return tokens

    def later(self, tokens: int) -> int:
        """As it is."""
        return tokens

    def slots(self, needed: int) -> int:
        """As it is."""
        return needed

    def warm(self) -> None:
        """Nothing is prepared."""

    @torch.inference_mode()
    def look(self, pictures: npt.NDArray[np.uint8]) -> None:
        """See `Engine.look`."""
        pixels = torch.from_numpy(np.ascontiguousarray(pictures[..., ::-1])).to(self.glm.device)
        side = self.glm.patch_px
        self.image = self.glm.see(pixels, self.glm.grid(pictures.shape[1] // side, pictures.shape[2] // side))

    @torch.inference_mode()
    def begin(self, image_at: Whole, turn: dict[str, Whole], slots: int) -> Scored:
        """See `Engine.begin`."""
        glm, image = self.glm, self.image
        if image is None:
            raise ValueError("a first turn came before its pictures: look at them first")
        at = torch.from_numpy(image_at).to(glm.device)[:, None] + torch.arange(image.shape[1], device=glm.device)
        made = turn_of(turn, glm.device)
        self._cache = glm.cache(len(image), slots)
        length = made.ids.shape[1]
        seen = Turn(
            **{**parts_of(made), "branch_of": made.branch_of[:, :length], "index_of": made.index_of[:, :length]}
        )
        return scored(glm.read(glm.embed(made.ids, image, at), seen, self._cache[..., :length, :]))

    @torch.inference_mode()
    def go_on(self, turn: dict[str, Whole]) -> Scored:
        """See `Engine.go_on`."""
        if self._cache is None:
            raise ValueError("a later turn came before a first one: begin a batch first")
        return self.read_into(self._cache, turn)

    @torch.inference_mode()
    def read_into(self, cache: torch.Tensor, turn: dict[str, Whole]) -> Scored:
        """Read a later turn into any cache, and score."""
        made = turn_of(turn, self.glm.device)
        return scored(self.glm.read(self.glm.embed(made.ids, None, None), made, cache))


def turn_of(turn: dict[str, Whole], device: torch.device) -> Turn:
    """A turn's arrays as tensors on a device."""
    return Turn(**{name: torch.from_numpy(values).to(device) for name, values in turn.items()})


def parts_of(turn: Turn) -> dict[str, torch.Tensor]:
    """A turn's tensors by name."""
    return {name: getattr(turn, name) for name in Turn.__slots__}


def best(logits: torch.Tensor, room: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-probabilities of all next tokens, in `room` where it is given, and the best of them with theirs."""
    every = torch.log_softmax(logits.float(), dim=-1, out=room)
    top = torch.topk(every, min(TOP, every.shape[-1]), dim=-1)
    return every, top.values, top.indices


def scored(logits: torch.Tensor) -> Scored:
    """What a pass hands over."""
    every, values, ids = best(logits)
    return Scored(ids.cpu().numpy(), values.cpu().numpy(), every)
