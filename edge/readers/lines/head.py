"""The recogniser's head: what each frame of a strip holds, from the features that the body made of it.

It has 18,710 classes, and 90 KB of scores for a frame of them all; only frames that hold a character are turned into
probabilities. Softmax and the search for the best class inside the network took 1.8 ms of a line's 14.4 ms; what
replaces them takes 0.3 ms.

The classes are scored in steps (`usual.txt`, made by `training/usual.py`): first what Latin text is made of and what
looks like it, then the usual classes, a seventh of all, then all. Where the best of a step is sure, no other class
comes near it, and the next step sees the other frames only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13

from edge.readers.lines.cyrillic import Cyrillic
from edge.readers.lines.glyphs import LEAST_ALTERNATIVE, MOST_ALTERNATIVES
from edge.readers.lines.weights import RECOGNISER, USUAL, Network, Tensor, weight_file

#: Classes whose score is this far below the best are left out of the sum of all: together under 0.00004 of it.
_FAR_BELOW = 20.0
#: Where the best class of a step has this score, no class of a later one comes near it. Of 1266 lines of photographs
#: and of drawn plates, half of them spoilt, all were read as by all classes; of 14,969 characters the confidence of 146
#: was more than 0.001 off, and at most 0.006.
SURE_SCORES = (18.0, 16.0)
#: Softmax, an identity, a sum and a product: what the head is made of, from its end.
_HEAD_NODES = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a strip: its best character (none: blank), that one's probability, and others with theirs."""

    text: str = ""
    probability: float = 1.0
    others: tuple[tuple[str, float], ...] = ()


_BLANK = Frame()


@dataclass(frozen=True, slots=True)
class _Step:
    """Some of the classes, or all of them, and the score from which the best one of them is certain."""

    network: Network
    texts: tuple[str, ...]
    sure: float


class Head:
    """The head, loaded; a stream's calls take turns."""

    def __init__(self, *, threads: int, cache_dir: Path | None = None) -> None:
        settings: dict[str, Any] = {"threads": threads, "streams": threads, "cache_dir": cache_dir}
        self._steps = [_step(number, sure, settings) for number, sure in enumerate((*SURE_SCORES, -np.inf))]
        self._cyrillic = Cyrillic(threads=threads, cache_dir=cache_dir)

    def frames(self, stream: int, features: Tensor) -> tuple[list[Frame], dict[int, Frame]]:
        """What each frame holds, from frames x features; and those, by number, that rather hold a Cyrillic letter.

        Raises:
            ReaderError: the network did not run.
        """
        frames = [_BLANK] * len(features)
        best = np.empty(len(features), np.float32)
        left = np.arange(len(features))
        for step in self._steps:
            scores = step.network.run(stream, features[left])[0]
            most = scores.max(axis=1)
            best[left] = most
            certain = most >= step.sure
            for at, frame in zip(left[certain].tolist(), frames_of(scores[certain], step.texts), strict=True):
                frames[at] = frame
            left = left[~certain]
            if not len(left):
                break
        letters = self._cyrillic.letters(stream, features, best)
        return frames, {at: Frame(*letter) for at, letter in letters.items()}


def _step(number: int, sure: float, settings: Mapping[str, Any]) -> _Step:
    texts: tuple[str, ...] = ()

    def prepare(model: Any) -> Any:
        nonlocal texts
        alphabet = alphabet_of(model)
        classes = [*steps_of(alphabet), list(range(len(alphabet)))][number]
        texts = tuple(alphabet[one] for one in classes)
        _, weights, bias = inputs_of(model)
        features = opset13.parameter([-1, weights.shape[0]], np.float32)
        product = opset13.matmul(features, opset13.constant(np.ascontiguousarray(weights[:, classes])), False, False)
        scores = opset13.add(product, opset13.constant(bias[classes]))
        return ov.Model([opset13.result(scores)], [features])

    network = Network(RECOGNISER, prepare, **settings)  # `texts` are known once it is prepared
    return _Step(network, texts, sure)


