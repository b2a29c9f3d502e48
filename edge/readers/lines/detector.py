"""Find text lines: PP-OCRv6 detector on OpenVINO, its map cut into rectangles along the text.

The network marks the shrunken core of each line (differentiable binarization); a rectangle round the core is grown to
the height of the text. The usual growth (1.6 x area / perimeter) makes boxes twice as high as the text, and half of
every strip blank: measured on 245 lines of 40 drawn plates, text is 1.31 cores high (2 %: 1.12, 98 %: 1.53) and longer
than its core by 0.6 cores (98 %: 0.9). The growth here leaves the margin that the recogniser reads best with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino as ov
from openvino import opset13

from edge.core.reading import Quad
from edge.readers.lines.weights import DETECTOR, Network, Tensor, blob_of
from edge.readers.reader import Image

#: Sides of the network's input are multiples of this.
STEP_PX = 32
_CORE = 0.3  # least probability of a pixel in a line's core, as the weights were trained
_LINE = 0.5  # least mean probability of a line
_GROWTH_ACROSS = 0.84  # of the core's height: the box is 1.4 times as high as the text
_GROWTH_ALONG = 1.4
_LEAST_SIDE_PX = 3.0
_LONGER = 1.5  # times its height a core is longer at least where nothing else tells how its text runs
_LONG = 2.5  # so much longer is one that tells itself, and how short ones run
_MOSTLY = 2.0  # so many times longer those one way are together than those the other way, where they tell that
_MOST_LINES = 1000
#: A score this far below zero is a probability of nothing; its exponential would leave 32 bits at 88.
_NEVER = np.float32(60.0)
#: What the network ends in, from its end.
_END = ["Sigmoid", "Add", "ConvolutionBackpropData", "Relu", "Add", "ConvolutionBackpropData"]
#: A core's middle, its width and height, and its turn in degrees.
_Core = tuple[Any, tuple[float, float], float]
#: This network has some 50 kernels a size, 4 MB of them, and parts that lie as they like some 30 sizes: with 600 kept a
#: search took 60 ms, most of them for making kernels anew, with 2000 34 ms.
_MAX_KERNELS = 2000
#: Sizes that fill that: so much memory is taken before the first part comes, or some parts later. Of 168 searches on
#: drawn plates 142 had one of these.
_WARM_PX = [(height, width) for height in range(160, 353, STEP_PX) for width in range(height, 2 * height + 65, STEP_PX)]


@dataclass(frozen=True, slots=True)
class Box:
    """One line of text: its corners, the longer side taken as the reading direction, and the mean probability."""

    quad: Quad
    score: float


class Detector:
    """The detector, loaded."""

    def __init__(self, *, threads: int, cache_dir: Path | None = None) -> None:
        self._network = Network(DETECTOR, prepared, threads=threads, max_kernels=_MAX_KERNELS, cache_dir=cache_dir)

    def warm(self, side_px: int) -> None:
        """Take now what memory searches will need: of the largest one, a square of this side, and of usual ones.

        Raises:
            ReaderError: the network did not run.
        """
        for height, width in [(side_px, side_px), *_WARM_PX]:
            self.find(np.zeros((height, width, 3), np.uint8))

    def find(self, image: Image) -> list[Box]:
        """Find the text lines of an image whose sides are multiples of `STEP_PX`; corners in its pixels.

        Raises:
            ReaderError: the network did not run.
        """
        maps: list[Tensor] = []

        def take(_stream: int, _number: int, outputs: list[Any]) -> tuple[()]:
            maps.append(_probability(outputs[0][0]))
            return ()

        self._network.infer([partial(blob_of, image)], take)
        return boxes_of(maps[0])


def prepared(model: Any) -> Any:
    """The network for images of any size, giving 16 scores for each square of 4 x 4 px.

    It ends in two transposed convolutions whose 2 x 2 px do not overlap, so that both are products within a square. As
    such they take a tenth of the time, the same to 1e-7: the network 0.85 of its time.

    Raises:
        ValueError: the network does not end so.
    """
    model.reshape([1, 3, ov.Dimension(), ov.Dimension()])
    nodes: list[Any] = []
    node = model.get_results()[0].input_value(0).get_node()
    while len(nodes) < len(_END):
        if node.get_type_name() != "Identity":
            nodes.append(node)
        node = node.input_value(0).get_node()
    if [node.get_type_name() for node in nodes] != _END:
        raise ValueError(f"it ends in {[node.get_type_name() for node in nodes]}, not in {_END}")
    _, last_sum, last, _, first_sum, first = nodes
    values, first_bias, weights, bias = (
        node.input_value(1).get_node().data for node in (first, first_sum, last, last_sum)
    )
    channels = values.shape[1]
    spread = values.transpose(2, 3, 1, 0).reshape(4 * channels, -1, 1, 1)  # a row of the first 2 x 2 px after another
    gathered = np.zeros((4, 4, 4, channels), np.float32)
    for place in range(4):
        down, along = divmod(place, 2)
        for inner in range(4):
            gathered[2 * down + inner // 2, 2 * along + inner % 2, place] = weights[:, 0, inner // 2, inner % 2]
    inside = opset13.relu(
        opset13.add(_product(first.input_value(0), spread), opset13.constant(np.tile(first_bias, (1, 4, 1, 1))))
    )
    scores = opset13.add(_product(inside, gathered.reshape(16, -1, 1, 1)), opset13.constant(bias))
    return ov.Model([opset13.result(scores)], model.get_parameters())


def _product(values: Any, weights: Tensor) -> Any:
    kernel = opset13.constant(np.ascontiguousarray(weights, np.float32))
    return opset13.convolution(values, kernel, [1, 1], [0, 0], [0, 0], [1, 1])


def _probability(scores: Tensor) -> Tensor:
    """The map, rows x columns, of 16 scores a square: 16 x rows / 4 x columns / 4."""
    _, down, along = scores.shape
    laid = scores.reshape(4, 4, down, along).transpose(2, 0, 3, 1).reshape(4 * down, 4 * along)
    return np.asarray(1.0 / (1.0 + np.exp(np.minimum(-laid, _NEVER))), np.float32)


def boxes_of(probability: Tensor) -> list[Box]:
    """Cut a probability map into boxes, at most `_MOST_LINES`."""
    mask = cv2.dilate((probability > _CORE).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found: list[tuple[_Core, float]] = []
    for contour in contours[:_MOST_LINES]:
        core = cv2.minAreaRect(contour)
        if min(core[1]) < _LEAST_SIDE_PX:
            continue
        score = _mean_inside(probability, np.asarray(cv2.boxPoints(core), np.float32))
        if score >= _LINE:
            found.append((_upright(core), score))
    standing = _standing([core for core, _ in found])
    return [Box(_quad(core, standing=standing), score) for core, score in found]


def _mean_inside(probability: Tensor, corners: Tensor) -> float:
    """Mean probability inside a rectangle."""
    rows, columns = probability.shape
    points = corners.tolist()  # four points are faster by themselves than as an array
    left, right = (min(max(0, edge), columns - 1) for edge in _bounds([x for x, _ in points]))
    top, bottom = (min(max(0, edge), rows - 1) for edge in _bounds([y for _, y in points]))
    mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(mask, [np.array([(int(x - left), int(y - top)) for x, y in points], np.int32)], (1,))
    window = probability[top : bottom + 1, left : right + 1]
    return float(cv2.mean(window, mask)[0])


def _bounds(values: list[float]) -> tuple[int, int]:
    return math.floor(min(values)), math.ceil(max(values))


def _upright(core: Any) -> _Core:
    """A core's middle, width, height and turn: nearest to upright, at most 45 degrees from it."""
    middle, (width, height), angle = core
    turn = (angle + 45.0) % 180.0 - 45.0  # -45 to 135
    return (middle, (height, width), turn - 90.0) if turn >= 45.0 else (middle, (width, height), turn)


