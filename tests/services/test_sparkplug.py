"""The Sparkplug B view keeps the specification's numbered statements that apply to an edge node, at a real mosquitto.

The ids are those of Sparkplug 3.0's technology compatibility kit. `docs/decisions/0019-the-contract.md` says which
statements do not apply (host applications, devices, aliases, templates, data sets, MQTT 3.1.1).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mqtt5
import pytest

from edge.adapters.sparkplug_wire import DataType
from edge.core.outcome import Reason
from tests import smallest_station
from tests.brokers import Ear, mosquitto, wait_for
from tests.node import NODE_MODULES, needs_node_modules
from tests.services.sparkplug_session import (
    NBIRTH,
    NCMD,
    NDATA,
    NDEATH,
    Life,
    inspect,
    live,
    metrics,
    read,
    rebirth,
    station,
)

Check = Callable[[Life], object]
_DISCONNECT_WITH_WILL = 0x04


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """One life of a node: two connections, the first cut; a rebirth; 300 messages; a leave on purpose."""
    return live(tmp_path_factory.mktemp("sparkplug"))


def wills(life: Life) -> list[mqtt5.Will]:
    """The will of each connection."""
    return [sent[0].will for sent in life.sent]


def births(life: Life) -> list[mqtt5.PublishPacket]:
    """All births."""
    return life.on(NBIRTH)


def told(life: Life) -> Iterator[mqtt5.PublishPacket]:
    """Births and data in their order."""
    return (packet for packet in life.heard if packet.topic in (NBIRTH, NDATA))


def bd_seq(raw: bytes) -> int:
    """The number of the connection."""
    return int(metrics(raw)["bdSeq"].long_value)


def has_value(metric: Any) -> bool:
    """Whether the metric says a value, or that there is none; never both, never neither."""
    values = [name for name in ("long_value", "double_value", "boolean_value", "string_value") if metric.HasField(name)]
    return len(values) == (0 if metric.is_null else 1)


def seqs_follow(life: Life) -> None:
    """0 in each birth, then one more with each message, 0 after 255."""
    expected = 0
    seen = []
    for packet in told(life):
        expected = 0 if packet.topic == NBIRTH else (expected + 1) % 256
        seen.append(read(packet.payload).seq)
        assert seen[-1] == expected
    assert 255 in seen


def topics_are(life: Life) -> None:
    """Namespace, group, kind, node; nothing else below the namespace."""
    assert {packet.topic for packet in life.heard} == {NBIRTH, NDATA, NDEATH, NCMD}


def published_as(topic: str) -> Check:
    """QoS 0 and not retained, as the broker got it."""

    def check(life: Life) -> None:
        sent = [packet for number in range(2) for packet in life.published(number) if packet.topic == topic]
        assert sent
        assert {(int(packet.qos), packet.retain) for packet in sent} == {(0, False)}

    return check


def wills_are_deaths(life: Life) -> None:
    """Each CONNECT brings a will: the death, QoS 1, not retained, read by protobuf."""
    for will in wills(life):
        assert (will.topic, int(will.qos), will.retain) == (NDEATH, 1, False)
        assert will.payload is not None
        assert list(metrics(will.payload)) == ["bdSeq"]
        assert metrics(will.payload)["bdSeq"].datatype == DataType.INT64
        assert not read(will.payload).HasField("seq")


def deaths_are_bare(life: Life) -> None:
    """A death has bdSeq alone, and no seq."""
    assert len(life.on(NDEATH)) == 3  # of the cut connection; of the leave, told and by the will
    for packet in life.on(NDEATH):
        assert list(metrics(packet.payload)) == ["bdSeq"]
        assert not read(packet.payload).HasField("seq")


def birth_numbers_follow(life: Life) -> None:
    """The number `bdSeq` is 0 at first, 1 on the second connection; the same in will, births and death of each."""
    assert [bd_seq(will.payload or b"") for will in wills(life)] == [0, 1]
    assert [bd_seq(packet.payload) for packet in births(life)] == [0, 0, 1]
    assert [bd_seq(packet.payload) for packet in life.on(NDEATH)] == [0, 1, 1]
    assert {metrics(packet.payload)["bdSeq"].datatype for packet in births(life)} == {DataType.INT64}


def session_is_clean(life: Life) -> None:
    """Clean start, and a session that ends with its connection."""
    assert all(sent[0].clean_start and sent[0].session_expiry_interval == 0 for sent in life.sent)


def commands_are_heard_first(life: Life) -> None:
    """CONNECT, then SUBSCRIBE to the node's commands with QoS 1, then the birth."""
    for sent in life.sent:
        kinds = [type(packet) for packet in sent[:3]]
        assert kinds == [mqtt5.ConnectPacket, mqtt5.SubscribePacket, mqtt5.PublishPacket]
        assert [(each.pattern, int(each.max_qos)) for each in sent[1].topic_filters] == [(NCMD, 1)]
        assert sent[2].topic == NBIRTH


