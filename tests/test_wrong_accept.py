"""Settings of what a pass needs: a calibration that is no use refuses to start (L13)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge import settings
from edge.calibrations import read_calibration
from edge.readers import opening
from tests.wrong_case import Case

BUNDLED = read_calibration().facts
OF_VLM = json.dumps({**BUNDLED, "reader": "vlm"}).encode()
OWN = json.dumps({**BUNDLED, "least_margin": 0.1}).encode()

CASES = [
    Case("a calibration that is not there", ("accept.calibration", "none.json", "edge calibrate"),
         more='[accept]\ncalibration = "none.json"\n'),
    Case("a calibration that is none", ("accept.calibration", "own.json", "version"),
         more='[accept]\ncalibration = "own.json"\n', files={"own.json": b"{}"}),
    Case("a calibration of another reader", ("accept.calibration", "of reader ocr", "of vlm"),
         more='[accept]\ncalibration = "own.json"\n', files={"own.json": OF_VLM}),
    Case("a rate for a reader that was not calibrated", ("accept.single_look_rate", "of reader vlm", "of ocr"),
         more='[reader]\nkind = "vlm"\n[accept]\nsingle_look_rate = 0.01\n'),
    Case("a rate that the calibration has no threshold for", ("accept.single_look_rate", "1e-09", "more plates"),
         more="[accept]\nsingle_look_rate = 1e-9\n"),
    Case("a rate that is no share", ("accept.single_look_rate", "less than 1"),
         more="[accept]\nsingle_look_rate = 1\n"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_calibration_that_is_no_use_refuses_to_start(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mistake is one sentence that names file, key and what to do (L13)."""
    monkeypatch.setattr(opening, "lacking", lambda _kind: "")

    assert case.told(tmp_path)


def test_a_site_s_own_calibration_is_taken(tmp_path: Path) -> None:
    """A relative file starts at the configuration's folder; the policy has it, and without one the bundled."""
    own = Case("own", (), more='[accept]\ncalibration = "own.json"\n', files={"own.json": OWN}).write(tmp_path)
    taken = settings.load(own, {}).policy.calibration

    own.write_text(own.read_text(encoding="utf-8").partition("[accept]")[0], encoding="utf-8")
    bundled = settings.load(own, {}).policy

    assert taken is not None
    assert taken.least_margin == 0.1
    assert bundled.calibration == read_calibration()
    assert (bundled.single_look_rate, bundled.single_look_confidence) == (None, None)
