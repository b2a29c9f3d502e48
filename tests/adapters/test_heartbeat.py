"""Signs of life of all processes of a station."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import zmq

from edge.adapters import sockets
from edge.adapters.heartbeat import Beat, Heartbeat, Listener, listen

PATIENCE_S = 60.0


@pytest.fixture
def context() -> Iterator[sockets.Context]:
    """A context of this test's own; ending it proves that every socket was closed."""
    made = zmq.Context()
    yield made
    made.term()


@pytest.fixture
def listener(tmp_path: Path, context: sockets.Context) -> Iterator[Listener]:
    """One who listens from the beginning, before any process is there."""
    made = listen(tmp_path, context=context)
    yield made
    made.close()


def heard(listener: Listener, beating: Mapping[Heartbeat, str]) -> Mapping[str, Beat]:
    """What is heard as soon as every heart, beating with its fact, is heard with it."""
    end = time.monotonic() + PATIENCE_S
    while True:
        for heart, fact in beating.items():
            heart.beat(fact=fact)
        beats = listener.beats()
        if all(
            heart.process in beats and beats[heart.process].facts["fact"] == fact for heart, fact in beating.items()
        ):
            return beats
        assert time.monotonic() < end, "nothing was heard"
        time.sleep(0.01)


def test_each_process_is_heard_with_its_facts(tmp_path: Path, listener: Listener, context: sockets.Context) -> None:
    """A listener that was there first hears every process that comes, each with its own facts."""
    listener.beats()
    hearts = {Heartbeat(tmp_path, name, context=context): f"fact of {name}" for name in ("reader", "capture-top")}
    beats = heard(listener, hearts)

    assert set(beats) == {"reader", "capture-top"}
    assert beats["reader"].pid == os.getpid()
    for heart in hearts:
        heart.close()


def test_a_restarted_process_is_heard_again(tmp_path: Path, listener: Listener, context: sockets.Context) -> None:
    """A process that was started anew is heard without anybody doing something about it, as a new one."""
    heart = Heartbeat(tmp_path, "reader", context=context)
    before = heard(listener, {heart: "first life"})["reader"]
    heart.close()
    heart = Heartbeat(tmp_path, "reader", context=context)
    after = heard(listener, {heart: "second life"})["reader"]
    heart.close()

    assert after.started_us > before.started_us


def test_a_restart_is_counted_once_however_often_it_is_heard(
    tmp_path: Path, listener: Listener, context: sockets.Context
) -> None:
    """Each new life of a process counts, its beats do not, and the first life is no restart."""
    for life in ("first", "second", "third"):
        heart = Heartbeat(tmp_path, "reader", context=context)
        for beat in (1, 2, 3):
            heard(listener, {heart: f"{life} life, beat {beat}"})
        heart.close()

    assert listener.restarts() == {"reader": 2}


def test_each_beat_says_what_memory_the_process_holds(
    tmp_path: Path, listener: Listener, context: sockets.Context
) -> None:
    """The resident memory, of the kernel, in bytes: more than Python itself takes, and no more than the PC has."""
    heart = Heartbeat(tmp_path, "reader", context=context)
    told = heard(listener, {heart: "alive"})["reader"].facts["memory_bytes"]
    heart.close()

    assert 10_000_000 < told < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_silence_shows_as_age(tmp_path: Path, listener: Listener, context: sockets.Context) -> None:
    """A process that died keeps its last beat, whose age grows with the clock."""
    heart = Heartbeat(tmp_path, "reader", context=context)
    beat = heard(listener, {heart: "alive"})["reader"]
    heart.close()

    assert listener.beats()["reader"].started_us == beat.started_us
    assert beat.age_s(beat.at_us + 7_000_000) == 7.0


def test_a_beat_is_due_once_a_period(tmp_path: Path, context: sockets.Context) -> None:
    """A loop may ask in every turn; it beats at once, then no sooner than a period later."""
    heart = Heartbeat(tmp_path, "reader", context=context)
    first = heart.due()
    heart.beat()
    second = heart.due()
    heart.close()

    assert (first, second) == (True, False)


@pytest.mark.parametrize("said", [b"no JSON", b"[]", b"{}", json.dumps({"process": "x"}).encode()])
def test_what_is_no_beat_is_passed_over(
    tmp_path: Path, listener: Listener, context: sockets.Context, said: bytes
) -> None:
    """A process of another version does not deafen the listener."""
    stranger = sockets.open_socket(context, zmq.PUB)
    sockets.bind(stranger, tmp_path, "heartbeat-stranger")
    heart = Heartbeat(tmp_path, "reader", context=context)
    for _ in range(50):
        stranger.send(said)
        listener.beats()
        time.sleep(0.001)
    beats = heard(listener, {heart: "still heard"})
    stranger.close()
    heart.close()

    assert set(beats) == {"reader"}


def test_a_process_elsewhere_takes_the_place_of_its_own(tmp_path: Path, context: sockets.Context) -> None:
    """The reader of another station is heard in its folder, and nothing else of that station is."""
    own, other = tmp_path / "own", tmp_path / "other"
    listener = listen(own, elsewhere={"reader": other}, context=context)
    hearts = {
        Heartbeat(folder, name, context=context): fact
        for folder, name, fact in ((own, "inspector", "own"), (other, "reader", "shared"))
    }
    unheard = [Heartbeat(own, "reader", context=context), Heartbeat(other, "messenger", context=context)]
    for heart in unheard:
        heart.beat(fact="wrong")
    beats = heard(listener, hearts)

    assert {name: beat.facts["fact"] for name, beat in beats.items()} == {"inspector": "own", "reader": "shared"}
    listener.close()
    for part in [*hearts, *unheard]:
        part.close()
