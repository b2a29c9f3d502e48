"""Weights that the `rapidocr` wheel carries, opened on OpenVINO; that package itself is not imported, it costs 2 s."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
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
#: The characters that the recogniser's head scores first, made by `training/usual.py`.
USUAL = Path(__file__).parent / "usual.txt"
#: What is added to the weights of the recogniser's body, made by `training/letters/body.py`.
BODY = Path(__file__).parent / "body.npz"
#: Cyrillic letters for the recogniser, made by `training/letters/cyrillic.py`.
CYRILLIC = Path(__file__).parent / "cyrillic.npz"
#: What tells characters apart that look alike, made by `training/letters/twins.py`.
TWINS = Path(__file__).parent / "twins.npz"

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
    """SHA-256 (hex) over the named weight files, what was made for them here, and a version text."""
    digest = hashlib.sha256(version.encode())
    for beside in (RANGES, USUAL, BODY, CYRILLIC, TWINS):
        digest.update(beside.read_bytes())
    for name in names:
        digest.update(weight_file(name).read_bytes())
    return digest.hexdigest()


def blob_of(image: npt.NDArray[np.uint8]) -> Tensor:
    """An image as both networks were trained to see it: 1 x 3 x height x width, BGR, -1 to 1."""
    return np.asarray(cv2.dnn.blobFromImage(image, 1 / 127.5, mean=(127.5, 127.5, 127.5)), np.float32)


#: Makes an input, in the thread that runs it.
Make = Callable[[], Tensor]
#: Takes a stream's number, an input's, and its outputs; gives further inputs with their numbers.
Take = Callable[[int, int, list[Any]], Sequence[tuple[int, Make]]]


class _Waiting:
    """Inputs that no stream has begun; those under way may bring further ones, which an idle stream waits for."""

    def __init__(self, inputs: Sequence[Make]) -> None:
        self._inputs = deque(enumerate(inputs))
        self._changed = threading.Condition()
        self._num_under_way = 0

    def begin(self) -> tuple[int, Make] | None:
        """The next one; None once there will be no more."""
        with self._changed:
            while not self._inputs and self._num_under_way:
                self._changed.wait()
            if not self._inputs:
                return None
            self._num_under_way += 1
            return self._inputs.popleft()

    def end(self, further: Sequence[tuple[int, Make]]) -> None:
        """One that was begun is done, and has brought these."""
        with self._changed:
            self._num_under_way -= 1
            self._inputs.extendleft(reversed(further))
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class _Stream:
    """What one thread runs: a network for inputs of any shape, and those for one shape each."""

    any_shape: Any
    fixed: dict[tuple[int, ...], Any]

    def request(self, tensor: Tensor) -> Any:
        return self.fixed.get(tensor.shape, self.any_shape)


class Network:
    """One network, compiled `streams` times to run side by side on `threads` threads; safe to call from many.

    A stream that gets its next input in another shape than the last one takes 2 to 3 ms longer: 150 layers of the
    recogniser take their sizes anew. An input in a shape that the network was compiled for by itself (`fix`) goes
    there, which costs nothing for the change and 0.92 of the time besides; what comes out is the same, bit for bit.

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
            # Processors with AMX would else round to 16 bits, and read what no calibration was made with.
            "INFERENCE_PRECISION_HINT": "f32",
            # Fused loops round the products add in another order where sizes are known, and round otherwise with it.
            "SNIPPETS_MODE": "DISABLE",
        }
        if cache_dir is not None:
            options["CACHE_DIR"] = str(cache_dir)
        try:
            self._core = ov.Core()
            model = prepare(self._core.read_model(path))
            in_eight_bits(model, path.name)
            compiled = [self._core.compile_model(model, "CPU", options) for _ in range(streams)]
        except Exception as error:
            raise ReaderError(f"OpenVINO cannot open {path.name}: {error}; check the openvino package") from error
        self._streams = [_Stream(one.create_infer_request(), {}) for one in compiled]
        self._model, self._options = model, options
        self._name = path.name
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(max_workers=max(1, streams - 1), thread_name_prefix=path.stem)

    @property
    def streams(self) -> int:
        """How many inputs run at a time."""
        return len(self._streams)

    def fix(self, shapes: Sequence[Sequence[int]]) -> None:
        """Compile the network once more for each of these shapes of its input, to run faster in them.

        Every stream gets a compilation of its own. Two in one would be handed to threads of OpenVINO's, which the
        kernel often woke on one and the same core: 12 lines took 75 ms then, not 68. The first one is exported for the
        others, whose compilation takes 0.13 s that way instead of 0.6 s.

        Raises:
            ReaderError: it cannot be compiled.
        """

        def compiled(shape: Sequence[int]) -> list[Any]:
            try:
                model = self._model.clone()
                model.reshape(list(shape))
                first = self._core.compile_model(model, "CPU", self._options)
                kept = first.export_model() if self.streams > 1 else b""
                others = [self._core.import_model(kept, "CPU", self._options) for _ in range(self.streams - 1)]
                return [one.create_infer_request() for one in (first, *others)]
            except Exception as error:
                raise ReaderError(f"OpenVINO cannot compile {self._name} for {shape}: {error}") from error

        with ThreadPoolExecutor(max_workers=self.streams) as compilers:
            for shape, requests in zip(shapes, compilers.map(compiled, shapes), strict=True):
                for stream, request in zip(self._streams, requests, strict=True):
                    stream.fixed[tuple(shape)] = request

    def infer(self, inputs: Sequence[Make], take: Take) -> None:
        """Make every input, run it, and hand its outputs to `take`, with the stream's number and the input's before.

        Inputs are numbered from 0, begun in their order, and made in the thread that runs them: the caller's is one.
        `take` is called from several threads, in any order; the outputs live only during that call. It gives further
        inputs, with numbers of its own, which are begun next.

        Raises:
            ReaderError: the network did not run; nothing that `take` was given may be used.
            cv2.error: an input could not be made.
        """
        waiting = _Waiting(inputs)
        give_way = handed_on()

        def work(stream: int) -> None:
            while (begun := waiting.begin()) is not None:
                further: Sequence[tuple[int, Make]] = ()
                try:
                    number, make = begun
                    give_way()
                    outputs = self.run(stream, make())
                    try:
                        further = take(stream, number, outputs)
                    except ReaderError:
                        raise
                    except Exception as error:
                        raise ReaderError(f"{self._name} gave an output that cannot be used: {error}") from error
                finally:
                    waiting.end(further)

        with self._lock:
            try:
                others = [self._workers.submit(work, stream) for stream in range(1, self.streams)[: len(inputs) - 1]]
                try:
                    work(0)  # here: a thread that is woken begins 0.2 ms later
                finally:
                    wait(others)  # all of them: the next call must find every request idle
                for one in others:
                    one.result()
            except (ReaderError, cv2.error):
                raise
            except Exception as error:
                raise ReaderError(
                    f"an input of {self._name} could not be made: {error}; see the reader's log"
                ) from error

    def run(self, stream: int, tensor: Tensor) -> list[Any]:
        """The outputs for one input, run by this stream in the caller's thread; they live until its next run.

        The caller sees to it that no other thread uses the stream.

        Raises:
            ReaderError: the network did not run.
        """
        request = self._streams[stream].request(tensor)
        try:
            request.infer({0: tensor}, share_inputs=True, share_outputs=True)
        except Exception as error:
            raise ReaderError(f"{self._name} did not run on OpenVINO: {error}; see the reader's log") from error
        return [output.data for output in request.output_tensors]
