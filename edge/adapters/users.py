"""The people who may sign in to the panel: a file of the site with one line each, `NAME ROLE HASH` (argon2id).

Promises: no password is kept; an unknown name takes as long as a wrong password; the file is written whole or not at
all, and for its owner and group alone; a line that is not understood lets nobody in, and is named by its number.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

from edge.adapters import whole_file
from edge.errors import ConfigError, UseError

#: Letters that stand in no log, header or message for anything else.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
#: NIST SP 800-63B asks for 8 at least; a line's PC has no second factor.
LEAST_PASSWORD, MOST_PASSWORD = 10, 1000
MAX_FILE_BYTES = 1_000_000
#: RFC 9106, section 4, second choice (64 MiB, 3 passes, 4 lanes): argon2-cffi's own; 60 ms on two cores.
_HASHER = PasswordHasher()
_MODE = 0o640


class Role(IntEnum):
    """What somebody may do; each may do what those before it may."""

    NOBODY = 0
    #: Sees the line, its past and its held parts, and asks the reader.
    VIEWER = 1
    #: Decides about held parts.
    OPERATOR = 2
    #: Looks inside the reader, and sets the station up.
    ENGINEER = 3

    @property
    def word(self) -> str:
        """Its name, as people and files write it."""
        return self.name.lower()


#: What a person can be.
ROLES: Mapping[str, Role] = {role.word: role for role in Role if role is not Role.NOBODY}


@dataclass(frozen=True, slots=True)
class User:
    """One person of the file."""

    name: str
    role: Role
    hash: str


class Users:
    """The file, read anew when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] | None = None
        self._users: Mapping[str, User] = {}
        self._nobody = ""

    def all(self) -> Mapping[str, User]:
        """Everybody, by name.

        Raises:
            ConfigError: the file cannot be read, or a line of it cannot be understood.
        """
        try:
            facts = self._path.stat()
        except OSError as error:
            raise _unreadable(self._path, error) from None
        seen = (facts.st_mtime_ns, facts.st_size, facts.st_ino)
        if seen != self._seen:
            self._users = read(self._path)
            self._seen = seen
        return self._users

    def get(self, name: str) -> User | None:
        """One person, as the file has them now.

        Raises:
            ConfigError: the file cannot be read or understood.
        """
        return self.all().get(name)

    def check(self, name: str, password: str) -> User | None:
        """The person who knows this password; some 60 ms of two cores, whoever it is.

        Raises:
            ConfigError: the file cannot be read or understood.
        """
        user = self.get(name)
        self._nobody = self._nobody or hashed("nobody knows this")
        with contextlib.suppress(VerificationError):
            _HASHER.verify(user.hash if user else self._nobody, password)
            return user
        return None


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _HASHER.hash(password)


def read(path: Path) -> dict[str, User]:
    """Everybody in a file.

    Raises:
        ConfigError: it cannot be read, or a line of it cannot be understood.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise _unreadable(path, error) from None
    except UnicodeDecodeError:
        raise ConfigError(f"panel.users_file: {path} is not UTF-8 text; make it with edge users add") from None
    if len(raw) > MAX_FILE_BYTES:
        raise ConfigError(f"panel.users_file: {path} has more than {MAX_FILE_BYTES} bytes; it is no file of users")
    users: dict[str, User] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            user = _user(line)
            if user is None or user.name in users:
                raise ConfigError(
                    f"panel.users_file: line {number} of {path} is no new NAME ROLE HASH; make it with edge users add"
                )
            users[user.name] = user
    return users


def checked(name: str, password: str) -> None:
    """Refuse a name or a password that cannot be taken.

    Raises:
        UseError: says what it must be.
    """
    if not _NAME.fullmatch(name):
        raise UseError(
            f"{name[:60]!r} is no user's name: 1 to 60 of a-z, A-Z, 0-9, ., _ and -, a letter or digit first"
        )
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise UseError(
            f"a password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters, and this one {len(password)}: take another"
        )


def write(path: Path, users: Mapping[str, User]) -> None:
    """Put these people into the file: owner and group stay, a new one gets its folder's group.

    Raises:
        ConfigError: it cannot be written.
    """
    text = "# Made by `edge users`: NAME ROLE HASH.\n"
    text += "".join(f"{user.name} {user.role.word} {user.hash}\n" for user in users.values())
    try:
        there = path.stat() if path.exists() else path.parent.stat()
        owner = (there.st_uid, there.st_gid) if os.geteuid() == 0 else None
        whole_file.write(path, text.encode(), mode=_MODE, owner=owner)
    except OSError as error:
        raise ConfigError(f"panel.users_file: {path} cannot be written ({error.strerror}); run it as root") from None


def _user(line: str) -> User | None:
    name, role, kept = [*line.split(), "", "", ""][:3]
    try:
        sound = len(line.split()) == 3 and extract_parameters(kept).type is Type.ID
    except InvalidHashError:
        sound = False
    return User(name, ROLES[role], kept) if sound and role in ROLES and _NAME.fullmatch(name) else None


def _unreadable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"panel.users_file: {path} cannot be read ({error.strerror}); edge users add makes it")
