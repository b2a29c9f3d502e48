"""Errors by blame. Each message is one sentence: what happened, to which thing, what to do.

EdgeError
+-- ConfigError      the configuration is wrong; exit 78, systemd does not restart
+-- UseError         the caller or the command line is wrong; exit 2
+-- WorldError       something outside failed; policy turns it into a reason, never into an empty reading
    +-- CameraError  +-- ReaderError  +-- ImageError  +-- ErpError  +-- BrokerError  +-- StoreError
    +-- BundleError  +-- AnswerError  +-- SignalError  +-- PlantError                +-- DiskFullError
"""

from __future__ import annotations


class EdgeError(Exception):
    """Any error that edge raises on purpose."""


class ConfigError(EdgeError):
    """Raised when the configuration is wrong; `problems` lists every mistake, one sentence each."""

    def __init__(self, problems: list[str] | str) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(self.problems))


class UseError(EdgeError):
    """Raised when a command or a function is used in a way it does not offer."""


class WorldError(EdgeError):
    """Raised when something outside edge failed."""


class CameraError(WorldError):
    """Raised when a camera cannot be opened or gives no frame."""


class ReaderError(WorldError):
    """Raised when a reader cannot be loaded or could not do its work."""


class AnswerError(ReaderError):
    """Raised when a reader answered, and its answer is none that the question profile allows."""


class ImageError(WorldError):
    """Raised when an image file cannot be used; says file, limit and fact."""


class ErpError(WorldError):
    """Raised when ERP does not answer, or answers with something that is not one record."""


class BrokerError(WorldError):
    """Raised when the broker cannot be reached or refuses the connection."""


class SignalError(WorldError):
    """Raised when a PLC or a digital line cannot be reached, or refuses what is asked of it."""


class StoreError(WorldError):
    """Raised when edge.db or the evidence folder cannot be written."""


class DiskFullError(StoreError):
    """Raised when there is no room on the disk, or less than is kept free for inspections that have begun."""


class BundleError(WorldError):
    """Raised when a bundle cannot be used or written; says file, fact and remedy."""


class PlantError(WorldError):
    """Raised when the plant's database cannot be reached, or refuses what is asked of it."""
