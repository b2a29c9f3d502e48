"""Calibration files: the one that comes with edge, and a site's own (`edge calibrate` writes them)."""

from __future__ import annotations

import json
from pathlib import Path

from edge.core.calibration import Calibration
from edge.errors import ConfigError

#: Of the ocr reader, measured on drawn plates by `training/calibration`. It lies beside the reader that it belongs to,
#: whose weights it names, and not in the code: made anew, it changes no line of the core.
BUNDLED = Path(__file__).parent / "readers" / "calibration.json"
_MOST_BYTES = 1_000_000


def read_calibration(path: Path | None = None) -> Calibration:
    """The calibration of a file; None: the one that comes with edge.

    Raises:
        ConfigError: there is no such file, or it holds no calibration; one sentence.
    """
    return calibration_of(calibration_text(path), str(path or BUNDLED))


def calibration_text(path: Path | None = None) -> str:
    """What the file of a calibration says; None: of the one that comes with edge.

    Raises:
        ConfigError: there is no such file, it is too large, or no text.
    """
    path = BUNDLED if path is None else path
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path} has {path.stat().st_size} bytes, and a calibration has less than {_MOST_BYTES}")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); make one with edge calibrate") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is no calibration: it is not JSON; make one with edge calibrate") from None


def calibration_of(text: str, name: str) -> Calibration:
    """The calibration that a text says; `name` is where it came from.

    Raises:
        ConfigError: it says none; one sentence.
    """
    try:
        return Calibration.of(json.loads(text))
    except (ValueError, RecursionError) as error:
        what = "it is not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
        raise ConfigError(f"{name} is no calibration: {what}; make one with edge calibrate") from None
