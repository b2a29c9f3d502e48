"""A network camera by RTSP, read with PyAV (the extra `rtsp`), whose wheel brings FFmpeg's libraries.

OpenCV's VideoCapture was not taken: it gives no time stamps of the stream, no mark on a damaged frame, and its options
come from the environment of the whole process (docs/decisions/0022-cameras.md).

Every frame is decoded as it comes, so the decoder is always at the newest one and no take waits for a key frame; only
an opening does. When a frame was exposed is found by `StreamClock`; until the stream has run for `WARM_UP_S` nothing
counts, since some servers begin with what they kept, at once and faster than life.

A decoder fills in for packets that were lost with pieces of earlier frames, or decodes what is left of the bits, and
marks only some of that (of 400 frames with 1 % of the packets lost, 3 that were not marked showed garbage). FFmpeg's
log tells every loss and every error, on the thread that reads; so the log is what is watched. After one nothing counts
until a key frame that came whole.

Exposure and gain of such a camera are set on its own page. The frame says what the settings say of them, never what
was asked for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlsplit

import numpy as np
from pydantic import SecretStr

from edge.adapters.camera import CameraFacts, CameraLostError, Order, Pixels, now_us
from edge.adapters.camera_stream import Applied, StreamClock, StreamFrame
from edge.errors import CameraError, ConfigError

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

#: A server that is there answers sooner; one that is far away is none for an inspection.
OPEN_TIMEOUT_S = 4.0
READ_TIMEOUT_S = 2.0
#: An opening waits so long for the first key frame; cameras send one every 1 to 4 s unless they are told otherwise.
KEY_FRAME_TIMEOUT_S = 6.0
#: What a server kept for those who come later has passed by then; measured with a burst of 2 s: 40 ms.
WARM_UP_S = 1.0
#: A stream that is this far behind catches up faster when it is opened again.
MAX_BEHIND_US = 5_000_000

_FFMPEG_OPTIONS = {
    "fflags": "nobuffer",
    "flags": "low_delay",
    "max_delay": "0",  # µs that packets may wait to be put in order (UDP)
    "reorder_queue_size": "10",  # packets; without a queue FFmpeg does not notice that one is missing
    "probesize": "500000",
    "analyzeduration": "500000",  # µs; the description of the session has told the codec already
}


class _Damage(logging.Handler):
    """FFmpeg's log as PyAV passes it on: which threads heard of lost packets or damaged frames. Nothing is printed."""

    def __init__(self) -> None:
        super().__init__()
        self._heard: set[int] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Note an error, or the one warning that tells of a lost packet ("RTP: missed 1 packets")."""
        if record.levelno >= logging.ERROR or "missed" in record.getMessage():
            self._heard.add(threading.get_ident())

    def heard(self) -> bool:
        """Whether this thread heard of damage since it asked last."""
        heard = threading.get_ident() in self._heard
        self._heard.discard(threading.get_ident())
        return heard


_damage = _Damage()


class RtspSource:
    """The stream at `url`; user and password are handed over apart from it, and appear in no error or log.

    Raises:
        ConfigError: PyAV is not installed.
    """

    def __init__(
        self,
        url: str,
        *,
        transport: Literal["tcp", "udp"] = "tcp",
        username: str | None = None,
        password: SecretStr | None = None,
        latency_ms: int,
        exposure_us: int,
        gain_db: float,
    ) -> None:
        self._av = _import_av()
        self._url = url
        self._transport = transport
        self._username, self._password = username, password
        self._latency_us = latency_ms * 1000
        self._applied = Applied(exposure_us, gain_db)
        self._container: InputContainer | None = None
        self._packets: Iterator[Any] = iter(())
        self._whole = False
        self._num_clean = 0
        self._clock = StreamClock(self._latency_us)

    def open(self) -> CameraFacts:
        """Connect and wait for the first key frame.

        Raises:
            CameraLostError: the server does not answer, refuses, or gives no video.
        """
        self.close()
        av = self._av
        try:
            self._container = av.open(
                self._address(),
                options=_FFMPEG_OPTIONS | {"rtsp_transport": self._transport},
                timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S),
            )
            stream = self._container.streams.video[0]
            # One thread: decoding by frames adds one frame of delay a thread; and FFmpeg 8 marks what is wrong with a
            # frame, and logs it on the thread that reads, only where one thread decodes.
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            self._packets = self._container.demux(stream)
            self._clock, self._whole = StreamClock(self._latency_us), False
        except IndexError:
            raise CameraLostError(f"{self._url} gives no video: name the path of the camera's video stream") from None
        except (av.FFmpegError, OSError) as error:
            raise CameraLostError(f"cannot open {self._url} ({_cause(error)}): {_advice(error)}") from None
        self._warm_up()
        codec = stream.codec_context
        return CameraFacts(
            model=f"rtsp {codec.name} {codec.width}x{codec.height}",
            serial=self._url,
            lights=(),
            exposure_range_us=None,
            live=True,
        )

    def apply(self, order: Order) -> Applied:  # noqa: ARG002 - nothing can be set over RTSP
        """What the settings say that the camera is set to."""
        return self._applied

    def read(self) -> StreamFrame | None:
        """The newest frame of the next packet; None where a packet gives none.

        Raises:
            CameraLostError: the stream ended or failed, is silent, or is far behind.
            CameraError: a damaged frame.
        """
        av = self._av
        try:
            frame = self._decode_next()
        except StopIteration:
            raise CameraLostError(f"the stream of {self._url} ended: opening it again") from None
        except av.InvalidDataError:
            raise self._damaged() from None
        except (av.FFmpegError, OSError) as error:
            raise CameraLostError(f"{self._url} gives nothing more ({_cause(error)}): {_advice(error)}") from None
        if _damage.heard() or (frame is not None and frame.is_corrupt):
            raise self._damaged()
        self._num_clean += 1
        if frame is None:
            return None
        arrived_us = now_us()
        if frame.pts is None or frame.time_base is None:
            raise CameraError("a frame without a time stamp was refused: when it was exposed is not known")
        stamp_us = int(frame.pts * frame.time_base * 1_000_000)
        exposed_us = self._clock.exposed_us(stamp_us, arrived_us)
        if arrived_us - self._latency_us - exposed_us > MAX_BEHIND_US:
            raise CameraLostError(
                f"the stream of {self._url} is {(arrived_us - exposed_us) / 1e6:.1f} s behind: opening it again"
            )
        # What a lost packet belonged to comes with the read that heard of it, or with the next one.
        self._whole = self._whole or (frame.key_frame and self._num_clean >= 2)
        if not self._whole:
            return None
        return StreamFrame(
            encoded=None,
            render=lambda: _pixels(frame),
            width_px=frame.width,
            height_px=frame.height,
            camera_us=stamp_us,
            exposed_us=exposed_us,
            received_us=arrived_us,
            counter=None,
        )

    def close(self) -> None:
        """End the session."""
        container, self._container = self._container, None
        self._packets = iter(())
        if container is not None:
            container.close()

    def _decode_next(self) -> av.VideoFrame | None:
        """Read one packet and decode it; a packet of video seldom gives none or several."""
        frames = [frame for frame in next(self._packets).decode() if hasattr(frame, "to_ndarray")]
        return frames[-1] if frames else None

    def _damaged(self) -> CameraError:
        self._whole, self._num_clean = False, 0
        return CameraError("a damaged frame was refused, and those that are built upon it")

    def _warm_up(self) -> None:
        """Wait for the first key frame, then until the stream runs in life's own time."""
        began_s, first_s = time.monotonic(), None
        while first_s is None or time.monotonic() < first_s + WARM_UP_S:
            if first_s is None and time.monotonic() > began_s + KEY_FRAME_TIMEOUT_S:
                raise CameraLostError(
                    f"{self._url} gave no key frame within {KEY_FRAME_TIMEOUT_S:.0f} s: set the camera's key frame "
                    "interval (GOP) to 1 s"
                )
            try:
                if self.read() is not None and first_s is None:
                    first_s = time.monotonic()
            except CameraLostError:
                raise
            except CameraError:
                continue  # what depends on a key frame that was sent before we came

    def _address(self) -> str:
        """The URL as FFmpeg wants it. It is made for each opening and kept nowhere."""
        if self._username is None:
            return self._url
        parts = urlsplit(self._url)
        secret = "" if self._password is None else ":" + quote(self._password.get_secret_value(), safe="")
        return parts._replace(netloc=f"{quote(self._username, safe='')}{secret}@{parts.netloc}").geturl()


def _pixels(frame: av.VideoFrame) -> Pixels:
    return np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)


def _import_av() -> Any:
    try:
        import av  # noqa: PLC0415 - an SDK is imported where it is opened
    except ImportError:
        raise ConfigError("a camera of kind rtsp needs the extra rtsp: pip install 'edge-inspection[rtsp]'") from None
    libav = logging.getLogger("libav")
    if _damage not in libav.handlers:
        libav.addHandler(_damage)
        libav.propagate = False  # FFmpeg names the address, and with it the password
        av.logging.set_skip_repeated(False)
        av.logging.set_level(av.logging.WARNING)
    return av


def _cause(error: Exception) -> str:
    """What FFmpeg says, without the address, in which the password stands."""
    return str(getattr(error, "strerror", None) or type(error).__name__)


def _advice(error: Exception) -> str:
    name = type(error).__name__
    if "Unauthorized" in name or "Forbidden" in name:
        return "check the camera's username and password_file"
    if "NotFound" in name:
        return "check the path in its url"
    return "check its power and cable, and host and port in its url"
