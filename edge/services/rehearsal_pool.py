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

import cv2
import zmq

from edge.adapters import systemd
from edge.adapters.wake import Wake
from edge.core.fields import Product
from edge.core.reading import Reading
from edge.readers.label import LabelReader
from edge.readers.pool_client import PoolClient
from edge.readers.read_form import Wanted, file_of
from edge.readers.reader import Image
from edge.services.rehearsal_reader import TURN_MS, answer, questions
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
        self._socket = questions(runtime_dir, number)

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
                    threads.submit(self._answer, peer, header, image, self._client(json.loads(header)["key"]))
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

    def _answer(self, peer: bytes, header: bytes, image: bytes, client: PoolClient) -> None:
        def read(pixels: Image, left_s: float) -> Reading:
            return client.read(Wanted(self._product, {}, self._gate.locate(pixels).boxes), image, left_s)

        self._answers.put([peer, *answer(header, image, self._gate, read)])
        self._wake()

    def _tell(self) -> None:
        """Send what has come: the socket is this thread's alone."""
        while True:
            try:
                self._socket.send_multipart(self._answers.get_nowait())
            except Empty:
                return
