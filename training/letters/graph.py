"""The recogniser's body as a torch module, its weights to be learnt: OpenVINO's graph, step by step.

    body = Body(prepared(openvino.Core().read_model(path)));  body(strips)

`strips` are batch x 3 x 32 x width, as `blob_of` makes them; out come batch x frames x features, equal to what OpenVINO
computes in 32 bits but for rounding (`tests/training/test_letters.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

#: Constants of fewer values are sizes and axes, not weights.
_FEWEST_WEIGHTS = 8
_PLAIN_DIMENSIONS = 4
_Known = Mapping[str, Any]
_Op = Callable[[_Known, list[Any]], Any]


@dataclass(frozen=True, slots=True)
class _Step:
    """One operation: what it is called, what it does with what, and what the graph says of it."""

    name: str
    kind: str
    given: tuple[str, ...]
    known: Mapping[str, Any]


class Body(nn.Module):
    """A graph's steps in order; each of its weights is a parameter, named as in the graph with dots as `__`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._steps: list[_Step] = []
        self._sizes: dict[str, Any] = {}
        for node in model.get_ordered_ops():
            kind, name = node.get_type_name(), node.get_friendly_name()
            if kind != "Constant":
                given = tuple(_source(one.get_source_output()) for one in node.inputs())
                self._steps.append(_Step(name, kind, given, dict(node.get_attributes())))
            elif node.data.dtype != np.float32:
                self._sizes[name] = node.data.tolist()
            elif node.data.size >= _FEWEST_WEIGHTS:
                self.register_parameter(_parameter(name), nn.Parameter(torch.from_numpy(node.data.copy())))
            else:
                self.register_buffer(_parameter(name), torch.from_numpy(node.data.copy()))

    def forward(self, strips: torch.Tensor) -> torch.Tensor:
        """Batch x 3 x 32 x width to batch x frames x features."""
        held = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        made: dict[str, Any] = {**self._sizes, **{_constant(name): one for name, one in held.items()}}
        for step in self._steps:
            if step.kind == "Parameter":
                made[step.name] = strips
                continue
            given = [made[name] for name in step.given]
            if step.kind == "Result":
                return _tensor(given[0])
            result = _OPS[step.kind](step.known, given)
            if step.kind == "VariadicSplit":
                made |= {f"{step.name}:{at}": part for at, part in enumerate(result)}
            else:
                made[step.name] = result
        raise ValueError("the graph has no result")

    def weights(self) -> dict[str, torch.Tensor]:
        """Every weight, by the name of its constant in the graph."""
        return {_constant(name): one for name, one in self.named_parameters()}


def _source(output: Any) -> str:
    """What an output is called: one of several by its number, too."""
    node = output.get_node()
    name = str(node.get_friendly_name())
    return f"{name}:{output.get_index()}" if node.get_type_name() == "VariadicSplit" else name


def _constant(parameter: str) -> str:
    return parameter.replace("__", ".")


def _parameter(name: str) -> str:
    return name.replace(".", "__")


def _tensor(value: Any) -> torch.Tensor:
    assert isinstance(value, torch.Tensor)
    return value


def _padded(known: _Known, x: torch.Tensor, value: float) -> torch.Tensor:
    (top, left), (bottom, right) = known["pads_begin"], known["pads_end"]
    if known["auto_pad"] == "same_upper":  # every kernel of this kind is 2 x 2 and moves by 1
        top, left, bottom, right = 0, 0, 1, 1
    return functional.pad(x, (left, right, top, bottom), value=value)


def _convolution(known: _Known, given: list[Any]) -> torch.Tensor:
    x, weight = given
    groups = 1
    if weight.dim() > _PLAIN_DIMENSIONS:  # a group of its own each
        groups, weight = weight.shape[0], weight.flatten(0, 1)
    return functional.conv2d(_padded(known, x, 0.0), weight, None, known["strides"], groups=groups)


