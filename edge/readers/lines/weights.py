"""Weights that the `rapidocr` wheel carries, opened on OpenVINO; that package itself is not imported, it costs 2 s."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import accumulate
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import openvino as ov

from edge.errors import ReaderError
from edge.readers.giving_way import handed_on
from edge.readers.lines.int8 import RANGES, in_eight_bits

DETECTOR = "PP-OCRv6_det_small.onnx"
RECOGNISER = "PP-OCRv6_rec_small.onnx"

Tensor = npt.NDArray[np.float32]


def weight_file(name: str) -> Path:
    """The path of a weight file inside the installed `rapidocr` wheel.

    Raises:
        ReaderError: the wheel or the file is not there.
    """
    spec = importlib.util.find_spec("rapidocr")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "models" / name
        if path.is_file():
            return path
    raise ReaderError(f"the weights {name} are not in the rapidocr package: install rapidocr 3.10 or later")


def hash_of(names: Sequence[str], version: str) -> str:
    """SHA-256 (hex) over the named weight files, what is rounded in them, and a version text."""
    digest = hashlib.sha256(version.encode())
    digest.update(RANGES.read_bytes())
    for name in names:
        digest.update(weight_file(name).read_bytes())
    return digest.hexdigest()


def blob_of(image: npt.NDArray[np.uint8]) -> Tensor:
    """An image as both networks were trained to see it: 1 x 3 x height x width, BGR, -1 to 1."""
    return np.asarray(cv2.dnn.blobFromImage(image, 1 / 127.5, mean=(127.5, 127.5, 127.5)), np.float32)


class Network:
    """One network, compiled `streams` times to run side by side on `threads` threads; safe to call from many.

    A stream that gets the next input in the shape of the last one saves 2 to 3 ms: 150 layers of the recogniser take
    their sizes anew otherwise. One compilation of several streams would share memory (19 MB a stream), and deal inputs
    out to whichever is free.

    `max_kernels` are kept for the shapes that were seen. Too few for the shapes that come cost more time than they save
    memory: with 1000 the recogniser took 1.4 times as long as with all of its widths kept.
    """

    def __init__(
        self,
        name: str,
        prepare: Callable[[Any], Any],
        *,
        threads: int,
        streams: int = 1,
        max_kernels: int = 20_000,
        cache_dir: Path | None = None,
    ) -> None:
        path = weight_file(name)
        options: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": max(1, threads // streams),
            "NUM_STREAMS": 1,
            # Pinned, the one thread of every compilation is put on the same core: lines took 225 ms then, not 115.
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": max_kernels,
        }
        if cache_dir is not None:
            options["CACHE_DIR"] = str(cache_dir)
        try:
            core = ov.Core()
            model = core.read_model(path)
            model = prepare(model)
            in_eight_bits(model, path.name)
            compiled = [core.compile_model(model, "CPU", options) for _ in range(streams)]
            self._requests = [one.create_infer_request() for one in compiled]
        except Exception as error:
            raise ReaderError(f"OpenVINO cannot open {path.name}: {error}; check the openvino package") from error
        self._name = path.name
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(max_workers=streams, thread_name_prefix=path.stem)

    @property
    def streams(self) -> int:
        """How many inputs run at a time."""
        return len(self._requests)

    def infer(self, runs: Sequence[Sequence[Tensor]], take: Callable[[int, list[Any]], None]) -> None:
        """Run every input and hand its outputs to `take` with its number, counted through all runs.

        Inputs of one run go through one stream, one after another; runs are begun in their order. `take` is called from
        several threads, in any order; the outputs live only during that call.

        Raises:
            ReaderError: the network did not run; nothing that `take` was given may be used.
        """
        starts = accumulate((len(run) for run in runs), initial=0)
        waiting = deque(zip(starts, runs, strict=False))
        give_way = handed_on()

        def work(request: Any) -> None:
            while waiting:
                try:
                    start, run = waiting.popleft()
                except IndexError:  # another stream took the last
                    return
                for number, tensor in enumerate(run, start):
                    give_way()
                    request.infer({0: tensor}, share_inputs=True)
                    try:
                        take(number, [output.data for output in request.output_tensors])
                    except Exception as error:
                        raise ReaderError(f"{self._name} gave an output that cannot be used: {error}") from error

        with self._lock:
            try:
                begun = [self._workers.submit(work, request) for request in self._requests[: len(runs)]]
                wait(begun)  # all of them: the next call must find every request idle
                for one in begun:
                    one.result()
            except ReaderError:
                raise
            except Exception as error:
                raise ReaderError(f"{self._name} did not run on OpenVINO: {error}; see the reader's log") from error
