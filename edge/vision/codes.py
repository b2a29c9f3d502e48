"""Bar and matrix codes on a frame, and what they say about the part.

`find` decodes only the patches that look like a code on a coarse grid (`code_patches`): a frame without a code costs a
few milliseconds instead of fifty. `parse` takes a code's text apart: GS1 element strings, GS1 Digital Link and other
addresses, ISO 15434 messages, and `S:…` and `SN=…` forms.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from urllib.parse import parse_qsl, unquote, urlsplit

import cv2
import numpy as np
import zxingcpp

from edge.core.reading import Code, Point
from edge.vision.code_patches import Image, Patch, propose

_F = zxingcpp.BarcodeFormat
MATRIX_FORMATS = (_F.QRCode, _F.MicroQRCode, _F.DataMatrix)
LINEAR_FORMATS = (_F.Code128, _F.Code39, _F.EAN13, _F.EAN8, _F.UPCA)
Place = Callable[[int, int], Point]
#: On a frame from this side on, a block with a side over LARGE_PX is looked at with every second pixel, others
#: with every one.
HALVED_FROM_PX = 1281
LARGE_PX = 260
#: Pixels of all blocks that are looked at; 100,000 take about a millisecond.
MOST_PIXELS = 220_000
#: One in so many of the rows and columns of a large block is looked at for bars too fine for the grid.
ROWS_APART = 3
#: Areas of bars that are looked at, and rows of each.
MAX_BARS = 8
STRIP_ROWS = 16
#: Share of a patch's shorter side that a strip covers, how many times this it goes on beyond the patch at either end,
#: and side of what is asked for its direction.
BARS_SEEN = 0.5
BARS_BEYOND = 10
MIDDLE_PX = 160
#: GS1 application identifiers of fixed length, by their first two digits: length with the identifier's own digits.
_GS1_FIXED: Mapping[str, int] = {
    "00": 20, "01": 16, "02": 16, "03": 16, "04": 18, "11": 8, "12": 8, "13": 8, "14": 8, "15": 8, "16": 8, "17": 8,
    "18": 8, "19": 8, "20": 4, "31": 10, "32": 10, "33": 10, "34": 10, "35": 10, "36": 10, "41": 16,
}  # fmt: skip
#: What the identifiers and the keys of other forms are to us. 240, 241 and 8013 are how a maker names a model.
_GS1_FIELDS: Mapping[str, str] = {
    "01": "gtin", "10": "batch", "21": "serial", "240": "model", "241": "model", "8013": "model", "8004": "asset",
}  # fmt: skip
_KEYS: Mapping[str, str] = {
    **dict.fromkeys(
        ("s", "sn", "ser", "serial", "serialno", "serialnumber", "serialnr", "seriennummer", "fabrnr"), "serial"
    ),
    **dict.fromkeys(("m", "mod", "model", "modelno", "modelnumber", "type", "typ"), "model"),
    **dict.fromkeys(("pn", "part", "partno", "partnumber", "article", "artnr", "ref"), "article"),
    **dict.fromkeys(("gtin", "ean"), "gtin"),
    **dict.fromkeys(("lot", "batch"), "batch"),
}
#: Steps of an address whose next one is the serial; shorter keys are parts of many an address.
_PATH_KEYS = frozenset({"sn", "serial", "serialno", "serialnumber"})
_GROUP = "\x1d"
#: How an ISO 15434 message begins, the identifiers in it (ANSI MH10.8.2), and control characters as they are shown.
_ENVELOPE = "[)>\x1e"
_IDENTIFIER = re.compile(r"\d{0,3}[A-Z]")
_IDENTIFIED: Mapping[str, str] = {"S": "serial", "1P": "model", "P": "article", "1T": "batch", "T": "batch"}
_SHOWN = {0x2400 + control: control for control in (0x04, 0x1D, 0x1E)}
_ELEMENT = re.compile(r"\((\d{2,4})\)([^(]+)")
_PAIR = re.compile(r"\s*([A-Za-z][A-Za-z ./_-]{0,18}?)\s*[:=]\s*(.+?)\s*")
#: Forms whose own `S:` or `T:` are about networks and people, not parts.
_FOREIGN = re.compile(r"(wifi|mecard|matmsg|begin|smsto|mailto|tel|geo|mqtt|dpp):", re.IGNORECASE)
#: Codes of trade: their number names the article, never the part.
_TRADE = ("EAN13", "EAN8", "UPCA")
#: A longer text is no serial, and would only fill the outcome.
MAX_TEXT = 500


def find(image: Image) -> tuple[Code, ...]:
    """Codes on a frame, from top to bottom, each once."""
    patches = propose(image)
    found: dict[tuple[str, str], Code] = {}
    whole = 2 if max(image.shape) >= HALVED_FROM_PX else 1
    left = MOST_PIXELS
    for patch in patches.matrices:
        step = 2 if patch.longest > LARGE_PX and whole > 1 else 1
        left -= patch.pixels // step**2
        if left >= 0:
            _in_matrix(image, patch, step, found)
    for patch in patches.bars[:MAX_BARS]:
        _in_bars(image, patch, found)
    return tuple(sorted(found.values(), key=lambda code: code.box[0][1] if code.box else 0.0))


def _in_matrix(image: Image, patch: Patch, step: int, found: dict[tuple[str, str], Code]) -> None:
    """Decode a patch, and once more with half of its pixels, which blur harms less; then look in it for fine bars."""
    before = len(found)
    pixels = np.ascontiguousarray(image[patch.top : patch.bottom, patch.left : patch.right, 1])
    for each in (step, 2 * step):
        place = _scaled(patch.left, patch.top, each, each)
        _decode(np.ascontiguousarray(pixels[::each, ::each]), MATRIX_FORMATS, place, found)
        if len(found) > before:
            return
    if patch.longest <= LARGE_PX:
        return
    place = _scaled(patch.left, patch.top, 1, ROWS_APART)
    _decode(np.ascontiguousarray(pixels[::ROWS_APART]), LINEAR_FORMATS, place, found)

    def upright(x: int, y: int) -> Point:
        return patch.left + y * ROWS_APART, patch.top + x

    _decode(np.ascontiguousarray(pixels[:, ::ROWS_APART].T), LINEAR_FORMATS, upright, found)


def _scaled(left: int, top: int, across: int, down: int) -> Place:
    return lambda x, y: (left + x * across, top + y * down)


def _in_bars(image: Image, patch: Patch, found: dict[tuple[str, str], Code]) -> None:
    """Decode a strip across the bars, cut out upright through the patch's middle; along them a few rows will do.

    The strip is longer than the patch, which may be only a part of the code.
    """
    turn = _turn(image, patch)
    cosine, sine = math.cos(turn), math.sin(turn)
    columns, rows = patch.right - patch.left, patch.bottom - patch.top
    along = BARS_SEEN * min(rows, columns)
    reach = (abs(columns * cosine) + abs(rows * sine)) / 2 + BARS_BEYOND * along
    middle_x, middle_y = (patch.left + patch.right) / 2, (patch.top + patch.bottom) / 2
    # Only what lies on the frame: outside, the strip would be one colour.
    begin = -_inside((middle_x, middle_y), (-cosine, -sine), image.shape, reach)
    end = _inside((middle_x, middle_y), (cosine, sine), image.shape, reach)
    height = max(1, min(STRIP_ROWS, round(along)))
    thin = along / height
    back = np.array(
        [
            [cosine, -sine * thin, middle_x + cosine * begin + sine * along / 2],
            [sine, cosine * thin, middle_y + sine * begin - cosine * along / 2],
        ]
    )
    width = max(1, round(end - begin))
    corners = back @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]], float)
    left, top = (max(0, int(side)) for side in corners.min(axis=1))
    right, bottom = (int(side) + 2 for side in corners.max(axis=1))
    pixels = np.ascontiguousarray(image[top:bottom, left:right, 1])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shifted = back - np.array([[0, 0, left], [0, 0, top]])
    strip = cv2.warpAffine(pixels, shifted, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)

    def place(x: int, y: int) -> Point:
        across, down = back @ np.array([x, y, 1.0])
        return float(across), float(down)

    _decode(strip.astype(np.uint8, copy=False), LINEAR_FORMATS, place, found)


def _inside(start: Point, way: Point, shape: tuple[int, ...], reach: float) -> float:
    """How far one can go from a point in a direction and stay on the frame; at most `reach`."""
    for at, by, end in zip(start, way, (shape[1] - 1, shape[0] - 1), strict=True):
        if abs(by) > 1e-6:
            reach = min(reach, max(0.0, ((end if by > 0 else 0) - at) / by))
    return reach


def _turn(image: Image, patch: Patch) -> float:
    """The direction across the bars in a patch's middle, radians: from every pixel, since a grid blurs fine bars."""
    top = max(patch.top, (patch.top + patch.bottom - MIDDLE_PX) // 2)
    left = max(patch.left, (patch.left + patch.right - MIDDLE_PX) // 2)
    rows, columns = slice(top, min(top + MIDDLE_PX, patch.bottom)), slice(left, min(left + MIDDLE_PX, patch.right))
    across, down = cv2.spatialGradient(np.ascontiguousarray(image[rows, columns, 1]))
    x, y = across.astype(np.float32).ravel(), down.astype(np.float32).ravel()
    return 0.5 * math.atan2(2 * float(x @ y), float(x @ x) - float(y @ y))


def _decode(
    grey: Image, formats: tuple[zxingcpp.BarcodeFormat, ...], place: Place, found: dict[tuple[str, str], Code]
) -> None:
    """Add the codes of a patch; `place` says where one of its points is on the frame."""
    for seen in zxingcpp.read_barcodes(
        grey,
        formats=formats,
        try_rotate=formats is MATRIX_FORMATS,
        try_downscale=False,
        text_mode=zxingcpp.TextMode.HRI,
    ):
        text = seen.text[:MAX_TEXT]
        at = seen.position
        corners = (at.top_left, at.top_right, at.bottom_right, at.bottom_left)
        a, b, c, d = ((float(x), float(y)) for x, y in (place(corner.x, corner.y) for corner in corners))
        kind = seen.format.name
        if text and (kind, text) not in found:
            fields = {"gtin": text} if kind in _TRADE else parse(text)
            found[kind, text] = Code(kind, text, (a, b, c, d), fields)


def parse(text: str) -> Mapping[str, str]:
    """What a code says, by field name: `serial`, `model`, `gtin`, `article`, `batch`.

    Understands GS1 (with parentheses, or raw with group separators), addresses (GS1 Digital Link paths and query
    keys), and `KEY:value` forms. A text of none of these forms names no field: what it is, the caller's pattern says.
    """
    text = text.translate(_SHOWN).strip()
    if _FOREIGN.match(text):
        return {}
    if text.startswith(_ENVELOPE):
        return _from_envelope(text.removeprefix(_ENVELOPE))
    if re.match(r"https?://", text, re.IGNORECASE):
        return _from_address(text)
    elements = _ELEMENT.findall(text) if text.startswith("(") else _raw_elements(text)
    if elements:
        known = [(_GS1_FIELDS[key], value.strip()) for key, value in reversed(elements) if key in _GS1_FIELDS]
        return {name: value for name, value in known if value}
    pairs = [_PAIR.fullmatch(piece) for piece in re.split(r"[;|,\n\r\t\x1d\x1e]", text)]
    return _named((pair[1], pair[2]) for pair in pairs if pair)


def _named(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Fields of key and value pairs; the first of a name counts."""
    fields: dict[str, str] = {}
    for key, value in pairs:
        name = _KEYS.get(_letters(key))
        if name and value:
            fields.setdefault(name, value)
    return fields


def _letters(key: str) -> str:
    return re.sub(r"[^a-z]", "", key.lower())


def _from_address(text: str) -> dict[str, str]:
    """Fields of a web address: `/01/…/21/…` in its path, and keys in its query."""
    try:
        address = urlsplit(text)
    except ValueError:  # an unclosed bracket in the host
        return {}
    steps = [unquote(step) for step in address.path.split("/") if step]
    first = next((at for at, step in enumerate(steps) if step in _GS1_FIELDS), len(steps))
    linked = {_GS1_FIELDS[key]: value for key, value in _pairs(steps[first:]) if key in _GS1_FIELDS}
    spoken = [(key, value) for key, value in pairwise(steps) if _letters(key) in _PATH_KEYS]
    query = parse_qsl(address.query) + parse_qsl(address.fragment)
    numbered = {_GS1_FIELDS[key]: value for key, value in query if key in _GS1_FIELDS}
    return _named(spoken) | linked | _named(query) | numbered


def _pairs(steps: Sequence[str]) -> Iterable[tuple[str, str]]:
    return zip(steps[::2], steps[1::2], strict=False)


def _from_envelope(text: str) -> dict[str, str]:
    """Fields of an ISO 15434 message: its parts begin with data identifiers (format 06) or are GS1 (format 05)."""
    fields: dict[str, str] = {}
    for part in text.rstrip("\x04").split("\x1e"):
        form, _, rest = part.partition(_GROUP)
        if form == "05":
            fields |= {_GS1_FIELDS[key]: value for key, value in _raw_elements(_GROUP + rest) if key in _GS1_FIELDS}
        elif form == "06":
            for element in rest.split(_GROUP):
                identifier = _IDENTIFIER.match(element)
                name = _IDENTIFIED.get(identifier[0]) if identifier else None
                if identifier and name and element[identifier.end() :]:
                    fields.setdefault(name, element[identifier.end() :])
    return fields


def _raw_elements(text: str) -> list[tuple[str, str]]:
    """GS1 elements of a text without parentheses; none unless the whole of it is GS1."""
    rest, elements = text.removeprefix("]d2").removeprefix("]C1").removeprefix("]Q3"), []
    marked = rest != text or text.startswith(_GROUP) or _GROUP in text
    rest = rest.strip(_GROUP)
    if not marked and not re.match(r"01\d{14}(21|10|17|11|24)", rest):
        return []
    while rest:
        fixed = _GS1_FIXED.get(rest[:2])
        if fixed is not None:
            element, rest = rest[:fixed], rest[fixed:].removeprefix(_GROUP)
            if len(element) < fixed or not element.isdigit():
                return []
            elements.append((element[:2], element[2:]))
            continue
        element, _, rest = rest.partition(_GROUP)
        key = next((key for key in (element[:2], element[:3], element[:4]) if key in _GS1_FIELDS), element[:2])
        if not key.isdigit() or len(element) == len(key):
            return []
        elements.append((key, element[len(key) :]))
    return elements
