"""How soon a yes-or-no question is answered over HTTP at reference size: `python bench/shop.py [--runs N] [--tiny]`.

`POST /v1/chat {"profile": "shop_yes_no", …}` as a client sends it: HTTP, the panel's process, the reader's process, the
picture's decoding, the model, and back; each in a process of its own, as at a station. The model has the exact
architecture of GLM-4.6V-Flash (10.29 billion parameters) and RANDOM weights: its speed is measured, not its sense.

Three ways of showing the same photograph (JPEG, 1280 x 800 px): all of it without OCR, as the profile ships (the whole
path: nothing is left out); all of it with OCR's text told; and its lines of text on a sheet. In the last two the lines
are known from drawing, since openvino need not be there: finding and reading them comes on top (`bench/inspection.py`).
`--tiny` makes the same architecture small, to try this script on a CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import http.client
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

# Run as a file, this folder is on the path and the one above is not.
sys.path.insert(0, str(Path(__file__).parents[1]))

from edge.core.reading import Quad, TextLine
from edge.question_profiles import ImageTable, QuestionProfile, read_profile
from edge.readers.reader import Image, Located

PROFILE = Path(__file__).parents[1] / "config" / "profiles" / "shop_yes_no.toml"
WAYS = {
    "whole": ImageTable(view="whole", hint=False),
    "whole, with OCR's text": ImageTable(view="whole", hint=True),
    "lines": ImageTable(view="lines", hint=True),
}
QUESTION = "Is there a bottle on the shelf?"
PICTURES, TEXT_LINES = 8, 6
WARM = 6
START_S = 600.0


def picture(number: int) -> tuple[bytes, tuple[TextLine, ...]]:
    """A photograph of a shelf, as far as its size and its print go: the JPEG, and the lines of text in it."""
    rng = np.random.default_rng(number)
    pixels = cv2.resize(rng.integers(60, 200, (25, 40, 3), np.uint8), (1280, 800), interpolation=cv2.INTER_CUBIC)
    lines = []
    for row in range(TEXT_LINES):
        text = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVWXZ0123456789"), 12))
        top = 60 + row * 110
        cv2.putText(pixels, text, (80, top + 26), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (20, 20, 20), 2, cv2.LINE_AA)
        lines.append(TextLine(text, ((70, top), (370, top), (370, top + 34), (70, top + 34))))
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes(), tuple(lines)


class Lines:
    """Stands for the ocr reader: it knows the lines of the pictures above, and none of any other."""

    name, hash = "drawn", "0" * 64

    def __init__(self) -> None:
        from edge.adapters import images  # noqa: PLC0415 - beside what it is needed for

        drawn = [picture(number) for number in range(PICTURES)]
        self._known = {_key(images.decode(data, "the picture")): lines for data, lines in drawn}

    def locate(self, image: Image) -> Located:
        """Where the lines are."""
        boxes = tuple(line.box for line in self._known.get(_key(image), ()))
        return Located(boxes, (image.shape[1], image.shape[0]))

    def lines(self, image: Image, boxes: Sequence[Quad]) -> tuple[TextLine, ...]:
        """What they say."""
        del boxes
        return self._known.get(_key(image), ())

    def read(self, image: Image, product: Any, located: Any = None, draft: Any = None) -> Any:
        """Fields with nothing in them."""
        from edge.core.reading import FieldReading, Reading  # noqa: PLC0415 - beside what it is needed for

        del located, draft
        return Reading({name: FieldReading(name) for name in product.fields}, self.lines(image, ()))


def _key(image: Image) -> str:
    return hashlib.sha256(image[::40, ::40].tobytes()).hexdigest()


def serve_reader(folder: str, runtime: str) -> None:
    """The reader's process."""
    from edge.products import NAMEPLATE, to_product  # noqa: PLC0415 - in its own process
    from edge.readers.vlm import Vlm  # noqa: PLC0415 - in its own process
    from edge.services.reader import ReaderService  # noqa: PLC0415 - in its own process

    begun = time.perf_counter()
    lines: Any = Lines()
    reader = Vlm(Path(folder), ocr=lines)
    print(f"model loaded in {time.perf_counter() - begun:.0f} s", flush=True)
    ReaderService(Path(runtime), reader, to_product(NAMEPLATE)).run(lambda: os.getppid() == 1)


