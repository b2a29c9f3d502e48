"""Promises of what the recogniser's body has learnt: it comes out as it was packed, and into its own network only."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ReaderError
from edge.readers.lines import body
from edge.readers.lines.recogniser import prepared, shaped
from edge.readers.lines.weights import DETECTOR, RECOGNISER, Network, weight_file


def wheels() -> Any:
    """The recogniser as the wheel has it."""
    return ov.Core().read_model(weight_file(RECOGNISER))


@given(st.integers(0, 2**32 - 1), st.sampled_from([(3, 4), (1, 5, 1, 1), (6,), (2, 3, 1, 1)]), st.floats(-4, 1))
def test_keeps_what_is_added_to_within_a_step_of_its_row(seed: int, shape: tuple[int, ...], size: float) -> None:
    """A packed weight is off by half a step of its row at most, and a step is a 127th of the row's greatest value."""
    added = (10**size * np.random.default_rng(seed).normal(0, 1, shape)).astype(np.float32)

    back = body.unpacked(body.packed({"one": added}))["one"]

    axis = next(at for at, count in enumerate(shape) if count > 1)
    greatest = np.abs(np.moveaxis(added, axis, 0).reshape(shape[axis], -1)).max(axis=1)
    off = np.abs(np.moveaxis(back - added, axis, 0).reshape(shape[axis], -1)).max(axis=1)
    assert (off <= greatest / 127 * 0.6 + 1e-4).all()


def test_leaves_out_weights_that_nothing_is_added_to() -> None:
    """What was not learnt takes no room."""
    assert body.packed({"still": np.zeros((4, 4), np.float32)}) == {}


def test_changes_the_body_alone() -> None:
    """What is learnt goes into the body; its shape, and the head's weights behind it, are the wheel's."""
    plain, taught = shaped(wheels()), prepared(wheels())

    weights = [
        {node.get_friendly_name(): node.data for node in model.get_ordered_ops() if node.get_type_name() == "Constant"}
        for model in (plain, taught)
    ]
    assert [one.get_type_name() for one in plain.get_ordered_ops()] == [
        one.get_type_name() for one in taught.get_ordered_ops()
    ]
    assert sum(one.size for one in weights[0].values()) == sum(one.size for one in weights[1].values())


def test_refuses_a_network_that_it_was_not_learnt_for() -> None:
    """Another network's weights are not touched: the reader says which ones it misses, and does not read."""
    with pytest.raises(ReaderError, match=r"no weights conv2d_\d+.* body\.npz"):
        Network(DETECTOR, prepared, threads=1)
