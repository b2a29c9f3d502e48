"""The one place that opens a reader hands on what the settings say."""

from __future__ import annotations

from typing import Any

import pytest

from edge.readers import opening, remote
from edge.readers.chat.chat import FORMS
from edge.sections import RemoteReader


@pytest.mark.parametrize("constraint", ["auto", "structured_outputs", "regex", "guided_regex", "none"])
def test_the_form_of_constraint_reaches_the_remote_reader(monkeypatch: pytest.MonkeyPatch, constraint: Any) -> None:
    """Each form that the settings know is one that the remote reader knows, and is handed to it."""
    given: dict[str, Any] = {}

    def opened(url: str, model: str, locator: Any, **options: Any) -> None:
        given.update(options)

    monkeypatch.setattr(remote, "Remote", opened)
    opening._remote(RemoteReader(url="http://h", model="m", constraint=constraint), None)  # type: ignore[arg-type]

    assert given["constraint"] == constraint
    assert constraint in {remote.AUTO, *FORMS}