def _standing(cores: Sequence[_Core]) -> bool | None:
    """Whether the long lines of a frame stand; None where as many of them lie."""
    lying = sum(width for _, (width, height), _ in cores if width > _LONG * height)
    stand = sum(height for _, (width, height), _ in cores if height > _LONG * width)
    return stand > lying if max(stand, lying) > _MOSTLY * min(stand, lying) else None


def _quad(core: _Core, *, standing: bool | None) -> Quad:
    """A core's box, in reading order: a long one's text runs along it, left to right or down.

    A short one's (a sign for number, a figure) runs as the long ones of its frame do; where those say nothing, along
    its longer side if that is clearly longer, and else as upright text does.
    """
    centre, (width, height), turn = core
    if height > (_LONGER if standing is None else _LONG) * width or (standing and width <= _LONG * height):
        # A standing line: reads downwards until the recogniser says otherwise.
        turn, width, height = turn + 90.0, height, width
    width, height = width + _GROWTH_ALONG * min(width, height), height + _GROWTH_ACROSS * height
    along = np.array([np.cos(np.radians(turn)), np.sin(np.radians(turn))]) * width / 2
    down = np.array([-np.sin(np.radians(turn)), np.cos(np.radians(turn))]) * height / 2
    middle = np.array(centre)
    first, second, third, fourth = (
        (float(x), float(y))
        for x, y in (middle - along - down, middle + along - down, middle + along + down, middle - along + down)
    )
    return first, second, third, fourth
