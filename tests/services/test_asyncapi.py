"""`config/asyncapi.yaml` describes what is sent, no more and no less."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from edge.adapters.heartbeat import Beat
from edge.adapters.mqtt_facts import Command
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from edge.services import asyncapi
from edge.services.health import health_message, state_message
from edge.services.mqtt_commands import Commands
from tests.adapters.test_payload import FULL, payload

AT = "2026-01-01T00:00:00.000Z"
FILE = Path(__file__).parents[2] / "config" / "asyncapi.yaml"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store."""
    opened = Store.open(tmp_path, "st")
    yield opened
    opened.close()


def strict(schema: Any) -> Any:
    """The schema with every key refused that it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: strict(each) for key, each in schema.items()}
    if schema.get("type") == "object" and "properties" in schema and "additionalProperties" not in schema:
        inner["additionalProperties"] = False
    return inner


def check(message: bytes | dict[str, Any], schema: Any) -> None:
    """Validate strictly, as it goes over the wire."""
    parsed = json.loads(message) if isinstance(message, bytes) else json.loads(json.dumps(message))
    Draft202012Validator(strict(schema)).validate(parsed)


def test_file_is_what_the_code_makes() -> None:
    """The file in `config/` is made from the code of today, and is YAML that says the same."""
    text = FILE.read_text(encoding="utf-8")

    assert text.splitlines()[1:] == list(asyncapi.yaml(asyncapi.document()))
    assert yaml.safe_load(text) == asyncapi.document()


def test_schemas_are_schemas() -> None:
    """Every schema of the document is a valid one, and every reference leads somewhere."""
    document = asyncapi.document()
    for message in document["components"]["messages"].values():
        Draft202012Validator.check_schema(message["payload"])
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]


def test_outcomes_validate() -> None:
    """The fullest and the emptiest outcome are as described, for every reason."""
    evidence = json.loads(payload(FULL))
    evidence["evidence"][0]["sha256"] = "0" * 64

    check(evidence, asyncapi.outcome_schema())
    for reason in Reason:
        check(payload(Outcome("i", "t", reason)), asyncapi.outcome_schema())


def test_state_and_health_validate(store: Store) -> None:
    """States and health are as described, with and without outcomes."""
    for state in ("online", "stopped", "offline"):
        check(state_message("st", state, "session"), asyncapi.state_schema())
    beats = {"capture-top": Beat("capture-top", 1, 0, 5, {"frame_age_s": 0.5})}

    for _ in range(2):
        health = health_message(store, beats, {"commands_accepted": 1}, now_us=1000, at=AT, session_id="session")
        check(health, asyncapi.health_schema())
        inspection_id, _ = store.add_trigger("t", expected=None, source="x", at=AT, at_us=1)
        store.commit(Outcome(inspection_id, "t", Reason.MATCHED, ms={"total": 5.0}), topic="t", config_hash="c", at=AT)

    assert health["frame_age_s"] == pytest.approx(0.501, abs=0.001)


@pytest.mark.parametrize(
    ("name", "command", "schema"),
    [
        ("trigger", {"trigger_id": "t", "expected": {"serial": "1"}, "source": "plc"}, asyncapi.trigger_schema()),
        ("expect", {"serial": "1", "model": "M", "command_id": "c"}, asyncapi.expect_schema()),
        ("confirm", {"inspection_id": "nobody"}, asyncapi.confirm_schema()),
        ("dance", {}, {}),
    ],
)
def test_commands_and_answers_validate(name: str, command: dict[str, Any], schema: Any, store: Store) -> None:
    """A command as described is followed or refused, and its answer is as described."""
    check(command, schema)

    answer = Commands(store, "st", lambda: AT).handle(
        Command("session", f"edge/v1/s/l/st/cmd/{name}", json.dumps(command).encode(), arrived_us=1)
    )

    check(dict(answer.message), asyncapi.answer_schema())
    assert answer.accepted == (name in {"trigger", "expect"})
