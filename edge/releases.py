"""Releases: signed, numbered sets of product files and thresholds for many stations; their form, and what is wrong.

A release is one JSON object, on the broker and as a file: `statement` and `content` are texts, `key` names the public
key, and `signature` is Ed25519's over the statement. The statement holds the content's SHA-256, so it signs both; it is
checked before anything in either is believed. Products stand in it by name and text, and nothing in it is a path.

Promise: what a release holds is checked by the code that checks a station's own files, and every mistake is listed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from typing_extensions import TypedDict

from edge import toml_file
from edge.calibrations import calibration_of
from edge.core.release import ANY, ReleaseName
from edge.errors import ConfigError
from edge.products import Gate, ProductFile, checked_product
from edge.section_types import Table
from edge.sections import Accept

#: The longest release, in bytes of its JSON; half of the longest packet that a station takes from its broker.
MAX_RELEASE_BYTES = 512 * 1024
#: A number that every JSON reader keeps exact (RFC 8259, 6).
MAX_NUMBER = 2**53 - 1
#: What is signed begins with it, so that a signature of the same key for another purpose is none for a release.
PURPOSE = b"edge release 1\n"
#: What key and signature add to a release, in bytes: 16 and 88 characters.
_SIGNATURE_ROOM = 104


class ReleaseRefusal(StrEnum):
    """Why a station does not take a release. May gain members."""

    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    UNTRUSTED_KEY = "untrusted_key"
    BAD_SIGNATURE = "bad_signature"
    OTHER_CONTENT = "other_content"
    OTHER_STATION = "other_station"
    OLDER = "older"
    WRONG_CONTENT = "wrong_content"
    MAX_WAITING_RELEASES = "max_waiting_releases"


class ReleaseError(ConfigError):
    """Raised when a release cannot be taken; `reason` is for machines, `problems` lists what is wrong."""

    def __init__(self, reason: ReleaseRefusal, problems: list[str] | str) -> None:
        self.reason = reason
        super().__init__(problems)


def _place(pattern: str) -> str:
    levels = pattern.split("/")
    if len(levels) != 3 or any(not level or (ANY in level and level != ANY) or level in "+#" for level in levels):
        raise ValueError("names a station as SITE/LINE/STATION, where * stands for any one level; correct it")
    return pattern


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Number = Annotated[int, Field(ge=0, le=MAX_NUMBER, strict=True)]
Place = Annotated[str, Field(max_length=200), AfterValidator(_place)]


class Statement(Table):
    """What is signed: which content, under which number, for which stations."""

    version: Literal[1] = Field(description="Version of this form; 1.")
    number: Annotated[int, Field(ge=1, le=MAX_NUMBER, strict=True)] = Field(description="Grows with each release.")
    sha256: Sha256 = Field(description="Of the content's bytes.")
    stations: Annotated[tuple[Place, ...], Field(min_length=1, max_length=1000)] = Field(
        description="SITE/LINE/STATION; * stands for any one level."
    )
    back_to: Number | None = Field(
        default=None, description="In a roll-back: the number of the release whose content it brings back; 0: none."
    )
    note: str = Field(default="", max_length=500, description="For people.")


class Content(Table):
    """What a release sets. What it does not name stays as the station's own files have it."""

    version: Literal[1] = Field(description="Version of this form; 1.")
    products: Annotated[dict[str, str], Field(max_length=200)] = Field(
        default={}, description="Product files by name, each as its TOML text."
    )
    gate: Gate = Field(default=Gate(), description="Limits over those of the station's [gate].")
    accept: dict[str, Any] = Field(default={}, description="Keys over those of the station's [accept].")
    calibration: str | None = Field(default=None, description="A file of `edge calibrate`, as its text.")

    def product(self, name: str) -> ProductFile | None:
        """The product of that name; None where the release does not hold it.

        Raises:
            ConfigError: it is wrong; lists all mistakes.
        """
        text = self.products.get(name)
        return None if text is None else checked_product(_product_file(name, text), name)

    def accept_over(self, own: Accept) -> Accept:
        """The station's [accept] with the keys of the release over it.

        Raises:
            ConfigError: a key is wrong; lists all mistakes.
        """
        if "calibration" in self.accept:
            raise ConfigError("accept.calibration names a file of one station; write its text as `calibration`")
        keys = own.model_dump(include=own.model_fields_set) | self.accept
        try:
            return Accept.model_validate(keys)
        except ValidationError as error:
            found = toml_file.problems(error, keys, Accept)
            raise ConfigError([f"accept.{'.'.join(one.key)} {one.what}" for one in found]) from None


class SentRelease(TypedDict):
    """A signed set of product files and thresholds. Answered on the topic `release_state`."""

    statement: Annotated[str, Field(description="JSON text: number, hash of the content, stations.")]
    content: Annotated[str, Field(description="JSON text: products, gate, accept, calibration.")]
    key: Annotated[str, Field(description="The first 16 hex digits of the public key's SHA-256.")]
    signature: Annotated[str, Field(description="Base64 of Ed25519 over `edge release 1`, a line feed, `statement`.")]


Model = TypeVar("Model", Statement, Content)


