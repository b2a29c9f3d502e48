"""The GPU, where a reader that can run on one is configured: its driver, and whether torch can use it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.commands.checks.finding import Finding, fail, judged, ok
from edge.readers.opening import WITH_MODEL
from edge.settings import Settings

#: Where NVIDIA's kernel module tells its version and its GPUs, without a library of its own.
PROC = Path("/proc/driver/nvidia")


@dataclass(frozen=True, slots=True)
class Cuda:
    """What torch says: the CUDA that it was built for, and the GPU that it would use; None where there is none."""

    version: str | None
    name: str | None = None
    free_bytes: int = 0
    total_bytes: int = 0


def is_wanted(settings: Settings) -> bool:
    """Whether this station's own reader may run on a GPU."""
    reader = settings.reader
    return reader.kind in WITH_MODEL and reader.device != "cpu" and reader.shared is None


def check(settings: Settings, *, proc: Path = PROC, cuda: Callable[[], Cuda] | None = None) -> Finding:
    """Ask the kernel for the driver, then torch for the GPU."""
    needed = settings.reader.device == "cuda"
    driver, names = _driver(proc)
    if driver is None:
        if needed:
            return fail(
                "no NVIDIA driver is loaded, and reader.device is cuda",
                "install the driver of your distribution and restart the PC, or set reader.device to cpu",
                driver=None,
            )
        return ok("none: the model runs on the processor", driver=None)
    told = (cuda or _ask_torch)()
    facts = {"driver": driver, "gpus": names, "cuda": told.version, "name": told.name, "free_bytes": told.free_bytes}
    said = f"{told.name or ', '.join(names) or 'no GPU'}, driver {driver}, CUDA {told.version or 'not in this torch'}"
    if told.name is None:
        remedy = (
            "install a torch with CUDA"
            if told.version is None
            else f"see the rights on /dev/nvidia*, and that driver {driver} is new enough for CUDA {told.version}"
        )
        return (
            fail(f"{said}: torch cannot use it", remedy, **facts)
            if needed
            else judged(said, [f"torch cannot use it, so the model runs on the processor; {remedy}"], **facts)
        )
    return ok(f"{said}, {told.free_bytes / 1e9:.1f} of {told.total_bytes / 1e9:.1f} GB free", **facts)


def _driver(proc: Path) -> tuple[str | None, list[str]]:
    """Version of the driver that is loaded, and the models of its GPUs."""
    try:
        text = (proc / "version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None, []
    version = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)", text)
    names = []
    for file in sorted(proc.glob("gpus/*/information")):
        model = re.search(r"^Model:\s*(.+?)\s*$", file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        names.append("unknown" if model is None else model[1])
    return ("unknown" if version is None else version[1]), names


def _ask_torch() -> Cuda:
    import torch  # noqa: PLC0415 - takes seconds, and is asked only where there is a driver

    version = torch.version.cuda
    if not torch.cuda.is_available():
        return Cuda(version)
    free, total = torch.cuda.mem_get_info()
    return Cuda(version, torch.cuda.get_device_name(), free, total)