def serve_panel(runtime: str, port: Any) -> None:
    """The panel's process: the routes of questions, behind the panel's own server."""
    import socket  # noqa: PLC0415 - in its own process

    from edge.adapters.guest_link import GuestLink  # noqa: PLC0415 - in its own process
    from edge.services import panel_server  # noqa: PLC0415 - in its own process
    from edge.web import chat  # noqa: PLC0415 - in its own process
    from edge.web.app import application  # noqa: PLC0415 - in its own process
    from edge.web.session import Sessions  # noqa: PLC0415 - in its own process

    profiles = {name: profile_of(name) for name in WAYS}
    links: list[GuestLink] = []
    app = application(chat.routes(lambda: links[0], profiles), Sessions(lambda: None))
    listening = socket.create_server(("127.0.0.1", 0))
    port.value = listening.getsockname()[1]

    async def serve() -> None:
        links.append(GuestLink(Path(runtime)))
        await panel_server.server(app).serve(sockets=[listening])

    asyncio.run(serve())


def profile_of(way: str) -> QuestionProfile:
    """The profile as it ships, with the picture shown in one of the ways."""
    return read_profile(PROFILE).model_copy(update={"image": WAYS[way]})


def asked(port: int, way: str, number: int) -> tuple[float, dict[str, Any]]:
    """One question: ms until its whole answer was here, and the answer."""
    image = base64.b64encode(picture(number % PICTURES)[0]).decode()
    body = json.dumps({"profile": way, "image": image, "question": QUESTION}).encode()
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begun = time.perf_counter()
    link.request("POST", "/v1/chat", body, {"content-type": "application/json"})
    told = json.loads(link.getresponse().read())
    spent_ms = (time.perf_counter() - begun) * 1e3
    link.close()
    if told.get("answer") not in {"yes", "no"}:
        raise SystemExit(f"no answer: {told}")
    return spent_ms, told


def until_ready(port: int, processes: Sequence[Any]) -> None:
    """Wait until a question is answered."""
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s and all(one.is_alive() for one in processes):
        try:
            asked(port, "whole", 0)
        except (SystemExit, OSError):
            time.sleep(1.0)
        else:
            return
    raise SystemExit("the reader did not start")


def main() -> None:
    """Write the folder, start the processes, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args()
    spawned = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as made:
        folder, runtime = Path(made, "model"), Path(made, "run")
        runtime.mkdir()
        begun = time.perf_counter()
        # In a process of its own: what it takes of the GPU is free again when it has ended.
        writing = spawned.Process(target=write_folder, args=(str(folder), given.tiny))
        writing.start()
        writing.join()
        print(f"folder written in {time.perf_counter() - begun:.0f} s", flush=True)
        port = spawned.Value("i", 0)
        processes = [
            spawned.Process(target=serve_reader, args=(str(folder), str(runtime)), daemon=True),
            spawned.Process(target=serve_panel, args=(str(runtime), port), daemon=True),
        ]
        for one in processes:
            one.start()
        while port.value == 0 and processes[1].is_alive():
            time.sleep(0.1)
        until_ready(port.value, processes)
        print(f"answering after {time.perf_counter() - begun:.0f} s", flush=True)
        for way in WAYS:
            tell(way, port.value, given.runs)
        for one in processes:
            one.terminate()
            one.join()


def tell(way: str, port: int, runs: int) -> None:
    """Ask in one way, and print how long it took."""
    for number in range(WARM):
        asked(port, way, number)
    answers = [asked(port, way, number) for number in range(runs)]
    spent = sorted(one for one, _ in answers)
    inside = statistics.median(told["ms"]["total"] for _, told in answers)
    p99 = spent[min(len(spent) - 1, int(len(spent) * 0.99))]
    print(
        f"{way:24} p50 {statistics.median(spent):6.1f} ms, p99 {p99:6.1f} ms, most {spent[-1]:6.1f} ms "
        f"({runs} questions; {inside:.1f} ms of p50 in the reader, {answers[0][1]['tokens']} tokens)",
        flush=True,
    )


def write_folder(folder: str, tiny: bool) -> None:
    """The model's folder, in which yes and no are a token each."""
    from bench.reference import save_folder  # noqa: PLC0415 - in its own process

    told = read_profile(PROFILE).told(QUESTION)
    count = save_folder(Path(folder), tiny=tiny, said=["yes", "no", told])
    print(f"{count / 1e9:.2f} billion parameters", flush=True)


if __name__ == "__main__":
    main()
