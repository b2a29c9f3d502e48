"""A fresh Debian with a systemd of its own and no network, to install edge into: debootstrap and systemd-nspawn.

Needs root and the packages debootstrap and systemd-container. `EDGE_FRESH_ROOT` names a root that was made before; it
is never written to: everything lies in an overlay that ends with the test.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv"
#: The longest that anything in the root may take; limits only end a test that has failed.
PATIENCE_S = 300.0
T = TypeVar("T")


def missing_here() -> list[str]:
    """What this machine lacks for a fresh root, each with what to do."""
    missing = [] if os.geteuid() == 0 else ["the rights of root: run the slow tests as root"]
    programs = {"systemd-nspawn": "systemd-container"}
    if named := os.environ.get("EDGE_FRESH_ROOT"):
        missing += [] if Path(named, "usr").is_dir() else [f"a system in {named}: correct EDGE_FRESH_ROOT, or unset it"]
    else:
        programs["debootstrap"] = "debootstrap"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"  # where debootstrap is, and which a user's PATH lacks
    return missing + [
        f"{program}: apt-get install {package}"
        for program, package in programs.items()
        if shutil.which(program, path=path) is None
    ]


def until(give: Callable[[], T], what: str) -> T:
    """What `give` gives as soon as it gives something."""
    end_s = time.monotonic() + PATIENCE_S
    while not (found := give()):
        assert time.monotonic() < end_s, f"{what} did not come"
        time.sleep(0.5)
    return found


class FreshRoot:
    """A booted root; `run` runs a program in it."""

    def __init__(self, folder: Path, machine: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self._machine = machine
        self._leader = int(until(self._find_leader, "systemd"))
        until(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() == "running", "the start")

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program inside, as root."""
        enter = ["nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"]
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run(
            [*enter, "env", "-i", path, "HOME=/root", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=2 * PATIENCE_S,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done

    def as_edge(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program inside, as the user that the processes run as."""
        who = ["setpriv", "--reuid=edge", "--regid=edge", "--init-groups"]
        return self.run("env", "HOME=/tmp", *who, *command, check=False)

    def shown(self, unit: str, key: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={key}", unit).stdout.strip()

    def findings(self) -> dict[str, dict[str, Any]]:
        """What `edge check` says, line by line."""
        lines = self.as_edge("/opt/edge/bin/edge", "check", "--json").stdout.splitlines()
        return {line["check"]: line for line in map(json.loads, lines)}

    def write(self, path: str, text: str) -> None:
        """Write a file inside."""
        place = self.folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def _find_leader(self) -> str:
        children = Path(f"/proc/{self._machine.pid}/task/{self._machine.pid}/children")
        assert self._machine.poll() is None, "systemd-nspawn has ended"
        return children.read_text(encoding="ascii").split(" ")[0].strip()


def made_root(folder: Path) -> Path:
    """The root that is named, or a new one."""
    if named := os.environ.get("EDGE_FRESH_ROOT"):
        return Path(named)
    root = folder / "root"
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, root], check=True)
    return root


@contextmanager
def booted(folder: Path, *binds: Path) -> Iterator[FreshRoot]:
    """A fresh root, booted without a network; each of `binds` lies in /mnt under its own name, read-only."""
    for name in ("upper", "work", "merged"):
        (folder / name).mkdir()
    merged = folder / "merged"
    layers = f"lowerdir={made_root(folder)},upperdir={folder / 'upper'},workdir={folder / 'work'}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, merged], check=True)
    with (folder / "console").open("wb") as console:
        machine = subprocess.Popen(
            [
                *(
                    "systemd-nspawn",
                    f"--directory={merged}",
                    "--boot",
                    "--private-network",
                    "--register=no",
                    "--keep-unit",
                ),
                *(f"--machine=edge-{os.getpid()}", "--console=pipe"),
                *(f"--bind-ro={bind}:/mnt/{bind.name}" for bind in binds),
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
        )
    try:
        yield FreshRoot(merged, machine)
    finally:
        machine.send_signal(signal.SIGTERM)
        try:
            machine.wait(60)
        except subprocess.TimeoutExpired:
            machine.kill()
            machine.wait()
        subprocess.run(["umount", "--lazy", merged], check=True)
        shutil.rmtree(folder / "upper", ignore_errors=True)
