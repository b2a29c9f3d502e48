"""Settings of the reader: a wrong one refuses to start, lists every mistake, shows no secret (L13)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from edge import settings
from edge.errors import ConfigError
from edge.readers import opening
from tests.wrong_case import SECRET, Case

CASES = [
    Case(
        "an unknown kind of reader",
        ("reader.kind", "ocr, vlm, ocr+vlm, remote, pool"),
        more=f'[reader]\nkind = "{SECRET}"\n',
    ),
    Case("an unknown device", ("reader.device", "auto, cpu, cuda"), more=f'[reader]\ndevice = "{SECRET}"\n'),
    Case("a model that is not there", ("reader.model", "nowhere", "no folder"), more='[reader]\nmodel = "nowhere"\n'),
    Case(
        "a model that is a file", ("reader.model", "no folder"), more='[reader]\nmodel = "m"\n', files={"m": b"weights"}
    ),
    Case(
        "a remote reader without a server", ("reader.remote", "add [reader.remote]"), more='[reader]\nkind = "remote"\n'
    ),
    Case("a server without an address", ("reader.remote.url", "missing"), more='[reader.remote]\nmodel = "m"\n'),
    Case("a server without a model", ("reader.remote.model", "missing"), more='[reader.remote]\nurl = "http://h"\n'),
    *(
        Case(f"{what} for a server", ("reader.remote.url", said), more=f'[reader.remote]\nmodel = "m"\nurl = "{url}"\n')
        for what, url, said in (
            ("an address without a scheme", "127.0.0.1:8000", "http://HOST:PORT"),
            ("a scheme alone", "http://", "http://HOST:PORT"),
            ("another scheme", f"ftp://{SECRET}/x", "http://HOST:PORT"),
            ("a port that is none", "http://h:70000", "http://HOST:PORT"),
            ("a password in the address", f"http://u:{SECRET}@h:8000", "its own file"),
            ("a key behind the address", f"https://h/?api_key={SECRET}", "its own file"),
        )
    ),
    *(
        Case(what, (f"reader.remote.{key}", said), more=f'[reader.remote]\nurl = "http://h"\nmodel = "m"\n{line}\n')
        for what, key, said, line in (
            ("an unknown cache", "cache", "memory, redis, off", f'cache = "{SECRET}"'),
            ("a wait longer than any request may take", "timeout_s", "at most 30", "timeout_s = 31"),
            ("an unknown constraint", "constraint", "structured_outputs, regex", f'constraint = "{SECRET}"'),
            ("a key file that is not there", "key_file", "none.txt", 'key_file = "none.txt"'),
            ("a key in the file", "key ", "key_file", f'key = "{SECRET}"'),
            ("a file of certificates that is not there", "ca_file", "ca.pem", 'ca_file = "ca.pem"'),
            ("no room for a cache", "cache_mb", "at least 1", "cache_mb = 0"),
            ("an address of Redis that is none", "redis_url", "redis://HOST:PORT", f'redis_url = "{SECRET}"'),
            ("a password in the address of Redis", "redis_url", "its own file", f'redis_url = "redis://:{SECRET}@h"'),
        )
    ),
    Case("a pool's reader without a pool", ("reader.pool", "add [reader.pool]"), more='[reader]\nkind = "pool"\n'),
    Case("a pool without an address", ("reader.pool.url", "missing"), more='[reader.pool]\nkind = "ocr"\n'),
    *(
        Case(what, (f"reader.pool.{key}", said), more=f'[reader.pool]\nurl = "http://h:8000"\n{line}\n')
        for what, key, said, line in (
            ("an unknown kind of the pool's readers", "kind", "ocr, vlm, ocr+vlm", f'kind = "{SECRET}"'),
            ("a local reader that begins too late", "hedge_ms", "reader.timeout_ms, 3000", "hedge_ms = 3000"),
            ("an unknown worth of a local reading", "late", "hold, ocr, off", f'late = "{SECRET}"'),
            ("certificates of the pool that are not there", "ca_file", "ca.pem", 'ca_file = "ca.pem"'),
            ("a key that the pool does not know", "key", "url", f'key = "{SECRET}"'),
        )
    ),
    Case(
        "a password in the pool's address",
        ("reader.pool.url", "its own file"),
        more=f'[reader.pool]\nurl = "http://u:{SECRET}@h"\n',
    ),
    Case("a batch of nothing", ("reader.max_batch", "at least 1"), more="[reader]\nmax_batch = 0\n"),
    Case(
        "a shared reader of its own",
        ("reader.shared", "own paths.runtime"),
        more='[reader]\nshared = "/tmp/edge-run"\n',
    ),
    Case(
        "a shared reader too deep", ("reader.shared", "shorter folder"), more=f'[reader]\nshared = "/{"deep/" * 30}"\n'
    ),
    Case(
        "a cache in Redis without its address",
        ("reader.remote.redis_url", "cache is redis"),
        more='[reader.remote]\nurl = "http://h"\nmodel = "m"\ncache = "redis"\n',
    ),
]


@pytest.fixture(autouse=True)
def no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the environment of whoever runs the tests out of them."""
    monkeypatch.delenv("EDGE_CONFIG", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_reader_refuses_to_start(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mistake is one sentence that names file, key and what to do, and shows no secret (L13)."""
    monkeypatch.setattr(opening, "lacking", lambda _kind: "")

    assert SECRET not in case.told(tmp_path)


def test_a_missing_extra_is_named_with_all_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch or Redis's package is missing, a sentence says how to install it, beside all other mistakes (L13)."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    more = '[reader]\nkind = "ocr+vlm"\nmodel = "nowhere"\n[reader.remote]\nurl = "h:80"\nmodel = "m"\n'
    with pytest.raises(ConfigError) as raised:
        settings.load(Case("extras", (), more=more).write(tmp_path), {})
    (tmp_path / "products").rmdir()
    more = '[reader.remote]\nurl = "http://h"\nmodel = "m"\ncache = "redis"\n'
    with pytest.raises(ConfigError) as of_redis:
        settings.load(Case("extras", (), more=more).write(tmp_path), {})

    assert [text.split(" ")[1] for text in raised.value.problems] == [
        "reader.remote.url",
        "reader.kind",
        "reader.model",
    ]
    assert "pip install 'edge-inspection[vlm]'" in raised.value.problems[1]
    assert [text.split(" ")[1] for text in of_redis.value.problems] == [
        "reader.remote.redis_url",
        "reader.remote.cache",
    ]
    assert "pip install 'edge-inspection[redis]'" in of_redis.value.problems[1]


def test_a_shared_reader_is_checked_by_its_own_station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A station that another's reader reads for needs neither its packages nor its model (L13)."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    more = '[reader]\nkind = "vlm"\nshared = "/run/edge-a"\n'
    loaded = settings.load(Case("shared", (), more=more).write(tmp_path), {})

    assert loaded.reader.shared == Path("/run/edge-a")


def test_the_bundled_model_needs_no_name(tmp_path: Path) -> None:
    """An empty folder for the model is the one that ships with edge, as is none."""
    loaded = settings.load(Case("small", (), more='[reader]\nmodel = ""\n').write(tmp_path), {})

    assert loaded.reader.model is None
