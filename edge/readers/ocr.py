"""The embedded reader: locate the text, detect its lines, read each, link them to the product's fields.

Promises: an exception on the way is a `ReaderError`, never an empty reading (L3); a draft changes nothing (L6); what a
line says is what the recogniser saw, printed characters outside a pattern included (L7). All lines that were found
are read: only then may a field be called absent, and a second candidate noticed.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from statistics import median

import cv2

from edge.core.fields import Product
from edge.core.reading import Character, Quad, Reading, TextLine
from edge.errors import ReaderError
from edge.readers import frame_codes
from edge.readers.ahead import Ahead
from edge.readers.lines.glyphs import Glyph, Glyphs, trust
from edge.readers.lines.recogniser import (
    FRAME_PX,
    HEIGHT_PX,
    MAX_WIDTH_PX,
    RARE_WIDTHS_PX,
    WIDTHS_PX,
    Again,
    Cut,
    Recogniser,
    never,
)
from edge.readers.lines.recogniser import STEP_PX as WIDTH_STEP_PX
from edge.readers.lines.rounds import on_a_plate
from edge.readers.lines.search import LineSearch, in_order
from edge.readers.lines.weights import DETECTOR, RECOGNISER, hash_of
from edge.readers.linking.linker import link
from edge.readers.reader import Image, Located
from edge.vision.rectify import between, estimated_characters, resized, size_of, strip, turned

#: Counted up whenever what is read from the same weights may change.
VERSION = "ocr 13"
#: Frames of the recogniser for each estimated character: fewer lose one of two like characters in a row.
_FRAMES = 1.85
#: Bounds of a strip's width, by the width that the text would have at the strip's height.
_NARROWEST = 0.55
_WIDEST = 1.3
#: A strip is drawn as wide as the next width that the network is warmed for, unless it would be less than this much
#: of it: characters that are stretched far are read worse.
_STRETCHED = 0.8
_WARMED_PX = sorted((*WIDTHS_PX, *RARE_WIDTHS_PX))
#: A line is read again, wide, if its least certain character is under this, if it has fewer frames a character than
#: this, or if two characters stand further apart than this many times the usual: one may have been passed over.
_DOUBT = 0.7
#: The same for a line whose box is under this height on the frame, px (a capital of 14 px): of 145 lines of 6 and 8 px
#: 93 were right with it, and 90 without.
_FINE_PX = 20.0
_FINE_DOUBT = 0.9
_LEAST_FRAMES = 1.35
_GAP = 2.2
#: A line whose characters are under this on average may stand upside down.
_SURE = 0.80
#: The same beside a line that was found to.
_SURE_BESIDE = 0.9
#: A line this short says nothing about which way up it stands: a screw looks like an O both ways.
_FEW_GLYPHS = 2
#: A strip is cut in half a millisecond.
_LONGEST_CUT_S = 0.005
#: Lines whose orientation is asked of the recogniser.
_VOTERS = 3


class Ocr:
    """PP-OCRv6 small on OpenVINO. One object may be called from many threads; they take turns."""

    name = "ocr"

    def __init__(self, *, threads: int = 2, cache_dir: Path | None = None, warm: bool = False) -> None:
        # Stages stand side by side here; a pool inside OpenCV would wait by spinning, 14 ms of a processor a frame.
        cv2.setNumThreads(1)
        # A thread that cuts waits no 5 ms for one that measures: 0.99 of the time.
        sys.setswitchinterval(0.0005)
        self._cutters = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="cutters")
        self._search = LineSearch(threads=threads, cache_dir=cache_dir, beside=self._cutters)
        self._recogniser = Recogniser(threads=threads, cache_dir=cache_dir)
        if warm:
            self._search.warm()
            self._recogniser.warm()
        self._beside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="codes")
        self._ahead = Ahead()

    @property
    def hash(self) -> str:
        """SHA-256 (hex) over the weights and the version of what is done with them."""
        return _hash()

    def locate(self, image: Image) -> Located:
        """Find the text lines of an image, in reading order; an image without text gives no boxes.

        The search for codes is begun, and kept for `read`; the reading of the lines is begun, too, as soon as they are
        found: much of this, and the gate after it, needs one core only.

        Raises:
            ReaderError: the detector did not run.
        """
        started = time.perf_counter()
        self._ahead.stop()
        codes = frame_codes.begun(image, self._beside)
        rows, columns = image.shape[:2]
        try:
            boxes = in_order(self._search.lines(image, lambda: codes.found.result()[0]))
        except cv2.error as error:
            raise ReaderError(f"a frame of {columns} x {rows} px could not be searched for text: {error}") from error
        under_way = threading.Semaphore(0)
        self._ahead.begin(image, boxes, partial(self._read_lines, image, boxes, under_way.release))
        # Whoever measures next holds the interpreter, and the first strips would be cut 2 to 3 ms later.
        for _ in boxes[: self._recogniser.streams]:
            under_way.acquire(timeout=_LONGEST_CUT_S)
        return Located(boxes, (columns, rows), (time.perf_counter() - started) * 1e3, codes)

    def lines(self, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        """Read the text in every box, in the order in which a reader of the plate would go, however it lies.

        A box in which nothing is read gives no line. Lines that `locate` began to read are waited for.

        Raises:
            ReaderError: the recogniser did not run.
        """
        ahead = self._ahead.lines(image, boxes)
        return self._read_lines(image, boxes) if ahead is None else ahead

    def _read_lines(
        self, image: Image, boxes: Sequence[Quad], cut_one: Callable[[], None] = lambda: None
    ) -> tuple[TextLine, ...]:
        quads, glyphs = self.glyphs(image, boxes, cut_one)
        told = on_a_plate(glyphs)
        return _as_read(tuple(_line(quad, one) for quad, one in zip(quads, told, strict=True) if _text(one)))

    def glyphs(
        self, image: Image, boxes: Sequence[Quad], cut_one: Callable[[], None] = lambda: None
    ) -> tuple[list[Quad], list[Glyphs]]:
        """Each box as its text stands, with what is read in it by itself; 0 and O are not yet told apart by the plate.

        `cut_one` is called whenever a strip was cut, before it is read.

        Raises:
            ReaderError: the recogniser did not run.
        """
        quads = list(boxes)
        if not quads:
            return [], []
        widths: dict[Quad, int] = {}

        def cut(n: int) -> Image:
            seen = narrow_strip(image, quads[n])
            widths[quads[n]] = seen.shape[1]
            cut_one()
            return seen

        def unsure(n: int, seen: Glyphs) -> bool:
            return _crowded(seen, widths[quads[n]], _doubt(quads[n]))

        def again(n: int, seen: Glyphs) -> Cut | None:
            return partial(wide_strip, image, quads[n]) if unsure(n, seen) and not _doubtful(seen) else None

        glyphs, wide = self._read_longest_first(cut, quads, range(len(quads)), again)
        doubtful = [n for n in range(len(quads)) if _doubtful(glyphs[n])]
        if doubtful:
            self._turn(cut, quads, glyphs, doubtful)
        # Always, not only where it is surer: the better of two would flatter itself.
        left = [n for n in range(len(quads)) if unsure(n, glyphs[n]) and (quads[n] != boxes[n] or n not in wide)]
        glyphs |= {n: seen for n, seen in wide.items() if quads[n] == boxes[n]}
        glyphs |= self._read_longest_first(lambda n: wide_strip(image, quads[n]), quads, left)[0]
        return quads, [glyphs[n] for n in range(len(quads))]

    def _read_longest_first(
        self,
        cut: Callable[[int], Image],
        quads: Sequence[Quad],
        which: Iterable[int],
        again: Again = never,
    ) -> tuple[dict[int, Glyphs], dict[int, Glyphs]]:
        """Read some of the boxes, by number; the longest lines first, so that no stream ends long after another.

        Lines for which `again` gives another cut are read a second time meanwhile; those readings come second.
        """
        order = sorted(which, key=lambda n: -_slenderness(quads[n]))
        first, second = self._recogniser.read_again(
            [partial(cut, n) for n in order], lambda number, seen: again(order[number], seen)
        )
        return dict(zip(order, first, strict=True)), {order[number]: seen for number, seen in second.items()}

    def strips(self, image: Image, boxes: Sequence[Quad]) -> list[Image]:
        """The strips that the recogniser sees first, one a box."""
        return list(self._cutters.map(partial(narrow_strip, image), boxes))

    def _turn(
        self, cut: Callable[[int], Image], quads: list[Quad], glyphs: dict[int, Glyphs], doubtful: list[int]
    ) -> None:
        """Read doubtful lines upside down too; where a plate stands on its head, all of its lines."""
        upright = list(quads)
        voters = sorted(doubtful, key=lambda n: -_slenderness(quads[n]))[:_VOTERS]
        quads[:] = [turned(quad) for quad in upright]
        other, _ = self._read_longest_first(cut, quads, voters)
        better = _surer(other, glyphs)
        if len(better) > len(voters) / 2:
            # Beside a line that stands on its head, one that is hardly surer may, too.
            beside = [n for n in range(len(quads)) if n not in other and trust(glyphs[n]) < _SURE_BESIDE]
            other |= self._read_longest_first(cut, quads, beside)[0]
            better = _surer(other, glyphs)
            telling = sum(len(line) > _FEW_GLYPHS for line in glyphs.values())
            if max(len(doubtful), len(better)) > telling / 3:
                left = [n for n in range(len(quads)) if n not in other]
                other |= self._read_longest_first(cut, quads, left)[0]
                better = list(other)
        for n in range(len(quads)):
            if n in better:
                glyphs[n] = other[n]
            else:
                quads[n] = upright[n]

    def read(
        self,
        image: Image,
        product: Product,
        located: Located | None = None,
        draft: Mapping[str, str] | None = None,
    ) -> Reading:
        """Read the product's fields; a field that is not on the image has empty text. A draft is not used.

        Raises:
            ReaderError: the reader could not do its work.
        """
        del draft
        if located is None:
            located = self.locate(image)
        begun = time.perf_counter()
        search = frame_codes.begun(image, self._beside, located.kept)
        try:
            lines = self.lines(image, located.boxes)
            read_at = time.perf_counter()
            fields = link(lines, product, located.size_px)
            linked_at = time.perf_counter()
        except cv2.error as error:
            raise ReaderError(f"a frame of {located.size_px} px could not be cut into lines: {error}") from error
        finally:
            seen, codes_ms = search.found.result()
        ms = {
            "locate": located.ms,
            "lines": (read_at - begun) * 1e3,
            "link": (linked_at - read_at) * 1e3,
            "codes": codes_ms,
            "total": located.ms + (time.perf_counter() - begun) * 1e3,
        }
        return Reading(fields, lines, seen, self.name, self.hash, ms)


@cache
def _hash() -> str:
    return hash_of((DETECTOR, RECOGNISER), VERSION)


def _as_read(lines: Sequence[TextLine]) -> tuple[TextLine, ...]:
    """Lines in the reading order of a plate that may lie askew or upside down: a key stays before its value.

    The plate's direction is that of its lines together, long ones more. What a model is shown and told stands in this
    order; upside down it answered key words and other fields' values (4 of 4 frames), and askew by 25 degrees 2 of 4.
    """
    across = sum(line.box[1][0] - line.box[0][0] for line in lines)
    along = sum(line.box[1][1] - line.box[0][1] for line in lines)
    length = math.hypot(across, along)
    if not length:
        return tuple(lines)
    cosine, sine = across / length, along / length
    upright: dict[Quad, TextLine] = {}
    for line in lines:
        one, other, third, fourth = ((x * cosine + y * sine, y * cosine - x * sine) for x, y in line.box)
        upright[one, other, third, fourth] = line
    return tuple(upright[quad] for quad in in_order(list(upright))) if len(upright) == len(lines) else tuple(lines)


def narrow_strip(image: Image, quad: Quad) -> Image:
    """A line's strip, as narrow as the number of its characters lets it be."""
    length, height = size_of(quad)
    natural = _width(HEIGHT_PX * length / max(height, 1.0))
    cut = strip(image, quad, natural, HEIGHT_PX)
    wanted = FRAME_PX * _FRAMES * estimated_characters(cut)
    width = _compiled(_width(min(max(wanted, _NARROWEST * natural), _WIDEST * natural)))
    if width == natural:
        return cut
    # Cut again where it becomes wider, so that no pixel of the frame is lost.
    return strip(image, quad, width, HEIGHT_PX) if width > natural else resized(cut, width, HEIGHT_PX)


