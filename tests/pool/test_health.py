"""Promises of a replica's health, of the number of replicas, and of watching the pool as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edge.commands import pool as command
from edge.core.fields import Product
from edge.core.reading import FieldReading, Reading, TextLine
from edge.errors import ReaderError
from edge.pool.canary import Canary
from edge.pool.replica import Replica
from edge.pool.scaling import wanted
from tests.core.parts import reading

_BOX = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
AGES = st.lists(st.floats(0, 10_000), min_size=1, max_size=8)


class Reads:
    """A reader that says what the test has it say."""

    name, hash = "ocr", "a" * 64

    def __init__(self, text: str) -> None:
        self.text = text

    def read(self, image: Any, product: Product, located: Any = None, draft: Any = None) -> Reading:
        """One line, which is every field's text, too; nothing to say is an error."""
        del image, located, draft
        if not self.text:
            raise ReaderError("the GPU has fallen off the bus")
        fields = {name: FieldReading(name, text=self.text) for name in product.fields}
        return replace(reading(), fields=fields, lines=(TextLine(self.text, _BOX),))


@pytest.fixture
def reads() -> Reads:
    """A reader that can read the canary."""
    return Reads("S/N 12345678AB")


@pytest.fixture
def replica(reads: Reads) -> Iterator[Replica]:
    """One replica of it."""
    with closing(Replica(reads)) as made:
        yield made


def test_a_reader_that_reads_stays_well(replica: Replica) -> None:
    """The canary is really read at each check, and a replica that reads it is well."""
    canary = Canary(replica)
    before = replica.facts()["answers"]["answered"]
    canary.check()

    assert replica.facts()["answers"]["answered"] == before + 1


@pytest.mark.parametrize(("text", "said"), [("", "fallen off the bus"), ("S/N 12345678A8", "the reader has changed")])
def test_a_reader_that_reads_no_longer_is_ill(replica: Replica, reads: Reads, text: str, said: str) -> None:
    """A replica that fails at its canary, or reads it otherwise than at the start, is replaced."""
    canary = Canary(replica)
    reads.text = text

    with pytest.raises(ReaderError, match=said):
        canary.check()


def test_a_reader_that_never_read_is_never_ready(replica: Replica, reads: Reads) -> None:
    """Weights that do not read what is drawn do not come in."""
    reads.text = "lorem ipsum"

    with pytest.raises(ReaderError, match="it cannot read; use another model"):
        Canary(replica)


@given(st.integers(1, 50), AGES, st.floats(1, 1000))
def test_the_number_of_replicas_moves_by_the_age_of_questions(replicas: int, ages: list[float], aim: float) -> None:
    """Older questions than wanted never take a replica away, younger ones never add one; at most it doubles at once."""
    number, mean = wanted(replicas, ages, aim), sum(ages) / len(ages)

    assert 1 <= number <= 2 * replicas
    assert number >= replicas if mean > aim else number <= replicas


def test_replicas_that_tell_nothing_change_nothing() -> None:
    """Before the first figures the number stays as it is."""
    assert wanted(3, [], 100.0) == 3


def test_a_pool_that_answers_nobody_is_given_up() -> None:
    """`edge pool up` ends with a sentence when the cluster's head is gone, so that it is started again."""
    with pytest.raises(ReaderError, match=r"has not answered for 0\.1 s.*takes no connection.*start it again"):
        command.watch("http://127.0.0.1:9", lambda _s: False, silent_s=0.1)


def test_watching_ends_when_it_is_told() -> None:
    """Whoever stops the command waits for no pool."""
    waits: list[float] = []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        return True

    command.watch("http://127.0.0.1:9", wait)

    assert len(waits) == 1
