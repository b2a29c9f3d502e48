"""Recorded passes: sizes are rounded as told, and a replay gives what the pass itself gives (needs CUDA)."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edge.readers.models.glm import Glm
from edge.readers.models.graphs import LENGTHS, SLOTS, Graphs, rounded_up
from edge.readers.models.passes import Eager, Packed, Prompt
from tests.readers.models.small_models import CLIP_MEAN, CLIP_STD, glm
from tests.readers.models.test_passes import prompt

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="recordings are of CUDA graphs")


@given(st.integers(1, 2000))
def test_a_shape_is_rounded_up_to_the_next_recorded_one(tokens: int) -> None:
    """A pass is padded to the least recorded length that holds it; one longer than all has no recording."""
    length = rounded_up(tokens, LENGTHS)

    if length is None:
        assert tokens > max(LENGTHS)
    else:
        assert length == min(one for one in LENGTHS if one >= tokens)


def test_the_cache_holds_the_longest_pass_and_its_answers() -> None:
    """The recorded passes' cache has room for the longest first turn, and for two answers of 32 tokens tried twice."""
    assert max(LENGTHS) + 2 * (2 * 32 + 2) + 1 <= SLOTS


def rows(engine: object, plates: list[Prompt]) -> list[torch.Tensor]:
    """Log-probabilities of a first and a later pass, all rows."""
    passes = Packed(engine, plates, room=12)  # type: ignore[arg-type]
    drafts: list[list[int]] = [[31, 32, 33], [41]] * len(plates)
    first = [row.rest.cpu().clone() for each in passes.extend(drafts) for row in each]
    passes.forget(0, 2)
    later = [row.rest.cpu().clone() for each in passes.extend([[77], []] * len(plates)) for row in each]
    return first + later


@needs_cuda
@pytest.mark.parametrize("plates", [1, 2, 3])
def test_a_replayed_pass_gives_what_the_pass_gives(plates: int) -> None:
    """Padding, rounding and recording change nothing that is read (L6)."""
    asked = [prompt(seed, tuple(range(50, 55 + seed))) for seed in range(plates)]
    plain = Eager(Glm(glm().cuda(), CLIP_MEAN, CLIP_STD))
    recorded = Graphs(Glm(glm().cuda(), CLIP_MEAN, CLIP_STD))

    for found, expected in zip(rows(recorded, asked), rows(plain, asked), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)

    assert recorded.recordings >= 3


@needs_cuda
def test_a_shape_without_a_recording_runs_as_it_comes() -> None:
    """A prompt longer than every recording is read all the same."""
    asked = [prompt(0, tuple(n % 200 for n in range(1200)))]
    recorded = Graphs(Glm(glm().cuda(), CLIP_MEAN, CLIP_STD))

    found = rows(recorded, asked)

    assert all(torch.isfinite(one).all() for one in found)
    assert recorded.recordings == 1  # the picture alone


@needs_cuda
def test_a_warm_engine_records_nothing_later() -> None:
    """What a station's parts usually need is recorded before the first part, so that none waits for it."""
    recorded = Graphs(Glm(glm().cuda(), CLIP_MEAN, CLIP_STD))
    recorded.warm()
    before = recorded.recordings

    rows(recorded, [prompt()])

    assert recorded.recordings == before
