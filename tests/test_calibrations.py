"""A calibration file that is no use is one sentence that names it, and stops the start where it is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.calibrations import BUNDLED, read_calibration
from edge.errors import ConfigError

BUNDLED_TEXT = BUNDLED.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"null",
        b"[" * 100_000,
        b'{"version": 1}',
        b" " * 1_000_001,
        BUNDLED_TEXT.replace('"ocr"', "7").encode(),
        BUNDLED_TEXT.replace('"bias":', '"bias": NaN, "was":').encode(),
    ],
    ids=["empty", "text", "bytes", "list", "object", "null", "deep", "short", "large", "reader", "nan"],
)
def test_nonsense_in_a_calibration_file_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    """Whatever the file holds: what, which file, what to do."""
    path = tmp_path / "calibration.json"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        read_calibration(path)

    (sentence,) = caught.value.problems
    assert str(path) in sentence
    assert "\n" not in sentence


def test_a_calibration_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """A missing file says how to make one."""
    with pytest.raises(ConfigError, match="edge calibrate"):
        read_calibration(tmp_path / "none.json")


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The bundled calibration, written anew, is the same."""
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(read_calibration().facts), encoding="utf-8")

    assert read_calibration(path) == read_calibration()