def births_are_whole(life: Life) -> None:
    """Every metric that is ever told is in every birth, with name, datatype and value or null."""
    ever = {name for packet in told(life) for name in metrics(packet.payload)}
    for packet in births(life):
        assert set(metrics(packet.payload)) == ever
        for metric in read(packet.payload).metrics:
            assert metric.datatype in set(DataType)
            assert has_value(metric)
    assert metrics(births(life)[0].payload)["Outcome/Seq"].is_null
    assert metrics(births(life)[1].payload)["Outcome/Seq"].long_value == 2


def rebirth_metric_is_false(life: Life) -> None:
    """Node Control/Rebirth is a Boolean, false, without an alias."""
    for packet in births(life):
        metric = metrics(packet.payload)["Node Control/Rebirth"]
        assert (metric.datatype, metric.boolean_value, metric.HasField("alias")) == (DataType.BOOLEAN, False, False)
        assert metric.HasField("boolean_value")


def rebirth_is_given(life: Life) -> None:
    """Asked by its name and true, and only then, a birth of the same connection is the next message."""
    on_first = [packet.topic for packet in life.published(0)]
    assert on_first.count(NBIRTH) == 2
    asked = [number for number, packet in enumerate(life.heard) if packet.topic == NCMD]
    assert life.heard[asked[-1]].payload == rebirth()


def times_are_now(life: Life) -> None:
    """Each message and each of its metrics has a time in ms since 1970, UTC, of this test's run or of the outcome."""
    now_ms = time.time() * 1000
    for packet in told(life):
        message = read(packet.payload)
        assert 0 <= now_ms - message.timestamp < 600_000
        assert all(metric.HasField("timestamp") for metric in message.metrics)
    outcome = next(packet for packet in life.on(NDATA) if "Outcome/Disposition" in metrics(packet.payload))
    assert metrics(outcome.payload)["Outcome/Disposition"].timestamp == 1_767_225_600_000  # AT


def data_are_changes(life: Life) -> None:
    """A message names what changed since it was last told, and nothing else; the datatype is known by the birth."""
    known: dict[str, Any] = {}
    for packet in told(life):
        now = metrics(packet.payload)
        if packet.topic == NDATA:
            assert now
            assert all(known[name] != _value(metric) for name, metric in now.items())
            assert not any(metric.HasField("datatype") for metric in now.values())
        known |= {name: _value(metric) for name, metric in now.items()}


def _value(metric: Any) -> Any:
    return (metric.is_null, metric.long_value, metric.double_value, metric.boolean_value, metric.string_value)


def metrics_are_in_order_of_time(life: Life) -> None:
    """The metrics of a birth and of data are chronological."""
    for packet in told(life):
        times = [metric.timestamp for metric in read(packet.payload).metrics]
        assert times == sorted(times)


def leave_is_told(life: Life) -> None:
    """The last words are the death, then DISCONNECT with the code that lets the broker tell the will."""
    *_, death, end = [p for p in life.sent[-1] if isinstance(p, mqtt5.PublishPacket | mqtt5.DisconnectPacket)]
    assert death.topic == NDEATH
    assert int(end.reason_code) == _DISCONNECT_WITH_WILL


def names_are_told(life: Life) -> None:
    """Every metric has its name; no alias is used; no two names differ by case alone."""
    for packet in told(life):
        for metric in read(packet.payload).metrics:
            assert metric.name
            assert not metric.HasField("alias")
    names = list(metrics(births(life)[0].payload))
    assert len({name.lower() for name in names}) == len(names)


def seq_is_in_each(life: Life) -> None:
    """Births and data have a seq, 0 to 255; a birth's is 0."""
    assert all(read(packet.payload).HasField("seq") for packet in told(life))
    assert {read(packet.payload).seq for packet in births(life)} == {0}
    assert {read(packet.payload).seq for packet in told(life)} <= set(range(256))


