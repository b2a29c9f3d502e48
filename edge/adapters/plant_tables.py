"""The tables of the plant's database. `FORM` counts up with each change; `plant_store` makes what is missing."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    func,
)

FORM = 1

metadata = MetaData()


def _place() -> tuple[Column[str], Column[str], Column[str]]:
    return (
        Column("site", Text, nullable=False),
        Column("line", Text, nullable=False),
        Column("station", Text, nullable=False),
    )


def _now(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


form = Table("plant_form", metadata, Column("form", Integer, nullable=False))

#: One row an inspection. `payload` is the message, byte for byte; the other columns are what is asked for often.
#: `epoch` counts how often the station began to count anew: its edge.db was lost or replaced.
outcomes = Table(
    "plant_outcomes",
    metadata,
    Column("inspection_id", Text, primary_key=True),
    *_place(),
    Column("epoch", Integer, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("disposition", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("total_ms", Double),
    Column("reader", Text),
    Column("reader_hash", Text),
    Column("false_accept_rate", Double),
    Column("config_hash", Text),
    Column("historical", Boolean, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("payload", Text, nullable=False),
    _now("stored_at"),
    Index("plant_outcomes_by_seq", "site", "line", "station", "epoch", "seq"),
    Index("plant_outcomes_by_time", "at"),
)

#: What the page asks for, counted as outcomes are stored: 200 stations with a part a second give 17 million rows a day
#: above, and 150,000 here. `at` begins ten minutes; `stated` outcomes have a false accept rate, `rates` is their sum.
counts = Table(
    "plant_counts",
    metadata,
    *_place(),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
    Column("reader_hash", Text, nullable=False),
    Column("disposition", Text, nullable=False),
    Column("reader", Text, nullable=False),
    Column("outcomes", BigInteger, nullable=False),
    Column("stated", BigInteger, nullable=False),
    Column("rates", Double, nullable=False),
    Column("last_at", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("at", "site", "line", "station", "reason", "reader_hash"),
)

corrections = Table(
    "plant_corrections",
    metadata,
    Column("correction_id", Text, primary_key=True),
    *_place(),
    Column("inspection_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("payload", Text, nullable=False),
    _now("stored_at"),
)

#: One row a station: what it said last, and how far its outcomes are known.
stations = Table(
    "plant_stations",
    metadata,
    *_place(),
    Column("state", Text),
    Column("session_id", Text),
    Column("version", Text),
    Column("state_at", DateTime(timezone=True)),
    Column("health", Text),
    Column("health_at", DateTime(timezone=True)),
    Column("epoch", Integer, nullable=False, server_default="1"),
    Column("last_seq", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("site", "line", "station"),
)

#: Ranges of `seq` that were given and not seen, as `edge.core.gaps` counts them.
gaps = Table(
    "plant_gaps",
    metadata,
    *_place(),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    _now("since"),
    PrimaryKeyConstraint("site", "line", "station", "first_seq"),
)

#: What must not be and was: never changed by what comes later, and each thing once.
alarms = Table(
    "plant_alarms",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    _now("at"),
    Column("kind", Text, nullable=False),
    *_place(),
    Column("about", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("detail", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    UniqueConstraint("kind", "site", "line", "station", "about", "sha256"),
)
