"""What the station says of itself on the topic `health`, as types; see `messages` for all else that it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired

from pydantic import Field as Says

# pydantic reads types of the standard library's TypedDict from Python 3.12 on alone.
from typing_extensions import TypedDict

from edge.adapters.messages import At, Count, Id, Number1, Release, Schema, Share
from edge.core.outcome import Defect, Reason

_Age = Annotated[float, Says(ge=0, description="Seconds.")]
_Counts = Mapping[str, Count]


class Queue(TypedDict):
    """How many wait, and how long the oldest has. `limit`: so many may; null: as many as the disk holds."""

    waiting: Count
    oldest_age_s: _Age | None
    limit: NotRequired[Count | None]


class DeadLetters(TypedDict):
    """Messages set aside."""

    waiting: Count


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
    outcomes: Count


class ReaderQueue(TypedDict):
    """Questions that wait for the reader."""

    waiting: Count | None
    oldest_age_s: _Age | None


class ReaderCache(TypedDict):
    """The cache of answers of the reader `remote`."""

    state: str | None
    hits: Count | None
    misses: Count | None
    hit_rate: Share | None


class ReaderFigures(TypedDict):
    """What the reader process said at its last beat."""

    name: str | None
    queue: ReaderQueue
    answers: _Counts | None
    batches: Annotated[_Counts | None, Says(description="By how many questions were in one.")]
    cache: ReaderCache
    breaker: str | None
    pool: NotRequired[
        Annotated[_Counts | None, Says(description="Frames of the reader `pool`: read by it, or here and why.")]
    ]


class Disk(TypedDict):
    """The disk of the data folder. With less free than the reserve no trigger is taken."""

    free_bytes: Count
    reserve_bytes: Count
    full: bool


class DriftAlarm(TypedDict):
    """A reason or a defect that comes more often than in the station's base, which had it in `base_rate` at most."""

    sign: Reason | Defect
    base_rate: Share
    since_seq: Number1


class LineStop(TypedDict):
    """The line is to stand still since an outcome, until a person resets it. `signs`: what drifted."""

    cause: Literal["in_a_row", "drift"]
    signs: list[Reason | Defect]
    seq: Number1
    at: At


class Alarms(TypedDict):
    """Whether too much does not pass. Drift is watched when the base has `base_needed` outcomes."""

    in_a_row: Annotated[Count, Says(description="Newest outcomes in a row that did not pass.")]
    in_a_row_limit: Annotated[Count | None, Says(description="So many are an alarm; null: none.")]
    in_a_row_alarm: bool
    base_outcomes: Count
    base_needed: Count
    drift: list[DriftAlarm]
    nearness: Annotated[
        Mapping[str, Share], Says(description="To an alarm, by reason or defect; 1: alarm; what is missing has 0.")
    ]
    line_stop: LineStop | None


class Signals(TypedDict):
    """The wires to the line, since their process started. `unfit`: why the heartbeat to the PLC stands still."""

    wires: Annotated[Mapping[str, str], Says(description="State of each: starting, open or away.")]
    unfit: str | None
    triggers: Annotated[Mapping[str, _Counts], Says(description="By source: what was accepted, and what was not, why.")]
    result: _Counts


class Health(TypedDict):
    """Retained, QoS 0, every few seconds. Null: not known."""

    schema: Schema
    station: str
    session_id: Id
    at: At
    triggers: Count
    outcomes: Count
    reasons: Annotated[Mapping[Reason, Count], Says(json_schema_extra={"required": [*Reason]})]
    queues: Queues
    latency_ms: Latency
    frame_age_s: _Age | None
    reader: ReaderFigures
    processes: Annotated[Mapping[str, float], Says(description="Seconds since each was heard.")]
    counts: _Counts
    messenger: _Counts
    disk: NotRequired[Disk]
    alarms: NotRequired[Alarms]
    release: NotRequired[
        Annotated[Release | None, Says(description="By which the inspector decides; null: by the station's files.")]
    ]
    signals: NotRequired[Annotated[Signals | None, Says(description="Null: no wires, or their process is silent.")]]