def _compiled(width: int) -> int:
    """The next width that the network has been warmed for, or this one where that is too far from it."""
    wider = next(warmed for warmed in _WARMED_PX if warmed >= width)
    return wider if width >= _STRETCHED * wider else width


def wide_strip(image: Image, quad: Quad) -> Image:
    """A line's strip with more frames a character than it can need."""
    length, height = size_of(quad)
    return strip(image, quad, _compiled(_width(HEIGHT_PX * length / max(height, 1.0) * _WIDEST)), HEIGHT_PX)


def _slenderness(quad: Quad) -> float:
    length, height = size_of(quad)
    return length / max(height, 1.0)


def _width(wanted_px: float) -> int:
    return min(MAX_WIDTH_PX, max(2 * WIDTH_STEP_PX, math.ceil(wanted_px / WIDTH_STEP_PX) * WIDTH_STEP_PX))


def _doubt(quad: Quad) -> float:
    """The confidence under which a character puts its line in doubt."""
    return _FINE_DOUBT if size_of(quad)[1] < _FINE_PX else _DOUBT


def _crowded(glyphs: Sequence[Glyph], width_px: int, doubt: float = _DOUBT) -> bool:
    """Whether a line may hold characters that the narrow strip left no frame for, or one under `doubt`.

    One character by itself, or none, may be what was seen of three: of a sign for number its colon.
    """
    if (
        len(glyphs) < 2
        or min(glyph.confidence for glyph in glyphs) < doubt
        or width_px < _LEAST_FRAMES * FRAME_PX * len(glyphs)
    ):
        return True
    middles = [(glyph.start + glyph.end) / 2 for glyph in glyphs]
    pitches = [
        (right - left, " " in (one.text, other.text))
        for left, right, one, other in zip(middles, middles[1:], glyphs, glyphs[1:], strict=False)
    ]
    if len(pitches) < 3:
        return False
    usual = median(pitch for pitch, _ in pitches)
    return any(pitch > _GAP * usual and not blank for pitch, blank in pitches)


def _doubtful(glyphs: Sequence[Glyph]) -> bool:
    """Whether a line may stand upside down."""
    return len(glyphs) > _FEW_GLYPHS and trust(glyphs) < _SURE


def _surer(other: Mapping[int, Glyphs], glyphs: Mapping[int, Glyphs]) -> list[int]:
    """The lines that are read more surely upside down, and not only a character of them."""
    return [n for n, seen in other.items() if len(seen) > _FEW_GLYPHS and trust(seen) > trust(glyphs[n]) + 0.05]


def _text(glyphs: Sequence[Glyph]) -> str:
    return "".join(glyph.text for glyph in glyphs).strip()


def _line(quad: Quad, glyphs: Sequence[Glyph]) -> TextLine:
    """A line with its characters' places in frame pixels; blanks at its ends dropped."""
    first = next(n for n, glyph in enumerate(glyphs) if glyph.text.strip())
    last = max(n for n, glyph in enumerate(glyphs) if glyph.text.strip())
    kept = glyphs[first : last + 1]
    characters = tuple(
        Character(glyph.text, glyph.confidence, glyph.alternatives, between(quad, glyph.start, glyph.end))
        for glyph in kept
    )
    return TextLine("".join(glyph.text for glyph in kept), quad, characters)
