"""Read strips of one text line each: PP-OCRv6 recogniser on OpenVINO, decoded with what every character could else be.

The network was trained on strips 48 px high; here it gets 32 px, with its last pooling two rows high instead of three.
Measured on 200 drawn lines in 30 fonts: exact 0.995 at 40 % of the cost of 48 px, where the text fills the strip.
What it costs follows the width alone, so a strip is as narrow as its text and never padded to a common width.

Confidence of a character: the greatest probability of its class over the frames of its run. A run's flanks are
shared with the blank by construction, so their mean or minimum measures the width of the character, not the doubt; at
the peak the network has committed itself. Runners-up are taken from that same frame, where blank counts as none.

The network is cut in two. Its body runs a strip at a time; its head, 18,710 scores a frame, for the frames of a few
strips, and only frames that hold a character are turned into probabilities. Softmax and the search for the best
class inside the network took 1.8 ms of a line's 14.4 ms; what replaces them takes 0.3 ms.

The head scores the usual classes first, a seventh of all (`usual.txt`, made by `training/usual.py`): where the best of
them is sure, no other one comes near it, and all are scored for the other frames only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13

from edge.readers.lines.weights import RECOGNISER, USUAL, Network, Tensor, blob_of, weight_file
from edge.readers.reader import Image

HEIGHT_PX = 32
#: Widths are rounded up to this: the network has kernels for each width, made when one first comes.
STEP_PX = 8
MAX_WIDTH_PX = 1600
#: Widths that the network is compiled for by itself. Of 1202 lines of drawn plates and 481 of photographs, each drawn a
#: little wider to the next of these, the pixels become 4 and 5 % more; 26 MB each. Wider lines are rare.
WIDTHS_PX = (48, 64, 80, 96, 112, 128, 144, 160, 176, 200, 232, 264, 296, 328, 368, 416, 456, 496, 576)
#: One frame of the lattice is this wide.
FRAME_PX = 8
#: Frames that the head is given at a time, or more, unless hardly any strips are left; memory is 75 kB a frame.
_HEAD_FRAMES = 64
_LAST_STRIPS = 2
#: Classes whose score is this far below the best are left out of the sum of all: together under 0.00004 of it.
_FAR_BELOW = 20.0
_MOST_ALTERNATIVES = 5
_LEAST_ALTERNATIVE = 0.001
#: Where the best usual class has this score, no other comes near it. Of 1398 lines of photographs and of drawn plates,
#: half of them spoilt, all were read as by all classes; of 18,000 characters one's confidence was 0.002 off.
SURE_SCORE = 16.0
#: Softmax, an identity, a sum and a product: what the head is made of, from its end.
_HEAD_NODES = 4


@dataclass(frozen=True, slots=True)
class Glyph:
    """One character of a strip: what it is, how sure, what else it could be, and from where to where (0 to 1)."""

    text: str
    confidence: float
    alternatives: tuple[tuple[str, float], ...]
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a strip: its best character (none: blank), that one's probability, and others with theirs."""

    text: str = ""
    probability: float = 1.0
    others: tuple[tuple[str, float], ...] = ()


_BLANK = Frame()

#: Cuts a strip out of its frame.
Cut = Callable[[], Image]


class Recogniser:
    """The recogniser, loaded."""

    def __init__(self, *, threads: int, cache_dir: Path | None = None) -> None:
        self._alphabet: tuple[str, ...] = ()
        self._usual: tuple[str, ...] = ()
        settings: dict[str, Any] = {"threads": threads, "streams": threads, "cache_dir": cache_dir}
        self._network = Network(RECOGNISER, self._prepare, **settings)
        self._head = Network(RECOGNISER, head_of, **settings)
        self._usual_head = Network(RECOGNISER, self._prepare_usual, **settings)

    def warm(self) -> None:
        """Compile the network for every usual width now: lines are read faster then, and memory stays flat.

        Raises:
            ReaderError: the network cannot be compiled, or did not run.
        """
        self._network.fix([(1, 3, HEIGHT_PX, width) for width in WIDTHS_PX])
        self.read([partial(_blank_strip, width) for width in WIDTHS_PX for _ in range(2)])

    def _prepare(self, model: Any) -> Any:
        model, self._alphabet = prepared(model)
        return model

    def _prepare_usual(self, model: Any) -> Any:
        classes = usual_classes(self._alphabet)
        self._usual = tuple(self._alphabet[one] for one in classes)
        return head_of(model, classes)

    def read(self, cuts: Sequence[Cut]) -> list[tuple[Glyph, ...]]:
        """Cut strips and read them, a result each; a strip without text gives no glyph.

        Strips are cut where they are read, while another is read: begin with those that take longest. Each must be
        `HEIGHT_PX` high and a multiple of `STEP_PX` wide.

        Raises:
            ReaderError: the network did not run.
            cv2.error: a strip could not be cut.
        """
        seen = _Seen(len(cuts))

        def take(stream: int, number: int, outputs: list[Any]) -> None:
            for numbers, features in seen.ready(number, outputs[0][0]):
                frames = iter(self._frames(stream, features))
                for one, count in numbers:
                    seen.glyphs[one] = decode([next(frames) for _ in range(count)])

        self._network.infer([partial(_blob_cut, cut) for cut in cuts], take)
        return [seen.glyphs[number] for number in range(len(cuts))]

    def _frames(self, stream: int, features: Tensor) -> list[Frame]:
        """What each frame holds: by the usual classes where they are sure, else by all."""
        scores = self._usual_head.run(stream, features)[0]
        doubtful = np.flatnonzero(scores.max(axis=1) < SURE_SCORE)
        frames = frames_of(scores, self._usual)
        if len(doubtful):
            of_all = frames_of(self._head.run(stream, features[doubtful])[0], self._alphabet)
            for at, frame in zip(doubtful.tolist(), of_all, strict=True):
                frames[at] = frame
        return frames

    def features(self, cuts: Sequence[Cut]) -> list[Tensor]:
        """What the body makes of strips, each frames x features: what the head is given.

        Raises:
            ReaderError: the network did not run.
        """
        made: dict[int, Tensor] = {}

        def take(_stream: int, number: int, outputs: list[Any]) -> None:
            made[number] = outputs[0][0].copy()

        self._network.infer([partial(_blob_cut, cut) for cut in cuts], take)
        return [made[number] for number in range(len(cuts))]


