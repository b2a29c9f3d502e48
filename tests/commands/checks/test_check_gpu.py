"""The GPU's line of `edge check`: there only for a reader that may use one, with driver, CUDA and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.commands.check import checks
from edge.commands.checks import gpu
from edge.commands.checks.gpu import Cuda
from edge.settings import Settings
from tests.commands.checks.stations import station

#: As NVIDIA's module 550.54.15 writes it.
VERSION = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\n"
    "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
)
OPEN_VERSION = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.10  Release Build  (dvs@builder)\n"
H100 = Cuda("12.4", "NVIDIA H100 80GB HBM3", 79_000_000_000, 85_000_000_000)


def reader(folder: Path, device: str, kind: str = "vlm") -> Settings:
    """A station whose reader runs there."""
    return station(folder, EDGE_READER__KIND=kind, EDGE_READER__DEVICE=device)


def driver(folder: Path, version: str = VERSION) -> Path:
    """What a loaded driver shows of itself."""
    gpus = folder / "nvidia" / "gpus" / "0000:17:00.0"
    gpus.mkdir(parents=True)
    (gpus / "information").write_text("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 345\n", encoding="utf-8")
    (folder / "nvidia" / "version").write_text(version, encoding="utf-8")
    return folder / "nvidia"


@pytest.mark.parametrize(("version", "number"), [(VERSION, "550.54.15"), (OPEN_VERSION, "570.86.10")])
def test_a_gpu_that_can_be_used_is_named_with_its_driver(tmp_path: Path, version: str, number: str) -> None:
    """GPU, driver, CUDA and free memory stand in one line."""
    finding = gpu.check(reader(tmp_path, "cuda"), proc=driver(tmp_path, version), cuda=lambda: H100)

    assert finding.level == "ok"
    assert finding.said == f"NVIDIA H100 80GB HBM3, driver {number}, CUDA 12.4, 79.0 of 85.0 GB free"


@pytest.mark.parametrize(("device", "level"), [("cuda", "fail"), ("auto", "ok")])
def test_without_a_driver_a_reader_that_needs_one_fails(tmp_path: Path, device: str, level: str) -> None:
    """A reader on `auto` runs on the processor then, which is no mistake."""
    finding = gpu.check(reader(tmp_path, device), proc=tmp_path / "none", cuda=lambda: H100)

    assert finding.level == level
    assert ("install the driver" in finding.do) == (level == "fail")


@pytest.mark.parametrize(("device", "level"), [("cuda", "fail"), ("auto", "warn")])
@pytest.mark.parametrize(
    ("told", "remedy"), [(Cuda("13.0"), "new enough for CUDA 13.0"), (Cuda(None), "a torch with CUDA")]
)
def test_a_gpu_that_torch_cannot_use_is_told(tmp_path: Path, device: str, level: str, told: Cuda, remedy: str) -> None:
    """A driver that is too old, and a torch without CUDA, each have their remedy."""
    finding = gpu.check(reader(tmp_path, device), proc=driver(tmp_path), cuda=lambda: told)

    assert (finding.level, remedy in finding.do) == (level, True)
    assert "NVIDIA H100 80GB HBM3, driver 550.54.15" in finding.said


@pytest.mark.parametrize(
    ("kind", "device", "asked"),
    [("vlm", "auto", True), ("ocr+vlm", "cuda", True), ("vlm", "cpu", False), ("ocr", "auto", False)],
)
def test_the_line_is_there_for_a_reader_that_may_use_a_gpu(tmp_path: Path, kind: str, device: str, asked: bool) -> None:
    """A station that reads on its processor hears nothing of GPUs."""
    names = [name for name, _ in checks(reader(tmp_path, device, kind))]

    assert ("gpu" in names) == asked
