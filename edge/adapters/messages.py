"""What the station says by MQTT, as types: builders are checked against them, schemas are made from them.

Promise: `config/asyncapi.yaml` and `config/schemas/` say what stands here and nothing else. A key that every message of
a released schema has stays; a new one is `NotRequired`, since a message may be older than the code that sends it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field as Says

# pydantic reads types of the standard library's TypedDict from Python 3.12 on alone.
from typing_extensions import TypedDict

from edge.core.outcome import Defect, Disposition, Reason
from edge.core.quality import MeasureName
from edge.core.reading import FinishReason
from edge.releases import ReleaseRefusal

#: The longest id, in characters.
MAX_ID_LENGTH = 200

StateName = Literal["online", "stopped", "offline"]
#: What a person may say: the part is as it was read; it is otherwise (`fields`); it is bad; look again.
ReviewAction = Literal["confirm", "correct", "reject", "retake"]

#: A reader may rely on the list being whole: it gains no member within this version of the contract.
_CLOSED: dict[str, Any] = {"x-closed": True}

Schema = Literal["edge/v1"]
Count = Annotated[int, Says(ge=0)]
Number1 = Annotated[int, Says(ge=1)]
Share = Annotated[float, Says(ge=0, le=1)]
Id = Annotated[str, Says(min_length=1, max_length=MAX_ID_LENGTH)]
At = Annotated[
    str, Says(description="Wall time, RFC 3339, UTC; for people.", json_schema_extra={"format": "date-time"})
]
_Historical = Annotated[
    Literal["true", "false"], Says(description="Told late, after an outage.", json_schema_extra=_CLOSED)
]
_Milliseconds = Annotated[Mapping[str, float | None], Says(description="Milliseconds.")]
_Point = Annotated[list[float], Says(min_length=2, max_length=2)]
_Box = Annotated[
    list[_Point],
    Says(min_length=4, max_length=4, description="Corners in pixels: the text's top left, then clockwise."),
]


class Alternative(TypedDict):
    """Another character that it may be."""

    text: str
    confidence: Share


class Character(TypedDict):
    """One character as read."""

    text: str
    confidence: Share
    alternatives: list[Alternative]
    box: _Box | None


class Proposal(TypedDict):
    """Another text, with the rule that proposes it; never taken silently."""

    text: str
    rule: str


class Field(TypedDict):
    """A field as decided on."""

    raw: Annotated[str, Says(description="As printed.")]
    text: Annotated[str, Says(description="After `rule`; empty: nothing there.")]
    rule: str | None
    confidence: Annotated[Share, Says(description="The least certain character's.")]
    characters: list[Character]
    box: _Box | None
    expected: str | None
    verdict: str
    looks: Count
    why: str
    finish_reason: Annotated[FinishReason, Says(json_schema_extra=_CLOSED)]
    alternatives: list[Proposal]


class Code(TypedDict):
    """One bar or matrix code on the frame."""

    format: str
    text: str
    box: _Box | None


class Measure(TypedDict):
    """One measure of quality; null where it could not be assessed."""

    raw: float | None
    score: Annotated[int, Says(ge=0, le=100)] | None


class Quality(TypedDict):
    """The measured quality of a frame."""

    measures: Mapping[MeasureName, Measure]
    num_lines: Count
    region: _Box | None
    motion_degrees: float | None


class ReaderName(TypedDict):
    """Which reader, with which weights."""

    name: str
    hash: str


class ReaderNameOrNone(TypedDict):
    """Which reader, with which weights; null where none was asked."""

    name: str | None
    hash: str | None


class Look(TypedDict):
    """What one reader read on one frame."""

    reader: ReaderName
    texts: Mapping[str, str]
    confidence: Share | None


class Change(TypedDict):
    """What a retake was meant for: a score of a measure, 0 to 100, or `confidence`, 0 to 1."""

    before: float
    after: float


class Attempt(TypedDict):
    """One frame of the part: what was asked, what came, what was wrong, and whether a retake helped."""

    number: Number1
    action: str
    cause: list[Defect]
    frame_id: str | None
    exposure_us: int | None
    light: str | None
    defects: list[Defect]
    quality: Quality | None
    texts: Annotated[Mapping[str, str], Says(description="Of the first reader.")]
    readings: Annotated[list[Look], Says(description="Of each reader: looks of their own.")]
    failure: str | None
    helped: bool | None
    changed: Mapping[str, Change]
    ms: _Milliseconds


class Evidence(TypedDict):
    """One kept frame."""

    path: Annotated[str, Says(description="Below the data folder of the station.")]
    sha256: Annotated[str, Says(pattern="^[0-9a-f]{64}$")]
    attempt: Number1


class ErpRecord(TypedDict):
    """Where the record came from, and its age."""

    source: str | None
    age: Annotated[float, Says(description="Seconds.")] | None


class Release(TypedDict):
    """A release: its number, and the hash of what it sets."""

    number: Number1
    sha256: Annotated[str, Says(pattern="^[0-9a-f]{64}$")]


class Config(TypedDict):
    """The configuration that the station ran with."""

    hash: str
    release: NotRequired[
        Annotated[Release, Says(description="The release that was over the station's files; missing: none.")]
    ]


class Outcome(TypedDict):
    """One an inspection, ordered by `seq`. Drop repeats by `inspection_id`."""

    schema: Schema
    inspection_id: Annotated[Id, Says(description="UUIDv7, the key to drop repeats by.")]
    station: str
    seq: Annotated[Number1, Says(description="Counts up by one for each outcome of the station.")]
    trigger_id: str
    disposition: Annotated[Disposition, Says(json_schema_extra=_CLOSED)]
    reason: Annotated[Reason, Says(description="May gain members: go by `disposition` where one is not known.")]
    detail: str
    defects: list[Defect]
    fields: Mapping[str, Field]
    codes: list[Code]
    attempts: list[Attempt]
    evidence: list[Evidence]
    erp: ErpRecord
    false_accept_rate: Annotated[
        Share | None, Says(description="How often a pass on evidence as this was wrong, on labelled plates.")
    ]
    false_accept_interval: Annotated[
        Annotated[Sequence[Share], Says(min_length=2, max_length=2)] | None,
        Says(description="95 %, Clopper-Pearson."),
    ]
    false_accept_reads: Annotated[Count | None, Says(description="Labelled reads that the rate rests on.")]
    reader: ReaderNameOrNone
    config: Config
    at: At
    ms: _Milliseconds


class Retake(TypedDict):
    """A frame was not fit: the cause, and what is done or asked for."""

    inspection_id: Id
    station: str
    attempt: Number1
    cause: list[Defect]
    action: str
    at: At


class Correction(TypedDict):
    """What a person says about an outcome, which stays as it is. A later one of the same outcome goes before."""

    schema: Schema
    correction_id: Annotated[Id, Says(description="UUIDv7, the key to drop repeats by.")]
    inspection_id: Annotated[Id, Says(description="The outcome that is spoken of.")]
    station: str
    seq: Annotated[Number1, Says(description="Of that outcome.")]
    action: Annotated[ReviewAction, Says(description="`retake`: inspect the part once more.")]
    fields: Annotated[Mapping[str, str], Says(description="What they are in truth; of `correct` alone.")]
    note: str
    by: str
    at: At


class State(TypedDict):
    """Retained. `offline` is the will: its `at` is when the connection was made."""

    schema: Schema
    station: str
    state: Annotated[StateName, Says(json_schema_extra=_CLOSED)]
    session_id: Annotated[
        Id, Says(description="The connection that this is said of: a late `offline` names an earlier one.")
    ]
    version: str
    at: At
    refuses: NotRequired[
        Annotated[Literal["disk_full"] | None, Says(description="Why no trigger is taken now; null: they are.")]
    ]


class ReleaseState(TypedDict):
    """Retained. What became of the release that came last; `message` is its hash as it was sent."""

    schema: Schema
    station: str
    state: Annotated[Literal["taken", "refused"], Says(json_schema_extra=_CLOSED)]
    message: Annotated[str, Says(pattern="^[0-9a-f]{64}$")]
    present: Annotated[Release | None, Says(description="What the station has now; null: its own files alone.")]
    reason: Annotated[ReleaseRefusal | None, Says(description="Why it was refused; may gain members.")]
    problems: Annotated[list[str], Says(description="Every mistake, a sentence each.")]
    at: At


class OutcomeProperties(TypedDict):
    """User properties of an outcome."""

    inspection_id: Id
    seq: Annotated[str, Says(pattern="^[1-9][0-9]*$")]
    schema: Schema
    historical: _Historical


class RetakeProperties(TypedDict):
    """User properties of a retake."""

    inspection_id: Id
    schema: Schema
    historical: _Historical


class CorrectionProperties(TypedDict):
    """User properties of a correction."""

    inspection_id: Id
    correction_id: Id
    schema: Schema
    historical: _Historical