def _blank_strip(width: int) -> Image:
    return np.zeros((HEIGHT_PX, width, 3), np.uint8)


def _blob_cut(cut: Cut) -> Tensor:
    return blob_of(cut())


class _Seen:
    """What the body has seen of strips and the head has not; threads of one reading share it.

    The head costs 115 us a frame for 20 frames and 91 us for 64, so that it waits until there are some; and once all
    strips are under way it waits no more, so that no stream stands idle while another one ends.
    """

    def __init__(self, count: int) -> None:
        self.glyphs: dict[int, tuple[Glyph, ...]] = {}
        self._lock = threading.Lock()
        self._left = count
        self._waiting: list[tuple[int, Tensor]] = []

    def ready(self, number: int, features: Tensor) -> Iterator[tuple[list[tuple[int, int]], Tensor]]:
        """Take a strip's features; give what is to go into the head now: strips with their frames, and features."""
        with self._lock:
            self._left -= 1
            self._waiting.append((number, features.copy()))
            if self._left >= _LAST_STRIPS and sum(len(one) for _, one in self._waiting) < _HEAD_FRAMES:
                return
            taken, self._waiting = self._waiting, []
        yield [(one, len(each)) for one, each in taken], np.concatenate([each for _, each in taken])


def prepared(model: Any) -> tuple[Any, tuple[str, ...]]:
    """The network's body for strips `HEIGHT_PX` high of any width, giving 1 x frames x features; and the alphabet.

    Raises:
        ValueError: the weights' dictionary does not fit its classes.
    """
    characters = str(model.get_rt_info(["framework", "character"]).value)
    alphabet = ("", *characters.removesuffix("\n").split("\n"), " ")
    classes = model.output(0).get_partial_shape()[2].get_length()
    if len(alphabet) != classes:
        raise ValueError(f"its dictionary has {len(alphabet)} entries for {classes} classes")
    for node in model.get_ordered_ops():
        if node.get_type_name() == "AvgPool":
            size = [HEIGHT_PX // 16, 2]
            pool = opset13.avg_pool(node.input_value(0), size, [0, 0], [0, 0], size, True, "floor", "explicit")
            node.output(0).replace(pool.output(0))
    model.reshape([1, 3, HEIGHT_PX, ov.Dimension()])
    features, _, _ = _head_inputs(model)
    return ov.Model([opset13.result(features)], model.get_parameters()), alphabet


def usual_classes(alphabet: Sequence[str]) -> list[int]:
    """The numbers of the usual classes; the blank's is the first.

    Raises:
        ValueError: a usual character is none of the dictionary's.
    """
    numbers = {text: number for number, text in enumerate(alphabet)}
    wanted = USUAL.read_text(encoding="utf-8").removesuffix("\n")
    if unknown := [character for character in wanted if character not in numbers]:
        raise ValueError(f"{USUAL.name} has {unknown[0]!r}, which its dictionary has not: run training/usual.py")
    return sorted({0, *(numbers[character] for character in wanted)})


def weights_of_head() -> tuple[tuple[str, ...], Tensor, Tensor]:
    """The alphabet, and the head's weights, features x classes, with their bias."""
    core = ov.Core()
    path = weight_file(RECOGNISER)
    _, weights, bias = _head_inputs(core.read_model(path))
    return prepared(core.read_model(path))[1], weights, bias.reshape(-1)


def head_of(model: Any, classes: Sequence[int] | None = None) -> Any:
    """The network's head alone: frames x features in, frames x scores of classes out (else all), before the softmax."""
    _, weights, bias = _head_inputs(model)
    if classes is not None:
        weights, bias = np.ascontiguousarray(weights[:, classes]), bias.reshape(-1)[list(classes)]
    features = opset13.parameter([-1, weights.shape[0]], np.float32)
    scores = opset13.add(opset13.matmul(features, opset13.constant(weights), False, False), opset13.constant(bias))
    return ov.Model([opset13.result(scores)], [features])


def _head_inputs(model: Any) -> tuple[Any, Tensor, Tensor]:
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
    return features, weights, bias


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
        if probability <= 1 - _LEAST_ALTERNATIVE:
            mine, beside = shares[start : start + size] / total, classes[start : start + size]
            likely = np.flatnonzero(mine >= _LEAST_ALTERNATIVE)
            ranked = sorted((-float(mine[at]), int(beside[at])) for at in likely if beside[at] not in (0, kind))
            others = tuple((alphabet[other], -minus) for minus, other in ranked[:_MOST_ALTERNATIVES])
        frames[n] = Frame(alphabet[kind], probability, others)
    return frames


def decode(frames: Sequence[Frame]) -> tuple[Glyph, ...]:
    """Decode one strip's frames: a run of one character is that character once."""
    glyphs: list[Glyph] = []
    begin = 0
    for text, run in groupby(frames, key=lambda frame: frame.text):
        held = list(run)
        end = begin + len(held)
        if text:
            peak = max(held, key=lambda frame: frame.probability)
            glyphs.append(Glyph(text, peak.probability, peak.others, begin / len(frames), end / len(frames)))
        begin = end
    return tuple(glyphs)
