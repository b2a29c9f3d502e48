"""Run a program as systemd would run it under a unit: the same rules, read from the unit file, set by this program.

    python tests/confined.py systemd/edge-reader.service --runtime DIR --state DIR --see DIR … -- PROGRAM …

For tests where systemd is not what runs this PC. Needs root and libseccomp. What is set: read-only file system but for
the state and runtime folders that the unit has, own /tmp, /dev, /proc, IPC, host name, network (PrivateNetwork=), no
homes, a user without rights, no capability, no new privileges, system calls, address families, namespaces and memory
protections of the unit. What is not: limits of memory and threads, address lists, and what only concerns calls that the
filter refuses anyway.
"""

from __future__ import annotations

import argparse
import ctypes
import fnmatch
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

#: The user that it becomes: nobody.
USER_ID = 65534
NEWNS, NEWUTS, NEWIPC, NEWNET = 0x00020000, 0x04000000, 0x08000000, 0x40000000
#: Flags of clone(2) that make namespaces.
NAMESPACES = 0x7E020080
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
AT_FDCWD, AT_RECURSIVE, ATTR_RDONLY, SYS_MOUNT_SETATTR = -100, 0x8000, 1, 442
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
ALLOW, ERRNO_EPERM, ERRNO_ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026
EQUAL, MASKED_EQUAL = 4, 7
WRITE, EXECUTE = 2, 4
HIDDEN = (Path("/tmp"), Path("/var/tmp"), Path("/home"), Path("/root"))
NODES = ("null", "zero", "full", "random", "urandom", "tty")

Service = Mapping[str, Sequence[str]]
Unit = dict[str, dict[str, list[str]]]
libc = ctypes.CDLL(None, use_errno=True)


class Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp`."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def read_unit(path: Path) -> Unit:
    """A unit file as its sections, each key with all that it is set to, in order."""
    unit: Unit = {}
    section: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = unit.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return unit


def is_on(service: Service, key: str) -> bool:
    """Whether a switch is set."""
    return service.get(key, ["no"])[-1] == "yes"


def system_calls(filters: Sequence[str]) -> set[str]:
    """The calls that lines of SystemCallFilter= leave."""
    allowed: set[str] = set()
    for line in filters:
        names = {name for word in line.removeprefix("~").split() for name in _expanded(word)}
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


def _expanded(word: str) -> Iterator[str]:
    if not word.startswith("@"):
        yield word
        return
    said = subprocess.run(["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True)
    for name in said.stdout.splitlines()[1:]:
        if name.strip() and not name.strip().startswith("#"):
            yield from _expanded(name.strip())


def _checked(code: int, what: str) -> None:
    if code < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(source: str, target: Path, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    encoded = [None if text is None else text.encode() for text in (source, str(target), kind)]
    _checked(libc.mount(*encoded, flags, None if data is None else data.encode()), f"mount {source} on {target}")


def _set_readonly(target: Path, readonly: bool, *, flags: int = 0) -> None:
    # struct mount_attr: attr_set, attr_clr, propagation, userns_fd.
    wanted = (ATTR_RDONLY, 0) if readonly else (0, ATTR_RDONLY)
    attributes = (ctypes.c_uint64 * 4)(*wanted, 0, 0)
    code = libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, str(target).encode(), flags, attributes, ctypes.sizeof(attributes))
    _checked(code, f"mount_setattr {target}")


def _devices(allowed: Sequence[str]) -> list[Path]:
    """The device nodes that DeviceAllow=char-NAME lets in."""
    patterns = [one.split()[0].removeprefix("char-") for one in allowed]
    majors = {
        int(line.split()[0])
        for line in Path("/proc/devices").read_text(encoding="ascii").partition("Block")[0].splitlines()
        if len(line.split()) == 2 and any(fnmatch.fnmatch(line.split()[1], pattern) for pattern in patterns)
    }
    return [
        node
        for node in Path("/dev").rglob("*")
        if not node.is_symlink() and stat.S_ISCHR(node.stat().st_mode) and os.major(node.stat().st_rdev) in majors
    ]


def confine_files(service: Service, state: Path, runtime: Path, seen: Sequence[Path]) -> None:
    """Namespaces, and what of the file system is there, and what of it can be written."""
    flags = (
        NEWNS | (NEWIPC if is_on(service, "PrivateIPC") else 0) | (NEWUTS if is_on(service, "ProtectHostname") else 0)
    )
    _checked(libc.unshare(flags | (NEWNET if is_on(service, "PrivateNetwork") else 0)), "unshare")
    _mount("none", Path("/"), None, MS_REC | MS_PRIVATE)
    nodes = [*(Path("/dev") / name for name in NODES), *_devices(service.get("DeviceAllow", ()))]
    kept = {path: os.open(path, os.O_PATH) for path in [*seen, state, runtime, *nodes]}
    for folder in HIDDEN:
        _mount("tmpfs", folder, "tmpfs", data="mode=1777")
    _mount("tmpfs", Path("/dev"), "tmpfs", data="mode=755")
    for path, descriptor in kept.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if path in nodes:
            path.touch()
        else:
            path.mkdir(exist_ok=True)
        _mount(f"/proc/self/fd/{descriptor}", path, None, MS_BIND | MS_REC)
        os.close(descriptor)
    Path("/dev/shm").mkdir()
    _mount("tmpfs", Path("/dev/shm"), "tmpfs", data="mode=1777")
    _set_readonly(Path("/"), True, flags=AT_RECURSIVE)
    writable = [Path("/tmp"), Path("/dev/shm"), *(path for path in nodes)]
    writable += [runtime] if "RuntimeDirectory" in service else []
    writable += [state] if "StateDirectory" in service else []
    for path in writable:
        _set_readonly(path, False)
    _mount("proc", Path("/proc"), "proc", data="hidepid=invisible")


def confine_rights() -> None:
    """A user without rights, for good."""
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(USER_ID, USER_ID, USER_ID)
    os.setresuid(USER_ID, USER_ID, USER_ID)
    _checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")


def confine_calls(service: Service, allowed: set[str]) -> None:
    """The system calls; what is refused fails with EPERM, as SystemCallErrorNumber= says."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ERRNO_EPERM))

    def rule(action: int, name: str, *comparisons: Comparison) -> None:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # a call of another architecture
            array = (Comparison * max(1, len(comparisons)))(*comparisons)
            code = seccomp.seccomp_rule_add_array(context, action, number, len(comparisons), array)
            assert code == 0, f"{name}: {os.strerror(-code)}"

    special: dict[str, list[Comparison | None]] = {}
    families = service["RestrictAddressFamilies"][-1].split()
    special["socket"] = [Comparison(0, EQUAL, getattr(socket, family), 0) for family in families]
    if is_on(service, "MemoryDenyWriteExecute"):
        both = WRITE | EXECUTE
        special["mmap"] = [Comparison(2, MASKED_EQUAL, both, value) for value in (0, WRITE, EXECUTE)]
        for name in ("mprotect", "pkey_mprotect"):
            special[name] = [Comparison(2, MASKED_EQUAL, EXECUTE, 0)]
    if is_on(service, "RestrictNamespaces"):
        special["clone"] = [Comparison(0, MASKED_EQUAL, NAMESPACES, 0)]
        allowed = allowed - {"unshare", "setns", "clone3"}
        rule(ERRNO_ENOSYS, "clone3")  # its flags cannot be looked at; the C library falls back to clone
    for name in sorted(allowed):
        for comparison in special.get(name, [None]):  # None: whatever its arguments are
            rule(ALLOW, name, *([] if comparison is None else [comparison]))
    code = seccomp.seccomp_load(context)
    assert code == 0, os.strerror(-code)


def main(arguments: list[str]) -> None:
    """Confine this process and become the program."""
    cut = arguments.index("--")
    parser = argparse.ArgumentParser()
    parser.add_argument("unit", type=Path)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--runtime", type=Path, required=True)
    parser.add_argument("--see", type=Path, action="append", default=[])
    asked = parser.parse_args(arguments[:cut])
    os.umask(0o022)  # systemd's, whatever that of the tests is
    service = read_unit(asked.unit)["Service"]
    allowed = system_calls(service["SystemCallFilter"])
    confine_files(service, asked.state, asked.runtime, asked.see)
    confine_rights()
    confine_calls(service, allowed)
    program = arguments[cut + 1 :]
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
