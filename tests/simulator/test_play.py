"""A recording played by the simulator: five processes inspect again what another station saw."""

from __future__ import annotations

import json
import tomllib
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge.readers.ocr import Ocr
from simulator import __main__ as simulator
from simulator.play import toml
from simulator.recording import LEFT_OUT, Recording, RecordingError, canonical, differences
from tests.recordings import bundled, record
from tests.remade import manifest, remade, sound

#: The recording reads a dozen frames, the playing starts five processes: minutes on a PC that does more.
pytestmark = pytest.mark.timeout(1800)
COURSE = "inspections/000001/course.json"
SCENES = ("matched_label", "mismatch_serial", "record_missing", "erp_table_gone", "camera_recovers", "stale_frame_late")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a part of each scene."""
    folder = tmp_path_factory.mktemp("recorded")
    return bundled(record(folder, Ocr(threads=2), SCENES), folder / "all.edge.zip")


@pytest.mark.slow
def test_a_station_decides_again_what_another_recorded(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames, triggers and ERP's answers of a bundle give, on another station, outcomes of equal canonical bytes.

    What is left out is in `LEFT_OUT`: ids and numbers, times, the encoding of frames, and where the station lives.
    """
    code = simulator.main(["play", str(bundle)])
    said = capsys.readouterr().out

    assert code == 0, said
    assert f"{len(SCENES)} alike, 0 differs, 0 not played" in said


def test_what_time_decided_is_not_played(bundle: Path) -> None:
    """An overrun, a deadline or a reader that failed is named as what no frame decides."""
    with zipfile.ZipFile(bundle) as archive:
        course = json.loads(archive.read(COURSE))
    late = {"order": "reading", "attempt": 1, "after_us": 9, "event": "timer_fired", "timer": "deadline"}
    whys = []
    for changed in ({**course, "begun": "busy"}, {**course, "steps": [late]}, {**course, "steps": []}):
        path = remade(bundle, partial(sound, name=COURSE, content=json.dumps(changed).encode()))
        whys.append(next(Recording(path).parts()).cannot)

    assert [why.partition(",")[0] for why in whys] == ["it was busy", "deadline failed it", "matched: it has no frame"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": 2}, "of version 2, and this plays edge-bundle 1"),
        ({"form": "album"}, "is a album"),
        ({"files": {}}, "is no bundle"),
    ],
)
def test_what_is_no_bundle_is_refused(bundle: Path, change: dict[str, Any], says: str) -> None:
    """A form that the simulator does not play is one sentence."""
    path = remade(bundle, partial(manifest, **change))

    with pytest.raises(RecordingError, match=says):
        next(Recording(path).parts())


def test_a_file_that_is_not_a_bundle_ends_with_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong use is exit code 2 and one sentence."""
    (tmp_path / "x").write_bytes(b"x")
    code = simulator.main(["play", str(tmp_path / "x")])

    assert code == 2
    assert "`edge record` makes one" in capsys.readouterr().err


def test_a_difference_is_named_and_what_is_left_out_is_none() -> None:
    """Outcomes are alike where all but ids, times and places is, at any depth."""
    one = {"reason": "matched", "seq": 1, "attempts": [{"frame_id": "a", "ms": {"read": 1.0}, "defects": []}]}
    like = {"reason": "matched", "seq": 9, "attempts": [{"frame_id": "b", "ms": {"read": 2.0}, "defects": []}]}
    other = {**like, "attempts": [{"defects": ["glare"]}]}

    assert canonical(one) == canonical(like)
    assert differences(one, like) == []
    assert [found.partition(":")[0] for found in differences(one, other)] == ["attempts"]
    assert {"reason", "disposition", "fields", "defects"} & {*LEFT_OUT} == set()


def test_settings_are_written_as_toml() -> None:
    """Any text, list and table of the settings comes back from TOML as it was; what is unset is left out."""
    told = {"a": 'quote " \\ ü \n', "none": None, "list": ["0O", "1I"], "deep": {"1": 0.5, "x": {"on": True}}, "n": 3}

    assert tomllib.loads(toml(told)) == {key: value for key, value in told.items() if value is not None}
