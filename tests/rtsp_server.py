"""A real RTSP server (GStreamer's) with a live H.264 stream that shows, in each frame, when it was drawn.

Run by the system's Python, which has the bindings: `/usr/bin/python3 tests/rtsp_server.py [USER PASSWORD]`. It prints
its port; then it obeys one word a line: `freeze` (the same picture again and again), `go`. The upper part of each frame
holds 48 squares, black or white: the bits of CLOCK_MONOTONIC in µs. The rest holds noise, as
a sensor does, which follows from the time: so a test knows what every pixel must be.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from typing import Any

WIDTH, HEIGHT, SQUARE, FPS = 256, 160, 16, 25
PIPELINE = (
    f"( appsrc name=src is-live=true format=time caps=video/x-raw,format=GRAY8,width={WIDTH},height={HEIGHT},"
    f"framerate={FPS}/1 ! videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency sliced-threads=false "
    f"speed-preset=ultrafast pass=quant quantizer=20 key-int-max={FPS} ! rtph264pay name=pay0 config-interval=-1 )"
)


def picture(at_us: int) -> bytes:
    """A frame that shows `at_us`."""
    rows = [
        b"".join((b"\xeb" if at_us >> (row * 16 + bit) & 1 else b"\x10") * SQUARE for bit in range(16)) * SQUARE
        for row in range(3)
    ]
    noise = bytes(96 + (byte & 63) for byte in random.Random(at_us).randbytes(WIDTH * (HEIGHT - 3 * SQUARE)))
    return b"".join(rows) + noise


class Film:
    """Draws into every pipeline that is made."""

    def __init__(self, gst: Any) -> None:
        self.frozen = False
        self._gst = gst

    def configure(self, _factory: object, media: Any) -> None:
        """A client came first: draw for it, and for those who share it."""
        source = media.get_element().get_by_name_recurse_up("src")
        threading.Thread(target=self._draw, args=(source,), daemon=True).start()

    def _draw(self, source: Any) -> None:
        began_us, shown = time.monotonic_ns() // 1000, b""
        for number in range(10**9):
            due_us = began_us + number * 1_000_000 // FPS
            time.sleep(max(0.0, (due_us - time.monotonic_ns() // 1000) / 1e6))
            at_us = time.monotonic_ns() // 1000
            if not self.frozen or not shown:
                shown = picture(at_us)
            buffer = self._gst.Buffer.new_wrapped(shown)
            buffer.pts = (at_us - began_us) * 1000
            buffer.duration = self._gst.SECOND // FPS
            if source.emit("push-buffer", buffer) != self._gst.FlowReturn.OK:
                return


def main() -> None:
    """Serve until the standard input ends."""
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer

    Gst.init(None)
    server, film = GstRtspServer.RTSPServer(), Film(Gst)
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE)
    factory.set_shared(True)
    factory.set_latency(0)
    factory.connect("media-configure", film.configure)
    if len(sys.argv) == 3:
        _protect(GstRtspServer, server, factory, *sys.argv[1:])
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    loop = GLib.MainLoop()
    threading.Thread(target=loop.run, daemon=True).start()
    print(server.get_bound_port(), flush=True)
    for line in sys.stdin:
        film.frozen = line.strip() == "freeze"


def _protect(rtsp: Any, server: Any, factory: Any, user: str, password: str) -> None:
    auth, token = rtsp.RTSPAuth(), rtsp.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_basic(rtsp.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    allowed = rtsp.RTSPPermissions()
    allowed.add_permission_for_role("viewer", "media.factory.access", True)
    allowed.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(allowed)


if __name__ == "__main__":
    main()
