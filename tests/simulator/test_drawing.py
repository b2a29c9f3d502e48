"""Promises of drawn plates: decided by the seed alone, labelled truly, legible where nothing is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp

from simulator import spoiling
from simulator.__main__ import main
from simulator.drawing import Order, one, write
from simulator.fonts import BUILT_IN, Typeface
from simulator.material import MATERIALS, Wear, surface
from simulator.optics import Pose, Sensor, plate_share
from simulator.plate import CODES, LAYOUTS, design, draw
from simulator.scenes import load_all
from simulator.wording import KEYS, LANGUAGES, MAKES

SMALL = Sensor(960, 600)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """A folder drawn twice with one seed is the same, byte for byte; another seed gives other plates."""
    order = Order(seed=5, sensor=SMALL, degradations=tuple(spoiling.DEGRADATIONS))
    first, second, other = tmp_path / "first", tmp_path / "second", tmp_path / "other"

    write(order, 4, first)
    write(order, 4, second)
    write(Order(seed=6, sensor=SMALL), 4, other)

    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    assert (first / "labels.jsonl").read_bytes() != (other / "labels.jsonl").read_bytes()


def test_a_longer_run_begins_with_a_shorter_one() -> None:
    """The n-th plate depends on the seed and n only, not on the plates before it."""
    order = Order(seed=3, sensor=SMALL)
    alone = one(order, 2)

    one(order, 0)
    one(order, 1)
    after_others = one(order, 2)

    assert np.array_equal(alone.frame, after_others.frame)
    assert alone.label == after_others.label


def test_the_command_draws_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m simulator draw` writes as many frames of the asked size as asked, and a label for each."""
    code = main(["draw", str(tmp_path), "--count", "3", "--seed", "2", "--size", "960x600", "--form", "png"])

    labels = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    assert code == 0
    assert len(labels) == 3
    frames = [cv2.imread(str(tmp_path / label["file"])) for label in labels]
    assert [None if frame is None else frame.shape for frame in frames] == [(600, 960, 3)] * 3
    assert "3 frames" in capsys.readouterr().out


def test_a_wrong_name_on_the_command_line_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown degradation ends with exit 2 and a sentence that says what may be chosen."""
    code = main(["draw", str(tmp_path), "--degrade", "fog"])

    said = capsys.readouterr().err
    assert code == 2
    assert "fog" in said
    assert "glare" in said


@pytest.mark.parametrize("size", ["1920", "0x5", "99999x5", "axb", "1920x-3"])
def test_a_wrong_size_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], size: str) -> None:
    """A size that is none ends with exit 2 and shows what one looks like."""
    code = main(["draw", str(tmp_path), "--size", size])

    assert code == 2
    assert "1920x1200" in capsys.readouterr().err


def test_the_scenes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m simulator scenes` names every scene with the outcome that it must give."""
    code = main(["scenes"])

    said = capsys.readouterr().out
    assert code == 0
    assert all(scene.name in said and scene.expect.reason in said for scene in load_all().values())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_stands_on_the_plate_and_apart(layout: str, language: str) -> None:
    """In every layout and language each value lies within the plate's frame line, and no two of them overlap."""
    for make in MAKES:
        plan = design(f"{layout} {language}", make=make, layout=layout, language=language, code="QRCode")
        flat = draw(plan)

        height, width = flat.ink.shape
        boxes = list(flat.boxes.values())
        assert set(flat.boxes) >= {"model", "serial"}
        assert all(b.left >= 30 and b.right <= width - 30 and b.top >= 30 and b.bottom <= height - 30 for b in boxes)
        for index, a in enumerate(boxes):
            for b in boxes[index + 1 :]:
                assert a.right <= b.left or b.right <= a.left or a.bottom <= b.top or b.bottom <= a.top


