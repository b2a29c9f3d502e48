"""Thousands of files that are almost images, in a process of their own: pixels or one named error, never a crash."""

from __future__ import annotations

import collections
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from tests.adapters.mutated import CHANGES, ORIGINALS, mutated

FEW, MANY = 4000, 60_000
#: One picture at the decoder's limit is 240 MB, and lies there twice while it is turned or converted.
MOST_MB = 1500


@dataclass
class Count:
    """What came of the files; `crashed` names those that ended the process, with what ended it."""

    told: collections.Counter[str] = field(default_factory=collections.Counter)
    unnamed: dict[int, str] = field(default_factory=dict)
    crashed: dict[int, str] = field(default_factory=dict)
    most_mb: float = 0.0
    most_s: float = 0.0


def decode_all(begin: int, end: int) -> Count:
    """Decode the files of these numbers; a process that dies is counted, and another one goes on behind it."""
    count = Count()
    while begin < end:
        done = subprocess.run(
            ["nice", "-n", "10", sys.executable, "-m", "tests.adapters.mutated", str(begin), str(end)],
            capture_output=True,
            check=False,
            env=os.environ | {"OPENCV_LOG_LEVEL": "SILENT"},
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for one in lines:
            if "told" in one:
                _note(count, one)
        if done.returncode == 0:
            return count
        last = lines[-1] if lines else {"number": begin}
        count.crashed[last["number"]] = f"{last.get('done')}: {done.returncode} {done.stderr[-300:]!r}"
        begin = last["number"] + 1
    return count


def _note(count: Count, one: dict[str, object]) -> None:
    told = str(one["told"])
    kind = "pixels" if told == "3 channels" else "error" if told.startswith("the file ") else "unnamed"
    count.told[kind] += 1
    if kind == "unnamed":
        count.unnamed[int(str(one["number"]))] = told
    count.most_mb = max(count.most_mb, float(str(one["mb"])))
    count.most_s = max(count.most_s, float(str(one["s"])))


@pytest.mark.parametrize(
    ("begin", "end"), [(0, FEW), pytest.param(FEW, MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_a_mutated_file_gives_pixels_or_a_named_error(begin: int, end: int) -> None:
    """No file ends the decoder's process, none raises what is not named, and memory stays bounded (L3)."""
    count = decode_all(begin, end)
    print(count)

    assert count.crashed == {}
    assert count.unnamed == {}
    assert sum(count.told.values()) == end - begin
    assert count.told["pixels"] > (end - begin) // 50
    assert count.told["error"] > (end - begin) // 3
    assert count.most_mb < MOST_MB


def test_every_change_is_made_to_every_kind_of_file() -> None:
    """The few thousand files hold each change of each original: none is left out by chance."""
    seen = {(number % len(ORIGINALS), name) for number in range(FEW) for name in mutated(number)[0].split()}

    assert len(seen) == len(ORIGINALS) * len(CHANGES)
