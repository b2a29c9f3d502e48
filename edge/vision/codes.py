"""Bar and matrix codes on a frame, and what they say about the part.

`find` looks for matrix codes at reduced resolution, and for bars only where the gradients of an area keep to one
direction: a frame without a code costs a few milliseconds instead of fifty. `parse` takes a code's text apart: GS1
element strings, GS1 Digital Link and other addresses, `S:…` and `SN=…` forms, or a bare serial.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import islice, pairwise
from urllib.parse import parse_qsl, unquote, urlsplit

import cv2
import numpy as np
import numpy.typing as npt
import zxingcpp

from edge.core.reading import Code, Point

Image = npt.NDArray[np.uint8]

_F = zxingcpp.BarcodeFormat
MATRIX_FORMATS = (_F.QRCode, _F.MicroQRCode, _F.DataMatrix)
LINEAR_FORMATS = (_F.Code128, _F.Code39, _F.EAN13, _F.EAN8, _F.UPCA)
#: From this side on, matrix codes are looked for at every second pixel: they need 4 px a module there.
HALVED_FROM_PX = 1281
#: Bars are looked for on a grid of about this many points along the longer side, four of them a cell.
GRID_POINTS = 480
CELL_POINTS = 4
#: How much the gradients of a cell keep to one direction, 0 to 1. These four were chosen from a grid of values: 10 of
#: the 11 codes on real photographs that a search of every pixel finds, at a sixth of its time.
LEAST_COHERENCE = 0.65
#: Mean gradient of a cell with bars, grey levels (Sobel).
LEAST_GRADIENT = 120.0
#: Least cells of a bar code, and the share of its rectangle that they fill; the frame line of a plate is hollow.
LEAST_CELLS = 6
LEAST_FILL = 0.2
#: Patches of bars decoded, the largest first.
MAX_PATCHES = 6
#: In a patch larger than this, only each third pixel along the bars is looked at.
LARGE_PX = 150_000
THIN = 3
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
_GROUP = "\x1d"
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
    grey = np.ascontiguousarray(image[:, :, 1])
    step = 2 if max(grey.shape) >= HALVED_FROM_PX else 1
    found: dict[tuple[str, str], Code] = {}
    coarse = np.ascontiguousarray(grey[::step, ::step])
    _decode(coarse, MATRIX_FORMATS, lambda x, y: (x * step, y * step), found)
    for left, top, w, h, flat in islice(_patches_of_bars(grey), MAX_PATCHES):
        patch = grey[top : top + h, left : left + w]
        # A bar code needs its pixels across the bars; along them a part will do.
        thin = THIN if w * h > LARGE_PX else 1
        rows = np.ascontiguousarray(patch[::thin])
        _decode(rows, LINEAR_FORMATS, partial(_in_rows, left, top, thin), found)
        if flat:
            columns = np.ascontiguousarray(patch[:, ::thin].T)
            _decode(columns, LINEAR_FORMATS, partial(_in_columns, left, top, thin), found)
    return tuple(sorted(found.values(), key=lambda code: code.box[0][1] if code.box else 0.0))


def _in_rows(left: int, top: int, thin: int, x: int, y: int) -> Point:
    return left + x, top + y * thin


def _in_columns(left: int, top: int, thin: int, x: int, y: int) -> Point:
    return left + y * thin, top + x


def _decode(
    grey: Image,
    formats: tuple[zxingcpp.BarcodeFormat, ...],
    place: Callable[[int, int], Point],
    found: dict[tuple[str, str], Code],
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


def _patches_of_bars(grey: Image) -> list[tuple[int, int, int, int, bool]]:
    """Rectangles (x, y, width, height) where gradients keep to one direction over an area, the largest first.

    The last part says whether a good share of the bars lies flat, so that their code is read from top to bottom.
    """
    step = max(1, round(max(grey.shape) / GRID_POINTS))
    grid = np.ascontiguousarray(grey[::step, ::step])
    rows, columns = grid.shape[0] // CELL_POINTS, grid.shape[1] // CELL_POINTS
    if rows < 3 or columns < 3:
        return []
    across, down = cv2.Sobel(grid, cv2.CV_32F, 1, 0), cv2.Sobel(grid, cv2.CV_32F, 0, 1)
    xx, yy, xy = (
        cv2.blur(cv2.resize(product, (columns, rows), interpolation=cv2.INTER_AREA), (3, 3))
        for product in (across * across, down * down, across * down)
    )
    energy = xx + yy
    coherent = (xx - yy) ** 2 + 4 * xy * xy >= (LEAST_COHERENCE * energy) ** 2
    mask = (coherent & (energy > LEAST_GRADIENT**2)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(np.uint8)
    _, _, facts, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    size = step * CELL_POINTS
    patches = []
    for x, y, w, h, cells in sorted(facts[1:].tolist(), key=lambda fact: -fact[4]):
        if cells < LEAST_CELLS or cells < LEAST_FILL * w * h:
            continue
        margin = 3  # a code's quiet zone, and the bars that the 3 x 3 mean rubbed off
        left, top = max(0, x - margin) * size, max(0, y - margin) * size
        right, bottom = min((x + w + margin) * size, grey.shape[1]), min((y + h + margin) * size, grey.shape[0])
        place = slice(y, y + h), slice(x, x + w)
        flat = float(yy[place].sum()) > 0.5 * float(xx[place].sum())
        patches.append((left, top, right - left, bottom - top, flat))
    return patches


def parse(text: str) -> Mapping[str, str]:
    """What a code says, by field name: `serial`, `model`, `gtin`, `article`, `batch`.

    Understands GS1 (with parentheses, or raw with group separators), addresses (GS1 Digital Link paths and query
    keys), and `KEY:value` forms. A text of none of these forms names no field: what it is, the caller's pattern says.
    """
    text = text.strip()
    if _FOREIGN.match(text):
        return {}
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
        name = _KEYS.get(re.sub(r"[^a-z]", "", key.lower()))
        if name and value:
            fields.setdefault(name, value)
    return fields


def _from_address(text: str) -> dict[str, str]:
    """Fields of a web address: `/01/…/21/…` in its path, and keys in its query."""
    try:
        address = urlsplit(text)
    except ValueError:  # an unclosed bracket in the host
        return {}
    steps = [unquote(step) for step in address.path.split("/") if step]
    linked = {_GS1_FIELDS[key]: value for key, value in pairwise(steps) if key in _GS1_FIELDS and value}
    query = parse_qsl(address.query)
    return linked | _named(query) | {_GS1_FIELDS[key]: value for key, value in query if key in _GS1_FIELDS}


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