@dataclass(frozen=True, slots=True)
class Release:
    """A release as it is sent: two texts, and who signed; not yet checked. Unsigned while `signature` is empty."""

    statement: str
    content: str
    key: str = ""
    signature: bytes = b""

    @classmethod
    def of(cls, message: bytes) -> Release:
        """The release that these bytes hold; its size is looked at before anything else.

        Raises:
            ReleaseError: they hold none.
        """
        if len(message) > MAX_RELEASE_BYTES:
            raise ReleaseError(
                ReleaseRefusal.TOO_LONG,
                f"the release has {len(message)} bytes and the limit is {MAX_RELEASE_BYTES}: split it",
            )
        facts = _object(message, "release")
        texts = ("statement", "content", "key", "signature")
        if set(facts) != set(texts) or not all(isinstance(facts[name], str) for name in texts):
            raise ReleaseError(
                ReleaseRefusal.MALFORMED, f"the release must have the texts {', '.join(texts)}, and no others"
            )
        try:
            signature = base64.b64decode(facts["signature"].encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise ReleaseError(
                ReleaseRefusal.MALFORMED, "the release's signature is not base64: sign it again"
            ) from None
        return cls(facts["statement"], facts["content"], facts["key"], signature)

    @property
    def message(self) -> bytes:
        """The bytes that are sent and kept."""
        signature = base64.b64encode(self.signature).decode()
        facts = {"statement": self.statement, "content": self.content, "key": self.key, "signature": signature}
        return json.dumps(facts, ensure_ascii=False).encode("utf-8", "surrogatepass")

    @property
    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        return PURPOSE + self.statement.encode("utf-8", "surrogatepass")

    @property
    def said(self) -> Statement:
        """The statement, checked by itself.

        Raises:
            ReleaseError: it is none.
        """
        return _validated(
            Statement, self.statement.encode("utf-8", "surrogatepass"), "statement", ReleaseRefusal.MALFORMED
        )

    @property
    def name(self) -> ReleaseName:
        """Number, and the hash of the content that is really there.

        Raises:
            ReleaseError: the statement is none, or names other content.
        """
        said, found = self.said, hash_of(self.content)
        if said.sha256 != found:
            raise ReleaseError(
                ReleaseRefusal.OTHER_CONTENT,
                f"release {said.number} was signed with content {said.sha256[:12]} and has {found[:12]}: "
                "push the file that was signed",
            )
        return ReleaseName(said.number, found)

    @property
    def sets(self) -> Content:
        """The content, checked by itself: every product, threshold and calibration of it.

        Raises:
            ReleaseError: something is wrong; lists all mistakes.
        """
        raw = self.content.encode("utf-8", "surrogatepass")
        content = _validated(Content, raw, "content", ReleaseRefusal.WRONG_CONTENT)
        checks: list[Callable[[], object]] = [
            *(partial(content.product, name) for name in content.products),
            lambda: content.accept_over(Accept()),
        ]
        if content.calibration is not None:
            calibration = content.calibration
            checks.append(lambda: calibration_of(calibration, "calibration"))
        problems = [problem for check in checks for problem in _problems(check)]
        if problems:
            raise ReleaseError(ReleaseRefusal.WRONG_CONTENT, problems)
        return content


def hash_of(content: str) -> str:
    """SHA-256 (hex) of a content's bytes."""
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def text_of(table: Statement | Content) -> str:
    """The text of a statement or content: the same facts give the same bytes."""
    facts = table.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def unsigned(
    number: int, stations: tuple[str, ...], content: str, *, note: str = "", back_to: int | None = None
) -> Release:
    """A release of a content's text, checked as a station checks it, signature aside.

    Raises:
        ReleaseError: a station would not take it; lists all mistakes.
    """
    said = Statement(version=1, number=number, sha256=hash_of(content), stations=stations, note=note, back_to=back_to)
    release = Release(text_of(said), content)
    _ = release.name, release.sets
    size = len(release.message) + _SIGNATURE_ROOM
    if size > MAX_RELEASE_BYTES:
        raise ReleaseError(
            ReleaseRefusal.TOO_LONG, f"the release has {size} bytes and the limit is {MAX_RELEASE_BYTES}: split it"
        )
    return release


def _problems(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except ConfigError as error:
        return error.problems
    return []


def _product_file(name: str, text: str) -> toml_file.TomlFile:
    return toml_file.parse(text.encode("utf-8", "surrogatepass"), Path(f"products/{name[:64]}.toml"))


def _object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        facts = json.loads(raw, object_pairs_hook=_each_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:  # RecursionError: thousands of opening brackets
        raise ReleaseError(
            ReleaseRefusal.MALFORMED, f"the {what} is not JSON ({str(error)[:100]}): make it with edge release"
        ) from None
    if not isinstance(facts, dict):
        raise ReleaseError(ReleaseRefusal.MALFORMED, f"the {what} is not a JSON object: make it with edge release")
    return facts


def _validated(model: type[Model], raw: bytes, what: str, reason: ReleaseRefusal) -> Model:
    facts = _object(raw, what)
    try:
        return model.model_validate_json(json.dumps(facts))
    except ValidationError as error:
        found = toml_file.problems(error, facts, model)
        raise ReleaseError(reason, [f"{what}: {'.'.join(one.key)} {one.what}" for one in found]) from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    facts = dict(pairs)
    if len(facts) != len(pairs):
        raise ValueError("a key comes twice")  # JSON leaves open which of them counts
    return facts


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
