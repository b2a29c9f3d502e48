"""The container image's file, read as a builder would: no engine is needed to see that it names what there is.

What only a build can show (that the packages install in that base image) is not shown here.
"""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge import cli
from install import make_package

ROOT = Path(__file__).parents[2]
FILE = ROOT / "install" / "Containerfile"
TEXT = FILE.read_text(encoding="utf-8")
#: The instructions of the form (https://docs.docker.com/reference/dockerfile/); others are a typing mistake.
KNOWN = {"FROM", "RUN", "COPY", "USER", "ENV", "VOLUME", "ENTRYPOINT", "CMD"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of one stage."""

    stage: str
    word: str
    rest: str


def instructions() -> Iterator[Instruction]:
    """Every instruction, continued lines joined."""
    stage = ""
    text = re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage = rest.partition(" AS ")[2] or "last"
        yield Instruction(stage, word, rest)


def of(word: str, stage: str | None = None) -> list[str]:
    """What stands behind an instruction, in a stage or in all."""
    return [one.rest for one in instructions() if one.word == word and stage in (None, one.stage)]


def unit(process: str) -> configparser.SectionProxy:
    """The service section of a process's unit; of a key that comes several times, the last."""
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    found = [path for path in (ROOT / "systemd").glob("edge-*.service") if path.stem.rstrip("@") == f"edge-{process}"]
    parsed.read(found)
    return parsed["Service"]


def test_every_instruction_is_one_that_there_is() -> None:
    """No instruction is misspelt, each stage begins with FROM, and each image names its registry and version."""
    found = list(instructions())

    assert {one.word for one in found} <= KNOWN
    assert found[0].word == "FROM"
    assert all(re.fullmatch(r"[\w.]+/[\w./-]+:[\w.-]+( AS \w+)?", rest) for rest in of("FROM"))


def test_every_source_of_a_copy_is_there() -> None:
    """What is copied from another stage was made there, and what is copied from the folder is in the offline folder."""
    stages = {one.stage for one in instructions()}
    made = " ".join(of("RUN", "build"))

    for rest in of("COPY"):
        words = shlex.split(rest)
        named = re.match(r"--from=(\w+)", words[0])
        if named is None:
            assert words == [".", "/offline"]
        else:
            assert named[1] in stages
            assert words[1] in made


def test_what_the_build_uses_is_in_the_offline_folder() -> None:
    """The build reads files of the offline folder by the names that `make package` gives them."""
    source = Path(make_package.__file__).read_text(encoding="utf-8")
    build = " ".join(of("RUN", "build"))

    for name in ("SHA256SUMS", "wheels", "requirements.lock"):
        assert name in build
        assert f'"{name}"' in source
    assert "--require-hashes" in build
    assert "--no-index" in build


def test_the_container_runs_as_the_user_of_the_units() -> None:
    """The process is the user of the units, owns both folders for itself alone, and is started as they start it."""
    made = " ".join(of("RUN", "last"))
    service = unit("messenger")

    assert of("USER", "last") == [service["User"]]
    assert re.search(rf"useradd .*\b{service['User']}\b", made)
    assert f"-m {service['StateDirectoryMode']} " in made
    assert service["StateDirectoryMode"] == service["RuntimeDirectoryMode"]
    for folder in (f"/var/lib/{service['StateDirectory']}", f"/run/{service['RuntimeDirectory']}"):
        assert folder in made
        assert f'"{folder}"' in of("VOLUME", "last")[0]
    assert of("ENTRYPOINT", "last") == [f'["{service["ExecStart"].split()[0]}"]']
    assert of("CMD", "last") == ['["check"]']
    assert "check" in cli.COMMANDS
    assert service["Environment"].partition("=")[2] == "/etc/edge/edge.toml"
    assert "EDGE_CONFIG=/etc/edge/edge.toml" in of("ENV", "last")[0]


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        ("--cap-drop=all", "CapabilityBoundingSet", ""),
        ("--security-opt=no-new-privileges", "NoNewPrivileges", "yes"),
        ("--read-only", "ProtectSystem", "strict"),
        ("--tmpfs /tmp", "PrivateTmp", "yes"),
    ],
)
def test_the_documented_run_is_as_confined_as_the_unit(option: str, key: str, value: str) -> None:
    """Each option of the reader's container is what a key of its unit asks for."""
    assert option in TEXT
    assert unit("reader")[key] == value


def test_the_documented_run_keeps_the_units_limits_and_network() -> None:
    """The reader's container has no network and no more tasks than its unit, and a limit of memory."""
    service = unit("reader")
    memory = re.search(r"--memory (\d+)g", TEXT)
    tasks = re.search(r"--pids-limit (\d+)", TEXT)

    assert "--network=none" in TEXT
    assert "AF_INET" not in service["RestrictAddressFamilies"]
    assert memory is not None, "the unit's own limit is a share of the PC's memory"
    assert service["MemoryMax"]
    assert tasks is not None
    assert int(tasks[1]) <= int(service["TasksMax"])
