"""The view Ask in a real browser: a question about an image, its answer word by word, and the fields that are read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from edge.services.reader import ReaderService
from tests.web.browser import HTML
from tests.web.site import PROCESSES, PRODUCT, Site, plate, site
from tests.web.test_asking import Talker


@pytest.fixture
def talker() -> Talker:
    """The reader behind the page's questions."""
    return Talker()


@pytest.fixture
def asked(tmp_path: Path, talker: Talker) -> Iterator[Site]:
    """A station whose reader process is a real one, with the test's reader in it."""
    with site(tmp_path, processes=tuple(name for name in PROCESSES if name != "reader")) as made:
        over = threading.Event()
        service = ReaderService(made.runtime_dir, talker, PRODUCT)
        working = threading.Thread(target=service.run, args=(over,))
        working.start()
        yield made
        over.set()
        working.join(20)


def test_an_answer_that_is_html_stays_text(asked: Site, opened: Any, tmp_path: Path) -> None:
    """What a reader answers is put in as text, as it streams and at its end; nothing of it runs."""
    (tmp_path / "plate.png").write_bytes(plate(HTML))
    page = opened(asked, "ask")
    page.locator("#file").set_input_files(tmp_path / "plate.png")
    page.get_by_label("Question").fill(HTML)
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".ask")).to_contain_text("ms in all")

    expect(page.locator(".answer")).to_contain_text("onerror=document.title")
    assert page.locator(".answer img, .answer b").count() == 0
    assert page.title() != "owned"


def test_an_image_is_asked_about_only_with_a_reader_that_can(station: Site, opened: Any, tmp_path: Path) -> None:
    """What is no image, and a panel without such a reader, are said in a sentence; nothing hangs."""
    (tmp_path / "note.txt").write_text("no image")
    page = opened(station, "ask")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".answer")).to_contain_text("Choose an image first")
    page.locator("#file").set_input_files(tmp_path / "note.txt")

    expect(page.locator(".answer")).to_contain_text("Only JPEG, PNG and WebP")


def test_an_answer_comes_word_by_word(asked: Site, talker: Talker, opened: Any, tmp_path: Path) -> None:
    """Each word stands on the screen before the reader has said the next one; then how soon the first one came."""
    (tmp_path / "plate.png").write_bytes(plate("AB12"))
    said = {word: threading.Event() for word in ("alpha", "beta", "gamma")}

    def hold(word: str) -> None:
        said[word].wait(30)

    talker.hold = hold
    page = opened(asked, "ask")
    page.locator("#file").set_input_files(tmp_path / "plate.png")
    page.get_by_label("Question").fill("alpha beta gamma")
    page.get_by_role("button", name="Ask").click()
    told = []
    for word, may_be_said in said.items():
        may_be_said.set()
        expect(page.locator(".answer")).to_contain_text(word)
        told.append(page.locator(".answer").inner_text())
    expect(page.locator(".ask")).to_contain_text("ms in all")

    assert told == ["alpha", "alpha beta", "alpha beta gamma"]
    expect(page.locator(".ask")).to_contain_text("first token after")


def test_fields_are_read_on_an_image(asked: Site, opened: Any, tmp_path: Path) -> None:
    """An image that a person gives is read as the station would read it."""
    (tmp_path / "plate.png").write_bytes(plate("AB12"))
    page = opened(asked, "ask")
    page.locator("#file").set_input_files(tmp_path / "plate.png")
    page.get_by_role("button", name="Read the fields").click()

    expect(page.locator(".answer")).to_contain_text("AB12")


def test_a_profile_is_chosen_and_answered(asked: Site, opened: Any) -> None:
    """A profile that looks at no image takes a question alone, and its query stands there member by member."""
    page = opened(asked, "ask")
    page.get_by_label("Profile").select_option("outcomes_query")
    expect(page.locator("#about")).to_contain_text("history")
    expect(page.get_by_label("Question", exact=True)).to_have_value("Which parts were held yesterday?")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".ask")).to_contain_text("ms in all")

    expect(page.locator(".answer .pair").first).to_contain_text("disposition")
    expect(page.locator(".answer .pair").first).to_contain_text("hold")


def test_a_profile_that_asks_its_own_question_hides_the_field(asked: Site, opened: Any) -> None:
    """A form needs no question: only its image is asked for."""
    page = opened(asked, "ask")
    page.get_by_label("Profile").select_option("medical_form")
    expect(page.get_by_label("Question", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Ask").click()

    expect(page.locator(".answer")).to_contain_text("Choose an image first")
