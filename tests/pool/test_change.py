"""Promises of changing a running pool over, with two replicas over real HTTP in the place of Ray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from starlette.requests import Request

from edge.core.fields import Product
from edge.core.model_change import Score, refusal, score
from edge.core.reading import FieldReading, Reading
from edge.errors import ReaderError
from edge.pool.change import Labelled, change_over
from edge.pool.http import PoolApi
from edge.pool.replica import Replica
from edge.pool.settings import PoolSettings
from edge.products import NAMEPLATE
from tests.core.parts import reading
from tests.pool.served import served

OLD, NEW = PoolSettings(version=1), PoolSettings.model_validate({"version": 1, "reader": {"threads": 1}})
COUNTS = st.integers(0, 20)


class Reads:
    """A reader that says the same of every frame."""

    name = "ocr"

    def __init__(self, which: str, serial: str) -> None:
        self.hash = which * 64
        self._serial = serial

    def read(self, image: Any, product: Product, located: Any = None, draft: Any = None) -> Reading:
        """That serial, and no model."""
        del image, located, draft
        fields = {name: FieldReading(name, text=self._serial if name == "serial" else "") for name in product.fields}
        return replace(reading(), fields=fields, reader_hash=self.hash)


class Cluster:
    """Two replicas, one behind /candidate, as Ray serves them."""

    def __init__(self, old: Reads | None, new: Reads, stack: ExitStack) -> None:
        self.candidate, self.serving = PoolApi(self._replica(new, stack), deadline_ms=30_000), old
        self.old = None if old is None else PoolApi(self._replica(old, stack), deadline_ms=30_000)
        self.did: list[str] = []
        self._url = stack.enter_context(served(self))

    @staticmethod
    def _replica(reader: Reads, stack: ExitStack) -> Replica:
        replica = Replica(reader)
        stack.callback(replica.close)
        return replica

    async def answer(self, request: Request) -> Any:
        """By the one whose path it is."""
        path = request.scope["path"]
        if path.startswith("/candidate"):
            request.scope["root_path"] = "/candidate"
            return await self.candidate.answer(request)
        return await (self.old or self.candidate).answer(request)

    def runs(self) -> bool:
        """Whether one serves."""
        return self.old is not None

    def serve_as(self, settings: PoolSettings, *, candidate: bool = False) -> Any:
        """Remember it."""
        self.did.append("candidate" if candidate else f"serve {settings.reader.threads}")
        if not candidate:
            self.old = self.candidate
        return _At(self._url + ("/candidate" if candidate else ""))

    def withdraw(self, *, candidate: bool = False) -> None:
        """Remember it."""
        self.did.append("withdraw candidate" if candidate else "withdraw")


class _At:
    def __init__(self, url: str) -> None:
        self.url = url


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is open until the test's end."""
    with ExitStack() as opened:
        yield opened


def labelled(encoded: bytes, serial: str) -> list[Labelled]:
    """One frame, and what it says."""
    return [Labelled(encoded, {"serial": (serial,)})]


def test_worse_weights_are_refused_and_the_old_ones_serve_on(encoded: bytes, stack: ExitStack) -> None:
    """A new hash that reads fewer fields right is refused with the counts; what serves was not touched."""
    cluster = Cluster(Reads("a", "12345678AB"), Reads("b", "12345678A8"), stack)

    with pytest.raises(
        ReaderError, match=r"fewer fields right: 0 of 1 fields right, 1 wrong.*ocr aaaaaaaaaaaa goes on"
    ):
        list(change_over(NEW, cluster, labelled(encoded, "12345678AB"), NAMEPLATE))
    assert cluster.did == ["candidate", "withdraw candidate"]


def test_better_weights_come_in(encoded: bytes, stack: ExitStack) -> None:
    """A new hash that reads no worse takes the old one's place, after both have read the acceptance set."""
    cluster = Cluster(Reads("a", ""), Reads("b", "12345678AB"), stack)
    told = list(change_over(NEW, cluster, labelled(encoded, "12345678AB"), NAMEPLATE))

    assert cluster.did == ["candidate", "withdraw candidate", "serve 1"]
    assert "1 of 1 fields right" in told[0]
    assert "serves reader ocr bbbbbbbbbbbb" in told[1]


def test_the_same_weights_need_no_acceptance(encoded: bytes, stack: ExitStack) -> None:
    """Where the hash is the same only the numbers change, and no frame is read for that."""
    cluster = Cluster(Reads("a", "x"), Reads("a", "x"), stack)
    told = list(change_over(NEW, cluster, labelled(encoded, "y"), NAMEPLATE))

    assert told[0] == "the reader stays as it is (ocr aaaaaaaaaaaa)"
    assert cluster.did == ["candidate", "withdraw candidate", "serve 1"]


def test_the_first_pool_is_compared_with_nothing(stack: ExitStack) -> None:
    """Where nothing serves yet, the canary alone decides."""
    cluster = Cluster(None, Reads("a", "x"), stack)
    list(change_over(OLD, cluster, [], NAMEPLATE))

    assert cluster.did == ["serve 2"]


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_only_what_is_no_worse_comes_in(right: int, wrong: int, new_right: int, new_wrong: int) -> None:
    """Whatever the counts: fewer right or more wrong is refused, anything else is not."""
    old, new = Score(40, right, wrong), Score(40, new_right, new_wrong)

    assert (refusal(old, new) is None) == (new_right >= right and new_wrong <= wrong)


def test_an_empty_field_is_right_only_where_there_is_none() -> None:
    """Nothing read of a plate without a serial is right; of one with a serial it is neither right nor wrong (L3)."""
    counted = score([({"serial": ""}, {"serial": ()}), ({"serial": ""}, {"serial": ("1",)})])

    assert counted == Score(2, 1, 0)
