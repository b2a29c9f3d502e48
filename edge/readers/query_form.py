"""The form of a query: the pattern and the JSON schema that a model is held to, and what of a text is such a query.

Promises: an object with every member of the profile, in its order, null where nothing is asked; anything else is
refused with the member's name. What a model writes is data: nothing of it is ever put into SQL.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import regex

from edge.errors import AnswerError
from edge.products import has_pattern
from edge.question_profiles import MOST_MEMBER, ChoiceMember, DayMember, Member, NumberMember, QueryAnswer

_DAY = r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"


def pattern_of(answer: QueryAnswer) -> str:
    """What a query looks like as JSON without blanks, in the order of the members (`regex` syntax)."""
    members = (f"{regex.escape(json.dumps(name))}:(?:null|{_pattern(one)})" for name, one in answer.members.items())
    return r"\{" + ",".join(members) + r"\}"


def longest(answer: QueryAnswer) -> int:
    """Characters that a query can have at most."""
    return sum(len(name) + 4 + MOST_MEMBER + 2 for name in answer.members) + 2


def schema_of(answer: QueryAnswer) -> dict[str, Any]:
    """The same as a JSON schema, for a server that takes one."""
    return {
        "type": "object",
        "properties": {name: {"anyOf": [_schema(one), {"type": "null"}]} for name, one in answer.members.items()},
        "required": [*answer.members],
        "additionalProperties": False,
    }


def query_in(text: str, answer: QueryAnswer, who: str) -> dict[str, str | int | None]:
    """The query that a text is; `who` is the profile, for the sentence.

    Raises:
        AnswerError: it is none.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise AnswerError(f"the model answered {text[:80]!r} to the profile {who}, which is no JSON: {_NOT}") from None
    if not isinstance(said, dict):
        raise AnswerError(f"the model answered {text[:80]!r} to the profile {who}, which is no object: {_NOT}")
    if unknown := [str(name)[:40] for name in said if name not in answer.members]:
        raise AnswerError(f"the model answered to the profile {who} with {', '.join(unknown)}, no member of it: {_NOT}")
    for name, member in answer.members.items():
        value = said.get(name)
        if value is not None and not _is(value, member):
            raise AnswerError(
                f"the model answered {str(value)[:40]!r} for {name} of the profile {who}, which cannot be: {_NOT}"
            )
    return {name: said.get(name) for name in answer.members}


_NOT = "nothing of it is taken; ask in other words"


def _pattern(member: Member) -> str:
    if isinstance(member, ChoiceMember):
        return "|".join(regex.escape(json.dumps(choice, ensure_ascii=False)) for choice in member.choices)
    if isinstance(member, NumberMember):
        return f"0|[1-9][0-9]{{0,{len(str(member.most)) - 1}}}"
    return f'"(?:{_DAY})"' if isinstance(member, DayMember) else f'"(?:{member.pattern})"'


def _schema(member: Member) -> dict[str, Any]:
    if isinstance(member, ChoiceMember):
        return {"type": "string", "enum": [*member.choices]}
    if isinstance(member, NumberMember):
        return {"type": "integer", "minimum": member.least, "maximum": member.most}
    return {"type": "string", "pattern": f"^(?:{_DAY if isinstance(member, DayMember) else member.pattern})$"}


def _is(value: object, member: Member) -> bool:
    """Whether a value can be this member's."""
    if isinstance(member, NumberMember):
        return isinstance(value, int) and not isinstance(value, bool) and member.least <= value <= member.most
    if not isinstance(value, str) or len(value) > MOST_MEMBER:
        return False
    if isinstance(member, ChoiceMember):
        return value in member.choices
    if isinstance(member, DayMember):
        try:
            return date.fromisoformat(value).isoformat() == value
        except ValueError:
            return False
    return has_pattern(value, member.pattern)
