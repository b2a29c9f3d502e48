"""Thousands of files that are almost images, sent to the real panel process with a real reader process behind it."""

from __future__ import annotations

import base64
import collections
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.adapters.mutated import mutated
from tests.web.process import PanelProcess, panel_process
from tests.web.site import until
from tests.web.test_asking import PNG

FEW, MANY = 300, 6000
#: What a request may become: done, not an image, or a picture that nobody can read. Never a failure of the panel.
ALLOWED = {200, 400, 413, 415, 422}
#: Memory that is in use after as many files as the fast test sends, and after the rest: caches and heaps settle, and a
#: leak of one decoded file in ten (60 x 90 px and more) would be past it.
GROWTH_MB = 60.0
#: One picture at the decoder's limit, twice, beside what Python itself takes.
MOST_MB = 1500.0


@dataclass
class Came:
    """What came of the files."""

    status: collections.Counter[int] = field(default_factory=collections.Counter)
    unnamed: dict[int, str] = field(default_factory=dict)


@contextmanager
def reader_process(runtime_dir: Path) -> Iterator[int]:
    """A reader process; gives its id."""
    runtime_dir.mkdir(exist_ok=True)
    with (runtime_dir.parent / "reader.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.web.mutated_house", str(runtime_dir)], stdout=log, stderr=log
        )
        try:
            yield child.pid
            assert child.poll() is None, (runtime_dir.parent / "reader.log").read_text()
        finally:
            child.terminate()
            child.wait(20)


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    """What a process has in memory now, or had at most (VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{what}:")) / 1024


def send(panel: PanelProcess, begin: int, end: int) -> Came:
    """Send the files of these numbers, one after the other: to be read, and to be asked about, in turn."""
    came = Came()
    link = http.client.HTTPConnection("127.0.0.1", panel.port, timeout=60)
    for number in range(begin, end):
        _, data = mutated(number)
        coded = base64.b64encode(data).decode()
        path, said = ("/v1/chat", {"image": coded, "question": "what is this"})
        if number % 2:
            path, said = "/v1/read", {"image": coded}
        link.request("POST", path, json.dumps(said), {"content-type": "application/json"})
        answer = link.getresponse()
        told = json.loads(answer.read())
        came.status[answer.status] += 1
        named = answer.status == 200 or (
            told["error"]["type"].endswith("_error") and len(told["error"]["message"]) > 20
        )
        if answer.status not in ALLOWED or not named:
            came.unnamed[number] = f"{answer.status} {str(told)[:200]}"
    link.close()
    return came


@pytest.mark.parametrize(
    ("begin", "end"), [(0, FEW), pytest.param(FEW, MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_mutated_images_are_answered_by_name_and_leave_nothing_behind(tmp_path: Path, begin: int, end: int) -> None:
    """Each is answered, or refused as the sender's mistake; both processes live on, as large as before (L3)."""
    with reader_process(tmp_path / "run") as reader, panel_process(tmp_path) as panel:
        until(lambda: send_one(panel) == 200)
        first = send(panel, begin, begin + FEW // 4)
        before_mb = [memory_mb(pid) for pid in (reader, panel.pid)]
        rest = send(panel, begin + FEW // 4, end)
        after_mb = [memory_mb(pid) for pid in (reader, panel.pid)]
        most_mb = [memory_mb(pid, "VmHWM") for pid in (reader, panel.pid)]
        alive = send_one(panel)
    print(first.status + rest.status, before_mb, after_mb, most_mb)

    assert first.unnamed | rest.unnamed == {}
    assert alive == 200
    assert rest.status[200] > 0
    assert rest.status[415] > (end - begin) // 4
    assert max(after - before for before, after in zip(before_mb, after_mb, strict=True)) < GROWTH_MB
    assert max(most_mb) < MOST_MB


def send_one(panel: PanelProcess) -> int:
    """The status of a file that is right."""
    said = {"image": base64.b64encode(PNG).decode(), "question": "what is this"}
    status, _, _ = panel.ask("POST", "/v1/chat", json.dumps(said).encode(), content_type="application/json")
    return status
