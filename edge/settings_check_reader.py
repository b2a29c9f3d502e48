"""What is wrong with the reader's settings, and with the calibration that says what its readings are worth (L13)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge.errors import ConfigError
from edge.readers import opening
from edge.sections import RemoteReader
from edge.settings import Settings
from edge.settings_check_files import pem, secret, socket
from edge.toml_file import Problem


def problems(settings: Settings) -> Iterator[Problem]:
    """The rules between the keys of [reader] and of [accept]."""
    yield from _reader(settings)
    yield from _accept(settings)


def _reader(settings: Settings) -> Iterator[Problem]:
    reader, remote = settings.reader, settings.reader.remote
    if reader.shared is not None:
        yield from _shared(settings, reader.shared)
        return
    if lacking := opening.lacking(reader.kind):
        yield Problem(("reader", "kind"), f"is {reader.kind}, which needs {lacking}")
    if reader.model is not None and not reader.model.is_dir():
        yield Problem(
            ("reader", "model"), f"names {reader.model}, which is no folder; name the folder of a model's safetensors"
        )
    if remote is not None:
        yield from _server(remote)
    elif reader.kind == "remote":
        yield Problem(("reader", "remote"), "is missing, and kind is remote; add [reader.remote] with url and model")
    if reader.pool is not None:
        yield from pem(reader.pool.ca_file, "reader", "pool", "ca_file")
        if reader.pool.hedge_ms >= reader.timeout_ms:
            yield Problem(
                ("reader", "pool", "hedge_ms"),
                f"is {reader.pool.hedge_ms}, and nobody waits longer for a reading than reader.timeout_ms, "
                f"{reader.timeout_ms}: the local reader would come too late; choose less",
                needs=(("reader", "timeout_ms"),),
            )
    elif reader.kind == "pool":
        yield Problem(("reader", "pool"), "is missing, and kind is pool; add [reader.pool] with url")


def _shared(settings: Settings, folder: Path) -> Iterator[Problem]:
    """Another station's reader: what else [reader] says is that station's to check."""
    if folder.absolute() == settings.paths.runtime.absolute():
        yield Problem(
            ("reader", "shared"),
            "is this station's own paths.runtime; take it out for a reader of its own, or name another station's",
            needs=(("paths", "runtime"),),
        )
    yield from socket(folder.absolute() / "heartbeat-reader.sock", "reader", "shared")


def _server(remote: RemoteReader) -> Iterator[Problem]:
    yield from secret(lambda: remote.key, "reader", "remote", "key_file")
    yield from secret(lambda: remote.redis_password, "reader", "remote", "redis_password_file")
    yield from pem(remote.ca_file, "reader", "remote", "ca_file")
    if remote.cache == "redis":
        if remote.redis_url is None:
            yield Problem(("reader", "remote", "redis_url"), "is missing, and cache is redis; add it")
        if lacking := opening.lacking("redis"):
            yield Problem(("reader", "remote", "cache"), f"is redis, which needs {lacking}")


def _accept(settings: Settings) -> Iterator[Problem]:
    accept, needed = settings.accept, (("accept", "calibration"), ("reader", "kind"))
    try:
        calibration = settings.calibration
    except ConfigError as error:
        yield Problem(("accept", "calibration"), f"names a file that is no use: {error}")
        return
    if not settings.brings_calibration and accept.single_look_rate is None:
        return
    if calibration.reader not in settings.reader.kind.split("+"):
        what = f"needs a calibration of reader {settings.reader.kind}, and this one is of {calibration.reader}"
        key = "calibration" if settings.brings_calibration else "single_look_rate"
        yield Problem(("accept", key), f"{what}; make one with edge calibrate", needs=needed)
    elif accept.single_look_rate is not None and calibration.threshold(accept.single_look_rate, formed=True) is None:
        least = min((one.rate for one in (*calibration.thresholds, *calibration.formed)), default=None)
        yield Problem(
            ("accept", "single_look_rate"),
            f"is {accept.single_look_rate}, and the least that the calibration has a threshold for is {least}; "
            "choose that or more, or calibrate on more plates",
            needs=needed,
        )
