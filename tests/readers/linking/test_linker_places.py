"""The linker's promises about place: it depends on how texts stand to each other, on nothing else."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.fields import FieldRule, Product
from edge.core.reading import Character, Point, Quad, TextLine
from edge.readers.linking.linker import link
from tests.readers.linking.typesetting import typeset
from training.linking.pages import page

NAMEPLATE = Product("nameplate", {"model": FieldRule("model"), "serial": FieldRule("serial")})
SIZE = (4000, 4000)
PAGES = st.builds(lambda seed, unseen: page(str(seed), unseen=unseen), st.integers(0, 10_000), st.booleans())


def texts(lines: list[TextLine]) -> dict[str, str]:
    """Give what is linked to each field."""
    return {name: reading.text for name, reading in link(lines, NAMEPLATE, SIZE).items()}


def moved(lines: list[TextLine], angle_deg: float, scale: float) -> list[TextLine]:
    """Turn and scale lines about the origin."""
    cosine, sine = math.cos(math.radians(angle_deg)) * scale, math.sin(math.radians(angle_deg)) * scale

    def at(p: Point) -> Point:
        return (p[0] * cosine - p[1] * sine, p[0] * sine + p[1] * cosine)

    def quad(box: Quad) -> Quad:
        return (at(box[0]), at(box[1]), at(box[2]), at(box[3]))

    return [
        TextLine(
            line.text,
            quad(line.box),
            tuple(
                Character(c.text, c.confidence, c.alternatives, quad(c.box) if c.box else None) for c in line.characters
            ),
        )
        for line in lines
    ]


def moved_by(line: TextLine, down: float) -> TextLine:
    """Move a line down; where its letters stand follows from its box."""
    first, second, third, fourth = ((x, y + down) for x, y in line.box)
    return TextLine(line.text, (first, second, third, fourth), tuple(Character(c, 1.0) for c in line.text))


@settings(deadline=None, max_examples=60)
@given(PAGES)
def test_what_is_linked_stands_on_a_line(made: object) -> None:
    """Every value is made of parts of printed lines, letter by letter, and empty ones say why (L3, L7)."""
    lines = list(made.lines)  # type: ignore[attr-defined]

    for reading in link(lines, NAMEPLATE, SIZE).values():
        assert all(any(part in line.text for line in lines) for part in reading.raw.split())
        assert "".join(c.text for c in reading.characters) == reading.raw
        assert reading.why


@settings(deadline=None, max_examples=60)
@given(PAGES, st.integers(0, 10_000))
def test_the_order_of_lines_does_not_matter(made: object, seed: int) -> None:
    """Lines in any order give the same fields."""
    lines = list(made.lines)  # type: ignore[attr-defined]
    other = list(lines)
    Random(seed).shuffle(other)

    assert texts(other) == texts(lines)


@settings(deadline=None, max_examples=60)
@given(PAGES, st.sampled_from([90.0, 180.0, -90.0]), st.sampled_from([0.5, 2.0, 8.0]))
def test_turning_and_scaling_the_page_does_not_matter(made: object, angle_deg: float, scale: float) -> None:
    """A page turned by right angles, nearer or farther, gives the same fields."""
    lines = list(made.lines)  # type: ignore[attr-defined]

    assert texts(moved(lines, angle_deg, scale)) == texts(lines)


@pytest.mark.parametrize("lean_deg", [-0.2, 0.2])
def test_upside_down_lines_may_lean_to_either_side(lean_deg: float) -> None:
    """Lines that lean a little to the left and to the right are one direction, upside down as upright."""
    rows = (("Model number", "NG90-90H2"), ("Serial number", "86481363XU"), ("Speed", "2290 1/min"), ("Ratio", "i=18"))
    upright: list[TextLine] = []
    leaning: list[TextLine] = []
    for row, (key, value) in enumerate(rows):
        for column, text in enumerate((key, value)):
            left, top, wide = 300.0 * column, 60.0 * row, 20.0 * len(text)
            box = ((left, top), (left + wide, top), (left + wide, top + 34), (left, top + 34))
            line = TextLine(text, box, tuple(Character(c, 1.0) for c in text))
            upright.append(line)
            leaning.extend(moved([line], 180.0 + (lean_deg if row % 2 else -lean_deg), 1.0))

    assert texts(leaning) == texts(upright) == {"model": "NG90-90H2", "serial": "86481363XU"}


def test_a_long_line_that_leans_parts_no_key_from_its_value() -> None:
    """A maker's name that runs up on one side is no measure for what runs as the rest of the plate does."""
    name = typeset("# KELVIA MANUFACTURING", angle_deg=-19.5)
    key = typeset("Ser. No.:", angle_deg=1.5)
    model = [moved_by(line, 90.0) for line in typeset("Model: XK-200\nKeep away from children and fire")]
    value = [moved_by(line, 26.0) for line in typeset("5512093-A")]
    plate = [moved_by(line, 200.0) for line in (*key, *value, *model)]

    assert texts([*name, *plate]) == {"model": "XK-200", "serial": "5512093-A"}


def test_what_stands_half_a_line_below_a_row_does_not_take_its_key() -> None:
    """A key's value stands in its row, though another text stands nearer and a little lower."""
    plate = typeset("Model:         XK-200\nNr.:           5512093-A")
    lower = [moved_by(line, 43.0) for line in typeset("       2009")]

    assert texts([*plate, *lower])["serial"] == "5512093-A"


def test_the_sign_of_an_approval_hides_no_value_from_a_key() -> None:
    """A sign nearer to a key and a little lower is no value, and the key reaches past it."""
    plate = typeset("Typ                         XK-200\n\nS/N: 40123987")
    sign = [moved_by(line, 14.0) for line in typeset("     VDE")]

    assert texts([*plate, *sign])["model"] == "XK-200"


def test_a_box_as_wide_as_high_has_the_direction_of_its_plate() -> None:
    """Short keys are told no direction by their boxes; on a plate that leans they have their values all the same."""
    drawing = "KELVIA INSTRUMENTS\nTYP:  Homeline\nS/N:  40123987\nVoltage:  230 V\nPower:  5 kW"
    plate = [_upright(line) if line.text in ("TYP:", "S/N:") else line for line in typeset(drawing, angle_deg=23.0)]

    assert texts(plate) == {"model": "Homeline", "serial": "40123987"}


def _upright(line: TextLine) -> TextLine:
    """Give a line in the upright box round its own, as a detector does that finds no direction."""
    across, down = [x for x, _ in line.box], [y for _, y in line.box]
    left, right, top, bottom = min(across), max(across), min(down), max(down)
    box = ((left, top), (right, top), (right, bottom), (left, bottom))
    return TextLine(line.text, box, tuple(Character(c, 1.0) for c in line.text))


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (("S/N: 12345678",), 'after key "S/N"; score'),
        (("S/N: 12345678", "SN 87654321"), "behind"),
    ],
)
def test_a_value_says_why(lines: tuple[str, ...], why: str) -> None:
    """The key, how the value stands to it, and what came second with its distance are told in one line."""
    made = [
        TextLine(text, ((0, 40 * n), (200, 40 * n), (200, 40 * n + 20), (0, 40 * n + 20)))
        for n, text in enumerate(lines)
    ]

    told = link(made, NAMEPLATE, SIZE)["serial"].why

    assert why in told
    assert "runner-up" in told
    assert "\n" not in told
