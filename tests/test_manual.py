"""The manual says what there is: every reason and defect, every link, every test and metric that it names."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge import cli
from edge.cli import COMMANDS
from edge.core.outcome import Defect, Reason
from edge.services.metrics import openmetrics
from simulator import advice
from tests.services.known import NOTHING

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]+)?\)")


@cache
def text_of(page: Path) -> str:
    """A page's text."""
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def entries() -> dict[str, str]:
    """The entries of the page on troubleshooting, by name."""
    parts = re.split(r"^### `(\w+)`$", text_of(DOCS / "troubleshooting.md"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_reason_and_every_defect_has_an_entry() -> None:
    """Meaning, cause and remedy of each, and none of a reason that is no more."""
    found = entries()

    assert set(found) == {*(one.value for one in Reason), *(one.value for one in Defect)}
    for name, entry in found.items():
        parts = re.findall(r"^- (Meaning|Cause|Remedy): \S.{10,}", entry, re.MULTILINE)
        assert parts == ["Meaning", "Cause", "Remedy"], name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Pages, pictures and headings that a page points at are there."""
    for target, anchor in LINK.findall(text_of(page)):
        if target.startswith("http"):
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), target
        assert not anchor or anchor[1:] in anchors(there), f"{target}{anchor}"


def test_every_page_is_in_the_index() -> None:
    """Whoever opens the folder finds each page from its first one."""
    linked = {target for target, _ in LINK.findall(text_of(DOCS / "README.md"))}

    assert {page.name for page in PAGES} - {"README.md"} <= linked


def test_what_shows_a_defence_is_there() -> None:
    """Each test that the page on security names exists."""
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", text_of(DOCS / "security.md")))

    assert len(named) > 15
    assert all((ROOT / one).is_file() for one in named)


def test_every_alert_is_explained() -> None:
    """Each alert that may call a person stands in the manual with what to do."""
    alerts = re.findall(r"alert: (\w+)", (ROOT / "config" / "monitoring" / "edge-rules.yml").read_text())

    assert set(alerts) == set(re.findall(r"`(Edge\w+)`", text_of(DOCS / "monitoring.md")))


def test_every_metric_is_explained() -> None:
    """Each family stands in the manual; those of the reader by their beginning."""
    counters = {"edge_retakes", "edge_stage_seconds", "edge_shadow_reads", "edge_commands_refused"}
    said = text_of(DOCS / "monitoring.md")
    text = openmetrics(NOTHING, "1", {})

    assert counters <= set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    assert all(name in said for name in counters)


def test_every_command_is_in_the_manual() -> None:
    """Each command of `edge` is named on some page."""
    said = " ".join(text_of(page) for page in PAGES)

    assert [name for name in COMMANDS if f"edge {name}" not in said] == []


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `python -m simulator advice` makes."""
    folder = tmp_path_factory.mktemp("advice")
    advice.write(folder)
    return folder


def test_the_gate_says_of_each_picture_what_its_caption_says(drawn: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The right frame is fit; each spoilt one has the defect that it shows first, and with it a way to mend it."""
    files = [str(drawn / f"{name}.jpg") for name in advice.EXAMPLES]
    cli.main(["gate", "--json", *files])
    judged: list[Any] = [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    assert {Path(one["file"]).stem: next(iter(one["defects"]), None) for one in judged} == {
        name: example.defect for name, example in advice.EXAMPLES.items()
    }
    assert all(one["advice"] for one in judged if one["defects"])


def test_the_pictures_are_those_that_the_command_draws(drawn: Path) -> None:
    """The sheet in the manual is what `python -m simulator advice` draws today."""
    sheets = [cv2.imread(str(folder / advice.SHEET)) for folder in (drawn, DOCS)]
    ours, theirs = (np.asarray(sheet, np.float64) for sheet in sheets)

    assert ours.shape == theirs.shape
    # JPEG's rounding may differ between versions of its library.
    assert abs(ours - theirs).mean() < 1
