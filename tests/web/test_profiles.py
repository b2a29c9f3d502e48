"""Asking by a question profile over HTTP: a real reader process behind a real server, and OpenAI's own client."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.readers.test_profiled import FORM, Model
from tests.web.guest_house import House, guest_house
from tests.web.test_asking import PNG, PRODUCT, post

IMAGE = base64.b64encode(PNG).decode()


@pytest.fixture(scope="module")
def model() -> Model:
    """A model on a server."""
    return Model(FORM)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[House]:
    """A panel with its reader process."""
    with guest_house(tmp_path_factory.mktemp("profiles"), model, PRODUCT) as made:
        yield made


def chat(house: House, **said: Any) -> tuple[int, dict[str, Any]]:
    """Status and object of `POST /v1/chat`."""
    status, text, _ = post(house, "/v1/chat", said)
    return status, json.loads(text)


def test_a_profile_is_answered_within_its_choices(house: House, model: Model) -> None:
    """What is answered is one of the profile's choices; another answer is a named error of the model's."""
    model.says = "yes"
    status, told = chat(house, profile="shop_yes_no", image=IMAGE, question="Is it open?")
    model.says = "who knows"
    wrong, said = chat(house, profile="shop_yes_no", image=IMAGE, question="Is it open?")

    assert (status, told["answer"], told["profile"], told["object"]) == (200, "yes", "shop_yes_no", None)
    assert (wrong, said["error"]["type"]) == (502, "answer_error")
    assert "who knows" in said["error"]["message"]


def test_a_form_comes_as_an_object(house: House) -> None:
    """Named fields need no question, and come as an object beside its text."""
    status, told = chat(house, profile="medical_form", image=IMAGE)

    assert status == 200
    assert told["object"]["record"] == "MR-123456"
    assert json.loads(told["answer"]) == told["object"]


def test_a_query_needs_no_image(house: House) -> None:
    """A question in natural words becomes the query that it means."""
    status, told = chat(house, profile="outcomes_query", question="Which parts were held for glare?")
    known, query = chat(house, profile="outcomes_query", question="the last 20 unreadable parts")

    assert (status, told["error"]["type"]) == (502, "answer_error")
    assert (known, query["object"]["reason"], query["object"]["limit"]) == (200, "unreadable", 20)


@pytest.mark.parametrize(
    ("said", "status", "what"),
    [
        ({"profile": "nothing", "image": IMAGE}, 404, "there are: chart_value"),
        ({"profile": 7, "image": IMAGE}, 404, "no question profile"),
        ({"profile": "shop_yes_no", "image": IMAGE}, 400, "needs a question"),
        ({"profile": "medical_form", "image": IMAGE, "question": "Who?"}, 400, "asks its own question"),
        ({"profile": "medical_form"}, 400, "there is no image"),
    ],
)
def test_a_wrong_request_by_profile_is_refused(house: House, said: dict[str, Any], status: int, what: str) -> None:
    """What is missing, unknown or too much is said."""
    answered, told = chat(house, **said)

    assert answered == status
    assert what in told["error"]["message"]


def test_the_profiles_are_listed(house: House) -> None:
    """Whoever chooses a profile hears what there is, and OpenAI's clients find each as a model."""
    client = openai.OpenAI(base_url=f"{house.url}/v1", api_key="none")
    names = [one.id for one in client.models.list()]

    assert names == ["edge", "edge/chart_value", "edge/medical_form", "edge/outcomes_query", "edge/shop_yes_no"]


def test_openai_s_client_names_a_profile_by_model_or_metadata(house: House, model: Model) -> None:
    """The same answer either way; two different names are refused."""
    model.says = "no"
    client = openai.OpenAI(base_url=f"{house.url}/v1", api_key="none", max_retries=0)
    parts: Any = [
        {"type": "text", "text": "Is it open?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}},
    ]
    messages: Any = [{"role": "user", "content": parts}]
    by_model = client.chat.completions.create(model="edge/shop_yes_no", messages=messages)
    by_metadata = client.chat.completions.create(model="edge", messages=messages, metadata={"profile": "shop_yes_no"})

    assert by_model.choices[0].message.content == by_metadata.choices[0].message.content == "no"
    assert by_model.model == "edge/shop_yes_no"
    with pytest.raises(openai.BadRequestError, match="name one of them"):
        client.chat.completions.create(
            model="edge/shop_yes_no", messages=messages, metadata={"profile": "medical_form"}
        )
