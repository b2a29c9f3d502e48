"""The one place that opens a reader: by its kind, with what is bundled where nothing else is named.

Nothing heavy is imported before it is opened: openvino, torch and transformers take seconds.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import ReaderError, UseError
from edge.readers.asking import Asker
from edge.readers.reader import Reader
from edge.sections import PoolReader, RemoteReader

if TYPE_CHECKING:
    from edge.readers.ocr import Ocr

KINDS = ("ocr", "vlm", "ocr+vlm", "remote", "pool")
#: The kinds that a model folder belongs to.
WITH_MODEL = ("vlm", "ocr+vlm")
#: The model that ships with edge.
SMALL = Path(__file__).parent / "small"
#: By kind, or by what a kind is set to use: the packages beyond the base install, and the extra that brings them.
_NEEDED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "vlm": (("torch", "transformers"), "vlm"),
    "ocr+vlm": (("torch", "transformers"), "vlm"),
    "remote": (("httpx2",), "remote"),
    "redis": (("redis",), "redis"),
    "pool": (("httpx2",), "remote"),
    "ray": (("ray",), "pool"),
}


def lacking(kind: str) -> str:
    """What a kind needs and is not installed, and how to install it; empty where nothing is lacking."""
    packages, extra = _NEEDED.get(kind, ((), ""))
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    return f"{' and '.join(missing)}: pip install 'edge-inspection[{extra}]'" if missing else ""


def open_reader(
    kind: str,
    *,
    threads: int = 2,
    model: Path | None = None,
    device: str = "auto",
    eight_bits: bool = False,
    remote: RemoteReader | None = None,
    pool: PoolReader | None = None,
    station: str = "",
    timeout_s: float = 3.0,
    warm: bool = False,
) -> Reader:
    """Load a reader.

    Args:
        kind: one of `KINDS`.
        threads: processor threads that it uses.
        model: folder of the vlm reader's model; None: the one that ships with edge.
        device: where the vlm reader runs: "auto", "cpu" or "cuda".
        eight_bits: whether the vlm reader's products are computed in 8 bits.
        remote: the server of kind "remote".
        pool: the pool of kind "pool".
        station: whose questions go to the pool: SITE/LINE/STATION.
        timeout_s: longest wait for the pool.
        warm: prepare every usual shape now, so that no later reading pays for it.

    Raises:
        ReaderError: it cannot be loaded; an extra that is not installed is named.
        UseError: the kind is unknown, or lacks what it needs.
    """
    if kind not in KINDS:
        raise UseError(f"there is no reader {kind!r}; choose one of {', '.join(KINDS)}")
    if what := lacking(kind):
        raise ReaderError(f"reader {kind} needs {what}")
    if kind == "remote" and remote is None:
        raise UseError("reader remote needs a server; name a configuration that has [reader.remote] with --config")
    if kind == "pool" and pool is None:
        raise UseError("reader pool needs a pool; name a configuration that has [reader.pool] with --config")
    from edge.readers.pair import OcrOnce, Pair  # noqa: PLC0415 - it imports openvino

    ocr = OcrOnce(threads=threads, warm=warm)
    if remote is not None and kind == "remote":
        return _remote(remote, ocr)
    if pool is not None and kind == "pool":
        return _pool(pool, ocr, station, timeout_s)
    if kind == "ocr":
        return ocr
    vlm = open_vlm(model, device=device, threads=threads, ocr=ocr, eight_bits=eight_bits, warm=warm)
    return vlm if kind == "vlm" else Pair(ocr, vlm)


def open_vlm(
    model: Path | None = None,
    *,
    device: str = "auto",
    threads: int = 2,
    ocr: Ocr | None = None,
    eight_bits: bool = False,
    warm: bool = False,
) -> Asker:
    """Load the vlm reader alone, which also takes free questions; see `open_reader`.

    Raises:
        ReaderError: it cannot be loaded; an extra that is not installed is named.
    """
    if what := lacking("vlm"):
        raise ReaderError(f"reader vlm needs {what}")
    folder = SMALL if model is None else model
    if not folder.is_dir():
        what = "ships with edge" if model is None else "was named"
        raise ReaderError(f"there is no folder {folder}, where the model that {what} should be; name one that exists")
    # A thread that waits for another one must let go of its processor: with the usual spinning, beside one other busy
    # process on two cores, a pass takes 1523 ms (p50; p90 5392), waiting asleep 230 ms (p90 488). Read by OpenMP when
    # torch is imported; what the site sets stands.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from edge.readers.vlm import Vlm  # noqa: PLC0415 - torch is imported where it is opened

    opened = Vlm(folder, device=device, threads=threads, ocr=ocr, eight=eight_bits)
    if warm:
        opened.warm()
    return opened


def _pool(asked: PoolReader, ocr: Ocr, station: str, timeout_s: float) -> Reader:
    from edge.readers.pool import Pool  # noqa: PLC0415 - only here
    from edge.readers.pool_client import PoolClient  # noqa: PLC0415 - only here

    client = PoolClient(asked.url, station, ca=asked.ca_file)
    return Pool(client, asked.kind, ocr, hedge_s=asked.hedge_ms / 1000, timeout_s=timeout_s, late=asked.late)


def _remote(asked: RemoteReader, ocr: Ocr) -> Reader:
    from edge.readers.chat.answer_cache import MemoryCache, RedisCache  # noqa: PLC0415 - only here
    from edge.readers.remote import Remote  # noqa: PLC0415 - only here

    cache: MemoryCache | RedisCache | None = None
    if asked.cache == "memory":
        cache = MemoryCache(asked.cache_mb * 1_000_000)
    elif asked.cache == "redis" and asked.redis_url is not None:
        cache = RedisCache(asked.redis_url, password=asked.redis_password)
    return Remote(
        asked.url,
        asked.model,
        ocr,
        timeout_s=asked.timeout_s,
        api_key=asked.key,
        cache=cache,
        ca=asked.ca_file,
        constraint=asked.constraint,
    )
