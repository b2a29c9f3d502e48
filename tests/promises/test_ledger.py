"""The ledger of promises is complete and current."""

from __future__ import annotations

from tests.promises.ledger import LAWS, PAGE, promises, render


def test_every_law_has_a_test() -> None:
    """A law that no test names is a wish, and fails the build."""
    proven = {law for law, _, _ in promises()}

    assert set(LAWS) <= proven


def test_no_test_names_a_law_that_does_not_exist() -> None:
    """A docstring that names a law means one of the ledger's."""
    named = {law for law, _, _ in promises()}

    assert named <= set(LAWS)


def test_the_page_is_current() -> None:
    """docs/promises.md says what the tests say; `make promises` writes it."""
    page = PAGE.read_text(encoding="utf-8")

    assert page == render()
