"""The collector against a real mosquitto and a real PostgreSQL: nothing is lost, nothing is overwritten."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.brokers import Ear, Mosquitto, mosquitto, wait_for
from tests.network import through
from tests.plant.collector import collecting
from tests.postgres import Postgres
from tests.services.station import BASE, Start, Station

KEEPS_ALL = ("max_queued_messages 0",)


def inspect(station: Station, first: int, last: int) -> None:
    """Inspections by number."""
    for number in range(first, last + 1):
        station.inspect(number)


def test_outcomes_are_in_the_database_each_once(tmp_path: Path, server: Postgres, start: Start) -> None:
    """What a station tells is stored with what is asked for often, its state and its health beside it."""
    with mosquitto(tmp_path / "mq") as broker, collecting(server, broker.port) as plant:
        station = start(broker.port)
        inspect(station, 1, 5)
        wait_for(lambda: len(plant.seqs()) == 5, "five outcomes")
        wait_for(lambda: plant.rows("SELECT 1 FROM plant_stations WHERE state = 'online' AND health <> ''"), "health")
        ((site, line, name, disposition, reason, payload),) = plant.rows(
            "SELECT site, line, station, disposition, reason, payload FROM plant_outcomes WHERE seq = 3"
        )
        station.stop()
        wait_for(lambda: plant.rows("SELECT 1 FROM plant_stations WHERE state = 'stopped'"), "the state stopped")

    outcome = station.store.outcomes()[2]
    assert plant.seqs() == [1, 2, 3, 4, 5]
    assert (site, line, name, disposition, reason) == ("s", "l", "st", "hold", "overrun")
    assert payload.encode() == outcome.payload
    assert plant.rows("SELECT * FROM plant_alarms") == []


def test_a_repeat_changes_nothing_and_another_content_is_an_alarm(
    tmp_path: Path, server: Postgres, start: Start
) -> None:
    """The same message again is one row; another one under its id is an alarm, kept whole, and the row stays (L11)."""
    with mosquitto(tmp_path / "mq") as broker, collecting(server, broker.port) as plant:
        station, ear = start(broker.port), Ear(broker.port)
        inspect(station, 1, 1)
        (packet,) = wait_for(lambda: ear.on("/outcome"), "an outcome")
        wait_for(lambda: plant.seqs() == [1], "a row")
        properties = {"user_properties": packet.user_properties, "content_type": "application/json"}
        changed = json.dumps(json.loads(packet.payload) | {"disposition": "pass", "reason": "matched"}).encode()
        for payload in (packet.payload, changed, changed):
            ear.publish(f"{BASE}outcome", payload, payload_format_indicator=1, **properties)
        wait_for(lambda: plant.rows("SELECT 1 FROM plant_alarms"), "an alarm")
        inspect(station, 2, 2)
        wait_for(lambda: plant.seqs() == [1, 2], "what comes after")
        ear.close()

    alarms = plant.rows("SELECT kind, station, payload FROM plant_alarms")
    assert [(kind, name, bytes(payload)) for kind, name, payload in alarms] == [("changed_content", "st", changed)]
    assert plant.rows("SELECT disposition FROM plant_outcomes WHERE seq = 1") == [("hold",)]


def test_a_message_that_cannot_be_read_holds_up_nothing(tmp_path: Path, server: Postgres, start: Start) -> None:
    """An outcome under another station's topic is an alarm with its bytes, and what follows is stored."""
    with mosquitto(tmp_path / "mq") as broker, collecting(server, broker.port) as plant:
        station, ear = start(broker.port), Ear(broker.port)
        inspect(station, 1, 1)
        (packet,) = wait_for(lambda: ear.on("/outcome"), "an outcome")
        ear.publish(
            "edge/v1/s/l/other/outcome", packet.payload, payload_format_indicator=1, content_type="application/json",
            user_properties=packet.user_properties,
        )  # fmt: skip
        inspect(station, 2, 2)
        wait_for(lambda: plant.seqs() == [1, 2], "what comes after")
        ear.close()

    ((kind, name, detail),) = plant.rows("SELECT kind, station, detail FROM plant_alarms")
    assert (kind, name) == ("unreadable", "other")
    assert "names station 'st'" in detail