def alphabet_of(model: Any) -> tuple[str, ...]:
    """What each class of the network's stands for; the blank's is empty.

    Raises:
        ValueError: the weights' dictionary does not fit its classes.
    """
    characters = str(model.get_rt_info(["framework", "character"]).value)
    alphabet = ("", *characters.removesuffix("\n").split("\n"), " ")
    classes = model.output(0).get_partial_shape()[2].get_length()
    if len(alphabet) != classes:
        raise ValueError(f"its dictionary has {len(alphabet)} entries for {classes} classes")
    return alphabet


def steps_of(alphabet: Sequence[str]) -> list[list[int]]:
    """The numbers of the classes that are scored in each step before the last, the blank's first; each holds the last.

    Raises:
        ValueError: a usual character is none of the dictionary's.
    """
    numbers = {text: number for number, text in enumerate(alphabet)}
    wanted, steps = "", []
    for line in USUAL.read_text(encoding="utf-8").removesuffix("\n").split("\n"):
        wanted += line
        if unknown := [character for character in wanted if character not in numbers]:
            raise ValueError(f"{USUAL.name} has {unknown[0]!r}, which its dictionary has not: run training/usual.py")
        steps.append(sorted({0, *(numbers[character] for character in wanted)}))
    return steps


def weights_of_head() -> tuple[tuple[str, ...], Tensor, Tensor]:
    """The alphabet, and the head's weights, features x classes, with their bias."""
    model = ov.Core().read_model(weight_file(RECOGNISER))
    _, weights, bias = inputs_of(model)
    return alphabet_of(model), weights, bias


def inputs_of(model: Any) -> tuple[Any, Tensor, Tensor]:
    """The features that go into the head, 1 x frames x features; its weights and its bias.

    Raises:
        ValueError: the network does not end in a product, a sum and a softmax.
    """
    nodes = [model.get_results()[0].input_value(0).get_node()]
    while len(nodes) < _HEAD_NODES:
        nodes.append(nodes[-1].input_value(0).get_node())
    softmax, add, product = (node for node in nodes if node.get_type_name() != "Identity")
    if [node.get_type_name() for node in (softmax, add, product)] != ["Softmax", "Add", "MatMul"]:
        raise ValueError(
            f"it ends in {[node.get_type_name() for node in nodes]}, not in a product, a sum and a softmax"
        )
    weights, bias = (node.input_value(1).get_node().data.copy() for node in (product, add))
    features = product.input_value(0)
    if product.get_attributes()["transpose_a"]:  # a change of shape lets the product swallow the transpose before it
        features = opset13.transpose(features, np.array([0, 2, 1])).output(0)
    return features, weights, bias.reshape(-1)


def frames_of(scores: Tensor, alphabet: Sequence[str]) -> list[Frame]:
    """What each frame holds, from frames x scores; class 0 is the blank, and never told of."""
    frames = [_BLANK] * len(scores)
    kinds = scores.argmax(axis=1)
    held = np.flatnonzero(kinds)
    if not len(held):
        return frames
    best = scores[held, kinds[held]]
    # A frame at a time, while its scores are at hand; what follows is of a few of them, for all frames at once.
    near = [np.flatnonzero(scores[n] > least) for n, least in zip(held, best - _FAR_BELOW, strict=True)]
    sizes = np.array([len(one) for one in near])
    classes, starts = np.concatenate(near), np.cumsum(sizes) - sizes
    shares = np.exp(scores[held.repeat(sizes), classes] - best.repeat(sizes))
    sums = np.add.reduceat(shares, starts)
    facts = (one.tolist() for one in (held, kinds[held], starts, sizes, sums))
    for n, kind, start, size, total in zip(*facts, strict=True):
        probability = min(1.0, 1.0 / total)  # of the best class, whose share is e to the power of 0
        others: tuple[tuple[str, float], ...] = ()
        if probability <= 1 - LEAST_ALTERNATIVE:
            mine, beside = shares[start : start + size] / total, classes[start : start + size]
            likely = np.flatnonzero(mine >= LEAST_ALTERNATIVE)
            ranked = sorted((-float(mine[at]), int(beside[at])) for at in likely if beside[at] not in (0, kind))
            others = tuple((alphabet[other], -minus) for minus, other in ranked[:MOST_ALTERNATIVES])
        frames[n] = Frame(alphabet[kind], probability, others)
    return frames