def test_every_language_names_the_same_things() -> None:
    """Every language has a key word for each meaning that English has."""
    assert all(set(words) == set(KEYS["en"]) for words in KEYS.values())


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_typefaces_tell_look_alikes_apart(name: str) -> None:
    """0 and O, 1 and I, 8 and B, 5 and S are different pictures in every built-in typeface."""
    for a, b in ("0O", "1I", "8B", "5S", "2Z"):
        pictures = []
        for text in (a, b):
            mask = np.zeros((100, 100), np.uint8)
            Typeface(name).draw(mask, text, 10, 80, 80)
            pictures.append(mask.astype(np.int32))
        differing = np.abs(pictures[0] - pictures[1]).sum() / max(1, pictures[0].sum())
        assert differing > 0.1, (a, b)


@pytest.mark.parametrize("code", CODES)
def test_a_drawn_code_says_what_the_label_says(code: str) -> None:
    """The bar and matrix codes on a frame decode to the text in its label."""
    plan = design("code", layout="table", code=code)
    look = surface(draw(plan).ink, "label_white")

    found = zxingcpp.read_barcodes(np.ascontiguousarray(look))

    assert [one_code.text for one_code in found] == [plan.serial]


def test_a_nominal_plate_fills_the_frame_with_large_text() -> None:
    """A nominal frame shows the plate on at least 30 % of it, and its values 24 px high or more at 1920 px width."""
    shares, heights = [], []
    for index in range(12):
        label = one(Order(seed=1), index).label
        size = draw(
            design(f"1-{index}", make=label["make"], language=label["language"], layout=label["layout"])
        ).ink.shape
        shares.append(plate_share((size[1], size[0]), Pose(**label["pose"]), Sensor()))
        corners = label["fields"]["serial"]["box"]
        heights.append(corners[3][1] - corners[0][1])

    assert min(shares) >= 0.30
    assert min(heights) >= 24


@pytest.mark.parametrize("degradation", spoiling.DEGRADATIONS)
def test_every_degradation_is_labelled_and_changes_the_frame(degradation: str) -> None:
    """A spoilt frame differs from the nominal one of the same plate, and its label names what was done."""
    good = one(Order(seed=8, sensor=SMALL), 1)
    spoilt = one(Order(seed=8, sensor=SMALL, degradations=(degradation,)), 1)

    assert spoilt.label["degradations"] == [degradation]
    assert spoilt.label["serial"] == good.label["serial"]
    assert not np.array_equal(spoilt.frame, good.frame)


def test_a_plate_without_a_serial_is_labelled_so() -> None:
    """Where the serial is not printed the label is empty, and neither field nor code holds one."""
    label = one(Order(seed=2, sensor=SMALL, without_serial=1.0, with_code=1.0), 0).label

    assert label["serial"] == ""
    assert "serial" not in label["fields"]
    assert label["code"]["text"] == "NOTHING"


@pytest.mark.parametrize("material", MATERIALS)
def test_ink_stands_out_on_every_material(material: str) -> None:
    """On every material the ink differs from the ground, and hardly at all where the contrast is taken away."""
    ink = draw(design("ink")).ink

    def step(contrast: float) -> float:
        grey = cv2.cvtColor(surface(ink, material, contrast=contrast), cv2.COLOR_BGR2GRAY).astype(np.float32)
        return abs(float(grey[ink > 200].mean() - grey[ink == 0].mean()))

    assert step(1.0) > 20
    assert step(0.05) < 12


@pytest.mark.parametrize("wear", [Wear(rubbed=0.8), Wear(scratches=0.8), Wear(dirt=0.8)])
def test_wear_shows(wear: Wear) -> None:
    """Rubbed print, scratches and dirt each change the plate, and do so in the same way every time."""
    ink = draw(design("wear")).ink

    new, worn, again = surface(ink, "label_white"), surface(ink, "label_white", wear), surface(ink, "label_white", wear)

    assert np.mean(new != worn) > 0.001
    assert np.array_equal(worn, again)
