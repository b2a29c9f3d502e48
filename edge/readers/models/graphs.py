"""Passes recorded as CUDA graphs: one launch instead of some thousand.

A pass of the reference model launches about 1500 kernels; launching them takes longer than running them. A recorded
pass is replayed for every batch that fits its shape: batches, lengths and scored rows are rounded up to a few sizes.
A shape without a recording (too long, or no memory left to record it) runs as it comes, with a log line.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
import torch

from edge.readers.models.glm import Glm, Turn
from edge.readers.models.passes import Eager, Scored, Whole, best
from edge.vision.sheet import ROW_PX, ROWS, WIDTH_PX

log = structlog.get_logger()

PLATES = (1, 2, 4, 8, 16)
#: Tokens of a first turn: picture, hint, questions and drafts.
LENGTHS = (*range(96, 641, 32), 704, 768, 896)
LATER = (2, 8, 24, 64)
ASKED = (32, 64, 128)
#: Slots of the cache: the longest first turn and room for the answers.
SLOTS = 1152
#: Runs before a recording: libraries choose and load their kernels in the first.
_WARM_UPS = 2

_Tensors = dict[str, torch.Tensor]


class Graphs:
    """An engine that replays recorded passes; anything else it leaves to `Eager`. One batch at a time."""

    def __init__(self, glm: Glm) -> None:
        self.glm = glm
        self._eager = Eager(glm)
        self._recorded: dict[tuple[Any, ...], _Recording | None] = {}
        self._shared: dict[tuple[Any, ...], torch.Tensor] = {}
        self._pool = torch.cuda.graph_pool_handle()
        self._plates: int | None = None
        self._image: torch.Tensor | None = None
        self._missing: set[tuple[Any, ...]] = set()

    @property
    def recordings(self) -> int:
        """How many shapes are recorded."""
        return sum(one is not None for one in self._recorded.values())

    def length(self, tokens: int) -> int:
        """The next recorded length; one too long for all stays as it is."""
        return rounded_up(tokens, LENGTHS) or tokens

    def later(self, tokens: int) -> int:
        """The next recorded length; one too long for all stays as it is."""
        return rounded_up(tokens, LATER) or tokens

    def slots(self, needed: int) -> int:
        """All caches of recorded passes have one size."""
        return max(needed, SLOTS)

    @torch.inference_mode()
    def warm(self, plates: int = 1) -> None:
        """Record every usual shape now, so that no part waits for a recording: some seconds each ten shapes."""
        for rows in ROWS:
            self._see(plates, (rows * ROW_PX, WIDTH_PX, 3))
        for length in LENGTHS:
            for asked in ASKED[:2]:
                self._first(plates, length, asked)
        for length in LATER:
            self._later(plates, length)
        log.info("passes recorded", plates=plates, recordings=self.recordings)

    @torch.inference_mode()
    def look(self, pictures: npt.NDArray[np.uint8]) -> None:
        """See `passes.Engine.look`."""
        plates = rounded_up(len(pictures), PLATES)
        see = plates and self._see(plates, pictures.shape[1:])
        if plates and see:
            self._image = see.run({"pictures": _filled(pictures, plates)})[0]
            self._eager.image = self._image[: len(pictures)]
        else:
            self._tell_once("look", *pictures.shape)
            self._image = None
            self._eager.look(pictures)

    @torch.inference_mode()
    def begin(self, image_at: Whole, turn: dict[str, Whole], slots: int) -> Scored:
        """See `passes.Engine.begin`."""
        count, length = turn["ids"].shape
        plates, asked = rounded_up(count, PLATES), rounded_up(turn["asked"].shape[1], ASKED)
        read = plates and asked and length in LENGTHS and slots == SLOTS and self._first(plates, length, asked)
        if not (plates and asked and read and self._image is not None):
            self._tell_once("begin", count, length, turn["asked"].shape[1], slots)
            self._plates = None
            return self._eager.begin(image_at, turn, slots)
        self._plates = plates
        turn = {name: _filled(values, plates) for name, values in turn.items()}
        turn["asked"] = _widened(turn["asked"], asked)
        out = read.run({**_first_slots(turn, length), "image_at": _filled(image_at, plates)}, image=self._image)
        return _scored(out, count)

    @torch.inference_mode()
    def go_on(self, turn: dict[str, Whole]) -> Scored:
        """See `passes.Engine.go_on`."""
        if self._plates is None:
            return self._eager.go_on(turn)
        count, length = turn["ids"].shape
        read = self._later(self._plates, length) if length in LATER else None
        turn = {name: _filled(values, self._plates) for name, values in turn.items()}
        if read is None:
            self._tell_once("go_on", count, length)
            every = self._eager.read_into(self._shared["cache", self._plates, SLOTS], turn)
            return Scored(every.ids[:count], every.logprobs[:count], every.all_logprobs)
        return _scored(read.run(turn), count)

    # Recordings, made when a shape first comes.

    def _see(self, plates: int, size: Sequence[int]) -> _Recording | None:
        side = self.glm.patch_px
        grid = self.glm.grid(size[0] // side, size[1] // side)

        def inputs() -> _Tensors:
            return {"pictures": torch.zeros(plates, *size, dtype=torch.uint8, device=self.glm.device)}

        return self._record(
            ("see", plates, *size), inputs, lambda given: (self.glm.see(given["pictures"].flip(-1), grid),)
        )

    def _first(self, plates: int, length: int, asked: int) -> _Recording | None:
        cache, scores = self._cache(plates), self._scores(plates, asked)
        if cache is None or scores is None:
            return None

        def inputs() -> _Tensors:
            size = plates, length, self.glm.hidden_size
            hidden = torch.zeros(size, dtype=self.glm.dtype, device=self.glm.device)
            image_at = torch.zeros(plates, dtype=torch.int64, device=self.glm.device)
            return {**self._inputs(plates, length, length, asked), "hidden": hidden, "image_at": image_at}

        def run(given: _Tensors) -> tuple[torch.Tensor, ...]:
            return best(self.glm.read(given["hidden"], _turn(given), cache[..., :length, :]), scores)

        return self._record(("first", plates, length, asked), inputs, run)

    def _later(self, plates: int, length: int) -> _Recording | None:
        cache, scores = self._cache(plates), self._scores(plates, length)
        if cache is None or scores is None:
            return None

        def run(given: _Tensors) -> tuple[torch.Tensor, ...]:
            return best(self.glm.read(self.glm.embed(given["ids"], None, None), _turn(given), cache), scores)

        return self._record(("later", plates, length), lambda: self._inputs(plates, length, SLOTS, length), run)

    def _cache(self, plates: int) -> torch.Tensor | None:
        return self._kept(("cache", plates, SLOTS), lambda: self.glm.cache(plates, SLOTS))

    def _scores(self, plates: int, asked: int) -> torch.Tensor | None:
        """All passes write their scores here: 39 MB for 64 tokens of 151,552 words, which none keeps for itself."""
        size = plates, asked, self.glm.words
        return self._kept(("scores", *size), lambda: torch.empty(size, device=self.glm.device))

    def _kept(self, key: tuple[Any, ...], make: Callable[[], torch.Tensor]) -> torch.Tensor | None:
        """Memory that recordings share, taken when it is first asked for; None where there is none."""
        if key not in self._shared:
            try:
                self._shared[key] = make()
            except torch.OutOfMemoryError:
                log.warning("no memory for what recorded passes share", what=key)
                return None
        return self._shared[key]

    def _inputs(self, plates: int, length: int, slots: int, asked: int) -> _Tensors:
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("ids", "slots", "branches", "indexes"), (plates, length))
        shapes |= {"positions": (plates, 3, length), "branch_of": (plates, slots), "index_of": (plates, slots)}
        shapes["asked"] = (plates, asked)
        made = {name: torch.zeros(shape, dtype=torch.int64, device=self.glm.device) for name, shape in shapes.items()}
        # Recording runs the pass, perhaps in the middle of a batch: it may write to the last slot, which nobody reads.
        made["slots"].fill_(slots - 1)
        return made

    def _record(
        self,
        key: tuple[Any, ...],
        inputs: Callable[[], _Tensors],
        run: Callable[[_Tensors], tuple[torch.Tensor, ...]],
    ) -> _Recording | None:
        """The recording of a shape, its inputs made and its pass recorded when it is first asked for."""
        if key not in self._recorded:
            try:
                self._recorded[key] = _Recording(self.glm, inputs(), run, self._pool)
            except torch.OutOfMemoryError:
                torch.cuda.empty_cache()
                self._recorded[key] = None
                log.warning("no memory to record a pass: this shape runs unrecorded", shape=key)
        return self._recorded[key]

    def _tell_once(self, *shape: Any) -> None:
        if shape not in self._missing:
            self._missing.add(shape)
            log.info("no recording for this shape: it runs as it comes", shape=shape)


class _Recording:
    """One recorded pass with the memory that it reads from and writes to."""

    def __init__(
        self,
        glm: Glm,
        inputs: _Tensors,
        run: Callable[[_Tensors], tuple[torch.Tensor, ...]],
        pool: Any,
    ) -> None:
        self._glm, self._inputs = glm, inputs
        self._pinned = {
            name: torch.empty_like(one, device="cpu", pin_memory=True)
            for name, one in inputs.items()
            if name != "hidden"
        }
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UPS):
                run(inputs)
        torch.cuda.current_stream().wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool):
            self._outputs = run(inputs)

    def run(self, given: dict[str, npt.NDArray[Any]], image: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        """Copy what is given into the recording, replay it, and give its outputs; the next run writes over them."""
        for name, pinned in self._pinned.items():
            pinned.copy_(torch.from_numpy(np.ascontiguousarray(given[name])))
            self._inputs[name].copy_(pinned, non_blocking=True)
        if image is not None:
            at = self._inputs["image_at"][:, None] + torch.arange(image.shape[1], device=self._glm.device)
            self._inputs["hidden"].copy_(self._glm.embed(self._inputs["ids"], image, at))
        self._graph.replay()
        return self._outputs


def _turn(given: _Tensors) -> Turn:
    return Turn(**{name: given[name] for name in Turn.__slots__})


def rounded_up(value: int, sizes: Sequence[int]) -> int | None:
    """The least of ascending sizes that holds a value; None if none does."""
    at = bisect.bisect_left(sizes, value)
    return sizes[at] if at < len(sizes) else None


def _first_slots(turn: dict[str, Whole], length: int) -> dict[str, Whole]:
    """A first turn looks at its own slots only."""
    return {**turn, **{name: turn[name][:, :length] for name in ("branch_of", "index_of")}}


def _filled(values: npt.NDArray[Any], plates: int) -> npt.NDArray[Any]:
    """A batch filled up with its last plate."""
    missing = plates - len(values)
    return np.concatenate([values, np.repeat(values[-1:], missing, axis=0)]) if missing else values


def _widened(asked: Whole, width: int) -> Whole:
    return np.pad(asked, ((0, 0), (0, width - asked.shape[1])))


def _scored(out: tuple[torch.Tensor, ...], count: int) -> Scored:
    every, values, ids = out
    return Scored(ids[:count].cpu().numpy(), values[:count].cpu().numpy(), every)
