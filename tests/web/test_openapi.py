"""The OpenAPI document: it is what the panel serves, and the panel answers as it says, whatever is asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks

from edge.core.outcome import Reason
from edge.services import openapi
from edge.services.reader import ReaderService
from edge.web.access import LEAST_ROLE
from tests.web.site import PROCESSES, PRODUCT, TOKEN, PartOf, Site, site, until
from tests.web.test_asking import Talker

checks.load_all_checks()
every: Any = checks.CHECKS
#: What is sent as it should be is answered as done by these alone: chance gives no image, no token and no known id.
POSITIVE = {"/v1/outcomes", "/v1/outcomes/export", "/v1/held", "/v1/line", "/v1/models", "/v1/session"}
#: An endless answer, which `test_live.py` listens to; and one that is a process each time, which `test_setup.py` runs.
DOCUMENT: Any = schemathesis.openapi.from_dict(openapi.document()).exclude(path=["/v1/live", "/v1/setup/check"])


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A station with a reader that answers, and with parts of every kind."""
    folder = tmp_path_factory.mktemp("openapi")
    with site(folder, processes=tuple(name for name in PROCESSES if name != "reader")) as made:
        over = threading.Event()
        working = threading.Thread(target=ReaderService(made.runtime_dir, Talker(), PRODUCT).run, args=(over,))
        working.start()
        for reason in (Reason.MATCHED, Reason.MISMATCH, Reason.RECORD_MISSING):
            made.add(PartOf(reason=reason))
        until(lambda: made.get("/health").status == 200)  # else it says what it has not heard of yet
        yield made
        over.set()
        working.join(20)


def answered(case: Any, station: Site, known: str | None = None) -> None:
    """Ask, and hold the answer against the document."""
    left_out = [every.get_one("ignored_auth"), every.get_one("positive_data_acceptance")]
    if case.operation.path in POSITIVE and case.method == "GET":
        left_out.pop()
    if known is not None and "inspection_id" in case.path_parameters:
        case.path_parameters["inspection_id"] = known
        left_out.append(every.get_one("negative_data_rejection"))
    case.call_and_validate(
        base_url=station.url,
        headers={"authorization": f"Bearer {TOKEN}"},
        excluded_checks=left_out,
        timeout=30,
    )


def examples(count: int) -> settings:
    """So many requests for each address; nothing is made smaller, since each one is a request of its own."""
    health = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=health,
        phases=[Phase.explicit, Phase.generate],
        derandomize=True,
    )


@DOCUMENT.parametrize()  # type: ignore[untyped-decorator]
@examples(8)
def test_every_address_answers_as_the_document_says(case: Any, asked: Site) -> None:
    """What is right and what is wrong is answered with a status, a type and an object that the document names."""
    answered(case, asked)


@DOCUMENT.include(path_regex="inspection_id").parametrize()  # type: ignore[untyped-decorator]
@examples(8)
def test_a_known_outcome_answers_as_the_document_says(case: Any, asked: Site) -> None:
    """The same for an outcome that there is."""
    answered(case, asked, asked.store.outcomes()[0].inspection_id)


@pytest.mark.slow
@DOCUMENT.parametrize()  # type: ignore[untyped-decorator]
@examples(400)
def test_many_requests_are_answered_as_the_document_says(case: Any, asked: Site) -> None:
    """The same, some thousand times."""
    answered(case, asked)


def test_the_document_is_what_is_served(asked: Site) -> None:
    """`/openapi.json` and `config/openapi.yaml` are the document, and each row of the table of roles is in it."""
    text = openapi.FILE.read_text(encoding="utf-8")
    served = asked.get("/openapi.json").json

    assert text == openapi.file()
    assert yaml.safe_load(text) == served == openapi.document()
    assert set(openapi.OPERATIONS) == set(LEAST_ROLE)
