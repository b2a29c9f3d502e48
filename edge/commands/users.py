"""`edge users list|add|password|remove`: the people who may sign in to the panel.

Promises: a password comes from the terminal, typed twice and not shown, or from a file, and never from the command
line, which everybody on this PC may read; the running panel sees the change at its next request.
"""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from edge.adapters.users import MOST_PASSWORD, ROLES, User, checked, hashed, read, write
from edge.errors import UseError
from edge.settings_check import panel_users_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Four actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="show names and roles")
    add = actions.add_parser("add", help="add a person, or give one another role and password")
    add.add_argument("--role", choices=ROLES, required=True, help="what they may do")
    password = actions.add_parser("password", help="give a person another password")
    remove = actions.add_parser("remove", help="take a person out; their sessions end at once")
    for action in (add, password, remove):
        action.add_argument("name", metavar="NAME", help="their name, as it stands in reviews and corrections")
    for action in (add, password):
        action.add_argument(
            "--password-file", type=Path, metavar="FILE", help="file with the password, one line; else it is asked for"
        )


def run(args: argparse.Namespace) -> int:
    """Do the action; 0, or an error of one sentence."""
    path = panel_users_file(args.config)
    users = read(path) if path.exists() else {}
    if args.action == "list":
        for user in users.values():
            print(f"{user.name} {user.role.word}")
        return 0
    known = users.get(args.name)
    if known is None and args.action != "add":
        raise UseError(f"{args.name!r} is no user in {path}: see edge users list")
    if args.action == "remove":
        del users[args.name]
    else:
        role = ROLES[args.role] if known is None or args.action == "add" else known.role
        password = _password(args.password_file)
        checked(args.name, password)
        users[args.name] = User(args.name, role, hashed(password))
    write(path, users)
    print(f"{path}: {len(users)} users")
    return 0


def _password(file: Path | None) -> str:
    """The password from a file's one line, or from whoever sits at the terminal."""
    if file is not None:
        try:
            with file.open("rb") as opened:
                lines = opened.read(MOST_PASSWORD * 4 + 3).decode().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UseError(f"{file} cannot be read ({why}): name a file that holds the password alone") from None
        if len(lines) != 1:
            raise UseError(f"{file} has {len(lines)} lines: it must hold one line, the password alone")
        return lines[0]
    if not sys.stdin.isatty():
        raise UseError("there is no terminal to ask for a password at: name a file with --password-file")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise UseError("the two passwords differ: nothing was changed")
    return first
