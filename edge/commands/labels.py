"""Labels of image files: what is printed on them, one JSON object a line.

A line has `file`, relative to the labels' folder, `model` and `serial` (null: there is none, or none that can be read),
any other field of a product, and optionally `model_alternatives` and so on: texts that count as right too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.adapters import images
from edge.errors import UseError

LABELS = "labels.jsonl"
#: What every line may say, and must say as a text.
_PRINTED = ("model", "serial")
_FORM = "write one object a line: file, model, serial"


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled image: for each field the texts that are right, as printed first; none where the plate has none."""

    file: str
    texts: Mapping[str, tuple[str, ...]]


def read_labels(path: Path) -> list[Label]:
    """The labels of a file.

    Raises:
        UseError: there are none, or a line is no label; says which.
    """
    name = images.shown(str(path))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UseError(f"{name} cannot be read ({error.strerror}); {_FORM}") from None
    except UnicodeDecodeError:
        raise UseError(f"{name} is not UTF-8; save it as that") from None
    labels = [_label(line, f"{name} line {number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not labels:
        raise UseError(f"{name} has no line; {_FORM}")
    return labels


def _label(line: str, where: str) -> Label:
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError):
        raise UseError(f"{where} is not JSON; {_FORM}") from None
    if not isinstance(facts, dict) or not isinstance(facts.get("file"), str) or not facts["file"]:
        raise UseError(f"{where} names no file; {_FORM}")
    texts: dict[str, tuple[str, ...]] = {}
    for name, text in facts.items():
        if name in _PRINTED and not (text is None or isinstance(text, str)):
            raise UseError(f"{where} has a {name} that is no text; write a text, or null where there is none")
        if name == "file" or not (text is None or isinstance(text, str)):
            continue
        others = facts.get(f"{name}_alternatives") or []
        if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
            raise UseError(f"{where} has {name}_alternatives that are no list of texts; write a list of texts")
        texts[name] = (text, *others) if text else ()
    return Label(facts["file"], texts)
