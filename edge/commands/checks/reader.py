"""The reader: it must read what is drawn on a frame, and fast enough for the line.

A reader process that runs is asked, as a guest that waits behind its stations; a second model is not loaded beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from edge.commands.checks.finding import Finding, fail, judged
from edge.commands.checks.running import heard
from edge.core.reading import Reading
from edge.errors import ReaderError, WorldError
from edge.readers.drawn import DRAWN, drawn_frame, drawn_png, says_drawn
from edge.sections import PoolReader
from edge.settings import Settings


def check(settings: Settings) -> Finding:
    """Load it, or ask the one that runs, and judge what it reads.

    Raises:
        ReaderError: it cannot be loaded.
        WorldError: it is another station's and is not heard, or it does not answer.
    """
    from edge.services.reader import open_reader  # noqa: PLC0415 - openvino is slow to import

    if settings.reader.kind == "pool" and settings.reader.pool is not None and settings.reader.shared is None:
        return pool(settings, settings.reader.pool)
    folder = settings.reader.shared or settings.paths.runtime
    beat = heard(folder, "reader")
    if beat is not None:
        name = f"{beat.facts.get('reader')} {str(beat.facts.get('reader_hash'))[:12]}, runs"
        encoded = drawn_png()
        limit_s = max(settings.reader.timeout_ms / 1000, 10.0)
        return judge(name, lambda: _as_guest(folder, encoded, limit_s), settings)
    if settings.reader.shared is not None:
        raise WorldError(f"no reader is heard in {folder}; start that station's, or correct reader.shared")
    opened = open_reader(settings, warm=False)
    return judge(f"{opened.name} {opened.hash[:12]}", lambda: opened.read(drawn_frame(), settings.product), settings)


def pool(settings: Settings, asked: PoolReader) -> Finding:
    """Ask the pool itself, which the local reader would stand in for; judge what it reads.

    Raises:
        ReaderError: it does not read.
    """
    from edge.readers import read_form  # noqa: PLC0415 - only where there is a pool
    from edge.readers.pool_client import PoolClient  # noqa: PLC0415 - only where there is a pool

    limit_s = max(settings.reader.timeout_ms / 1000, 10.0)
    station = settings.station
    client = PoolClient(asked.url, f"{station.site}/{station.line}/{station.name}", ca=asked.ca_file)
    meanwhile = "the local reader decides" if asked.late == "ocr" else "every part is held"
    try:
        facts = client.facts(limit_s)
        name = f"the pool at {asked.url}, {facts.get('reader')} {str(facts.get('reader_hash'))[:12]}"
        if facts.get("reader") != asked.kind:
            return fail(f"{name}, is not of kind {asked.kind}", "correct reader.pool.kind, or the pool's own file")
        encoded = drawn_png()
        wanted = read_form.Wanted(read_form.file_of(settings.product))
        return judge(name, lambda: client.read(wanted, encoded, limit_s), settings)
    except ReaderError as error:
        return fail(f"{error}; meanwhile {meanwhile}", "start it (edge pool up), or correct reader.pool.url")
    finally:
        client.close()


def judge(name: str, read: Callable[[], Reading], settings: Settings) -> Finding:
    """Read the drawn frame twice: the first time warms, the second counts."""
    read()
    begun_s = time.monotonic()
    reading = read()
    ms = (time.monotonic() - begun_s) * 1000
    text = " ".join([line.text for line in reading.lines] or [one.text for one in reading.fields.values()])
    facts = {"ms": round(ms, 1), "text": text, "takt_ms": settings.station.takt_ms}
    said = f"{name}, {ms:.0f} ms for a drawn frame"
    if not says_drawn(text):
        return fail(
            f"{said}, of which it reads {text[:60]!r}", f"it must read {DRAWN[1]}; install the reader anew", **facts
        )
    if ms > settings.reader.timeout_ms:
        return fail(
            f"{said}, more than reader.timeout_ms, {settings.reader.timeout_ms}", "use a faster PC or reader", **facts
        )
    return judged(said, _too_slow(ms, settings), **facts)


def _too_slow(ms: float, settings: Settings) -> list[str]:
    takt_ms, looks = settings.station.takt_ms, settings.accept.looks
    if takt_ms is None or ms * looks <= takt_ms:
        return []
    return [f"{looks} looks take {ms * looks:.0f} ms, and station.takt_ms is {takt_ms}; use a faster PC or reader"]


def _as_guest(folder: Path, image: bytes, limit_s: float) -> Reading:
    from edge.adapters.guest_link import GuestLink  # noqa: PLC0415 - only where a reader runs

    async def ask() -> Reading:
        link = GuestLink(folder)
        try:
            return (await link.read(image, timeout_s=limit_s)).reading
        finally:
            await link.close()

    return asyncio.run(ask())
