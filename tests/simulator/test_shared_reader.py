"""Two whole stations of one PC that share one reader process."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from simulator.broker import Broker
from simulator.performance import Performance
from simulator.scenes import load_all

pytestmark = pytest.mark.timeout(280)


def test_stations_that_share_a_reader_read_each_their_own_product() -> None:
    """Two stations with products of their own and one reader process pass their parts, each outcome its own (L1)."""
    scenes = {scene.product: scene for scene in load_all().values() if scene.name.startswith("matched_")}
    folder = Path(tempfile.mkdtemp(prefix="ts-", dir="/tmp"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        broker = stack.enter_context(Broker())
        played = Performance(folder, list(scenes), broker.port, 5, one_reader=True)
        since_s = time.monotonic()
        first, second = (stack.enter_context(station) for station in played.stations.values())
        for station in (first, second):
            station.wait_until_ready(since_s)

        stories = [story for scene in scenes.values() for story in played.play(scene)]

        assert len(scenes) == 2
        assert first.process("reader") is not None
        assert second.process("reader") is None
        for story in stories:
            assert story.outcome is not None
            assert (story.outcome["disposition"], story.outcome["reason"]) == ("pass", "matched")
        assert not [fault for station in (first, second) for fault in station.count_differences()]
