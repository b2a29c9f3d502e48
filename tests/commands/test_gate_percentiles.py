"""`edge gate --percentiles DIR`: a site's own distribution of each measure."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from edge.cli import main
from tests.vision.drawn_frames import SPOIL, scene

WHOLE = scene(scale=0.6)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of four frames, one of them dark, with a broken image and a file that is none."""
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), scene(scale=0.6, seed=number).frame)
    cv2.imwrite(str(tmp_path / "dark.png"), SPOIL["underexposure"](WHOLE, 0.97).frame)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


def test_percentiles_of_raw_and_score_and_the_share_under_the_limit(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One object: p1 to p99 of every measure, raw and 0 to 100, and the share that the limit would reject."""
    assert main(["gate", "--json", "--percentiles", str(site)]) == 1

    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["frames"], found["failed"], found["unfit"]) == (4, 1, 1)
    assert "broken.jpg" in err
    light = found["measures"]["underexposure"]
    assert light["raw"]["p1"] < 50
    assert light["raw"]["p50"] > 150
    assert (light["least"], light["under_limit"]) == (50, 0.25)
    assert found["measures"]["tilt"]["least"] is None
    for one in found["measures"].values():
        for spread in (one["raw"], one["score"]):
            assert list(spread) == ["p1", "p5", "p50", "p95", "p99"]
            assert list(spread.values()) == sorted(spread.values())


def test_for_a_person_the_distribution_is_a_table(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json: a line for each measure."""
    (site / "broken.jpg").unlink()

    assert main(["gate", "--percentiles", str(site)]) == 0

    out = capsys.readouterr().out
    assert "4 frames, 1 unfit" in out
    assert "25%" in next(line for line in out.splitlines() if line.startswith("underexposure"))


@pytest.mark.parametrize("case", ["nothing", "both", "no folder", "empty folder"])
def test_wrong_use_is_named(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without images and folder, with both, or with a folder without images: one sentence, exit 2."""
    given = {
        "nothing": [],
        "both": ["x.png", "--percentiles", str(tmp_path)],
        "no folder": ["--percentiles", str(tmp_path / "absent")],
        "empty folder": ["--percentiles", str(tmp_path)],
    }[case]

    assert main(["gate", *given]) == 2

    err = capsys.readouterr().err
    assert err.startswith("edge: ")
    assert err.count("\n") == 1
