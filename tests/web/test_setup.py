"""Setting a station up over HTTP: a real panel with a real configuration file, and real children."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.adapters.camera import CameraCounts, CameraFacts, CameraFrame, Order, now_us
from edge.adapters.frames import Frame, FrameFailure, FrameLink
from edge.core.outcome import Reason
from edge.readers.ocr import Ocr
from edge.readers.reader import Image, Reader
from edge.services.capture import Capture
from edge.services.capture_device import Defaults
from edge.services.reader import ReaderService
from edge.settings import load
from edge.web.setup import Workplace
from tests.web.site import PROCESSES, STATION, TOKEN, PartOf, Site, site, until
from tests.web.test_asking import Talker

PRODUCT = """version = 1
name = "pump"

[fields.serial]
pattern = "[A-Z0-9]{4,10}"
"""


class Bench:
    """A camera that shows a grey plate, a little lighter each time, or a picture; `hold` keeps it at work."""

    def __init__(self, picture: Image | None = None) -> None:
        self.taken = 0
        self._picture = picture
        self.counts = CameraCounts()
        self.hold = threading.Event()
        self.hold.set()

    def open(self) -> CameraFacts:
        """It is there."""
        return CameraFacts("bench", "1", (), None, live=True)

    def take(self, order: Order) -> CameraFrame:
        """A frame."""
        self.hold.wait(20)
        self.taken += 1
        pixels = np.full((60, 80, 3), 100 + self.taken % 100, np.uint8)
        if self._picture is not None:
            pixels = np.minimum(self._picture, 255 - self.taken % 2)
        at_us = now_us()
        return CameraFrame(
            None,
            pixels,
            pixels.shape[1],
            pixels.shape[0],
            None,
            at_us,
            now_us(),
            order.exposure_us,
            order.gain_db,
            order.light,
            self.taken,
        )

    def check(self) -> None:
        """It is still there."""

    def close(self) -> None:
        """Let go."""


@dataclass(frozen=True, slots=True)
class Place:
    """A station with its configuration, its camera, and a reader process with the test's reader."""

    site: Site
    folder: Path
    camera: Bench

    @property
    def product(self) -> Path:
        """The product file."""
        return self.folder / "products" / "pump.toml"

    def change(self, method: str, path: str, body: Any = None) -> Any:
        """Ask as whoever knows the token."""
        return self.site.ask(method, path, None if method == "GET" else body or {}, authorization=f"Bearer {TOKEN}")

    def events(self, path: str, body: Any = None) -> list[Any]:
        """All events of a streamed answer."""
        raw = json.dumps(body or {}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(self.site.url + path, raw, headers)
        with urllib.request.urlopen(request, timeout=200) as answer:
            return [json.loads(line[6:]) for line in answer.read().decode().splitlines() if line]


@contextmanager
def bench(folder: Path, reader: Reader | None = None, picture: Image | None = None) -> Iterator[Place]:
    """A station that can be set up, with all that it needs running."""
    (folder / "products").mkdir()
    (folder / "products" / "pump.toml").write_text(PRODUCT)
    config = folder / "edge.toml"
    config.write_text(
        f"""version = 1
[station]
site = "Ulm"
line = "l2"
name = "{STATION}"
camera = "top"
product = "pump"
[paths]
data = "data"
runtime = "run"
products = "products"
[cameras.top]
kind = "simulated"
address = "ipc://{folder}/no-camera"
"""
    )
    settings = load(config, {})
    camera = Bench(picture)
    over = threading.Event()
    others = ("inspector", "messenger")
    assert {*others, "reader", "capture-top"} == {*PROCESSES}
    with site(folder, processes=others, product=settings.product, workplace=Workplace.of(settings)) as made:
        processes: list[Any] = [
            ReaderService(made.runtime_dir, reader or Talker(), settings.product),
            Capture(made.runtime_dir, "top", camera, Defaults(5000, 0.0, "normal")),
        ]
        threads = [threading.Thread(target=one.run, args=(over,)) for one in processes]
        for one in threads:
            one.start()
        yield Place(made, folder, camera)
        over.set()
        for one in threads:
            one.join(20)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The station of all tests here."""
    with bench(tmp_path_factory.mktemp("s")) as made:
        yield made


def test_a_look_measures_the_frame_of_now(place: Place) -> None:
    """Each look is a frame of its own, with its measures, its limits and a picture; no part is made of it."""
    taken = place.camera.taken
    first, second = (place.change("POST", "/v1/setup/look").json for _ in range(2))

    assert place.camera.taken == taken + 2
    assert (first["width_px"], first["exposure_us"]) == (80, 5000)
    assert {*first["measures"]} == {*first["limits"]} >= {"sharpness", "glare"}
    assert first["image"].startswith("data:image/jpeg;base64,")
    assert first["image"] != second["image"]
    assert place.site.get("/v1/outcomes").json["outcomes"] == []


def test_parts_go_first(place: Place) -> None:
    """While a part is open nobody looks through its camera; the refusal says why."""
    place.site.store.add_trigger("t-open", expected=None, source="test", at="2026-11-25T08:00:00.000Z", at_us=1)
    row = place.site.store.next_trigger()
    taken = place.camera.taken
    answer = place.change("POST", "/v1/setup/look")
    assert row is not None
    place.site.store.commit(
        PartOf().outcome(row.inspection_id, "t-open", ()), topic="t", config_hash="c", at="2026-11-25T08:00:00.000Z"
    )

    assert (answer.status, place.camera.taken) == (409, taken)
    assert "parts go first" in answer.sentence
    assert place.change("POST", "/v1/setup/look").status == 200


def test_a_look_never_takes_the_place_of_a_part(place: Place) -> None:
    """Where a part's take waits for a busy camera, a look is told `superseded`, and the part gets its frame."""
    place.camera.hold.clear()
    busy, part, look = (FrameLink(place.site.runtime_dir, "top", timeout_ms=15_000) for _ in range(3))
    until(lambda: all(one.receive() is None and one.connected for one in (busy, part, look)))
    busy.take("i-1", 1, None, None, None)
    time.sleep(0.5)
    part.take("i-2", 1, None, None, None)
    time.sleep(0.5)
    look.take("", 0, None, None, None)
    refused = until(look.receive)
    place.camera.hold.set()
    frame = until(part.receive)
    for one in (busy, part, look):
        one.close()

    assert isinstance(refused, FrameFailure)
    assert (refused.cause, refused.detail) == ("superseded", "a part waits for its frame")
    assert isinstance(frame, Frame)


def test_the_check_is_told_line_by_line(place: Place) -> None:
    """Every line of `edge check`, in its order, then how it ended; the running camera and reader are left to theirs."""
    told = place.events("/v1/setup/check")

    lines = [one["line"] for one in told if "line" in one]
    assert [one["check"] for one in lines][:3] == ["configuration", "camera top", "reader"]
    assert lines[1]["level"] == "ok"
    assert {one["level"] for one in lines} <= {"ok", "warn", "fail"}
    assert told[-1]["ended"] in (0, 1)


def test_measures_of_recent_frames_stand_beside_their_limits(place: Place) -> None:
    """The percentiles of what the gate measured on kept parts, each with the least that it must be."""
    told = place.change("GET", "/v1/setup/gate").json

    assert told["frames"] == 0
    assert told["measures"]["sharpness"]["least"] == 50
    assert told["measures"]["sharpness"]["score"] is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PRODUCT.replace("[A-Z0-9]{4,10}", "(a|a)+b"), "search without end"),
        (PRODUCT.replace("pattern", "patern"), "pattern"),
        (PRODUCT.replace('"pump"', '"pomp"'), "make them the same"),
        ("version = ", "pump.toml:1"),
        ("version = 1\nname = 'pump'\n", "fields"),
    ],
)
def test_a_wrong_product_file_is_never_saved(place: Place, text: str, says: str) -> None:
    """Each mistake has its sentence, with the file and line that a person knows, and the file stays as it was (L13)."""
    before = place.product.read_text()
    problems = place.change("POST", "/v1/setup/product/check", {"text": text}).json["problems"]
    sha256 = place.change("GET", "/v1/setup/product").json["sha256"]
    answer = place.change("PUT", "/v1/setup/product", {"text": text, "sha256": sha256})

    assert any(says in one for one in problems)
    assert not any("edge-product-" in one for one in problems)
    assert (answer.status, place.product.read_text()) == (422, before)


