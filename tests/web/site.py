"""A station with a page, over real HTTP: its panel runs in a thread, its other processes are as alive as told."""

from __future__ import annotations

import io
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import zmq
from PIL import Image, ImageDraw

from edge.adapters import sockets
from edge.adapters.evidence import EvidenceFolder
from edge.adapters.heartbeat import Heartbeat
from edge.adapters.store import Store
from edge.core.fields import FieldRule, Product
from edge.core.outcome import Attempt, Defect, Evidence, FieldOutcome, Looked, Outcome, Reason
from edge.core.reading import Character, FieldReading, Quad
from edge.question_profiles import read_profiles
from edge.services.panel import Doors, Panel
from edge.services.panel_health import Place
from edge.web import chat, reading
from edge.web.guests import PATIENCE_S as PATIENCE_OF_GUESTS_S
from edge.web.product_desk import ProductDesk
from edge.web.setup import Workplace

STATION = "st-7"
TOKEN = "open-sesame"
PATIENCE_S = 60.0
#: The question profiles that ship.
PROFILES = Path(__file__).parents[2] / "config" / "profiles"
PROCESSES = ("capture-top", "inspector", "reader", "messenger")
CORRECTIONS = "edge/v1/Ulm/l2/st-7/correction"
PRODUCT = Product("pump", {"serial": FieldRule("serial")})
AT = "2026-11-25T08:00:00.000Z"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an address answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def sentence(self) -> str:
        """What went wrong."""
        return str(self.json["error"]["message"])


class Site:
    """One station. `restart` ends its panel and starts another one at the same address."""

    def __init__(
        self,
        folder: Path,
        *,
        token: str | None = TOKEN,
        takt_ms: int | None = 6000,
        processes: tuple[str, ...] = PROCESSES,
        product: Product = PRODUCT,
        patience_s: float = PATIENCE_OF_GUESTS_S,
        doors: Doors | None = None,
        ca: Path | None = None,
        workplace: Workplace | None = None,
    ) -> None:
        self._workplace = workplace or Workplace(
            ProductDesk(folder / "edge.toml", "nameplate", None), None, "there is no camera", product, "", STATION
        )
        self._product, self._patience_s, self._doors = product, patience_s, doors or Doors()
        self._profiles = read_profiles(PROFILES)
        self._trusted = None if ca is None else ssl.create_default_context(cafile=str(ca))
        self.data_dir, self.runtime_dir = folder / "data", folder / "run"
        self.store = Store.open(self.data_dir, STATION)
        self.place = Place(
            "Ulm",
            "line 2",
            STATION,
            "gearmotor",
            (*PROCESSES, "panel"),
            takt_ms=takt_ms,
            deadline_ms=8000,
            correction_topic=CORRECTIONS,
            fields=tuple(product.fields),
        )
        self.facts: dict[str, dict[str, Any]] = {}
        self._token = token
        self._context: sockets.Context = zmq.Context()
        self._stop = threading.Event()
        self._panel_stop = threading.Event()
        self._added = 0
        self._beats = [threading.Thread(target=self._beat, args=(name,)) for name in processes]
        self.panel, self._serving = self._start(0)
        for beat in self._beats:
            beat.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"{'http' if self._doors.tls is None else 'https'}://127.0.0.1:{self.panel.port}"

    def restart(self, pause_s: float = 0.0) -> None:
        """End the panel, and start another one at the same port."""
        port = self.panel.port
        self._end_panel()
        time.sleep(pause_s)
        self._panel_stop = threading.Event()
        self.panel, self._serving = self._start(port)

    def sign_in(self, name: str, **known: str) -> dict[str, str]:
        """Open a session by `token` or `password`; gives the headers that a page of it sends."""
        begun = self.ask("POST", "/v1/session", {"name": name, **known})
        assert begun.status == 200, begun.body
        return {"cookie": begun.headers["set-cookie"].partition(";")[0], "x_edge_csrf": begun.json["csrf"]}

    def get(self, path: str, **headers: str) -> Answer:
        """Ask an address."""
        return self.ask("GET", path, None, **headers)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Send a request, with JSON where there is a body."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            sent = {"content-type": "application/json"} | sent
        request = urllib.request.Request(self.url + path, data=data, headers=sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S, context=self._trusted) as answer:
                return Answer(answer.status, dict(answer.headers.items()), answer.read())
        except urllib.error.HTTPError as answer:
            with answer:
                return Answer(answer.code, dict(answer.headers.items()), answer.read())

    def add(self, part: PartOf | None = None, *, at: str = AT, frames: int = 1) -> str:
        """One more inspection with its outcome and its evidence; gives its id."""
        self._added += 1
        part = part or PartOf()
        trigger_id = f"t{self._added}-{time.monotonic_ns():x}"  # new in a store that was filled before, too
        self.store.add_trigger(trigger_id, expected=None, source="test", at=at, at_us=self._added)
        row = self.store.next_trigger()
        assert row is not None
        folder = EvidenceFolder(self.data_dir)
        kept = tuple(
            folder.write(plate(part.serial, number), inspection_id=row.inspection_id, attempt=number, at=at)
            for number in range(1, frames + 1)
        )
        outcome = part.outcome(row.inspection_id, trigger_id, kept)
        self.store.commit(outcome, topic="edge/v1/outcome", config_hash="c0ffee", at=at)
        return row.inspection_id

    def close(self) -> None:
        """End all of it."""
        self._end_panel()
        self._stop.set()
        for beat in self._beats:
            beat.join(PATIENCE_S)
        self.store.close()
        self._context.term()

    def _start(self, port: int) -> tuple[Panel, threading.Thread]:
        panel = Panel(
            self.place,
            runtime_dir=self.runtime_dir,
            data_dir=self.data_dir,
            host="127.0.0.1",
            port=port,
            token=lambda: self._token,
            doors=self._doors,
            guest_routes=lambda link: [
                *chat.routes(link, self._profiles, patience_s=self._patience_s),
                *reading.routes(link, self._product, patience_s=self._patience_s),
            ],
            workplace=self._workplace,
            context=self._context,
        )
        serving = threading.Thread(target=panel.run, args=(self._panel_stop,))
        serving.start()
        return panel, serving

    def _end_panel(self) -> None:
        self._panel_stop.set()
        self._serving.join(PATIENCE_S)
        assert not self._serving.is_alive()

    def _beat(self, name: str) -> None:
        heart = Heartbeat(self.runtime_dir, name, context=self._context)
        while not self._stop.wait(0.1):
            facts = {"state": "ready"} | ({"connected": True} if name == "messenger" else {})
            heart.beat(**(facts | self.facts.get(name, {})))
        heart.close()


