"""`config/asyncapi.yaml` and `config/schemas/` describe what is sent, no more and no less."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

from edge.adapters.heartbeat import Beat
from edge.adapters.mqtt_facts import Command
from edge.adapters.payload import retake_payload
from edge.adapters.store import Store
from edge.core.actions import AnnounceRetake
from edge.core.outcome import Defect, Outcome, Reason
from edge.services import asyncapi
from edge.services.health import health_message, state_message
from edge.services.mqtt_commands import Commands
from simulator.contract import violations
from tests.adapters.test_payload import FULL, payload
from tests.node import NODE_MODULES, needs_node_modules

AT = "2026-01-01T00:00:00.000Z"
CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store."""
    opened = Store.open(tmp_path, "st")
    yield opened
    opened.close()


def problems(name: str, message: Mapping[str, Any]) -> list[str]:
    """What an outside validator finds wrong with a message, as it goes over the wire."""
    return violations(name, json.dumps(message).encode())


def test_files_are_what_the_code_makes() -> None:
    """The files in `config/` are made from the types of today; `python -m edge.services.asyncapi` makes them anew."""
    made = asyncapi.files()

    assert {path: (CONFIG / path).read_text(encoding="utf-8") for path in made} == made
    assert {file.name for file in (CONFIG / "schemas").glob("*.json")} == {Path(path).name for path in made} - {
        "asyncapi.yaml"
    }
    assert yaml.safe_load(made["asyncapi.yaml"]) == json.loads(json.dumps(asyncapi.document()))


def test_a_release_freezes_the_schemas_of_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--release` writes each schema once more, below the version's folder; without it nothing is frozen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["asyncapi"])
    asyncapi.main()
    unfrozen = (tmp_path / "config" / "schemas" / "released").exists()
    monkeypatch.setattr(sys, "argv", ["asyncapi", "--release"])
    asyncapi.main()
    frozen = tmp_path / "config" / "schemas" / "released" / metadata.version("edge-inspection")

    assert not unfrozen
    assert {file.name for file in frozen.iterdir()} == {f"{name}.json" for name in asyncapi.schemas()}
    assert (frozen / "outcome.json").read_bytes() == (tmp_path / "config" / "schemas" / "outcome.json").read_bytes()


def test_schemas_are_json_schemas() -> None:
    """Every schema is a valid one of 2020-12, and there is one for each message."""
    schemas = asyncapi.schemas()
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)

    assert set(asyncapi.MESSAGES) <= set(schemas)


def test_references_of_the_document_lead_somewhere() -> None:
    """Each reference in the AsyncAPI document is to something in it."""
    document = asyncapi.document()

    def references(value: Any) -> Iterator[str]:
        for key, each in value.items() if isinstance(value, Mapping) else enumerate(value):
            if key == "$ref":
                yield each
            elif isinstance(each, Mapping | list):
                yield from references(each)

    found = set(references(document))
    for reference in found:
        at: Any = document
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]

    assert {"#/channels/answer", "#/components/schemas/Outcome", "#/components/messages/outcome"} <= found


@needs_node_modules
def test_document_is_asyncapi_3() -> None:
    """AsyncAPI's own schema of version 3.0.0 accepts the document, and refuses one with an action misspelt."""
    official = json.loads((NODE_MODULES / "@asyncapi/specs/schemas/3.0.0-without-$id.json").read_text("utf-8"))
    document = yaml.safe_load((CONFIG / "asyncapi.yaml").read_text("utf-8"))
    spoilt = document | {"operations": {"outcome": document["operations"]["outcome"] | {"action": "sned"}}}

    assert [error.message for error in Draft7Validator(official).iter_errors(document)] == []
    assert not Draft7Validator(official).is_valid(spoilt)


def test_outcomes_validate() -> None:
    """The fullest and the emptiest outcome are as described, for every reason."""
    evidence = json.loads(payload(FULL))
    evidence["evidence"][0]["sha256"] = "0" * 64

    assert problems("outcome", evidence) == []
    for reason in Reason:
        assert violations("outcome", payload(Outcome("i", "t", reason))) == []


def test_an_undescribed_message_is_found() -> None:
    """A key too many, a key too few, a wrong type and what is no JSON are each told with their place."""
    outcome = json.loads(payload(Outcome("i", "t", Reason.OVERRUN)))

    assert "surplus" in problems("outcome", outcome | {"surplus": 1})[0]
    assert "at $.seq" in problems("outcome", outcome | {"seq": "1"})[0]
    assert "'ms' is a required property" in problems("outcome", {k: v for k, v in outcome.items() if k != "ms"})[0]
    assert "not JSON" in violations("outcome", b'{"seq": NaN}')[0]
    assert "'seq' is a required property" in violations("outcome", payload(FULL), [("inspection_id", "i")])[-1]


def test_retakes_validate() -> None:
    """A retake is as described."""
    retake = AnnounceRetake("i", 2, (Defect.GLARE,), "shorter exposure")

    assert violations("retake", retake_payload(retake, station="st", at=AT)) == []


def test_state_and_health_validate(store: Store) -> None:
    """States and health are as described, with and without outcomes."""
    assert violations("state", state_message("st", "online", "session")) == []
    assert violations("state", state_message("st", "stopped", "session")) == []
    assert violations("state", state_message("st", "offline", "session")) == []
    beats = {"capture-top": Beat("capture-top", 1, 0, 5, {"frame_age_s": 0.5})}

    for _ in range(2):
        health = health_message(store, beats, {"commands_accepted": 1}, now_us=1000, at=AT, session_id="session")
        assert problems("health", health) == []
        inspection_id, _ = store.add_trigger("t", expected=None, source="x", at=AT, at_us=1)
        store.commit(Outcome(inspection_id, "t", Reason.MATCHED, ms={"total": 5.0}), topic="t", config_hash="c", at=AT)

    assert health["frame_age_s"] == pytest.approx(0.501, abs=0.001)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("trigger", {"trigger_id": "t", "expected": {"serial": "1"}, "source": "plc"}),
        ("expect", {"serial": "1", "model": "M", "command_id": "c"}),
        ("confirm", {"inspection_id": "nobody"}),
        ("dance", {}),
    ],
)
def test_commands_and_answers_validate(name: str, command: dict[str, Any], store: Store) -> None:
    """A command as described is followed or refused, and its answer is as described."""
    answer = Commands(store, "st", lambda: AT).handle(
        Command("session", f"edge/v1/s/l/st/cmd/{name}", json.dumps(command).encode(), arrived_us=1)
    )

    assert name == "dance" or problems(name, command) == []
    assert problems("answer", answer.message) == []
    assert answer.accepted == (name in {"trigger", "expect"})
