"""What is learnt from a batch of sheets, and how well it is known: spelling by CTC, answers token by token."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.small.model import Net
from training.small.plates import Block

_READ_ALL_SHARE = 0.3  # of a token of "read all lines" against one of a field: there are ten times as many


def batch_on(block: Block, device: str) -> dict[str, Tensor]:
    """A batch as tensors on the device, with the places at which something is learnt."""
    rows = np.flatnonzero(block.lengths.reshape(-1) >= 0)
    lengths = block.lengths.reshape(-1)[rows].astype(np.int64)
    longest = max(1, int(lengths.max(initial=1)))
    spelt = block.spelt.reshape(-1, block.spelt.shape[-1])[rows, :longest].astype(np.int64)
    made = {"ink": block.ink, "rows": rows, "spelt": spelt}
    for one in block.texts[:1]:
        at = np.flatnonzero(one.labels.reshape(-1) >= 0)
        last = one.branch.max(1, keepdims=True)
        weight = np.where(one.read_all & (one.branch == last), _READ_ALL_SHARE, 1.0).astype(np.float32)
        made |= {
            "ids": one.ids.astype(np.int64), "branch": one.branch, "positions": one.positions.astype(np.int64),
            "at": at, "answers": one.labels.reshape(-1)[at].astype(np.int64), "weight": weight.reshape(-1)[at],
        }  # fmt: skip
    pinned = device.startswith("cuda")
    ready = {name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in made.items()}
    moved = {name: (one.pin_memory() if pinned else one).to(device, non_blocking=True) for name, one in ready.items()}
    return {**moved, "lengths": torch.from_numpy(lengths)}  # ctc_loss wants them on the CPU


def losses(net: Net, batch: dict[str, Tensor], pixels: Tensor) -> dict[str, Tensor]:
    """CTC loss a character, text loss a token, and what the model said at both."""
    features, seen = net.see(pixels)
    spoken = net.spell(features).flatten(0, 1)[batch["rows"]]
    chances = functional.log_softmax(spoken.float(), -1)
    frames = torch.full((len(chances),), chances.shape[1], dtype=torch.long)
    ctc = functional.ctc_loss(
        chances.transpose(0, 1), batch["spelt"], frames, batch["lengths"], reduction="sum", zero_infinity=True
    )
    found = {"ctc": ctc / max(1, int(batch["lengths"].sum())), "spelling": chances.detach()}
    if "ids" in batch:
        states = net.write(batch["ids"], seen, batch["positions"], batch["branch"])
        said = net.speak(states.flatten(0, 1)[batch["at"]]).float()
        each = functional.cross_entropy(said, batch["answers"], reduction="none")
        found["text"] = (each * batch["weight"]).sum() / batch["weight"].sum()
        found["right"] = said.detach().argmax(-1) == batch["answers"]
    return found


def character_errors(spelling: Tensor, batch: dict[str, Tensor], most: int = 96) -> float:
    """Character error rate of greedy CTC decoding on the first rows of a batch."""
    best = spelling[:most].argmax(-1).cpu().numpy()
    wrong = total = 0
    for row, told, length in zip(best, batch["spelt"][:most].cpu(), batch["lengths"][:most], strict=True):
        changed = row[np.flatnonzero(np.diff(row, prepend=0))]
        wrong += _distance(changed[changed > 0].tolist(), told[: int(length)].tolist())
        total += int(length)
    return wrong / max(1, total)


def _distance(one: list[int], other: list[int]) -> int:
    line = list(range(len(other) + 1))
    for n, a in enumerate(one, 1):
        diagonal, line[0] = line[0], n
        for m, b in enumerate(other, 1):
            diagonal, line[m] = line[m], min(line[m] + 1, line[m - 1] + 1, diagonal + (a != b))
    return line[-1]


def exact(right: Tensor, block: Block) -> float:
    """Share of the batch's answers about fields that were right in every token."""
    texts = block.texts[0]
    at = np.flatnonzero(texts.labels.reshape(-1) >= 0)
    sheet, branch = at // texts.ids.shape[1], texts.branch.reshape(-1)[at].astype(np.int64)
    good = np.ones((len(texts.ids), int(branch.max()) + 1), bool)
    np.logical_and.at(good, (sheet, branch), right.cpu().numpy())
    asked = np.zeros_like(good)
    asked[sheet, branch] = True
    if texts.read_all:
        asked[np.arange(len(asked)), texts.branch.max(1).astype(np.int64)] = False
    return float(good[asked].mean()) if asked.any() else 0.0