@contextmanager
def site(folder: Path, **facts: Any) -> Iterator[Site]:
    """A station, ended at the end."""
    made = Site(folder, **facts)
    try:
        yield made
    finally:
        made.close()


@dataclass(frozen=True, slots=True)
class PartOf:
    """What a part's outcome says."""

    serial: str = "20418873KF"
    model: str = "HX-4711"
    reason: Reason = Reason.MATCHED
    expected: str | None = None
    defects: tuple[Defect, ...] = ()
    weak: Mapping[int, float] = field(default_factory=dict)
    detail: str = ""
    attempts: int = 1

    def outcome(self, inspection_id: str, trigger_id: str, kept: tuple[Evidence, ...]) -> Outcome:
        """The outcome, with a box for each character."""
        looked = (
            Looked("ocr", "a" * 64, {"serial": self.serial, "model": self.model}, 0.97),
            Looked("vlm", "b" * 64, {"serial": self.expected or self.serial, "model": self.model}, 0.93),
        )
        tries = tuple(
            Attempt(
                number,
                action="first" if number == 1 else "light_diffuse",
                cause=() if number == 1 else (Defect.GLARE,),
                frame_id=f"f{number}",
                exposure_us=5000,
                light="normal",
                defects=self.defects,
                texts={"serial": self.serial},
                readings=looked,
                helped=None if number == 1 else True,
                ms={"read": 120.0},
            )
            for number in range(1, max(self.attempts, len(kept)) + 1)
        )
        serial, model = (
            self._field("serial", self.serial, 300, self.expected),
            self._field("model", self.model, 220, self.model),
        )
        return Outcome(
            inspection_id,
            trigger_id,
            self.reason,
            defects=self.defects,
            fields={"serial": serial, "model": model},
            attempts=tries,
            evidence=kept,
            erp_source="csv:erp.csv",
            erp_age_s=12.0,
            reader="ocr+vlm",
            reader_hash="c" * 64,
            detail=self.detail,
            ms={"total": 812.0},
        )

    def _field(self, name: str, text: str, top: int, expected: str | None) -> FieldOutcome:
        characters = tuple(
            Character(
                one, self.weak.get(place, 0.995) if name == "serial" else 0.995, (), _box(120 + 28 * place, top, 26, 44)
            )
            for place, one in enumerate(text)
        )
        reading = FieldReading(
            name,
            raw=text,
            text=text,
            characters=characters,
            box=_box(120, top, 28 * max(1, len(text)), 44),
            why='right of key "S/N"',
        )
        return FieldOutcome(reading, expected=self.serial if expected is None else expected, looks=1, verdict="read")


def plate(serial: str, number: int = 1) -> bytes:
    """A drawn plate, as PNG."""
    picture = Image.new("RGB", (800, 600), (90, 98, 105))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((60, 140, 740, 460), fill=(215, 215, 205))
    pen.text((120, 220), "MODEL HX-4711", fill=(20, 20, 20), font_size=40)
    pen.text((120, 300), serial[:24], fill=(20, 20, 20), font_size=40)
    pen.text((120, 380), f"frame {number}", fill=(60, 60, 60), font_size=24)
    written = io.BytesIO()
    picture.save(written, "PNG", compress_level=1)
    return written.getvalue()


def until(give: Callable[[], T]) -> T:
    """What `give` gives as soon as it gives something."""
    end = time.monotonic() + PATIENCE_S
    while not (found := give()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.02)
    return found


def _box(x: float, y: float, width: float, height: float) -> Quad:
    return ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
