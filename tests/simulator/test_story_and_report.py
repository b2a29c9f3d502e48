"""A run's stories say where they differ from their scenes, and the report shows them without another file or host."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from simulator import report
from simulator.audit import Audit
from simulator.scenes import Expectation
from simulator.show import Show
from simulator.story import Story, Summary, percentile

EVIL = '<script>alert("&")</script>'


def _outcome(**changes: Any) -> dict[str, Any]:
    characters = [{"text": "A", "confidence": 0.99, "alternatives": [{"text": "4", "confidence": 0.01}], "box": None}]
    field = {
        "raw": "A", "text": "A", "rule": None, "confidence": 0.99, "characters": characters, "expected": "A",
        "box": [[1, 1], [9, 1], [9, 5], [1, 5]], "verdict": "matched",
    }  # fmt: skip
    attempt = {
        "number": 1,
        "action": "first",
        "cause": [],
        "exposure_us": 5000,
        "light": "normal",
        "defects": ["glare"],
    }
    retake = {**attempt, "number": 2, "action": "light_off_axis", "defects": [], "helped": True}
    return {
        "inspection_id": "i1", "seq": 1, "trigger_id": "part-1", "disposition": "pass", "reason": "matched",
        "defects": [], "fields": {"serial": field}, "codes": [], "attempts": [attempt, retake], "evidence": [],
        "erp": {"source": "erp.csv", "age": 1.0}, "ms": {"total": 321.0}, "detail": EVIL, **changes,
    }  # fmt: skip


def _story(**changes: Any) -> Story:
    story = Story(
        number=1,
        scene="glare_other_light",
        summary="A lamp is mirrored.",
        station="gearmotor",
        trigger_id="part-1",
        named=Expectation("pass", "matched", attempts=(2, 3), action="light_off_axis", helped=True),
        printed={"serial": "A"},
        outcome=_outcome(),
        latency_ms=345.6,
    )
    return replace(story, **changes)


def _summary(*stories: Story, problems: tuple[str, ...] = ()) -> Summary:
    count = len(stories)
    return Summary(stories, count, count, count, 0, is_gapless=True, problems=problems)


def test_counts_violations_of_the_contract() -> None:
    """One message that breaks the contract makes a run a bad one, and is told with its station."""
    audit = Audit()
    audit.check_contract("answer", b"{}")

    summary = Summary.of([_story()], {"gearmotor": (audit, [])})

    assert (summary.checked, summary.violations, summary.is_good) == (1, 1, False)
    assert summary.problems[0].startswith("gearmotor: answer breaks its schema")


def test_is_as_named() -> None:
    """An outcome that is the named one has no difference."""
    assert _story().differences == ()
    assert _summary(_story()).is_good


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outcome": None}, "no outcome came"),
        ({"outcome": _outcome(disposition="hold", reason="unreadable")}, "disposition is hold"),
        ({"outcome": _outcome(attempts=[])}, "0 attempts"),
        ({"printed": {"serial": "B"}}, "wrong pass"),
        ({"named": Expectation("fail", "mismatch")}, "wrong pass"),
        ({"named": Expectation("hold", "unreadable")}, "reason is matched"),
    ],
)
def test_says_what_differs(changes: dict[str, Any], said: str) -> None:
    """Each way to differ is told in words, and the run is not good."""
    story = _story(**changes)

    assert any(said in difference for difference in story.differences)
    assert not _summary(story).is_good


def test_counts_wrong_passes() -> None:
    """A part that passed with a text that is not printed on it is a wrong pass (L4)."""
    summary = _summary(_story(), _story(printed={"serial": "B"}))

    assert summary.wrong_passes == 1


def test_a_run_with_a_trigger_without_outcome_is_not_good() -> None:
    """Triggers that have no outcome, and outcomes that nobody asked for, are problems (L1)."""
    audit = Audit()
    raw = b'{"inspection_id": "i", "seq": 1, "trigger_id": "unknown", "schema": "s"}'
    audit.hear(raw, [("inspection_id", "i"), ("seq", "1"), ("schema", "s"), ("historical", "false")], 0.0)
    summary = Summary.of([], {"gearmotor": (audit, ["part-1"])})

    assert "gearmotor: trigger part-1 has no outcome" in summary.problems
    assert "gearmotor: an outcome came for trigger unknown, never sent" in summary.problems
    assert not summary.is_good


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 2), (0.75, 3), (0.99, 4), (1.0, 4)])
def test_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    """The percentile of a few values is one of them."""
    assert percentile([1, 2, 3, 4], share) == value
    assert percentile([], share) is None


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember what refers to something, and what must be closed."""
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        self.scripts += tag == "script"
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Each end must close what was opened last."""
        assert self.open.pop() == tag


def _page(summary: Summary) -> tuple[str, _Elements]:
    html = report.page(summary, about="a test", at="today")
    elements = _Elements()
    elements.feed(html)
    return html, elements


def test_report_needs_nothing_else(tmp_path: Path) -> None:
    """The report is well formed, refers to no host or file, and carries the evidence frame in itself."""
    frame = tmp_path / "frame.png"
    Image.new("RGB", (64, 40), "white").save(frame)
    kept = {"path": "frame.png", "sha256": hashlib.sha256(frame.read_bytes()).hexdigest(), "attempt": 2}
    html, elements = _page(_summary(_story(outcome=_outcome(evidence=[kept]), data_dir=tmp_path)))

    assert elements.open == []
    assert all(source.startswith("data:image/jpeg;base64,") for source in elements.sources)
    assert len(elements.sources) == 1
    assert not re.search(r"https?://|@import|url\(", html)
    assert "prefers-color-scheme: dark" in html
    assert "the file is not the one that was read" not in html


def test_report_shows_no_foreign_markup() -> None:
    """What a plate or the station says is text in the report, never markup."""
    html, elements = _page(_summary(_story(scene=EVIL, summary=EVIL, fault=EVIL), problems=(EVIL,)))

    assert elements.scripts == 1
    assert EVIL not in html


def test_report_says_that_evidence_is_not_what_was_read(tmp_path: Path) -> None:
    """An evidence file that has not the hash of the outcome is pointed out (L8)."""
    Image.new("RGB", (64, 40), "white").save(tmp_path / "frame.png")
    kept = {"path": "frame.png", "sha256": "0" * 64, "attempt": 2}
    html, _ = _page(_summary(_story(outcome=_outcome(evidence=[kept]), data_dir=tmp_path)))

    assert "the file is not the one that was read" in html


def test_report_tells_of_parts_without_an_outcome_or_frame(tmp_path: Path) -> None:
    """A part without outcome, one without frame, and one whose file is gone, have their place in the report."""
    kept = {"path": "gone.png", "sha256": "0" * 64, "attempt": 1}
    gone = _story(outcome=_outcome(evidence=[kept]), data_dir=tmp_path)
    html, elements = _page(_summary(_story(outcome=None, latency_ms=None), _story(), gone))

    assert elements.open == []
    assert "no outcome came" in html


@pytest.mark.parametrize("live", [True, False])
def test_shows_each_part_in_one_line(live: bool) -> None:
    """On a terminal and elsewhere each part is one line with scene, fields, verdict and time."""
    show = Show()
    show.console = Console(width=150, force_terminal=live, record=True, file=io.StringIO())
    show.part(_story())
    show.summary(_summary(_story(outcome=None)))
    text = show.console.export_text()
    first = text.splitlines()[0]

    assert "glare_other_light" in first
    assert "pass matched" in first
    assert "346" in first
    assert "no outcome came" in text


def test_draws_a_picture_that_needs_no_other_host(tmp_path: Path) -> None:
    """The SVG picture of a run shows its parts and loads nothing."""
    show = Show(keep=True)
    show.part(_story())
    show.summary(_summary(_story()))
    show.save(str(tmp_path / "demo.svg"))
    picture = (tmp_path / "demo.svg").read_text(encoding="utf-8")

    assert "glare_other_light" in picture
    assert not re.search(r"url\(.?https?:", picture)
