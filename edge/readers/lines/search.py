"""Search a frame for its text lines: the detector looks where text seems to stand, as finely as that needs.

Promises: what is left out of a search has none of the edges that text is made of; a second search takes the place of
the first only where it finds more; a line is searched to its end, and characters that stand in no line once more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from edge.core.reading import Code, Quad
from edge.readers.lines.detector import STEP_PX, Detector
from edge.readers.reader import Image
from edge.vision.explained import explained, unexplained
from edge.vision.locate import Subject, subject
from edge.vision.rectify import moved, resized, size_of

#: Height of a character at which the detector looks, px.
_DETECT_AT_PX = 9.3
_MOST_PIXELS = 1_000_000
#: A frame whose longer side is over this is searched at half its size first.
_LARGE_PX = 1280
#: With fewer lines than this, which hold less than this share of what looks like characters, the whole frame is
#: searched again, as large as the limit allows.
_FEW_LINES = 5
_EXPLAINED = 0.7
#: So it is, with its smaller characters as high as they need to be, where lines hold less than this share of what looks
#: like characters: small keys above large values. Of 439 keys and values of model and serial number on drawn pages with
#: many sizes of print 0.993 were found instead of 0.984. It may cost so much more along each side.
_EXPLAINED_WELL = 0.85
_SMALL_PRINT = 1.25
_FINER = (1.08, 1.35)
#: Lines that fill less than this of such a frame are a small plate among texture, which spoils the estimate of its
#: characters' height: their surroundings, half as far again on each side, are searched as finely as the limit allows.
#: Of 31 photographs it brought the text of three fields more. A search that finds hardly more lines is no better one,
#: and one that finds so many times more found texture.
_SMALL_SHARE = 0.3
_SURROUNDINGS = 0.5
_MORE = (4 / 3, 4)
#: A line that reaches over a side of what was searched may go on there: so much more of the frame, in heights of the
#: line, is searched with the rest, at most so often. Letters that a scratch joins are taken for none, so that a subject
#: may end too soon: of 2,000 drawn plates 7 had the end of a serial or model cut off, and the rest of it read surely.
_BEYOND = 6.0
_MOST_WIDENED = 2
#: So many groups of characters that stand in no line are searched, each at its own scale: a line of 20 px beside one of
#: 60 px was not found. Of 2,000 drawn plates 267 have such groups, and 8 more had all fields right; of frames of one
#: plate that fills them, 1 in 48. Of 31 photographs the search took 230 instead of 185 ms, and found a line more.
_MOST_GROUPS = 4

#: Gives the codes of the frame, once they are found.
FoundCodes = Callable[[], Sequence[Code]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame, and at half its size where it is large: subjects are in pixels of that, lines in those of the frame."""

    image: Image
    half: Image

    @property
    def scale(self) -> float:
        """How many pixels of `half` one of the frame's is."""
        return float(self.half.shape[1] / self.image.shape[1])

    def halved(self, quads: Sequence[Quad]) -> list[Quad]:
        """Lines in pixels of `half`."""
        return [moved(quad, self.scale, self.scale, 0.0, 0.0) for quad in quads]


