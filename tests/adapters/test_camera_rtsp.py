"""A network camera: who may look, what is lost on the way, and what an error says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from edge.adapters.camera import CameraLostError, Order
from edge.adapters.camera_rtsp import RtspSource
from edge.adapters.camera_stream import StreamCamera
from edge.core.outcome import Attempt, Defect
from edge.core.policy import Policy
from edge.core.retake import next_take
from edge.errors import ConfigError
from edge.sections_cameras import RtspCamera
from tests.camera_rigs.rtsp import Proxy, RtspServer, shown_us
from tests.rtsp_server import HEIGHT, WIDTH, picture

ORDER = Order(exposure_us=900, gain_db=0.0, light="normal", trigger_id="t")
#: With characters that a URL has its own use for.
PASSWORD = "s3cr&t@pa:ss/w%rd"


def source(port: int, path: str = "live", password: str | None = None) -> RtspSource:
    """A client of the server."""
    return RtspSource(
        f"rtsp://127.0.0.1:{port}/{path}",
        username=None if password is None else "edge",
        password=None if password is None else SecretStr(password),
        latency_ms=500,
        exposure_us=4000,
        gain_db=0.0,
    )


@pytest.fixture(scope="module")
def guarded() -> Iterator[RtspServer]:
    """A server that asks for user and password."""
    server = RtspServer("edge", PASSWORD)
    yield server
    server.close()


def test_a_stream_behind_a_password_is_opened(guarded: RtspServer) -> None:
    """User and password are handed over whatever characters they hold, and the stream's name is without them (L13)."""
    client = source(guarded.port, password=PASSWORD)
    facts = client.open()
    client.close()

    assert facts.serial == f"rtsp://127.0.0.1:{guarded.port}/live"
    assert facts.model == "rtsp h264 256x160"


@pytest.mark.parametrize(
    ("path", "password", "says"),
    [
        ("live", "wr0ng-s3cret", "check the camera's username and password_file"),
        ("live", None, "check the camera's username and password_file"),
        ("none", PASSWORD, "check the path in its url"),
    ],
)
def test_what_a_server_refuses_is_said_without_the_secret(
    guarded: RtspServer, capfd: pytest.CaptureFixture[str], path: str, password: str | None, says: str
) -> None:
    """A wrong password or path is one sentence that says what to check; the password is in no error, log or output."""
    client = source(guarded.port, path, password)
    with capture_logs() as logs, pytest.raises(CameraLostError, match=says) as caught:
        client.open()
    written = capfd.readouterr()
    everything = f"{caught.value} {caught.value.__cause__} {logs} {written.out} {written.err}"

    assert not [secret for secret in ("wr0ng", "s3cr", "%40", "edge:") if secret in everything]


def test_nobody_at_the_address_is_a_lost_camera() -> None:
    """A host that does not answer is lost within the opening's time, with what to check."""
    with pytest.raises(CameraLostError, match="check its power and cable, and host and port in its url"):
        source(9).open()


def test_lost_packets_never_leave_old_pieces_in_a_frame(guarded: RtspServer) -> None:
    """After lost packets nothing counts until a whole key frame: every pixel given is of its own time (L5, L3)."""
    proxy = Proxy(guarded.port)
    camera = StreamCamera(source(proxy.port, password=PASSWORD), take_timeout_ms=9000)
    camera.open()
    errors = []
    for number in range(4):
        proxy.num_dropped = 1 + number % 2
        frame = camera.take(ORDER)
        assert frame.pixels is not None
        expected = np.frombuffer(picture(shown_us(frame)), np.uint8).reshape(HEIGHT, WIDTH).astype(float)
        difference = np.abs((expected - 16) * 255 / 219 - frame.pixels[:, :, 0])[48:]
        errors.append(difference.reshape(14, 8, 32, 8).mean(axis=(1, 3)).max())
    camera.close()
    proxy.cut()

    # The mean of a block of 8 x 8: 5 from the coding, 15 and more where it is another frame's.
    assert max(errors) < 12
    assert camera.counts.malformed > 0


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyAV one sentence says what to install."""
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ConfigError, match=r"pip install 'edge-inspection\[rtsp\]'"):
        source(9)


def test_no_retake_is_spent_on_an_exposure_that_cannot_be_set() -> None:
    """A camera whose exposure is set elsewhere has the one exposure, so no retake asks for a shorter or longer one."""
    camera = RtspCamera(kind="rtsp", url="rtsp://camera/live", exposure_us=4000)
    policy = replace(Policy(), exposure_us=4000, exposure_range_us=camera.exposure_range_us)
    dark = Attempt(1, exposure_us=4000, light="normal", defects=(Defect.DARK,))

    assert next_take([dark], (Defect.DARK,), policy, 1000) is None


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("rtsp://edge:s3cret@camera/live", "holds a user or a password"),
        ("rtsp://camera/live?user=edge&pwd=s3cret", "holds a user or a password"),
        ("http://camera/live", "is no address of a stream"),
        ("rtsp:///live", "is no address of a stream"),
        ("rtsp://camera:port/live", "is no address of a stream"),
    ],
)
def test_an_address_with_a_secret_is_refused(url: str, says: str) -> None:
    """User and password have keys of their own; what a query says of the stream may stay (L13)."""
    with pytest.raises(ValidationError, match=says):
        RtspCamera(kind="rtsp", url=url)

    assert RtspCamera(kind="rtsp", url="rtsp://camera/cam?channel=1&subtype=0").url.endswith("subtype=0")
