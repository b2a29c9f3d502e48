"""The training's promises: repeatable, readable weights whose signs mean what their names say."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.readers.linking.keys.keywords import FIELDS
from edge.readers.linking.linker import WEIGHTS
from training.linking.pages import pages
from training.linking.train import AGAINST, FOR, KINDS, Samples, fit, names_of, pattern_of, sample

COLUMNS = ["keyed.bias", "keyed.shape", "keyed.looks", "keyed.top"]


def pages_of(features: Sequence[Sequence[float]], right: list[bool]) -> Samples:
    """Give samples of two candidates a page; a page without a right one has nothing on it."""
    starts = np.arange(0, len(features), 2)
    absent = ~np.logical_or.reduceat(np.array(right), starts)
    return Samples(np.array(features), np.array(right), starts, absent)


def test_the_same_pages_give_the_same_weights() -> None:
    """Training is repeatable to the last digit that is kept."""
    made = sample(pages(5, 30))["model"]

    assert fit(made, names_of("model"), steps=30) == fit(made, names_of("model"), steps=30)


def test_what_tells_right_from_wrong_is_learnt() -> None:
    """A feature that only right candidates have gets weight, and "nothing there" wins where none has it."""
    some = pages_of(
        [[1, 1, 0, 0], [1, 0, 0, 0]] * 20 + [[1, 0, 0, 0], [1, 0, 0, 0]] * 20, [True, False] * 20 + [False] * 40
    )

    weights = fit(some, COLUMNS, steps=300)

    assert weights["keyed.bias"] < 0 < weights["keyed.bias"] + weights["keyed.shape"]


def test_evidence_for_a_value_never_counts_against_it() -> None:
    """However the pages fell, a good shape costs nothing and another thing's look gains nothing."""
    perverse = pages_of([[1, 0, 1, 0], [1, 1, 0, 0]] * 30, [True, False] * 30)

    weights = fit(perverse, COLUMNS, steps=300)

    assert weights["keyed.shape"] == 0
    assert weights["keyed.looks"] == 0


def test_the_shipped_weights_keep_their_signs() -> None:
    """The file in the repository has a weight for every feature, and signs as their names say."""
    for field in FIELDS:
        for kind in KINDS[field]:
            assert all(WEIGHTS[field][kind][name] >= 0 for name in FOR)
            assert all(WEIGHTS[field][kind][name] <= 0 for name in AGAINST)


@given(st.text(alphabet="ABYZabz0189-/. +()", min_size=1, max_size=20))
def test_a_text_has_its_own_form(text: str) -> None:
    """The pattern made of a text's form matches the text, and no text with one more character."""
    pattern = re.compile(pattern_of(text))

    assert pattern.fullmatch(text)
    assert not pattern.fullmatch(text + "0")
