"""A full disk at each write: nothing is half there, nothing is lost, and all goes on once there is room.

Two ways that need no right of root: SQLite's own limit of pages gives the error that a full disk gives; the system's
limit of a file's size refuses at any byte of database, write-ahead log and evidence, in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.adapters.database import Clock, Database
from edge.adapters.disk import Disk, free_bytes
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from edge.errors import DiskFullError

AT = "2026-01-01T00:00:00.000Z"
DETAIL = "x" * 20_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open store with an inspection that has begun, and an outcome that waits for the broker."""
    opened = Store.open(tmp_path, "st")
    commit(opened, trigger(opened, "told"))
    trigger(opened, "begun")
    assert opened.next_trigger()
    trigger(opened, "waits")
    yield opened
    opened.close()


def trigger(store: Store, trigger_id: str) -> str:
    """A part that arrives; gives its inspection."""
    return store.add_trigger(trigger_id, expected=None, source="test", at=AT, at_us=1)[0]


def commit(store: Store, inspection_id: str) -> None:
    """The outcome of an inspection, long enough to need pages of its own."""
    outcome = Outcome(inspection_id, "t", Reason.OVERRUN, detail=DETAIL)
    store.commit(outcome, topic="outcome", config_hash="c", at=AT)


def fill(store: Store) -> None:
    """Let the database have no page more than it has, and no free one."""
    with store._database.transaction() as db:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")


def make_room(store: Store) -> None:
    """Let it grow again."""
    with store._database.reading() as db:
        db.execute("PRAGMA max_page_count = 1000000")


def is_balanced(store: Store) -> bool:
    """Whether triggers == outcomes + open, with no number left out."""
    counts = store.counts()
    still_open = len(store.waiting_triggers()) + len(store.interrupted())
    seqs = [row.seq for row in store.outcomes(limit=1000)]
    return counts["triggers"] == counts["outcomes"] + still_open and seqs == list(range(len(seqs), 0, -1))


def facts(store: Store) -> object:
    """All that the store holds, as far as it is told."""
    waiting = [(message.row_id, message.payload, message.historical) for message in store.outbox.pending(1000)]
    return store.counts(), waiting, [row.inspection_id for row in store.interrupted()]


