"""`edge profile`: what it writes can be loaded, says what was given, and reads the images that it was made from."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import cv2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.cli import main
from edge.commands.profile import Profile, text_of
from edge.core.profile import generalise
from edge.products import load_product
from tests.vision.drawn_frames import scene

MODEL, SERIAL = "HX-4711/B", "20418873KF"
TEXTS = st.lists(st.text("ABz018 -/.'\"\\é(", min_size=1, max_size=10).filter(str.strip), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn plate in a file."""
    path = tmp_path_factory.mktemp("frames") / "plate.png"
    cv2.imwrite(str(path), scene(scale=0.5).frame)
    return path


@settings(max_examples=25, deadline=None)
@given(
    TEXTS, st.lists(st.text("S/N. :'\"é", min_size=1, max_size=8).filter(str.strip), max_size=3, unique_by=str.casefold)
)
def test_what_is_written_loads_as_the_same_rule(examples: list[str], keys: list[str]) -> None:
    """Whatever the texts and key words hold, the file gives the same rule back."""
    rule = generalise(examples)
    profile = Profile(
        "pump", {"serial": rule}, {"serial": 1}, {"serial": 0}, {"serial": tuple(keys)}, {"glare": (40, 90)}
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pump.toml"
        path.write_text(text_of(profile), encoding="utf-8")
        product = load_product(str(path))

    read = product.fields["serial"]
    assert (read.pattern, read.confusable, read.check, read.keys) == (
        rule.pattern,
        rule.confusable,
        rule.check,
        tuple(keys),
    )
    assert product.limits.min_scores["glare"] == 35
    assert all(read.matches(text) for text in {" ".join(example.split()) for example in examples})


def test_a_profile_reads_its_own_image(frame: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plate's model and serial make a file with patterns and key words, and it is read right with that file."""
    output = tmp_path / "pump.toml"
    code = main(["profile", str(frame), "--serial", SERIAL, "--model", MODEL, "-o", str(output)])

    product = load_product(str(output))
    assert code == 0
    assert "1 of 1 images are read right" in capsys.readouterr().out
    assert product.fields["serial"].pattern == "[0-9]{8}[A-Z]{2}"
    assert product.fields["model"].pattern == "[A-Z]{2}-[0-9]{4}/[A-Z]"
    assert product.fields["serial"].keys == ("S/N",)


def test_a_wrong_label_is_told(frame: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An image that is not read as labelled is named, with what was read, and the exit code says so."""
    labels = tmp_path / "labels.jsonl"
    labels.write_text(json.dumps({"file": str(frame), "serial": "20418873KX", "model": None}) + "\n", encoding="utf-8")

    assert main(["profile", "--labels", str(labels), "-o", str(tmp_path / "p.toml")]) == 1
    assert "read serial '20418873KF' and not '20418873KX'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "x.toml"], "no image is given"),
        (["a.png", "-o", "x.toml"], "nothing is known"),
        (["a.png", "--serial", "1", "-o", "x.txt"], "does not end with .toml"),
        (["a.png", "b.png", "c.png", "--serial", "1", "--serial", "2", "-o", "x.toml"], "2 times for 3 images"),
        (["--labels", "nowhere.jsonl", "-o", "x.toml"], "cannot be read"),
        (["--labels", "nowhere.jsonl", "--serial", "1", "-o", "x.toml"], "one of the two"),
        (["a.png", "--serial", "1", "-o", "nowhere/x.toml"], "cannot be written"),
    ],
)
def test_wrong_use_is_one_sentence(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Arguments that do not go together are told in one line, and nothing is written."""
    monkeypatch.chdir(tmp_path)

    assert main(["profile", *arguments]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A product file that someone may have worked on stays as it is."""
    output = tmp_path / "pump.toml"
    output.write_text("mine", encoding="utf-8")

    assert main(["profile", "a.png", "--serial", "1", "-o", str(output)]) == 2
    assert "--force" in capsys.readouterr().err
    assert output.read_text(encoding="utf-8") == "mine"