def test_what_the_broker_lost_is_asked_for_and_comes(tmp_path: Path, server: Postgres, start: Start) -> None:
    """A gap in the numbers is seen, asked for at its station by cmd/resend, and filled; then nothing is missing."""
    with mosquitto(tmp_path / "mq") as broker:
        station = start(broker.port)
        inspect(station, 1, 7)  # nobody subscribes: the broker takes them for nobody
        wait_for(station.sent, "the broker's answers")
        with collecting(server, broker.port) as plant:
            inspect(station, 8, 9)
            wait_for(lambda: plant.seqs() == list(range(1, 10)), "all nine")
            wait_for(lambda: plant.rows("SELECT count(*) FROM plant_gaps") == [(0,)], "no gap")

    assert plant.collector.counts["resend_accepted"] >= 1


def test_a_last_outcome_that_was_lost_is_missed_by_what_the_station_says_of_itself(
    tmp_path: Path, server: Postgres, start: Start
) -> None:
    """No later number tells of it: the topic health does, which counts what was decided."""
    with mosquitto(tmp_path / "mq") as broker:
        station = start(broker.port)
        inspect(station, 1, 4)
        wait_for(station.sent, "the broker's answers")
        with collecting(server, broker.port) as plant:
            wait_for(lambda: plant.seqs() == [1, 2, 3, 4], "all four")


def test_a_collector_that_was_away_gets_what_came_meanwhile(tmp_path: Path, server: Postgres, start: Start) -> None:
    """The broker keeps it in the collector's session, and nothing is acknowledged before it is stored."""
    with mosquitto(tmp_path / "mq", *KEEPS_ALL) as broker, collecting(server, broker.port) as plant:
        station = start(broker.port)
        inspect(station, 1, 3)
        wait_for(lambda: len(plant.seqs()) == 3, "three outcomes")
        plant.stop()
        inspect(station, 4, 60)
        wait_for(station.sent, "the broker's answers")
        before = plant.seqs()
        plant.start()
        wait_for(lambda: len(plant.seqs()) == 60, "what came meanwhile")
        repeats = plant.collector.counts["resend_asked"]

    assert before == [1, 2, 3]
    assert plant.seqs() == list(range(1, 61))
    assert repeats == 0


