"""One inspection as a bundle over HTTP, for whoever plays it again elsewhere.

Promises: only who sets the station up gets one, since it holds the settings, which the page shows nobody; one is made
at a time; it is streamed from a file without a name, so that nothing is left of it.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from edge.adapters.bundle import SUFFIX, Place
from edge.adapters.bundle_writing import BundleWriter
from edge.adapters.disk import REMEDY, free_bytes
from edge.adapters.reviews import UnknownError
from edge.errors import DiskFullError, StoreError
from edge.sections import Record
from edge.web.refusals import RefusedError
from edge.web.stored import Stored

_PIECE_BYTES = 1 << 20


class BundleRoutes:
    """`POST /v1/outcomes/{inspection_id}/bundle`."""

    def __init__(self, stored: Stored, place: Place, record: Record) -> None:
        self._stored, self._place, self._record = stored, place, record
        self._busy = threading.Lock()

    def routes(self) -> list[Route]:
        """The address of bundles."""
        return [Route("/v1/outcomes/{inspection_id}/bundle", self._export, methods=["POST"])]

    def _export(self, request: Request) -> Response:
        if not self._busy.acquire(blocking=False):
            raise RefusedError(429, "busy", "another bundle is being made: ask again", {"retry-after": "2"})
        try:
            file, seq = self._made(request.path_params["inspection_id"])
        finally:
            self._busy.release()
        station = "".join(c if (c.isascii() and c.isalnum()) or c in "-." else "_" for c in self._place.station)
        headers = {"content-disposition": f'attachment; filename="{station}-{seq}{SUFFIX}"'}
        return StreamingResponse(_pieces(file), media_type="application/zip", headers=headers)

    def _made(self, inspection_id: str) -> tuple[IO[bytes], int]:
        with self._stored.recorded() as recorded:
            part = recorded.part(inspection_id)
            if part is None:
                raise UnknownError(
                    f"there is no outcome {inspection_id[:64]!r} at this station: look for it in the history"
                )
            file = _temporary(self._record.keep_free_bytes)
            try:
                with BundleWriter(file, self._stored.data_dir, recorded, max_bytes=self._record.max_bytes) as writer:
                    fits = writer.add(part)
                    writer.finish(self._place, "asked" if fits else "max_mb")
            except OSError as error:
                file.close()
                raise StoreError(f"the bundle could not be written ({error.strerror}): {REMEDY}") from None
        if not fits:
            file.close()
            raise RefusedError(
                413, "too_large", f"the part takes more than {self._record.max_mb} MB: raise [record] max_mb"
            )
        return file, part.seq


def _temporary(keep_free_bytes: int) -> IO[bytes]:
    """A file without a name, where there is room.

    Raises:
        DiskFullError: There is none.
    """
    folder = Path(tempfile.gettempdir())
    if free_bytes(folder) < keep_free_bytes:
        raise DiskFullError(
            f"less than [record] keep_free_mb, {keep_free_bytes / 1e6:.0f} MB, is free on {folder}'s disk: {REMEDY}"
        )
    return tempfile.TemporaryFile()


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(_PIECE_BYTES):
            yield piece
