"""Who may read and write what: folders and sockets are this user's alone, secrets are nobody else's to read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from edge.commands.checks.finding import Finding, fail, judged
from edge.settings import Settings

#: Files that settings name and that are no secret.
_PUBLIC = ("ca_file", "cert_file")


def check(settings: Settings, user_id: int | None = None) -> Finding:
    """Look at modes and owners; nothing is opened. `user_id`: who runs this, as the system says."""
    user_id = os.geteuid() if user_id is None else user_id
    secrets = list(secret_files(settings))
    open_secrets = [path for path in secrets if _mode(path) & (stat.S_IROTH | stat.S_IWOTH)]
    if open_secrets:
        names = " ".join(map(str, open_secrets))
        return fail(f"everybody may read {names}", f"chmod o= {names}", secrets=len(secrets))
    folders = [path for path in (settings.paths.data, settings.paths.runtime) if path.is_dir()]
    doubts = [f"{path} is open to others; chmod go= {path}" for path in folders if _mode(path) & 0o077]
    doubts += [
        f"{path} can be changed by everybody; chmod o-w {path}"
        for path in (settings.path, settings.paths.products, settings.paths.profiles)
        if path.exists() and _mode(path) & stat.S_IWOTH
    ]
    if user_id == 0:
        owned = [path for path in folders if path.stat().st_uid != 0]
        doubts += ["it ran as root, whom no right stops; run it as the user edge"] if owned else []
    doubts += [
        f"{path} belongs to another user; run edge as that one, or chown -R it"
        for path in folders
        if user_id not in {0, path.stat().st_uid}
    ]
    return judged(f"{len(folders)} folders, {len(secrets)} secrets", doubts, secrets=len(secrets))


def secret_files(table: BaseModel) -> Iterator[Path]:
    """Every file with a secret that the settings name (`*_file`) and that exists, in tables inside tables too."""
    for name in type(table).model_fields:
        value = getattr(table, name)
        values = value.values() if isinstance(value, dict) else [value]
        for one in values:
            if isinstance(one, BaseModel):
                yield from secret_files(one)
            elif isinstance(one, Path) and name.endswith("_file") and name not in _PUBLIC and one.exists():
                yield one


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
