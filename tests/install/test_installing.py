"""What an installation and an upgrade ask of edge: settings explained, databases copied and brought up to date."""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge.adapters.database import FILE_NAME
from edge.adapters.store import Store
from edge.errors import StoreError
from install import installing, make_package

RELEASED = sorted((Path(__file__).parent / "released").glob("edge-*.db.gz"))
EXAMPLE = Path("config/edge.toml")


def kept(folder: Path, file: Path) -> Path:
    """A database as a released edge left it: three outcomes that wait for the broker, one trigger still open."""
    path = folder / FILE_NAME
    path.write_bytes(gzip.decompress(file.read_bytes()))
    return path


@pytest.mark.parametrize("file", RELEASED, ids=lambda file: file.name.removesuffix(".db.gz"))
def test_every_released_database_is_gone_on_with(tmp_path: Path, file: Path) -> None:
    """Outcomes, the open trigger and the very bytes that wait for the broker are there after an upgrade (L2, L11)."""
    database = sqlite3.connect(kept(tmp_path, file))
    before = [bytes(row[0]) for row in database.execute("SELECT payload FROM outcomes ORDER BY seq")]
    database.close()
    store = Store.open(tmp_path, "st")
    waiting = [message.payload for message in store.outbox.pending(10)]
    added = store.add_trigger("t5", expected=None, source="mqtt", at="2026-01-02T00:00:00.000Z", at_us=9)
    counts = store.counts()
    store.close()

    assert waiting == before
    assert [json.loads(payload)["seq"] for payload in waiting] == [1, 2, 3]
    assert (counts["triggers"], counts["outcomes"]) == (5, 3)
    assert added[1]


def test_a_later_database_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """An earlier edge does not touch tables that it does not know; it says which edge to install."""
    path = kept(tmp_path, RELEASED[-1])
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 999")
    before = "\n".join(database.iterdump())
    database.close()

    with pytest.raises(StoreError, match=r"tables of version 999 .* install the edge that wrote it"):
        Store.open(tmp_path, "st")
    database = sqlite3.connect(path)
    after = "\n".join(database.iterdump())
    database.close()

    assert after == before


def test_a_database_is_copied_whole_while_it_is_written(tmp_path: Path) -> None:
    """The copy for the way back holds what was committed, also what lies in the log beside the file."""
    store = Store.open(tmp_path, "st")
    for number in range(3):
        store.add_trigger(f"t{number}", expected=None, source="test", at="2026-01-01T00:00:00.000Z", at_us=1)
    (tmp_path / "copy").mkdir()
    installing.copy(tmp_path / FILE_NAME, tmp_path / "copy" / FILE_NAME)
    store.close()
    copied = Store.open(tmp_path / "copy", "st")
    counts = copied.counts()
    copied.close()

    assert counts["triggers"] == 3


def test_new_settings_are_explained() -> None:
    """A key that an upgrade brings is told by its table, its name and its meaning; known ones are not."""
    old = EXAMPLE.read_text(encoding="utf-8")
    new = (
        f"{old}\n# Tables of sounds.\n[sound]\n# Loudness, dB\n# (0 to 90).\nloud_db = 3\n# Unset: none.\n# horn = 1\n"
    )

    assert installing.new_keys(old, old) == []
    assert installing.new_keys(old, new) == ["sound.loud_db: Loudness, dB (0 to 90).", "sound.horn: Unset: none."]


def test_every_key_of_the_example_has_its_meaning() -> None:
    """The example names a meaning for each key, so that an upgrade can tell it."""
    keys = installing.keys(EXAMPLE.read_text(encoding="utf-8"))

    assert len(keys) > 80
    assert [key for key, meaning in keys.items() if not meaning] == []


@pytest.mark.parametrize(
    ("command", "said"), [("camera", "front\n"), ("address", "the station's page: http://127.0.0.1:8470/\n")]
)
def test_the_installer_asks_the_settings(capsys: pytest.CaptureFixture[str], command: str, said: str) -> None:
    """Camera and page come from the station's own file, whatever the installer's environment says."""
    code = installing.main([command, str(EXAMPLE)])

    assert (code, capsys.readouterr().out) == (0, said)


