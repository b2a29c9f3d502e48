"""A rehearsal of a plant: every part ends as its label says it must, and all counts are one number."""

from __future__ import annotations

import argparse
import json
import random
import signal
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.core import gate
from edge.core.outcome import Reason
from edge.readers.label import LabelReader
from edge.services.rehearsal import PRODUCT
from edge.services.rehearsal_label import EXPECTED, SHARES, Part, draw, next_part
from simulator import __main__ as simulator
from simulator import plant

SERIAL, OTHER = "0007000042", "0007500042"


def read(part: Part, reader: LabelReader) -> tuple[str, list[str], bool]:
    """What is read on a part's label: the text, the codes beside it, and whether the gate let it through."""
    encoded = cv2.imencode(".bmp", draw(part))[1]
    image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    reading = reader.read(image, PRODUCT)
    fit = gate.judge(reader.judge(image), PRODUCT.limits).fit
    return reading.fields["serial"].text, [code.text for code in reading.codes], fit


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Part(SERIAL, SERIAL, SERIAL, "none"), (SERIAL, [SERIAL], True)),
        (Part(SERIAL, OTHER, OTHER, "other_part"), (OTHER, [OTHER], True)),
        (Part(SERIAL, SERIAL[:-1], SERIAL[:-1], "form"), (SERIAL[:-1], [SERIAL[:-1]], True)),
        (Part(SERIAL, SERIAL, OTHER, "codes_differ"), (SERIAL, [OTHER], True)),
        (Part(SERIAL, SERIAL, SERIAL, "blank"), ("", [], False)),
    ],
    ids=lambda one: getattr(one, "flaw", None),
)
def test_a_label_is_read_from_its_pixels(part: Part, said: tuple[str, list[str], bool]) -> None:
    """The matrix code is the reading, the bar code is beside it, and a label without either is unfit or empty."""
    assert read(part, LabelReader("codes")) == said


def test_a_dark_label_is_not_fit() -> None:
    """The gate stops it before anything is read."""
    assert not read(Part(SERIAL, SERIAL, SERIAL, "dark"), LabelReader("codes"))[2]


def test_the_line_reader_reads_the_printed_line() -> None:
    """The recogniser reads what is printed above the bar code, and every measure of quality is taken."""
    text, codes, fit = read(Part(SERIAL, SERIAL, SERIAL, "none"), LabelReader("line", full_gate=True))

    assert (text, codes, fit) == (SERIAL, [SERIAL], True)


def test_parts_are_wrong_as_often_as_said() -> None:
    """Over many parts each flaw comes, about as often as its share; without an earlier part none comes again."""
    dice = random.Random(3)
    parts = [next_part(7, number, SERIAL, dice) for number in range(20_000)]
    first = [next_part(7, number, None, dice) for number in range(2000)]
    found = {flaw: sum(part.flaw == flaw for part in parts) / 20 for flaw in SHARES}

    assert found == pytest.approx(dict(SHARES), rel=0.35)
    assert all(part.flaw != "again" for part in first)
    assert {part.expected for part in parts} == {*EXPECTED.values()}


@pytest.mark.timeout(600)
def test_a_small_plant_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Triggers, outcomes, what a subscriber heard and rows in PostgreSQL are one number (L1); nothing wrong passed."""
    report = tmp_path / "report.json"

    code = simulator.main(["plant", "--stations", "6", "--minutes", "0.1", "--report", str(report)])

    told = json.loads(report.read_text(encoding="utf-8"))
    assert code == 0, capsys.readouterr().out
    assert told["triggers"] == told["outcomes"] == told["heard"] == told["rows"] == 36
    assert told["violations"] == []
    assert told["waits"]["questions"] >= 36


@pytest.mark.timeout(600)
def test_a_reader_that_dies_costs_holds_and_no_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    """Killed under way: every trigger still ends in one outcome, without a reader on hold, and none passed wrongly."""
    asked = argparse.Namespace(
        stations=4, rate=1.0, minutes=0.2, arrivals="takt", reader="codes", full_gate=False, readers=1
    )
    with plant.Plant(asked) as made:
        killer = threading.Thread(target=_kill_later, args=(made,))
        killer.start()
        run = made.play()
        killer.join()

    assert run.triggers == run.outcomes == run.heard == run.rows == 48
    assert run.counts["wrong_passes"] == 0
    assert run.reasons[Reason.READER_FAILED.value] >= 1
    assert run.violations == []


def _kill_later(made: plant.Plant) -> None:
    """Kill the reader when some outcomes were heard."""
    while len(made.ear.heard) < 8:
        threading.Event().wait(0.05)
    made.children["reader-0"].family()[0].send_signal(signal.SIGKILL)


def test_a_plant_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers that make no plant end with 2 and a sentence."""
    code = simulator.main(["plant", "--stations", "0"])

    assert code == 2
    assert "must be more than 0" in capsys.readouterr().err
