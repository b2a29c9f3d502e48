"""`edge read` and `edge gate` as a person or a script meets them: right fields, one line a file, every error named."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import zxingcpp

from edge.cli import main
from edge.core.gate import ADVICE
from edge.core.outcome import Defect
from edge.errors import ReaderError
from edge.readers import opening
from tests.readers.played_vlm import played_vlm
from tests.vision.drawn_frames import SPOIL, scene

WHOLE = scene()
SERIAL, MODEL = "20418873KF", "HX-4711/B"


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """A sound image file of the drawn plate with a matrix code."""
    frame = WHOLE.frame.copy()
    barcode = zxingcpp.create_barcode(f"SN={SERIAL}", zxingcpp.BarcodeFormat.DataMatrix)
    mark = np.array(zxingcpp.write_barcode_to_image(barcode, scale=9, add_quiet_zones=True))
    frame[700 : 700 + mark.shape[0], 1300 : 1300 + mark.shape[1]] = mark[:, :, None]
    path = tmp_path / "plate.jpg"
    assert cv2.imwrite(str(path), frame)
    return path


def objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects of an output, one a line."""
    return [json.loads(line) for line in text.splitlines()]


def test_read_gives_the_fields_the_quality_and_the_codes(plate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One image, one object: text, characters with confidence, place, quality, codes, reader and times."""
    assert main(["read", "--json", str(plate)]) == 0

    (found,) = objects(capsys.readouterr().out)
    assert found["file"] == str(plate)
    assert {name: field["text"].replace(" ", "") for name, field in found["fields"].items()} == {
        "model": MODEL,
        "serial": SERIAL,
    }
    serial = found["fields"]["serial"]
    assert "".join(character["text"] for character in serial["characters"]) == serial["raw"]
    assert serial["confidence"] == min(character["confidence"] for character in serial["characters"])
    assert 0.5 < serial["confidence"] <= 1
    assert len(serial["box"]) == 4
    assert found["quality"]["fit"] is True
    assert set(found["quality"]["measures"]["glare"]) == {"raw", "score"}
    assert [(code["text"], code["fields"]) for code in found["codes"]] == [(f"SN={SERIAL}", {"serial": SERIAL})]
    assert found["reader"] == "ocr"
    assert found["ms"]["total"] == pytest.approx(sum(v for k, v in found["ms"].items() if k != "total"), abs=0.2)


def test_bad_files_are_named_and_the_rest_are_read(
    plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each bad file is one object with its error, exit 1; good files before, between and after are read (L3)."""
    whole = plate.read_bytes()
    bad = {
        "empty.jpg": b"",
        "one.jpg": b"\xff",
        "cut.jpg": whole[: len(whole) // 2],
        "text.png": b"S/N 20418873KF\n",
    }
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    os.mkfifo(tmp_path / "pipe.png")
    names = [
        str(plate),
        *(str(tmp_path / name) for name in (*bad, "pipe.png", "missing.png")),
        str(tmp_path),
        str(plate),
    ]

    assert main(["read", "--json", *names]) == 1

    found = objects(capsys.readouterr().out)
    assert [one["file"] for one in found] == names
    assert found[0]["fields"]["serial"]["text"] == found[-1]["fields"]["serial"]["text"] == SERIAL
    for one in found[1:-1]:
        assert set(one) == {"file", "error"}
        assert one["error"].startswith(one["file"])


def test_a_name_with_a_newline_and_stray_bytes_stays_on_one_line(plate: Path, tmp_path: Path) -> None:
    """Any file name comes back exactly, in ASCII JSON on one line, in any locale, read or failed."""
    good = os.fsencode(tmp_path) + b"/good\n\xff.jpg"
    bad = os.fsencode(tmp_path) + b"/bad\n\xfe.jpg"
    Path(os.fsdecode(good)).write_bytes(plate.read_bytes())
    Path(os.fsdecode(bad)).write_bytes(b"x")

    for options in (["--json"], []):
        done = subprocess.run(
            [sys.executable, "-m", "edge", "read", *options, good, bad],
            capture_output=True,
            env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0"},
            timeout=120,
            check=False,
        )

        assert done.returncode == 1, done.stderr
        assert b"Traceback" not in done.stderr
        if options:
            lines = done.stdout.decode("ascii").splitlines()
            assert [os.fsencode(json.loads(line)["file"]) for line in lines] == [good, bad]
            assert done.stderr == b""
        else:
            assert SERIAL.encode() in done.stdout
            assert rb"bad\n\xfe.jpg" in done.stderr
            assert done.stderr.count(b"\n") == 1


def test_a_frame_without_a_plate_gives_empty_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing there is a reading and no failure: empty text, exit 0, and the gate says that there is no plate (L3)."""
    path = tmp_path / "blank.png"
    cv2.imwrite(str(path), np.full((600, 800, 3), 120, np.uint8))

    assert main(["read", "--json", str(path)]) == 0

    (found,) = objects(capsys.readouterr().out)
    assert {name: field["text"] for name, field in found["fields"].items()} == {"model": "", "serial": ""}
    assert found["quality"]["defects"] == ["no_plate"]


def test_for_a_person_the_fields_are_a_table(plate: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json: name, fields, codes and the gate's word; errors go to standard error as a sentence."""
    assert main(["read", str(plate), "missing.png"]) == 1

    out, err = capsys.readouterr()
    assert SERIAL in out
    assert "gate: fit" in out
    assert err == "edge: missing.png cannot be opened (No such file or directory); check the name and its permissions\n"


def test_the_gate_says_what_is_wrong_and_what_to_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unfit frame is an answer: every measure raw and 0 to 100, defects, advice, and exit 0."""
    path = tmp_path / "glare.png"
    cv2.imwrite(str(path), SPOIL["glare"](WHOLE, 0.6).frame)

    assert main(["gate", "--json", str(path)]) == 0
    (found,) = objects(capsys.readouterr().out)
    assert main(["gate", str(path)]) == 0
    out = capsys.readouterr().out

    assert found["fit"] is False
    assert found["defects"] == ["glare"]
    assert found["advice"]["glare"].startswith("a highlight hides")
    assert found["advice"]["glare"].endswith(ADVICE[Defect.GLARE])
    assert found["limits"]["glare"] == 50
    assert found["limits"]["tilt"] is None
    assert all(0 <= one["score"] <= 100 for one in found["measures"].values())
    assert f"glare: {found['advice']['glare']}" in " ".join(out.split())


def test_a_product_file_brings_its_own_fields_and_limits(
    plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --product, its fields are read and its limits judged."""
    product = tmp_path / "pump.toml"
    product.write_text(
        'version = 1\nname = "pump"\n[fields.serial]\npattern = "[0-9]{8}[A-Z]{2}"\n[gate]\nsubject_area = 100\n'
    )

    assert main(["read", "--json", "--product", str(product), str(plate)]) == 0

    (found,) = objects(capsys.readouterr().out)
    assert found["product"] == "pump"
    assert set(found["fields"]) == {"serial"}
    assert found["quality"]["defects"] == ["too_small"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["read"], 2),
        (["gate"], 2),
        (["read", "--reader", "nobody", "x.png"], 2),
        (["read", "--reader", "remote", "x.png"], 2),
        (["read", "--reader", "vlm", "--model", "nowhere", "x.png"], 2),
        (["read", "--model", ".", "x.png"], 2),
        (["read", "--product", "nobody", "x.png"], 78),
    ],
)
def test_wrong_use_is_one_sentence(words: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    """No image, an unknown reader or an unknown product: a sentence and the exit code for it."""
    assert main(words) == code

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1


def test_a_reader_that_fails_is_an_error_and_never_an_empty_reading(
    plate: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever goes wrong while a file is read, that file has an error and no fields (L3)."""
    failures: list[Exception] = [ReaderError("the device is gone; restart it"), RuntimeError("secret"), MemoryError()]

    class Broken:
        name, hash = "ocr", ""

        def locate(self, image: object) -> object:
            raise failures.pop(0)

    monkeypatch.setattr(opening, "open_reader", lambda *_, **__: Broken())

    assert main(["read", "--json", str(plate), str(plate), str(plate)]) == 1

    out = capsys.readouterr().out
    assert [set(one) for one in objects(out)] == [{"file", "error"}] * 3
    assert "the device is gone" in out
    assert "secret" not in out


def test_two_readers_are_shown_side_by_side(
    plate: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With ocr+vlm each reader's fields stand by its name, and what they disagree on is said (L7)."""
    played = played_vlm({"serial": SERIAL.replace("8", "B"), "model": MODEL})
    monkeypatch.setattr(opening, "open_vlm", lambda *_, **__: played)
    monkeypatch.setattr(opening, "lacking", lambda _kind: "")

    assert main(["read", "--json", "--reader", "ocr+vlm", str(plate)]) == 0
    (found,) = objects(capsys.readouterr().out)
    assert main(["read", "--reader", "ocr+vlm", str(plate)]) == 0
    out = capsys.readouterr().out

    assert found["reader"] == "ocr+vlm"
    assert found["reader_hash"] not in {one["hash"] for one in found["readings"]}
    assert [one["reader"] for one in found["readings"]] == ["ocr", "vlm"]
    assert found["fields"] == found["readings"][0]["fields"]
    assert found["readings"][1]["fields"]["serial"]["text"] == SERIAL.replace("8", "B")
    assert "vlm" in found["ms"]
    assert "the readers disagree on serial" in out


def test_a_reader_that_lacks_its_packages_says_what_to_install(
    plate: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without torch, `--reader vlm` names the extra in one sentence, and reads nothing (L3)."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    assert main(["read", "--reader", "vlm", str(plate)]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "pip install 'edge-inspection[vlm]'" in err


def test_the_reader_of_a_station_reads_its_files(
    plate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --config the station's own reader reads; --reader goes before it, and the gate loads no model for itself."""
    config = tmp_path / "edge.toml"
    config.write_text(
        'version = 1\n[station]\nsite = "s"\nline = "l"\nname = "n"\ncamera = "c"\n'
        '[cameras.c]\nkind = "simulated"\naddress = "ipc:///tmp/c"\n[reader]\nkind = "ocr+vlm"\n'
    )
    opened: list[object] = []

    def open_vlm(*arguments: object, **_: object) -> object:
        opened.append(arguments)
        return played_vlm({"serial": SERIAL, "model": MODEL})

    monkeypatch.setattr(opening, "open_vlm", open_vlm)
    monkeypatch.setattr(opening, "lacking", lambda _kind: "")
    assert main(["gate", "--json", "--config", str(config), str(plate)]) == 0
    assert main(["read", "--json", "--config", str(config), "--reader", "ocr", str(plate)]) == 0
    before = len(opened)
    assert main(["read", "--json", "--config", str(config), str(plate)]) == 0
    _, alone, both = objects(capsys.readouterr().out)

    assert (before, len(opened)) == (0, 1)
    assert (alone["reader"], both["reader"]) == ("ocr", "ocr+vlm")
