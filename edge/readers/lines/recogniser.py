"""Read strips of one text line each: PP-OCRv6 recogniser on OpenVINO, decoded with what every character could else be.

The network was trained on strips 48 px high; here it gets 32 px, with its last pooling two rows high instead of three.
Measured on 200 drawn lines in 30 fonts: exact 0.995 at 40 % of the cost of 48 px, where the text fills the strip.
What it costs follows the width alone, so a strip is as narrow as its text and never padded to a common width.

Confidence of a character: the greatest probability of its class over the frames of its run. A run's flanks are
shared with the blank by construction, so their mean or minimum measures the width of the character, not the doubt; at
the peak the network has committed itself. Runners-up are taken from that same frame, where blank counts as none.

The network is cut in two. Its body runs a strip at a time; its head (`head.py`) sees the frames of a few strips.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset13

from edge.readers.lines.body import teach
from edge.readers.lines.cyrillic import merged
from edge.readers.lines.glyphs import Glyph, Glyphs
from edge.readers.lines.head import Frame, Head, inputs_of
from edge.readers.lines.twins import told_apart
from edge.readers.lines.weights import RECOGNISER, Make, Network, Tensor, blob_of
from edge.readers.reader import Image

HEIGHT_PX = 32
#: Widths are multiples of this: the network has kernels for each width, made when one first comes.
STEP_PX = 8
#: Widths that the network is compiled for by itself. Of 1202 lines of drawn plates and 481 of photographs, each drawn a
#: little wider to the next of these, the pixels become 4 and 5 % more; 39 MB each for two streams. Wider ones are rare.
WIDTHS_PX = (48, 64, 80, 96, 112, 128, 144, 160, 176, 200, 232, 264, 296, 328, 368, 416, 456, 496, 576)
#: Rarer widths, for which the network has kernels, 6 MB each for every stream.
RARE_WIDTHS_PX = (16, 24, 32, 656, 752, 864, 992, 1136, 1320, 1600)
MAX_WIDTH_PX = RARE_WIDTHS_PX[-1]
#: One frame of the lattice is this wide.
FRAME_PX = 8
#: Frames that the head is given at a time, or more, unless hardly any strips are left; memory is 75 kB a frame.
_HEAD_FRAMES = 256
_LAST_STRIPS = 2
#: With so many strips left it is given what there is: lines in doubt are then read again while those are read.
_EARLY = 4


#: Cuts a strip out of its frame.
Cut = Callable[[], Image]
#: Gives another cut of a strip, by its number and what was read in it; None where that is enough.
Again = Callable[[int, Glyphs], Cut | None]


class Recogniser:
    """The recogniser, loaded."""

    def __init__(self, *, threads: int, cache_dir: Path | None = None) -> None:
        self._network = Network(RECOGNISER, prepared, threads=threads, streams=threads, cache_dir=cache_dir)
        self._head = Head(threads=threads, cache_dir=cache_dir)

    @property
    def streams(self) -> int:
        """How many strips are read at a time."""
        return self._network.streams

    def warm(self) -> None:
        """Compile the network for every usual width now: lines are read faster then, and memory stays flat.

        Raises:
            ReaderError: the network cannot be compiled, or did not run.
        """
        self._network.fix([(1, 3, HEIGHT_PX, width) for width in WIDTHS_PX])
        for stream in range(self.streams):
            for width in (*WIDTHS_PX, *RARE_WIDTHS_PX):
                features = self._network.run(stream, blob_of(_noise(width)))[0][0]
                self._head.frames(stream, features)

    def read(self, cuts: Sequence[Cut]) -> list[Glyphs]:
        """Cut strips and read them, a result each; a strip without text gives no glyph.

        Strips are cut where they are read, while another is read: begin with those that take longest. Each must be
        `HEIGHT_PX` high and a multiple of `STEP_PX` wide.

        Raises:
            ReaderError: the network did not run.
            cv2.error: a strip could not be cut.
        """
        return self.read_again(cuts, never)[0]

    def read_again(self, cuts: Sequence[Cut], again: Again) -> tuple[list[Glyphs], dict[int, Glyphs]]:
        """The same, and a second reading of those for which `again` gives another cut, by their numbers.

        `again` is called from several threads, as soon as a strip has been read; the second strip is read next.

        Raises:
            ReaderError: the network did not run.
            cv2.error: a strip could not be cut.
        """
        seen = _Seen(len(cuts))
        count = len(cuts)

        def take(stream: int, number: int, outputs: list[Any]) -> list[tuple[int, Make]]:
            further: list[tuple[int, Make]] = []
            for numbers, features in seen.ready(number, outputs[0][0]):
                frames, cyrillic = self._head.frames(stream, features)
                end = 0
                for one, length in numbers:
                    begin, end = end, end + length
                    glyphs = told_apart(decode(frames[begin:end]), features[begin:end])
                    if any(begin <= at < end for at in cyrillic):
                        glyphs = merged(glyphs, decode([cyrillic.get(at, frames[at]) for at in range(begin, end)]))
                    seen.glyphs[one] = glyphs
                    cut = again(one, seen.glyphs[one]) if one < count else None
                    if cut is not None:
                        further.append((count + one, partial(_blob_cut, cut)))
            seen.expect(len(further))
            return further

        self._network.infer([partial(_blob_cut, cut) for cut in cuts], take)
        second = {number - count: glyphs for number, glyphs in seen.glyphs.items() if number >= count}
        return [seen.glyphs[number] for number in range(count)], second

    def features(self, cuts: Sequence[Cut]) -> list[Tensor]:
        """What the body makes of strips, each frames x features: what the head is given.

        Raises:
            ReaderError: the network did not run.
        """
        made: dict[int, Tensor] = {}

        def take(_stream: int, number: int, outputs: list[Any]) -> tuple[()]:
            made[number] = outputs[0][0].copy()
            return ()

        self._network.infer([partial(_blob_cut, cut) for cut in cuts], take)
        return [made[number] for number in range(len(cuts))]


def never(_number: int, _glyphs: Glyphs) -> None:
    """No strip is read again."""


def _noise(width: int) -> Image:
    """A strip of which the head can be sure of nothing, so that every step of it sees all frames."""
    return np.random.default_rng(width).integers(0, 256, (HEIGHT_PX, width, 3), np.uint8)


def _blob_cut(cut: Cut) -> Tensor:
    return blob_of(cut())


class _Seen:
    """What the body has seen of strips and the head has not; threads of one reading share it.

    The head's last step reads 9 MB of weights however few frames are in doubt, so that it waits for many frames (0.976
    of the lines' time with 128 of them, not 64); once all strips are under way it waits no more, so that no stream
    stands idle while another one ends.
    """

    def __init__(self, count: int) -> None:
        self.glyphs: dict[int, Glyphs] = {}
        self._lock = threading.Lock()
        self._left = count
        self._waiting: list[tuple[int, Tensor]] = []

    def expect(self, count: int) -> None:
        """There are so many strips more."""
        with self._lock:
            self._left += count

    def ready(self, number: int, features: Tensor) -> Iterator[tuple[list[tuple[int, int]], Tensor]]:
        """Take a strip's features; give what is to go into the head now: strips with their frames, and features."""
        with self._lock:
            self._left -= 1
            self._waiting.append((number, features.copy()))
            many = sum(len(one) for _, one in self._waiting) >= _HEAD_FRAMES
            if not many and self._left >= _LAST_STRIPS and self._left != _EARLY:
                return
            taken, self._waiting = self._waiting, []
        yield [(one, len(each)) for one, each in taken], np.concatenate([each for _, each in taken])


def prepared(model: Any) -> Any:
    """The network's body as it is used: taught, and shaped for strips.

    Raises:
        ValueError: it is not the network that the body was taught from, or does not end as its head does.
    """
    teach(model)
    return shaped(model)


def shaped(model: Any) -> Any:
    """The network's body for strips `HEIGHT_PX` high of any width, giving 1 x frames x features.

    Raises:
        ValueError: the network does not end as its head does.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "AvgPool":
            size = [HEIGHT_PX // 16, 2]
            pool = opset13.avg_pool(node.input_value(0), size, [0, 0], [0, 0], size, True, "floor", "explicit")
            node.output(0).replace(pool.output(0))
    model.reshape([1, 3, HEIGHT_PX, ov.Dimension()])
    features, _, _ = inputs_of(model)
    return ov.Model([opset13.result(features)], model.get_parameters())


def decode(frames: Sequence[Frame]) -> Glyphs:
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