#: The statements, by what checks them. Ids are written without `tck-id-`.
STATEMENTS: dict[Check, str] = {
    topics_are: """
        topic-structure topic-structure-namespace-a topic-structure-namespace-valid-group-id
        topic-structure-namespace-valid-edge-node-id topic-structure-namespace-unique-edge-node-descriptor
        intro-group-id-string intro-group-id-chars intro-edge-node-id-string intro-edge-node-id-chars
        intro-edge-node-id-uniqueness payloads-nbirth-edge-node-descriptor
        topics-nbirth-topic topics-ndata-topic topics-ndeath-topic topics-ncmd-topic
        message-flow-edge-node-birth-publish-nbirth-topic""",
    published_as(NBIRTH): """
        topics-nbirth-mqtt payloads-nbirth-qos payloads-nbirth-retain
        message-flow-edge-node-birth-publish-nbirth-qos message-flow-edge-node-birth-publish-nbirth-retained""",
    published_as(NDATA): "topics-ndata-mqtt payloads-ndata-qos payloads-ndata-retain",
    wills_are_deaths: """
        message-flow-edge-node-birth-publish-will-message message-flow-edge-node-birth-publish-will-message-topic
        message-flow-edge-node-birth-publish-will-message-payload
        message-flow-edge-node-birth-publish-will-message-payload-bdSeq
        message-flow-edge-node-birth-publish-will-message-qos
        message-flow-edge-node-birth-publish-will-message-will-retained
        payloads-ndeath-will-message payloads-ndeath-will-message-qos payloads-ndeath-will-message-retain""",
    deaths_are_bare: "topics-ndeath-payload topics-ndeath-seq payloads-ndeath-seq",
    birth_numbers_follow: """
        topics-nbirth-bdseq-included topics-nbirth-bdseq-matching topics-nbirth-bdseq-increment payloads-ndeath-bdseq
        payloads-nbirth-bdseq payloads-nbirth-bdseq-repeat message-flow-edge-node-birth-publish-nbirth-payload-bdSeq
        operational-behavior-data-commands-rebirth-action-3""",
    session_is_clean: "principles-persistence-clean-session-50",
    commands_are_heard_first: """
        message-flow-edge-node-ncmd-subscribe message-flow-edge-node-birth-publish-connect payloads-ndata-order
        principles-birth-certificates-order""",
    births_are_whole: """
        topics-nbirth-metric-reqs topics-nbirth-metrics operational-behavior-data-publish-nbirth
        operational-behavior-data-publish-nbirth-values message-flow-edge-node-birth-publish-nbirth-payload
        payloads-metric-datatype-req payloads-metric-datatype-value payloads-metric-datatype-value-type""",
    rebirth_metric_is_false: """
        topics-nbirth-rebirth-metric payloads-nbirth-rebirth-req operational-behavior-data-commands-rebirth-name
        operational-behavior-data-commands-rebirth-name-aliases
        operational-behavior-data-commands-rebirth-datatype operational-behavior-data-commands-rebirth-value""",
    rebirth_is_given: """
        operational-behavior-data-commands-rebirth-action-1 operational-behavior-data-commands-rebirth-action-2
        operational-behavior-data-commands-ncmd-rebirth-verb operational-behavior-data-commands-ncmd-rebirth-name
        operational-behavior-data-commands-ncmd-rebirth-value operational-behavior-data-commands-ncmd-verb""",
    times_are_now: """
        topics-nbirth-timestamp topics-ndata-timestamp payloads-nbirth-timestamp payloads-ndata-timestamp
        payloads-timestamp-in-UTC payloads-metric-timestamp-in-UTC payloads-name-birth-data-requirement""",
    data_are_changes: """
        topics-ndata-payload operational-behavior-data-publish-nbirth-change payloads-metric-datatype-not-req
        principles-rbe-recommended""",
    metrics_are_in_order_of_time: "operational-behavior-data-publish-nbirth-order",
    leave_is_told: """
        operational-behavior-edge-node-intentional-disconnect-ndeath
        operational-behavior-edge-node-intentional-disconnect-packet payloads-ndeath-will-message-publisher
        payloads-ndeath-will-message-publisher-disconnect-mqtt50""",
    names_are_told: "payloads-name-requirement case-sensitivity-metric-names case-sensitivity-sparkplug-ids",
    seq_is_in_each: """
        topics-nbirth-seq-num payloads-nbirth-seq payloads-ndata-seq payloads-sequence-num-always-included
        payloads-sequence-num-req-nbirth message-flow-edge-node-birth-publish-nbirth-payload-seq""",
    seqs_follow: "topics-ndata-seq-num payloads-ndata-seq-inc payloads-sequence-num-incrementing",
}
BY_ID = {f"tck-id-{name}": check for check, names in STATEMENTS.items() for name in names.split()}


