"""Promises of scenes against the real core, gate and reader: each gives the outcome that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.readers.ocr import Ocr
from simulator import scenes
from simulator.staging import stage
from tests.simulator.rehearsal import Rehearsal, published

#: Faults of processes and of time need the real line; `edge demo` runs them.
SCENES = [s for s in scenes.load_all().values() if s.fault.kind == "none" and s.expect.reason != "deadline"]


@pytest.fixture(scope="module")
def reader() -> Ocr:
    """The embedded reader, loaded once."""
    return Ocr(threads=2)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scene_ends_as_it_says(scene: scenes.Scene, reader: Ocr, tmp_path: Path) -> None:
    """The outcome has the disposition, reason, defects, number of frames and action that the scene names (L4, L9)."""
    outcome = Rehearsal(stage(scene, "1"), reader, tmp_path).play()

    assert scene.expect.problems(published(outcome)) == []
