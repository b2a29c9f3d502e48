"""Draw sheets in processes beside the training, and hand them out as batches; the newest are used first."""

from __future__ import annotations

import multiprocessing
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.context import ForkContext
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np

from training.small.plates import BLOCK, WHOLE, Block, Maker, Texts

#: Blocks of one height that are kept for another look, 0.7 GB of 9 rows.
_KEPT = 500


@dataclass(slots=True)
class _Used:
    block: Block
    times: int = 0


class Pool:
    """Workers and what they made. Start it before anything touches the GPU: the workers are forks."""

    def __init__(self, workers: int, seed: int, tokenizer: Any, alphabet: str, folder: Path) -> None:
        context = multiprocessing.get_context("fork")
        self._stage = context.Value("i", 1)
        self._made: Any = context.Queue(maxsize=4 * workers)
        self._processes = [
            _start(context, (Maker(number + seed * 1000, tokenizer, alphabet, folder), self._stage, self._made))
            for number in range(workers)
        ]
        self._kept: dict[int, deque[_Used]] = {}
        self._lock = threading.Lock()
        self._dice = Random(seed)  # noqa: S311 - repeatable, nothing secret
        self.drawn = self.used = 0
        self._open = True
        threading.Thread(target=self._receive, daemon=True).start()

    @property
    def stage(self) -> int:
        """The stage that is drawn now."""
        return int(self._stage.value)

    @stage.setter
    def stage(self, stage: int) -> None:
        with self._lock:
            self._stage.value = stage
            self._kept.clear()

    def _receive(self) -> None:
        while self._open:
            try:
                block = self._made.get(timeout=0.5)
            except queue.Empty:
                continue
            except (EOFError, OSError):
                return
            with self._lock:
                if block.stage == self.stage:
                    rows = block.lengths.shape[1]
                    self._kept.setdefault(rows, deque(maxlen=_KEPT)).appendleft(_Used(block))
                    self.drawn += BLOCK

    def take(self, sheets_of: dict[int, int]) -> Block:
        """A batch of one height, joined to a block with one way to ask; waits until there is enough.

        Args:
            sheets_of: how many sheets a batch has, by their height in rows.
        """
        while True:
            with self._lock:
                ready = {rows: len(kept) for rows, kept in self._kept.items() if len(kept) * BLOCK >= sheets_of[rows]}
                if ready:
                    rows = self._dice.choices(list(ready), weights=[ready[one] for one in ready])[0]
                    kept = self._kept[rows]
                    some = [kept.popleft() for _ in range(sheets_of[rows] // BLOCK)]
                    for one in some:
                        one.times += 1
                    kept.extend(some[: max(0, _KEPT - len(kept))])  # behind all that was not seen yet
                    self.used += BLOCK * len(some)
                    break
            if not any(process.is_alive() for process in self._processes):
                raise RuntimeError("every drawing process ended; see the first error above")
            time.sleep(0.02)
        return joined([one.block for one in some], self._dice.randrange(1 << 16))

    def close(self) -> None:
        """End the workers."""
        self._open = False
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(timeout=5)


def joined(blocks: Sequence[Block], variant: int) -> Block:
    """Blocks of one height as one, with the texts of one variant, padded to the longest."""
    first = blocks[0]
    texts: tuple[Texts, ...] = ()
    if first.texts:
        picked = [block.texts[variant % len(block.texts)] for block in blocks]
        length = max(one.ids.shape[1] for one in picked)
        wide = [_widened(one, length - one.ids.shape[1]) for one in picked]
        texts = (
            Texts(
                np.concatenate([one.ids for one in wide]), np.concatenate([one.branch for one in wide]),
                np.concatenate([one.labels for one in wide]), np.concatenate([one.positions for one in wide], 1),
                picked[0].read_all,
            ),
        )  # fmt: skip
    return replace(
        first, ink=np.concatenate([block.ink for block in blocks]),
        spelt=np.concatenate([block.spelt for block in blocks]),
        lengths=np.concatenate([block.lengths for block in blocks]), texts=texts,
    )  # fmt: skip


def _widened(one: Texts, more: int) -> Texts:
    side = ((0, 0), (0, more))
    return Texts(
        np.pad(one.ids, side), np.pad(one.branch, side, constant_values=-1),
        np.pad(one.labels, side, constant_values=-1),
        np.pad(one.positions, ((0, 0), *side)), one.read_all,
    )  # fmt: skip


def _start(context: ForkContext, arguments: tuple[Any, ...]) -> Any:
    process = context.Process(target=_work, args=arguments, daemon=True)
    process.start()
    return process


def _work(maker: Maker, stage: Any, made: Any) -> None:
    cv2.setNumThreads(0)
    while True:
        current = int(stage.value)
        for block in maker.blocks(min(current, WHOLE)):
            made.put(block)
            if int(stage.value) != current:
                break