WRITES: dict[str, Callable[[Store], object]] = {
    "add_trigger": lambda store: [trigger(store, f"{number}{DETAIL[:150]}") for number in range(500)],
    "next_trigger": lambda store: store.next_trigger(),
    "commit": lambda store: commit(store, store.interrupted()[0].inspection_id),
    "begin_sending": lambda store: store.outbox.begin_sending(store.outbox.waiting(1)),
    "acknowledge": lambda store: store.outbox.acknowledge(*store.outbox.waiting(1)),
    "refuse": lambda store: store.outbox.refuse(store.outbox.waiting(1)[0], DETAIL),
    "set_aside": lambda store: store.outbox.set_aside(store.outbox.waiting(1)[0]),
    "add_message": lambda store: store.add_message("t", DETAIL.encode(), {}, kind="retake", inspection_id=None),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_write_on_a_full_disk_is_done_wholly_or_named_and_not_at_all(write: str, store: Store) -> None:
    """Whichever write meets the full disk, nothing of it is there, and the balance holds (L1, L2)."""
    fill(store)
    before = facts(store)
    full: DiskFullError | None = None

    try:
        WRITES[write](store)
    except DiskFullError as error:
        full = error
        if write != "add_trigger":
            assert facts(store) == before

    assert full is None or "the disk is full: free space" in str(full)
    assert (full is not None) == (write in {"add_trigger", "commit", "refuse", "add_message"})
    assert is_balanced(store)
    make_room(store)
    if full is not None:
        WRITES[write](store)
    assert is_balanced(store)


def test_below_the_reserve_no_trigger_is_taken_and_what_has_begun_ends(tmp_path: Path) -> None:
    """With less free than the reserve a new trigger is refused; repeats are known, outcomes are written (L1, L12)."""
    free = [1000]
    disk = Disk(tmp_path, 500, measure=lambda _folder: free[0])
    store = Store(Database.open(tmp_path, Clock()), "st", disk)
    begun = trigger(store, "begun")
    free[0] = 499

    with pytest.raises(DiskFullError, match=r"0 MB are free on the disk of .*\[keep\] reserve_mb"):
        trigger(store, "late")
    again = trigger(store, "begun")
    commit(store, begun)
    free[0] = 500
    trigger(store, "late")

    assert again == begun
    assert (store.counts()["triggers"], store.counts()["outcomes"]) == (2, 1)
    assert is_balanced(store)
    store.close()


def test_free_space_is_that_of_the_disk_that_the_folder_will_be_on(tmp_path: Path) -> None:
    """A data folder that does not exist yet is measured by the folder above it."""
    absent = free_bytes(tmp_path / "not" / "there")

    assert absent > 0
    assert Disk(tmp_path / "not" / "there", absent * 1000).is_full
    assert not Disk(tmp_path).is_full


#: A station's life in a process whose files may not grow beyond a limit; what failed is tried again without it.
LIFE = """
import json, resource, sys
from pathlib import Path
from edge.adapters.evidence import EvidenceFolder
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from edge.errors import StoreError

AT = "2026-01-01T00:00:00.000Z"
folder, limit = Path(sys.argv[1]), int(sys.argv[2])
store, evidence, failed, names = Store.open(folder, "st"), EvidenceFolder(folder), [], {}
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

def surely(name, write):
    try:
        return write()
    except StoreError as error:
        failed.append(name)
        names[name] = type(error).__name__
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return write()

for number in range(12):
    trigger_id = f"t{number}"
    given = dict(expected=None, source="x", at=AT, at_us=1)
    inspection_id, _ = surely("trigger", lambda: store.add_trigger(trigger_id, **given))
    surely("begin", store.next_trigger)
    named = dict(inspection_id=inspection_id, attempt=1, at=AT)
    kept = surely("evidence", lambda: evidence.write(bytes([number]) * 3_000_000, **named))
    outcome = Outcome(inspection_id, trigger_id, Reason.OVERRUN, evidence=(kept,), detail="y" * 9000)
    surely("outcome", lambda: store.commit(outcome, topic="outcome", config_hash="c", at=AT))
    rows = store.outbox.waiting(9)
    surely("send", lambda: store.outbox.begin_sending(rows))
    surely("told", lambda: store.outbox.acknowledge(*rows))
counts = store.counts()
files = [file.stat().st_size for file in folder.glob("evidence/*/*")]
print(json.dumps([failed, names, counts["triggers"], counts["outcomes"], counts["acknowledged"], files]))
store.close()
"""


def test_the_system_may_refuse_at_any_byte_of_any_file(tmp_path: Path) -> None:
    """Refused at any size of database, log or evidence, a write is named, and done when tried again (L1, L2)."""
    refused: set[str] = set()
    names: dict[str, str] = {}
    for limit in (10_000, 150_000, 400_000, 2_000_000):
        folder = tmp_path / str(limit)
        told = subprocess.run(
            [sys.executable, "-c", LIFE, str(folder), str(limit)], capture_output=True, text=True, check=False
        )

        assert told.returncode == 0, told.stderr
        failed, kinds, triggers, outcomes, acknowledged, files = json.loads(told.stdout)
        refused |= set(failed)
        names |= kinds
        assert (triggers, outcomes, acknowledged, files) == (12, 12, 12, [3_000_000] * 12)
    assert {"trigger", "evidence"} <= refused
    assert names["evidence"] == "DiskFullError"


#: A station on a disk of 3 MB, of which 1 MB is the reserve. With a third word the disk is a real one.
SMALL_DISK = """
import json, shutil, sys
from pathlib import Path
from edge.adapters.database import Clock, Database
from edge.adapters.disk import Disk, free_bytes
from edge.adapters.evidence import EvidenceFolder
from edge.adapters.store import Store
from edge.core.outcome import Outcome, Reason
from edge.errors import DiskFullError

AT = "2026-01-01T00:00:00.000Z"
folder, is_real = Path(sys.argv[1]), len(sys.argv) > 2
left = lambda folder: 3_000_000 - sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
store = Store(Database.open(folder, Clock()), "st", Disk(folder, 1_000_000, free_bytes if is_real else left))

def trigger(number):
    return store.add_trigger(f"t{number}", expected=None, source="x", at=AT, at_us=1)[0]

def end(number, inspection_id):
    kept = EvidenceFolder(folder).write(bytes([number]) * 50_000, inspection_id=inspection_id, attempt=1, at=AT)
    outcome = Outcome(inspection_id, f"t{number}", Reason.OVERRUN, evidence=(kept,), detail="y" * 9000)
    store.commit(outcome, topic="outcome", config_hash="c", at=AT)

begun, refused = [trigger(0), trigger(1)], ""
while not refused:
    try:
        begun.append(trigger(len(begun)))
    except DiskFullError as error:
        refused = str(error)
    else:
        end(len(begun) - 1, begun[-1])
end(0, begun[0])  # from the reserve
also_refused = ""
if is_real:
    try:
        with (folder / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
    except OSError:
        pass
    try:
        end(1, begun[1])
    except DiskFullError as error:
        also_refused = str(error)
    (folder / "filler").unlink()
end(1, begun[1])
shutil.rmtree(folder / "evidence")
again = trigger(999)
counts = store.counts()
print(json.dumps([refused, also_refused, len(begun), counts["triggers"], counts["outcomes"]]))
store.close()
"""


def test_a_small_disk_that_runs_full_stops_triggers_and_loses_nothing(tmp_path: Path) -> None:
    """On a disk of 3 MB triggers end at the reserve, what began ends, and room brings them back (L1, L2, L12).

    A real file system where one may be made; else the same by counting what the folder holds.
    """
    disk, script = tmp_path / "disk", tmp_path / "life.py"
    disk.mkdir()
    script.write_text(SMALL_DISK, encoding="utf-8")
    life = [sys.executable, str(script), str(disk)]
    mounted = f"mount -t tmpfs -o size=3m tmpfs {disk}"
    # In a space of mounts of its own, which ends with the process.
    apart = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    is_real = subprocess.run([*apart, mounted], capture_output=True, check=False).returncode == 0

    told = subprocess.run(
        [*apart, f"{mounted} && exec {' '.join(life)} real"] if is_real else life,
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    refused, also_refused, begun, triggers, outcomes = json.loads(told.stdout)
    assert "reserve_mb" in refused
    assert not is_real or "free space" in also_refused
    assert (triggers, outcomes) == (begun + 1, begun)
    assert begun > 10
