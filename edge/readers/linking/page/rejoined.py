"""Boxes that a detector cut out of one value with a part for each of two keys ("AX" "20 / 1234"), joined again."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from edge.core.reading import Character, TextLine
from edge.readers.linking.keys.captions import captions
from edge.readers.linking.keys.keywords import FIELDS, Lexicon
from edge.readers.linking.page.geometry import SAME_DIRECTION_DEG, angle_of, off, rect_of

#: How far apart (in text heights) two boxes of one value stand at most.
_ONE_VALUE_GAP = 1.3
#: A value with two parts, or the end or beginning of one.
_PARTED = re.compile(r"(^|\s)/(\s|$)")


def rejoined(lines: tuple[TextLine, ...], lexicon: Lexicon) -> tuple[TextLine, ...]:
    """Join the boxes of one value that has a part for each of two keys ("AX" "20 / 1234"), where such keys stand."""
    if not any(" / " in line.text and len(captions(line.text, lexicon)) > 1 for line in lines):
        return lines
    joined = list(lines)
    for line in lines:
        if line not in joined or not _PARTED.search(line.text) or _asks(line, lexicon):
            continue
        for other in lines:
            if other is line or other not in joined or _asks(other, lexicon):
                continue
            for first, second in ((line, other), (other, line)):
                if _next_box(first, second):
                    whole = _one_line(first, second)
                    joined[joined.index(line)] = whole
                    joined.remove(other)
                    line = whole  # noqa: PLW2901 - a third box may follow
                    break
    return tuple(joined)


def _asks(line: TextLine, lexicon: Lexicon) -> bool:
    """Say whether a line has a key of a model or a serial number."""
    return any(caption.word.kind in FIELDS for caption in captions(line.text, lexicon))


def _next_box(one: TextLine, other: TextLine) -> bool:
    """Say whether a box stands right behind another one, in its direction and as high."""
    angle = angle_of(one.box)
    if abs(off(angle_of(other.box), angle)) > math.radians(SAME_DIRECTION_DEG):
        return False
    cosine, sine = math.cos(angle), math.sin(angle)
    a, b = rect_of(one, 0, len(one.text), cosine, sine), rect_of(other, 0, len(other.text), cosine, sine)
    tall = min(a.height, b.height)
    return (
        -0.4 * tall < b.left - a.right < _ONE_VALUE_GAP * tall
        and abs(b.middle - a.middle) < 0.35 * tall
        and max(a.height, b.height) < 1.55 * tall
    )


def _one_line(one: TextLine, other: TextLine) -> TextLine:
    box = (one.box[0], other.box[1], other.box[2], one.box[3])
    gap = Character(" ", 1.0, (), (one.box[1], other.box[0], other.box[3], one.box[2]))
    return replace(one, text=f"{one.text} {other.text}", box=box, characters=(*one.characters, gap, *other.characters))
