"""What the station hears by MQTT and answers, as types: answers are checked against them, schemas made from them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import (
    Annotated,
    Literal,
    NotRequired,  # the standard library's is read by pydantic from 3.12 on alone
)

from pydantic import Field as Says
from typing_extensions import TypedDict

from edge.adapters.messages import MAX_ID_LENGTH, Id

#: The longest expected text, in characters.
MAX_TEXT_LENGTH = 500
#: Fields that one command may expect.
MAX_FIELDS = 100

_CommandAt = Annotated[
    str,
    Says(
        description="When it was made, RFC 3339 with an offset. A trigger or expectation too old is refused.",
        json_schema_extra={"format": "date-time"},
    ),
]
_ExpectedText = Annotated[str, Says(min_length=1, max_length=MAX_TEXT_LENGTH)]
_Expected = Annotated[
    Mapping[Id, _ExpectedText],
    Says(min_length=1, max_length=MAX_FIELDS, description="Field name to the text that the part should bear."),
]


class Trigger(TypedDict):
    """A part is in place. Set a message expiry no longer than the deadline."""

    trigger_id: Annotated[
        Id, Says(description="Never used twice at this station: a repeat begins no second inspection.")
    ]
    expected: NotRequired[_Expected | None]
    source: NotRequired[Id | None]
    station: NotRequired[str]
    at: NotRequired[_CommandAt]


#: The part that comes next: its fields stand beside the three names that the command keeps for itself.
Expect = Annotated[
    Mapping[Id, _ExpectedText],
    Says(
        min_length=1,
        max_length=MAX_FIELDS + 3,
        description="The part that comes next, for the next trigger without `expected`: field name to text.",
        json_schema_extra={
            "properties": {
                "command_id": {
                    "type": ["string", "null"],
                    "minLength": 1,
                    "maxLength": MAX_ID_LENGTH,
                    "description": "By which a repeat is recognised.",
                },
                "station": {"type": "string"},
                "at": {"type": "string", "format": "date-time"},
            }
        },
    ),
]


class Confirm(TypedDict):
    """MES has stored this outcome."""

    inspection_id: Id
    station: NotRequired[str]
    at: NotRequired[_CommandAt]


class Resend(TypedDict):
    """Somebody misses outcomes: they are sent again, the same bytes on the same topic."""

    first: Annotated[int, Says(ge=1, description="`seq` of the first outcome that is missing.")]
    last: Annotated[int, Says(ge=1, description="`seq` of the last one; at most 999 more than `first`.")]
    station: NotRequired[str]
    at: NotRequired[_CommandAt]


class TriggerAccepted(TypedDict):
    """The trigger is on the station's disk."""

    accepted: Literal[True]
    trigger_id: Id
    inspection_id: Id
    repeat: bool


class ExpectAccepted(TypedDict):
    """The next part is known."""

    accepted: Literal[True]
    command_id: Id
    repeat: bool


class ConfirmAccepted(TypedDict):
    """The outcome is confirmed."""

    accepted: Literal[True]
    inspection_id: Id


class ResendAccepted(TypedDict):
    """The outcomes are on their way.

    `again`: how many were put back into the outbox. The others wait there already, or the station no longer has them.
    """

    accepted: Literal[True]
    first: int
    last: int
    again: int


class Refusal(StrEnum):
    """Why a command was not followed. May gain members."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    RETAINED = "retained"
    STALE = "stale"
    TOO_LONG = "too_long"
    UNKNOWN_STATION = "unknown_station"
    UNKNOWN_COMMAND = "unknown_command"
    UNKNOWN_INSPECTION = "unknown_inspection"
    MAX_WAITING_TRIGGERS = "max_waiting_triggers"
    MAX_WAITING_EXPECTATIONS = "max_waiting_expectations"
    MAX_AGAIN = "max_again"
    DISK_FULL = "disk_full"


class Refused(TypedDict):
    """The command was not followed; it is counted under its reason."""

    accepted: Literal[False]
    reason: Refusal
    detail: str


Answer = TriggerAccepted | ExpectAccepted | ConfirmAccepted | Refused
ResendAnswer = ResendAccepted | Refused
