"""The linker on plates of many makes, layouts and languages, however they lie, and with the serial hidden."""

from __future__ import annotations

import pytest

from edge.core.fields import FieldRule, Product
from edge.readers.linking.linker import link
from tests.readers.linking.plates_by_language import BY_LANGUAGE
from tests.readers.linking.plates_by_layout import BY_LAYOUT
from tests.readers.linking.plates_by_use import BY_USE
from tests.readers.linking.typesetting import typeset

NAMEPLATE = Product("nameplate", {"model": FieldRule("model"), "serial": FieldRule("serial")})
PLATES = BY_LANGUAGE | BY_USE | BY_LAYOUT
WITH_SERIAL = [name for name, (_, _, serial) in PLATES.items() if serial]


@pytest.mark.parametrize("angle_deg", [0, 25, -90, 180])
@pytest.mark.parametrize("name", PLATES)
def test_plate(name: str, angle_deg: float) -> None:
    """The model and the serial number are found however the plate lies, and nothing else is taken for them."""
    drawing, model, serial = PLATES[name]

    fields = link(typeset(drawing, angle_deg=angle_deg), NAMEPLATE, (4000, 4000))

    assert fields["serial"].text == serial, fields["serial"].why
    if model:
        assert fields["model"].text == model, fields["model"].why


@pytest.mark.parametrize("name", WITH_SERIAL)
def test_plate_with_its_serial_hidden(name: str) -> None:
    """Where the serial number is blacked out nothing else on the plate is taken for it."""
    drawing, _, serial = PLATES[name]

    reading = link(typeset(drawing.replace(serial, " " * len(serial))), NAMEPLATE, (4000, 4000))["serial"]

    assert reading.text == "", reading.why
