"""The read form: how a station asks the pool for a reading of one frame over HTTP, and what comes back.

    POST /v1/read, content type application/vnd.edge.read
    edge-station: SITE/LINE/STATION   whose question it is; the pool keeps a queue a station
    edge-deadline-ms: 250             nobody waits longer for the answer, from the moment that it is sent
    body: one line of JSON {"product": …, "draft": …, "boxes": …}, a line feed, the frame's bytes as they are

Promises: a reading is the same after the way there and back, to the last bit of every number, so that what the pool
reads is what the same reader reads beside the camera; what is not one whole question or reading is an error, never an
empty one (L3).

`product` is a product file as JSON (null: the built-in one), `boxes` are where text stands on the frame as the station
located it for its gate, which saves the pool that work (null: the pool locates).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from pydantic import TypeAdapter, ValidationError

from edge.core.fields import FieldRule, Product
from edge.core.reading import Quad, Reading
from edge.errors import ReaderError
from edge.products import FieldTable, ProductErp, ProductFile

PATH = "/v1/read"
MEDIA_TYPE = "application/vnd.edge.read"
STATION, DEADLINE = "edge-station", "edge-deadline-ms"
#: A product file of 50 fields with patterns is some 30 kB, the boxes of 200 lines 15 kB.
MAX_HEAD_BYTES = 1_000_000

_READING = TypeAdapter(Reading)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be read on a frame. `product` None: the built-in one; `boxes` None: the pool locates."""

    product: ProductFile | None = None
    draft: Mapping[str, str] = field(default_factory=dict)
    boxes: tuple[Quad, ...] | None = None


_WANTED = TypeAdapter(Wanted)


def question(wanted: Wanted, image: bytes) -> bytes:
    """The body that asks."""
    return _WANTED.dump_json(wanted) + b"\n" + image


def asked(body: bytes) -> tuple[Wanted, bytes]:
    """What a body asks for, and the frame's bytes.

    Raises:
        ValueError: it is no question in this form; one sentence.
    """
    end = body.find(b"\n", 0, MAX_HEAD_BYTES)
    if end < 0:
        raise ValueError("the body does not begin with a line of JSON: send what is wanted, a line feed, the frame")
    try:
        return _WANTED.validate_json(body[:end]), body[end + 1 :]
    except ValidationError as error:
        # What is wrong with a product is said where it is written (`edge check`); here it is enough that it is.
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ValueError(
            f"what is wanted has {error.error_count()} mistakes, the first at {where[:80] or 'its beginning'}: "
            "the pool may be of another version of edge"
        ) from None


def answer(reading: Reading) -> bytes:
    """The body that answers."""
    return _READING.dump_json(reading)


def read(body: bytes) -> Reading:
    """The reading in an answer.

    Raises:
        ReaderError: it holds none.
    """
    try:
        return _READING.validate_json(body)
    except ValidationError as error:
        raise ReaderError(
            f"the pool's answer is no reading ({error.error_count()} mistakes): it is of another version of edge"
        ) from None


def refusal(body: bytes) -> tuple[str, str]:
    """The type and the sentence of a refusal; both empty where it says none."""
    try:
        told = json.loads(body)["error"]
        return str(told["type"])[:40], str(told["message"])[:300]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "", ""


#: What of a product's rule stands in its file.
_WRITTEN = tuple(one.name for one in fields(FieldRule) if one.name in FieldTable.model_fields)


def file_of(product: Product) -> ProductFile:
    """A product as a file has it: all that a reader needs, so that it reads there what it reads here."""
    # Checked when it was loaded; checking patterns again would take longer than many a reading.
    tables = {
        name: FieldTable.model_construct(**{key: getattr(rule, key) for key in _WRITTEN})
        for name, rule in product.fields.items()
    }
    erp = ProductErp.model_construct(mode=product.mode)
    return ProductFile.model_construct(version=1, name=product.name, fields=tables, erp=erp)
