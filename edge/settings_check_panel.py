"""What is wrong with how the panel is opened to others (L13)."""

from __future__ import annotations

from collections.abc import Iterator

from edge.adapters import users
from edge.errors import ConfigError
from edge.sections_panel import Panel
from edge.settings_check_files import pem, secret
from edge.toml_file import Key, Problem

_NEEDS: tuple[Key, ...] = (("panel", "token_file"), ("panel", "users_file"), ("panel", "tls"))


def problems(panel: Panel) -> Iterator[Problem]:
    """Every mistake of `[panel]` that one key alone does not show."""
    found = [*secret(lambda: panel.token, "panel", "token_file"), *_users(panel), *_tls(panel)]
    yield from found
    if not panel.is_local and not found:
        ways = panel.token is not None or panel.users_file is not None
        lacking = [
            *([] if ways else ["users_file or token_file, so that it knows who asks"]),
            *([] if panel.tls is not None else ["[panel.tls], so that nobody listens"]),
        ]
        if lacking:
            yield Problem(
                ("panel", "host"),
                f"is {panel.host}, which others than this PC reach: set {', and '.join(lacking)}, or 127.0.0.1 here",
                needs=_NEEDS,
            )
    if panel.anyone == "nobody" and not found and panel.token is None and panel.users_file is None:
        yield Problem(
            ("panel", "anyone"), "is nobody, and nobody can sign in: set users_file or token_file", needs=_NEEDS
        )


def _users(panel: Panel) -> Iterator[Problem]:
    if panel.users_file is None:
        return
    try:
        known = users.read(panel.users_file)
    except ConfigError as error:
        yield Problem(("panel", "users_file"), error.problems[0].partition(": ")[2])
        return
    if not known:
        yield Problem(("panel", "users_file"), f"names {panel.users_file}, which holds nobody; add one: edge users add")


def _tls(panel: Panel) -> Iterator[Problem]:
    if panel.tls is None:
        return
    missing = [
        *pem(panel.tls.cert_file, "panel", "tls", "cert_file"),
        *pem(panel.tls.key_file, "panel", "tls", "key_file"),
    ]
    yield from missing
    if not missing:
        try:
            panel.tls.context("panel.tls")
        except ConfigError as error:
            yield Problem(("panel", "tls"), error.problems[0].partition(": ")[2])