def test_a_product_file_is_saved_whole_and_waits_for_a_restart(place: Place) -> None:
    """What was saved stands in the file, and the answer says that the station does not work by it yet."""
    told = place.change("GET", "/v1/setup/product").json
    changed = PRODUCT.replace("{4,10}", "{4,12}")
    answer = place.change("PUT", "/v1/setup/product", {"text": changed, "sha256": told["sha256"]})
    late = place.change("PUT", "/v1/setup/product", {"text": PRODUCT, "sha256": told["sha256"]})
    after = place.change("PUT", "/v1/setup/product", {"text": PRODUCT, "sha256": answer.json["sha256"]})

    assert (told["taken_up"], answer.json["taken_up"], after.json["taken_up"]) == (True, False, True)
    assert (answer.status, late.status, after.status) == (200, 409, 200)
    assert place.product.read_text() == PRODUCT
    assert list(place.product.parent.iterdir()) == [place.product]


def test_nobody_changes_a_file_without_the_token(place: Place) -> None:
    """Saving, looking, checking and trying are refused to whoever is not signed in."""
    asked = [
        ("PUT", "/v1/setup/product"),
        ("POST", "/v1/setup/look"),
        ("POST", "/v1/setup/check"),
        ("POST", "/v1/setup/product/test"),
    ]

    assert [place.site.ask(*one, {}).status for one in asked] == [401] * 4


def test_a_product_file_is_tried_on_kept_frames(tmp_path: Path) -> None:
    """Every kept part is played again with the text that is not saved yet, by the station's running reader."""
    with bench(tmp_path, Ocr(threads=2)) as made:
        for serial, reason in (("20418873KF", Reason.MATCHED), ("20418874KF", Reason.RECORD_MISSING)):
            made.site.add(PartOf(serial, reason=reason), frames=2)
        tried = {
            pattern: made.events(
                "/v1/setup/product/test", {"text": PRODUCT.replace("[A-Z0-9]{4,10}", pattern), "last": 5}
            )
            for pattern in ("[0-9]{8}KF", "[0-9]{8}XY")
        }

    fits, other = ([one["line"] for one in told if "line" in one] for told in tried.values())
    assert [one["now"]["texts"] for one in fits] == [{"serial": "20418873KF"}, {"serial": "20418874KF"}]
    assert [one["now"]["disposition"] for one in fits] == ["pass", "hold"]
    assert [(one["replay"], one["then"]["disposition"]) for one in other] == [("open", "pass"), ("open", "hold")]
    assert [told[-1] for told in tried.values()] == [{"ended": 0, "why": ""}] * 2
