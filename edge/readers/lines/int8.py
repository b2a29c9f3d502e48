"""Let OpenVINO compute a network's convolutions in whole numbers of 8 bits, from ranges measured beforehand.

Only `ranges.json` is kept (`training/ranges.py` makes it): the least and greatest value that goes into each
convolution. Weights stay those of the wheel and are rounded as the network is loaded, to 7 bits and a channel each:
without VNNI a processor adds two products in 16 bits, which 8 bits would overflow. Measured on two AVX2 cores: the
recogniser takes 8.1 ms instead of 11.2 ms for 160 px; of 718 lines of 62 drawn plates, 3 were read differently, two of
them better. Of the detector those are rounded that change what it finds least (`training/ranges.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from openvino import opset13

RANGES = Path(__file__).with_name("ranges.json")
#: Convolutions of fewer channels see the image itself, and cost nothing.
_LEAST_CHANNELS = 24
_LEVELS = 256
#: Weights get twice their range: 7 bits are used of the 8 that OpenVINO knows how to compute with.
_WEIGHT_LEVELS = 255


def convolutions(model: Any) -> Iterator[Any]:
    """The convolutions of a network that may be computed in 8 bits, in the order of computation."""
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Convolution":
            continue
        weights = node.input_value(1).get_node()
        if weights.get_type_name() == "Constant" and weights.data.shape[1] >= _LEAST_CHANNELS:
            yield node


def in_eight_bits(model: Any, name: str) -> None:
    """Mark the convolutions of the network `name` for 8 bits; those without a known range stay as they are."""
    known = _ranges().get(name, {})
    for node in list(convolutions(model)):
        if node.get_friendly_name() not in known:
            continue
        low, high = (np.float32(bound) for bound in _levels(*known[node.get_friendly_name()]))
        weights = node.input_value(1).get_node().data
        most = 2 * np.abs(weights).max(axis=(1, 2, 3), keepdims=True).astype(np.float32)
        values = opset13.fake_quantize(node.input_value(0), low, high, low, high, _LEVELS)
        rounded = opset13.fake_quantize(node.input_value(1), -most, most, -most, most, _WEIGHT_LEVELS)
        node.input(0).replace_source_output(values.output(0))
        node.input(1).replace_source_output(rounded.output(0))


def _levels(low: float, high: float) -> tuple[float, float]:
    """The range as the kernels for AVX2 take it: from 0, or with 0 in the middle; a shifted one would cost all gain."""
    if low >= 0.0:
        return 0.0, max(high, 0.001)
    most = max(-low, high, 0.001)
    return -most * 128 / 127, most


@cache
def _ranges() -> dict[str, dict[str, tuple[float, float]]]:
    read: dict[str, dict[str, tuple[float, float]]] = json.loads(RANGES.read_text(encoding="utf-8"))
    return read
