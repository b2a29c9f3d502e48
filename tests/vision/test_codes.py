"""Codes: found wherever and however they stand, and their text taken apart only where its form is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import zxingcpp
from hypothesis import given
from hypothesis import strategies as st

from edge.vision import codes
from edge.vision.code_patches import Image, propose
from tests.vision.drawn_frames import scene

FORMATS = zxingcpp.BarcodeFormat


def drawn(kind: zxingcpp.BarcodeFormat, text: str, module_px: int = 5) -> Image:
    """A code with its quiet zone."""
    barcode = zxingcpp.create_barcode(text, kind)
    return np.array(zxingcpp.write_barcode_to_image(barcode, scale=module_px, add_quiet_zones=True))


def frame_with(*marks: Image, turned: int = 0, ink: int = 30, ground: int = 210) -> Image:
    """The drawn plate with codes pasted into its free right side, one below the other."""
    frame = scene().frame
    row = 190
    for mark in marks:
        turn = cv2.getRotationMatrix2D((mark.shape[1] / 2, mark.shape[0] / 2), turned, 1)
        size = int(np.hypot(*mark.shape[:2])) + 2 if turned else 0
        if turned:
            turn[:, 2] = turn[:, 2] + np.array([size - mark.shape[1], size - mark.shape[0]]) / 2.0
            mark = cv2.warpAffine(mark, turn, (size, size), borderValue=(255,)).astype(np.uint8)  # noqa: PLW2901
        patch = (ink + mark.astype(np.float32) / 255 * (ground - ink)).astype(np.uint8)
        left = 1900 - patch.shape[1]
        frame[row : row + patch.shape[0], left : left + patch.shape[1]] = patch[:, :, None]
        row += patch.shape[0] + 20
    return frame


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (FORMATS.QRCode, "S:20418873KF"),
        (FORMATS.DataMatrix, "20418873KF"),
        (FORMATS.Code128, "20418873KF"),
        (FORMATS.Code39, "20418873KF"),
        (FORMATS.EAN13, "4012345678901"),
    ],
)
@pytest.mark.parametrize("turned", [0, 4, 90, 180])
def test_a_code_is_found_however_it_stands(kind: zxingcpp.BarcodeFormat, text: str, turned: int) -> None:
    """Each kind of code is read level, a little aslant, on its side and upside down, with its place."""
    module_px = 4 if kind in codes.MATRIX_FORMATS else 3

    found = codes.find(frame_with(drawn(kind, text, module_px), turned=turned))

    assert [(code.format, code.text) for code in found] == [(kind.name, text)]
    box = found[0].box
    assert box is not None
    assert all(1000 < x < 1920 and 150 < y < 1000 for x, y in box)


def test_a_light_code_on_a_dark_plate_is_found() -> None:
    """An inverted code is read too."""
    found = codes.find(frame_with(drawn(FORMATS.DataMatrix, "A1234567"), ink=220, ground=20))

    assert [code.text for code in found] == ["A1234567"]


def test_several_codes_are_all_found_from_top_to_bottom() -> None:
    """A plate may carry an article's bar code and a part's matrix code."""
    found = codes.find(frame_with(drawn(FORMATS.EAN13, "4012345678901", 3), drawn(FORMATS.QRCode, "SN=88123")))

    assert [(code.text, dict(code.fields)) for code in found] == [
        ("4012345678901", {"gtin": "4012345678901"}),
        ("SN=88123", {"serial": "88123"}),
    ]


@pytest.mark.parametrize("kind", [FORMATS.QRCode, FORMATS.DataMatrix, FORMATS.Code128, FORMATS.EAN13])
@pytest.mark.parametrize("turned", [12, 30, 45])
def test_a_code_is_found_at_any_angle(kind: zxingcpp.BarcodeFormat, turned: int) -> None:
    """A strip is cut out across the bars, whichever way they run."""
    text = "4012345678901" if kind is FORMATS.EAN13 else "20418873KF"
    found = codes.find(frame_with(drawn(kind, text, 4), turned=turned))

    assert [(code.format, code.text) for code in found] == [(kind.name, text)]


@pytest.mark.parametrize("kind", [FORMATS.QRCode, FORMATS.DataMatrix, FORMATS.Code128])
def test_a_pale_and_blurred_code_is_found(kind: zxingcpp.BarcodeFormat) -> None:
    """Little contrast and soft edges leave a code a code."""
    mark = cv2.GaussianBlur(drawn(kind, "20418873KF", 4), (0, 0), 1.0).astype(np.uint8)

    found = codes.find(frame_with(mark, ink=140, ground=210))
    assert [code.text for code in found] == ["20418873KF"]


def test_text_is_hardly_looked_at() -> None:
    """On a plate without a code at most a twentieth of the frame is decoded: that is what keeps it cheap."""
    frame = scene().frame
    patches = propose(frame)

    assert sum(patch.pixels for patch in patches.matrices) < 0.05 * frame.shape[0] * frame.shape[1]


def test_a_plate_without_a_code_gives_none() -> None:
    """Text, rules and frames are not taken for codes."""
    assert codes.find(scene().frame) == ()


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (40, 40), (1300, 8)])
def test_a_frame_of_any_size_is_searched(size: tuple[int, int]) -> None:
    """A frame too small for a code has none."""
    assert codes.find(np.full((*size, 3), 128, np.uint8)) == ()


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("(01)04012345678901(21)AB-12345(240)XK-7", {"gtin": "04012345678901", "serial": "AB-12345", "model": "XK-7"}),
        ("010401234567890121AB-12345\x1d240XK-7", {"gtin": "04012345678901", "serial": "AB-12345", "model": "XK-7"}),
        ("]d20104012345678901172612312112345", {"gtin": "04012345678901", "serial": "12345"}),
        ("]C121A77\x1d10B9", {"serial": "A77", "batch": "B9"}),
        ("https://id.gs1.org/01/04012345678901/21/AB%2F12", {"gtin": "04012345678901", "serial": "AB/12"}),
        ("HTTPS://example.com/p?sn=88123&model=HX-4711&lang=de", {"serial": "88123", "model": "HX-4711"}),
        ("https://example.com/x?21=88123", {"serial": "88123"}),
        (
            "https://id.gs1.org/01/04012345678901/10/21/21/88123",
            {"gtin": "04012345678901", "batch": "21", "serial": "88123"},
        ),
        ("https://id.gs1.org/01/04012345678901?17=271231&10=B9", {"gtin": "04012345678901", "batch": "B9"}),
        ("https://id.gs1.org/8004/4012345ABC", {"asset": "4012345ABC"}),
        ("http://qr.example.com/device/sn/88123", {"serial": "88123"}),
        ("https://example.com/product/HX-4711?serial_number=88-123&utm=qr", {"serial": "88-123"}),
        ("https://example.com/check#SN=88123&type=HX", {"serial": "88123", "model": "HX"}),
        ("[)>\x1e06\x1d1PHX-4711\x1dS88123\x1d1TB9\x1e\x04", {"model": "HX-4711", "serial": "88123", "batch": "B9"}),
        ("[)>\u241e06\u241dP5-1\u241dS88123\u241e\u2404", {"article": "5-1", "serial": "88123"}),
        ("[)>\x1e05\x1d0104012345678901\x1d2188123\x1e\x04", {"gtin": "04012345678901", "serial": "88123"}),
        ("(01)04012345678901(11)260131(21)A(12", {"gtin": "04012345678901", "serial": "A"}),
        ("01040123456789011726123121A1\x1d10B9", {"gtin": "04012345678901", "serial": "A1", "batch": "B9"}),
        ("SN:88123,MODEL:HX-4711,MAC:001122334455", {"serial": "88123", "model": "HX-4711"}),
        ("S:88123;M:HX-4711", {"serial": "88123", "model": "HX-4711"}),
        ("SN=88123", {"serial": "88123"}),
        ("S/N: 88123\nTyp: HX 4711/B", {"serial": "88123", "model": "HX 4711/B"}),
        ("Fabr.-Nr.: 77-1 | Art.-Nr.: 5", {"serial": "77-1", "article": "5"}),
        ("S:1;S:2", {"serial": "1"}),
    ],
)
def test_known_forms_name_their_fields(text: str, fields: dict[str, str]) -> None:
    """GS1 in all its writings, addresses, and key and value pairs."""
    assert codes.parse(text) == fields


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20418873KF",
        "24-542771",
        "4012345678901",
        "hello world",
        "6D:31:B4:21:63:FF",
        "WIFI:T:WPA;S:plant;P:secret;;",
        "BEGIN:VCARD\nN:Miller\nTEL:123",
        "mailto:service@example.com",
        "https://example.com/en/type/pdf",
        "https://example.com/21",
        "[)>\x1e06\x1e\x04",
        "[)>\x1e12\x1dS88123",
        "https://example.com/manual",
        "https://[broken",
        "(99)",
        "(21)",
        "01040123",
        "\x1d\x1d",
        "S:",
        ":x",
    ],
)
def test_a_text_of_no_known_form_names_no_field(text: str) -> None:
    """A bare number may be anything, and a network's name is no serial: nothing is made up."""
    assert codes.parse(text) == {}


@given(st.text(max_size=80))
def test_any_text_is_survived(text: str) -> None:
    """What stands in a code is the world's: no text raises, and every value is a text with something in it."""
    assert all(name and value for name, value in codes.parse(text).items())


@given(st.text("0123456789()\x1d/:=;S21", max_size=40))
def test_any_nearly_valid_text_is_survived(text: str) -> None:
    """Cut and broken element strings raise nothing either."""
    for prefix in ("", "]d2", "(01)", "https://x/01/", "[)>\x1e06\x1d", "[)>\x1e05\x1d"):
        assert all(value for value in codes.parse(prefix + text).values())