@pytest.mark.parametrize("statement", BY_ID)
def test_statement_is_kept(statement: str, life: Life) -> None:
    """Each numbered statement of Sparkplug 3.0 that applies to an edge node without devices."""
    BY_ID[statement](life)

    assert statement.startswith("tck-id-")


def test_a_view_that_may_say_nothing_costs_the_record_nothing(tmp_path: Path) -> None:
    """Where the broker forbids all of Sparkplug's topics, outcomes are told as ever (L11)."""
    rights = tmp_path / "rights"
    rights.write_text("topic readwrite edge/#\n", encoding="utf-8")
    with mosquitto(tmp_path, f"acl_file {rights}") as broker, station(tmp_path, broker.port) as (store, _):
        ear = Ear(broker.port, topics=("edge/v1/s/l/st/outcome",))
        inspect(store, 1, Reason.MATCHED)
        inspect(store, 2, Reason.MISMATCH)
        wait_for(lambda: len(ear.heard) == 2, "both outcomes")

        seqs = [json.loads(packet.payload)["seq"] for packet in ear.heard]
        ear.close()

    assert seqs == [1, 2]


def test_an_outcome_is_shown_only_when_the_record_has_it(tmp_path: Path) -> None:
    """What the broker refused on the topic `outcome` is not in the view: that topic is the record."""
    rights = tmp_path / "rights"
    rights.write_text("topic readwrite spBv1.0/#\ntopic readwrite edge/v1/s/l/st/state\n", encoding="utf-8")
    with mosquitto(tmp_path, f"acl_file {rights}") as broker, station(tmp_path, broker.port) as (store, link):
        ear = Ear(broker.port, topics=("spBv1.0/#",))
        inspect(store, 1, Reason.MATCHED)
        wait_for(lambda: [row.reason for row in store.outbox.pending(1)] == ["not_authorized"], "the refusal")
        link._view.show({"Queues/Triggers": 4711}, 1)

        def told(name: str) -> list[Any]:
            heard = [metrics(packet.payload) for packet in list(ear.heard)]
            return [message[name] for message in heard if name in message]

        wait_for(lambda: any(metric.long_value == 4711 for metric in told("Queues/Triggers")), "the view")
        seqs = told("Outcome/Seq")
        ear.close()

    assert all(seq.is_null for seq in seqs)


_TAHU = """
const tahu = require("sparkplug-payload").get("spBv1.0");
const read = hex => tahu.decodePayload(Buffer.from(hex, "hex"));
const shown = (key, value) => (value && value.toNumber ? value.toNumber() : value);
const lines = require("readline").createInterface({input: process.stdin});
lines.on("line", hex => console.log(JSON.stringify(read(hex), shown)));
"""


@needs_node_modules
def test_eclipse_tahus_library_reads_what_we_write(life: Life) -> None:
    """Births, data and deaths of the whole life are read by Eclipse Tahu's own library as by protobuf's parser."""
    packets = [packet for packet in life.heard if packet.topic != NCMD]
    lines = "".join(packet.payload.hex() + "\n" for packet in packets)
    run = subprocess.run(
        ["node", "-e", _TAHU], input=lines, capture_output=True, text=True, check=True, timeout=60, cwd=NODE_MODULES
    )

    for packet, line in zip(packets, run.stdout.splitlines(), strict=True):
        by_tahu = json.loads(line)
        ours = read(packet.payload)
        assert by_tahu.get("seq", 0) == ours.seq
        assert [metric["name"] for metric in by_tahu["metrics"]] == [metric.name for metric in ours.metrics]
    birth = json.loads(run.stdout.splitlines()[0])
    types = {metric["name"]: metric["type"] for metric in birth["metrics"]}
    assert (types["bdSeq"], types["Station/Triggers"], types["Outcome/Reason"]) == ("Int64", "UInt64", "String")
    assert {f"Reasons/{reason}" for reason in Reason} <= set(types)


def test_without_the_setting_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    """A station without the view does not even import it."""
    code = (
        "import sys; from pathlib import Path; from edge import settings; from edge.services import messenger\n"
        f"made = messenger.build(settings.load(Path({str(tmp_path / 'edge.toml')!r})))\n"
        "print(sorted(name for name in sys.modules if 'sparkplug' in name))"
    )
    smallest_station.write(tmp_path)

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)

    assert run.stdout == "[]\n", run.stderr