def test_the_way_back_is_said_where_a_later_edge_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything starts: which tables, and the commands that put the kept copy in their place."""
    database, copy = kept(tmp_path, RELEASED[-1]), tmp_path / "edge.db.0.1.0"
    codes = [installing.main(["fits", str(database), str(copy)])]
    later = sqlite3.connect(database)
    later.execute("PRAGMA user_version = 999")
    later.close()
    codes.append(installing.main(["fits", str(database), str(copy)]))
    without = capsys.readouterr().err
    copy.write_bytes(b"")
    codes.append(installing.main(["fits", str(database), str(copy)]))
    said = capsys.readouterr().err

    assert codes == [0, 1, 1]
    assert "tables of version 999" in without
    assert "no copy of before is kept" in without
    assert f"mv {copy} {database}; systemctl start edge.target" in said


@pytest.mark.parametrize("gpu", ["none", "driven", "bare"])
def test_the_installer_says_which_gpu_there_is(tmp_path: Path, gpu: str) -> None:
    """Model and driver, or that the driver is missing, or that there is none: by what the kernel says."""
    device = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    if gpu != "none":
        device.mkdir(parents=True)
        (device / "vendor").write_text("0x10de\n")
        (device / "class").write_text("0x030200\n")
    if gpu == "driven":
        one = tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0"
        one.mkdir(parents=True)
        (one / "information").write_text("Model: \t NVIDIA H100\nIRQ: 1\n")
        (one.parent.parent / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue\n")
    said = installing.gpu(tmp_path)

    assert said.startswith(
        {
            "none": "GPU: none",
            "driven": "GPU: NVIDIA H100, driver 550.54.15",
            "bare": "GPU: an NVIDIA one without its driver: apt-get install",
        }[gpu]
    )


def test_the_debian_package_does_what_the_installer_does(tmp_path: Path) -> None:
    """It carries the folder as it is; its scripts call `edge-install`, and nothing on an upgrade's way out."""
    folder = tmp_path / "edge-9.8.7-py3.11"
    folder.mkdir()
    for name, text in {"VERSION": "9.8.7\n", "PYTHON": "3.11\n", "edge-install": "#!/bin/sh\necho called $*\n"}.items():
        (folder / name).write_text(text)
    (folder / "edge-install").chmod(0o755)
    made = make_package.deb(folder)
    listed = subprocess.run(["dpkg-deb", "--contents", made], check=True, capture_output=True, text=True).stdout
    facts = subprocess.run(["dpkg-deb", "--field", made], check=True, capture_output=True, text=True).stdout
    subprocess.run(["dpkg-deb", "--control", made, tmp_path / "control"], check=True)
    scripts = [(tmp_path / "control" / name).read_text(encoding="utf-8") for name in ("postinst", "prerm")]

    assert "./usr/share/edge-inspection/edge-install" in listed
    assert "root/root" in listed
    assert "Version: 9.8.7" in facts
    assert "python3 (>= 3.11), python3 (<< 3.12~)" in facts
    assert [script.splitlines()[-1] for script in scripts] == [
        '[ "$1" != configure ] || /usr/share/edge-inspection/edge-install',
        '[ "$1" != remove ] || /usr/share/edge-inspection/edge-install --uninstall',
    ]


def test_wrong_settings_stop_the_installer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All that is wrong is told, and the exit code is 78 (L13)."""
    (tmp_path / "edge.toml").write_text("version = 1\n", encoding="utf-8")
    code = installing.main(["camera", str(tmp_path / "edge.toml")])

    assert code == 78
    assert "station" in capsys.readouterr().err


def test_the_installer_is_a_shell_script_that_parses() -> None:
    """`sh` finds no mistake in `edge-install`."""
    checked = subprocess.run(["sh", "-n", "install/edge-install"], capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_folder_that_was_changed_is_seen(tmp_path: Path) -> None:
    """`SHA256SUMS` covers every file of the offline folder, for `sha256sum --check`."""
    (tmp_path / "wheels").mkdir()
    for name in ("a", "wheels/b"):
        (tmp_path / name).write_text(name)
    make_package.write_sums(tmp_path)
    check = ["sha256sum", "--quiet", "--check", "SHA256SUMS"]
    whole = subprocess.run(check, cwd=tmp_path, check=False)
    (tmp_path / "wheels" / "b").write_text("changed")
    changed = subprocess.run(check, cwd=tmp_path, check=False, capture_output=True)

    assert len((tmp_path / "SHA256SUMS").read_text().splitlines()) == 2
    assert (whole.returncode, changed.returncode) == (0, 1)


def test_the_package_is_for_this_python() -> None:
    """`make package` takes every extra that exists but torch's, which is made for one kind of GPU."""
    project = Path("pyproject.toml").read_text(encoding="utf-8")

    assert all(f"\n{extra} = [" in project for extra in make_package.EXTRAS)
    assert "vlm" not in make_package.EXTRAS
    assert sys.version_info >= (3, 11)
