"""The JSON of an outcome: DESIGN's keys, the same bytes for the same facts, and nothing that JSON cannot hold."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.adapters.payload import encode, outcome_payload
from edge.core.calibration import FalseAccept
from edge.core.outcome import Attempt, Defect, Evidence, FieldOutcome, Looked, Outcome, Reason
from edge.core.quality import Measure, Quality
from edge.core.reading import Character, Code, FieldReading, Quad

BOX: Quad = ((0.0, 0.0), (10.0, 0.0), (10.0, 5.0), (0.0, 5.0))
FULL = Outcome(
    inspection_id="01a2",
    trigger_id="t1",
    reason=Reason.UNREADABLE,
    defects=(Defect.GLARE,),
    fields={
        "serial": FieldOutcome(
            FieldReading(
                "serial",
                raw="O1",
                text="01",
                rule="O->0",
                characters=(Character("0", 0.9, (("O", 0.08),), BOX), Character("1", 0.99)),
                box=BOX,
                why="key S/N",
                alternatives=(("O1", "as printed"),),
            ),
            expected="01",
            looks=2,
            verdict="match",
        )
    },
    codes=(Code("QRCode", "01", BOX),),
    attempts=(
        Attempt(
            1,
            action="shorter exposure",
            cause=(Defect.GLARE,),
            frame_id="f1",
            exposure_us=900,
            light="normal",
            defects=(Defect.GLARE,),
            quality=Quality({"glare": Measure(0.2, 30), "tilt": Measure(None, None)}, 3, BOX, 12.5),
            texts={"serial": "01"},
            readings=(Looked("ocr", "aa", {"serial": "01"}, 0.9), Looked("vlm", "bb", {"serial": ""})),
            helped=False,
            changed={"glare": (30, 31)},
            ms={"take": 12.0},
        ),
    ),
    evidence=(Evidence("evidence/2026-01-01/a.jpg", "00ff", 1),),
    erp_source="csv",
    erp_age_s=1.5,
    false_accept=FalseAccept(0.001, (0.0, 0.00123), 3000),
    reader="ocr",
    reader_hash="aa",
    detail="glare on the serial",
    ms={"total": 321.0},
)


def payload(outcome: Outcome) -> bytes:
    """With the usual rest."""
    return outcome_payload(outcome, seq=7, station="st", at="2026-01-01T00:00:00.000Z", config_hash="cc")


def test_outcome_has_the_keys_of_the_contract() -> None:
    """Every key that MES programs against is there, always, in a fixed order."""
    full = json.loads(payload(FULL))
    least = json.loads(payload(Outcome("01a2", "t1", Reason.OVERRUN)))

    assert list(full) == list(least)
    assert set(full) == {
        "schema",
        "inspection_id",
        "station",
        "seq",
        "trigger_id",
        "disposition",
        "reason",
        "detail",
        "defects",
        "fields",
        "codes",
        "attempts",
        "evidence",
        "erp",
        "false_accept_rate",
        "false_accept_interval",
        "false_accept_reads",
        "reader",
        "config",
        "at",
        "ms",
    }
    serial = full["fields"]["serial"]
    assert {"raw", "text", "rule", "confidence", "characters", "box", "expected"} <= set(serial)
    assert (serial["raw"], serial["text"], serial["rule"], serial["confidence"]) == ("O1", "01", "O->0", 0.9)
    assert (full["erp"], full["reader"], full["config"]) == (
        {"source": "csv", "age": 1.5},
        {"name": "ocr", "hash": "aa"},
        {"hash": "cc"},
    )
    assert full["attempts"][0]["readings"] == [
        {"reader": {"name": "ocr", "hash": "aa"}, "texts": {"serial": "01"}, "confidence": 0.9},
        {"reader": {"name": "vlm", "hash": "bb"}, "texts": {"serial": ""}, "confidence": None},
    ]
    assert full["evidence"] == [{"path": "evidence/2026-01-01/a.jpg", "sha256": "00ff", "attempt": 1}]
    assert (full["disposition"], full["reason"], full["defects"], full["seq"]) == ("hold", "unreadable", ["glare"], 7)


def test_same_facts_give_the_same_bytes() -> None:
    """A payload is a function of its facts (L11)."""
    assert payload(FULL) == payload(FULL)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec=None)), inner),
    max_leaves=20,
)


@given(JSON)
def test_whatever_is_said_is_strict_json_in_utf8(value: Any) -> None:
    """No NaN, no infinity, no half of a surrogate pair reaches MES, and nothing makes the writing fail (L1)."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads(encode({"value": value}).decode("utf-8"), parse_constant=refuse)


def test_numbers_of_numpy_are_numbers() -> None:
    """A numpy number that slipped into an outcome is written as a number, its NaN as null."""
    said = json.loads(encode({"a": np.float32(0.5), "b": np.int64(3), "c": np.float64(math.nan), "d": np.bool_(True)}))

    assert said == {"a": 0.5, "b": 3, "c": None, "d": True}
