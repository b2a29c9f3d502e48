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

#: The longest id, in characters.
MAX_ID_LENGTH = 200

StateName = Literal["online", "stopped", "offline"]
#: What a person may say: the part is as it was read; it is otherwise (`fields`); it is bad; look again.
ReviewAction = Literal["confirm", "correct", "reject", "retake"]

#: A reader may rely on the list being whole: it gains no member within this version of the contract.
_CLOSED: dict[str, Any] = {"x-closed": True}

_Schema = Literal["edge/v1"]
_Count = Annotated[int, Says(ge=0)]
_Number1 = Annotated[int, Says(ge=1)]
_Share = Annotated[float, Says(ge=0, le=1)]
_Age = Annotated[float, Says(ge=0, description="Seconds.")]
_Counts = Mapping[str, _Count]
Id = Annotated[str, Says(min_length=1, max_length=MAX_ID_LENGTH)]
_At = Annotated[
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
    confidence: _Share


class Character(TypedDict):
    """One character as read."""

    text: str
    confidence: _Share
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
    confidence: Annotated[_Share, Says(description="The least certain character's.")]
    characters: list[Character]
    box: _Box | None
    expected: str | None
    verdict: str
    looks: _Count
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
    num_lines: _Count
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
    confidence: _Share | None


class Change(TypedDict):
    """What a retake was meant for: a score of a measure, 0 to 100, or `confidence`, 0 to 1."""

    before: float
    after: float


class Attempt(TypedDict):
    """One frame of the part: what was asked, what came, what was wrong, and whether a retake helped."""

    number: _Number1
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
    attempt: _Number1


class ErpRecord(TypedDict):
    """Where the record came from, and its age."""

    source: str | None
    age: Annotated[float, Says(description="Seconds.")] | None


class Config(TypedDict):
    """The configuration that the station ran with."""

    hash: str


class Outcome(TypedDict):
    """One an inspection, ordered by `seq`. Drop repeats by `inspection_id`."""

    schema: _Schema
    inspection_id: Annotated[Id, Says(description="UUIDv7, the key to drop repeats by.")]
    station: str
    seq: Annotated[_Number1, Says(description="Counts up by one for each outcome of the station.")]
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
        _Share | None, Says(description="How often a pass on evidence as this was wrong, on labelled plates.")
    ]
    false_accept_interval: Annotated[
        Annotated[Sequence[_Share], Says(min_length=2, max_length=2)] | None,
        Says(description="95 %, Clopper-Pearson."),
    ]
    false_accept_reads: Annotated[_Count | None, Says(description="Labelled reads that the rate rests on.")]
    reader: ReaderNameOrNone
    config: Config
    at: _At
    ms: _Milliseconds


class Retake(TypedDict):
    """A frame was not fit: the cause, and what is done or asked for."""

    inspection_id: Id
    station: str
    attempt: _Number1
    cause: list[Defect]
    action: str
    at: _At


class Correction(TypedDict):
    """What a person says about an outcome, which stays as it is. A later one of the same outcome goes before."""

    schema: _Schema
    correction_id: Annotated[Id, Says(description="UUIDv7, the key to drop repeats by.")]
    inspection_id: Annotated[Id, Says(description="The outcome that is spoken of.")]
    station: str
    seq: Annotated[_Number1, Says(description="Of that outcome.")]
    action: Annotated[ReviewAction, Says(description="`retake`: inspect the part once more.")]
    fields: Annotated[Mapping[str, str], Says(description="What they are in truth; of `correct` alone.")]
    note: str
    by: str
    at: _At


class State(TypedDict):
    """Retained. `offline` is the will: its `at` is when the connection was made."""

    schema: _Schema
    station: str
    state: Annotated[StateName, Says(json_schema_extra=_CLOSED)]
    session_id: Annotated[
        Id, Says(description="The connection that this is said of: a late `offline` names an earlier one.")
    ]
    version: str
    at: _At
    refuses: NotRequired[
        Annotated[Literal["disk_full"] | None, Says(description="Why no trigger is taken now; null: they are.")]
    ]


class Queue(TypedDict):
    """How many wait, and how long the oldest has."""

    waiting: _Count
    oldest_age_s: _Age | None


class DeadLetters(TypedDict):
    """Messages set aside."""

    waiting: _Count


class Unconfirmed(TypedDict):
    """Outcomes that MES has not confirmed. `alarm`: the oldest is older than `limit_s`."""

    oldest_age_s: _Age | None
    limit_s: NotRequired[_Age | None]
    alarm: NotRequired[bool]


class Queues(TypedDict):
    """The queues of the station."""

    triggers: Queue
    outbox: Queue
    dead_letters: DeadLetters
    unconfirmed: Unconfirmed


class Latency(TypedDict):
    """From trigger to outcome, of so many newest outcomes; milliseconds."""

    p50: float | None
    p99: float | None
    outcomes: _Count


class ReaderQueue(TypedDict):
    """Questions that wait for the reader."""

    waiting: _Count | None
    oldest_age_s: _Age | None


class ReaderCache(TypedDict):
    """The cache of answers of the reader `remote`."""

    state: str | None
    hits: _Count | None
    misses: _Count | None
    hit_rate: _Share | None


class ReaderFigures(TypedDict):
    """What the reader process said at its last beat."""

    name: str | None
    queue: ReaderQueue
    answers: _Counts | None
    batches: Annotated[_Counts | None, Says(description="By how many questions were in one.")]
    cache: ReaderCache
    breaker: str | None


class Disk(TypedDict):
    """The disk of the data folder. With less free than the reserve no trigger is taken."""

    free_bytes: _Count
    reserve_bytes: _Count
    full: bool


class Health(TypedDict):
    """Retained, QoS 0, every few seconds. Null: not known."""

    schema: _Schema
    station: str
    session_id: Id
    at: _At
    triggers: _Count
    outcomes: _Count
    reasons: Annotated[Mapping[Reason, _Count], Says(json_schema_extra={"required": [*Reason]})]
    queues: Queues
    latency_ms: Latency
    frame_age_s: _Age | None
    reader: ReaderFigures
    processes: Annotated[Mapping[str, float], Says(description="Seconds since each was heard.")]
    counts: _Counts
    messenger: _Counts
    disk: NotRequired[Disk]


class OutcomeProperties(TypedDict):
    """User properties of an outcome."""

    inspection_id: Id
    seq: Annotated[str, Says(pattern="^[1-9][0-9]*$")]
    schema: _Schema
    historical: _Historical


class RetakeProperties(TypedDict):
    """User properties of a retake."""

    inspection_id: Id
    schema: _Schema
    historical: _Historical


class CorrectionProperties(TypedDict):
    """User properties of a correction."""

    inspection_id: Id
    correction_id: Id
    schema: _Schema
    historical: _Historical
