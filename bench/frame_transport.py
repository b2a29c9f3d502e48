"""Measure three ways to bring a frame from capture to inspector: the figures of docs/decisions/0002-frame-transport.md.

Run: `python bench/frame_transport.py` (about 40 s). Sender and receiver are two processes on an ipc socket, as in the
station. The free-running ways send at 20 frames/s; the request way asks for each frame.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import zmq

SIZES = {"JPEG 700 KB": 700_000, "raw 1920x1200 6.9 MB": 1920 * 1200 * 3}
WAYS = ("PUB/SUB conflate", "PUSH/PULL conflate", "DEALER/ROUTER request")
PERIOD_S = 0.05


def stamp() -> bytes:
    """The present moment, as the head of a frame."""
    return time.monotonic_ns().to_bytes(8, "big")


def age_ms(head: bytes) -> float:
    """How long ago that head was made."""
    return (time.monotonic_ns() - int.from_bytes(head[:8], "big")) / 1e6


def make(context: zmq.Context[zmq.Socket[bytes]], kind: int, *, conflate: bool = False) -> Any:
    """A socket that never holds up its process."""
    socket: Any = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 0)
    if conflate:
        socket.setsockopt(zmq.CONFLATE, 1)
    return socket


def send(way: str, address: str, size: int, stop: Event) -> None:
    """The capture side: send freely, or answer what is asked."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    pixels = bytes(size)
    if way == WAYS[2]:
        router = make(context, zmq.ROUTER)
        router.setsockopt(zmq.SNDHWM, 4)
        router.bind(address)
        while not stop.is_set():
            if router.poll(50):
                peer, _ = router.recv_multipart()
                router.send_multipart([peer, stamp(), pixels], copy=False)
        router.close()
    else:
        sender = make(context, zmq.PUB if way == WAYS[0] else zmq.PUSH, conflate=True)
        sender.bind(address)
        while not stop.wait(PERIOD_S):
            try:
                sender.send(stamp() + pixels, zmq.NOBLOCK)  # one message: conflate keeps the last *part* of several
            except zmq.Again:
                continue
        sender.close()
    context.term()


def receiver(context: zmq.Context[zmq.Socket[bytes]], way: str, address: str) -> tuple[Any, Callable[[], bytes]]:
    """The inspector side: its socket, and how it gets one frame's head."""
    if way == WAYS[2]:
        dealer = make(context, zmq.DEALER)
        dealer.connect(address)

        def ask() -> bytes:
            dealer.send(b"take")
            head: bytes = dealer.recv_multipart(copy=False)[0].bytes
            return head

        return dealer, ask
    socket = make(context, zmq.SUB if way == WAYS[0] else zmq.PULL, conflate=True)
    if way == WAYS[0]:
        socket.setsockopt(zmq.SUBSCRIBE, b"")
    socket.connect(address)
    return socket, lambda: bytes(socket.recv(copy=False).buffer[:8])


def measure(way: str, size: int, num_frames: int, pause_s: float) -> list[float]:
    """Ages of frames when they arrive at a receiver that then works for `pause_s`."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    stop = multiprocessing.Event()
    with tempfile.TemporaryDirectory() as folder:
        address = f"ipc://{Path(folder) / 'frames.sock'}"
        process = multiprocessing.Process(target=send, args=(way, address, size, stop))
        process.start()
        socket, get = receiver(context, way, address)
        socket.setsockopt(zmq.RCVTIMEO, 10_000)
        for _ in range(3):
            get()
        ages = []
        for _ in range(num_frames):
            time.sleep(pause_s)
            ages.append(age_ms(get()))
        stop.set()
        process.join()
        socket.close()
    context.term()
    return ages


def multipart_and_conflate() -> list[bytes]:
    """What arrives of the two-part message [head, pixels] when the receiver conflates."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sender, taker = make(context, zmq.PUSH), make(context, zmq.PULL, conflate=True)
    sender.bind("inproc://parts")
    taker.connect("inproc://parts")
    sender.send_multipart([b"head", b"pixels"])
    time.sleep(0.2)
    arrived: list[bytes] = []
    while taker.poll(100):
        arrived += taker.recv_multipart()
    sender.close()
    taker.close()
    context.term()
    return arrived


def lost_on_reconnect(way: str) -> str:
    """What became of one message that was under way while its sender was started anew."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with tempfile.TemporaryDirectory() as folder:
        address = f"ipc://{Path(folder) / 'frames.sock'}"
        kinds = {WAYS[0]: (zmq.PUB, zmq.SUB), WAYS[1]: (zmq.PUSH, zmq.PULL), WAYS[2]: (zmq.ROUTER, zmq.DEALER)}
        source_kind, taker_kind = kinds[way]
        conflate = way != WAYS[2]
        source = make(context, source_kind, conflate=conflate)
        source.bind(address)
        taker = make(context, taker_kind, conflate=conflate)
        if way == WAYS[0]:
            taker.setsockopt(zmq.SUBSCRIBE, b"")
        taker.connect(address)
        time.sleep(0.2)
        if way == WAYS[2]:
            taker.send(b"take")  # reaches the one that dies before it answers
            source.recv_multipart()
        source.close()
        source = make(context, source_kind, conflate=conflate)
        source.bind(address)
        if way == WAYS[2]:
            arrived = source.poll(1000)
            said = "the question was asked again" if arrived else "the question died with the one who was asked"
        else:
            try:
                source.send(b"frame", zmq.NOBLOCK)  # before the taker is connected again
                said = "the frame sent before the reconnect was " + (
                    "delivered" if taker.poll(1000) else "accepted and lost in silence"
                )
            except zmq.Again:
                said = "the frame sent before the reconnect was refused: the sender knows"
        source.close()
        taker.close()
    context.term()
    return said


def main() -> None:
    """Print every figure as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=60, help="frames for each latency")
    num_frames = parser.parse_args().frames
    print("| way | frame | p50 ms | p99 ms | age at a receiver busy 300 ms, p50 / max ms |\n|---|---|---|---|---|")
    for way in WAYS:
        for name, size in SIZES.items():
            ages = sorted(measure(way, size, num_frames, 0.0))
            slow = measure(way, size, 8, 0.3)
            p99 = ages[min(len(ages) - 1, round(len(ages) * 0.99))]
            print(
                f"| {way} | {name} | {statistics.median(ages):.2f} | {p99:.2f} "
                f"| {statistics.median(slow):.1f} / {max(slow):.1f} |"
            )
    print(f"\n[head, pixels] as two parts through a conflating socket arrives as {multipart_and_conflate()}.")
    for way in WAYS:
        print(f"Sender started anew, {way}: {lost_on_reconnect(way)}.")


if __name__ == "__main__":
    main()
