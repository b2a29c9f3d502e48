"""Reads that are kept: a killed run goes on where its file ends, and two looks are at one plate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edge.core.reading import Character, FieldReading
from training.calibration import fit, reads
from training.calibration.twice import two_of_one_plate
from training.kept import kept


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_run_that_was_killed_goes_on(tmp_path: Path, at_once: int) -> None:
    """A line that was cut short is dropped, and its frame is read again; frames that are kept are not."""
    path = tmp_path / "reads.jsonl"
    whole = [json.dumps({"kind": "looks", "index": n, "fields": {}}) + "\n" for n in range(2)]
    path.write_text("".join(whole) + '{"kind": "looks", "ind', encoding="utf-8")

    def read(frames: Sequence[int]) -> list[dict[str, object]]:
        return [{"kind": "looks", "index": index, "fields": {}} for index in frames]

    done = reads.go_on(path, read, 4, lambda: False, at_once)

    assert done == (4, 4)
    assert [line["index"] for line in kept(path)] == [0, 1, 2, 3]


def test_two_looks_are_at_one_plate() -> None:
    """Both frames bear the same texts and are not the same frame; the same number gives the same frames again."""
    order = reads.order(4, 1)
    one, other = two_of_one_plate(order, 4)
    again, _ = two_of_one_plate(order, 4)

    texts = [{name: row["text"] for name, row in drawn.label["fields"].items()} for drawn in (one, other)]
    assert texts[0] == texts[1]
    assert not np.array_equal(one.frame, other.frame)
    assert np.array_equal(one.frame, again.frame)


def test_no_weight_turns_doubt_into_certainty() -> None:
    """Where reads of low confidence happen to be the right ones, confidence weighs nothing rather than less than it."""

    def one(confidence: float) -> FieldReading:
        return FieldReading("serial", text="7", characters=(Character("7", confidence),))

    weights, _ = fit.fit([(one(0.6), False), (one(0.99), True)] * 20, ("confidence",))

    assert weights == {}


def test_what_is_fitted_on_is_not_what_is_held_out() -> None:
    """Frames are held out by tens, two in three, so that there are as many of every kind."""
    held = [fit.held_out({"index": index}) for index in range(40)]

    assert sum(held) == 20
    assert all({held[turn], held[turn + 10]} == {True, False} for turn in range(10))