def _max_pool(known: _Known, given: list[Any]) -> torch.Tensor:
    return functional.max_pool2d(_padded(known, given[0], -torch.inf), known["kernel"], known["strides"])


def _avg_pool(known: _Known, given: list[Any]) -> torch.Tensor:
    return functional.avg_pool2d(given[0], known["kernel"], known["strides"])


def _matmul(known: _Known, given: list[Any]) -> torch.Tensor:
    one, other = given
    return _tensor((one.mT if known["transpose_a"] else one) @ (other.mT if known["transpose_b"] else other))


def _norm(known: _Known, given: list[Any]) -> torch.Tensor:
    x, scale, bias, mean, variance = given
    epsilon = known["epsilon"]
    return functional.batch_norm(x, mean.detach(), variance.detach(), scale, bias, False, 0.0, epsilon)


def _reshape(_known: _Known, given: list[Any]) -> Any:
    x, sizes = given
    if not isinstance(x, torch.Tensor):
        return x[0] if isinstance(x, list) and not sizes else x
    whole = [x.shape[at] if size == 0 and at < x.dim() else size for at, size in enumerate(sizes)]
    return x.reshape(whole)


def _slice(_known: _Known, given: list[Any]) -> Any:
    x, starts, stops, steps, *axes = given
    if not isinstance(x, torch.Tensor):
        return x[starts[0] : stops[0] : steps[0]]
    for start, stop, step, axis in zip(starts, stops, steps, axes[0] if axes else range(len(starts)), strict=True):
        index = [slice(None)] * x.dim()
        index[axis] = slice(start, stop, step)
        x = x[tuple(index)]
    return x


def _squeeze(_known: _Known, given: list[Any]) -> Any:
    x, axes = given
    if not isinstance(x, torch.Tensor):
        return x[0]
    for axis in sorted(axes, reverse=True):
        x = x.squeeze(axis)
    return x


def _concat(known: _Known, given: list[Any]) -> Any:
    if not isinstance(given[0], torch.Tensor):
        return [one for part in given for one in part]
    return torch.cat(given, known["axis"])


def _split(_known: _Known, given: list[Any]) -> list[Any]:
    x, _, lengths = given
    parts, begin = [], 0
    for length in (len(x) - sum(one for one in lengths if one > 0) if one < 0 else one for one in lengths):
        parts.append(x[begin : begin + length])
        begin += length
    return parts


def _plain(made: Callable[..., Any]) -> _Op:
    return lambda _known, given: made(*given)


def _divided(_known: _Known, given: list[Any]) -> Any:
    one, other = given
    return one / other if isinstance(one, torch.Tensor) else [a // b for a, b in zip(one, other, strict=True)]


_OPS: Mapping[str, _Op] = {
    "Convolution": _convolution,
    "GroupConvolution": _convolution,
    "MaxPool": _max_pool,
    "AvgPool": _avg_pool,
    "MatMul": _matmul,
    "BatchNormInference": _norm,
    "Add": _plain(torch.add),
    "Multiply": _plain(torch.mul),
    "Subtract": _plain(torch.sub),
    "Divide": _divided,
    "Power": _plain(torch.pow),
    "Sqrt": _plain(torch.sqrt),
    "Erf": _plain(torch.erf),
    "Relu": _plain(torch.relu),
    "Sigmoid": _plain(torch.sigmoid),
    "HardSigmoid": _plain(lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1)),
    "Softmax": lambda known, given: given[0].softmax(known["axis"]),
    "ReduceMean": lambda known, given: given[0].mean(given[1], keepdim=known["keep_dims"]),
    "Transpose": _plain(lambda x, order: x.permute(order)),
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _plain(lambda x, _axes: [x]),
    "Concat": _concat,
    "VariadicSplit": _split,
    "Broadcast": _plain(lambda x, _sizes: x),
    "ShapeOf": _plain(lambda x: list(x.shape)),
    "Identity": _plain(lambda x: x),
}
