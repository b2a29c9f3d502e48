"""`edge calibrate DIR`: labelled images in; thresholds, reliability, error against accept and their intervals out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.calibrations import read_calibration
from edge.cli import main
from edge.readers.ocr import Ocr
from tests.vision.drawn_frames import scene

SERIAL, MODEL = "20418873KF", "HX-4711/B"


def site(folder: Path, *labels: Mapping[str, object]) -> Path:
    """A folder of frames, each with a label; all show the same plate."""
    frame = scene(scale=0.6).frame
    for label in labels:
        cv2.imwrite(str(folder / str(label["file"])), frame)
    (folder / "labels.jsonl").write_text("".join(json.dumps(label) + "\n" for label in labels), encoding="utf-8")
    return folder


def labelled(*serials: str) -> list[Mapping[str, object]]:
    """Labels of as many frames, with these serials."""
    return [{"file": f"{n}.png", "model": MODEL, "serial": serial} for n, serial in enumerate(serials)]


def test_labelled_images_give_the_tables_and_a_file_that_accept_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reliability, error against accept, a threshold a rate with its interval, one look and two; and the file loads."""
    here, file = site(tmp_path, *labelled(SERIAL, SERIAL, SERIAL, "20418873XX")), tmp_path / "own.json"

    assert main(["calibrate", str(here), "--rate", "0.2", "--rate", "0.001", "-o", str(file)]) == 0

    out = capsys.readouterr().out
    assert "4 labelled images: 0 refused by the gate, 4 read" in out
    assert "said to be wrong" in out
    assert "accepted, surest first" in out
    assert "2 agreeing looks" in out
    assert "0.001   no score is so sure" in out or "not shown: that takes about 3700" in out
    assert f'[accept] calibration = "{file}"' in out
    found = read_calibration(file)
    assert found.fits("ocr", Ocr(threads=1).hash)
    # Three frames of one plate are two pairs of neighbours; the fourth is labelled otherwise.
    assert (found.looks[2].accepted, found.looks[2].wrong, found.looks[2].of) == (2, 0, 2)
    assert found.looks[1].of == 2


def test_a_text_that_counts_as_right_too_is_right(tmp_path: Path) -> None:
    """`serial_alternatives` are as good as `serial`; blanks do not count."""
    file = tmp_path / "own.json"
    label = {"file": "0.png", "model": "HX - 4711/B", "serial": "20418873", "serial_alternatives": [SERIAL]}
    other = {**label, "file": "1.png"}

    assert main(["calibrate", str(site(tmp_path, label, other)), "-o", str(file)]) == 0

    assert read_calibration(file).looks[1].wrong == 0


def test_one_bad_image_is_told_and_the_rest_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A broken file is a sentence on standard error and exit 1; a frame without a plate is counted as refused."""
    here = site(tmp_path, *labelled(SERIAL, SERIAL, SERIAL))
    (here / "0.png").write_bytes(b"\x89PNG")
    cv2.imwrite(str(here / "1.png"), np.full((600, 900, 3), 90, np.uint8))

    assert main(["calibrate", str(here)]) == 1

    out, err = capsys.readouterr()
    assert "0.png" in err
    assert "3 labelled images: 1 refused by the gate, 1 read" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"", "has no line"),
        (b"{", "line 1 is not JSON"),
        (b'{"file": "a.png"}\n[]', "line 2 names no file"),
        (b'{"file": "a.png"}', "'model'"),
        (b'{"file": "a.png", "serial": "1", "serial_alternatives": "2"}', "serial_alternatives"),
        (b"\xff\xfe", "not UTF-8"),
    ],
    ids=["none", "empty", "not json", "no file", "no label of a required field", "alternatives", "bytes"],
)
def test_labels_that_are_no_use_are_one_sentence(
    content: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong labels are wrong use: exit 2, and a sentence with the file and the line."""
    if content is not None:
        (tmp_path / "labels.jsonl").write_bytes(content)

    assert main(["calibrate", str(tmp_path)]) == 2

    err = capsys.readouterr().err
    assert said in err
    assert str(tmp_path) in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("rate", ["0", "1", "nan", "often", "-1"])
def test_a_rate_that_is_no_share_is_wrong_use(rate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A false-accept rate lies between 0 and 1."""
    assert main(["calibrate", str(tmp_path), f"--rate={rate}"]) == 2

    assert "between 0 and 1" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An hour of reading is not lost to a folder that is not there."""
    here = site(tmp_path, *labelled(SERIAL))

    assert main(["calibrate", str(here), "-o", str(tmp_path / "no" / "own.json")]) == 2

    assert "folder does not exist" in capsys.readouterr().err
