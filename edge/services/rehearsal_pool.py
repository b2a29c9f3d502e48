"""A rehearsal whose labels are read by a pool of readers (`edge pool up`): its process passes each question on.

The gate is taken here, as a station takes it beside its camera; the frame goes to the pool as its station's, with the
time that is left (`readers.pool_client`). What the pool refuses, and why, is the answer's sentence; no reading is made
here, so that what is measured is the pool.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import cv2
import numpy as np
import zmq

from edge.adapters import sockets, systemd
from edge.adapters.database import monotonic_us
from edge.adapters.reader_link import Judged
from edge.adapters.wake import Wake
from edge.core.fields import Product
from edge.errors import ReaderError
from edge.readers.label import LabelReader
from edge.readers.pool_client import PoolClient
from edge.readers.read_form import Wanted, file_of
from edge.services.rehearsal_reader import JUDGED, LATE, SOCKET, TURN_MS
from edge.services.stop import Stop, asked_by

#: Questions that are on their way to the pool at a time; further ones wait here, and their time runs.
AT_ONCE = 32


class RehearsalPool:
    """The stations' way to the pool at `url`; `run` is its loop. `site` begins the names that its stations ask by."""

    def __init__(
        self, runtime_dir: Path, number: int, url: str, *, site: str, gate: LabelReader, product: Product
    ) -> None:
        self._url, self._site, self._gate = url, site, gate
        self._product = file_of(product)
        self._clients: dict[str, PoolClient] = {}
        self._answers: SimpleQueue[list[bytes]] = SimpleQueue()
        self._wake = Wake()
        self._socket = sockets.open_socket(None, zmq.ROUTER)
        self._socket.setsockopt(zmq.RCVHWM, 100_000)
        sockets.bind(self._socket, runtime_dir, SOCKET.format(number=number))

    def run(self, stop: Stop) -> None:
        """Pass on until `stop`."""
        stopped = asked_by(stop)
        cv2.setNumThreads(1)
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._wake.fd, zmq.POLLIN)
        with ThreadPoolExecutor(AT_ONCE, "pool") as threads:
            systemd.notify_ready(f"readers of {self._url}")
            while not stopped():
                ready = dict(poller.poll(TURN_MS))
                if self._socket in ready:
                    peer, header, image = self._socket.recv_multipart()
                    question = json.loads(header)
                    threads.submit(self._answer, peer, question, image, self._client(question["key"]))
                if self._wake.fd in ready:
                    self._wake.clear()
                    self._tell()
        for client in self._clients.values():
            client.close()
        self._socket.close()
        self._wake.close()

    def _client(self, key: str) -> PoolClient:
        """The station's own client: the pool keeps a queue a station."""
        station = key.partition(":")[0]
        if station not in self._clients:
            self._clients[station] = PoolClient(self._url, f"{self._site}/rehearsal/{station}")
        return self._clients[station]

    def _answer(self, peer: bytes, question: dict[str, Any], image: bytes, client: PoolClient) -> None:
        begun_us = monotonic_us()
        body, why = b"", LATE
        left_s = (question["expires_us"] - begun_us) / 1e6
        if left_s > 0:
            try:
                pixels = np.asarray(cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR), np.uint8)
                quality = self._gate.judge(pixels)
                wanted = Wanted(self._product, {}, self._gate.locate(pixels).boxes)
                gate_ms = (monotonic_us() - begun_us) / 1000
                body, why = JUDGED.dump_json(Judged(quality, client.read(wanted, image, left_s), gate_ms)), ""
            except ReaderError as error:
                why = str(error)
            except Exception as error:  # noqa: BLE001 - whatever is raised is a failure that is told (L3)
                why = f"{type(error).__name__} on the way to the pool"
        told: dict[str, Any] = {"key": question["key"], "why": why, "waited_us": begun_us - question["sent_us"]}
        told["took_us"] = monotonic_us() - begun_us
        self._answers.put([peer, json.dumps(told).encode(), body])
        self._wake()

    def _tell(self) -> None:
        """Send what has come: the socket is this thread's alone."""
        while True:
            try:
                self._socket.send_multipart(self._answers.get_nowait())
            except Empty:
                return
