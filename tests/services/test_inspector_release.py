"""The inspector takes a release over between two parts, while triggers come."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge import settings
from edge.adapters.reader_link import Question, ReaderDesk
from edge.adapters.release_file import ReleaseFile
from edge.core.release import ReleaseName
from edge.errors import StoreError
from edge.services.inspector_release import ReleaseDesk
from tests import smallest_station
from tests.releases import SERIAL, Signer
from tests.services.test_inspector import PATIENCE_S, Site, answer_well, wait_for

#: Under it the plate of the tests is printed wrongly: it has two letters behind its eight digits.
DIGITS = {"version": 1, "products": {"nameplate": SERIAL}}
#: Under it the plate is as it should be.
LETTERS = {"version": 1, "products": {"nameplate": SERIAL.replace("{8}", "{8}[A-Z]{2}")}}


class Released(Site):
    """A site whose station trusts a key; `take` does what the messenger does with a release that is right."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.signer = Signer(folder)
        self.own = settings.load(smallest_station.write(folder, self.signer.table))
        self.releases = ReleaseDesk(self.own)

    def take(self, number: int, content: dict[str, object]) -> ReleaseName:
        """Another release lies on the station's disk."""
        release = self.signer.release(number, content)
        ReleaseFile(self.own.release_file).write(release.message)
        return release.name

    def under(self, inspection_id: str) -> ReleaseName | None:
        """The release that an outcome says it was decided by."""
        said = self.outcome(inspection_id)["config"].get("release")
        return None if said is None else ReleaseName(**said)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Released]:
    """A site that is not started yet."""
    made = Released(tmp_path)
    yield made
    made.close()


def decided_by(site: Released, name: ReleaseName) -> str:
    """The first inspection that a release decides; the parts before it are decided as they were."""

    def one() -> str:
        inspection_id = site.trigger(f"t{len(site.store.outcomes())}")
        site.outcome(inspection_id)
        return inspection_id if site.under(inspection_id) == name else ""

    found: str = wait_for(one)
    return found


def test_part_is_decided_by_the_release_that_its_outcome_names(site: Released) -> None:
    """Outcome and reader's question follow the release: its pattern, its hash and another configuration's hash."""
    first = site.start().outcome(site.trigger("before"))

    name = site.take(1, DIGITS)
    after = site.outcome(decided_by(site, name))

    assert (first["reason"], first["config"].get("release")) == ("matched", None)
    assert (after["reason"], after["config"]["release"]["number"]) == ("format_violation", 1)
    assert after["config"]["hash"] != first["config"]["hash"]
    assert '"pattern":"[0-9]{8}"' in site.questions[-1].product


def test_part_that_is_in_work_is_decided_by_what_it_began_with(site: Released) -> None:
    """A release that comes while a part is inspected counts from the next part on."""
    asked, go_on = threading.Event(), threading.Event()

    def hold(desk: ReaderDesk, question: Question) -> None:
        asked.set()
        go_on.wait(PATIENCE_S)
        answer_well(desk, question)

    site.answer = hold
    in_work = site.start().trigger("in work")
    assert asked.wait(PATIENCE_S)
    name = site.take(1, DIGITS)
    assert site.releases is not None
    go_on.set()

    assert site.outcome(in_work)["reason"] == "matched"
    assert site.under(in_work) is None
    assert site.outcome(decided_by(site, name))["reason"] == "format_violation"


def test_no_trigger_is_lost_while_releases_come(site: Released) -> None:
    """Twenty releases among a hundred triggers: each has its outcome, by a release no older than before (L1)."""
    site.start()
    ids = []
    for number in range(100):
        if number % 5 == 0:
            site.take(number // 5 + 1, DIGITS if number % 2 else LETTERS)
        ids.append(site.trigger(f"t{number}"))
        if number % 3:
            site.outcome(ids[-1])

    told = sorted((site.outcome(one) for one in ids), key=lambda one: one["seq"])
    numbers = [one["config"].get("release", {"number": 0})["number"] for one in told]
    assert len(told) == 100
    assert numbers == sorted(numbers)
    assert site.store.counts()["triggers"] == site.store.counts()["outcomes"] == 100


def test_release_that_cannot_be_used_changes_nothing(site: Released) -> None:
    """A file that somebody has put in the release's place is not used, and the next right one is."""
    site.start()
    ReleaseFile(site.own.release_file).write(site.signer.release(1, {"version": 9}).message)
    assert site.under(site.trigger("t0")) is None

    name = site.take(2, DIGITS)

    assert site.outcome(decided_by(site, name))["reason"] == "format_violation"


def test_release_whose_configuration_cannot_be_kept_waits(site: Released, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outcomes are not decided by what the store could not keep: the station goes on as it was, and tries again."""
    refused: list[tuple[str, ...]] = []
    keep = type(site.store.recorded).keep_configuration

    def full(recorded: object, *texts: str) -> str:
        if len(refused) < 3:
            refused.append(texts)
            raise StoreError("edge.db cannot be written (disk full): free space")
        return keep(recorded, *texts)  # type: ignore[arg-type]

    monkeypatch.setattr(type(site.store.recorded), "keep_configuration", full)
    site.start()
    name = site.take(1, DIGITS)

    assert site.outcome(decided_by(site, name))["reason"] == "format_violation"
    assert len(refused) == 3
