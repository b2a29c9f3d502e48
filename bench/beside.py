"""What the page costs the line: inspections with ten pages open and an API client hammering, against none, paired.

    python bench/beside.py [FOLDER] [--parts 100] [--outcomes 1000000] [--pages 10]

A whole station (`edge up`, five processes) inspects the same part again and again, in quarters A B B A: A with nobody
looking, B with the pages and the client. Prints p50 and p99 of each (trigger to outcome, the outcome's own `ms`), their
ratio, and what the panel and the crowd used of the processor. FOLDER keeps the filled store for the next run.

A page is a listener to the event stream that fetches each outcome's frame, as the page does, and draws nothing; with
`--browser` one of them is a real Chromium. The hammering client asks for pages of the history, the line and the health,
four questions at a time, each as soon as the last is answered. At a station browsers and clients are other PCs, and
what is asked here is what the station does for them: on this PC they run only where nobody else would (`SCHED_IDLE`);
memory and caches that a browser takes (some 20 % of an inspection) are left out, unless they are asked for.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

# Run as a file, this folder is on the path and the one above is not.
sys.path.insert(0, str(Path(__file__).parents[1]))

from simulator.broker import Broker
from simulator.scenes import load_all
from simulator.staging import View, stage
from simulator.station import Station
from tests.web.crowd import pour

PRODUCT, SCENE = "device", "matched_identify"
HAMMERS = 4
ASKED = ("/v1/outcomes?limit=50", "/v1/outcomes?reason=mismatch", "/v1/outcomes?serial=SN0012", "/v1/line", "/health")
WAIT_S = 30.0
WARM = 5


def crowd(port: int, pages: int, *, browser: bool) -> None:
    """Look and ask until the parent ends this process; says every second how much was answered."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    answered = [0] * HAMMERS

    def listen() -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        link.request("GET", "/v1/live")
        stream = link.getresponse()
        frames = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        while line := stream.readline():
            told = json.loads(line[6:]) if line.startswith(b"data: {") else {}
            if told.get("evidence"):
                place = f"/v1/outcomes/{told['inspection_id']}/evidence/{len(told['evidence']) - 1}"
                frames.request("GET", place)
                frames.getresponse().read()

    def hammer(number: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        while True:
            link.request("GET", ASKED[answered[number] % len(ASKED)])
            link.getresponse().read()
            answered[number] += 1

    for _ in range(pages - browser):
        threading.Thread(target=listen, daemon=True).start()
    for number in range(HAMMERS):
        threading.Thread(target=hammer, args=(number,), daemon=True).start()
    with contextlib.ExitStack() as stack:
        if browser:
            from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where there is a browser

            playwright = stack.enter_context(sync_playwright())
            chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            chromium.new_page(viewport={"width": 1280, "height": 800}).goto(f"http://127.0.0.1:{port}/#/line")
        print("looking", flush=True)
        sys.stdin.read()
        print(sum(answered), flush=True)
        os._exit(0)


@contextlib.contextmanager
def looking(port: int, pages: int, *, browser: bool) -> Iterator[list[int]]:
    """The crowd, as long as it is needed; in the end the list holds how many questions were answered."""
    told: list[int] = []
    command = [sys.executable, __file__, "--crowd", str(port), "--pages", str(pages), *["--browser"] * browser]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        if child.stdout.readline().strip() != "looking":
            raise SystemExit("the crowd did not come: is Chromium there?")
        yield told
        child.stdin.close()
        told.append(int(child.stdout.readline() or 0))
    finally:
        for one in psutil.Process(child.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        child.kill()
        child.wait()


def inspected_ms(station: Station, name: str, parts: int) -> list[dict[str, float]]:
    """The milliseconds that each outcome tells, by stage, of so many inspections one after the other."""
    spent = []
    for number in range(parts):
        trigger_id = f"{name}-{number}-{time.monotonic_ns():x}"
        station.line.trigger(trigger_id)
        heard = station.line.wait_for_outcome(trigger_id, WAIT_S)
        if heard is None:
            raise SystemExit(f"no outcome of {trigger_id}: see {station.log}")
        spent.append({stage: ms for stage, ms in heard.outcome["ms"].items() if ms is not None})
    return spent


def p99(spent: list[float]) -> float:
    """The value that one in a hundred is above."""
    return sorted(spent)[min(len(spent) - 1, int(len(spent) * 0.99))]


def measure(station: Station, given: argparse.Namespace) -> None:
    """The four quarters, and what they say."""
    scene = load_all()[SCENE]
    station.camera.show(View(stage(scene, "bench-0"), station.camera.sensor))
    inspected_ms(station, "warm", WARM)
    told: dict[str, list[dict[str, float]]] = {"A": [], "B": []}
    panel = station.process("panel")
    assert panel is not None
    busy_s, asked = 0.0, 0
    for number, quarter in enumerate("ABBA"):
        if quarter == "A":
            told["A"] += inspected_ms(station, f"a{number}", given.parts)
            continue
        with looking(station.panel_port, given.pages, browser=given.browser) as answered:
            before = sum(panel.cpu_times()[:2])
            told["B"] += inspected_ms(station, f"b{number}", given.parts)
            busy_s += sum(panel.cpu_times()[:2]) - before
        asked += answered[0]
    spent = {name: [one["total"] for one in those] for name, those in told.items()}
    for name, who in (("A", "nobody looks"), ("B", f"{given.pages} pages and a client that hammers")):
        times = spent[name]
        print(f"{who:40} p50 {statistics.median(times):7.1f} ms, p99 {p99(times):7.1f} ms, {len(times)} parts")
    middle = statistics.median(spent["B"]) / statistics.median(spent["A"])
    print(f"p50 x{middle:.3f}, p99 x{p99(spent['B']) / p99(spent['A']):.3f}")
    stages = [stage for stage in told["A"][0] if stage != "total"]
    ratios = {stage: _middle(told["B"], stage) / max(1e-3, _middle(told["A"], stage)) for stage in stages}
    print(
        "by stage: " + ", ".join(f"{stage} {_middle(told['A'], stage):.1f} ms x{ratios[stage]:.2f}" for stage in stages)
    )
    print(f"{asked} questions answered meanwhile, {busy_s:.1f} s of the processor in the panel")


def _middle(told: list[dict[str, float]], stage: str) -> float:
    return statistics.median(one.get(stage, 0.0) for one in told)


def main() -> None:
    """Fill the store, start the station, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--parts", type=int, default=100, help="of each quarter")
    parser.add_argument("--outcomes", type=int, default=1_000_000)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--browser", action="store_true", help="one page is a real Chromium, on this PC")
    parser.add_argument("--crowd", type=int, metavar="PORT", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.crowd is not None:
        crowd(given.crowd, given.pages, browser=given.browser)
    with tempfile.TemporaryDirectory(prefix="edge-b-", dir="/tmp") as made:
        data = (given.folder or Path(made) / "store").absolute()
        data.mkdir(parents=True, exist_ok=True)
        pour(data, given.outcomes, station=PRODUCT)
        with Broker() as broker:
            station = Station(Path(made) / "s", PRODUCT, broker.port)
            (Path(made) / "s" / "data").symlink_to(data)
            begun_s = time.monotonic()
            with station:
                station.wait_until_ready(begun_s)
                measure(station, given)


if __name__ == "__main__":
    main()