class LineSearch:
    """The detector, and where and how finely it looks; `beside` is used while a frame's text is estimated."""

    def __init__(self, *, threads: int, cache_dir: Path | None, beside: Executor) -> None:
        self._detector = Detector(threads=threads, cache_dir=cache_dir)
        self._beside = beside

    def warm(self) -> None:
        """Take the memory that the largest search needs now.

        Raises:
            ReaderError: the network did not run.
        """
        self._detector.warm(_stepped(math.sqrt(_MOST_PIXELS)))

    def lines(self, image: Image, codes: FoundCodes) -> list[Quad]:
        """The corners of each line, in no order; `codes` is asked only where much is in no line.

        Raises:
            ReaderError: the detector did not run.
            cv2.error: the frame cannot be resized.
        """
        rows, columns = image.shape[:2]
        # All that follows looks at a quarter of the pixels wherever that is enough.
        frame = _Frame(image, resized(image, columns // 2, rows // 2) if max(rows, columns) > _LARGE_PX else image)
        where = subject(frame.half, self._beside)
        quads = self._searched_again(frame, where, self._find(frame, where), codes)
        return [*quads, *self._left_over(frame, where, quads, codes)]

    def _left_over(self, frame: _Frame, where: Subject, quads: Sequence[Quad], codes: FoundCodes) -> list[Quad]:
        """Lines among characters that stand in none, each group of them searched by itself."""

        def groups(held: Sequence[Quad]) -> list[Subject]:
            return unexplained(where, frame.halved(held), (frame.half.shape[1], frame.half.shape[0]))

        left = groups(quads)
        if left and (coded := _boxes(codes())):
            left = groups([*quads, *coded])
        found: list[Quad] = []
        for group in left[:_MOST_GROUPS]:
            new = self._find(frame, group)
            found += [quad for quad in new if not any(_meet(quad, other) for other in [*quads, *found])]
        return found

    def _searched_again(self, frame: _Frame, where: Subject, quads: list[Quad], codes: FoundCodes) -> list[Quad]:
        """Search once more where much that looks like characters is in no line; the search that found more counts."""

        def share(held: Sequence[Quad]) -> float:
            return explained(where, frame.halved(held))

        near = _around(quads, where, frame)
        if (near is not None or len(quads) < _FEW_LINES) and share(quads) < _EXPLAINED:
            quads = self._searched_around(frame, where, quads, near)
        finer = _finer(where)
        if finer is None or len(quads) < _FEW_LINES or share(quads) >= _EXPLAINED_WELL:
            return quads
        if share([*quads, *_boxes(codes())]) >= _EXPLAINED_WELL:
            return quads
        return max(quads, self._find(frame, finer), key=len)

    def _searched_around(self, frame: _Frame, where: Subject, quads: list[Quad], near: Subject | None) -> list[Quad]:
        """Search the whole frame where there are few lines, and finely round a small plate."""
        if len(quads) < _FEW_LINES:
            # Small print in a large frame, or nothing at all: only pixels can tell.
            again = self._find(frame, Subject(0, 0, frame.half.shape[1], frame.half.shape[0], None))
            quads = max(quads, again, key=len)
            near = _around(quads, where, frame)
        if near is None:
            return quads
        closer = self._find(frame, near)
        return closer if _MORE[0] * len(quads) <= len(closer) <= _MORE[1] * len(quads) else quads

    def _find(self, frame: _Frame, where: Subject) -> list[Quad]:
        """The lines of a subject, none cut off by its sides."""
        quads = self._found(frame, where)
        for _ in range(_MOST_WIDENED):
            wider = _wider(where, quads, frame)
            if wider == where:
                break
            where, quads = wider, self._found(frame, wider)
        return quads

    def _found(self, frame: _Frame, where: Subject) -> list[Quad]:
        """What the detector finds in a subject."""
        image, half = frame.image, frame.half
        scale = _scale(where, image.shape[1] / half.shape[1])
        width, height = _stepped((where.right - where.left) * scale), _stepped((where.bottom - where.top) * scale)
        seen = half if scale <= 1.0 else image
        along, down = seen.shape[1] / half.shape[1], seen.shape[0] / half.shape[0]
        left, right = round(where.left * along), round(where.right * along)
        top, bottom = round(where.top * down), round(where.bottom * down)
        found = self._detector.find(resized(seen[top:bottom, left:right], width, height))
        along, down = image.shape[1] / seen.shape[1], image.shape[0] / seen.shape[0]
        scales = (right - left) / width * along, (bottom - top) / height * down
        return [moved(box.quad, *scales, left * along, top * down) for box in found]


def in_order(quads: Sequence[Quad]) -> tuple[Quad, ...]:
    """Top to bottom, and left to right within a row."""
    remaining = sorted(quads, key=lambda quad: sum(y for _, y in quad))
    rows: list[list[Quad]] = []
    for quad in remaining:
        middle = sum(y for _, y in quad) / 4
        if rows:
            first = rows[-1][0]
            if middle - sum(y for _, y in first) / 4 < 0.5 * size_of(first)[1]:
                rows[-1].append(quad)
                continue
        rows.append([quad])
    return tuple(quad for row in rows for quad in sorted(row, key=lambda quad: quad[0][0]))


def _around(quads: Sequence[Quad], where: Subject, frame: _Frame) -> Subject | None:
    """The surroundings of lines that fill a small share of a subject; None where they fill it."""
    if not quads:
        return None
    across, down = ([point[axis] for quad in frame.halved(quads) for point in quad] for axis in (0, 1))
    width, height = max(across) - min(across), max(down) - min(down)
    if width * height >= _SMALL_SHARE * (where.right - where.left) * (where.bottom - where.top):
        return None
    beside = _SURROUNDINGS * max(width, height)
    left, top = max(0, round(min(across) - beside)), max(0, round(min(down) - beside))
    rows, columns = frame.half.shape[:2]
    return Subject(left, top, min(columns, round(max(across) + beside)), min(rows, round(max(down) + beside)), None)


def _wider(where: Subject, quads: Sequence[Quad], frame: _Frame) -> Subject:
    """A subject with more room at each side that a line reaches over, as far as the frame goes."""
    left, top, right, bottom = where.left, where.top, where.right, where.bottom
    for quad in frame.halved(quads):
        more = _BEYOND * size_of(quad)[1]
        for x, y in quad:
            left = min(left, int(x - more)) if x < where.left else left
            top = min(top, int(y - more)) if y < where.top else top
            right = max(right, int(x + more)) if x > where.right else right
            bottom = max(bottom, int(y + more)) if y > where.bottom else bottom
    rows, columns = frame.half.shape[:2]
    return replace(where, left=max(0, left), top=max(0, top), right=min(columns, right), bottom=min(rows, bottom))


def _finer(where: Subject) -> Subject | None:
    """A subject at the scale that its smaller characters need; None where that is hardly another one."""
    if where.text_height_px is None or where.small_px is None:
        return None
    finer = min(_FINER[1], where.text_height_px / (_SMALL_PRINT * where.small_px))
    return replace(where, text_height_px=where.text_height_px / finer) if finer >= _FINER[0] else None


def _scale(where: Subject, pixels: float) -> float:
    """How much to scale for the detector: characters about `_DETECT_AT_PX` high, within a limit of pixels.

    `pixels` is how many pixels along the frame has for one of the subject's.
    """
    width, height = where.right - where.left, where.bottom - where.top
    wanted = pixels if where.text_height_px is None else min(1.5 * pixels, _DETECT_AT_PX / where.text_height_px)
    return min(wanted, math.sqrt(_MOST_PIXELS / (width * height)))


def _stepped(side: float) -> int:
    return max(STEP_PX, round(side / STEP_PX) * STEP_PX)


def _boxes(codes: Sequence[Code]) -> list[Quad]:
    """Where codes are: their modules look like characters."""
    return [code.box for code in codes if code.box]


def _meet(one: Quad, other: Quad) -> bool:
    """Whether the middle of one of two boxes lies in the other."""
    return any(
        cv2.pointPolygonTest(np.asarray(box, np.float32), np.mean(inner, axis=0).tolist(), measureDist=False) >= 0
        for box, inner in ((one, other), (other, one))
    )
