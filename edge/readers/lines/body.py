"""What the recogniser's body has learnt of plates, beside what the wheel's weights know.

`body.npz` (made by `training/letters/body.py`) holds what is added to each weight: whole numbers of 8 bits, and what
one of them is worth, by the weight's first axis. In faces that nothing was learnt from 2.0 % of the characters of
Cyrillic words are read wrongly with it, and 5.3 % without; of 1502 other lines 125, and 169.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from openvino import opset13

from edge.readers.lines.weights import BODY, Tensor

_MOST = 127


def teach(model: Any) -> None:
    """Add what was learnt to the weights of a network that was read from the wheel.

    Raises:
        ValueError: it has not the weights that something was learnt for.
    """
    constants = {
        node.get_friendly_name(): node for node in model.get_ordered_ops() if node.get_type_name() == "Constant"
    }
    with np.load(BODY) as kept:
        learnt = unpacked({name: kept[name] for name in kept.files})
    fits = {name: name in constants and constants[name].data.shape == one.shape for name, one in learnt.items()}
    if not all(fits.values()):
        unknown = next(name for name, one in fits.items() if not one)
        raise ValueError(f"it has no weights {unknown} like those that {BODY.name} adds to: it is another network")
    for name, added in learnt.items():
        constants[name].output(0).replace(opset13.constant(constants[name].data + added).output(0))


def packed(added: Mapping[str, Tensor]) -> dict[str, npt.NDArray[Any]]:
    """What is added to weights, as `body.npz` keeps it; what nothing is added to is left out."""
    kept: dict[str, npt.NDArray[Any]] = {}
    for name, one in added.items():
        worth = (np.abs(_rows(one)).max(axis=1) / _MOST).astype(np.float16)
        if worth.any():
            rows = _rows(one) / np.maximum(worth.astype(np.float32), 1e-12)[:, None]
            kept[f"{name}:added"] = np.round(rows).clip(-_MOST, _MOST).astype(np.int8).reshape(one.shape)
            kept[f"{name}:worth"] = worth
    return kept


def _rows(one: Tensor) -> Tensor:
    """By the first axis that has more than one value."""
    longest = next((size for size in one.shape if size > 1), 1)
    return one.reshape(longest, -1)


def unpacked(kept: Mapping[str, npt.NDArray[Any]]) -> dict[str, Tensor]:
    """What is added to weights, by their names, from what `packed` gave."""
    learnt = {}
    for name in (one.removesuffix(":added") for one in kept if one.endswith(":added")):
        added, worth = (kept[f"{name}:{part}"].astype(np.float32) for part in ("added", "worth"))
        learnt[name] = (_rows(added) * worth[:, None]).reshape(added.shape)
    return learnt