@pytest.mark.parametrize("how", ["stopped", "killed", "frozen"])
def test_a_database_that_is_away_costs_nothing(
    tmp_path: Path, server: Postgres, start: Start, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped, killed or frozen under way: what came meanwhile is stored when it is back, and how soon is measured."""
    with mosquitto(tmp_path / "mq", *KEEPS_ALL) as broker, collecting(server, broker.port, timeout_s=1.0) as plant:
        station = start(broker.port)
        inspect(station, 1, 3)
        wait_for(lambda: len(plant.seqs()) == 3, "three outcomes")
        if how == "frozen":
            with server.frozen():
                inspect(station, 4, 40)
                wait_for(lambda: plant.collector.counts["database_failed"], "a failure that is told")
        else:
            server.stop() if how == "stopped" else server.kill()
            inspect(station, 4, 40)
            wait_for(lambda: plant.collector.counts["database_failed"], "a failure that is told")
            server.start()
        back_s = time.monotonic()
        wait_for(lambda: len(plant.seqs()) == 40, "what came meanwhile")
        took_s = time.monotonic() - back_s
        inspect(station, 41, 41)
        wait_for(lambda: len(plant.seqs()) == 41, "what came after")
    with capsys.disabled():
        print(f"\ndatabase {how}: 37 outcomes stored {took_s:.1f} s after it was back")

    assert plant.seqs() == list(range(1, 42))
    assert plant.rows("SELECT * FROM plant_alarms") == []


@pytest.mark.parametrize("how", ["stopped", "killed", "forgetful"])
def test_a_broker_that_is_away_costs_nothing(
    tmp_path: Path, server: Postgres, start: Start, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped, killed, or back without its memory: every outcome is in the database in the end, each once (L11)."""
    with mosquitto(tmp_path / "mq", *KEEPS_ALL) as broker, collecting(server, broker.port) as plant:
        station = start(broker.port)
        inspect(station, 1, 30)
        _fail(broker, how)
        inspect(station, 31, 60)
        broker.start()
        back_s = time.monotonic()
        wait_for(lambda: len(plant.seqs()) == 60, "all outcomes")
        took_s = time.monotonic() - back_s
    with capsys.disabled():
        print(f"\nbroker {how}: all 60 outcomes stored {took_s:.1f} s after it was back")

    assert plant.seqs() == list(range(1, 61))
    assert plant.rows("SELECT * FROM plant_alarms") == []


def test_a_network_that_delays_and_breaks_off_costs_nothing(
    tmp_path: Path, server: Postgres, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every packet 50 ms late, and each connection to broker and database reset before long: nothing is lost (L11)."""
    bad = {"delay_s": 0.05, "breaks_after": (4, 60)}
    with (
        mosquitto(tmp_path / "mq", *KEEPS_ALL) as broker,
        through(broker.port, **bad) as (way, to_broker),
        through(server.port, **bad) as (database_port, to_database),
        collecting(server, way, database_port=database_port) as plant,
    ):
        station = start(way)
        for number in range(1, 61):
            station.inspect(number)
            time.sleep(0.05)
        wait_for(lambda: len(plant.seqs()) == 60, "all outcomes")
        broken = (to_broker.broken, to_database.broken)
    with capsys.disabled():
        print(
            f"\nnetwork: 60 outcomes stored, through {broken[0]} breaks to the broker and {broken[1]} to the database"
        )

    assert plant.seqs() == list(range(1, 61))
    assert plant.rows("SELECT * FROM plant_alarms") == []
    assert min(broken) > 0


def _fail(broker: Mosquitto, how: str) -> None:
    if how == "stopped":
        broker.stop()
    else:
        broker.kill()
    if how == "forgetful":
        broker.forget()


def test_a_station_that_counts_anew_is_an_alarm_and_its_outcomes_are_stored(
    tmp_path: Path, server: Postgres, start: Start
) -> None:
    """A station whose edge.db was lost begins at 1 again: told once, and counted by itself from then on."""
    with mosquitto(tmp_path / "mq") as broker, collecting(server, broker.port) as plant:
        station = start(broker.port)
        inspect(station, 1, 3)
        wait_for(lambda: len(plant.seqs()) == 3, "three outcomes")
        station.close()
        for file in (tmp_path / "station" / "data").iterdir():
            file.unlink()
        again = Station(tmp_path / "station", broker.port)
        inspect(again, 1, 4)
        wait_for(lambda: len(plant.seqs()) == 7, "those of the new store")
        again.close()
        again.close = station.close = lambda: None  # type: ignore[method-assign] # the fixture closes it, too

    assert plant.rows("SELECT epoch, count(*) FROM plant_outcomes GROUP BY 1 ORDER BY 1") == [(1, 3), (2, 4)]
    assert [kind for (kind,) in plant.rows("SELECT kind FROM plant_alarms")] == ["counts_anew"]


def test_a_table_of_another_version_is_refused(tmp_path: Path, server: Postgres) -> None:
    """A database that a later edge has made is left alone, and the sentence says what to do."""
    with mosquitto(tmp_path / "mq") as broker, collecting(server, broker.port) as plant:
        wait_for(lambda: plant.rows("SELECT form FROM plant_form") == [(1,)], "the tables")
        plant.stop()
        server.execute("UPDATE plant_form SET form = 99")
        plant.start()
        wait_for(lambda: plant.collector.counts["database_failed"], "the refusal")

    assert plant.collector.counts["new"] == 0
